"""A load generator for gRPC: a closed loop over a few connections, every answer looked at.

It speaks HTTP/2 through libnghttp2, so one request costs it ten microseconds and not a hundred, and it is the server
that is measured. The rules:

- an answer counts only with `grpc-status: 0` and a body that `is_right` accepts; any other, a reset stream and a lost
  connection end the measurement at once, with what came;
- every question is answered before a slice of time is over: what is under way when the time is up is waited for;
- questions are taken in turn, so that an answer to one is not the answer to the next.

A `Call` is unary, a batch that holds several checks, or one long stream of questions and answers for each connection.
"""

import asyncio
import itertools
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ngh2

WINDOW = 16 << 20
LAST_ANSWERS_S = 30.0
"""How long what is under way at the end of a slice may take."""


class LoadError(RuntimeError):
    """A server answered something else than it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is sent, again and again."""

    method: str
    """`/package.Service/Method`."""
    requests: Sequence[bytes]
    """Messages, sent in turn."""
    is_right: Callable[[bytes], bool | None]
    """Whether a message is what the server should have said; None when it is no answer at all, as a heartbeat."""
    checks: int = 1
    """How many checks one message holds."""
    headers: Sequence[tuple[str, str]] = ()
    """Sent with each call, the credential among them."""
    verb: str = "POST"
    """Another one than gRPC's for somebody on the way who changes it."""
    streamed: bool = False
    """Whether all messages of a connection go over one stream, which is opened for a slice and closed after it."""


@dataclass(slots=True)
class Slice:
    """What came back in one slice of time."""

    calls: int = 0
    """Messages answered."""
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds, one for each answer of a unary call."""


def client_tls(certificates: Path, who: str) -> ssl.SSLContext:
    """Return what makes a connection over TLS one of `who`'s, who has a certificate in that folder."""
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    context.load_cert_chain(certificates / f"{who}.pem", certificates / f"{who}.key")
    context.set_alpn_protocols(["h2"])
    return context


def framed(message: bytes) -> bytes:
    """Return a message as gRPC puts it into a stream."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def take_messages(body: bytearray) -> list[bytes]:
    """Take the whole messages out of what has arrived of a stream."""
    found: list[bytes] = []
    at = 0
    while len(body) >= at + 5:
        end = at + 5 + int.from_bytes(body[at + 1 : at + 5], "big")
        if body[at]:
            raise LoadError("a message came compressed, which nobody asked for")
        if len(body) < end:
            break
        found.append(bytes(body[at + 5 : end]))
        at = end
    del body[:at]
    return found


class _Connection(asyncio.Protocol):
    """One connection that keeps so many questions under way while it is told to."""

    def __init__(self, call: Call, under_way: int, *, tls: bool) -> None:
        self._call = call
        self._under_way = under_way
        self._requests = itertools.cycle([framed(request) for request in call.requests])
        self._headers = (
            (b":method", call.verb.encode()),
            (b":scheme", b"https" if tls else b"http"),
            (b":path", call.method.encode()),
            (b":authority", b"127.0.0.1"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *((name.encode(), value.encode()) for name, value in call.headers),
        )
        self._http = ngh2.Connection(ngh2.Role.CLIENT)
        self._bodies: dict[int, bytearray] = {}
        """What has arrived of each stream that is open."""
        self._begun: dict[int, float] = {}
        self._unanswered = 0
        self._running = False
        self._closing = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Holds the LoadError, once there is one."""
        self.idle = asyncio.Event()
        self.slice = Slice()

    # What a connection is told

    def begin(self) -> None:
        """Keep asking until `end`."""
        self.slice, self._running = Slice(), True
        self.idle.clear()
        if self._call.streamed:
            self._open()
        for _ in range(self._under_way):
            self._ask()
        self._flush()

    def end(self) -> None:
        """Ask no more; `idle` is set when the last answer is in."""
        self._running = False
        if not self._unanswered:
            self._finish()
            self._flush()

    def close(self) -> None:
        """Hang up."""
        self._closing = True
        self._transport.abort()
        if self.failed.done():
            self.failed.exception()

    # What the socket tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._http.initiate_connection({ngh2.Setting.INITIAL_WINDOW_SIZE: WINDOW})
        self._http.set_local_window_size(WINDOW)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._fail(f"the connection was lost: {exc}")

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        try:
            for event in self._http.events():
                match event:
                    case ngh2.DataReceived(stream_id, body, _):
                        self._take(stream_id, body)
                    case ngh2.TrailersReceived(stream_id, headers):
                        self._ended(stream_id, dict(headers))
                    case ngh2.ResponseReceived(stream_id, headers, True):
                        self._ended(stream_id, dict(headers))
                    case ngh2.StreamReset(_, code):
                        self._fail(f"a stream was reset with {code}")
                    case _:
                        pass
        except LoadError as error:
            self._fail(str(error))
        if not self._closing:
            self._flush()

    def _take(self, stream: int, data: bytes) -> None:
        body = self._bodies[stream]
        body += data
        if self._call.streamed:
            for message in take_messages(body):
                self._answered(message)

    def _ended(self, stream: int, headers: dict[bytes, bytes]) -> None:
        body = self._bodies.pop(stream)
        if headers.get(b"grpc-status") != b"0":
            raise LoadError(f"{self._call.method} answered {headers}")
        if self._call.streamed:
            if self._unanswered or body:
                raise LoadError(f"{self._call.method} ended with {self._unanswered} questions unanswered")
            self.idle.set()
            return
        messages = take_messages(body)
        if len(messages) != 1 or body:
            raise LoadError(f"{self._call.method} answered {len(messages)} messages and {len(body)} bytes")
        self.slice.latencies.append(time.perf_counter() - self._begun.pop(stream))
        self._answered(messages[0])

    def _answered(self, message: bytes) -> None:
        right = self._call.is_right(message)
        if right is None:
            return
        if not right:
            raise LoadError(f"{self._call.method} answered what it should not: {message[:200]!r}")
        self._unanswered -= 1
        self.slice.calls += 1
        if self._running:
            self._ask()
        elif not self._unanswered:
            self._finish()

    # What goes out

    def _open(self) -> int:
        self._stream = self._http.send_request(self._headers)
        self._bodies[self._stream] = bytearray()
        return self._stream

    def _ask(self) -> None:
        self._unanswered += 1
        if self._call.streamed:
            self._http.send_data(self._stream, next(self._requests))
            return
        stream = self._open()
        self._begun[stream] = time.perf_counter()
        self._http.send_data(stream, next(self._requests), end_stream=True)

    def _finish(self) -> None:
        """The last answer is in: a stream says so, and its status is waited for."""
        if self._call.streamed:
            self._http.end_stream(self._stream)
        else:
            self.idle.set()

    def _fail(self, why: str) -> None:
        self._running = False
        if not self.failed.done():
            self.failed.set_exception(LoadError(why))

    def _flush(self) -> None:
        data = self._http.data_to_send()
        if data:
            self._transport.write(data)


class Load:
    """Connections to one server that repeat one call."""

    def __init__(self, connections: Sequence[_Connection]) -> None:
        self._connections = connections

    @classmethod
    async def open(
        cls, address: str, call: Call, *, connections: int = 4, streams: int = 16, tls: ssl.SSLContext | None = None
    ) -> "Load":
        """Connect; nothing is sent before `run`. Each connection keeps `streams` questions under way."""
        host, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        made = [
            (
                await loop.create_connection(
                    lambda: _Connection(call, streams, tls=tls is not None), host, int(port), ssl=tls
                )
            )[1]
            for _ in range(connections)
        ]
        return cls(made)

    def close(self) -> None:
        """Hang up, before the server does."""
        for connection in self._connections:
            connection.close()

    async def run(self, seconds: float) -> Slice:
        """Ask for so long and return what came back. Raises LoadError at the first wrong answer."""
        return await self.during(asyncio.sleep(seconds))

    async def during(self, what: Coroutine[Any, Any, None]) -> Slice:
        """Ask until `what` is done and return what came back. Raises LoadError at the first wrong answer."""
        begun = time.perf_counter()
        for connection in self._connections:
            connection.begin()
        await self._unless_failed(what)
        for connection in self._connections:
            connection.end()
        await self._unless_failed(self._all_idle())
        slices = [connection.slice for connection in self._connections]
        return Slice(
            calls=sum(each.calls for each in slices),
            seconds=time.perf_counter() - begun,
            latencies=[latency for each in slices for latency in each.latencies],
        )

    async def _unless_failed(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait, or raise what went wrong first."""
        task = asyncio.ensure_future(waiting)
        failures = [connection.failed for connection in self._connections]
        try:
            await asyncio.wait([task, *failures], return_when=asyncio.FIRST_COMPLETED)
            for failure in failures:
                if failure.done():
                    failure.result()
            await task
        finally:
            task.cancel()

    async def _all_idle(self) -> None:
        try:
            async with asyncio.timeout(LAST_ANSWERS_S):
                for connection in self._connections:
                    await connection.idle.wait()
        except TimeoutError:
            raise LoadError(f"questions are unanswered after {LAST_ANSWERS_S:g} s") from None
