"""One call as handlers see it: what gRPC's own context offers, as far as the kit and the services use it.

The rules:

- what cannot be read any more is raised where it is read, so it is refused like everything else, in our words;
- a caller that has left cancels its call; one whose deadline has passed does so too, and is told so;
- whoever writes faster than the caller reads waits.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Never, Protocol, Self, TypeAlias

import grpc
import grpc.aio

from ringfence_kit.errors import Failure
from ringfence_kit.fast.heads import Head, Metadata
from ringfence_kit.fast.protocol import WireProtocol

Handle: TypeAlias = Callable[[Any, Any], Awaitable[bytes | None]]
"""Answers a call, given its messages and its context; None when all is written already."""

OK, CANCELLED, UNKNOWN = 0, 1, 2
DEADLINE_EXCEEDED = 4
UNAVAILABLE = 14

WRITTEN_AHEAD = 256 << 10
"""Bytes of an answer that may wait for the caller to read before its handler does."""


class Line(Protocol):
    """What the calls on one connection share."""

    protocol: WireProtocol
    blocked: "set[WireCall]"
    """Those that wait until more of what they wrote was sent."""
    loop: asyncio.AbstractEventLoop
    peer: str
    auth: Mapping[str, Any]

    def flush(self) -> None:
        """Send what is to be sent, soon."""
        ...

    def done(self, call: "WireCall") -> None:
        """Take it that a call was answered, or will not be."""
        ...


class WireCall:
    """A call: an `Inlet` to the protocol, a `ServicerContext` to handlers."""

    # Most calls never change these: of a class they cost nothing to make.
    backlog = 0
    task: asyncio.Task[None] | None = None
    """Where it is answered, from when that has begun."""
    ends_at: float | None = None
    """When its caller waits no longer, by the loop's clock."""
    _fault: Failure | None = None
    _ended = False
    _over = False
    """Whether nobody waits for an answer any more."""
    _changed: asyncio.Event | None = None
    """Set when there is more to read, or more room to write; made by the first who waits."""
    _code: int = UNKNOWN
    _details = ""
    _trailing: Metadata = ()

    def __init__(self, stream_id: int, head: Head, line: Line, handle: Handle) -> None:
        self.stream_id = stream_id
        self._head = head
        self._line = line
        self._handle = handle
        self._messages: deque[bytes] = deque()
        if head.timeout is not None:
            self.ends_at = line.loop.time() + head.timeout

    # What the protocol tells.

    def message(self, message: bytes) -> None:
        """See `Inlet`."""
        self._messages.append(message)
        self.backlog += len(message)
        if self._changed is not None:
            self._changed.set()

    def fault(self, failure: Failure) -> None:
        """See `Inlet`."""
        self._fault = failure
        self._wake()

    def half_closed(self) -> None:
        """See `Inlet`."""
        self._ended = True
        if self._changed is not None:
            self._changed.set()

    def gone(self) -> None:
        """See `Inlet`."""
        self._over = True
        self.cancel()
        self._line.done(self)

    def room(self) -> None:
        """Take it that bytes were sent: who waits to write may look again."""
        self._wake()

    # What handlers ask.

    async def read(self) -> Any:
        """Return the next message, `grpc.aio.EOF` at the end, or raise why there is none."""
        while not self._messages:
            if self._fault is not None:
                raise self._fault
            if self._ended:
                return grpc.aio.EOF
            await self._wait()
        message = self._messages.popleft()
        self.backlog -= len(message)
        if self._line.protocol.read(self.stream_id):
            self._line.flush()
        return message

    def __aiter__(self) -> Self:
        """Return itself: the messages as they come."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next message."""
        message = await self.read()
        if message is grpc.aio.EOF:
            raise StopAsyncIteration
        return bytes(message)

    async def send_initial_metadata(self, _metadata: Metadata) -> None:
        """Do nothing: the head is written with the first message, and known to have been."""

    async def write(self, message: bytes) -> None:
        """Send one message of a stream."""
        protocol = self._line.protocol
        while protocol.queued(self.stream_id) > WRITTEN_AHEAD:
            self._line.blocked.add(self)
            await self._wait()
        protocol.message(self.stream_id, message)
        self._line.flush()

    def invocation_metadata(self) -> Metadata:
        """Return what the caller sent along."""
        return self._head.metadata

    def peer(self) -> str:
        """Return where the call comes from: `ipv4:127.0.0.1:40123`."""
        return self._line.peer

    def auth_context(self) -> Mapping[str, Any]:
        """Return who the connection's certificate says the caller is; empty without one."""
        return self._line.auth

    def time_remaining(self) -> float | None:
        """Return how many seconds the caller still waits; None for ever."""
        return None if self.ends_at is None else max(0.0, self.ends_at - self._line.loop.time())

    def set_trailing_metadata(self, trailing: Metadata) -> None:
        """Set what is sent along with the end of the answer."""
        self._trailing = trailing

    def trailing_metadata(self) -> Metadata:
        """Return it."""
        return self._trailing

    def set_code(self, code: grpc.StatusCode) -> None:
        """Set how the call is to end."""
        self._code = code.value[0]

    def code(self) -> int:
        """Return it, as a number; 0 when nothing was set, as gRPC's does."""
        return 0 if self._code == UNKNOWN else self._code

    def set_details(self, details: str) -> None:
        """Set what is said about it."""
        self._details = details

    def details(self) -> str:
        """Return it."""
        return self._details

    async def abort(self, code: Any, details: str = "", trailing_metadata: Metadata = ()) -> Never:
        """End the call with a status: raises, like gRPC's."""
        self._code = code.value[0] if isinstance(code, grpc.StatusCode) else int(code)
        self._details = details
        self._trailing = trailing_metadata or self._trailing
        raise grpc.aio.AbortError

    # How it is run.

    async def answer(self, task: asyncio.Task[None]) -> None:
        """Let the handler answer, in `task`."""
        if self._over:
            # Given up before its turn came.
            self._end_cancelled()
            self._line.done(self)
            return
        self.task = task
        try:
            response = await self._handle(self, self)
        except asyncio.CancelledError:
            self._end_cancelled()
            if task.cancelling():
                raise
        except grpc.aio.AbortError:
            self._finish(self._code, self._details, self._trailing)
        else:
            if response is None:
                self._finish(OK, "", self._trailing)
            else:
                line = self._line
                line.protocol.answer(self.stream_id, response, self._trailing)
                line.flush()
        finally:
            # It may go on with another call.
            self.task = None
            self._line.done(self)

    def refuse(self, code: int, details: str) -> None:
        """Answer with a status and nothing else."""
        self._finish(code, details, ())

    def cancel(self) -> None:
        """End it: its caller waits no longer, or the server does not."""
        self._over = True
        if self.task is not None:
            self.task.cancel()

    def _end_cancelled(self) -> None:
        if self.ends_at is not None and self._line.loop.time() >= self.ends_at:
            self._finish(DEADLINE_EXCEEDED, "the caller's deadline has passed", self._trailing)
        else:
            self._finish(UNAVAILABLE, "the server ends; another replica answers", self._trailing)

    def _finish(self, code: int, details: str, trailing: Metadata) -> None:
        self._line.protocol.finish(self.stream_id, code, details, trailing)
        self._line.flush()

    async def _wait(self) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        self._changed.clear()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
