"""Identity's storage opened over any backend, wired as its `app.py` wires it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.store import IdentityStore, IdentityTx
from ringfence_identity.store_memory import MemoryIdentityStore, MemoryIdentityTx
from ringfence_identity.store_memory.transparency import MemoryEventLog
from ringfence_identity.store_sql import MIGRATIONS, SqlIdentityStore, SqlIdentityTx
from ringfence_identity.store_sql.transparency import SqlEventLog
from ringfence_kit.clock import Clock, ManualClock
from ringfence_kit.log_keys import LogKeys
from ringfence_kit.memory import MemoryWriter
from ringfence_kit.sql import Database
from ringfence_kit.sql_group import no_log
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Writer
from ringfence_kit.watch import EventHub
from support.backends import Backend
from support.prepared import prepare_backend


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedIdentity:
    """The open storage."""

    writer: Writer[IdentityTx]
    store: IdentityStore
    snapshot: IdentitySnapshot
    hub: EventHub


@asynccontextmanager
async def opened_identity(
    backend: Backend, *, clock: Clock | None = None, log: LogKeys | None = None
) -> AsyncIterator[OpenedIdentity]:
    """Open identity's storage on `backend`; leaving closes it in order. With `log`, mutations are logged."""
    clock = clock or ManualClock()
    snapshot = IdentitySnapshot()
    if backend.kind == "memory":
        hub = EventHub(backend.memory.events, clock=clock, apply=snapshot.apply)
        memory_store = MemoryIdentityStore(backend.memory)
        await _start(hub, snapshot, memory_store)
        memory_log = None if log is None else MemoryEventLog(log)
        async with MemoryWriter(backend.memory, MemoryIdentityTx, hub, clock=clock, log=memory_log) as memory_writer:
            yield OpenedIdentity(writer=memory_writer, store=memory_store, snapshot=snapshot, hub=hub)
        return
    prepare_backend("identity", backend)
    async with Database(backend.url, service="identity", migrations=MIGRATIONS) as database:
        hub = EventHub(database.events, clock=clock, apply=snapshot.apply)
        sql_store = SqlIdentityStore(database)
        await _start(hub, snapshot, sql_store)
        sql_log = no_log if log is None else SqlEventLog(log)
        async with SqlWriter(database, SqlIdentityTx, hub, clock=clock, log=sql_log) as sql_writer:
            yield OpenedIdentity(writer=sql_writer, store=sql_store, snapshot=snapshot, hub=hub)


async def _start(hub: EventHub, snapshot: IdentitySnapshot, store: IdentityStore) -> None:
    revision, loaded = await store.load()
    snapshot.fill(loaded)
    hub.start(revision)
