"""The bytes of a request of spans → messages of the shapes in `otlp_shapes`.

The message types here are those of opentelemetry-proto by number, with what is seldom asked for left as bytes: parsing
takes a third of the time, and attributes that say what was said before are told by their bytes. A request that comes in
is parsed by opentelemetry-proto's own types as well: they decide whether it is one.
"""

from collections.abc import Sequence
from typing import Protocol, cast

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from ringfence_telemetry.otlp_shapes import ResourceSpans

_PACKAGE = "ringfence.telemetry.reading"
_BYTES, _TEXT = FieldDescriptorProto.TYPE_BYTES, FieldDescriptorProto.TYPE_STRING
_TIME, _ENUM = FieldDescriptorProto.TYPE_FIXED64, FieldDescriptorProto.TYPE_INT32
_LIST, _ONE = FieldDescriptorProto.LABEL_REPEATED, FieldDescriptorProto.LABEL_OPTIONAL


class _Request(Protocol):
    @property
    def resource_spans(self) -> Sequence[ResourceSpans]: ...


class _RequestType(Protocol):
    def FromString(self, payload: bytes, /) -> _Request: ...  # noqa: N802 - protobuf's name


def parse_spans(payload: bytes) -> Sequence[ResourceSpans]:
    """Return the spans in a request, by where they were made. Raises DecodeError."""
    return _REQUEST.FromString(payload).resource_spans


def _message(name: str, *fields: FieldDescriptorProto) -> DescriptorProto:
    return DescriptorProto(name=name, field=fields)


def _scalar(
    name: str, number: int, kind: FieldDescriptorProto.Type.ValueType, *, many: bool = False
) -> FieldDescriptorProto:
    return FieldDescriptorProto(name=name, number=number, type=kind, label=_LIST if many else _ONE)


def _submessage(name: str, number: int, of: str, *, many: bool = False) -> FieldDescriptorProto:
    return FieldDescriptorProto(
        name=name,
        number=number,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.{of}",
        label=_LIST if many else _ONE,
    )


def _request_type() -> _RequestType:
    """Build the type of a request (opentelemetry/proto: trace, resource, common, collector/trace)."""
    file = FileDescriptorProto(
        name="ringfence/telemetry/reading.proto",
        package=_PACKAGE,
        syntax="proto3",
        message_type=[
            _message("Request", _submessage("resource_spans", 1, "ResourceSpans", many=True)),
            _message(
                "ResourceSpans",
                _submessage("resource", 1, "Resource"),
                _submessage("scope_spans", 2, "ScopeSpans", many=True),
            ),
            _message("Resource", _scalar("attributes", 1, _BYTES, many=True)),
            _message("ScopeSpans", _submessage("scope", 1, "Scope"), _submessage("spans", 2, "Span", many=True)),
            _message("Scope", _scalar("name", 1, _TEXT)),
            _message(
                "Span",
                _scalar("trace_id", 1, _BYTES),
                _scalar("span_id", 2, _BYTES),
                _scalar("trace_state", 3, _BYTES),
                _scalar("parent_span_id", 4, _BYTES),
                _scalar("kind", 6, _ENUM),
                _scalar("start_time_unix_nano", 7, _TIME),
                _scalar("end_time_unix_nano", 8, _TIME),
                _scalar("attributes", 9, _BYTES, many=True),
                _submessage("events", 11, "Event", many=True),
                _scalar("status", 15, _BYTES),
            ),
            _message(
                "Event",
                _scalar("time_unix_nano", 1, _TIME),
                _scalar("name", 2, _TEXT),
                _scalar("attributes", 3, _BYTES, many=True),
            ),
        ],
    )
    pool = DescriptorPool()
    pool.Add(file)
    return cast("_RequestType", GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Request")))


_REQUEST = _request_type()
