"""The use cases of tools, external systems and boundaries opened over any backend, wired as `app.py` wires them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import ManualClock
from ringfence_kit.events import Event
from ringfence_kit.ids import counting_ids
from ringfence_kit.memory import MemoryWriter
from ringfence_kit.pages import PageTokens
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation, Writer, fingerprint_of
from ringfence_kit.watch import EventHub
from ringfence_registry.external_systems.deciding import Word
from ringfence_registry.external_systems.entry import NewExternalSystem
from ringfence_registry.external_systems.model import ExternalSystem, TrustVerdict
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.model import NamespaceDefaults
from ringfence_registry.resources.names import ExternalSystemName, ToolName
from ringfence_registry.resources.patches import Patch
from ringfence_registry.store import AgentStore, AgentTx
from ringfence_registry.store_memory import MemoryAgentStore, MemoryAgentTx
from ringfence_registry.store_sql import MIGRATIONS, SqlAgentStore, SqlAgentTx
from ringfence_registry.tool_services import ToolServices, ToolSnapshots
from ringfence_registry.tools.amendment import ToolPatch, UpdatedTool
from ringfence_registry.tools.model import Tool
from ringfence_registry.tools.registration import NewTool

from support.backends import Backend
from support.prepared import prepare_backend
from support.registry.catalogs import whole
from support.registry.tools import BANK, EXPORT, a_system, a_tool_spec

ADMIN = Caller(principal="spiffe://mesh/admin", roles=frozenset({Role.PLATFORM_ADMIN}))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTools:
    """The open registry, as far as tools go."""

    writer: Writer[AgentTx]
    snapshots: ToolSnapshots
    services: ToolServices
    hub: EventHub
    clock: ManualClock

    def asked(self, caller: Caller = ADMIN, *, request_id: str = "", content: bytes = b"") -> Mutation:
        """Return who asks, and when."""
        return Mutation(
            principal=caller.principal,
            at=self.clock.now(),
            request_id=request_id,
            method="/test",
            fingerprint=fingerprint_of(content),
        )

    async def register(self, name: ToolName = EXPORT, *, request_id: str = "", **spec: Any) -> Tool:
        """Register a tool."""
        return await self.services.registration.register_tool(
            NewTool(name=name, spec=a_tool_spec(**spec)), caller=ADMIN, mutation=self.asked(request_id=request_id)
        )

    async def update(
        self,
        name: ToolName = EXPORT,
        *,
        input_schema: str | None = None,
        etag: str = "",
        request_id: str = "",
        **facts: Any,
    ) -> UpdatedTool:
        """Change a tool."""
        patch = ToolPatch(spec=Patch(facts=facts), input_schema=input_schema)
        return await self.services.amendment.update_tool(
            name, patch, etag=etag, caller=ADMIN, mutation=self.asked(request_id=request_id)
        )

    async def delete(self, name: ToolName = EXPORT) -> Tool:
        """Delete a tool."""
        return await self.services.amendment.delete_tool(name, etag="", caller=ADMIN, mutation=self.asked())

    async def enter(self, name: ExternalSystemName = BANK) -> ExternalSystem:
        """Enter an external system."""
        wanted = NewExternalSystem(name=name, spec=a_system(name).spec)
        return await self.services.entry.create_system(wanted, caller=ADMIN, mutation=self.asked())

    async def decide(
        self, name: ExternalSystemName = BANK, *, verdict: TrustVerdict = TrustVerdict.TRUSTED, until: Any = None
    ) -> ExternalSystem:
        """Decide about a system."""
        word = Word(verdict=verdict, reason="We looked at it.", expires_at=until)
        return await self.services.deciding.decide_trust(name, word, etag="", caller=ADMIN, mutation=self.asked())

    def tool(self, name: ToolName = EXPORT) -> Tool | None:
        """Return a tool as it stands in memory."""
        return self.snapshots.tools.snapshot.get(name)


@asynccontextmanager
async def opened_tools(backend: Backend, *, clock: ManualClock | None = None) -> AsyncIterator[OpenTools]:
    """Open them on `backend`; leaving closes it in order."""
    clock, snapshots = clock or ManualClock(), ToolSnapshots()
    book = NamespaceBook(NamespaceDefaults())

    def apply(event: Event) -> None:
        book.apply(event)
        snapshots.apply(event)

    def wired(writer: Writer[AgentTx], store: AgentStore, hub: EventHub, tokens: PageTokens) -> OpenTools:
        services = ToolServices(
            snapshots,
            writer,
            store,
            hub,
            book=book,
            agents=AgentCatalog(),
            tokens=tokens,
            clock=clock,
            new_id=counting_ids(),
        )
        return OpenTools(writer=writer, snapshots=snapshots, services=services, hub=hub, clock=clock)

    async def start(store: AgentStore, hub: EventHub) -> None:
        revision, stored = await store.load(whole)
        book.fill(stored.namespaces, stored.agents)
        snapshots.fill(stored.tools, stored.agents)
        hub.start(revision)

    if backend.kind == "memory":
        memory_store = MemoryAgentStore(backend.memory)
        hub = EventHub(backend.memory.events, clock=clock, apply=apply)
        await start(memory_store, hub)
        async with MemoryWriter(backend.memory, MemoryAgentTx, hub, clock=clock) as memory_writer:
            yield wired(memory_writer, memory_store, hub, PageTokens(backend.memory.mac_key))
        return
    prepare_backend("registry", backend)
    async with Database(backend.url, service="registry", migrations=MIGRATIONS) as database:
        sql_store = SqlAgentStore(database)
        hub = EventHub(database.events, clock=clock, apply=apply)
        await start(sql_store, hub)
        async with SqlWriter(database, SqlAgentTx, hub, clock=clock) as sql_writer:
            yield wired(sql_writer, sql_store, hub, PageTokens(database.mac_key))
