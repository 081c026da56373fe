"""A thread that may wait for the disk, so that the event loop need not: pieces of work one after another, in order.

An executor would do, but each piece of work makes two futures there and wakes the loop when it is done, which costs
more than to write what a spool writes. Here a piece of work says itself who hears of it, and when.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class DiskThread:
    """Made and closed on the event loop that hears of the work."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Have something done after all that was submitted before. It must not raise; it may `tell`."""
        self._work.put(work)

    def tell(self, heard: Callable[[], None]) -> None:
        """Have the event loop call `heard`; for work in this thread. A loop that has ended hears nothing."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(heard)

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises, once it is done."""
        done: asyncio.Future[T] = self._loop.create_future()

        def settle(outcome: T | None, error: BaseException | None) -> None:
            if done.cancelled():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(outcome)  # type: ignore[arg-type]  # without an error it is what `work` returned

        def attempt() -> None:
            try:
                outcome = work()
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is for who waits
                failed = error
                self.tell(lambda: settle(None, failed))
            else:
                self.tell(lambda: settle(outcome, None))

        self.submit(attempt)
        return await done

    def close(self) -> None:
        """Wait until all that was submitted is done, and end the thread."""
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
