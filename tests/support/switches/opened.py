"""Switches opened over any backend, wired as an `app.py` wires them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ringfence_kit.clock import Clock, ManualClock
from ringfence_kit.events import Event
from ringfence_kit.memory import MemoryWriter
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import EventReader, Writer
from ringfence_kit.watch import EventHub

from support.backends import Backend
from support.switches.snapshot import SwitchSnapshot
from support.switches.store import SwitchStore, SwitchTx
from support.switches.store_memory import MemorySwitchStore, MemorySwitchTx
from support.switches.store_sql import MIGRATIONS, SqlSwitchStore, SqlSwitchTx


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The open service."""

    writer: Writer[SwitchTx]
    store: SwitchStore
    snapshot: SwitchSnapshot
    hub: EventHub
    events: EventReader
    mac_key: bytes


@asynccontextmanager
async def opened_switches(
    backend: Backend,
    *,
    clock: Clock | None = None,
    events_in_memory: int = 1_000,
    log: Callable[[Sequence[Event]], object] = len,
) -> AsyncIterator[Switches]:
    """Open the service on `backend`; leaving closes it in order. `log` is told the events of each transaction."""
    clock = clock or ManualClock()
    snapshot = SwitchSnapshot()

    def told(_rows: object, events: Sequence[Event]) -> None:
        log(events)

    if backend.kind == "memory":
        hub = EventHub(backend.memory.events, clock=clock, apply=snapshot.apply, events_in_memory=events_in_memory)
        memory_store = MemorySwitchStore(backend.memory)
        await _start(hub, snapshot, memory_store)
        async with MemoryWriter(backend.memory, MemorySwitchTx, hub, clock=clock, log=told) as memory_writer:
            yield Switches(
                writer=memory_writer,
                store=memory_store,
                snapshot=snapshot,
                hub=hub,
                events=backend.memory.events,
                mac_key=backend.memory.mac_key(),
            )
        return
    async with Database(backend.url, service="switches", migrations=MIGRATIONS) as database:
        hub = EventHub(database.events, clock=clock, apply=snapshot.apply, events_in_memory=events_in_memory)
        sql_store = SqlSwitchStore(database)
        await _start(hub, snapshot, sql_store)
        async with SqlWriter(database, SqlSwitchTx, hub, clock=clock, log=told) as sql_writer:
            yield Switches(
                writer=sql_writer,
                store=sql_store,
                snapshot=snapshot,
                hub=hub,
                events=database.events,
                mac_key=database.mac_key(),
            )


async def _start(hub: EventHub, snapshot: SwitchSnapshot, store: SwitchStore) -> None:
    revision, switches = await store.load()
    snapshot.fill(switches)
    hub.start(revision)
