"""Room in the ingest queue: first come first served, held for two seconds, and nothing leaks when senders leave."""

import asyncio

import pytest
from ringfence_kit.clock import SECOND, ManualClock, Millis
from ringfence_telemetry.admission import Admission
from ringfence_telemetry.errors import IngestOverloaded


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def admission(clock: ManualClock, items: int = 10, size: int = 1_000) -> Admission:
    return Admission(items_max=items, bytes_max=size, clock=clock)


async def settled() -> None:
    """Let everything that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_fits_is_let_in_at_once(clock: ManualClock) -> None:
    room = admission(clock)
    await room.enter(items=4, size=400)
    await room.enter(items=6, size=600)
    assert (room.items, room.bytes) == (10, 1_000)


async def test_a_full_queue_holds_and_lets_in_in_order(clock: ManualClock) -> None:
    room, order = admission(clock), list[str]()

    async def come(name: str, items: int) -> None:
        await room.enter(items=items, size=1)
        order.append(name)

    await room.enter(items=10, size=10)
    first, second = asyncio.ensure_future(come("large", 8)), asyncio.ensure_future(come("small", 1))
    await settled()
    assert order == []
    room.leave(items=5, size=5)
    await settled()
    assert order == []  # the small one would fit, and does not overtake
    room.leave(items=5, size=5)
    await asyncio.gather(first, second)
    assert order == ["large", "small"]
    assert room.items == 9


async def test_a_newcomer_queues_behind_those_who_wait_even_when_it_would_fit(clock: ManualClock) -> None:
    room = admission(clock)
    await room.enter(items=5, size=5)
    first = asyncio.ensure_future(room.enter(items=8, size=8))
    await settled()
    newcomer = asyncio.ensure_future(room.enter(items=1, size=1))
    await settled()
    assert not newcomer.done()
    room.leave(items=5, size=5)
    await asyncio.gather(first, newcomer)


async def test_bytes_count_as_well_as_items(clock: ManualClock) -> None:
    room = admission(clock)
    await room.enter(items=1, size=900)
    held = asyncio.ensure_future(room.enter(items=1, size=200))
    await settled()
    assert not held.done()
    room.leave(items=1, size=900)
    await held


async def test_after_two_seconds_the_sender_is_asked_to_come_again(clock: ManualClock) -> None:
    room = admission(clock)
    await room.enter(items=10, size=10)
    held = asyncio.ensure_future(room.enter(items=1, size=1))
    await settled()
    clock.advance(Millis(2 * SECOND - 1))
    await settled()
    assert not held.done()
    clock.advance(Millis(1))
    with pytest.raises(IngestOverloaded, match="full for 2 s") as refused:
        await held
    assert refused.value.retry_after is not None
    assert 500 <= refused.value.retry_after <= 2_000
    assert room.items == 10


async def test_delays_are_spread_and_within_what_sdks_accept(clock: ManualClock) -> None:
    room = admission(clock)
    delays = {room.refusal("full").retry_after for _ in range(100)}
    assert len(delays) == 16
    assert all(delay is not None and 500 <= delay <= 2_000 for delay in delays)


async def test_a_sender_that_leaves_gives_its_place_up(clock: ManualClock) -> None:
    room = admission(clock)
    await room.enter(items=10, size=10)
    leaving = asyncio.ensure_future(room.enter(items=9, size=9))
    staying = asyncio.ensure_future(room.enter(items=2, size=2))
    await settled()
    leaving.cancel()
    await settled()
    room.leave(items=8, size=8)
    await staying
    assert room.items == 4


async def test_a_sender_that_leaves_as_it_is_let_in_takes_no_room(clock: ManualClock) -> None:
    room = admission(clock)
    await room.enter(items=10, size=10)
    held = asyncio.ensure_future(room.enter(items=5, size=5))
    await settled()
    room.leave(items=10, size=10)  # lets it in; before it runs again, it is cancelled
    held.cancel()
    await settled()
    assert held.cancelled()
    assert (room.items, room.bytes) == (0, 0)


async def test_more_than_the_whole_queue_is_let_in_alone(clock: ManualClock) -> None:
    room = admission(clock)
    await room.enter(items=50, size=5_000)
    held = asyncio.ensure_future(room.enter(items=1, size=1))
    await settled()
    assert not held.done()
    room.leave(items=50, size=5_000)
    await held


async def test_what_was_let_in_before_a_restart_counts(clock: ManualClock) -> None:
    room = admission(clock)
    room.readmit(items=30, size=10)
    held = asyncio.ensure_future(room.enter(items=1, size=1))
    await settled()
    assert not held.done()
    room.leave(items=30, size=10)
    await held
