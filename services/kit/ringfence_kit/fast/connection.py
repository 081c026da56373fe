"""One connection on a socket: bytes to the protocol, a task for each call, and what is to be sent in as few writes.

The rules:

- answers of one turn of the event loop leave in one write; while the socket takes no more, none are asked for;
- calls are looked for by the bytes of their path; whatever is none of ours is answered by one handler;
- what is wrong with a call before it is anybody's is refused here: headers too large, a compression nobody knows.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast

from ringfence_kit.errors import Failure, MalformedMessage
from ringfence_kit.fast.call import WireCall
from ringfence_kit.fast.deadlines import Deadlines
from ringfence_kit.fast.heads import Head
from ringfence_kit.fast.peers import auth_of, peer_of, speaks_http2
from ringfence_kit.fast.protocol import WireLimits, WireProtocol
from ringfence_kit.methods import Handler

_UNIMPLEMENTED, _RESOURCE_EXHAUSTED, _DEADLINE_EXCEEDED = 12, 8, 4


class Routes:
    """Which handler answers which path."""

    def __init__(self, handlers: Mapping[str, Handler], unknown: Handler) -> None:
        self._handlers = {path.encode("ascii"): _behavior(handler) for path, handler in handlers.items()}
        self._unknown = _behavior(unknown)

    def of(self, path: bytes) -> Callable[[Any, Any], Any]:
        """Return who answers `path`."""
        return self._handlers.get(path, self._unknown)


def _behavior(handler: Handler) -> Callable[[Any, Any], Any]:
    # Around every method there is one that takes a stream of bytes (`interceptors.py`).
    return cast("Callable[[Any, Any], Any]", handler.stream_unary or handler.stream_stream)


class Connection(asyncio.Protocol):
    """A connection, from its first byte to its last."""

    def __init__(
        self,
        routes: Routes,
        *,
        limits: WireLimits,
        deadlines: Deadlines,
        counts: "Counter[str]",
        opened: "Callable[[Connection], bool]",
        closed: "Callable[[Connection], None]",
    ) -> None:
        """`opened` says whether there is room for one more; `closed` is told of those there was room for."""
        self._routes = routes
        self._limits = limits
        self._deadlines = deadlines
        self._counts = counts
        self._opened = opened
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._protocol: WireProtocol | None = None
        self._peer = ""
        self._auth: Mapping[str, Any] = {}
        self._calls: dict[int, WireCall] = {}
        self._blocked: set[WireCall] = set()
        """Those that wait until more of what they wrote was sent."""
        self._is_due = False
        self._is_full = False
        """Whether the socket takes no more."""

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
            self._peer, self._auth = peer_of(transport), auth_of(transport)
            self._protocol = WireProtocol(self._begin, limits=self._limits, counts=self._counts, now=self._loop.time())
            self._flush()

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        if self._protocol is not None:
            self._protocol.receive(data, self._loop.time())
            self._flush()

    def pause_writing(self) -> None:
        """Take it that the socket is full."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Take it that the socket takes more again."""
        self._is_full = False
        self._flush()

    def eof_received(self) -> bool:
        """Take it that the other side sends no more: gRPC knows no half-closed connections."""
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        """Take it that the socket is closed."""
        if self._protocol is not None:
            self._protocol.lost()
            self._protocol = None
            self._closed(self)

    def look(self) -> None:
        """Do what has become due; about every second."""
        if self._protocol is not None:
            self._protocol.look(self._loop.time())
            self._flush()

    def end(self, grace: float) -> None:
        """Take no new calls, and close when those under way are answered."""
        if self._protocol is not None:
            self._protocol.end(self._loop.time(), grace)
            self._flush()

    def cut(self) -> None:
        """Close now, whatever is under way."""
        if self._protocol is not None:
            for call in [*self._calls.values()]:
                call.cancel()
            self._transport.abort()

    def _begin(self, stream_id: int, head: Head) -> WireCall:
        protocol = cast("WireProtocol", self._protocol)
        call = WireCall(
            stream_id,
            head,
            protocol=protocol,
            flush=self._flush,
            blocked=self._blocked,
            loop=self._loop,
            peer=self._peer,
            auth=self._auth,
        )
        refusal = self._refusal(head)
        if refusal is not None:
            # Once the protocol knows of the stream, which it does when this returns.
            self._loop.call_soon(call.refuse, *refusal)
            return call
        if head.problem:
            call.fault(_malformed(head))
        self._calls[stream_id] = call
        call.start(self._routes.of(head.path), done=self._done)
        if call.ends_at is not None:
            self._deadlines.add(call, call.ends_at)
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

    def _done(self, call: WireCall) -> None:
        self._calls.pop(call.stream_id, None)
        if call.ends_at is not None:
            self._deadlines.discard(call, call.ends_at)

    def _flush(self) -> None:
        """Send what is to be sent once this turn of the loop is over."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_due = False
        protocol = self._protocol
        if protocol is None:
            return
        while not self._is_full:
            data = protocol.outgoing()
            if not data:
                break
            self._transport.write(data)
        if protocol.over and not self._is_full:
            self._transport.close()
            return
        if self._blocked and not self._is_full:
            blocked = [*self._blocked]
            self._blocked.clear()
            for call in blocked:
                call.room()


def _malformed(head: Head) -> Failure:
    return MalformedMessage(method=head.path[1:].decode("utf-8", "replace"), problem=head.problem)
