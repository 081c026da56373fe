"""The ways into a mesh in development mode: channels with a token, metrics, readiness. The same however it runs."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import grpc.aio
import httpx
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client.parser import text_string_to_metric_families
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import token_file
from ringfence.retry import RetryPolicy
from ringfence_kit.dev_tokens import token_path

from support.mesh.layout import Layout
from support.mesh.process import QUICK_TO_RECONNECT
from support.mesh.story import Story

ONCE = RetryPolicy(attempts=1, timeout=None)
"""The caller sees each failure, and decides itself."""


@dataclass(slots=True, kw_only=True)
class Doors:
    """Opened as they are asked for, closed with the mesh."""

    layout: Layout
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    _kept: dict[tuple[str, str], grpc.aio.Channel] = field(default_factory=dict)

    def channel(self, service: str, *, who: str = "operator", retry: RetryPolicy = ONCE) -> grpc.aio.Channel:
        """Open a channel as the bearer of a development token; `otlp` is telemetry's own port for spans."""
        address = self.layout.addresses["telemetry.otlp_listen" if service == "otlp" else f"{service}.listen"]
        options = ChannelOptions(
            token=token_file(token_path(self.layout.data, who)), retry=retry, extra=QUICK_TO_RECONNECT
        )
        channel = open_aio_channel(address, options)
        self.closing.push_async_callback(channel.close)
        return channel

    def kept_channel(self, service: str, *, who: str = "operator") -> grpc.aio.Channel:
        """Return the channel that was opened the first time: for thousands of calls to a mesh that stays up."""
        if (service, who) not in self._kept:
            self._kept[service, who] = self.channel(service, who=who)
        return self._kept[service, who]

    def story(self) -> Story:
        """Return the story as the operator plays it."""
        services = ("registry", "identity", "pdp", "telemetry", "otlp")
        return Story(channels={service: self.channel(service) for service in services})

    async def metrics(self, service: str) -> dict[str, float]:
        """Return every sample of a service's /metrics: `name{label="value"}` → value."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{self.layout.http(service)}/metrics")
        answer.raise_for_status()
        return dict(_samples(answer.text))

    async def health(self, service: str) -> str:
        """Return what grpc.health.v1 says of a service."""
        answer = await HealthStub(self.channel(service)).Check(HealthCheckRequest(), wait_for_ready=True)
        return str(HealthCheckResponse.ServingStatus.Name(answer.status))

    async def readiness(self, service: str) -> tuple[int, str]:
        """Return what /readyz answers."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{self.layout.http(service)}/readyz")
        return answer.status_code, answer.text


def _samples(text: str) -> Iterable[tuple[str, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            yield f"{sample.name}{{{labels}}}" if labels else sample.name, sample.value
