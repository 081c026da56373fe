"""Telemetry's store opened over any backend, wired as its `app.py` wires it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ringfence_kit.clock import Clock, ManualClock
from ringfence_kit.events import Event
from ringfence_kit.log_keys import LogKeys
from ringfence_kit.memory import MemoryWriter
from ringfence_kit.sql import Database
from ringfence_kit.sql_group import no_log
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.watch import EventHub
from ringfence_telemetry.store import TelemetryStore, TelemetryTx
from ringfence_telemetry.store_memory import MemoryTelemetryStore, MemoryTelemetryTx
from ringfence_telemetry.store_memory.audit import MemoryAuditTrail
from ringfence_telemetry.store_sql import MIGRATIONS, SqlTelemetryStore, SqlTelemetryTx
from ringfence_telemetry.store_sql.audit import SqlAuditTrail

from support.backends import Backend
from support.prepared import prepare_backend
from support.telemetry.spans import NOW

BY_TELEMETRY = Mutation(principal="telemetry", at=NOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStore:
    """The open store."""

    writer: Writer[TelemetryTx]
    store: TelemetryStore


@asynccontextmanager
async def opened_store(
    backend: Backend,
    *,
    clock: Clock | None = None,
    audited: LogKeys | None = None,
    apply: Callable[[Event], None] | None = None,
) -> AsyncIterator[OpenedStore]:
    """Open the store on `backend`; leaving closes it in order. Opening the same backend again is a restart.

    With the keys of a log that is `audited`, what somebody changes is in the audit log; `apply` hears of every event.
    """
    clock = clock or ManualClock()
    if backend.kind == "memory":
        memory_store = MemoryTelemetryStore(backend.memory)
        hub = EventHub(backend.memory.events, clock=clock, apply=apply or _ignore)
        hub.start(await memory_store.revision())
        async with MemoryWriter(
            backend.memory,
            MemoryTelemetryTx,
            hub,
            clock=clock,
            log=None if audited is None else MemoryAuditTrail(audited),
        ) as memory_writer:
            yield OpenedStore(writer=memory_writer, store=memory_store)
        return
    prepare_backend("telemetry", backend)
    async with Database(backend.url, service="telemetry", migrations=MIGRATIONS) as database:
        sql_store = SqlTelemetryStore(database)
        hub = EventHub(database.events, clock=clock, apply=apply or _ignore)
        hub.start(await sql_store.revision())
        async with SqlWriter(
            database, SqlTelemetryTx, hub, clock=clock, log=no_log if audited is None else SqlAuditTrail(audited)
        ) as sql_writer:
            yield OpenedStore(writer=sql_writer, store=sql_store)


def _ignore(event: Event) -> None:
    """Nobody keeps anything in memory."""
