"""OpenTelemetry traces of our own calls, exported over OTLP when an endpoint is configured.

The rules:

- without an endpoint there is no interceptor and no span: only the caller's trace id, read by hand for the log line;
- each service of a process is its own `service.name`, so that a trace shows the mesh and not the process;
- on the hot path a span is made only when the caller is tracing already: an interceptor costs a fifth of a call even
  when it samples nothing.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

import grpc.aio
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import aio_client_interceptors, aio_server_interceptor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from ringfence_kit.server_config import TracingConfig

# W3C Trace Context 3.2, any version but ff; trace and parent ids of all zeros are invalid.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})(?:-.*)?"
)
_FLUSH_MILLIS = 3_000
_EXPORT_SECONDS = 3


class TraceParent(NamedTuple):
    """What the caller says about its trace."""

    trace_id: str = ""
    sampled: bool = False


def read_traceparent(header: str) -> TraceParent:
    """Return the trace a `traceparent` header names; nothing when it is malformed, as the specification demands."""
    match = _TRACEPARENT.fullmatch(header)
    return TraceParent(match["trace"], bool(int(match["flags"], 16) & 1)) if match else TraceParent()


class Tracing:
    """The tracer providers of a process, one a service."""

    def __init__(self, config: TracingConfig, *, processor: SpanProcessor | None = None) -> None:
        self._config = config
        self._processor = processor
        self._providers: dict[str, TracerProvider] = {}

    @property
    def enabled(self) -> bool:
        """Whether spans go anywhere."""
        return bool(self._config.endpoint) or self._processor is not None

    def server_interceptor(self, service: str) -> grpc.aio.ServerInterceptor | None:
        """Return the interceptor that makes a span of each call, or None when nothing is exported."""
        if not self.enabled:
            return None
        made = aio_server_interceptor(tracer_provider=self._provider(service))  # type: ignore[no-untyped-call] # not typed
        interceptor: grpc.aio.ServerInterceptor = made
        return interceptor

    def client_interceptors(self, service: str) -> Sequence[grpc.aio.ClientInterceptor]:
        """Return the interceptors that carry the trace on to other services; none when nothing is exported."""
        if not self.enabled:
            return ()
        made = aio_client_interceptors(tracer_provider=self._provider(service))  # type: ignore[no-untyped-call] # not typed
        interceptors: Sequence[grpc.aio.ClientInterceptor] = made
        return interceptors

    async def close(self) -> None:
        """Send what is buffered, for three seconds at most, and end the exporters' threads."""
        for provider in self._providers.values():
            await asyncio.to_thread(provider.force_flush, _FLUSH_MILLIS)
            await asyncio.to_thread(provider.shutdown)

    def _provider(self, service: str) -> TracerProvider:
        provider = self._providers.get(service)
        if provider is None:
            provider = self._providers[service] = TracerProvider(
                resource=Resource.create({"service.name": f"ringfence-{service}"}),
                sampler=ParentBased(TraceIdRatioBased(self._config.sample_ratio)),
                shutdown_on_exit=False,
            )
            provider.add_span_processor(self._processor or BatchSpanProcessor(self._exporter()))
        return provider

    def _exporter(self) -> OTLPSpanExporter:
        return OTLPSpanExporter(endpoint=self._config.endpoint, insecure=self._config.endpoint.startswith("http://"))
