"""Whatever happens to the stream of a feed, its view is what replaying the other service's history gives."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.channel import open_aio_channel
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.watch import AioWatch, Change
from ringfence_kit.clock import ManualClock
from ringfence_kit.feeds import Feed
from support.scripted_registry import serving
from support.scripted_watch import Cut, WatchedRegistry, Way
from support.stepped_pace import SteppedPace

MENDABLE: list[Way] = ["end", "unavailable", "internal", "too slow", "unauthenticated"]
DEEDS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "drop", "beat", "compact", "pause"]), st.sampled_from("abcd")),
    max_size=25,
)
CUTS = st.lists(st.builds(Cut, st.integers(1, 5), st.sampled_from(MENDABLE)), max_size=8)


def take(view: dict[str, str], change: Change, answer: pb.WatchAgentsResponse) -> None:
    if change is Change.DELETED:
        del view[answer.agent.name]
    else:
        view[answer.agent.name] = answer.agent.purpose


@given(before=st.lists(st.sampled_from("abcd"), max_size=6), deeds=DEEDS, cuts=CUTS, overlap=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_the_view_is_what_a_replay_gives_and_readers_never_see_half_a_state(
    before: list[str], deeds: list[tuple[str, str]], cuts: list[Cut], overlap: int
) -> None:
    async def live() -> None:
        registry = WatchedRegistry(cuts=list(cuts), overlap=overlap, greets=True)
        for name in before:
            registry.put(name, str(registry.newest + 1))
        states = {registry.newest: registry.state}
        moved = asyncio.Event()

        def look() -> None:
            moved.set()
            assert feed.view == states[feed.revision], "a whole state the other side once had"

        async with serving(registry) as address, open_aio_channel(address) as channel:
            method = RegistryServiceStub(channel).WatchAgents
            feed: Feed[pb.WatchAgentsResponse, dict[str, str]] = Feed(
                "registry",
                new_source=lambda: AioWatch(
                    method, pb.WatchAgentsRequest(), initial_state=True, pace=SteppedPace().pace()
                ),
                new_view=dict,
                take=take,
                clock=ManualClock(),
                on_change=look,
            )
            async with feed.following():
                await feed.caught_up()
                for deed, name in deeds:
                    match deed:
                        case "put":
                            registry.put(name, str(registry.newest + 1))
                        case "drop" if name in registry.state:
                            registry.drop(name)
                        case "beat":
                            registry.beat()
                        case "compact":
                            registry.compacted = registry.newest
                        case "pause":
                            await asyncio.sleep(0)
                        case _:
                            pass
                    states[registry.newest] = registry.state
                while feed.revision < registry.newest:
                    moved.clear()
                    await moved.wait()
            assert feed.view == registry.state

    asyncio.run(live())
