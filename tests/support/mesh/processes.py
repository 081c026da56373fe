"""Several services as processes in development mode, and channels to them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import httpx
from prometheus_client.parser import text_string_to_metric_families
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import token_file
from ringfence.retry import RetryPolicy
from ringfence_kit.dev_tokens import token_path

from support.mesh.layout import SERVICES, Layout, development_layout
from support.mesh.process import QUICK_TO_RECONNECT, ServiceProcess, service_command

ONCE = RetryPolicy(attempts=1, timeout=None)
"""The caller sees each failure, and decides itself."""


@dataclass(slots=True, kw_only=True)
class ProcessMesh:
    """What runs, and the ways in."""

    layout: Layout
    services: Mapping[str, ServiceProcess]
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __getitem__(self, name: str) -> ServiceProcess:
        return self.services[name]

    async def start(self, *names: str) -> None:
        """Start services at once, all of them without names, and wait until they serve."""
        chosen = [self.services[name] for name in names or self.services]
        await asyncio.gather(*(service.start() for service in chosen))
        await asyncio.gather(*(service.serving() for service in chosen))

    def channel(self, service: str, *, who: str = "operator", retry: RetryPolicy = ONCE) -> grpc.aio.Channel:
        """Open a channel as the bearer of a development token. It is closed with the mesh."""
        return self.channel_at(self.layout.grpc(service), who=who, retry=retry)

    def channel_at(self, address: str, *, who: str = "operator", retry: RetryPolicy = ONCE) -> grpc.aio.Channel:
        """Open a channel to any of the mesh's addresses."""
        options = ChannelOptions(
            token=token_file(token_path(self.layout.data, who)), retry=retry, extra=QUICK_TO_RECONNECT
        )
        channel = open_aio_channel(address, options)
        self._closing.push_async_callback(channel.close)
        return channel

    async def metrics(self, service: str) -> dict[str, float]:
        """Return every sample of a service's /metrics: `name{label="value"}` → value."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{self.layout.http(service)}/metrics")
        answer.raise_for_status()
        return dict(_samples(answer.text))

    async def readiness(self, service: str) -> tuple[int, str]:
        """Return what /readyz answers."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{self.layout.http(service)}/readyz")
        return answer.status_code, answer.text


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
        yield ProcessMesh(layout=layout, services=services, _closing=closing)


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


def _samples(text: str) -> Iterable[tuple[str, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            yield f"{sample.name}{{{labels}}}" if labels else sample.name, sample.value
