"""A connection of the fast port without a socket: a client of libnghttp2 is on the other side of a wire in memory."""

from collections import Counter
from dataclasses import replace

import ngh2
import pytest
from ringfence_kit.errors import Failure
from ringfence_kit.fast.heads import Head
from ringfence_kit.fast.messages import framed
from ringfence_kit.fast.protocol import BACKLOG, LINGER, WireLimits, WireProtocol

LIMITS = WireLimits(
    max_message_bytes=1 << 20,
    max_metadata_bytes=4_096,
    max_streams=100,
    keepalive_interval=30,
    keepalive_timeout=10,
    min_ping_interval=10,
    max_age=1_800,
    max_grace=300,
    max_idle=7_200,
)
HEADERS = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"x"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
)


class Taken:
    """What a call was told."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.backlog = 0
        self.messages: list[bytes] = []
        self.failures: list[Failure] = []
        self.ended = self.left = False

    def message(self, message: bytes) -> None:
        self.messages.append(message)
        self.backlog += len(message)

    def fault(self, failure: Failure) -> None:
        self.failures.append(failure)

    def half_closed(self) -> None:
        self.ended = True

    def gone(self) -> None:
        self.left = True


class Wire:
    """Both ends of a connection."""

    def __init__(self, limits: WireLimits = LIMITS) -> None:
        self.now = 1_000.0
        self.calls: dict[int, Taken] = {}
        self.counts: Counter[str] = Counter()
        self.server = WireProtocol(self._begin, limits=limits, counts=self.counts, now=self.now)
        self.client = ngh2.Connection(ngh2.Role.CLIENT, ngh2.Configuration(auto_window_update=False))
        self.client.initiate_connection()
        self.heard: list[ngh2.Event] = []
        self.pump()

    def _begin(self, stream_id: int, head: Head) -> Taken:
        taken = self.calls[stream_id] = Taken(head)
        return taken

    def is_over(self) -> bool:
        """Say whether the server is done with the connection."""
        return self.server.over

    def pump(self) -> None:
        """Carry bytes to and fro until there are none."""
        while True:
            there, back = self.client.data_to_send(), self.server.outgoing()
            if not there and not back:
                return
            if there:
                self.server.receive(there, self.now)
            if back and self.client.want_read:
                self.client.receive_data(back)
                self.heard += self.client.events()

    def call(self, *messages: bytes, end: bool = True) -> int:
        """Begin a call."""
        stream = self.client.send_request(HEADERS)
        self.client.send_data(stream, b"".join(map(framed, messages)), end_stream=end)
        self.pump()
        return stream

    def answered(self, stream: int) -> tuple[dict[bytes, bytes], bytes]:
        """Return the headers and trailers, and the body, that the client heard on a stream."""
        headers: dict[bytes, bytes] = {}
        body = b""
        for event in self.heard:
            match event:
                case ngh2.ResponseReceived(number, more) | ngh2.TrailersReceived(number, more) if number == stream:
                    headers |= dict(more)
                case ngh2.DataReceived(number, data) if number == stream:
                    body += data
                case _:
                    pass
        return headers, body

    def said_goodbye(self) -> list[tuple[int, bytes]]:
        """Return the codes and words of every GOAWAY."""
        return [(each.error_code, each.debug_data) for each in self.heard if isinstance(each, ngh2.GoAwayReceived)]

    def wait(self, seconds: float) -> None:
        """Let time pass, a second at a time."""
        for _ in range(int(seconds)):
            self.now += 1
            self.server.look(self.now)
            self.pump()


def test_a_call_and_its_answer() -> None:
    wire = Wire()
    stream = wire.call(b"one", b"two")
    taken = wire.calls[stream]
    assert (taken.head.path, taken.messages, taken.ended) == (b"/a.B/C", [b"one", b"two"], True)
    wire.server.message(stream, b"answer")
    wire.server.finish(stream, 0, metadata=(("x-request-id", "7"),))
    wire.pump()
    headers, body = wire.answered(stream)
    assert body == framed(b"answer")
    assert (headers[b":status"], headers[b"grpc-status"], headers[b"x-request-id"]) == (b"200", b"0", b"7")
    assert wire.server.calls == 0
    assert not taken.left


def test_a_refusal_is_trailers_alone() -> None:
    wire = Wire()
    stream = wire.call(b"one")
    wire.server.finish(stream, 5, "not there")
    wire.pump()
    headers, body = wire.answered(stream)
    assert (headers[b"grpc-status"], headers[b"grpc-message"], body) == (b"5", b"not there", b"")
    only = [each for each in wire.heard if isinstance(each, ngh2.ResponseReceived)]
    assert [each.end_stream for each in only] == [True]


def test_who_leaves_is_told_of_and_never_answered() -> None:
    wire = Wire()
    stream = wire.call(b"one", end=False)
    wire.client.reset_stream(stream)
    wire.pump()
    assert wire.calls[stream].left
    assert wire.counts["abandoned"] == 1
    wire.server.message(stream, b"late")
    wire.server.finish(stream, 0)
    wire.pump()
    assert wire.answered(stream) == ({}, b"")


def test_a_sender_that_is_not_read_is_held_up_and_goes_on_when_it_is() -> None:
    wire = Wire()
    stream = wire.client.send_request(HEADERS)
    part = bytes(64 << 10)
    sent = 0
    for _ in range(100):
        wire.client.send_data(stream, framed(part))
        wire.pump()
        sent += 1
    taken = wire.calls[stream]
    there = len(taken.messages)
    assert BACKLOG // len(part) < there < sent
    while taken.messages:
        taken.backlog -= len(taken.messages.pop())
        wire.server.read(stream)
        wire.pump()
        there += 0
    assert wire.client.queued_body_size(stream) == 0


def test_one_that_is_not_read_holds_up_nobody_else() -> None:
    wire = Wire()
    slow = wire.client.send_request(HEADERS)
    for _ in range(100):
        wire.client.send_data(slow, framed(bytes(64 << 10)))
        wire.pump()
    other = wire.call(b"quick")
    assert wire.calls[other].messages == [b"quick"]


def test_what_never_becomes_a_message_is_bounded_for_the_connection() -> None:
    wire = Wire(replace(LIMITS, max_message_bytes=100_000))
    streams = [wire.client.send_request(HEADERS) for _ in range(10)]
    for stream in streams:
        wire.client.send_data(stream, framed(bytes(99_999))[:-1])
        wire.pump()
    refused = [stream for stream in streams if wire.calls[stream].failures]
    assert 0 < len(refused) < len(streams)
    assert {failure.reason for stream in refused for failure in wire.calls[stream].failures} == {"MESSAGE_TOO_LARGE"}


def test_what_was_refused_for_that_counts_no_longer() -> None:
    wire = Wire(replace(LIMITS, max_message_bytes=100_000))
    for _ in range(5):
        streams = [wire.client.send_request(HEADERS) for _ in range(10)]
        for stream in streams:
            wire.client.send_data(stream, framed(bytes(99_999))[:-1])
            wire.pump()
        for stream in streams:
            wire.server.finish(stream, 8, "too much at once")
        wire.pump()
    other = wire.client.send_request(HEADERS)
    for piece in (framed(bytes(50_000))[:-1], b"\0"):
        wire.client.send_data(other, piece)
        wire.pump()
    assert wire.calls[other].messages == [bytes(50_000)]


def test_a_message_too_large_is_a_fault_of_its_call_only() -> None:
    wire = Wire()
    stream = wire.call(b"x" * ((1 << 20) + 1))
    assert [failure.reason for failure in wire.calls[stream].failures] == ["MESSAGE_TOO_LARGE"]
    wire.server.finish(stream, 8, "too large")
    wire.pump()
    assert wire.answered(stream)[0][b"grpc-status"] == b"8"
    other = wire.call(b"fine")
    assert wire.calls[other].messages == [b"fine"]


def test_a_stream_that_was_answered_and_is_left_open_is_reset() -> None:
    wire = Wire()
    stream = wire.call(b"one", end=False)
    wire.server.finish(stream, 0)
    wire.wait(LINGER - 1)
    assert "not_closed" not in wire.counts
    wire.wait(3)
    assert wire.counts["not_closed"] == 1
    assert any(isinstance(each, ngh2.StreamReset) and each.stream_id == stream for each in wire.heard)


def test_what_is_no_grpc_gets_an_answer_of_http() -> None:
    wire = Wire()
    headers = [(name, b"text/html" if name == b"content-type" else value) for name, value in HEADERS]
    stream = wire.client.send_request(headers, end_stream=True)
    wire.pump()
    assert wire.answered(stream)[0] == {b":status": b"415"}
    assert wire.counts["not_grpc"] == 1
    assert not wire.calls


class TestTheEnd:
    def test_nobody_is_cut_off_who_is_about_to_be_answered(self) -> None:
        wire = Wire()
        stream = wire.call(b"one")
        wire.server.end(wire.now, grace=60)
        wire.pump()
        assert not wire.is_over()
        wire.server.message(stream, b"answer")
        wire.server.finish(stream, 0)
        wire.pump()
        assert wire.answered(stream)[1] == framed(b"answer")
        assert wire.is_over()
        assert {code for code, _ in wire.said_goodbye()} == {0}

    def test_an_answer_that_waits_to_be_read_is_sent_whole(self) -> None:
        wire = Wire()
        stream = wire.call(b"one")
        wire.server.message(stream, bytes(200_000))
        wire.server.finish(stream, 0)
        wire.server.end(wire.now, grace=60)
        wire.pump()
        assert not wire.is_over()
        wire.client.acknowledge_received_data(65_535, stream)
        wire.pump()
        wire.client.acknowledge_received_data(65_535, stream)
        wire.pump()
        wire.client.acknowledge_received_data(65_535, stream)
        wire.pump()
        assert len(wire.answered(stream)[1]) == 200_005
        assert wire.is_over()

    def test_what_takes_longer_than_its_grace_is_cut_off(self) -> None:
        wire = Wire()
        wire.call(b"one")
        wire.server.end(wire.now, grace=5)
        wire.wait(4)
        assert not wire.is_over()
        wire.wait(2)
        assert wire.is_over()

    def test_an_idle_connection_ends_at_once(self) -> None:
        wire = Wire()
        wire.server.end(wire.now, grace=60)
        wire.pump()
        assert wire.is_over()

    def test_when_the_socket_is_gone_everybody_has_left(self) -> None:
        wire = Wire()
        streams = [wire.call(b"one", end=False) for _ in range(3)]
        wire.server.lost()
        assert all(wire.calls[stream].left for stream in streams)
        assert wire.server.calls == 0


class TestTime:
    def test_a_connection_of_age_is_asked_to_end(self) -> None:
        wire = Wire(replace(LIMITS, max_age=20))
        stream = wire.call(b"one")
        wire.wait(21)
        assert not wire.is_over()
        assert wire.said_goodbye()
        wire.server.finish(stream, 0)
        wire.pump()
        assert wire.is_over()

    def test_one_without_calls_is_closed(self) -> None:
        wire = Wire(replace(LIMITS, max_idle=50))
        wire.wait(49)
        assert not wire.is_over()
        wire.wait(2)
        assert wire.is_over()
        assert wire.counts["idle"] == 1

    def test_who_answers_pings_stays(self) -> None:
        wire = Wire()
        wire.wait(300)
        assert not wire.is_over()

    def test_who_is_silent_is_pinged_and_then_closed(self) -> None:
        wire = Wire()
        for _ in range(45):
            wire.now += 1
            wire.server.look(wire.now)
            wire.server.outgoing()
        assert wire.is_over()
        assert wire.counts["silent"] == 1


class TestFloods:
    def test_who_pings_all_the_time_is_sent_away(self) -> None:
        wire = Wire()
        while not wire.is_over():
            wire.client.ping()
            wire.pump()
        assert (11, b"too_many_pings") in wire.said_goodbye()

    def test_who_pings_with_every_part_of_an_answer_measures_the_way(self) -> None:
        """As grpc-go does: its next ping comes with the first bytes of the answer after the echo of the last."""
        wire = Wire()
        stream = wire.call(b"one")
        wire.server.answer(stream, bytes(2_000_000), ())
        wire.pump()
        while b"grpc-status" not in wire.answered(stream)[0]:
            assert not wire.is_over()
            wire.client.ping()
            wire.client.acknowledge_received_data(30_000, stream)
            wire.pump()
        assert len(wire.answered(stream)[1]) == 2_000_005
        assert not wire.is_over()

    def test_who_pings_and_does_not_read_is_sent_away(self) -> None:
        wire = Wire()
        stream = wire.call(b"one")
        wire.server.answer(stream, bytes(2_000_000), ())
        while not wire.is_over():
            wire.client.ping()
            wire.pump()
        assert (11, b"too_many_pings") in wire.said_goodbye()

    def test_pings_now_and_then_are_fine(self) -> None:
        wire = Wire()
        for _ in range(20):
            wire.client.ping()
            wire.pump()
            wire.wait(11)
        assert not wire.is_over()

    def test_rapid_reset(self) -> None:
        wire = Wire()
        for _ in range(20_000):
            stream = wire.client.send_request(HEADERS)
            wire.pump()
            if wire.is_over():
                break
            wire.client.reset_stream(stream)
            wire.server.receive(wire.client.data_to_send(), wire.now)
        assert wire.is_over()
        assert wire.counts["flooded"] == 1
        assert wire.server.calls == 0

    def test_a_storm_of_deadlines_is_no_flood(self) -> None:
        wire = Wire()
        for _ in range(3_000):
            stream = wire.call(b"one", end=False)
            wire.client.reset_stream(stream)
            wire.pump()
        assert not wire.is_over()

    def test_more_streams_than_there_may_be_are_refused(self) -> None:
        wire = Wire(replace(LIMITS, max_streams=3))
        for _ in range(10):
            wire.client.send_request(HEADERS)
        wire.pump()
        assert wire.server.calls == 3

    def test_a_mistake_ends_the_connection_as_soon_as_it_is_told(self) -> None:
        wire = Wire()
        wire.server.receive(b"\0\0\1\0\0\0\0\0\7x", wire.now)  # of no call
        assert not wire.is_over()
        wire.pump()
        assert wire.said_goodbye() == [(1, b"DATA: stream in idle")]
        assert wire.is_over()
        assert wire.counts == {"broken": 1}

    def test_a_goodbye_is_no_mistake(self) -> None:
        wire = Wire()
        wire.client.send_goaway()
        wire.pump()
        assert wire.is_over()
        assert not wire.counts

    def test_headers_far_too_large_end_the_connection(self) -> None:
        wire = Wire()
        wire.client.send_request([*HEADERS, *((b"x-%d" % number, b"y" * 900) for number in range(40))])
        wire.pump()
        assert wire.is_over()
        assert wire.counts["flooded"] == 1

    @pytest.mark.parametrize(
        "sent",
        [b"GET / HTTP/1.1\r\n\r\n", bytes(100), b"\x16\x03\x01\x02\x00" + bytes(100), b"PRI * HTTP/2.0\r\n\r\nXX"],
    )
    def test_what_is_no_http2(self, sent: bytes) -> None:
        server = WireProtocol(lambda _, head: Taken(head), limits=LIMITS, counts=Counter(), now=0.0)
        server.receive(sent, 0.0)
        assert server.over
        server.outgoing()
