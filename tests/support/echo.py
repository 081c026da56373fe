"""A small service of well-known messages, for tests of what the kit does around any service."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from ringfence_kit.callers import Role, current_caller
from ringfence_kit.clock import Millis
from ringfence_kit.errors import Failure, Kind, Violation
from ringfence_kit.grants import Grant, Grants, MethodClass
from ringfence_kit.readiness import Readiness
from ringfence_kit.service import Face, HttpFace, Listener, Service

NAME = "test.echo.v1.EchoService"

GRANTS = Grants.of(
    NAME,
    {
        "Say": Grant.open(does=MethodClass.READ),
        "WhoAmI": Grant.open(does=MethodClass.READ),
        "Decide": Grant.open(does=MethodClass.DECIDE),
        "Write": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
        "Fail": Grant.open(does=MethodClass.READ),
        "Hang": Grant.open(does=MethodClass.WRITE),
        "Collect": Grant.open(does=MethodClass.INGEST),
        "Count": Grant.open(does=MethodClass.READ),
        "Watch": Grant.open(does=MethodClass.STREAM),
        "Chat": Grant.open(does=MethodClass.STREAM),
        "Refuse": Grant.open(does=MethodClass.READ),
        "Mirror": Grant.open(does=MethodClass.READ),
        "Repeat": Grant.open(does=MethodClass.READ),
    },
)


class Echo:
    """What it does is steered by its attributes; what it has seen can be read from them."""

    def __init__(self) -> None:
        self.failure: Callable[[], BaseException] = lambda: RuntimeError("boom: s3cret")
        self.hanging = asyncio.Event()
        self.released = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.watching = asyncio.Event()

    async def Say(self, request: StringValue, context: Any) -> StringValue:
        return request

    async def Decide(self, request: StringValue, context: Any) -> StringValue:
        return request

    async def WhoAmI(self, request: StringValue, context: Any) -> StringValue:
        caller = current_caller()
        roles = ",".join(sorted(role.value for role in caller.roles))
        return StringValue(value=f"{caller.principal}|{roles}")

    async def Write(self, request: StringValue, context: Any) -> StringValue:
        return request

    async def Fail(self, request: StringValue, context: Any) -> StringValue:
        raise self.failure()

    async def Hang(self, request: StringValue, context: Any) -> StringValue:
        self.hanging.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return request

    async def Collect(self, requests: AsyncIterator[StringValue], context: Any) -> StringValue:
        return StringValue(value=" ".join([request.value async for request in requests]))

    async def Count(self, request: Int64Value, context: Any) -> AsyncIterator[Int64Value]:
        for number in range(request.value):
            yield Int64Value(value=number)
        if request.value < 0:
            raise self.failure()

    async def Watch(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield request
        self.watching.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def Chat(self, requests: AsyncIterator[StringValue], context: Any) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield request

    async def Refuse(self, request: StringValue, context: Any) -> StringValue:
        """Fail as asked: `NOT_FOUND: there is none`."""
        kind, _, message = request.value.partition(": ")
        raise refused(Kind[kind], message)

    async def Mirror(self, request: StringValue, context: Any) -> StringValue:
        """Send the caller's `x-echo-…` metadata back with the end of the answer."""
        sent = [each for each in context.invocation_metadata() if each[0].startswith("x-echo-")]
        context.set_trailing_metadata((*context.trailing_metadata(), *sent))
        return request

    async def Repeat(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        """Count, in texts: `3` gives 0, 1, 2."""
        for number in range(int(request.value)):
            yield StringValue(value=str(number))


def refused(kind: Kind, message: str) -> Failure:
    """Return a failure of that kind with every detail its kind has."""
    made = type("Refused", (Failure,), {"kind": kind, "reason": f"REFUSED_{kind.name}"})
    is_invalid, may_wait = kind is Kind.INVALID_ARGUMENT, kind in (Kind.UNAVAILABLE, Kind.RESOURCE_EXHAUSTED)
    failure: Failure = made(
        message,
        metadata={"kind": kind.name},
        violations=(Violation("value", message),) if is_invalid else (),
        retry_after=Millis(1_500) if may_wait else None,
    )
    return failure


_UNARY = ("Say", "WhoAmI", "Decide", "Write", "Fail", "Hang", "Refuse", "Mirror")


def add_echo_to_server(servicer: Echo, server: Any) -> None:
    """Register as generated code does."""

    def kind(make: Any, name: str, message: Any = StringValue) -> Any:
        return make(
            getattr(servicer, name),
            request_deserializer=message.FromString,
            response_serializer=message.SerializeToString,
        )

    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    handlers = {name: kind(unary, name) for name in _UNARY}
    handlers["Collect"] = kind(grpc.stream_unary_rpc_method_handler, "Collect")
    handlers["Count"] = kind(grpc.unary_stream_rpc_method_handler, "Count", Int64Value)
    handlers["Watch"] = kind(grpc.unary_stream_rpc_method_handler, "Watch")
    handlers["Repeat"] = kind(grpc.unary_stream_rpc_method_handler, "Repeat")
    handlers["Chat"] = kind(stream, "Chat")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))
    server.add_registered_method_handlers(NAME, handlers)


KINDS = ("standard", "fast")
"""Of ports: that of grpcio, and that of libnghttp2."""


class PortKind:
    """Of which kind the ports of `echo_service` are, while a test runs."""

    is_fast = False


@contextmanager
def ports_of_kind(kind: str) -> Iterator[None]:
    """Make every port of `echo_service` one of that kind inside the block."""
    before, PortKind.is_fast = PortKind.is_fast, kind == "fast"
    try:
        yield
    finally:
        PortKind.is_fast = before


def echo_service(echo: Echo, **changes: Any) -> Service:
    """Return the service; `changes` replace what it is made of."""
    port = {"address": "127.0.0.1:0", "fast": PortKind.is_fast, **changes.pop("port", {})}
    listener = Listener(setting="echo.listen", faces=[Face(add_echo_to_server, echo)], **port)
    made: dict[str, Any] = {
        "name": "echo",
        "listeners": [listener],
        "grants": GRANTS,
        "http": HttpFace(address="127.0.0.1:0", setting="echo.http_listen"),
        "readiness": Readiness(),
        **changes,
    }
    return Service(**made)


def failing(failure: Failure) -> Callable[[], BaseException]:
    """Return what makes `Fail` raise `failure`."""
    return lambda: failure
