"""Whatever cuts a watch, each change is told once and in order: over real gRPC on loopback."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.channel import open_aio_channel
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.watch import AioWatch, Change, Changed, StateBegins, StateComplete
from support.scripted_registry import serving
from support.scripted_watch import Cut, WatchedRegistry, Way
from support.stepped_pace import SteppedPace

MENDABLE: list[Way] = ["end", "unavailable", "internal", "too slow"]

# What happens while the watch runs, one thing for each step it takes.
DEEDS = st.lists(
    st.tuples(st.sampled_from(["put", "drop", "beat", "compact", "nothing"]), st.sampled_from("abc")), max_size=25
)
CUTS = st.lists(st.builds(Cut, st.integers(0, 4), st.sampled_from(MENDABLE)), max_size=8)


@dataclass
class Story:
    before: list[str]
    deeds: list[tuple[str, str]]
    cuts: list[Cut]
    overlap: int


STORIES = st.builds(Story, st.lists(st.sampled_from("abc"), max_size=6), DEEDS, CUTS, st.integers(0, 3))


def do(registry: WatchedRegistry, deed: tuple[str, str], *, may_compact: bool) -> None:
    match deed:
        case "put", name:
            registry.put(name, str(registry.newest + 1))
        case "drop", name if name in registry.state:
            registry.drop(name)
        case "beat", _:
            registry.beat()
        case "compact", _ if may_compact:
            registry.compacted = registry.newest
        case _:
            pass


@given(STORIES)
@settings(max_examples=50, deadline=None)
def test_a_watch_tells_every_change_once_and_in_order(story: Story) -> None:
    async def live() -> None:
        registry = WatchedRegistry(cuts=list(story.cuts), overlap=story.overlap, greets=True)
        registry.put("first", "")
        for name in story.before:
            registry.put(name, "")
        seen: list[int] = []
        deeds = iter(story.deeds)
        async with serving(registry) as address, open_aio_channel(address) as channel:
            method = RegistryServiceStub(channel).WatchAgents
            watch = AioWatch(method, pb.WatchAgentsRequest(start_revision=1), pace=SteppedPace().pace())
            async with aclosing(watch.steps()) as steps:
                async for step in steps:
                    if isinstance(step, Changed):
                        assert step.revision == step.answer.revision
                        seen.append(step.revision)
                    for deed in deeds:
                        do(registry, deed, may_compact=False)
                        break
                    else:
                        if seen[-1:] == [registry.newest]:
                            break
                    registry.beat()
        assert seen == list(range(1, registry.newest + 1))

    asyncio.run(live())


@given(STORIES)
@settings(max_examples=50, deadline=None)
def test_a_watch_with_state_ends_where_the_server_is(story: Story) -> None:
    async def live() -> None:
        registry = WatchedRegistry(cuts=list(story.cuts), overlap=story.overlap, greets=True)
        for name in story.before:
            registry.put(name, "")
        agents: dict[str, str] = {}
        revision, complete = 0, False
        deeds = iter(story.deeds)
        async with serving(registry) as address, open_aio_channel(address) as channel:
            method = RegistryServiceStub(channel).WatchAgents
            watch = AioWatch(method, pb.WatchAgentsRequest(), initial_state=True, pace=SteppedPace().pace())
            async with aclosing(watch.steps()) as steps:
                async for step in steps:
                    match step:
                        case StateBegins():
                            agents, complete = {}, False
                        case Changed(change=Change.DELETED, answer=answer):
                            del agents[answer.agent.name]
                        case Changed(answer=answer):
                            agents[answer.agent.name] = answer.agent.purpose
                        case StateComplete():
                            complete = True
                    if not isinstance(step, StateBegins) and complete:
                        assert step.revision >= revision, "a revision never goes back"
                        revision = step.revision
                    for deed in deeds:
                        do(registry, deed, may_compact=True)
                        break
                    else:
                        if complete and revision == registry.newest:
                            break
                    registry.beat()
        assert agents == registry.state

    asyncio.run(live())
