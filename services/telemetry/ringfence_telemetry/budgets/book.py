"""What was spent of budgets, kept in the transaction that counts the usage: exact over crashes, like the totals.

The rules:

- spent is the sum of the trusted usage of a period, whatever the order or batching it comes in; what is taken back is
  taken back here too; a budget that is new, or whose subjects or period change, begins with what the totals say;
- each level that is reached raises an alert, and the whole of a hard budget one that is urgent; the alerts end when the
  period does, when what was spent is taken back, or with the budget;
- whoever enforces hears of a change of level and of the end of a period in the order they happen, and never of a period
  that is not the present one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change

from ringfence_telemetry.alerts.book import fire, resolve
from ringfence_telemetry.budgets.budget import Budget, Standing, StandingKey
from ringfence_telemetry.budgets.telling import alert_key, draft_of
from ringfence_telemetry.budgets.used import Used, used_by
from ringfence_telemetry.roll_up import Rolled
from ringfence_telemetry.store.budgets import BudgetTx

BUDGET = "budget"
"""The kind of a budget's events."""

STANDING = "budget-standing"
"""The kind of the events that say how one stands: MODIFIED at a change of level, DELETED when nothing is raised."""

DUE_AT_ONCE = 1_000

STORED_MAX = 2**63 - 1


class BudgetBook:
    """Counts what was rolled up against the budgets there are: a `Consequence` of the ingest."""

    def draw(self, tx: BudgetTx, rolled: Rolled, at: Instant) -> None:
        """Count it."""
        budgets = tx.budgets()
        if budgets:
            renew(tx, at)
            used = used_by(rolled.change.sums())
            count(tx, [(budget, used.each(budget.scope, budget.agents)) for budget in budgets], at)


@dataclass(slots=True)
class _Added:
    amount: int = 0
    unknown: int = 0


UsageOf: TypeAlias = Iterable[tuple[str, Instant, Used]]
"""Usage of the agents a budget counts: whose of its scope, of which minute, how much."""


def count(tx: BudgetTx, usage: Sequence[tuple[Budget, UsageOf]], at: Instant) -> None:
    """Count usage against budgets."""
    known = {budget.id: budget for budget, _ in usage}
    added: dict[StandingKey, _Added] = {}
    for budget, used in usage:
        for subject, minute, amounts in used:
            if budget.covers(subject):
                _gather(added, budget, subject, minute, amounts)
    changed = {key: each for key, each in added.items() if each.amount or each.unknown}
    before, settled = tx.standings(changed), list[Standing]()
    for key, each in sorted(changed.items()):
        name, subject, start = key
        standing = before.get(key, Standing(budget=name, subject=subject, start=start))
        spent = replace(
            standing,
            spent=_stored(standing.spent + each.amount),
            unknown_cost_calls=_stored(standing.unknown_cost_calls + each.unknown),
        )
        settled.append(_settle(tx, known[name], spent, at))
    tx.keep_standings(settled)


def renew(tx: BudgetTx, at: Instant) -> bool:
    """Look at what is due: periods that ended, and those that began with something spent. False when more is due."""
    due = tx.standings_due(at, limit=DUE_AT_ONCE)
    known = {budget.id: budget for budget in tx.budgets()} if due else {}
    tx.keep_standings([_settle(tx, known[each.budget], each, at) for each in due if each.budget in known])
    return len(due) < DUE_AT_ONCE


def begin(tx: BudgetTx, budget: Budget, at: Instant) -> None:
    """Count what the present period of a budget holds already: what was used before the budget was as it is.

    Clocks differ a little, so the next period may hold something as well.
    """
    start = budget.start_at(at)
    next_start = budget.end_of(start)
    periods = [(start, next_start)] if next_start is None else [(start, next_start), (next_start, None)]
    found = [
        (subject, since, used)
        for since, until in periods
        for subject, used in tx.used(budget.scope, start=since, end=until, agents=budget.agents).items()
    ]
    count(tx, [(budget, found)], at)


def end(tx: BudgetTx, budget: Budget, at: Instant) -> None:
    """Forget what was spent of a budget, and end its alerts."""
    for standing in tx.standings_raised(budget.id):
        _resolve(tx, budget, standing, _told(budget, standing), at)
        tx.record(Change.DELETED, STANDING, budget.name, records.encode(replace(standing, level=0)))
    tx.drop_standings(budget.id)


def reconsider(tx: BudgetTx, before: Budget, after: Budget, at: Instant) -> None:
    """Look at everybody's standing again after a budget's amount or levels changed."""
    # Who is past a level is told of again: the budget may enforce now what it did not, or at another amount.
    found = tx.standings_in(after.id, after.start_at(at))
    tx.keep_standings([_settle(tx, after, each, at, told=_told(before, each), again=True) for each in found])


def _stored(amount: int) -> int:
    """Return an amount as the stores can hold it: beyond 64 bits, nine billion of a currency, it stands still."""
    return max(-STORED_MAX, min(STORED_MAX, amount))


def _gather(added: dict[StandingKey, _Added], budget: Budget, subject: str, minute: Instant, used: Used) -> None:
    amount, unknown = used.of(budget)
    sums = added.setdefault((budget.id, subject, budget.start_at(minute)), _Added())
    sums.amount += amount
    sums.unknown += unknown


def _settle(
    tx: BudgetTx,
    budget: Budget,
    standing: Standing,
    at: Instant,
    *,
    told: Collection[int] | None = None,
    again: bool = False,
) -> Standing:
    """Return a standing to be kept, and tell of what changed about it; `told` are the levels there are alerts of."""
    told = _told(budget, standing) if told is None else told
    start = budget.start_at(at)
    crossed = budget.crossed(standing.spent) if standing.start == start else ()
    level = max(crossed, default=0)
    after = replace(standing, level=level, due_at=_due(budget, standing, start, level))
    _resolve(tx, budget, standing, (each for each in told if each not in crossed), at)
    for each in crossed:
        # The highest is brought up to date; those below it say when they were reached.
        if each not in told or each == level:
            fire(tx, draft_of(budget, after, each), at=at)
    if level != standing.level or (again and level):
        change = Change.MODIFIED if level else Change.DELETED
        tx.record(change, STANDING, budget.name, records.encode(after))
    return after


def _due(budget: Budget, standing: Standing, start: Instant, level: int) -> Instant | None:
    if standing.start > start:
        return standing.start
    return budget.end_of(standing.start) if standing.start == start and level else None


def _told(budget: Budget, standing: Standing) -> tuple[int, ...]:
    return tuple(level for level in budget.levels if level <= standing.level)


def _resolve(tx: BudgetTx, budget: Budget, standing: Standing, levels: Iterable[int], at: Instant) -> None:
    for level in levels:
        resolve(tx, alert_key(budget, standing, level), at=at)
