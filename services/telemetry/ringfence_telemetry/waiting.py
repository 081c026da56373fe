"""Waiting for something, but not for ever, on a clock that was handed in."""

import asyncio
from collections.abc import Awaitable

from ringfence_kit.clock import Clock, Millis


async def happens_within(limit: Millis, clock: Clock, something: Awaitable[None]) -> bool:
    """Return True as soon as `something` is done, False after `limit`; it is cancelled then. Its failure is raised."""
    waited_for = asyncio.ensure_future(something)
    timer = asyncio.ensure_future(clock.sleep(limit))
    try:
        await asyncio.wait((waited_for, timer), return_when=asyncio.FIRST_COMPLETED)
        if waited_for.done():
            waited_for.result()
        return waited_for.done()
    finally:
        waited_for.cancel()
        timer.cancel()
