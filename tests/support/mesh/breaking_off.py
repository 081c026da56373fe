"""Ends a test that hangs while it can still say what hangs."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from support.mesh.process import ServiceProcess


@asynccontextmanager
async def break_off(services: Iterable[ServiceProcess], *, after: float) -> AsyncIterator[None]:
    """Fail with TimeoutError after so many seconds, once what every task waits for is printed, and who still runs.

    pytest's own timeout says only that the event loop waits. This one is to come first.
    """
    services = tuple(services)
    told = asyncio.get_running_loop().call_later(after, _tell, services)
    try:
        async with asyncio.timeout(after + 1):
            yield
    finally:
        told.cancel()


def _tell(services: Iterable[ServiceProcess]) -> None:
    for service in services:
        print(f"{service.name}: {'runs' if service.is_running else 'does not run'}\n{service.last_words()}")
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stdout)
