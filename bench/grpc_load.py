"""A load generator for unary gRPC over cleartext HTTP/2: a closed loop over a few connections, every answer looked at.

It speaks HTTP/2 through libnghttp2, so one request costs it ten microseconds and not a hundred, and it is the server
that is measured. An answer counts only with `grpc-status: 0` and a body that `is_right` accepts; any other one ends the
measurement.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import ngh2

WINDOW = 16 << 20


class LoadError(RuntimeError):
    """A server answered something else than it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is sent, again and again."""

    method: str
    """`/package.Service/Method`."""
    request: bytes
    is_right: Callable[[bytes], bool]
    """Whether a response's bytes are what the server should have said."""
    checks: int = 1
    """How many checks one call holds."""
    credential: str = ""
    """Of the header `authorization`; empty sends none."""


@dataclass(slots=True)
class Slice:
    """What came back in one slice of time."""

    calls: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds, one for each call."""


class _Connection(asyncio.Protocol):
    """One connection that keeps so many calls under way while it is told to."""

    def __init__(self, call: Call, streams: int) -> None:
        self._call = call
        self._streams = streams
        self._headers = (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", call.method.encode()),
            (b":authority", b"127.0.0.1"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *(((b"authorization", call.credential.encode()),) if call.credential else ()),
        )
        self._framed = b"\0" + len(call.request).to_bytes(4, "big") + call.request
        self._http = ngh2.Connection(ngh2.Role.CLIENT)
        self._bodies: dict[int, bytearray] = {}
        self._begun: dict[int, float] = {}
        self._running = False
        self.failed: str = ""
        self.slice = Slice()
        self.idle = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._http.initiate_connection({ngh2.Setting.INITIAL_WINDOW_SIZE: WINDOW})
        self._http.set_local_window_size(WINDOW)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop(f"the connection was lost: {exc}")

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def begin(self) -> None:
        """Keep calling until `end`."""
        self.slice, self._running = Slice(), True
        self.idle.clear()
        for _ in range(self._streams):
            self._send()
        self._flush()

    def end(self) -> None:
        """Send no more; `idle` is set when the last answer is in."""
        self._running = False
        if not self._begun:
            self.idle.set()

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        for event in self._http.events():
            match event:
                case ngh2.DataReceived(stream_id, body, _):
                    self._bodies[stream_id] += body
                case ngh2.TrailersReceived(stream_id, headers):
                    self._finish(stream_id, dict(headers))
                case ngh2.ResponseReceived(stream_id, headers, True):
                    self._finish(stream_id, dict(headers))
                case ngh2.StreamReset(_, code):
                    self._stop(f"a stream was reset with {code}")
                case _:
                    pass
        self._flush()

    def _send(self) -> None:
        stream = self._http.send_request(self._headers)
        self._http.send_data(stream, self._framed, end_stream=True)
        self._bodies[stream] = bytearray()
        self._begun[stream] = time.perf_counter()

    def _finish(self, stream: int, headers: dict[bytes, bytes]) -> None:
        body, begun = self._bodies.pop(stream), self._begun.pop(stream)
        if headers.get(b"grpc-status") != b"0":
            self._stop(f"{self._call.method} answered {headers}")
        elif not self._call.is_right(bytes(body[5:])):
            self._stop(f"{self._call.method} answered what it should not: {bytes(body[5:205])!r}")
        self.slice.calls += 1
        self.slice.latencies.append(time.perf_counter() - begun)
        if self._running:
            self._send()
        elif not self._begun:
            self.idle.set()

    def _stop(self, why: str) -> None:
        self.failed = self.failed or why
        self._running = False
        self.idle.set()

    def _flush(self) -> None:
        data = self._http.data_to_send()
        if data:
            self._transport.write(data)


class Load:
    """Connections to one server that repeat one call."""

    def __init__(self, connections: Sequence[_Connection]) -> None:
        self._connections = connections

    @classmethod
    async def open(cls, address: str, call: Call, *, connections: int = 4, streams: int = 16) -> "Load":
        """Connect; nothing is sent before `run`."""
        host, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        made = [
            (await loop.create_connection(lambda: _Connection(call, streams), host, int(port)))[1]
            for _ in range(connections)
        ]
        return cls(made)

    def close(self) -> None:
        """Hang up, before the server does."""
        for connection in self._connections:
            connection.close()

    async def run(self, seconds: float) -> Slice:
        """Call for so long and return what came back. Raises LoadError at the first wrong answer."""
        begun = time.perf_counter()
        for connection in self._connections:
            connection.begin()
        await asyncio.sleep(seconds)
        for connection in self._connections:
            connection.end()
        async with asyncio.timeout(30):
            for connection in self._connections:
                await connection.idle.wait()
        for connection in self._connections:
            if connection.failed:
                raise LoadError(connection.failed)
        slices = [connection.slice for connection in self._connections]
        return Slice(
            calls=sum(each.calls for each in slices),
            seconds=time.perf_counter() - begun,
            latencies=[latency for each in slices for latency in each.latencies],
        )
