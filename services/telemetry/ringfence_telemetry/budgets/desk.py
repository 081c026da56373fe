"""Setting budgets, changing them, and looking at how they stand: who may, and what follows.

A platform-admin sets any budget; a namespace-owner those for agents of its namespaces, named in the budget. Readers see
all of them; an owner those that are for agents and may reach its own, with the standing of its own agents; an agent the
budgets it has, with its own standing. Whoever may not see a budget is told that there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import HOUR, MINUTE, Clock, Instant, Millis
from ringfence_kit.errors import EtagMismatch, NotPermitted
from ringfence_kit.events import Change, Revision
from ringfence_kit.ids import NewId
from ringfence_kit.names import is_resource_id
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.validation import Violations

from ringfence_telemetry.alerts.desk import sees, sees_all
from ringfence_telemetry.budgets.board import BudgetBoard
from ringfence_telemetry.budgets.book import BUDGET, begin, end, reconsider, renew
from ringfence_telemetry.budgets.budget import Budget, Scope, Standing, Unit
from ringfence_telemetry.budgets.outlook import Outlook, outlook_of
from ringfence_telemetry.budgets.used import Used
from ringfence_telemetry.errors import BudgetAlreadyExists, BudgetNotFound
from ringfence_telemetry.store.budgets import BudgetStore, BudgetTx, StandingQuery

STANDINGS_MAX = 100

_RESTARTING = frozenset({"subjects", "agents", "period"})
"""Fields whose change makes what was counted worthless: it is counted again from the totals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """What somebody asks a new budget to be."""

    display_name: str = ""
    scope: Scope
    subjects: tuple[str, ...] = ()
    unit: Unit
    amount: int
    currency: str = ""
    period: Millis | None = None
    soft_levels: tuple[int, ...] = ()
    hard: bool = False
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPatch:
    """What somebody asks to be changed: the fields in `names` take the values here."""

    names: frozenset[str]
    display_name: str = ""
    subjects: tuple[str, ...] = ()
    amount: int = 1
    period: Millis | None = None
    soft_levels: tuple[int, ...] = ()
    hard: bool = False
    agents: tuple[str, ...] = ()

    def applied_to(self, budget: Budget) -> Budget:
        """Return the budget with the changes."""
        changes = {each.name: getattr(self, each.name) for each in fields(self) if each.name in self.names}
        return replace(budget, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewed:
    """A standing as it is shown: with what is to be expected."""

    budget: Budget
    standing: Standing
    outlook: Outlook


class BudgetDesk:
    """Answers for budgets."""

    def __init__(
        self, writer: Writer[BudgetTx], store: BudgetStore, board: BudgetBoard, *, clock: Clock, new_id: NewId
    ) -> None:
        self._writer = writer
        self._store = store
        self._board = board
        self._clock = clock
        self._new_id = new_id

    async def create(self, budget_id: str, spec: BudgetSpec, *, caller: Caller, mutation: Mutation) -> Budget:
        """Set a budget; what the present period holds already counts. Raises NotPermitted and BudgetAlreadyExists."""
        _require_may_set(caller, spec.scope, spec.subjects)
        uid = self._new_id()

        def work(tx: BudgetTx) -> Budget:
            if tx.budget(budget_id) is not None:
                raise BudgetAlreadyExists(name=f"budgets/{budget_id}")
            budget = _new(budget_id, uid, spec, revision=tx.next_revision, at=mutation.at)
            _keep(tx, Change.ADDED, budget)
            begin(tx, budget, mutation.at)
            return budget

        return await self._writer.write(work, mutation=mutation, result=Budget)

    async def update(
        self, budget_id: str, patch: BudgetPatch, *, etag: str, caller: Caller, mutation: Mutation
    ) -> Budget:
        """Change a budget. A change that changes nothing is no event.

        Raises BudgetNotFound, EtagMismatch, InvalidRequest and NotPermitted.
        """

        def work(tx: BudgetTx) -> Budget:
            renew(tx, mutation.at)
            before = _found(tx, budget_id, etag, caller)
            after = patch.applied_to(before)
            if after == before:
                return before
            _require_parts(after)
            _require_may_set(caller, after.scope, after.subjects)
            at = max(before.updated_at, mutation.at)
            after = replace(after, revision=tx.next_revision, updated_at=at)
            _keep(tx, Change.MODIFIED, after)
            if any(getattr(before, name) != getattr(after, name) for name in _RESTARTING):
                end(tx, before, at)
                begin(tx, after, at)
            else:
                reconsider(tx, before, after, at)
            return after

        return await self._writer.write(work, mutation=mutation, result=Budget)

    async def delete(self, budget_id: str, *, etag: str, caller: Caller, mutation: Mutation) -> None:
        """Delete a budget, with its alerts. Raises BudgetNotFound and EtagMismatch."""

        def work(tx: BudgetTx) -> None:
            budget = _found(tx, budget_id, etag, caller)
            end(tx, budget, mutation.at)
            tx.drop_budget(budget_id)
            tx.record(Change.DELETED, BUDGET, budget.name, records.encode(budget))

        await self._writer.write(work, mutation=mutation, result=type(None))

    async def get(self, budget_id: str, *, subject: str, caller: Caller) -> tuple[Budget, Sequence[Viewed]]:
        """Return a budget, and how it stands for a subject, or for those nearest to its end. Raises BudgetNotFound."""
        budget = self._board.budget(budget_id)
        if budget is None or not _sees(caller, budget):
            raise BudgetNotFound(name=f"budgets/{budget_id}")
        return budget, await self._viewed(budget, caller, _Recent(), subject=subject or None, limit=STANDINGS_MAX)

    async def page(self, *, caller: Caller, after: str, size: int) -> tuple[Sequence[Budget], Sequence[Viewed], bool]:
        """Return up to `size` budgets after the id `after`, the standing nearest to its end of each, and if more are.

        A budget of which nothing is spent has the standing of nobody.
        """
        visible = [each for each in self._board.budgets() if each.id > after and _sees(caller, each)]
        page, recent = visible[:size], _Recent()
        nearest = []
        for budget in page:
            found = await self._viewed(budget, caller, recent, subject=None, limit=1)
            nearest.append(found[0] if found else _nobodys(budget, self._clock.now()))
        return page, nearest, len(visible) > size

    async def _viewed(
        self, budget: Budget, caller: Caller, recent: "_Recent", *, subject: str | None, limit: int
    ) -> Sequence[Viewed]:
        now = self._clock.now()
        start = budget.start_at(now)
        namespaces = None
        if not sees_all(caller):
            if caller.has(Role.NAMESPACE_OWNER):
                namespaces = tuple(sorted(caller.namespaces))
                if subject is not None and not sees(caller, subject):
                    return []
            else:
                subject = caller.principal
        query = StandingQuery(budget=budget.id, start=start, subject=subject, namespaces=namespaces, limit=limit)
        standings = await self._store.budget_standings(query)
        if not standings:
            return [] if subject is None or not budget.covers(subject) else [_nobodys(budget, now, subject)]
        since = max(start, Instant((now - HOUR) - (now - HOUR) % MINUTE))
        asked = budget.scope, since, budget.agents
        if asked not in recent:
            recent[asked] = await self._store.usage_by(budget.scope, start=since, end=None, agents=budget.agents)
        used = recent[asked]
        return [
            Viewed(budget=budget, standing=each, outlook=outlook_of(budget, each, used.get(each.subject), at=now))
            for each in standings
        ]


class _Recent(dict[tuple[Scope, Instant, tuple[str, ...]], Mapping[str, Used]]):
    """What was used since when and through which agents, read once for all budgets of a page."""


def _new(budget_id: str, uid: str, spec: BudgetSpec, *, revision: Revision, at: Instant) -> Budget:
    return Budget(
        id=budget_id,
        uid=uid,
        revision=revision,
        display_name=spec.display_name,
        scope=spec.scope,
        subjects=spec.subjects,
        unit=spec.unit,
        amount=spec.amount,
        currency=spec.currency,
        period=spec.period,
        soft_levels=spec.soft_levels,
        hard=spec.hard,
        agents=spec.agents,
        created_at=at,
        updated_at=at,
    )


def _nobodys(budget: Budget, now: Instant, subject: str = "") -> Viewed:
    standing = Standing(budget=budget.id, subject=subject, start=budget.start_at(now))
    return Viewed(budget=budget, standing=standing, outlook=outlook_of(budget, standing, None, at=now))


def _keep(tx: BudgetTx, change: Change, budget: Budget) -> None:
    tx.keep_budget(budget)
    tx.record(change, BUDGET, budget.name, records.encode(budget))


def _found(tx: BudgetTx, budget_id: str, etag: str, caller: Caller) -> Budget:
    budget = tx.budget(budget_id)
    if budget is None or not _may_set(caller, budget.scope, budget.subjects):
        raise BudgetNotFound(name=f"budgets/{budget_id}")
    if etag and etag != budget.etag:
        raise EtagMismatch(name=budget.name, expected=etag, current=budget.etag)
    return budget


def note_parts(found: Violations, scope: Scope, subjects: Sequence[str], agents: Sequence[str]) -> None:
    """Note what a budget of this scope cannot have."""
    if scope is Scope.EVERYTHING and subjects:
        found.add("subjects", "must be empty: everything together has no parts")
    if scope is Scope.AGENT and agents:
        found.add("agents", "must be empty: subjects are the agents of such a budget")


def _require_parts(budget: Budget) -> None:
    found = Violations()
    note_parts(found.at("budget"), budget.scope, budget.subjects, budget.agents)
    found.raise_if_any()


def _require_may_set(caller: Caller, scope: Scope, subjects: Sequence[str]) -> None:
    if not _may_set(caller, scope, subjects):
        raise NotPermitted(
            principal=caller.principal,
            action=f"set a budget for {', '.join(subjects[:3]) or f'each {scope.value}'}",
            needed="platform-admin, or namespace-owner of every agent it names",
        )


def _may_set(caller: Caller, scope: Scope, subjects: Sequence[str]) -> bool:
    if caller.has(Role.PLATFORM_ADMIN):
        return True
    return scope is Scope.AGENT and bool(subjects) and all(caller.owns(_namespace(each)) for each in subjects)


def _sees(caller: Caller, budget: Budget) -> bool:
    if sees_all(caller):
        return True
    if budget.scope is not Scope.AGENT:
        return False
    if caller.has(Role.NAMESPACE_OWNER):
        return not budget.subjects or any(_reaches(caller, each) for each in budget.subjects)
    return caller.has(Role.AGENT) and budget.covers(caller.principal)


def _namespace(subject: str) -> str:
    """Return the namespace all agents that `subject` means lie in; empty when they need not lie in one."""
    match subject.split("/"):
        case ["namespaces", namespace, "agents", _] if is_resource_id(namespace):
            return namespace
        case _:
            return ""


def _reaches(caller: Caller, subject: str) -> bool:
    """Say whether `subject` may mean an agent of the caller's namespaces."""
    owned = [f"namespaces/{each}/agents/" for each in caller.namespaces]
    beginning = subject.removesuffix("*")
    return any(beginning.startswith(each) or (subject.endswith("*") and each.startswith(beginning)) for each in owned)
