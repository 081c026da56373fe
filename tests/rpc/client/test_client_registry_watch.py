"""Watches that go on where the last one ended: whatever restarts, each change is handled once and in order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from ringfence.channel import open_aio_channel, open_channel
from ringfence.client import AioRingfence, Ringfence
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.registry_watch import AioResumingWatch, PositionError, PositionFile, ResumingWatch
from ringfence.watch import Bookmark, Changed, StateBegins, StateComplete, Step
from support.scripted_registry import serving
from support.scripted_watch import Cut, WatchedRegistry
from support.stepped_pace import SteppedPace

EVERYTHING = pb.WatchAgentsRequest(parent="namespaces/-")
AnyStep = Step[pb.WatchAgentsResponse]


@pytest.fixture
def registry() -> WatchedRegistry:
    return WatchedRegistry()


@pytest.fixture
async def address(registry: WatchedRegistry) -> AsyncIterator[str]:
    async with serving(registry) as address:
        yield address


@pytest.fixture
def position(tmp_path: Path) -> PositionFile:
    return PositionFile(tmp_path / "agents.position")


async def a_life(
    address: str, position: PositionFile, count: int, *, news: Callable[[], object] = lambda: None
) -> list[AnyStep]:
    """Handle `count` steps, then crash with one more in the hands, which `news` makes if there is none yet."""
    async with open_aio_channel(address) as channel:
        method = RegistryServiceStub(channel).WatchAgents
        watch = AioResumingWatch(method, EVERYTHING, position, pace=SteppedPace().pace())
        handled: list[AnyStep] = []
        async with aclosing(watch.steps()) as steps:
            step = await anext(steps)
            for left in reversed(range(count)):
                handled.append(step)
                if not left:
                    news()
                step = await anext(steps)
        return handled


def names(steps: list[AnyStep]) -> list[str]:
    return [step.answer.agent.name for step in steps if isinstance(step, Changed)]


async def test_the_first_life_begins_with_the_state_and_the_next_goes_on(
    registry: WatchedRegistry, address: str, position: PositionFile
) -> None:
    for name in "ab":
        registry.put(name, "")
    first = await a_life(address, position, 4, news=lambda: registry.put("c", ""))
    assert first[0] == StateBegins()
    assert first[3] == StateComplete(2)
    registry.put("d", "")
    registry.put("e", "")
    assert names(await a_life(address, position, 2)) == ["c", "d"]
    assert registry.requests[-1].start_revision == 3
    assert not registry.requests[-1].send_initial_state


async def test_a_state_that_was_not_told_to_its_end_is_told_again(
    registry: WatchedRegistry, address: str, position: PositionFile
) -> None:
    for name in "abc":
        registry.put(name, "")
    await a_life(address, position, 3)
    assert position.load() == 0
    assert names(await a_life(address, position, 4)) == ["a", "b", "c"]


@pytest.mark.parametrize("per_life", [1, 2, 3])
async def test_many_lives_and_cuts_handle_every_change_once_and_in_order(
    registry: WatchedRegistry, address: str, position: PositionFile, per_life: int
) -> None:
    registry.put("first", "")
    position.save(1)
    for number in range(31):
        registry.put(f"agent-{number}", "")
    registry.cuts = [Cut(1 + number % 3, "unavailable" if number % 2 else "end") for number in range(200)]
    handled: list[str] = []
    while len(handled) < 30 - per_life:
        handled += names(await a_life(address, position, per_life))
    assert handled == [f"agent-{number}" for number in range(len(handled))]


@pytest.mark.parametrize("lost", ["compacted", "replaced"])
async def test_when_the_history_is_gone_the_state_is_told_again(
    registry: WatchedRegistry, address: str, position: PositionFile, lost: str
) -> None:
    for name in "abcdef":
        registry.put(name, "")
    position.save(2 if lost == "compacted" else 99)
    if lost == "compacted":
        registry.compacted = 4
    steps = await a_life(address, position, 8, news=lambda: registry.put("g", ""))
    assert steps[0] == StateBegins()
    assert names(steps) == list("abcdef")
    assert steps[-1] == StateComplete(6)
    assert position.load() == 6


async def test_a_quiet_watch_does_not_fall_behind(
    registry: WatchedRegistry, address: str, position: PositionFile
) -> None:
    registry.put("a", "")
    position.save(1)
    registry.greets = True
    async with open_aio_channel(address) as channel:
        watch = AioResumingWatch(RegistryServiceStub(channel).WatchAgents, EVERYTHING, position)
        async with aclosing(watch.steps()) as steps:
            following = asyncio.ensure_future(anext(steps))
            await registry.opened(1)
            registry.beat()
            assert await following == Bookmark(1)


class TestThreads:
    async def test_the_same_on_a_thread(self, registry: WatchedRegistry, address: str, position: PositionFile) -> None:
        for name in "abc":
            registry.put(name, "")

        def life(count: int) -> list[AnyStep]:
            handled: list[AnyStep] = []
            with open_channel(address) as channel:
                watch = ResumingWatch(RegistryServiceStub(channel).WatchAgents, EVERYTHING, position)
                for step in watch:
                    if len(handled) == count:
                        watch.close()
                        break
                    handled.append(step)
            return handled

        registry.greets = True
        registry.beat()
        assert names(await asyncio.to_thread(life, 5)) == list("abc")
        registry.put("d", "")
        registry.put("e", "")
        assert names(await asyncio.to_thread(life, 1)) == ["d"]

    async def test_closed_before_it_began_it_does_nothing(
        self, registry: WatchedRegistry, address: str, position: PositionFile
    ) -> None:
        def life() -> list[AnyStep]:
            with open_channel(address) as channel:
                watch = ResumingWatch(RegistryServiceStub(channel).WatchAgents, EVERYTHING, position)
                watch.close()
                return list(watch)

        assert await asyncio.to_thread(life) == []
        assert not registry.requests


class TestPositionFile:
    def test_a_revision_is_read_as_it_was_written(self, position: PositionFile) -> None:
        assert position.load() == 0
        for revision in (1, 2**53, 3):
            position.save(revision)
            assert position.load() == revision

    @pytest.mark.parametrize("content", [b"", b"x", b"-1", b"1 2", b"\xff", b"9" * 40, "٣".encode()])
    def test_what_is_no_revision_is_said_and_not_taken_for_the_beginning(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "p").write_bytes(content)
        with pytest.raises(PositionError, match="delete it"):
            PositionFile(tmp_path / "p").load()

    def test_nothing_else_is_left_beside_it(self, tmp_path: Path) -> None:
        PositionFile(tmp_path / "p").save(7)
        assert [file.name for file in tmp_path.iterdir()] == ["p"]


async def test_the_mesh_in_one_object_follows_too(
    registry: WatchedRegistry, address: str, position: PositionFile
) -> None:
    registry.put("a", "")
    async with AioRingfence(registry=address) as mesh:
        async for step in mesh.follow_agents(position, parent="namespaces/demo", matching="state = ACTIVE"):
            if isinstance(step, Changed):
                break
    assert (registry.requests[-1].parent, registry.requests[-1].filter) == ("namespaces/demo", "state = ACTIVE")

    def on_a_thread() -> None:
        with Ringfence(registry=address) as mesh:
            watch = mesh.follow_agents(position)
            for _ in watch:
                watch.close()

    await asyncio.to_thread(on_a_thread)
