"""One call as handlers see it: what gRPC's own context offers, as far as the kit and the services use it.

The rules:

- what cannot be read any more is raised where it is read, so it is refused like everything else, in our words;
- a caller that has left cancels its call; one whose deadline has passed does so too, and is told so;
- whoever writes faster than the caller reads waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Never, Self

import grpc
import grpc.aio

from ringfence_kit.errors import Failure
from ringfence_kit.fast.heads import Head, Metadata
from ringfence_kit.fast.protocol import WireProtocol

OK, CANCELLED, UNKNOWN = 0, 1, 2
DEADLINE_EXCEEDED = 4
UNAVAILABLE = 14

WRITTEN_AHEAD = 256 << 10
"""Bytes of an answer that may wait for the caller to read before its handler does."""


class WireCall:
    """A call: an `Inlet` to the protocol, a `ServicerContext` to handlers."""

    __slots__ = (
        "_auth",
        "_blocked",
        "_changed",
        "_code",
        "_details",
        "_done",
        "_ended",
        "_fault",
        "_flush",
        "_head",
        "_loop",
        "_messages",
        "_peer",
        "_protocol",
        "_trailing",
        "backlog",
        "ends_at",
        "stream_id",
        "task",
    )

    def __init__(
        self,
        stream_id: int,
        head: Head,
        *,
        protocol: WireProtocol,
        flush: Callable[[], None],
        blocked: "set[WireCall]",
        loop: asyncio.AbstractEventLoop,
        peer: str,
        auth: Mapping[str, Any],
    ) -> None:
        self.stream_id = stream_id
        self._head = head
        self._protocol = protocol
        self._flush = flush
        self._blocked = blocked
        self._loop = loop
        self._peer = peer
        self._auth = auth
        self._messages: deque[bytes] = deque()
        self._fault: Failure | None = None
        self._ended = False
        self._changed: asyncio.Event | None = None
        """Set when there is more to read, or more room to write; made by the first who waits."""
        self._done: Callable[[WireCall], None] = _nobody
        self._code: int = UNKNOWN
        self._details = ""
        self._trailing: Metadata = ()
        self.backlog = 0
        self.ends_at = None if head.timeout is None else loop.time() + head.timeout
        """When its caller waits no longer, by the loop's clock."""
        self.task: asyncio.Task[None] | None = None

    # What the protocol tells.

    def message(self, message: bytes) -> None:
        """See `Inlet`."""
        self._messages.append(message)
        self.backlog += len(message)
        self._wake()

    def fault(self, failure: Failure) -> None:
        """See `Inlet`."""
        self._fault = failure
        self._wake()

    def half_closed(self) -> None:
        """See `Inlet`."""
        self._ended = True
        self._wake()

    def gone(self) -> None:
        """See `Inlet`."""
        self.cancel()
        # A task that is cancelled before it began never says that it has ended.
        self._done(self)

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
        self._protocol.read(self.stream_id)
        self._flush()
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

    async def write(self, message: bytes) -> None:
        """Send one message of a stream."""
        while self._protocol.queued(self.stream_id) > WRITTEN_AHEAD:
            self._blocked.add(self)
            await self._wait()
        self._protocol.message(self.stream_id, message)
        self._flush()

    def invocation_metadata(self) -> Metadata:
        """Return what the caller sent along."""
        return self._head.metadata

    def peer(self) -> str:
        """Return where the call comes from: `ipv4:127.0.0.1:40123`."""
        return self._peer

    def auth_context(self) -> Mapping[str, Any]:
        """Return who the connection's certificate says the caller is; empty without one."""
        return self._auth

    def time_remaining(self) -> float | None:
        """Return how many seconds the caller still waits; None for ever."""
        return None if self.ends_at is None else max(0.0, self.ends_at - self._loop.time())

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

    def start(self, handle: Callable[[Any, Any], Any], *, done: "Callable[[WireCall], None]") -> None:
        """Let `handle` answer, in a task of its own; `done` is told when that has ended."""
        self._done = done
        self.task = self._loop.create_task(self._answer(handle))

    def refuse(self, code: int, details: str) -> None:
        """Answer with a status and nothing else."""
        self._finish(code, details, ())

    def cancel(self) -> None:
        """End it: its caller waits no longer, or the server does not."""
        if self.task is not None:
            self.task.cancel()

    async def _answer(self, handle: Callable[[Any, Any], Any]) -> None:
        try:
            response = await handle(self, self)
        except asyncio.CancelledError:
            self._end_cancelled()
            raise
        except grpc.aio.AbortError:
            self._finish(self._code, self._details, self._trailing)
        else:
            if response is None:
                self._finish(OK, "", self._trailing)
            else:
                self._protocol.answer(self.stream_id, response, self._trailing)
                self._flush()
        finally:
            self._done(self)

    def _end_cancelled(self) -> None:
        if self.ends_at is not None and self._loop.time() >= self.ends_at:
            self._finish(DEADLINE_EXCEEDED, "the caller's deadline has passed", self._trailing)
        else:
            self._finish(UNAVAILABLE, "the server ends; another replica answers", self._trailing)

    def _finish(self, code: int, details: str, trailing: Metadata) -> None:
        self._protocol.finish(self.stream_id, code, details, trailing)
        self._flush()

    async def _wait(self) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        self._changed.clear()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()


def _nobody(_call: WireCall) -> None:
    """Tell nobody: a call that nobody was asked to answer."""
