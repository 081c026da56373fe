"""Runs several services in this process until it is told to stop, and says when they are ready.

Being ready is more than having started: every service's own conditions hold, its feeds from the others included. The
announcement runs beside the services as one more of the server's, entered last and left first, so that what it
publishes is true while it is there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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


def serve_until_stopped(
    services: Sequence[Service],
    config: ServerConfig,
    *,
    started: Callable[[str], None] = lambda _: None,
    ready: Callable[[], Awaitable[None]],
    stopped: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. What keeps the services from starting is a Problem.

    `started` hears each service's name when it has opened, `ready` is awaited once all can work, `stopped` is called
    when that ends.
    """
    told = [replace(service, run=_telling(service, started)) for service in services]
    announcement = Service(
        name="launcher", listeners=(), grants=Grants({}), run=lambda: _announcing(services, ready, stopped)
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


def unmet_conditions(services: Sequence[Service]) -> dict[str, str]:
    """Return `service: condition` to why it does not hold."""
    return {
        f"{service.name}: {condition}": why
        for service in services
        for condition, why in service.readiness.unmet.items()
    }


def port_taken(taken: PortTaken) -> Problem:
    """Return what to do about a port somebody else has; 4317 is every collector's."""
    mend = f"stop that process, or choose another port: --set {taken.setting}=127.0.0.1:PORT (0 takes any free one)"
    if taken.setting == "telemetry.otlp_listen":
        mend = (
            "4317 is the port of every OpenTelemetry collector: stop that one, or receive spans elsewhere with "
            "--otlp-port PORT (0 takes any free one) and point exporters there"
        )
    return Problem(f"{taken.address} ({taken.setting}) is in use by another process", code=ExitCode.IN_USE, mend=mend)


def _telling(service: Service, started: Callable[[str], None]) -> Callable[[], AbstractAsyncContextManager[object]]:
    @asynccontextmanager
    async def run() -> AsyncIterator[object]:
        async with service.run() as opened:
            started(service.name)
            yield opened

    return run


@asynccontextmanager
async def _announcing(
    services: Sequence[Service], ready: Callable[[], Awaitable[None]], stopped: Callable[[], None]
) -> AsyncIterator[None]:
    async def announce() -> None:
        await until_ready(services)
        await ready()

    async with background(announce()):
        try:
            yield
        finally:
            stopped()
