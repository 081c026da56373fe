"""The thread that waits for the disk: in order, heard of on the loop, and at an end when it is closed."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial

import pytest
from ringfence_kit.disk_thread import DiskThread


@pytest.fixture
async def disk() -> AsyncIterator[DiskThread]:
    thread = DiskThread("disk")
    yield thread
    thread.close()


async def test_what_is_handed_over_is_done_in_order_elsewhere(disk: DiskThread) -> None:
    done: list[int] = []
    threads = set[str]()
    for number in range(100):
        disk.submit(partial(done.append, number))
        disk.submit(lambda: threads.add(threading.current_thread().name))
    assert await disk.run(lambda: "last") == "last"
    assert (done, threads) == (list(range(100)), {"disk"})


async def test_who_waits_hears_what_went_wrong(disk: DiskThread) -> None:
    def fails() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await disk.run(fails)
    assert await disk.run(lambda: 1) == 1


async def test_who_no_longer_waits_hears_nothing(disk: DiskThread) -> None:
    goes_on = threading.Event()
    waiting = asyncio.create_task(disk.run(goes_on.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    goes_on.set()
    assert await disk.run(lambda: 1) == 1


async def test_work_tells_the_loop(disk: DiskThread) -> None:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    disk.submit(lambda: disk.tell(lambda: heard.set_result(threading.current_thread().name)))
    assert await heard == threading.current_thread().name


async def test_closing_waits_for_what_was_handed_over() -> None:
    disk, done = DiskThread("disk"), list[int]()
    for number in range(100):
        disk.submit(partial(done.append, number))
    disk.close()
    assert done == list(range(100))


def test_a_loop_that_has_ended_hears_nothing() -> None:
    async def opened() -> DiskThread:
        return DiskThread("disk")

    disk = asyncio.run(opened())
    said: list[str] = []
    disk.submit(lambda: disk.tell(lambda: said.append("heard")))
    disk.submit(lambda: said.append("done"))
    disk.close()
    assert said == ["done"]
