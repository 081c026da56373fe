"""Objectives as people define them: who may, what is possible, and what becomes of what was counted.

The rules:

- whose an objective is decides who may define it: a platform-admin, or the owner of its agent's namespace;
- one that its dependencies make impossible is refused, with the number that is possible;
- another agent, operation, latency or evaluation begins counting anew: what was good for one may be bad for the other;
- alerts of an objective that is changed or deleted end with it; what still holds fires again with the next minute.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import MINUTE, Clock, Instant
from ringfence_kit.errors import EtagMismatch, InvalidRequest, NotPermitted, QuotaExceeded, Violation
from ringfence_kit.events import Change
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.alerts.book import resolve
from ringfence_telemetry.alerts.desk import sees
from ringfence_telemetry.errors import SloAlreadyExists, SloInfeasible, SloNotFound
from ringfence_telemetry.slo.alerting import alert_keys
from ringfence_telemetry.slo.book import SLO, SloBook, closed_minute
from ringfence_telemetry.slo.feasible import feasible
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.ratios import decimal, exact, exact_or_cut
from ringfence_telemetry.slo.standing import Standing, order_over, stand
from ringfence_telemetry.slo.windows import Windows
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.slos import BlamedAgent, SloStore

OBJECTIVES_MAX = 2_000
OBJECTIVES_OF_ONE_MAX = 50
"""Objectives of one agent."""
MINUTES_KEPT = 14 * 24 * 60
"""How far back an objective can be asked about to the minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """How an objective stood, and traces to look at by the agent to blame."""

    objective: Objective
    standing: Standing
    blamed: dict[str, BlamedAgent]


@dataclass(frozen=True, slots=True, kw_only=True)
class SloPage:
    """Some objectives, and after which name the next page starts; empty when this was the last."""

    found: Sequence[tuple[Objective, Standing]]
    next_after: str


class Objectives:
    """Defines, shows and judges objectives."""

    def __init__(self, writer: Writer[TelemetryTx], store: SloStore, book: SloBook, *, clock: Clock) -> None:
        self._writer = writer
        self._store = store
        self._book = book
        self._clock = clock

    async def create(
        self, drafts: Sequence[Objective], *, caller: Caller, mutation: Mutation, validate_only: bool = False
    ) -> tuple[Objective, ...]:
        """Define objectives, all or none.

        Raises NotPermitted, SloInfeasible, SloAlreadyExists, QuotaExceeded.
        """
        for draft in drafts:
            _check_owner(caller, draft.agent, f"define an objective of {draft.agent}")
        for draft in drafts:
            check_feasible(draft)
        # Windows are in memory: those of all that there may be fit into it. Two at the same time may be one too many.
        room = OBJECTIVES_MAX - len(self._book.names())

        def work(tx: TelemetryTx) -> tuple[Objective, ...]:
            created = tuple(_create(tx, draft, mutation.at) for draft in drafts)
            _check_room(tx, created, room, caller)
            return created

        return await self._writer.write(
            work, mutation=mutation, result=tuple[Objective, ...], validate_only=validate_only
        )

    def get(self, name: str, *, caller: Caller) -> tuple[Objective, Standing]:
        """Return an objective and how it stands. Raises SloNotFound."""
        return self._seen(name, caller), self._book.standing(name, self._clock.now())

    def page(self, *, agent: str, after: str, size: int, caller: Caller) -> SloPage:
        """Return up to `size` objectives that the caller sees and whose names follow `after`."""
        names = [name for name in self._names(caller, agent=agent) if name > after][: size + 1]
        shown = names[:size]
        found = [self.get(name, caller=caller) for name in shown]
        return SloPage(found=found, next_after=shown[-1] if len(names) > size else "")

    async def update(
        self, name: str, change: Callable[[Objective], Objective], *, etag: str, caller: Caller, mutation: Mutation
    ) -> Objective:
        """Change an objective. Raises NotPermitted, SloNotFound, EtagMismatch, SloInfeasible."""
        self._check_may_change(name, caller)

        def work(tx: TelemetryTx) -> Objective:
            before = _expected(tx, name, etag)
            _check_owner(caller, before.agent, f"change {name}")
            asked = change(before)
            _check_owner(caller, asked.agent, f"define an objective of {asked.agent}")
            check_feasible(asked)
            return _replace(tx, before, asked, mutation.at)

        return await self._writer.write(work, mutation=mutation, result=Objective)

    async def delete(self, name: str, *, etag: str, caller: Caller, mutation: Mutation) -> None:
        """Delete an objective. Raises NotPermitted, SloNotFound, EtagMismatch."""
        self._check_may_change(name, caller)

        def work(tx: TelemetryTx) -> None:
            before = _expected(tx, name, etag)
            _check_owner(caller, before.agent, f"delete {name}")
            _end_alerts(tx, before, mutation.at)
            tx.drop_objective(name)
            tx.record(Change.DELETED, SLO, name, records.encode(before))

        await self._writer.write(work, mutation=mutation, result=type(None))

    async def evaluate(self, name: str, at: Instant | None, *, caller: Caller) -> Evaluated:
        """Say how an objective stood when a minute began. Raises SloNotFound, InvalidRequest."""
        objective, now = self._seen(name, caller), self._clock.now()
        end_minute = closed_minute(now) if at is None else at // MINUTE
        if end_minute > now // MINUTE:
            raise InvalidRequest(Violation("at_time", "lies in the future"))
        if end_minute < now // MINUTE - MINUTES_KEPT:
            raise InvalidRequest(Violation("at_time", "lies over 14 days back: minutes are not kept longer"))
        windows = Windows()
        for level, slot, change in await self._store.slo_counts(name, end_minute=end_minute):
            windows.add_to(level, slot, change)
        standing = replace(stand(objective, windows, end_minute), order=order_over(objective, windows, end_minute))
        blamed = dict(await self._store.slo_blamed_by(name))
        return Evaluated(objective=objective, standing=standing, blamed=blamed)

    def chosen(self, names: Sequence[str], *, caller: Caller) -> list[Objective]:
        """Return objectives by their names, all the caller sees when none is named. Raises SloNotFound."""
        return [self._seen(name, caller) for name in names or self._names(caller)]

    def _names(self, caller: Caller, *, agent: str = "") -> list[str]:
        return [name for name in self._book.names(agent=agent) if self._sees(name, caller)]

    def _seen(self, name: str, caller: Caller) -> Objective:
        objective = self._book.objective(name)
        if objective is None or not sees(caller, objective.agent):
            raise SloNotFound(name=name)
        return objective

    def _sees(self, name: str, caller: Caller) -> bool:
        objective = self._book.objective(name)
        return objective is not None and sees(caller, objective.agent)

    def _check_may_change(self, name: str, caller: Caller) -> None:
        """Refuse whoever does not own it, in the same words whether it exists or not."""
        objective = self._book.objective(name)
        if not caller.has(Role.PLATFORM_ADMIN) and (objective is None or not _owns(caller, objective.agent)):
            raise NotPermitted(principal=caller.principal, action=f"change {name}", needed="to own its agent")


def etag_of(objective: Objective) -> str:
    """Return the strong etag of an objective."""
    return f'"{objective.version}"'


def possible(objective: Objective) -> Fraction:
    """Return the share that an objective's dependencies make possible."""
    return feasible(objective.own_target.fraction, objective.dependencies)


def check_feasible(objective: Objective) -> None:
    """Refuse an objective that is impossible. Raises SloInfeasible."""
    share, target = possible(objective), objective.target.fraction
    if target > share:
        raise SloInfeasible(
            name=objective.name, target=exact(target), feasible=exact_or_cut(share), decimal=decimal(share)
        )


def _create(tx: TelemetryTx, draft: Objective, at: Instant) -> Objective:
    if tx.objective(draft.name) is not None:
        raise SloAlreadyExists(name=draft.name)
    objective = replace(draft, created_at=at, updated_at=at, counted_from=at, version=tx.next_revision)
    tx.keep_objective(objective)
    tx.record(Change.ADDED, SLO, objective.name, records.encode(objective))
    return objective


def _check_room(tx: TelemetryTx, created: Sequence[Objective], room: int, caller: Caller) -> None:
    most = max(len(tx.objectives_of([each.agent])) for each in created)
    if most > OBJECTIVES_OF_ONE_MAX or len(created) > room:
        problem = (
            f"there may be {OBJECTIVES_OF_ONE_MAX} objectives of an agent and {OBJECTIVES_MAX} in all; delete some"
        )
        raise QuotaExceeded(principal=caller.principal, method_class="objectives", retry_after=None, problem=problem)


def _replace(tx: TelemetryTx, before: Objective, asked: Objective, at: Instant) -> Objective:
    anew = not asked.measures_as(before)
    counted_from = at if anew else before.counted_from
    objective = replace(asked, updated_at=at, counted_from=counted_from, version=tx.next_revision)
    _end_alerts(tx, before, at)
    if anew:
        tx.drop_slo_counts(before.name)
    tx.keep_objective(objective)
    tx.record(Change.MODIFIED, SLO, objective.name, records.encode(objective))
    return objective


def _end_alerts(tx: TelemetryTx, objective: Objective, at: Instant) -> None:
    for key in alert_keys(objective):
        resolve(tx, key, at=at)


def _expected(tx: TelemetryTx, name: str, etag: str) -> Objective:
    found = tx.objective(name)
    if found is None:
        raise SloNotFound(name=name)
    if etag and etag != etag_of(found):
        raise EtagMismatch(name=name, expected=etag, current=etag_of(found))
    return found


def _check_owner(caller: Caller, agent: str, action: str) -> None:
    if not _owns(caller, agent):
        raise NotPermitted(
            principal=caller.principal, action=action, needed="platform-admin, or to own the agent's namespace"
        )


def _owns(caller: Caller, agent: str) -> bool:
    name = AgentName.parse(agent)
    return caller.has(Role.PLATFORM_ADMIN) or (name is not None and caller.owns(name.namespace))
