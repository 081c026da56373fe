"""A watch of what its caller sees: it shows nothing else, and ends when that changes."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import ManualClock
from ringfence_kit.errors import NotPermitted, RevisionCompacted
from ringfence_kit.events import Bookmark, Change, Event, Revision
from ringfence_kit.memory import MemoryDatabase, MemoryWriter
from ringfence_kit.state_watch import Standing, StateComplete, StateWatchItem
from ringfence_kit.store import Mutation
from ringfence_kit.watch import EventHub
from ringfence_registry.model import AGENT, Agent
from ringfence_registry.namespaces.audience import Visibility
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.model import NamespaceDefaults
from ringfence_registry.namespaces.patch import NamespacePatch
from ringfence_registry.namespaces.updating import NamespaceUpdating
from ringfence_registry.namespaces.visible import Visible
from ringfence_registry.namespaces.watched import namespace_in, watch_seen
from ringfence_registry.store_memory import MemoryAgentTx
from support.registry.agents import an_agent
from support.watching import while_time_passes

ADMIN = Caller(principal="admin", roles=frozenset({Role.PLATFORM_ADMIN}))
GUEST = Caller(principal="guest", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"guests"}))
DID = "did:web:dev.id.example.com:agents:clerk"
CLERK = Caller(principal=DID, roles=frozenset({Role.AGENT}))

Items = AsyncGenerator[StateWatchItem[Agent], None]


@dataclass(slots=True)
class Registry:
    """As much of one as a watch needs."""

    writer: MemoryWriter[MemoryAgentTx]
    hub: EventHub
    book: NamespaceBook
    clock: ManualClock
    agents: dict[str, Agent]

    async def put(self, agent: Agent) -> None:
        name = str(agent.name)
        change = Change.MODIFIED if name in self.agents else Change.ADDED

        def work(tx: MemoryAgentTx) -> None:
            tx.record(change, AGENT, name, records.encode(agent))

        self.agents[name] = agent
        await self.writer.write(work, mutation=Mutation(principal="x", at=self.clock.now()), result=type(None))

    async def show(self, namespace: str, visibility: Visibility, *entitled: str) -> None:
        await NamespaceUpdating(self.writer, defaults=self.book.defaults).update_namespace(
            namespace,
            NamespacePatch(plain={"visibility": visibility, "entitled": frozenset(entitled)}),
            etag="",
            caller=ADMIN,
            mutation=Mutation(principal="admin", at=self.clock.now()),
        )

    def standing(self, visible: Visible) -> list[Agent]:
        return [agent for agent in self.agents.values() if visible.sees(agent.name.namespace)]

    def watch(
        self, caller: Caller = GUEST, *, namespace: str | None = None, state: bool = True, start: int | None = None
    ) -> Items:
        return watch_seen(
            self.hub,
            self.book,
            caller=caller,
            clock=self.clock,
            namespace=namespace,
            standing=self.standing if state and start is None else None,
            start_revision=None if start is None else Revision(start),
            want=lambda event: event.kind == AGENT,
        )


@asynccontextmanager
async def opened() -> AsyncIterator[Registry]:
    clock, database, book = ManualClock(), MemoryDatabase(), NamespaceBook(NamespaceDefaults())
    hub = EventHub(database.events, clock=clock, apply=book.apply)
    hub.start(Revision(0))
    async with MemoryWriter(database, MemoryAgentTx, hub, clock=clock) as writer:
        yield Registry(writer, hub, book, clock, {})


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    async with opened() as found:
        yield found


def shown(item: StateWatchItem[Agent]) -> str:
    match item:
        case Standing(resource=agent):
            return f"has {agent.name.namespace}/{agent.name.agent}"
        case StateComplete():
            return "complete"
        case Event(change=change, name=name):
            return f"{change.name} {namespace_in(name)}/{name.rsplit('/', 1)[1]}"
        case Bookmark():
            return "bookmark"


async def take(items: Items, count: int) -> list[str]:
    return [shown(await anext(items)) for _ in range(count)]


async def test_state_and_changes_of_hidden_namespaces_are_left_out(registry: Registry) -> None:
    await registry.put(an_agent("a", namespace="hidden"))
    await registry.put(an_agent("b", namespace="guests"))
    async with aclosing(registry.watch()) as items:
        assert await take(items, 2) == ["has guests/b", "complete"]
        await registry.put(an_agent("a", namespace="hidden"))
        await registry.put(an_agent("c", namespace="guests"))
        assert await take(items, 1) == ["ADDED guests/c"]


async def test_a_hidden_namespace_is_refused_at_once_used_or_not(registry: Registry) -> None:
    await registry.put(an_agent("a", namespace="hidden"))
    for namespace in ("hidden", "nobody"):
        with pytest.raises(NotPermitted):
            await anext(registry.watch(namespace=namespace))


@pytest.mark.parametrize("namespace", [None, "shared"])
async def test_the_stream_ends_before_anything_of_a_namespace_taken_away(
    registry: Registry, namespace: str | None
) -> None:
    await registry.show("shared", Visibility.PUBLIC)
    await registry.put(an_agent("a", namespace="shared"))
    async with aclosing(registry.watch(namespace=namespace)) as items:
        assert await take(items, 2) == ["has shared/a", "complete"]
        await registry.put(an_agent("b", namespace="shared"))
        await registry.show("shared", Visibility.PRIVATE)
        await registry.put(an_agent("c", namespace="shared"))
        # Even what happened while it was still seen is not sent any more.
        with pytest.raises(RevisionCompacted):
            await anext(items)


async def test_a_namespace_that_is_given_ends_the_stream_too_and_a_new_one_has_it(registry: Registry) -> None:
    await registry.put(an_agent("a", namespace="shared"))
    async with aclosing(registry.watch()) as items:
        assert await take(items, 1) == ["complete"]
        await registry.show("shared", Visibility.ENTITLED, "guests")
        with pytest.raises(RevisionCompacted) as ended:
            await anext(items)
    assert ended.value.metadata["oldest_revision"] == "3"
    async with aclosing(registry.watch()) as items:
        assert await take(items, 2) == ["has shared/a", "complete"]


async def test_what_happens_to_others_is_not_noticed(registry: Registry) -> None:
    await registry.put(an_agent("a", namespace="guests"))
    async with aclosing(registry.watch()) as items:
        assert await take(items, 2) == ["has guests/a", "complete"]
        await registry.show("hidden", Visibility.ENTITLED, "travel")
        await registry.show("hidden", Visibility.PRIVATE)
        await registry.show("guests", Visibility.PUBLIC)
        await registry.put(an_agent("b", namespace="guests"))
        assert await take(items, 1) == ["ADDED guests/b"]


async def test_a_stream_resumed_behind_a_change_ends_at_it(registry: Registry) -> None:
    await registry.show("shared", Visibility.PUBLIC)
    await registry.put(an_agent("a", namespace="guests"))
    await registry.put(an_agent("a", namespace="shared"))
    await registry.show("shared", Visibility.PRIVATE)
    await registry.put(an_agent("b", namespace="guests"))
    async with aclosing(registry.watch(start=2)) as items:
        assert await take(items, 1) == ["ADDED guests/a"]
        with pytest.raises(RevisionCompacted) as ended:
            await anext(items)
    resumed = int(ended.value.metadata["oldest_revision"])
    async with aclosing(registry.watch(start=resumed)) as items:
        assert await take(items, 1) == ["ADDED guests/b"]


async def test_there_and_back_while_nobody_looked_is_noticed(registry: Registry) -> None:
    await registry.show("shared", Visibility.PRIVATE)
    await registry.show("shared", Visibility.PUBLIC)
    await registry.put(an_agent("a", namespace="shared"))
    await registry.show("shared", Visibility.PRIVATE)
    async with aclosing(registry.watch(start=2)) as items:
        with pytest.raises(RevisionCompacted):
            await anext(items)


async def test_who_sees_everything_is_never_disturbed(registry: Registry) -> None:
    await registry.put(an_agent("a", namespace="shared"))
    async with aclosing(registry.watch(ADMIN)) as items:
        assert await take(items, 2) == ["has shared/a", "complete"]
        await registry.show("shared", Visibility.PUBLIC)
        await registry.show("shared", Visibility.PRIVATE)
        await registry.put(an_agent("b", namespace="shared"))
        assert await take(items, 1) == ["ADDED shared/b"]


async def test_an_agent_whose_home_is_gone_hears_no_more_of_it(registry: Registry) -> None:
    home = an_agent("clerk", namespace="shared")
    home = replace(home, spec=replace(home.spec, did=DID))
    await registry.put(home)
    async with aclosing(registry.watch(CLERK)) as items:
        assert await take(items, 2) == ["has shared/clerk", "complete"]
        await registry.put(replace(home, spec=replace(home.spec, did="")))
        with pytest.raises(RevisionCompacted):
            await anext(items)


async def test_a_quiet_watch_notices_by_its_next_heartbeat(registry: Registry) -> None:
    async with aclosing(registry.watch(CLERK)) as items:
        assert await take(items, 1) == ["complete"]
        home = an_agent("clerk", namespace="shared")
        await registry.put(replace(home, spec=replace(home.spec, did=DID)))
        with pytest.raises(RevisionCompacted):
            await while_time_passes(registry.clock, anext(items))
