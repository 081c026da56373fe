"""The budgets there are and those that are raised, in memory: what watchers are told of.

It follows the events of the store, so it says what the rows say, and nothing of a period that is over: the end of a
period is an event like any other.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator
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
from ringfence_telemetry.budgets.budget import Budget, Scope, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Stands:
    """How a budget stands for a subject."""

    budget: Budget
    standing: Standing
    revision: Revision
    at: Instant
    introduces: bool
    """Whether the budget itself is news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """With a subject: nothing is to be told of it any more. Without: the budget is gone, with all of them."""

    budget: str
    subject: str
    revision: Revision
    at: Instant


BudgetItem: TypeAlias = Stands | Cleared | StateComplete | Bookmark


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
            self._raise(standing)

    def apply(self, event: Event) -> None:
        """Take an event of a budget or a standing."""
        match event.kind, event.change:
            case kind, Change.DELETED if kind == BUDGET:
                gone = _budget(event).id
                self._budgets.pop(gone, None)
                self._raised.pop(gone, None)
            case kind, _ if kind == BUDGET:
                budget = _budget(event)
                before = self._budgets.get(budget.id)
                self._budgets[budget.id] = budget
                if before is not None and (before.subjects, before.period) != (budget.subjects, budget.period):
                    # What was counted is counted again; the standings that follow say what came of it.
                    self._raised.pop(budget.id, None)
            case kind, Change.DELETED if kind == STANDING:
                standing = _standing(event)
                self._raised.get(standing.budget, {}).pop(standing.subject, None)
            case kind, _ if kind == STANDING:
                self._raise(_standing(event))

    def budget(self, budget_id: str) -> Budget | None:
        """Return a budget, or None."""
        return self._budgets.get(budget_id)

    def budgets(self) -> list[Budget]:
        """Return all budgets, by id."""
        return [budget for _, budget in sorted(self._budgets.items())]

    async def watch(self, hub: EventHub, *, send_state: bool, hard_only: bool) -> AsyncGenerator[BudgetItem, None]:
        """Yield the state, when it is wanted, and then what changes; raises what `EventHub.watch` raises.

        To who wants hard ones only, one that is hard no longer is gone.
        """
        shown: set[str] = set()

        def there() -> list[list[Stands]]:
            revision, now = hub.newest, self._clock.now()
            wanted = [budget for budget in self.budgets() if budget.hard or not hard_only]
            return [[*self._all(budget, revision, now)] for budget in wanted]

        items = watch_state(
            hub,
            clock=self._clock,
            standing=there if send_state else None,
            start_revision=None,
            want=lambda event: event.kind in (BUDGET, STANDING),
        )
        if not send_state:
            shown.update(budget.id for budget in self.budgets() if budget.hard or not hard_only)
        async with aclosing(items):
            async for item in items:
                match item:
                    case There(resource=all_of_one):
                        for stands in all_of_one:
                            shown.add(stands.budget.id)
                            yield stands
                    case Event():
                        for told in self._told(item, shown, hard_only=hard_only):
                            yield told
                    case _:
                        yield item

    def _told(self, event: Event, shown: set[str], *, hard_only: bool) -> Iterator[BudgetItem]:
        if event.kind == STANDING:
            standing = event.once(_standing)
            budget = self._budgets.get(standing.budget)
            if budget is None or budget.id not in shown:
                return
            if event.change is Change.DELETED and budget.scope is Scope.EVERYTHING:
                yield from self._all(budget, event.revision, event.at)
            elif event.change is Change.DELETED:
                yield Cleared(budget=budget.id, subject=standing.subject, revision=event.revision, at=event.at)
            else:
                yield Stands(budget=budget, standing=standing, revision=event.revision, at=event.at, introduces=False)
            return
        budget = event.once(_budget)
        wanted = event.change is not Change.DELETED and (budget.hard or not hard_only)
        if budget.id in shown and not wanted:
            shown.discard(budget.id)
            yield Cleared(budget=budget.id, subject="", revision=event.revision, at=event.at)
        elif wanted:
            shown.add(budget.id)
            # As it is now: what followed within its transaction is told once more behind it, and changes nothing.
            yield from self._all(self._budgets.get(budget.id, budget), event.revision, event.at)

    def _all(self, budget: Budget, revision: Revision, at: Instant) -> Iterator[Stands]:
        """Return a budget, as the standing of nobody, and every standing of it that is raised."""
        nobody = Standing(budget=budget.id, subject="", start=budget.start_at(at))
        raised = self._raised.get(budget.id, {})
        if "" not in raised:
            yield Stands(budget=budget, standing=nobody, revision=revision, at=at, introduces=True)
        for number, (_, standing) in enumerate(sorted(raised.items())):
            introduces = number == 0 and "" in raised
            yield Stands(budget=budget, standing=standing, revision=revision, at=at, introduces=introduces)

    def _raise(self, standing: Standing) -> None:
        self._raised.setdefault(standing.budget, {})[standing.subject] = standing


def _budget(event: Event) -> Budget:
    return records.decode(event.record, Budget)


def _standing(event: Event) -> Standing:
    return records.decode(event.record, Standing)
