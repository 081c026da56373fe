"""A small service that is partly held by a leader: in every worker, and in the leader itself."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit.callers import Role, current_caller
from ringfence_kit.clock import Millis
from ringfence_kit.errors import Failure, Kind, Violation
from ringfence_kit.grants import Grant, Grants, MethodClass
from ringfence_kit.service import Face

NAME = "test.shared.v1.SharedService"

OWN = ("Say",)
"""What every worker answers by itself."""
HELD = ("WhoAmI", "Write", "Refuse", "Mirror", "Hang", "Left")
HELD_STREAMS = ("Watch", "Collect", "Chat", "Repeat")
"""What they pass on."""

GRANTS = Grants.of(
    NAME,
    {
        **{name: Grant.open(does=MethodClass.READ) for name in (*OWN, *HELD, *HELD_STREAMS)},
        "Write": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
        "Watch": Grant.open(does=MethodClass.STREAM),
        "Chat": Grant.open(does=MethodClass.STREAM),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedConfig:
    """What workers are told of the service's settings."""

    greeting: str


class SharedEcho:
    """Says back what it hears."""

    def __init__(self) -> None:
        self._begun = self._left = 0

    async def Say(self, _request: StringValue, _context: Any) -> StringValue:
        """Name the process that answers."""
        return StringValue(value=str(os.getpid()))

    async def WhoAmI(self, _request: StringValue, _context: Any) -> StringValue:
        """Name the caller."""
        caller = current_caller()
        return StringValue(value=f"{caller.principal}|{','.join(sorted(role.value for role in caller.roles))}")

    async def Write(self, request: StringValue, _context: Any) -> StringValue:
        """Change nothing; only some may."""
        return request

    async def Refuse(self, request: StringValue, _context: Any) -> StringValue:
        """Fail as asked: `NOT_FOUND: there is none`."""
        kind, _, message = request.value.partition(": ")
        raise refused(Kind[kind], message)

    async def Mirror(self, request: StringValue, context: Any) -> StringValue:
        """Send the caller's `x-echo-…` metadata back with the end of the answer."""
        sent = [each for each in context.invocation_metadata() if each[0].startswith("x-echo-")]
        context.set_trailing_metadata((*context.trailing_metadata(), *sent))
        return request

    async def Hang(self, _request: StringValue, _context: Any) -> StringValue:
        """Never answer."""
        with self._until_left():
            await asyncio.Event().wait()
        raise AssertionError("nobody is waited for")

    async def Left(self, _request: StringValue, _context: Any) -> StringValue:
        """Count the calls that never end by themselves: `2 of 3` have been left by their callers."""
        return StringValue(value=f"{self._left} of {self._begun}")

    async def Watch(self, request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        """Answer once, and never end."""
        with self._until_left():
            yield request
            await asyncio.Event().wait()

    async def Collect(self, requests: AsyncIterator[StringValue], _context: Any) -> StringValue:
        """Answer once, when all is heard."""
        return StringValue(value=" ".join([request.value async for request in requests]))

    async def Chat(self, requests: AsyncIterator[StringValue], _context: Any) -> AsyncIterator[StringValue]:
        """Answer each."""
        async for request in requests:
            yield request

    async def Repeat(self, request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        """Count, in texts: `3` gives 0, 1, 2."""
        for number in range(int(request.value)):
            yield StringValue(value=str(number))

    @contextmanager
    def _until_left(self) -> Iterator[None]:
        # Left at any time: while it waits, and while its first answer is still being written.
        self._begun += 1
        try:
            yield
        finally:
            self._left += 1


def refused(kind: Kind, message: str) -> Failure:
    """Return a failure of that kind with every detail its kind has."""
    made = type("Refused", (Failure,), {"kind": kind, "reason": f"REFUSED_{kind.name}"})
    is_invalid, may_wait = kind is Kind.INVALID_ARGUMENT, kind in {Kind.UNAVAILABLE, Kind.RESOURCE_EXHAUSTED}
    failure: Failure = made(
        message,
        metadata={"kind": kind.name},
        violations=(Violation("value", message),) if is_invalid else (),
        retry_after=Millis(1_500) if may_wait else None,
    )
    return failure


_MAKERS = {
    "Watch": grpc.unary_stream_rpc_method_handler,
    "Repeat": grpc.unary_stream_rpc_method_handler,
    "Collect": grpc.stream_unary_rpc_method_handler,
    "Chat": grpc.stream_stream_rpc_method_handler,
}


def face(methods: Sequence[str] = (*OWN, *HELD, *HELD_STREAMS)) -> Face:
    """Return these methods as generated code registers them."""

    def add(servicer: SharedEcho, server: grpc.aio.Server) -> None:
        handlers = {
            name: _MAKERS.get(name, grpc.unary_unary_rpc_method_handler)(
                getattr(servicer, name),
                request_deserializer=StringValue.FromString,
                response_serializer=StringValue.SerializeToString,
            )
            for name in methods
        }
        server.add_registered_method_handlers(NAME, handlers)

    return Face(add, SharedEcho())
