"""What every watch owes a watcher, on memory, SQLite and PostgreSQL alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from ringfence_kit.clock import Instant, ManualClock, Millis
from ringfence_kit.errors import RevisionCompacted, RevisionInFuture, Unavailable
from ringfence_kit.events import EMPTY, Bookmark, Event, Revision
from ringfence_kit.watch import BOOKMARK_EVERY
from support.backends import Backend
from support.switches.flip_switch import flip_switch
from support.switches.mutations import by
from support.switches.opened import Switches, opened_switches
from support.watching import events_until, take


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def service(backend: Backend, clock: ManualClock) -> AsyncIterator[Switches]:
    async with opened_switches(backend, clock=clock) as opened:
        yield opened


async def flip(service: Switches, *names: str) -> None:
    for name in names:
        await flip_switch(service.writer, name=name, on=True, reason="", mutation=by())


async def test_a_watch_gives_history_and_then_what_happens(service: Switches) -> None:
    await flip(service, "a", "b")
    async with aclosing(service.hub.watch(EMPTY)) as stream:
        assert [item.revision for item in await take(stream, 2)] == [1, 2]
        await flip(service, "c")
        assert [item.revision for item in await take(stream, 1)] == [3]


@pytest.mark.parametrize("start", range(6))
async def test_a_watch_resumes_after_any_revision(service: Switches, start: int) -> None:
    await flip(service, "a", "b", "c", "d", "e")
    seen = asyncio.ensure_future(events_until(service.hub.watch(Revision(start)), 6))
    await flip(service, "f")
    assert await seen == list(range(start + 1, 7))


async def test_a_watch_after_a_restart_reads_what_happened_before_it(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        await flip(service, "a", "b", "c")
    async with opened_switches(backend) as service:
        await flip(service, "d")
        assert await events_until(service.hub.watch(Revision(1)), 4) == [2, 3, 4]


async def test_a_watcher_never_sees_an_event_before_the_snapshot_does(service: Switches) -> None:
    async def follow() -> list[bool]:
        applied = []
        async with aclosing(service.hub.watch(EMPTY)) as stream:
            async for item in stream:
                assert isinstance(item, Event)
                applied.append(service.snapshot.switch(item.name) is not None)
                if item.revision == 20:
                    break
        return applied

    following = asyncio.ensure_future(follow())
    await asyncio.gather(*(flip(service, f"s{number}") for number in range(20)))
    assert all(await following)


async def test_a_writer_has_its_answer_after_watchers_can_see(service: Switches) -> None:
    async with aclosing(service.hub.watch(EMPTY)) as stream:
        await flip(service, "a")
        # No waiting: the event is already there.
        first = stream.__anext__()
        with pytest.raises(StopIteration) as stopped:
            first.send(None)
        assert stopped.value.value.revision == 1


async def test_watchers_share_one_event_so_it_is_serialised_once(service: Switches) -> None:
    made: list[int] = []

    def serialise(event: Event) -> bytes:
        made.append(event.revision)
        return event.record

    async def follow() -> list[bytes]:
        async with aclosing(service.hub.watch(EMPTY)) as stream:
            return [item.once(serialise) for item in await take(stream, 3) if isinstance(item, Event)]

    followers = [asyncio.ensure_future(follow()) for _ in range(50)]
    await asyncio.sleep(0)
    await flip(service, "a", "b", "c")
    answers = await asyncio.gather(*followers)
    assert made == [1, 2, 3]
    assert all(answer == answers[0] for answer in answers)


async def test_a_watcher_gets_what_it_wants_only(service: Switches) -> None:
    async with aclosing(service.hub.watch(EMPTY, want=lambda event: event.name == "b")) as stream:
        await flip(service, "a", "b", "c")
        assert [item.revision for item in await take(stream, 1)] == [2]


async def test_a_bookmark_comes_with_every_heartbeat_and_says_how_far_the_watcher_is(
    service: Switches, clock: ManualClock
) -> None:
    started = clock.now()
    async with aclosing(service.hub.watch(EMPTY, want=lambda _: False)) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await flip(service, "a", "b")
        clock.advance(Millis(BOOKMARK_EVERY - 1))
        await flip(service, "c")
        assert not waiting.done()
        clock.advance(Millis(1))
        assert await waiting == Bookmark(revision=Revision(3), at=Instant(started + BOOKMARK_EVERY))


async def test_a_bookmark_never_overtakes_an_event(service: Switches, clock: ManualClock) -> None:
    async with aclosing(service.hub.watch(EMPTY)) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        clock.advance(BOOKMARK_EVERY)
        assert await waiting == Bookmark(revision=EMPTY, at=clock.now())
        await flip(service, "a", "b")
        assert [item.revision for item in await take(stream, 2)] == [1, 2]


async def test_a_revision_of_the_future_is_refused(service: Switches) -> None:
    await flip(service, "a")
    with pytest.raises(RevisionInFuture) as raised:
        await anext(service.hub.watch(Revision(2)))
    assert raised.value.metadata == {"requested_revision": "3", "newest_revision": "1"}


async def test_a_forgotten_revision_is_refused_with_the_oldest_kept(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        await flip(service, "a", "b", "c", "d")
        await service.writer.compact(2)
    async with opened_switches(backend) as service:
        with pytest.raises(RevisionCompacted) as raised:
            await anext(service.hub.watch(Revision(1)))
        assert raised.value.metadata == {"requested_revision": "2", "oldest_revision": "3"}
        assert await events_until(service.hub.watch(Revision(2)), 4) == [3, 4]


async def test_a_watch_far_behind_reads_pages_while_writing_goes_on(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        for number in range(6):
            await asyncio.gather(*(flip(service, f"s{number}-{name}") for name in range(100)))
    async with opened_switches(backend) as service:
        following = asyncio.ensure_future(events_until(service.hub.watch(EMPTY), 620))
        for number in range(20):
            await flip(service, f"t{number}")
        assert await following == list(range(1, 621))


async def test_watches_end_with_the_service(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        waiting = asyncio.ensure_future(anext(service.hub.watch(EMPTY)))
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await waiting


async def test_a_cancelled_watcher_takes_nothing_from_the_others(service: Switches) -> None:
    leaving = asyncio.ensure_future(anext(service.hub.watch(EMPTY)))
    staying = asyncio.ensure_future(anext(service.hub.watch(EMPTY)))
    await asyncio.sleep(0)
    leaving.cancel()
    await flip(service, "a")
    assert (await staying).revision == 1
