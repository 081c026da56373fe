"""How an objective stands at the end of a minute: shares, burn rates, alerts, and what the mesh should do.

Pure and exact (telemetry.md, section 4; the Site Reliability Workbook, chapter 5). The rules:

- without events nothing is known, and no budget is used;
- a pair of windows fires when both burn strictly faster than its threshold, the long one holds as many events as the
  objective asks for, and at least two of them are bad: one event says nothing about a share;
- the budget is exhausted when more than all of it is used: exactly all of it is a promise kept;
- an order is given at once, and taken back when every minute of two short windows asked for less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction

from ringfence_kit.clock import MINUTE, Instant, Millis

from ringfence_telemetry.slo.objective import BurnRule, Objective
from ringfence_telemetry.slo.windows import Blamed, Tally, Windows

BAD_LEAST = 2
"""Bad events without which nothing fires."""


class State(StrEnum):
    """Whether an objective is kept."""

    NO_DATA = "no_data"
    HEALTHY = "healthy"
    AT_RISK = "at_risk"
    BURNING = "burning"
    EXHAUSTED = "exhausted"


class Order(IntEnum):
    """What the mesh should do about an agent, the mildest first; the numbers of the contract's `DegradeOrder`."""

    NORMAL = 1
    PREFER_ALTERNATE = 2
    HEDGE = 3
    REDUCE_SCOPE = 4
    SHED = 5
    FAIL_FAST = 6
    ESCALATE_HUMAN = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast one pair of windows burns."""

    rule: BurnRule
    threshold: Fraction
    long: Fraction | None
    """None without events."""
    short: Fraction | None
    firing: bool
    mostly_late: bool = False
    """Most of what is bad in the short window is late, not failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an objective stands."""

    at: Instant
    """The end of the minute it is for."""
    state: State
    tally: Tally
    sli: Fraction | None
    """Share of good events; None without events."""
    used: Fraction | None
    """Share of the budget that is used; None without events."""
    rates: tuple[Rate, ...]
    exhausted_at: Instant | None
    """When nothing is left, if the longest burning window goes on."""
    blame: tuple[tuple[str, Blamed], ...]
    """Bad events by agent, the most first."""
    order: Order
    """Of this minute alone, until `with_order` says what holds."""

    @property
    def left(self) -> Fraction | None:
        """Share of the budget that is left; None without events."""
        return None if self.used is None else 1 - self.used


def stand(objective: Objective, windows: Windows, end_minute: int) -> Standing:
    """Return how an objective stands when minute `end_minute` begins; its order is that of this minute alone."""
    tally = windows.whole(objective.window, end_minute)
    rates = tuple(_rate(objective, rule, windows, end_minute) for rule in objective.burn_rules)
    used = _burn(tally, objective)
    state = _state(objective, tally, used, rates)
    blame = sorted(windows.blame(objective.window, end_minute).items(), key=lambda each: (-each[1].bad, each[0]))
    at = Instant(end_minute * MINUTE)
    return Standing(
        at=at,
        state=state,
        tally=tally,
        sli=Fraction(tally.good, tally.total) if tally.total else None,
        used=used,
        rates=rates,
        exhausted_at=_exhausted_at(at, objective.window, used, rates),
        blame=tuple(blame),
        order=_order(state, rates),
    )


def order_over(objective: Objective, windows: Windows, end_minute: int) -> Order:
    """Return the order that holds at `end_minute`: the gravest of the minutes it takes to be over one."""
    minutes = range(end_minute - objective.hold + 1, end_minute + 1)
    return held([raw_order(objective, windows, minute) for minute in minutes])


def held(orders: Sequence[Order]) -> Order:
    """Return the order that holds after these, one a minute, the last `Objective.hold` of them."""
    return max(orders, default=Order.NORMAL)


def raw_order(objective: Objective, windows: Windows, end_minute: int) -> Order:
    """Return what one minute alone asks for."""
    tally = windows.whole(objective.window, end_minute)
    rates = tuple(_rate(objective, rule, windows, end_minute) for rule in objective.burn_rules)
    return _order(_state(objective, tally, _burn(tally, objective), rates), rates)


def _rate(objective: Objective, rule: BurnRule, windows: Windows, end_minute: int) -> Rate:
    long, short = windows.tally(rule.long, end_minute), windows.tally(rule.short, end_minute)
    threshold = rule.threshold(objective.window)
    long_rate, short_rate = _burn(long, objective), _burn(short, objective)
    enough = long.total >= objective.min_events and long.bad >= BAD_LEAST
    over = long_rate is not None and short_rate is not None and long_rate > threshold and short_rate > threshold
    return Rate(
        rule=rule,
        threshold=threshold,
        long=long_rate,
        short=short_rate,
        firing=enough and over,
        mostly_late=2 * short.errors < short.bad,
    )


def _burn(tally: Tally, objective: Objective) -> Fraction | None:
    """Return how many times faster than the budget allows events were bad; over the whole time: the share used."""
    return Fraction(tally.bad, tally.total) / objective.budget if tally.total else None


def _state(objective: Objective, tally: Tally, used: Fraction | None, rates: Sequence[Rate]) -> State:
    if used is None:
        return State.NO_DATA
    if used > 1 and tally.total >= objective.min_events and tally.bad >= BAD_LEAST:
        return State.EXHAUSTED
    if any(rate.firing and rate.rule.page for rate in rates):
        return State.BURNING
    return State.AT_RISK if used > 1 or any(rate.firing for rate in rates) else State.HEALTHY


def _order(state: State, rates: Sequence[Rate]) -> Order:
    pages = sorted((rate for rate in rates if rate.rule.page), key=lambda rate: rate.rule.long)
    fires = [rate for rate in pages if rate.firing]
    if state is State.EXHAUSTED:
        return Order.ESCALATE_HUMAN if fires else Order.REDUCE_SCOPE
    if fires:
        if all(rate.mostly_late for rate in fires):
            return Order.HEDGE
        return Order.SHED if pages[0].firing else Order.REDUCE_SCOPE
    return Order.PREFER_ALTERNATE if state is State.AT_RISK else Order.NORMAL


def _exhausted_at(at: Instant, period: Millis, used: Fraction | None, rates: Sequence[Rate]) -> Instant | None:
    if used is None:
        return None
    burning = [rate for rate in rates if rate.long is not None and rate.long > 1]
    if not burning:
        return None
    if used >= 1:
        return at
    rate = max(burning, key=lambda each: each.rule.long).long
    return None if rate is None else Instant(at + int((1 - used) * period / rate))
