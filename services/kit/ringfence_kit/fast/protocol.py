"""One connection without a socket: bytes in, calls begun and fed; answers in, bytes out. HTTP/2 is libnghttp2's.

The rules:

- what arrives is acknowledged as it is taken in, so a caller sends no faster than handlers read; whoever does not read
  holds up its own call. Messages that never become whole are bounded for the connection as a whole;
- an answer is whole or refused: response headers, messages, trailers; or trailers alone when there was no message;
- a stream that was answered and is not closed by the other side is reset after a while: it holds nobody up;
- time is an argument, in seconds. Whoever is silent too long, pings too often, resets too often, reads nothing or is
  too old is sent away, and `counts` says why;
- after a mistake that concerns the whole connection it says what it can (GOAWAY), and is over.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import ngh2
from ngh2 import DataReceived, RequestReceived, StreamClosed

from ringfence_kit.errors import MessageTooLarge
from ringfence_kit.fast.heads import RESPONSE, Head, HeadReader, Metadata, NotGrpc, trailers
from ringfence_kit.fast.messages import framed
from ringfence_kit.fast.stream import Inlet, Stream

STREAM_WINDOW = 1 << 20
CONNECTION_WINDOW = 8 << 20
BACKLOG = 256 << 10
"""Bytes of messages a call may have waiting to be read before its sender is held up."""
LINGER = 5.0
"""Seconds the other side may leave a stream open that was answered."""
RESETS = (5_000, 500)
"""Calls that may be given up at once, and for each second: deadlines of a gateway fire in storms."""
PINGS_TOLERATED = 2
"""Pings that come too soon after each other before somebody is sent away. While answers leave they are no nuisance:
clients of gRPC core, and those in Go, measure the way with them."""
QUEUED_MAX = 16 << 20
"""Bytes of answers a connection may leave unread before it gets no new call."""
_REFUSED_HEADER_FACTOR = 4
"""libnghttp2 ends the connection over headers so many times too large; below, only the call is refused."""
_UNFINISHED_FACTOR = 4
"""How many of the largest messages may be unfinished on a connection at once."""

_NO_ERROR, _REFUSED_STREAM, _CALM = 0, 7, 11
_FLOODS = (2, _CALM)
"""What libnghttp2 ends connections with that do too much of something: resets (INTERNAL_ERROR), and anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireLimits:
    """What one connection may take. Times in seconds."""

    max_message_bytes: int
    max_metadata_bytes: int
    max_streams: int
    keepalive_interval: float
    keepalive_timeout: float
    min_ping_interval: float
    max_age: float
    max_grace: float
    max_idle: float


class WireProtocol:
    """A connection. `begin` is asked for each call and returns who takes it in."""

    def __init__(
        self, begin: Callable[[int, Head], Inlet], *, limits: WireLimits, counts: "Counter[str]", now: float
    ) -> None:
        self._begin = begin
        self._limits = limits
        self._max_message_bytes = limits.max_message_bytes
        self._counts = counts
        self._http2 = ngh2.Connection(
            ngh2.Role.SERVER,
            ngh2.Configuration(
                auto_window_update=False,
                stream_reset_rate_limit=RESETS,
                max_inbound_header_list_size=_REFUSED_HEADER_FACTOR * limits.max_metadata_bytes,
            ),
        )
        self._http2.initiate_connection(
            {
                ngh2.Setting.MAX_CONCURRENT_STREAMS: limits.max_streams,
                ngh2.Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                ngh2.Setting.MAX_HEADER_LIST_SIZE: limits.max_metadata_bytes,
            }
        )
        self._http2.set_local_window_size(CONNECTION_WINDOW)
        self._streams: dict[int, Stream] = {}
        self._answered: dict[int, float] = {}
        """Streams that were answered while the other side had not ended them, and when."""
        self._heads = HeadReader()
        self._unfinished = 0
        self.now = now
        self._born = self._heard_at = self._last_call = now
        self._pinged_at: float | None = None
        self._ping_heard_at = -1e9
        self._pings_too_many = 0
        self._ends_at: float | None = None
        """When a connection that was asked to end is ended."""
        self._is_leaving = False
        """Whether all calls are answered after it was asked to end, and only what is queued is still to be sent."""
        self._end_heard = False
        """Whether the other side has heard that it is to end: what it begins from then on is its mistake."""
        self.over = False
        """Whether nothing more comes of it: it is to be closed once `outgoing` is sent."""

    @property
    def calls(self) -> int:
        """Calls that are not answered yet."""
        return len(self._streams)

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the other side; of no use once it is over."""
        if self.over:
            return
        self.now = self._heard_at = now
        self._pinged_at = None
        try:
            self._http2.receive_data(data)
        except ngh2.NGH2Error as error:
            self._break(error)
        for event in self._http2.events():
            if isinstance(event, DataReceived):
                self._data(event)
            elif isinstance(event, RequestReceived):
                self._request(event)
            elif isinstance(event, StreamClosed):
                self._closed(event.stream_id)
            elif isinstance(event, ngh2.PingReceived):
                self._ping(now)
            elif isinstance(event, ngh2.PingAcknowledged) and self._ends_at is not None:
                self._end_heard = True
                self._end_if_done()

    def outgoing(self) -> bytes:
        """Return what is to be sent; empty when nothing is, or the other side's window is full."""
        http2 = self._http2
        waiting = http2.queued_body_size() if self._pings_too_many else 0
        try:
            data = http2.data_to_send()
        except ngh2.NGH2Error:
            self.over = True
            return b""
        if waiting and http2.queued_body_size() < waiting:
            self._pings_too_many = 0
        if not (data and http2.want_read) and not self.over:
            self._look_for_the_end()
        return data

    def _look_for_the_end(self) -> None:
        """Find out whether anything more is to come: after a mistake, or a goodbye, nothing is."""
        http2 = self._http2
        if self._is_leaving and not http2.queued_body_size():
            self.over = True
        elif not http2.want_read:
            self.over = True
            for event in http2.events():
                if isinstance(event, ngh2.ConnectionClosed) and event.error_code:
                    self._counts["flooded" if event.error_code in _FLOODS else "broken"] += 1

    def queued(self, stream_id: int) -> int:
        """Return how many bytes of answers wait for the other side's window."""
        return self._http2.queued_body_size(stream_id) if stream_id in self._streams else 0

    def message(self, stream_id: int, message: bytes) -> None:
        """Send one message of an answer; nothing is sent to who has left."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        self._pings_too_many = 0
        if not stream.responded:
            stream.responded = True
            self._do(self._http2.send_response, stream_id, RESPONSE)
        self._do(self._http2.send_data, stream_id, framed(message))

    def answer(self, stream_id: int, message: bytes, metadata: Metadata) -> None:
        """Send the one message of an answer, and that all is well."""
        stream = self._streams.pop(stream_id, None)
        if stream is None or self.over:
            return
        http2 = self._http2
        try:
            http2.send_response(stream_id, RESPONSE)
            http2.send_data(stream_id, framed(message))
            http2.send_trailers(stream_id, trailers(0, "", metadata))
        except ngh2.NGH2Error as error:
            self._break(error)
        self._finished(stream_id, stream)

    def finish(self, stream_id: int, code: int, message: str = "", metadata: Metadata = ()) -> None:
        """End an answer."""
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        ending = trailers(code, message, metadata)
        if stream.responded:
            self._do(self._http2.send_trailers, stream_id, ending)
        else:
            self._do(self._http2.send_response, stream_id, [*RESPONSE, *ending], end_stream=True)
        self._finished(stream_id, stream)

    def read(self, stream_id: int) -> bool:
        """Note that a call has read of its messages; say whether its sender is to be told that it may go on."""
        stream = self._streams.get(stream_id)
        if stream is None or not stream.held or stream.inlet.backlog > BACKLOG:
            return False
        self._acknowledge(stream_id, stream.held)
        stream.held = 0
        return True

    def end(self, now: float, grace: float) -> None:
        """Ask the other side to make no more calls here; what is under way has `grace` seconds."""
        if self._ends_at is None:
            self._ends_at = now + grace
            self._do(self._http2.send_shutdown_notice)
            self._do(self._http2.ping)

    def look(self, now: float) -> None:
        """Do what has become due. To be called every second or so."""
        self.now = now
        limits = self._limits
        for stream_id, since in [*self._answered.items()]:
            if now - since < LINGER:
                break
            del self._answered[stream_id]
            self._reset(stream_id)
        if self._ends_at is not None:
            if now >= self._ends_at:
                self._goaway(_NO_ERROR, "")
        elif now - self._born >= limits.max_age:
            self.end(now, limits.max_grace)
        elif not self._streams and now - self._last_call >= limits.max_idle:
            self._goaway(_NO_ERROR, "idle")
        elif self._pinged_at is not None:
            if now - self._pinged_at >= limits.keepalive_timeout:
                self._goaway(_NO_ERROR, "silent")
        elif now - self._heard_at >= limits.keepalive_interval:
            self._pinged_at = now
            self._do(self._http2.ping)

    def _request(self, event: ngh2.RequestReceived) -> None:
        stream_id, headers = event.stream_id, event.headers
        self._last_call = self.now
        if self._http2.queued_body_size() > QUEUED_MAX:
            self._counts["unread"] += 1
            self._do(self._http2.reset_stream, stream_id, _REFUSED_STREAM)
            return
        try:
            head = self._heads.read(headers)
        except NotGrpc as no:
            self._counts["not_grpc"] += 1
            status = [(b":status", b"%d" % no.status)]
            self._do(self._http2.send_response, stream_id, status, end_stream=True)
            return
        stream = self._streams[stream_id] = Stream(self._begin(stream_id, head), head)
        if head.problem:
            # Its message may be here already: read before what is wrong with the head, it would be answered.
            stream.taken = False
        if event.end_stream:
            stream.end()

    def _data(self, event: ngh2.DataReceived) -> None:
        stream_id, data = event.stream_id, event.data
        stream = self._streams.get(stream_id)
        if stream is None or not stream.taken:
            self._acknowledge(stream_id, len(data))
        else:
            self._take(stream_id, stream, data)
        if event.end_stream:
            if stream is not None:
                stream.end()
            else:
                self._answered.pop(stream_id, None)

    def _take(self, stream_id: int, stream: Stream, data: bytes) -> None:
        if not stream.take_whole(data, self._max_message_bytes):
            self._take_piece(stream, data)
        if stream.inlet.backlog > BACKLOG and stream.taken:
            stream.held += len(data)
        else:
            self._acknowledge(stream_id, len(data))

    def _take_piece(self, stream: Stream, data: bytes) -> None:
        self._unfinished -= stream.unfinished
        stream.take_piece(data, self._max_message_bytes)
        unfinished = self._unfinished + stream.unfinished
        if unfinished > _UNFINISHED_FACTOR * self._max_message_bytes:
            stream.fault(MessageTooLarge(size_bytes=unfinished, limit_bytes=self._max_message_bytes))
        else:
            self._unfinished = unfinished

    def _closed(self, stream_id: int) -> None:
        self._answered.pop(stream_id, None)
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._counts["abandoned"] += 1
            self._let_go(stream_id, stream)
            stream.inlet.gone()
            self._end_if_done()

    def _finished(self, stream_id: int, stream: Stream) -> None:
        self._pings_too_many = 0
        if stream.held or stream.reader is not None:
            self._let_go(stream_id, stream)
        if not stream.ended:
            self._answered[stream_id] = self.now
        if self._end_heard:
            self._end_if_done()

    def _let_go(self, stream_id: int, stream: Stream) -> None:
        self._unfinished -= stream.unfinished
        if stream.held:
            self._acknowledge(stream_id, stream.held)

    def _ping(self, now: float) -> None:
        since, self._ping_heard_at = now - self._ping_heard_at, now
        if since >= self._limits.min_ping_interval:
            self._pings_too_many = 0
            return
        self._pings_too_many += 1
        if self._pings_too_many > PINGS_TOLERATED:
            self._goaway(_CALM, "too_many_pings")

    def _acknowledge(self, stream_id: int, amount: int) -> None:
        if amount:
            self._do(self._http2.acknowledge_received_data, amount, stream_id)

    def _reset(self, stream_id: int) -> None:
        self._counts["not_closed"] += 1
        self._do(self._http2.reset_stream, stream_id, _NO_ERROR)

    def _end_if_done(self) -> None:
        if self._end_heard and not self._streams and not self._is_leaving:
            self._do(self._http2.send_goaway)
            self._is_leaving = True

    def _goaway(self, code: int, why: str) -> None:
        if self.over:
            return
        if why:
            self._counts[why] += 1
        self._do(self._http2.send_goaway, code, debug_data=why.encode())
        self.over = True

    def _do(self, what: Callable[..., object], *args: object, **named: object) -> None:
        """Let libnghttp2 do something, unless the connection is over; over it is also when that cannot be done."""
        if self.over:
            return
        try:
            what(*args, **named)
        except ngh2.NGH2Error as error:
            self._break(error)

    def _break(self, error: ngh2.NGH2Error) -> None:
        if isinstance(error, ngh2.ConnectionStateError):
            # It ends already; why is counted when that has been said.
            return
        self._counts["flooded" if isinstance(error, ngh2.DenialOfServiceError) else "broken"] += 1
        self.over = True

    def lost(self) -> None:
        """Take it that the socket is gone: every caller has left."""
        self.over = True
        # Whoever was asked holds this connection too: together they would stay until the garbage is looked through.
        self._begin = _nobody_begins
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.inlet.gone()


def _nobody_begins(_stream_id: int, _head: Head) -> Inlet:
    raise RuntimeError("a call came on a connection that is lost")
