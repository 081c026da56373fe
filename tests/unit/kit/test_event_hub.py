"""The hub on its own: what it does when watchers are slow, stores are away, or the snapshot cannot follow."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest
from ringfence_kit.background import background
from ringfence_kit.clock import Instant, ManualClock
from ringfence_kit.errors import Unavailable, WatcherTooSlow
from ringfence_kit.events import EMPTY, Change, Event, Revision
from ringfence_kit.memory import MemoryEvents
from ringfence_kit.store import StorageFault
from ringfence_kit.watch import BOOKMARK_EVERY, EventHub
from support.watching import events_until, take


def event(revision: int, *, record: bytes = b"{}") -> Event:
    return Event(
        revision=Revision(revision),
        change=Change.ADDED,
        kind="switch",
        name=f"s{revision}",
        record=record,
        at=Instant(0),
        actor="ada",
    )


class FrailEvents(MemoryEvents):
    """A history that answers only while `there`."""

    there = True
    newest_asked = 0

    async def newest(self) -> Revision:
        self.newest_asked += 1
        if not self.there:
            raise Unavailable(problem="the database does not answer")
        return await super().newest()


class Bench:
    """A hub over a history, with a snapshot that remembers what it was told."""

    def __init__(self, *, events_in_memory: int = 100, bytes_in_memory: int = 1_000_000) -> None:
        self.clock = ManualClock()
        self.stored = FrailEvents()
        self.applied: list[int] = []
        self.hub = EventHub(
            self.stored,
            clock=self.clock,
            apply=lambda event: self.applied.append(event.revision),
            events_in_memory=events_in_memory,
            bytes_in_memory=bytes_in_memory,
        )
        self.hub.start(EMPTY)

    def commit(self, *revisions: int, record: bytes = b"{}") -> Sequence[Event]:
        """Store events, as another replica might, without telling the hub."""
        events = [event(revision, record=record) for revision in revisions]
        self.stored.append(events)
        return events

    def happen(self, *revisions: int, record: bytes = b"{}") -> None:
        self.hub.publish(self.commit(*revisions, record=record))


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
async def beating(bench: Bench) -> AsyncIterator[Bench]:
    async with background(bench.hub.beat()):
        yield bench


# Publishing


def test_events_reach_the_snapshot_in_order_and_once(bench: Bench) -> None:
    bench.happen(1, 2)
    bench.hub.publish([event(2), event(3)])
    bench.hub.publish([event(1)])
    assert bench.applied == [1, 2, 3]
    assert bench.hub.newest == 3


def test_a_gap_ends_the_service_rather_than_being_passed_over(bench: Bench) -> None:
    bench.happen(1)
    with pytest.raises(StorageFault):
        bench.hub.publish([event(3)])
    assert bench.applied == [1]


async def test_a_snapshot_that_cannot_take_an_event_ends_the_service() -> None:
    def refuse(event: Event) -> None:
        raise KeyError(event.name)

    hub = EventHub(MemoryEvents(), clock=ManualClock(), apply=refuse)
    hub.start(EMPTY)
    ended = asyncio.ensure_future(hub.until_broken())
    with pytest.raises(StorageFault):
        hub.publish([event(1)])
    with pytest.raises(StorageFault):
        await ended
    with pytest.raises(Unavailable):
        await anext(hub.watch(EMPTY))


async def test_a_hub_that_has_not_started_says_so() -> None:
    hub = EventHub(MemoryEvents(), clock=ManualClock(), apply=lambda _: None)
    with pytest.raises(Unavailable):
        await anext(hub.watch(EMPTY))


# Slow watchers


async def test_a_watcher_that_falls_out_of_memory_is_told_where_to_resume() -> None:
    bench = Bench(events_in_memory=3)
    async with aclosing(bench.hub.watch(EMPTY)) as stream:
        bench.happen(1)
        assert (await anext(stream)).revision == 1
        for revision in range(2, 7):
            bench.happen(revision)
        with pytest.raises(WatcherTooSlow) as raised:
            await anext(stream)
    assert raised.value.metadata == {"resume_revision": "2"}
    assert raised.value.retry_after is not None
    assert await events_until(bench.hub.watch(Revision(1)), 6) == [2, 3, 4, 5, 6]


async def test_what_a_slow_watcher_did_not_want_counts_as_seen() -> None:
    bench = Bench(events_in_memory=3)
    async with aclosing(bench.hub.watch(EMPTY, want=lambda event: event.revision == 2)) as stream:
        bench.happen(1, 2, 3)
        await anext(stream)
        for revision in range(4, 9):
            bench.happen(revision)
        with pytest.raises(WatcherTooSlow) as raised:
            # The page it holds ends at 3, which it does not want.
            await anext(stream)
    assert raised.value.metadata == {"resume_revision": "4"}


async def test_large_records_push_a_watcher_out_by_their_bytes() -> None:
    bench = Bench(events_in_memory=1_000, bytes_in_memory=250)
    async with aclosing(bench.hub.watch(EMPTY)) as stream:
        bench.happen(1)
        await anext(stream)
        for revision in range(2, 7):
            bench.happen(revision, record=b"x" * 100)
        with pytest.raises(WatcherTooSlow):
            await anext(stream)


async def test_one_large_group_pushes_nobody_out_who_was_up_to_date() -> None:
    bench = Bench(events_in_memory=3, bytes_in_memory=10)
    async with aclosing(bench.hub.watch(EMPTY)) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        bench.happen(*range(1, 601))
        assert (await waiting).revision == 1
        assert [item.revision for item in await take(stream, 599)] == list(range(2, 601))


async def test_a_watcher_still_reading_history_is_not_called_slow() -> None:
    bench = Bench(events_in_memory=2)
    bench.happen(*range(1, 151))
    bench.happen(*range(151, 301))
    async with aclosing(bench.hub.watch(EMPTY)) as stream:
        seen = [item.revision for item in await take(stream, 256)]
        for revision in range(301, 311):
            bench.happen(revision)
        seen += [item.revision for item in await take(stream, 54)]
    assert seen == list(range(1, 311))


# Catching up and heartbeats


async def test_a_heartbeat_brings_what_another_replica_did_before_its_bookmark(beating: Bench) -> None:
    beating.commit(1, 2)
    async with aclosing(beating.hub.watch(EMPTY)) as stream:
        waiting = asyncio.ensure_future(take(stream, 3))
        await asyncio.sleep(0)
        beating.clock.advance(BOOKMARK_EVERY)
        assert [(type(item).__name__, item.revision) for item in await waiting] == [
            ("Event", 1),
            ("Event", 2),
            ("Bookmark", 2),
        ]


async def test_no_bookmark_is_sent_while_the_store_is_away(beating: Bench) -> None:
    async with aclosing(beating.hub.watch(EMPTY)) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        beating.stored.there = False
        while beating.stored.newest_asked < 3:
            beating.clock.advance(BOOKMARK_EVERY)
            await asyncio.sleep(0)
        assert not waiting.done()
        beating.stored.there = True
        while not waiting.done():
            beating.clock.advance(BOOKMARK_EVERY)
            await asyncio.sleep(0)
        assert (await waiting).revision == EMPTY


async def test_a_replica_ahead_of_this_one_may_send_its_watchers_here(bench: Bench) -> None:
    bench.commit(1, 2, 3)
    async with aclosing(bench.hub.watch(Revision(2))) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await bench.hub.catch_up()
        assert (await waiting).revision == 3


async def test_catching_up_in_many_tasks_shows_each_event_once(bench: Bench) -> None:
    bench.commit(*range(1, 1_001))
    await asyncio.gather(*(bench.hub.catch_up() for _ in range(5)))
    assert bench.applied == list(range(1, 1_001))


async def test_falling_behind_what_is_kept_ends_the_service(bench: Bench) -> None:
    bench.commit(1, 2, 3)
    bench.stored.compact(1)
    with pytest.raises(StorageFault):
        await bench.hub.catch_up()
    assert bench.applied == []


async def test_a_database_that_went_back_ends_the_service(bench: Bench) -> None:
    bench.hub.publish([event(1), event(2)])
    bench.commit(1)
    with pytest.raises(StorageFault):
        await bench.hub.catch_up()


# The wire form


def test_the_wire_form_is_made_once_per_maker() -> None:
    changed = event(1)
    made: list[str] = []

    def first(_: Event) -> str:
        made.append("first")
        return "1"

    def second(_: Event) -> None:
        made.append("second")

    assert [changed.once(first), changed.once(first)] == ["1", "1"]
    assert [changed.once(second), changed.once(second)] == [None, None]
    assert made == ["first", "second"]


def test_what_was_made_is_no_part_of_an_events_identity() -> None:
    one, other = event(1), event(1)
    one.once(lambda _: b"")
    assert one == other
    assert repr(one) == repr(other)
