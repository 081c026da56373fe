import asyncio
import itertools
import os
import resource
import shutil
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ringfence.backoff import Backoff
from ringfence_kit.clock import SECOND, Instant, ManualClock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.spool import (
    Spool,
    SpooledItem,
    SpoolError,
    SpoolFull,
    SpoolHooks,
    SpoolItemError,
    SpoolLimits,
    SpoolUnwritable,
)
from ringfence_kit.spool_log import SpoolCorruptError, SpoolLockedError
from support.frail_disk import FrailDisk
from support.stepped_clock import SteppedClock

SMALL = SpoolLimits(max_bytes=4_000, segment_bytes=1_000, max_item_bytes=500, group_items=8, batch_items=3)


class Away(Exception):  # noqa: N818 - what the receiver is
    """The receiver does not answer."""


class Receiver:
    """Takes batches, or refuses while `away`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.away = 0
        """How many batches to refuse before taking one."""
        self.refused = 0
        self.hold: asyncio.Event | None = None

    async def __call__(self, batch: Sequence[SpooledItem]) -> None:
        if self.hold is not None:
            await self.hold.wait()
        if self.away:
            self.away -= 1
            self.refused += 1
            raise Away
        self.batches.append([item.id for item in batch])

    @property
    def ids(self) -> list[str]:
        return [item_id for batch in self.batches for item_id in batch]


class Counting:
    """Counts what is kept."""

    def __init__(self) -> None:
        self.items = 0
        self._more = asyncio.Event()

    def __call__(self, items: int) -> None:
        self.items += items
        self._more.set()

    async def reaches(self, items: int) -> None:
        while self.items < items:
            self._more.clear()
            await self._more.wait()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


async def deliver_all(spool: Spool, receiver: Receiver) -> None:
    """Run a delivery until everything is taken."""
    task = asyncio.create_task(spool.deliver(receiver, retry_on=(Away,)))
    drained = asyncio.create_task(spool.drained())
    await asyncio.wait({task, drained}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    drained.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow past `size`: what a full disk does, half-written frame included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def fill(spool: Spool, payload: bytes) -> NoReturn:
    """Append until it is refused."""
    for number in itertools.count():
        await spool.append(f"id-{number}", payload)
    raise AssertionError("counting does not end")


class TestPost:
    async def test_posted_items_are_kept_and_delivered_in_their_order_among_others(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        receiver = Receiver()
        async with Spool(tmp_path / "s", clock=clock) as spool:
            spool.post("first", b"x")
            assert await spool.append("second", b"x") == 2
            spool.post("third", b"x")
            await deliver_all(spool, receiver)
        assert receiver.ids == ["first", "second", "third"]

    async def test_what_was_posted_before_the_end_is_kept(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool:
            spool.post("id", b"x")
        async with Spool(tmp_path / "s", clock=clock) as spool:
            assert spool.undelivered == 1

    async def test_those_that_come_in_one_turn_of_the_loop_share_a_sync(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        disk = FrailDisk()
        async with Spool(tmp_path / "s", clock=clock, sync=disk.sync) as spool:
            before = disk.syncs
            for number in range(50):
                spool.post(f"id-{number}", b"x")
            await spool.append("last", b"x")
            assert disk.syncs - before == 1

    async def test_one_that_is_kept_while_a_delivery_gathers_holds_up_none(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        kept = Counting()
        limits = SpoolLimits(gather_batch=Millis(3_600_000))
        async with Spool(tmp_path / "s", clock=clock, limits=limits, hooks=SpoolHooks(kept=kept)) as spool:
            delivery = asyncio.create_task(spool.deliver(Receiver(), retry_on=(Away,)))
            spool.post("first", b"x")
            await kept.reaches(1)
            for number in range(2, 6):
                # Nobody is told of the one before, which is on the disk or on its way there.
                spool.post(f"id-{number}", b"x")
                await asyncio.sleep(0.001 * number)
            assert await spool.append("awaited", b"x") == 6
            assert kept.items == 6
            spool.post("last", b"x")
            delivery.cancel()
        async with Spool(tmp_path / "s", clock=clock) as spool:
            assert spool.undelivered == 7

    async def test_that_one_is_not_kept_is_heard_while_a_delivery_gathers(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        disk, kept, refused = FrailDisk(), Counting(), asyncio.Event()
        hooks = SpoolHooks(kept=kept, refused=lambda _: refused.set())
        limits = SpoolLimits(gather_batch=Millis(3_600_000))
        async with Spool(tmp_path / "s", clock=clock, limits=limits, hooks=hooks, sync=disk.sync) as spool:
            delivery = asyncio.create_task(spool.deliver(Receiver(), retry_on=(Away,)))
            spool.post("first", b"x")
            await kept.reaches(1)
            disk.failing = True
            spool.post("lost", b"x")
            async with asyncio.timeout(60):
                await refused.wait()
            delivery.cancel()

    async def test_a_full_spool_refuses_a_post_at_once(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            while spool.used_bytes < SMALL.max_bytes - 500:
                spool.post("id", b"x" * 400)
            with pytest.raises(SpoolFull):
                spool.post("one more", b"x" * 450)

    async def test_the_hooks_hear_that_the_disk_did_not_take_a_post(self, tmp_path: Path, clock: ManualClock) -> None:
        heard: list[Unavailable] = []
        told = asyncio.Event()

        def refused(failure: Unavailable) -> None:
            heard.append(failure)
            told.set()

        async with Spool(tmp_path / "s", clock=clock, hooks=SpoolHooks(refused=refused)) as spool:
            with file_size_limit(200):
                spool.post("id", b"x" * 1_000)
                await told.wait()
        assert [type(failure) for failure in heard] == [SpoolUnwritable]


class TestRecent:
    async def test_what_is_kept_lately_is_not_read_back(self, tmp_path: Path, clock: ManualClock) -> None:
        receiver = Receiver()
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("id", b"payload")
            for segment in (tmp_path / "s").glob("*.seg"):
                segment.write_bytes(b"")  # nothing could be read from it
            await deliver_all(spool, receiver)
        assert receiver.ids == ["id"]

    async def test_memory_holds_no_more_than_its_bound_and_the_disk_has_the_rest(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        receiver = Receiver()
        limits = SpoolLimits(recent_bytes=30, batch_items=2)
        async with Spool(tmp_path / "s", clock=clock, limits=limits) as spool:
            for number in range(10):
                await spool.append(f"id-{number}", b"x" * 10)
            assert spool.recent_bytes == 30
            await deliver_all(spool, receiver)
            assert spool.recent_bytes == 0
        assert receiver.ids == [f"id-{number}" for number in range(10)]

    async def test_the_rest_of_a_frame_is_not_read_from_the_disk_again(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        sent: list[str] = []

        async def damages_what_it_took_from(batch: Sequence[SpooledItem]) -> None:
            sent.extend(item.id for item in batch)
            for segment in (tmp_path / "s").glob("*.seg"):
                segment.write_bytes(b"")

        limits = SpoolLimits(recent_bytes=0, batch_items=1)
        async with Spool(tmp_path / "s", clock=clock, limits=limits) as spool:
            await asyncio.gather(*(spool.append(f"id-{number}", b"x") for number in range(3)))
            task = asyncio.create_task(spool.deliver(damages_what_it_took_from, retry_on=(Away,)))
            await spool.drained()
            task.cancel()
        assert sent == ["id-0", "id-1", "id-2"]

    async def test_a_batch_with_more_behind_it_does_not_wait(self, tmp_path: Path, clock: ManualClock) -> None:
        sent: list[str] = []
        third = asyncio.Event()

        async def receiver(batch: Sequence[SpooledItem]) -> None:
            sent.extend(item.id for item in batch)
            if len(sent) == 3:
                third.set()

        limits = SpoolLimits(gather_batch=Millis(3_600_000), batch_bytes=1)
        async with Spool(tmp_path / "s", clock=clock, limits=limits) as spool:
            await asyncio.gather(*(spool.append(f"id-{number}", b"x") for number in range(4)))
            task = asyncio.create_task(spool.deliver(receiver, retry_on=(Away,)))
            async with asyncio.timeout(60):
                await third.wait()
            task.cancel()
        assert sent == ["id-0", "id-1", "id-2"]

    async def test_a_batch_that_is_not_full_waits_for_more(self, tmp_path: Path, clock: ManualClock) -> None:
        receiver = Receiver()
        async with Spool(tmp_path / "s", clock=clock, limits=SpoolLimits(gather_batch=Millis(1_000))) as spool:
            task = asyncio.create_task(spool.deliver(receiver, retry_on=(Away,)))
            await asyncio.gather(*(spool.append(f"id-{number}", b"x") for number in range(5)))
            await spool.drained()
            task.cancel()
        assert receiver.batches == [[f"id-{number}" for number in range(5)]]


class TestAppend:
    async def test_positions_count_up_from_one(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool:
            assert [await spool.append(f"id-{n}", b"x") for n in range(3)] == [1, 2, 3]

    async def test_an_acknowledged_item_is_synced(self, tmp_path: Path, clock: ManualClock) -> None:
        disk = FrailDisk()
        async with Spool(tmp_path / "s", clock=clock, sync=disk.sync) as spool:
            await spool.append("id", b"payload")
            (segment,) = (tmp_path / "s").glob("*.seg")
            assert disk.durable[segment.name] == segment.stat().st_size

    async def test_producers_that_come_while_the_disk_is_busy_share_one_sync(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        disk, busy, go = FrailDisk(), threading.Event(), threading.Event()

        def slow_sync(descriptor: int) -> None:
            busy.set()
            go.wait(10)
            disk.sync(descriptor)

        go.set()
        async with Spool(tmp_path / "s", clock=clock, sync=slow_sync) as spool:
            go.clear()
            busy.clear()
            before = disk.syncs
            first = spool.offer("first", b"x")
            await asyncio.to_thread(busy.wait, 10)
            rest = [spool.offer(f"id-{n}", b"x") for n in range(20)]
            go.set()
            assert await asyncio.gather(first, *rest) == list(range(1, 22))
            assert disk.syncs - before == 2

    async def test_leaving_the_block_waits_for_what_was_offered(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool:
            kept = [spool.offer(f"id-{n}", b"x") for n in range(50)]
        assert [future.result() for future in kept] == list(range(1, 51))

    async def test_who_is_cancelled_while_leaving_leaves_nobody_waiting(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        go = threading.Event()
        go.set()

        def slow_sync(descriptor: int) -> None:
            go.wait(10)
            os.fdatasync(descriptor)

        offered, leaves = list[asyncio.Future[Any]](), asyncio.Event()

        async def live() -> None:
            async with Spool(tmp_path / "s", clock=clock, sync=slow_sync) as spool:
                go.clear()
                offered.append(spool.offer("on the disk", b"x"))
                await asyncio.sleep(0)
                offered.append(spool.offer("behind it", b"x"))
                leaves.set()

        life = asyncio.create_task(live())
        await leaves.wait()
        life.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await life
        assert await offered[0] == 1
        with pytest.raises(SpoolUnwritable, match="closed"):
            await offered[1]
        async with Spool(tmp_path / "s", clock=clock) as spool:
            assert spool.undelivered == 1

    async def test_positions_go_on_after_a_restart(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("a", b"x")
        async with Spool(tmp_path / "s", clock=clock) as spool:
            assert await spool.append("b", b"x") == 2

    async def test_positions_go_on_when_everything_was_delivered_and_deleted(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            for number in range(12):
                await spool.append(f"id-{number}", bytes(200))
            await deliver_all(spool, Receiver())
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            assert await spool.append("next", b"x") == 13
            assert spool.undelivered == 1

    @pytest.mark.parametrize("item_id", ["", "x" * 256, "ü" * 128, "\ud800"])
    async def test_an_id_must_be_short_text(self, tmp_path: Path, clock: ManualClock, item_id: str) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool:
            with pytest.raises(SpoolItemError, match="an item id has 1 to 255 bytes"):
                spool.offer(item_id, b"x")

    async def test_an_item_over_the_limit_is_a_defect_of_the_producer(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            with pytest.raises(SpoolItemError, match="at most 500 bytes, not 501"):
                spool.offer("id", bytes(501))

    async def test_a_closed_spool_takes_nothing(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool:
            pass
        with pytest.raises(SpoolUnwritable, match="closed"):
            spool.offer("id", b"x")


class TestBound:
    async def test_a_full_spool_says_so_at_once(self, tmp_path: Path, clock: ManualClock) -> None:
        refused: list[Unavailable] = []
        hooks = SpoolHooks(refused=refused.append)
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL, hooks=hooks) as spool:
            with pytest.raises(SpoolFull, match="spool is full") as full:
                await fill(spool, bytes(300))
            assert spool.undelivered >= 8
            assert full.value.max_bytes == 4_000
            assert refused == [full.value]

    async def test_what_waits_for_the_disk_counts(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            with pytest.raises(SpoolFull):
                [spool.offer(f"id-{n}", bytes(300)) for n in range(20)]

    async def test_the_files_never_pass_the_bound(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            with pytest.raises(SpoolFull):
                await fill(spool, b"")
            size = sum(path.stat().st_size for path in (tmp_path / "s").glob("*.seg"))
            assert 0.9 * 4_000 < size <= 4_000

    async def test_delivery_makes_room(self, tmp_path: Path, clock: ManualClock) -> None:
        receiver = Receiver()
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            with pytest.raises(SpoolFull):
                await fill(spool, bytes(300))
            await deliver_all(spool, receiver)
            await spool.append("fits", bytes(300))

    async def test_a_full_spool_is_unavailable_to_callers(self) -> None:
        failure = SpoolFull(used_bytes=1, max_bytes=1)
        assert (failure.kind, failure.reason) == (Unavailable.kind, Unavailable.reason)
        assert failure.retry_after is not None

    @pytest.mark.parametrize(
        ("limits", "problem"),
        [({"max_bytes": 100, "segment_bytes": 50}, "a quarter"), ({"max_item_bytes": 2**24}, "do not fit")],
    )
    def test_limits_that_contradict_each_other_are_refused(self, limits: dict[str, Any], problem: str) -> None:
        with pytest.raises(SpoolError, match=problem):
            SpoolLimits(**limits)


class TestDelivery:
    async def test_batches_come_in_order(self, tmp_path: Path, clock: ManualClock) -> None:
        receiver = Receiver()
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            for number in range(7):
                await spool.append(f"id-{number}", b"x")
            await deliver_all(spool, receiver)
        assert receiver.batches == [["id-0", "id-1", "id-2"], ["id-3", "id-4", "id-5"], ["id-6"]]

    async def test_an_item_appended_while_delivery_waits_is_delivered(self, tmp_path: Path, clock: ManualClock) -> None:
        receiver = Receiver()
        async with Spool(tmp_path / "s", clock=clock) as spool, asyncio.TaskGroup() as tasks:
            delivery = tasks.create_task(spool.deliver(receiver, retry_on=(Away,)))
            for number in range(5):
                await spool.append(f"id-{number}", b"x")
                await spool.drained()
            delivery.cancel()
        assert receiver.ids == [f"id-{n}" for n in range(5)]

    async def test_a_batch_is_sent_until_it_is_taken_and_waits_grow(self, tmp_path: Path, clock: SteppedClock) -> None:
        receiver = Receiver()
        receiver.away = 4
        postponed: list[tuple[type[Exception], Millis]] = []
        hooks = SpoolHooks(postponed=lambda error, wait: postponed.append((type(error), wait)))
        backoff = Backoff(first=1, cap=4, draw=lambda: 1.0)
        async with Spool(tmp_path / "s", clock=clock, hooks=hooks) as spool, asyncio.TaskGroup() as tasks:
            delivery = tasks.create_task(spool.deliver(receiver, retry_on=(Away,), backoff=backoff))
            await spool.append("id", b"x")
            waits = [await clock.pass_next_sleep() for _ in range(4)]
            await spool.drained()
            delivery.cancel()
        assert waits == [1 * SECOND, 2 * SECOND, 4 * SECOND, 4 * SECOND]
        assert postponed == [(Away, wait) for wait in waits]
        assert receiver.ids == ["id"]

    async def test_backoff_begins_anew_after_success(self, tmp_path: Path, clock: SteppedClock) -> None:
        receiver = Receiver()
        backoff = Backoff(first=1, draw=lambda: 1.0)
        async with Spool(tmp_path / "s", clock=clock) as spool, asyncio.TaskGroup() as tasks:
            delivery = tasks.create_task(spool.deliver(receiver, retry_on=(Away,), backoff=backoff))
            for _ in range(2):
                receiver.away = 1
                await spool.append("id", b"x")
                assert await clock.pass_next_sleep() == 1 * SECOND
                await spool.drained()
            delivery.cancel()

    async def test_a_defect_of_the_sender_ends_delivery_and_forgets_nothing(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        async def broken(batch: Sequence[SpooledItem]) -> None:
            raise KeyError(batch[0].id)

        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("id", b"x")
            with pytest.raises(KeyError):
                await spool.deliver(broken, retry_on=(Away,))
            assert spool.undelivered == 1

    async def test_what_was_not_taken_comes_again_after_a_restart(self, tmp_path: Path, clock: ManualClock) -> None:
        receiver = Receiver()
        receiver.hold = asyncio.Event()
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("id", b"x")
            delivery = asyncio.create_task(spool.deliver(receiver, retry_on=(Away,)))
            await asyncio.sleep(0)
            delivery.cancel()
        after = Receiver()
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await deliver_all(spool, after)
        assert after.ids == ["id"]

    async def test_what_was_taken_does_not_come_again_after_a_clean_restart(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("id", b"x")
            await deliver_all(spool, Receiver())
        async with Spool(tmp_path / "s", clock=clock) as spool:
            assert spool.undelivered == 0

    async def test_delivered_segments_are_deleted(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            for number in range(10):
                await spool.append(f"id-{number}", bytes(300))
            assert len(list((tmp_path / "s").glob("*.seg"))) > 2
            await deliver_all(spool, Receiver())
            assert len(list((tmp_path / "s").glob("*.seg"))) == 1

    async def test_what_cannot_be_deleted_ends_the_delivery(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            for number in range(10):
                await spool.append(f"id-{number}", bytes(300))
            oldest, *_ = sorted((tmp_path / "s").glob("*.seg"))
            oldest.unlink()
            with pytest.raises(FileNotFoundError, match=oldest.name):
                await spool.deliver(Receiver(), retry_on=(Away,))

    async def test_there_is_one_delivery_at_a_time(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool, asyncio.TaskGroup() as tasks:
            delivery = tasks.create_task(spool.deliver(Receiver(), retry_on=()))
            await asyncio.sleep(0)
            with pytest.raises(SpoolError, match="single loop"):
                await spool.deliver(Receiver(), retry_on=())
            delivery.cancel()

    async def test_the_age_of_the_oldest_is_told(self, tmp_path: Path, clock: ManualClock) -> None:
        ages: list[tuple[int, Millis]] = []
        hooks = SpoolHooks(delivered=lambda items, age: ages.append((items, age)))
        async with Spool(tmp_path / "s", clock=clock, hooks=hooks) as spool:
            await spool.append("a", b"x")
            clock.advance(SECOND)
            await spool.append("b", b"x")
            clock.advance(SECOND)
            await deliver_all(spool, Receiver())
            clock.set(Instant(0))  # a wall clock set back must not show as a negative age
            await spool.append("c", b"x")
            await deliver_all(spool, Receiver())
        assert ages == [(2, 2 * SECOND), (1, 0)]


class TestBadDisk:
    async def test_a_full_disk_refuses_the_item_and_the_next_one_goes_through(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        receiver = Receiver()
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            await spool.append("before", b"x")
            (segment,) = (tmp_path / "s").glob("*.seg")
            nearly_full = file_size_limit(segment.stat().st_size + 10)
            with nearly_full, pytest.raises(SpoolUnwritable, match="cannot be written"):
                await spool.append("refused", bytes(100))
            await spool.append("after", b"x")
            await deliver_all(spool, receiver)
        assert receiver.ids == ["before", "after"]

    async def test_after_a_failed_sync_nothing_is_taken_until_it_is_opened_again(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        disk = FrailDisk()
        refused: list[Unavailable] = []
        hooks = SpoolHooks(refused=refused.append)
        async with Spool(tmp_path / "s", clock=clock, sync=disk.sync, hooks=hooks) as spool:
            await spool.append("before", b"x")
            disk.failing = True
            with pytest.raises(SpoolUnwritable, match="the disk is dying"):
                await spool.append("lost", b"x")
            disk.failing = False
            with pytest.raises(SpoolUnwritable, match="restart to open the spool again"):
                await spool.append("after", b"x")
            assert len(refused) == 2
            assert spool.undelivered == 1
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("works again", b"x")

    async def test_a_second_opener_is_refused(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock):
            with pytest.raises(SpoolLockedError, match="in use by another process"):
                await Spool(tmp_path / "s", clock=clock).__aenter__()
        async with Spool(tmp_path / "s", clock=clock):
            pass

    async def test_a_torn_end_is_repaired_and_told(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("kept", b"x")
        (segment,) = (tmp_path / "s").glob("*.seg")
        with segment.open("ab") as file:
            file.write(b"torn")
        repaired: list[int] = []
        async with Spool(tmp_path / "s", clock=clock, hooks=SpoolHooks(repaired=repaired.append)) as spool:
            assert (repaired, spool.undelivered) == ([4], 1)

    @pytest.mark.parametrize("name", ["x.seg", "0.seg", "0" * 20 + ".seg", "9" * 20 + ".seg"])
    async def test_a_foreign_segment_is_refused(self, tmp_path: Path, clock: ManualClock, name: str) -> None:
        (tmp_path / name).touch()
        with pytest.raises(SpoolCorruptError, match="its name"):
            await Spool(tmp_path, clock=clock).__aenter__()

    async def test_a_missing_segment_is_noticed(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock, limits=SMALL) as spool:
            for number in range(10):
                await spool.append(f"id-{number}", bytes(300))
        sorted((tmp_path / "s").glob("*.seg"))[1].unlink()
        with pytest.raises(SpoolCorruptError, match="is missing"):
            await Spool(tmp_path / "s", clock=clock, limits=SMALL).__aenter__()

    async def test_damage_that_comes_while_it_is_open_ends_the_delivery(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        receiver = Receiver()
        async with Spool(tmp_path / "s", clock=clock, limits=SpoolLimits(recent_bytes=0)) as spool:
            await spool.append("id", b"payload")
            (segment,) = (tmp_path / "s").glob("*.seg")
            content = segment.read_bytes()
            segment.write_bytes(content[:-1] + b"!")
            with pytest.raises(SpoolCorruptError):
                await spool.deliver(receiver, retry_on=(Away,))
        assert receiver.ids == []

    async def test_a_payload_that_imitates_a_frame_does_not_pass_for_one(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        """Whoever writes payloads could otherwise make a torn spool refuse to open."""
        async with Spool(tmp_path / "other", clock=clock) as other:
            await asyncio.gather(*(other.append(f"id-{n}", b"x") for n in range(3)))
        (foreign,) = (tmp_path / "other").glob("*.seg")
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("kept", b"x")
            await spool.append("torn", foreign.read_bytes() + b"end")
        (segment,) = (tmp_path / "s").glob("*.seg")
        os.truncate(segment, segment.stat().st_size - 1)
        async with Spool(tmp_path / "s", clock=clock) as spool:
            assert spool.undelivered == 1

    async def test_a_hint_past_the_end_does_not_swallow_later_items(self, tmp_path: Path, clock: ManualClock) -> None:
        """A directory restored from two back-ups: the position of delivery is newer than the items."""
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("old", b"x")
        shutil.copytree(tmp_path / "s", tmp_path / "restored")
        async with Spool(tmp_path / "s", clock=clock) as spool:
            for number in range(5):
                await spool.append(f"id-{number}", b"x")
            await deliver_all(spool, Receiver())
        shutil.copy(tmp_path / "s" / "delivered", tmp_path / "restored" / "delivered")
        async with Spool(tmp_path / "restored", clock=clock) as spool:
            await spool.append("new", b"x")
        async with Spool(tmp_path / "restored", clock=clock) as spool:
            assert spool.undelivered == 1

    async def test_files_are_for_their_owner_only(self, tmp_path: Path, clock: ManualClock) -> None:
        async with Spool(tmp_path / "s", clock=clock) as spool:
            await spool.append("id", b"payload")
            (segment,) = (tmp_path / "s").glob("*.seg")
            assert stat.S_IMODE(segment.stat().st_mode) == 0o600
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
