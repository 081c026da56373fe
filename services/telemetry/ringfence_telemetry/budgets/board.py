"""The budgets there are and who is past a level of one, in memory: what watchers are told.

It follows the events of the store, so it says what the rows say, and nothing of a period that is over: the end of a
period is an event like any other.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_kit import records
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.events import Bookmark, Change, Event, Revision
from ringfence_kit.state_watch import Standing as There
from ringfence_kit.state_watch import StateComplete, watch_state
from ringfence_kit.watch import EventHub

from ringfence_telemetry.budgets.book import BUDGET, STANDING
from ringfence_telemetry.budgets.budget import Budget, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChange:
    """What happened to a budget, or to somebody's standing."""

    change: Change
    budget: Budget
    standing: Standing | None = None
    """None when it is about the budget itself."""
    revision: Revision
    at: Instant


BudgetItem: TypeAlias = BudgetChange | StateComplete | Bookmark


class BudgetBoard:
    """The budgets of one process."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._budgets: dict[str, Budget] = {}
        self._raised: dict[str, dict[str, Standing]] = {}

    def load(self, budgets: Iterable[Budget], raised: Iterable[Standing]) -> None:
        """Take what is stored; the events after it follow."""
        self._budgets = {budget.id: budget for budget in budgets}
        self._raised = {}
        for standing in raised:
            self._raised.setdefault(standing.budget, {})[standing.subject] = standing

    def apply(self, event: Event) -> None:
        """Take an event of a budget or a standing."""
        gone = event.change is Change.DELETED
        if event.kind == BUDGET:
            budget = event.once(_budget)
            if gone:
                self._budgets.pop(budget.id, None)
                self._raised.pop(budget.id, None)
            else:
                self._budgets[budget.id] = budget
            return
        standing = event.once(_standing)
        if gone:
            self._raised.get(standing.budget, {}).pop(standing.subject, None)
        else:
            self._raised.setdefault(standing.budget, {})[standing.subject] = standing

    def budget(self, budget_id: str) -> Budget | None:
        """Return a budget, or None."""
        return self._budgets.get(budget_id)

    def budgets(self) -> list[Budget]:
        """Return all budgets, by id."""
        return [budget for _, budget in sorted(self._budgets.items())]

    async def watch(
        self, hub: EventHub, *, send_state: bool, start_revision: Revision | None, hard_only: bool
    ) -> AsyncGenerator[BudgetItem, None]:
        """Yield the state, when it is wanted, and then what changes; raises what `EventHub.watch` raises.

        To who wants hard ones only, one that is hard no longer is gone.
        """
        items = watch_state(
            hub,
            clock=self._clock,
            standing=(lambda: self._state(hub.newest, hard_only=hard_only)) if send_state else None,
            start_revision=start_revision,
            want=lambda event: event.kind in (BUDGET, STANDING),
        )
        async with aclosing(items):
            async for item in items:
                match item:
                    case There(resource=change):
                        yield change
                    case Event():
                        told = self._told(item, hard_only=hard_only)
                        if told is not None:
                            yield told
                    case _:
                        yield item

    def _state(self, revision: Revision, *, hard_only: bool) -> list[BudgetChange]:
        at, found = self._clock.now(), list[BudgetChange]()
        for budget in self.budgets():
            if budget.hard or not hard_only:
                found.append(BudgetChange(change=Change.ADDED, budget=budget, revision=revision, at=at))
                found += [
                    BudgetChange(change=Change.ADDED, budget=budget, standing=standing, revision=revision, at=at)
                    for _, standing in sorted(self._raised.get(budget.id, {}).items())
                ]
        return found

    def _told(self, event: Event, *, hard_only: bool) -> BudgetChange | None:
        """Return what a watcher is told of an event: one thing at the most, for a revision is given once."""
        if event.kind == BUDGET:
            budget, change = event.once(_budget), event.change
            if hard_only and not budget.hard:
                change = Change.DELETED
            return BudgetChange(change=change, budget=budget, revision=event.revision, at=event.at)
        standing = event.once(_standing)
        known = self._budgets.get(standing.budget)
        if known is None or (hard_only and not known.hard):
            return None
        return BudgetChange(change=event.change, budget=known, standing=standing, revision=event.revision, at=event.at)


def _budget(event: Event) -> Budget:
    return records.decode(event.record, Budget)


def _standing(event: Event) -> Standing:
    return records.decode(event.record, Standing)
