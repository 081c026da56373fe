"""Objectives and breakers over any store, by a clock that is moved by hand."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ringfence_kit.callers import Caller
from ringfence_kit.clock import MINUTE, ManualClock, Millis
from ringfence_kit.events import Event
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.store import Mutation
from ringfence_telemetry.alerts.alert import Alert, AlertEvent
from ringfence_telemetry.audit_log import ensure_head
from ringfence_telemetry.audit_trail import AuditNotes
from ringfence_telemetry.signals import Signal
from ringfence_telemetry.slo.assembly import Promises, promises, promises_memory
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.workflows.settled import Settled, Settling

from support.backends import Backend
from support.serving import OPERATOR
from support.telemetry.auditing import open_keys
from support.telemetry.opened import OpenedStore, opened_store


@dataclass(slots=True)
class Promised:
    """What is promised, and who says so."""

    clock: ManualClock
    opened: OpenedStore
    parts: Promises
    signalled: list[None] = field(default_factory=list)

    operator: Caller = OPERATOR

    @property
    def by_telemetry(self) -> Mutation:
        """Return a change by telemetry itself, now."""
        return Mutation(principal="telemetry", at=self.clock.now())

    async def define(self, *objectives: Objective) -> tuple[Objective, ...]:
        """Define objectives as the operator."""
        mutation = Mutation(principal=OPERATOR.principal, at=self.clock.now())
        return await self.parts.objectives.create(objectives, caller=OPERATOR, mutation=mutation)

    async def settle(self, *traces: Settled, previous: Sequence[Settled | None] = ()) -> None:
        """Count traces as the settler does."""
        before = [*previous, *([None] * len(traces))]
        settlings = tuple(Settling(now=now, previous=old) for now, old in zip(traces, before, strict=False))

        def work(tx: TelemetryTx) -> None:
            self.parts.judge.judge(tx, settlings, self.clock.now())

        await self.opened.writer.write(work, mutation=self.by_telemetry, result=type(None))

    async def minutes(self, count: int = 1) -> None:
        """Let minutes pass, and close each."""
        for _ in range(count):
            self.clock.advance(MINUTE)
            await self.parts.closing.close(self.clock.now() // MINUTE)

    async def alerts(self) -> list[Alert]:
        """Return what fires."""
        return list((await self.opened.store.alerts_firing()).alerts)

    async def alert_events(self) -> list[AlertEvent]:
        """Return all that happened to alerts."""
        return list(await self.opened.store.alert_events(after=0, limit=1_000))

    async def signals(self) -> list[Signal]:
        """Return what waits for identity."""
        return [pending.signal for pending in await self.opened.store.pending_signals(limit=100)]


@asynccontextmanager
async def promised(backend: Backend, tmp_path: Path, *, clock: ManualClock | None = None) -> AsyncIterator[Promised]:
    """Open objectives on `backend`; opening the same backend again is a restart."""
    clock = clock or ManualClock()
    clock.advance(Millis(-clock.now() % MINUTE))
    keepers: dict[str, Callable[[Event], None]] = {}

    def apply(event: Event) -> None:
        keep = keepers.get(event.kind)
        if keep is not None:
            keep(event)

    keys = open_keys(tmp_path)
    async with opened_store(backend, clock=clock, apply=apply) as opened:
        memory = promises_memory(opened.store, clock=clock)
        signalled: list[None] = []
        parts = promises(opened.writer, memory, AuditNotes(keys), clock=clock, on_signal=lambda: signalled.append(None))
        keepers.update(memory.keepers)
        at = clock.now()
        mutation = Mutation(principal="telemetry", at=at)
        await opened.writer.write(
            lambda tx: ensure_head(tx, keys=keys, at=at), mutation=mutation, result=StoredCheckpoint
        )
        async with parts.loaded():
            yield Promised(clock, opened, parts, signalled)
