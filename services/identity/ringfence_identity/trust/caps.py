"""The caps on what counts: so that no flood of good words lifts an agent, and no flood of bad ones sinks it.

A cap slides: what was counted weighs on it for its hour or its day and then no more. Writing a signal down and
explaining a score read the same caps from here, so an explanation cannot promise what a signal would not get.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ringfence_kit.clock import DAY, HOUR, Instant, Millis
from ringfence_kit.trust_decay import MICRO, TrustState

HOUR_CAP = 20 * MICRO
DAY_CAP = 60 * MICRO
RATER_DAY_CAP = 10 * MICRO
COMPLAINT_DAY_CAP = 60 * MICRO
COMPLAINT_RATER_DAY_CAP = 20 * MICRO


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Points that were counted lately, towards a cap."""

    at: Instant
    rater: str
    weight: int
    """Micro-points the evidence was worth."""
    rise: int = 0
    """Micro-points the score may have risen by, fading debt included; at most the allowance of a day."""

    @property
    def charge(self) -> int:
        """What it takes of the day's allowance."""
        return max(self.weight, self.rise)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustLedger:
    """What is stored about an agent's trust, with what the caps must remember: the last 24 hours."""

    state: TrustState
    gains: tuple[Credit, ...] = ()
    complaints: tuple[Credit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """One cap at one instant."""

    rule: str
    """What it allows, in words: `20 points an hour`."""
    limit: int
    left: int
    free_at: Instant | None
    """When all of it is free again; None when it is."""
    rater: str = ""
    """The rater it is about; empty when it is about all."""


def since(counted: tuple[Credit, ...], at: Instant, window: Millis) -> tuple[Credit, ...]:
    """Return what still weighs at `at` on a cap that slides over `window`."""
    return tuple(credit for credit in counted if credit.at > at - window)


def day_cap(gains: tuple[Credit, ...], at: Instant) -> Cap:
    """Return the allowance of a day, which fading debt uses up as well."""
    counted = since(gains, at, DAY)
    return _cap("60 points a day", DAY_CAP, counted, used=sum(credit.charge for credit in counted), window=DAY)


def earning_caps(gains: tuple[Credit, ...], rater: str, at: Instant) -> tuple[Cap, ...]:
    """Return every cap that good evidence of `rater` falls under."""
    counted = since(gains, at, HOUR)
    hour = _cap("20 points an hour", HOUR_CAP, counted, used=_weight(counted), window=HOUR)
    overall = (day_cap(gains, at), hour)
    if not rater:
        return overall  # the cap is on raters; what our own services observe has none
    return (*overall, _rater_cap("10 points a day from one rater", RATER_DAY_CAP, gains, rater, at))


def complaint_caps(complaints: tuple[Credit, ...], rater: str, at: Instant) -> tuple[Cap, ...]:
    """Return every cap that a complaint of `rater` falls under."""
    counted = since(complaints, at, DAY)
    overall = _cap("60 points of complaints a day", COMPLAINT_DAY_CAP, counted, used=_weight(counted), window=DAY)
    if not rater:
        return (overall,)
    rule = "20 points of complaints a day from one reporter"
    return overall, _rater_cap(rule, COMPLAINT_RATER_DAY_CAP, complaints, rater, at)


def under(wanted: int, caps: Iterable[Cap]) -> tuple[int, str]:
    """Return how much of `wanted` the caps leave, and the sentence of the one that took something away."""
    narrowest = min(caps, key=lambda cap: cap.left)
    if wanted <= narrowest.left:
        return wanted, ""
    return max(0, narrowest.left), f"the cap of {narrowest.rule} is reached"


def caps_in_force(ledger: TrustLedger, at: Instant) -> tuple[Cap, ...]:
    """Return the caps of an agent at `at`: those on everybody, and those on each rater who used some of theirs."""
    raters = _raters(since(ledger.gains, at, DAY))
    reporters = _raters(since(ledger.complaints, at, DAY))
    return (
        *earning_caps(ledger.gains, "", at),
        *(earning_caps(ledger.gains, rater, at)[-1] for rater in raters),
        *complaint_caps(ledger.complaints, "", at),
        *(complaint_caps(ledger.complaints, reporter, at)[-1] for reporter in reporters),
    )


def _rater_cap(rule: str, limit: int, counted: tuple[Credit, ...], rater: str, at: Instant) -> Cap:
    own = tuple(credit for credit in since(counted, at, DAY) if credit.rater == rater)
    return _cap(rule, limit, own, used=_weight(own), window=DAY, rater=rater)


def _cap(rule: str, limit: int, counted: tuple[Credit, ...], *, used: int, window: Millis, rater: str = "") -> Cap:
    free_at = Instant(max(credit.at for credit in counted) + window) if counted else None
    return Cap(rule=rule, limit=limit, left=limit - used, free_at=free_at, rater=rater)


def _weight(counted: Iterable[Credit]) -> int:
    return sum(credit.weight for credit in counted)


def _raters(counted: Iterable[Credit]) -> list[str]:
    return sorted({credit.rater for credit in counted if credit.rater})
