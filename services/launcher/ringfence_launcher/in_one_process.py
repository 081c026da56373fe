"""Runs several services in this process until it is told to stop, and says when they are ready.

Being ready is more than having started: every service's own conditions hold, its feeds from the others included. The
announcement runs beside the services as one more of the server's, entered last and left first, so that what it
publishes is true while it is there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from ringfence_kit import entry
from ringfence_kit.background import background
from ringfence_kit.grants import Grants
from ringfence_kit.refusals import PortTaken, StartRefused
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import Service
from ringfence_kit.store import DataInUse, StorageRefused

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem

_PATIENCE = 3.0
"""Seconds after which people are told what is still waited for, again and again."""


def serve_until_stopped(
    services: Sequence[Service],
    config: ServerConfig,
    *,
    progress: Callable[[str], None],
    ready: Callable[[], Awaitable[None]],
    stopped: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. What keeps the services from starting is a Problem.

    `progress` hears, in words, what has opened and what is still waited for; `ready` is awaited once all can work, and
    `stopped` is called when that ends.
    """
    told = [replace(service, run=_telling(service, progress)) for service in services]
    announcement = Service(
        name="launcher", listeners=(), grants=Grants({}), run=lambda: _announcing(services, progress, ready, stopped)
    )
    try:
        code = entry.run([*told, announcement], config)
    except PortTaken as taken:
        raise port_taken(taken) from taken
    except DataInUse as in_use:
        raise Problem(str(in_use), code=ExitCode.IN_USE) from in_use
    except (StartRefused, StorageRefused) as refused:
        raise Problem(str(refused), code=ExitCode.CONFIGURATION) from refused
    if code:
        raise Problem("a service failed while serving; the log above says why", code=ExitCode.DEFECT)


async def until_ready(services: Sequence[Service]) -> None:
    """Return once every service's conditions hold."""
    changed = asyncio.Event()
    for service in services:
        service.readiness.on_change(changed.set)
    while not all(service.readiness.ready for service in services):
        await changed.wait()
        changed.clear()


def port_taken(taken: PortTaken) -> Problem:
    """Return what to do about a port somebody else has; 4317 is every collector's."""
    mend = f"stop that process, or choose another port: --set {taken.setting}=127.0.0.1:PORT; `up` has --free-ports"
    if taken.setting == "telemetry.otlp_listen":
        mend = (
            "4317 is the port of every OpenTelemetry collector: stop that one, or receive spans elsewhere with "
            "--otlp-port PORT (0 takes any free one) and point exporters there"
        )
    return Problem(f"{taken.address} ({taken.setting}) is in use by another process", code=ExitCode.IN_USE, mend=mend)


def _telling(service: Service, progress: Callable[[str], None]) -> Callable[[], AbstractAsyncContextManager[object]]:
    @asynccontextmanager
    async def run() -> AsyncIterator[object]:
        async with service.run() as opened:
            progress(f"{service.name} is up")
            yield opened

    return run


@asynccontextmanager
async def _announcing(
    services: Sequence[Service],
    progress: Callable[[str], None],
    ready: Callable[[], Awaitable[None]],
    stopped: Callable[[], None],
) -> AsyncIterator[None]:
    async def announce() -> None:
        while not await _ready_within(services, _PATIENCE):
            progress(f"waiting: {'; '.join(_unmet(services))}")
        await ready()

    async with background(announce()):
        try:
            yield
        finally:
            stopped()


async def _ready_within(services: Sequence[Service], seconds: float) -> bool:
    try:
        await asyncio.wait_for(until_ready(services), seconds)
    except TimeoutError:
        return False
    return True


def _unmet(services: Sequence[Service]) -> Iterator[str]:
    for service in services:
        for condition, why in service.readiness.unmet.items():
            yield f"{service.name} has no {condition} yet ({why})"
