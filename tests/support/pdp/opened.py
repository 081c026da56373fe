"""The pdp's store opened over any backend, wired as its `app.py` wires it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ringfence_kit.clock import ManualClock
from ringfence_kit.events import Event
from ringfence_kit.memory import MemoryWriter
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Writer
from ringfence_kit.watch import EventHub
from ringfence_pdp.store import PolicyStore, PolicyTx
from ringfence_pdp.store_memory import MemoryPolicyStore, MemoryPolicyTx
from ringfence_pdp.store_sql import MIGRATIONS, SqlPolicyStore, SqlPolicyTx

from support.backends import Backend
from support.prepared import prepare_backend


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The open store, and the events it has published since."""

    writer: Writer[PolicyTx]
    store: PolicyStore
    events: list[Event] = field(default_factory=list)


@asynccontextmanager
async def opened_policies(backend: Backend) -> AsyncIterator[Policies]:
    """Open the store on `backend`; leaving closes it in order. Opening the same backend again is a restart."""
    clock = ManualClock()
    events: list[Event] = []
    if backend.kind == "memory":
        memory_store = MemoryPolicyStore(backend.memory)
        hub = EventHub(backend.memory.events, clock=clock, apply=events.append)
        revision, _ = await memory_store.load()
        hub.start(revision)
        async with MemoryWriter(backend.memory, MemoryPolicyTx, hub, clock=clock) as memory_writer:
            yield Policies(writer=memory_writer, store=memory_store, events=events)
        return
    prepare_backend("pdp", backend)
    async with Database(backend.url, service="pdp", migrations=MIGRATIONS) as database:
        sql_store = SqlPolicyStore(database)
        hub = EventHub(database.events, clock=clock, apply=events.append)
        revision, _ = await sql_store.load()
        hub.start(revision)
        async with SqlWriter(database, SqlPolicyTx, hub, clock=clock) as sql_writer:
            yield Policies(writer=sql_writer, store=sql_store, events=events)
