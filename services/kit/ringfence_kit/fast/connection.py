"""One connection on a socket: bytes to the protocol, a turn for each call, and what is to be sent in as few writes.

The rules:

- answers of one turn of the event loop leave in one write; while the socket takes no more, none are asked for;
- a call that gives one answer shares its task with others (`turns.py`), one that gives a stream has its own;
- calls are looked for by the bytes of their path; whatever is none of ours is answered by one handler;
- a connection that is over is closed when the other side has read what it was sent, or has not for some seconds;
- what is wrong with a call before it is anybody's is refused here: headers too large, a compression nobody knows.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from ringfence_kit.errors import Failure, MalformedMessage
from ringfence_kit.fast.call import Handle, WireCall
from ringfence_kit.fast.deadlines import Deadlines
from ringfence_kit.fast.heads import Head
from ringfence_kit.fast.peers import auth_of, peer_of, speaks_http2
from ringfence_kit.fast.protocol import WireLimits, WireProtocol
from ringfence_kit.fast.turns import Turns
from ringfence_kit.methods import Handler

LOOKS_TO_THE_END = 5
"""Looks, of a second each, that the other side may take to read the last it is sent."""

_UNIMPLEMENTED, _RESOURCE_EXHAUSTED, _DEADLINE_EXCEEDED = 12, 8, 4


class Route(NamedTuple):
    """Who answers a path."""

    handle: Handle
    is_stream: bool
    """Whether it gives a stream of answers."""


class Routes:
    """Which handler answers which path."""

    def __init__(self, handlers: Mapping[str, Handler], unknown: Handler) -> None:
        self._routes = {path.encode("ascii"): _route(handler) for path, handler in handlers.items()}
        self._unknown = _route(unknown)

    def of(self, path: bytes) -> Route:
        """Return who answers `path`."""
        return self._routes.get(path, self._unknown)


def _route(handler: Handler) -> Route:
    # Around every method there is one that takes a stream of bytes (`interceptors.py`).
    handle = cast("Handle", handler.stream_unary or handler.stream_stream)
    return Route(handle, is_stream=handler.response_streaming)


class Connection(asyncio.Protocol):
    """A connection, from its first byte to its last."""

    def __init__(
        self,
        routes: Routes,
        *,
        limits: WireLimits,
        deadlines: Deadlines,
        turns: Turns,
        counts: "Counter[str]",
        opened: "Callable[[Connection], bool]",
        closed: "Callable[[Connection], None]",
    ) -> None:
        """`opened` says whether there is room for one more; `closed` is told of those there was room for."""
        self._routes = routes
        self._limits = limits
        self._deadlines = deadlines
        self._turns = turns
        self._counts = counts
        self._opened = opened
        self._closed = closed
        self.loop = asyncio.get_running_loop()
        self.peer = ""
        self.auth: Mapping[str, Any] = {}
        self.protocol: WireProtocol = cast("WireProtocol", None)
        self.blocked: set[WireCall] = set()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._is_open = False
        self._calls: dict[int, WireCall] = {}
        self._is_due = False
        self._is_full = False
        """Whether the socket takes no more."""
        self._looks_since_over = 0

    @property
    def calls(self) -> int:
        """Calls that are under way."""
        return len(self._calls)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or end at once what there is no room for, or what does not speak HTTP/2."""
        self._transport = cast("asyncio.Transport", transport)
        if not speaks_http2(transport):
            self._counts["no_alpn"] += 1
            self._transport.abort()
        elif not self._opened(self):
            self._counts["too_many_connections"] += 1
            self._transport.abort()
        else:
            self.peer, self.auth = peer_of(transport), auth_of(transport)
            self.protocol = WireProtocol(self._begin, limits=self._limits, counts=self._counts, now=self.loop.time())
            self._is_open = True
            self.flush()

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        if self._is_open:
            self.protocol.receive(data, self.loop.time())
            self.flush()

    def pause_writing(self) -> None:
        """Take it that the socket is full."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Take it that the socket takes more again."""
        self._is_full = False
        self.flush()

    def eof_received(self) -> bool:
        """Take it that the other side sends no more: gRPC knows no half-closed connections."""
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        """Take it that the socket is closed."""
        if self._is_open:
            self._is_open = False
            self.protocol.lost()
            self._closed(self)

    def look(self) -> None:
        """Do what has become due; about every second."""
        if not self._is_open:
            return
        if self.protocol.over:
            self._looks_since_over += 1
            if self._looks_since_over > LOOKS_TO_THE_END:
                self._counts["never_read"] += 1
                self._transport.abort()
            return
        self.protocol.look(self.loop.time())
        self.flush()

    def end(self, grace: float) -> None:
        """Take no new calls, and close when those under way are answered."""
        if self._is_open:
            self.protocol.end(self.loop.time(), grace)
            self.flush()

    def cut(self) -> None:
        """Close now, whatever is under way."""
        if self._is_open:
            for call in [*self._calls.values()]:
                call.cancel()
            self._transport.abort()

    def _begin(self, stream_id: int, head: Head) -> WireCall:
        route = self._routes.of(head.path)
        call = WireCall(stream_id, head, self, route.handle)
        refusal = self._refusal(head)
        if refusal is not None:
            # Once the protocol knows of the stream, which it does when this returns.
            self.loop.call_soon(call.refuse, *refusal)
            return call
        if head.problem:
            call.fault(_malformed(head))
        self._calls[stream_id] = call
        if call.ends_at is not None:
            self._deadlines.add(call, call.ends_at)
        if route.is_stream:
            self.loop.create_task(_answered_alone(call))
        else:
            self._turns.add(call)
        return call

    def _refusal(self, head: Head) -> tuple[int, str] | None:
        if head.size > self._limits.max_metadata_bytes:
            self._counts["metadata_too_large"] += 1
            most = self._limits.max_metadata_bytes
            return _RESOURCE_EXHAUSTED, f"the request's headers take {head.size} bytes; at most {most} are taken"
        if head.unknown_encoding:
            known = "identity and gzip are understood"
            return _UNIMPLEMENTED, f"grpc-encoding {head.unknown_encoding[:40]} is not understood; {known}"
        if head.timeout is not None and head.timeout <= 0:
            return _DEADLINE_EXCEEDED, "the caller's deadline had passed when the call came"
        return None

    def done(self, call: WireCall) -> None:
        """See `Line`."""
        self._calls.pop(call.stream_id, None)
        if call.ends_at is not None:
            self._deadlines.discard(call, call.ends_at)

    def flush(self) -> None:
        """See `Line`: when this turn of the loop is over."""
        if not self._is_due:
            self._is_due = True
            self.loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_due = False
        if not self._is_open:
            return
        protocol = self.protocol
        while not self._is_full:
            data = protocol.outgoing()
            if not data:
                break
            self._transport.write(data)
        if protocol.over and not self._is_full:
            self._transport.close()
            return
        if self.blocked and not self._is_full:
            blocked = [*self.blocked]
            self.blocked.clear()
            for call in blocked:
                call.room()


async def _answered_alone(call: WireCall) -> None:
    await call.answer(cast("asyncio.Task[None]", asyncio.current_task()))


def _malformed(head: Head) -> Failure:
    return MalformedMessage(method=head.path[1:].decode("utf-8", "replace"), problem=head.problem)
