"""What people do about alerts: look at them, say that they do, and keep them quiet for a while.

Everything is seen by platform-admins, auditors and services. A namespace-owner sees, and answers for, what is about
agents of its namespaces, told by their resource names; of anything else it does not learn that it exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.errors import NotPermitted
from ringfence_kit.events import Change
from ringfence_kit.ids import NewId
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.alerts.alert import Alert, AlertQuery, Silence
from ringfence_telemetry.alerts.book import acknowledge, begin_silence, end_silences
from ringfence_telemetry.alerts.draft import AlertKind
from ringfence_telemetry.errors import AlertNotFiring, AlertNotFound, SilenceNotFound
from ringfence_telemetry.store.alerts import AlertStore, AlertTx

SILENCE = "silence"
"""The kind of a silence's events."""

_READ_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSilence:
    """What somebody wants to be quiet about, and for how long."""

    subject: str = ""
    agent: str = ""
    kind: AlertKind | None = None
    reason: str
    lasts: Millis


def sees_all(caller: Caller) -> bool:
    """Say whether `caller` sees every alert and budget."""
    return caller.has(Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE)


def sees(caller: Caller, agent: str) -> bool:
    """Say whether `caller` sees what is about `agent`."""
    return sees_all(caller) or owns(caller, agent)


def owns(caller: Caller, agent: str) -> bool:
    """Say whether `caller` answers for `agent`; for none, and for a name that is no mesh name, only the platform's."""
    name = AgentName.parse(agent)
    return caller.has(Role.PLATFORM_ADMIN) if name is None else caller.owns(name.namespace)


class AlertDesk:
    """Answers for alerts."""

    def __init__(self, writer: Writer[AlertTx], store: AlertStore, *, new_id: NewId) -> None:
        self._writer = writer
        self._store = store
        self._new_id = new_id

    async def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """Return a page of alerts; the query names the namespaces of a caller that does not see all."""
        return await self._store.alerts(query)

    async def acknowledge(self, number: int, *, caller: Caller, mutation: Mutation) -> Alert:
        """Note that the caller looks at it. Raises AlertNotFound and AlertNotFiring."""

        def work(tx: AlertTx) -> Alert:
            alert = tx.alert(number)
            if alert is None or not owns(caller, alert.agent):
                raise AlertNotFound(name=f"alerts/{number}")
            if not alert.fires:
                raise AlertNotFiring(name=alert.name)
            return acknowledge(tx, alert, by=mutation.principal, at=mutation.at)

        return await self._writer.write(work, mutation=mutation, result=Alert)

    async def create_silence(self, wanted: NewSilence, *, caller: Caller, mutation: Mutation) -> Silence:
        """Keep alerts quiet. Raises NotPermitted."""
        if not owns(caller, wanted.agent):
            raise NotPermitted(
                principal=caller.principal,
                action=f"silence alerts of {wanted.agent or 'all agents'}",
                needed="platform-admin, or namespace-owner of the agent it names",
            )
        silence = Silence(
            name=f"silences/{self._new_id()}",
            subject=wanted.subject,
            agent=wanted.agent,
            kind=wanted.kind,
            reason=wanted.reason,
            actor=mutation.principal,
            created_at=mutation.at,
            expires_at=Instant(mutation.at + wanted.lasts),
        )

        def work(tx: AlertTx) -> Silence:
            begin_silence(tx, silence)
            tx.record(Change.ADDED, SILENCE, silence.name, records.encode(silence))
            return silence

        return await self._writer.write(work, mutation=mutation, result=Silence)

    async def delete_silence(self, name: str, *, caller: Caller, mutation: Mutation) -> None:
        """End a silence. Raises SilenceNotFound."""

        def work(tx: AlertTx) -> None:
            silence = tx.silence(name)
            if silence is None or silence.expires_at <= mutation.at or not owns(caller, silence.agent):
                raise SilenceNotFound(name=name)
            end_silences(tx, [silence], at=mutation.at)
            tx.record(Change.DELETED, SILENCE, name, records.encode(silence))

        await self._writer.write(work, mutation=mutation, result=type(None))

    async def silences(self, *, caller: Caller, at: Instant, after: str, size: int) -> tuple[Sequence[Silence], bool]:
        """Return up to `size` silences after the name `after`, and whether there are more.

        An owner sees those of its agents and those that reach beyond any agent.
        """
        visible: list[Silence] = []
        while len(visible) <= size:
            found = await self._store.silences_at(at, after=after, limit=_READ_AT_ONCE)
            visible += [each for each in found if not each.agent or sees(caller, each.agent)]
            if len(found) < _READ_AT_ONCE:
                break
            after = found[-1].name
        return visible[:size], len(visible) > size
