"""Calls methods by path, with messages or bare bytes, and reads refusals as clients see them."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

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


class Messages:
    """A request stream of these messages."""

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = tuple(values)
        self._left = iter(self.values)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        for value in self._left:
            return value
        raise StopAsyncIteration


def messages(values: Iterable[Any] = ()) -> Messages:
    """Return a request stream of these messages."""
    return Messages(values)


def raw_method(channel: grpc.aio.Channel, method: str) -> Any:
    """Return a method that takes any messages as bytes and gives one answer: any request can be made with it."""
    path = method if method.startswith("/") else f"/{NAME}/{method}"
    return _sending_one_at_once(channel.unary_unary(path), channel.stream_unary(path))


def raw_stream(channel: grpc.aio.Channel, path: str) -> Any:
    """Return a method that takes any messages as bytes and gives a stream of answers."""
    return _sending_one_at_once(channel.unary_stream(path), channel.stream_stream(path))


def _sending_one_at_once(of_one: Any, of_many: Any) -> Callable[..., Any]:
    """Send a single message together with the headers, as every generated stub does.

    Sent behind them it may be overtaken by a refusal, and then the asyncio client says INTERNAL by itself.
    """

    def call(requests: Messages, **options: Any) -> Any:
        return of_one(requests.values[0], **options) if len(requests.values) == 1 else of_many(requests, **options)

    return call


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
