"""Calls methods by path, with messages or bare bytes, and reads refusals as clients see them."""

from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc.aio
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from support.echo import NAME

TEXT: dict[str, Any] = {
    "request_serializer": StringValue.SerializeToString,
    "response_deserializer": StringValue.FromString,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """How a call failed, in all its details."""

    code: str
    reason: str
    message: str
    metadata: dict[str, str]
    violations: dict[str, str]
    retry_after: int | None
    trailers: dict[str, str | bytes]


def text_method(channel: grpc.aio.Channel, method: str) -> Any:
    """Return a unary method of the echo service that takes and gives texts."""
    return channel.unary_unary(f"/{NAME}/{method}", **TEXT)


def raw_method(channel: grpc.aio.Channel, method: str) -> Any:
    """Return a method that takes a stream of bytes and gives one answer: any request can be made with it."""
    return channel.stream_unary(method if method.startswith("/") else f"/{NAME}/{method}")


async def messages(values: Iterable[Any] = ()) -> AsyncIterator[Any]:
    """Return a request stream of these messages."""
    for value in values:
        yield value


async def refusal(call: Awaitable[Any]) -> Refusal:
    """Await a call that must fail, and return how."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return read_refusal(error)
    raise AssertionError(f"the call was answered with {answer!r}")


def read_refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Return what an error says; details that are not there are empty."""
    status = rpc_status.from_call(error) or Status(code=error.code().value[0], message=error.details() or "")
    return read_status(status, trailers=dict(error.trailing_metadata() or ()))


def read_status(status: Status, *, trailers: dict[str, str | bytes] | None = None) -> Refusal:
    """Return what a status says, wherever it came from: a call, or an item of a batch."""
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in status.details:
        _ = detail.Unpack(info) or detail.Unpack(bad) or detail.Unpack(retry)
    assert not info.reason or info.domain == "ringfence.dev"
    return Refusal(
        code=Code.Name(status.code),
        reason=info.reason,
        message=status.message,
        metadata=dict(info.metadata),
        violations={violation.field: violation.description for violation in bad.field_violations},
        retry_after=retry.retry_delay.ToMilliseconds() if retry.HasField("retry_delay") else None,
        trailers=trailers or {},
    )
