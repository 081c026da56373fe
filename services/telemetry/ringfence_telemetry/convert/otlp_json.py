"""OTLP in JSON to the bytes of the same request, and answers back (OTLP 1.x, "JSON Protobuf Encoding").

It is protobuf's JSON but for a few rules of its own, which are kept here: trace and span ids are hexadecimal, not
base64, and what is not known is passed over. The rules of ours:

- JSON takes many times the work of the same request in bytes, so it is bounded closer, in bytes and in what it is made
  of, before anything is made of it;
- what is kept and sent on is the request in bytes: it says the same.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from ringfence_kit.errors import MalformedMessage, MessageTooLarge

from ringfence_telemetry.errors import TooManyParts
from ringfence_telemetry.otlp_signal import OtlpSignal

JSON_MAX: Final = 8 << 20
"""Bytes of a request, after decompression."""

PARTS_MAX: Final = 500_000
"""Brackets and commas in a request, those in texts among them: two seconds of work, and ten times what senders send."""

_REQUESTS: Mapping[OtlpSignal, type[Message]] = {
    OtlpSignal.SPANS: ExportTraceServiceRequest,
    OtlpSignal.LOGS: ExportLogsServiceRequest,
    OtlpSignal.METRICS: ExportMetricsServiceRequest,
}

# Keys of objects are names of fields, wherever they stand: attributes are lists of {key, value}.
_IDS: Final = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")

_DECODER = msgspec.json.Decoder()


def check_size(body: bytes) -> None:
    """Return when a request in JSON may be read. Raises MessageTooLarge."""
    if len(body) > JSON_MAX:
        raise MessageTooLarge(size_bytes=len(body), limit_bytes=JSON_MAX)
    if sum(map(body.count, (b"{", b"[", b","))) > PARTS_MAX:
        raise TooManyParts(what="objects, lists and commas in JSON", most=PARTS_MAX)


def request_bytes(body: bytes, signal: OtlpSignal) -> bytes:
    """Return the request that is written in JSON. Raises MalformedMessage, which says what is wrong and where."""
    method = f"/v1/{signal.label}"
    try:
        said = _DECODER.decode(body)
        if not isinstance(said, dict):
            raise MalformedMessage(method=method, problem="it is no JSON object")
        _write_ids_as_protobuf_does(said)
        request = json_format.ParseDict(said, _REQUESTS[signal](), ignore_unknown_fields=True)
        return request.SerializeToString()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(method=method, problem=f"it is no JSON: {error}") from None
    except (json_format.ParseError, ValueError) as error:
        raise MalformedMessage(method=method, problem=f"it is no OTLP: {error}") from None


def as_json(message: Message | Status) -> bytes:
    """Return an answer in JSON."""
    return json_format.MessageToJson(message, indent=None).encode()


def _write_ids_as_protobuf_does(said: dict[str, Any]) -> None:
    """Turn every id from hexadecimal to base64. Raises ValueError."""
    for one in _objects(said):
        for name in _IDS:
            id_ = one.get(name)
            if isinstance(id_, str):
                try:
                    one[name] = base64.b64encode(bytes.fromhex(id_)).decode()
                except ValueError:
                    raise ValueError(f"{name} is not hexadecimal") from None


def _objects(said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    left: list[Any] = [said]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
