"""Ended spans → telemetry: OTLP over a channel of ours, so that tokens are renewed and refusals are understood.

The rules:

- what telemetry refuses for now is sent again when it says, and what was broken off as well: a span counts once there
  however often it comes;
- what is refused for good, or for longer than the patience, is lost, counted and logged: never silently;
- requests are compressed.
"""

import logging
from collections.abc import Sequence

import grpc
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from ringfence.errors import RingfenceError
from ringfence.retry import RetryPolicy
from ringfence.sync_channel import SyncChannel

PATIENT = RetryPolicy(attempts=100, first_wait=0.2, longest_wait=5.0, timeout=120.0, budget=1_000.0)
"""For exports: a restart of telemetry, or a minute of overload, is waited out."""

_log = logging.getLogger(__name__)


class SpanExport(SpanExporter):
    """Sends spans; `sent` and `lost` count them."""

    def __init__(self, channel: SyncChannel) -> None:
        """The channel is closed with it."""
        self._channel = channel
        self._traces = TraceServiceStub(channel)  # type: ignore[no-untyped-call] # its package has no types
        self.sent = 0
        self.lost = 0
        """Refused for good, or not taken within the patience."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, until they are acknowledged or refused for good."""
        try:
            answer = self._traces.Export(encode_spans(spans), compression=grpc.Compression.Gzip)
        except (RingfenceError, ValueError) as error:  # ValueError: the channel was closed meanwhile
            self.lost += len(spans)
            _log.error("telemetry did not take %d spans: %s", len(spans), error)
            return SpanExportResult.FAILURE
        rejected = answer.partial_success.rejected_spans
        self.lost += rejected
        self.sent += len(spans) - rejected
        if rejected:
            _log.error("telemetry rejected %d spans: %s", rejected, answer.partial_success.error_message)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the channel."""
        self._channel.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing is held."""
        return True
