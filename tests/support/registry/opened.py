"""The registry's use cases opened over any backend, wired as `app.py` wires them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, ManualClock, Millis
from ringfence_kit.events import Event
from ringfence_kit.ids import counting_ids
from ringfence_kit.memory import MemoryWriter
from ringfence_kit.names import AgentName
from ringfence_kit.pages import PageTokens
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation, Writer, fingerprint_of
from ringfence_kit.watch import EventHub
from ringfence_registry.agents.assembly import AgentLives, LifeSettings, agent_lives
from ringfence_registry.agents.lease_keeping import DueLeases
from ringfence_registry.agents.registration import NewAgent
from ringfence_registry.agents.surroundings import Surroundings
from ringfence_registry.cards.reading import read_card
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.reading import AgentQuery, AgentReading
from ringfence_registry.finding.watching import AgentWatching
from ringfence_registry.model import Agent, AgentSpec
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.model import NamespaceDefaults
from ringfence_registry.namespaces.policy import PolicyReader
from ringfence_registry.store import AgentStore, AgentTx
from ringfence_registry.store_memory import MemoryAgentStore, MemoryAgentTx
from ringfence_registry.store_sql import MIGRATIONS, SqlAgentStore, SqlAgentTx

from support.backends import Backend
from support.prepared import prepare_backend
from support.registry.agents import CARD, SPEC
from support.registry.catalogs import whole
from support.registry.world import SteeredJudge, World

ADMIN = Caller(principal="spiffe://mesh/admin", roles=frozenset({Role.PLATFORM_ADMIN}))
FINANCE = Caller(principal="oidc:finance", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"finance"}))
AUDITOR = Caller(principal="oidc:auditor", roles=frozenset({Role.AUDITOR}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The open registry."""

    writer: Writer[AgentTx]
    store: AgentStore
    catalog: AgentCatalog
    book: NamespaceBook
    hub: EventHub
    lives: AgentLives
    reading: AgentReading
    watching: AgentWatching
    world: World
    judge: SteeredJudge
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

    async def register(
        self,
        agent: str = "ledger",
        *,
        namespace: str = "finance",
        spec: AgentSpec = SPEC,
        card: bytes = CARD,
        caller: Caller = ADMIN,
        request_id: str = "",
        validate_only: bool = False,
        as_draft: bool = False,
        lease_seconds: int | None = None,
    ) -> Agent:
        """Register an agent."""
        ttl = None if lease_seconds is None else Millis(lease_seconds * 1_000)
        return await self.lives.registration.register_agent(
            NewAgent(
                name=AgentName(namespace, agent), spec=spec, card=read_card(card), as_draft=as_draft, lease_ttl=ttl
            ),
            caller=caller,
            mutation=self.asked(caller, request_id=request_id, content=card),
            validate_only=validate_only,
        )

    def names(self, filter_text: str = "", *, namespace: str | None = None, show_retired: bool = False) -> list[str]:
        """Return the ids of the agents that match."""
        found = self.reading.list_agents(
            query(filter_text, namespace=namespace, show_retired=show_retired), caller=ADMIN, now=self.clock.now()
        )
        return [view.agent.name.agent for view in found.agents]


def query(
    filter_text: str = "",
    *,
    namespace: str | None = None,
    show_retired: bool = False,
    page_size: int = 1_000,
    page_token: str = "",
) -> AgentQuery:
    """Ask for a list."""
    return AgentQuery(
        namespace=namespace,
        filter=filter_text,
        show_retired=show_retired,
        page_size=page_size,
        page_token=page_token,
        arguments=f"{namespace} {filter_text} {show_retired}".encode(),
    )


@asynccontextmanager
async def opened_registry(
    backend: Backend,
    *,
    clock: ManualClock | None = None,
    catalog: AgentCatalog | None = None,
    policies: PolicyReader | None = None,
    world: World | None = None,
) -> AsyncIterator[Registry]:
    """Open the registry on `backend`; leaving closes it in order. `prod` keeps gates."""
    clock, catalog, book = clock or ManualClock(), catalog or AgentCatalog(), NamespaceBook(NamespaceDefaults())
    due = DueLeases()

    def apply(event: Event) -> None:
        book.apply(event)
        catalog.apply(event)
        due.apply(event)

    def wired(writer: Writer[AgentTx], store: AgentStore, hub: EventHub, tokens: PageTokens) -> Registry:
        return _wired(
            writer,
            store,
            hub,
            tokens,
            catalog=catalog,
            book=book,
            due=due,
            policies=policies or book,
            world=world or World(),
            clock=clock,
        )

    if backend.kind == "memory":
        hub = EventHub(backend.memory.events, clock=clock, apply=apply)
        memory_store = MemoryAgentStore(backend.memory)
        await _start(hub, catalog, book, due, memory_store)
        async with MemoryWriter(backend.memory, MemoryAgentTx, hub, clock=clock) as memory_writer:
            yield wired(memory_writer, memory_store, hub, PageTokens(backend.memory.mac_key))
        return
    prepare_backend("registry", backend)
    async with Database(backend.url, service="registry", migrations=MIGRATIONS) as database:
        hub = EventHub(database.events, clock=clock, apply=apply)
        sql_store = SqlAgentStore(database)
        await _start(hub, catalog, book, due, sql_store)
        async with SqlWriter(database, SqlAgentTx, hub, clock=clock) as sql_writer:
            yield wired(sql_writer, sql_store, hub, PageTokens(database.mac_key))


async def _start(hub: EventHub, catalog: AgentCatalog, book: NamespaceBook, due: DueLeases, store: AgentStore) -> None:
    revision, stored = await store.load(whole)
    due.fill(stored.agents)
    catalog.fill(stored.agents)
    book.fill(stored.namespaces, stored.agents)
    hub.start(revision)


def _wired(
    writer: Writer[AgentTx],
    store: AgentStore,
    hub: EventHub,
    tokens: PageTokens,
    *,
    catalog: AgentCatalog,
    book: NamespaceBook,
    due: DueLeases,
    policies: PolicyReader,
    world: World,
    clock: ManualClock,
) -> Registry:
    reading = AgentReading(catalog, store, tokens, sight=book, newest=lambda: hub.newest)
    judge = SteeredJudge()
    return Registry(
        writer=writer,
        store=store,
        catalog=catalog,
        book=book,
        hub=hub,
        lives=agent_lives(
            writer,
            catalog=catalog,
            store=store,
            due=due,
            get_agent=reading.get_agent,
            tokens=tokens,
            policies=policies,
            judge=judge,
            surroundings=Surroundings(tools=world, boundaries=world, identities=world),
            acceptances=world,
            settings=LifeSettings(gated_environments=frozenset({"prod"}), deleted_kept=Millis(30 * DAY)),
            clock=clock,
            new_id=counting_ids(),
        ),
        reading=reading,
        watching=AgentWatching(catalog, hub, clock, book=book),
        world=world,
        judge=judge,
        clock=clock,
    )
