"""Several services as processes in development mode."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.mesh.doors import Doors
from support.mesh.layout import SERVICES, development_layout
from support.mesh.process import ServiceProcess, service_command


@dataclass(slots=True, kw_only=True)
class ProcessMesh(Doors):
    """What runs, and the ways in."""

    services: Mapping[str, ServiceProcess]

    def __getitem__(self, name: str) -> ServiceProcess:
        return self.services[name]

    async def start(self, *names: str) -> None:
        """Start services at once, all of them without names, and wait until they serve."""
        chosen = [self.services[name] for name in names or self.services]
        await asyncio.gather(*(service.start() for service in chosen))
        await asyncio.gather(*(service.serving() for service in chosen))


@asynccontextmanager
async def process_mesh(
    folder: Path,
    names: Iterable[str] = SERVICES,
    *,
    extra: Mapping[str, Mapping[str, str]] | None = None,
    measured: bool = True,
) -> AsyncIterator[ProcessMesh]:
    """Give a mesh whose services have not been started yet; whatever happens, none of them outlives the block."""
    layout = development_layout(folder, extra)
    services = {
        name: ServiceProcess(
            name,
            service_command(name, layout.config),
            address=layout.grpc(name),
            log=folder / f"{name}.log",
            measured=measured,
        )
        for name in names
    }
    async with AsyncExitStack() as closing, all_ended(services.values()):
        yield ProcessMesh(layout=layout, services=services, closing=closing)


@asynccontextmanager
async def all_ended(services: Iterable[ServiceProcess]) -> AsyncIterator[None]:
    """End the processes with the block; a failure in it is told what they wrote last."""
    services = tuple(services)
    try:
        yield
    except BaseException as failure:
        for service in services:
            failure.add_note(service.last_words())
        raise
    finally:
        await asyncio.gather(*(service.end() for service in services))
