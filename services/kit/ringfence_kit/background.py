"""Tasks that live exactly as long as a block, and whose failure ends it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def background(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `jobs` beside the block and cancel them at its end.

    A job that raises cancels the block, and its exception leaves the block in place of the cancellation. Exceptions
    come out as they are, not wrapped in a group: a caller asks for `except StorageFault`, not for `except*`.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
    except BaseExceptionGroup as several:
        # A job that fails in the very moment in which the block is cancelled must not keep it alive: what begins anew
        # after a failure would begin anew for ever.
        itself = asyncio.current_task()
        if itself is not None and itself.cancelling():
            raise asyncio.CancelledError from several
        # The first is the cause: whatever the block raised after it was cancelled came later.
        raise several.exceptions[0] from None
