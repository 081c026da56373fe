"""OpenTelemetry traces of our own calls, exported over OTLP when an endpoint is configured.

The rules:

- without an endpoint there is no interceptor and no span: only the caller's trace id, read by hand for the log line;
- each service of a process is its own `service.name`, so that a trace shows the mesh and not the process;
- OpenTelemetry takes 0.3 s to import, so it is imported where it is first needed: with an endpoint;
- on the hot path a span is made only when the caller is tracing already: an interceptor costs a fifth of a call even
  when it samples nothing.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import grpc.aio

from ringfence_kit.server_config import TracingConfig

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

# W3C Trace Context 3.2: any version but ff, and only one after 00 may go on behind the flags; trace and parent ids of
# all zeros are invalid.
_TRACEPARENT = re.compile(r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_FLUSH_MILLIS = 3_000
_EXPORT_SECONDS = 3


class TraceParent(NamedTuple):
    """What the caller says about its trace."""

    trace_id: str = ""
    sampled: bool = False


def read_traceparent(header: str) -> TraceParent:
    """Return the trace a `traceparent` header names; nothing when it is malformed, as the specification demands."""
    if _TRACEPARENT.fullmatch(header) is None:
        return _NO_TRACE
    return TraceParent(header[3:35], sampled=header[54] in _ODD)


_NO_TRACE = TraceParent()
_USUAL_LENGTH = 55
_ODD = "13579bdf"
"""Hexadecimal digits whose lowest bit, the flag `sampled`, is set."""


def is_sampled(header: str) -> bool:
    """Say whether a `traceparent` header names a trace that is sampled."""
    # Nearly all are as long as this, and end with the flag; of one that is not set nothing more is asked.
    if len(header) == _USUAL_LENGTH and header[-1] not in _ODD:
        return False
    return read_traceparent(header).sampled


class Tracing:
    """The tracer providers of a process, one a service."""

    def __init__(self, config: TracingConfig, *, processor: "SpanProcessor | None" = None) -> None:
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
        from opentelemetry.instrumentation.grpc import aio_server_interceptor  # noqa: PLC0415 - see above

        made = aio_server_interceptor(tracer_provider=self._provider(service))  # type: ignore[no-untyped-call] # not typed
        interceptor: grpc.aio.ServerInterceptor = made
        return interceptor

    def client_interceptors(self, service: str) -> Sequence[grpc.aio.ClientInterceptor]:
        """Return the interceptors that carry the trace on to other services; none when nothing is exported."""
        if not self.enabled:
            return ()
        from opentelemetry.instrumentation.grpc import aio_client_interceptors  # noqa: PLC0415 - see above

        made = aio_client_interceptors(tracer_provider=self._provider(service))  # type: ignore[no-untyped-call] # not typed
        interceptors: Sequence[grpc.aio.ClientInterceptor] = made
        return interceptors

    async def close(self) -> None:
        """Send what is buffered, for three seconds at most, and end the exporters' threads."""
        await asyncio.gather(*(asyncio.to_thread(_close, provider) for provider in self._providers.values()))

    def _provider(self, service: str) -> "TracerProvider":
        provider = self._providers.get(service)
        if provider is None:
            provider = self._providers[service] = _new_provider(service, self._config, self._processor)
        return provider


def _close(provider: "TracerProvider") -> None:
    provider.force_flush(_FLUSH_MILLIS)
    provider.shutdown()


def _new_provider(service: str, config: TracingConfig, processor: "SpanProcessor | None") -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see above
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415 - see above

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"ringfence-{service}"}),
        sampler=ParentBased(TraceIdRatioBased(config.sample_ratio)),
        shutdown_on_exit=False,
    )
    if processor is None:
        insecure = config.endpoint.startswith("http://")
        exporter = OTLPSpanExporter(endpoint=config.endpoint, insecure=insecure, timeout=_EXPORT_SECONDS)
        processor = BatchSpanProcessor(exporter)
    provider.add_span_processor(processor)
    return provider
