"""Usage that is counted as the ingest counts it: totals and budgets in one transaction."""

from collections.abc import Iterable
from typing import Any

from ringfence_kit.clock import DAY, MINUTE, Instant
from ringfence_kit.events import Revision
from ringfence_kit.store import Mutation
from ringfence_telemetry.budgets.board import BudgetBoard
from ringfence_telemetry.budgets.book import BudgetBook, begin, renew
from ringfence_telemetry.budgets.budget import Budget, Scope, Standing, Unit
from ringfence_telemetry.budgets.desk import BudgetDesk
from ringfence_telemetry.roll_up import Rolled
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.budgets import StandingQuery
from ringfence_telemetry.usage import Counts, UsageKey

from support.telemetry.opened import OpenedStore
from support.telemetry.spans import NOW

TODAY = Instant(NOW - NOW % DAY)
"""When the day of the tests began."""


def budget(budget_id: str = "daily", **fields: Any) -> Budget:
    """Return a budget of 100 tokens a day for each agent, with these changes."""
    values: dict[str, Any] = {
        "id": budget_id,
        "uid": budget_id,
        "revision": Revision(1),
        "scope": Scope.AGENT,
        "unit": Unit.TOKENS,
        "amount": 100,
        "period": DAY,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Budget(**(values | fields))


def used(tokens: int = 0, *, agent: str = "a", at: Instant = NOW, **fields: Any) -> tuple[UsageKey, Counts]:
    """Return what a span of an agent is charged."""
    of_key = {name: fields.pop(name) for name in UsageKey._fields if name in fields}
    key: dict[str, Any] = {"session": "", "model": "", "operation": "", "untrusted": False} | of_key
    counts = Counts(**({"spans": 1, "input_tokens": tokens} | fields))
    return UsageKey(minute=at // MINUTE, agent=agent, **key), counts


def spend(tx: TelemetryTx, uses: Iterable[tuple[UsageKey, Counts]], *, at: Instant = NOW) -> None:
    """Count usage as the ingest does; what is negative is taken back."""
    rolled = Rolled()
    for key, counts in uses:
        rolled.change.add(key, counts)
    tx.add_usage(rolled.change.sums(), rolled.change.durations(), rolled.change.called())
    BudgetBook().draw(tx, rolled, at)


async def spent(opened: OpenedStore, *uses: tuple[UsageKey, Counts], at: Instant = NOW) -> None:
    """Count usage in a transaction of its own."""
    await opened.writer.write(lambda tx: spend(tx, uses, at=at), mutation=_by_us(at), result=type(None))


async def renewed(opened: OpenedStore, at: Instant) -> None:
    """Let time pass for what is due."""
    await opened.writer.write(lambda tx: renew(tx, at), mutation=_by_us(at), result=bool)


async def kept(opened: OpenedStore, *budgets: Budget, at: Instant = NOW) -> None:
    """Keep budgets, and count what their period holds."""

    def work(tx: TelemetryTx) -> None:
        for each in budgets:
            tx.keep_budget(each)
            begin(tx, each, at)

    await opened.writer.write(work, mutation=_by_us(at), result=type(None))


async def standing(opened: OpenedStore, of: Budget, subject: str | None = None, *, at: Instant = NOW) -> list[Standing]:
    """Return how a budget stands in the period of `at`, the most spent first."""
    query = StandingQuery(budget=of.id, start=of.start_at(at), subject=subject, limit=1_000)
    return [*await opened.store.budget_standings(query)]


async def desk_of(opened: OpenedStore, board: BudgetBoard, *, clock: Any, new_id: Any) -> BudgetDesk:
    """Return who answers for budgets, with a board of what is stored."""
    stored = await opened.store.stored_budgets()
    board.load(stored.budgets, stored.raised)
    return BudgetDesk(opened.writer, opened.store, board, clock=clock, new_id=new_id)


def _by_us(at: Instant) -> Mutation:
    return Mutation(principal="telemetry", at=at)
