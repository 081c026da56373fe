"""Watches against a real server on loopback that cuts them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Protocol

import pytest
from ringfence.channel import ChannelOptions, open_aio_channel, open_channel
from ringfence.errors import (
    PermissionDeniedError,
    RevisionCompactedError,
    RevisionInFutureError,
    UnauthenticatedError,
)
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.watch import AioWatch, Bookmark, Changed, StateBegins, StateComplete, Step, Watch
from support.scripted_registry import serving
from support.scripted_watch import Cut, WatchedRegistry, Way
from support.stepped_pace import SteppedPace

AioAgents = AioWatch[pb.WatchAgentsRequest, pb.WatchAgentsResponse]
AnyStep = Step[pb.WatchAgentsResponse]
EAGER = ChannelOptions(extra=tuple((f"grpc.{which}_reconnect_backoff_ms", 50) for which in ("initial", "min", "max")))


@pytest.fixture
def registry() -> WatchedRegistry:
    return WatchedRegistry()


@pytest.fixture
def pace() -> SteppedPace:
    return SteppedPace()


@pytest.fixture
async def address(registry: WatchedRegistry) -> AsyncIterator[str]:
    async with serving(registry) as address:
        yield address


class Opener(Protocol):
    def __call__(
        self, start_revision: int = 0, *, state: bool = False, relist: Callable[[], Awaitable[int]] | None = None
    ) -> AioAgents: ...


@pytest.fixture
async def watch(address: str, pace: SteppedPace) -> AsyncIterator[Opener]:
    async with open_aio_channel(address) as channel:
        method = RegistryServiceStub(channel).WatchAgents

        def open_watch(
            start_revision: int = 0, *, state: bool = False, relist: Callable[[], Awaitable[int]] | None = None
        ) -> AioAgents:
            request = pb.WatchAgentsRequest(parent="namespaces/-", start_revision=start_revision)
            return AioWatch(method, request, initial_state=state, relist=relist, pace=pace.pace())

        yield open_watch


async def first_steps(watch: AioAgents, count: int) -> list[AnyStep]:
    """Return the first steps, then leave."""
    async with aclosing(watch.steps()) as steps:
        return [await anext(steps) for _ in range(count)]


def changes(steps: Iterable[AnyStep]) -> list[tuple[int, str]]:
    return [(step.revision, step.answer.agent.name) for step in steps if isinstance(step, Changed)]


class TestResuming:
    @pytest.mark.parametrize("way", ["end", "unavailable", "internal", "too slow", "unauthenticated"])
    async def test_a_cut_stream_goes_on_behind_the_last_change(
        self, registry: WatchedRegistry, watch: Opener, way: Way
    ) -> None:
        for name in "abcde":
            registry.put(name, "")
        registry.cuts = [Cut(2, way), Cut(1, way), Cut(1, way)]
        assert changes(await first_steps(watch(1), 5)) == [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]
        assert [request.start_revision for request in registry.requests] == [1, 3, 4, 5]

    async def test_a_bookmark_moves_the_place_to_resume(self, registry: WatchedRegistry, watch: Opener) -> None:
        registry.put("a", "")
        registry.put("b", "")
        registry.cuts = [Cut(1, "unavailable")]
        async with aclosing(watch().steps()) as steps:
            assert await anext(steps) == Bookmark(2), "from now on: the first thing said is where now is"
            following = asyncio.ensure_future(anext(steps))
            await registry.opened(2)
            registry.put("c", "")
            assert changes([await following]) == [(3, "c")]
        assert [request.start_revision for request in registry.requests] == [0, 3]

    async def test_what_a_server_repeats_is_dropped(self, registry: WatchedRegistry, watch: Opener) -> None:
        for name in "abcd":
            registry.put(name, "")
        registry.cuts, registry.overlap = [Cut(3, "unavailable")], 2
        assert changes(await first_steps(watch(1), 4)) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]

    async def test_the_wait_grows_while_nothing_is_heard(
        self, registry: WatchedRegistry, watch: Opener, pace: SteppedPace
    ) -> None:
        registry.put("a", "")
        registry.cuts = [Cut(0, "unavailable")] * 4
        await first_steps(watch(1), 1)
        assert 0.05 <= pace.waits[0] <= 0.1 <= pace.waits[1] <= 0.2 <= pace.waits[2] <= 0.4 <= pace.waits[3] <= 0.8

    async def test_the_wait_is_short_again_once_something_was_heard(
        self, registry: WatchedRegistry, watch: Opener, pace: SteppedPace
    ) -> None:
        registry.put("a", "")
        registry.put("b", "")
        registry.cuts = [Cut(0, "unavailable")] * 3 + [Cut(1, "unavailable")]
        await first_steps(watch(1), 2)
        assert pace.waits[2] >= 0.2
        assert pace.waits[3] <= 0.1

    async def test_a_server_that_is_restarted_is_found_again(
        self, registry: WatchedRegistry, address: str, pace: SteppedPace
    ) -> None:
        registry.put("a", "")
        async with contextlib.AsyncExitStack() as first_life:
            address = await first_life.enter_async_context(serving(registry))
            async with open_aio_channel(address, EAGER) as channel:
                request = pb.WatchAgentsRequest(start_revision=1)
                watch = AioWatch(RegistryServiceStub(channel).WatchAgents, request, pace=pace.pace())
                async with aclosing(watch.steps()) as steps:
                    assert changes([await anext(steps)]) == [(1, "a")]
                    await first_life.aclose()
                    registry.put("b", "")
                    async with serving(registry, address=address):
                        assert changes([await anext(steps)]) == [(2, "b")]


class TestInitialState:
    async def test_the_state_comes_first_then_what_changes(self, registry: WatchedRegistry, watch: Opener) -> None:
        registry.put("a", "")
        registry.put("b", "")
        registry.drop("a")
        async with aclosing(watch(state=True).steps()) as steps:
            assert await anext(steps) == StateBegins()
            assert changes([await anext(steps)]) == [(3, "b")]
            assert await anext(steps) == StateComplete(3)
            registry.put("c", "")
            assert changes([await anext(steps)]) == [(4, "c")]

    async def test_a_cut_in_the_middle_of_it_begins_it_anew(self, registry: WatchedRegistry, watch: Opener) -> None:
        for name in "ab":
            registry.put(name, "")
        registry.cuts = [Cut(1, "unavailable")]
        steps = await first_steps(watch(state=True), 6)
        assert steps[0] == steps[2] == StateBegins()
        assert changes(steps) == [(2, "a"), (2, "a"), (2, "b")]
        assert steps[5] == StateComplete(2)

    async def test_a_cut_after_it_resumes_and_does_not_repeat_it(
        self, registry: WatchedRegistry, watch: Opener
    ) -> None:
        registry.put("a", "")
        registry.cuts = [Cut(2, "unavailable")]
        async with aclosing(watch(state=True).steps()) as steps:
            await anext(steps), await anext(steps), await anext(steps)
            registry.put("b", "")
            assert changes([await anext(steps)]) == [(2, "b")]
        assert [(r.start_revision, r.send_initial_state) for r in registry.requests] == [(0, True), (2, False)]

    async def test_history_that_is_gone_begins_it_anew(self, registry: WatchedRegistry, watch: Opener) -> None:
        registry.put("a", "")
        registry.cuts = [Cut(2, "unavailable")]
        async with aclosing(watch(state=True).steps()) as steps:
            for _ in range(3):
                await anext(steps)
            registry.drop("a")
            registry.put("b", "")
            registry.compacted = 2
            assert await anext(steps) == StateBegins()
            assert changes([await anext(steps)]) == [(3, "b")]
            assert await anext(steps) == StateComplete(3)

    async def test_a_store_that_was_replaced_begins_it_anew(self, registry: WatchedRegistry, watch: Opener) -> None:
        for name in "abc":
            registry.put(name, "")
        registry.cuts = [Cut(4, "unavailable")]
        async with aclosing(watch(state=True).steps()) as steps:
            for _ in range(5):
                await anext(steps)
            registry.replace_history("z")
            assert await anext(steps) == StateBegins()
            assert changes([await anext(steps)]) == [(1, "z")]


class TestLostHistory:
    async def test_without_state_it_is_a_typed_error(self, registry: WatchedRegistry, watch: Opener) -> None:
        for name in "abc":
            registry.put(name, "")
        registry.compacted = 2
        with pytest.raises(RevisionCompactedError) as lost:
            await first_steps(watch(1), 1)
        assert lost.value.metadata["oldest_revision"] == "3"

    async def test_a_revision_of_another_store_is_a_typed_error(self, registry: WatchedRegistry, watch: Opener) -> None:
        with pytest.raises(RevisionInFutureError):
            await first_steps(watch(9), 1)

    async def test_a_reader_that_can_list_again_does_and_goes_on(
        self, registry: WatchedRegistry, watch: Opener
    ) -> None:
        for name in "abc":
            registry.put(name, "")
        registry.compacted = 2
        lists: list[int] = []

        async def relist() -> int:
            lists.append(registry.newest)
            registry.put("d", "")
            return lists[-1]

        assert changes(await first_steps(watch(1, relist=relist), 1)) == [(4, "d")]
        assert lists == [3]


class TestForGood:
    async def test_a_denied_watch_raises(self, registry: WatchedRegistry, watch: Opener) -> None:
        registry.cuts = [Cut(0, "denied")]
        with pytest.raises(PermissionDeniedError):
            await first_steps(watch(1), 1)

    async def test_a_token_that_is_refused_twice_raises(self, registry: WatchedRegistry, watch: Opener) -> None:
        registry.put("a", "")
        registry.cuts = [Cut(1, "unauthenticated"), Cut(0, "unauthenticated")]
        async with aclosing(watch(1).steps()) as steps:
            await anext(steps)
            registry.put("b", "")
            with pytest.raises(UnauthenticatedError):
                await anext(steps)

    async def test_cancelling_the_reader_cancels_the_watch(self, registry: WatchedRegistry, watch: Opener) -> None:
        reader = asyncio.create_task(first_steps(watch(1), 1))
        await registry.opened(1)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert len(registry.requests) == 1


class TestInterrupting:
    async def test_a_silent_stream_is_given_up_and_resumed(self, registry: WatchedRegistry, watch: Opener) -> None:
        registry.put("a", "")
        registry.cuts = [Cut(1, "hang")]
        agents = watch(1)
        async with aclosing(agents.steps()) as steps:
            await anext(steps)
            registry.put("b", "")
            following = asyncio.ensure_future(anext(steps))
            await asyncio.sleep(0)
            agents.interrupt()
            assert changes([await following]) == [(2, "b")]

    async def test_between_streams_there_is_nothing_to_interrupt(
        self, registry: WatchedRegistry, watch: Opener
    ) -> None:
        registry.put("a", "")
        agents = watch(1)
        agents.interrupt()
        assert changes(await first_steps(agents, 1)) == [(1, "a")]

    async def test_a_reader_cancelled_at_the_same_time_stays_cancelled(
        self, registry: WatchedRegistry, watch: Opener
    ) -> None:
        agents = watch(1)
        reader = asyncio.create_task(first_steps(agents, 1))
        await registry.opened(1)
        agents.interrupt()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader


class TestThreads:
    """The same watch read by a thread."""

    async def test_cuts_do_not_show(self, registry: WatchedRegistry, address: str) -> None:
        for name in "abcd":
            registry.put(name, "")
        registry.cuts = [Cut(2, "unavailable"), Cut(1, "end")]

        def read() -> list[tuple[int, str]]:
            with open_channel(address) as channel:
                request = pb.WatchAgentsRequest(start_revision=1)
                steps = Watch(RegistryServiceStub(channel).WatchAgents, request).steps()
                seen = changes(next(steps) for _ in range(4))
                steps.close()
                return seen

        assert await asyncio.to_thread(read) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]

    async def test_the_state_begins_anew_when_history_is_gone(self, registry: WatchedRegistry, address: str) -> None:
        registry.put("a", "")
        registry.put("b", "")
        registry.cuts = [Cut(3, "unavailable")]

        def read() -> list[AnyStep]:
            with open_channel(address) as channel:
                watch = Watch(RegistryServiceStub(channel).WatchAgents, pb.WatchAgentsRequest(), initial_state=True)
                steps = watch.steps()
                seen = [next(steps) for _ in range(4)]
                registry.events *= 5
                registry.compacted = 9
                seen += [next(steps) for _ in range(2)]
                steps.close()
                return seen

        steps = await asyncio.to_thread(read)
        assert steps[0] == steps[4] == StateBegins()
        assert steps[3] == StateComplete(2)

    async def test_closing_ends_the_reading_thread(self, registry: WatchedRegistry, address: str) -> None:
        with open_channel(address) as channel:
            watch = Watch(RegistryServiceStub(channel).WatchAgents, pb.WatchAgentsRequest(start_revision=1))
            reading = asyncio.ensure_future(asyncio.to_thread(list, watch))
            await registry.opened(1)
            watch.close()
            assert await reading == []

    async def test_closing_ends_a_wait_between_streams(self, registry: WatchedRegistry) -> None:
        with open_channel("127.0.0.1:1") as channel:
            watch = Watch(RegistryServiceStub(channel).WatchAgents, pb.WatchAgentsRequest(start_revision=1))
            reading = asyncio.ensure_future(asyncio.to_thread(list, watch))
            watch.close()
            assert await reading == []

    async def test_a_reader_that_can_list_again_does(self, registry: WatchedRegistry, address: str) -> None:
        for name in "abc":
            registry.put(name, "")
        registry.compacted = 2

        def read() -> list[tuple[int, str]]:
            with open_channel(address) as channel:
                method = RegistryServiceStub(channel).WatchAgents
                steps = Watch(method, pb.WatchAgentsRequest(start_revision=1), relist=lambda: 2).steps()
                seen = changes([next(steps)])
                steps.close()
                return seen

        assert await asyncio.to_thread(read) == [(3, "c")]

    async def test_a_denied_watch_raises(self, registry: WatchedRegistry, address: str) -> None:
        registry.cuts = [Cut(0, "denied")]
        with open_channel(address) as channel:
            watch = Watch(RegistryServiceStub(channel).WatchAgents, pb.WatchAgentsRequest(start_revision=1))
            with pytest.raises(PermissionDeniedError):
                await asyncio.to_thread(list, watch)
