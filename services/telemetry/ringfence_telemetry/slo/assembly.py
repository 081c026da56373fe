"""Objectives and breakers, put together: one judges settled work by the minute, the other calls as they come."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ringfence_kit.background import background
from ringfence_kit.clock import MINUTE, Clock
from ringfence_kit.events import Event
from ringfence_kit.store import Writer

from ringfence_telemetry.audit_trail import AuditNotes
from ringfence_telemetry.breakers.book import BREAKER, BreakerBook
from ringfence_telemetry.breakers.desk import BreakerDesk
from ringfence_telemetry.judged_agents import JudgedAgents
from ringfence_telemetry.slo.book import SLO, SloBook
from ringfence_telemetry.slo.closing import MinuteClosing
from ringfence_telemetry.slo.judge import SLO_COUNTS, SloJudge
from ringfence_telemetry.slo.keeping import SloKeeping
from ringfence_telemetry.slo.objectives import Objectives
from ringfence_telemetry.store import TelemetryStore, TelemetryTx


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisesMemory:
    """What of objectives and breakers is in memory: it follows the hub of the service."""

    store: TelemetryStore
    clock: Clock
    slos: SloBook
    agents: JudgedAgents

    @property
    def breakers(self) -> BreakerBook:
        """Every breaker."""
        return self.agents.breakers

    @property
    def keepers(self) -> Mapping[str, Callable[[Event], None]]:
        """Who keeps which kind of event."""
        return {SLO: self.slos.apply, SLO_COUNTS: self.slos.apply, BREAKER: self.breakers.apply}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """Who answers for objectives and breakers."""

    memory: PromisesMemory
    judge: SloJudge
    objectives: Objectives
    breakers: BreakerDesk
    closing: MinuteClosing
    keeping: SloKeeping

    @asynccontextmanager
    async def loaded(self) -> AsyncIterator[None]:
        """Load what is stored. To be entered when the hub has started, and before the writer is open: of what other
        replicas change meanwhile there will be events, and those known already are passed over."""
        memory = self.memory
        found = await memory.store.slo_records(newest_minute=memory.clock.now() // MINUTE)
        memory.slos.fill(found)
        memory.breakers.fill(found.breakers)
        now = memory.clock.now()
        memory.agents.closed({name: memory.slos.standing(name, now) for name in memory.slos.names()})
        self.closing.fill(alert.key for alert in (await memory.store.alerts_firing()).alerts)
        yield

    async def run(self) -> None:
        """Do what time asks for, until cancelled."""
        async with background(self.breakers.run(), self.keeping.run()):
            await self.closing.run()


def promises_memory(store: TelemetryStore, *, clock: Clock) -> PromisesMemory:
    """Return what is in memory, empty."""
    slos = SloBook()
    return PromisesMemory(store=store, clock=clock, slos=slos, agents=JudgedAgents(slos, born=clock.now()))


def promises(
    writer: Writer[TelemetryTx],
    memory: PromisesMemory,
    notes: AuditNotes,
    *,
    clock: Clock,
    on_signal: Callable[[], None],
) -> Promises:
    """Put it together."""
    return Promises(
        memory=memory,
        judge=SloJudge(),
        objectives=Objectives(writer, memory.store, memory.slos, clock=clock),
        breakers=BreakerDesk(writer, memory.breakers, clock=clock),
        closing=MinuteClosing(
            writer, memory.slos, notes, clock=clock, on_signal=on_signal, on_closed=memory.agents.closed
        ),
        keeping=SloKeeping(writer, clock=clock),
    )
