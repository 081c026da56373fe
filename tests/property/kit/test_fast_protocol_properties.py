"""Whatever bytes come, however they are cut, and whatever is answered meanwhile: no exception, and a defined end."""

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ringfence_kit.errors import Failure
from ringfence_kit.fast.heads import Head
from ringfence_kit.fast.messages import framed
from ringfence_kit.fast.protocol import WireLimits, WireProtocol
from support.raw_http2 import GOAWAY, PREFACE, SETTINGS, frame, frames, request_headers

LIMITS = WireLimits(
    max_message_bytes=200,
    max_metadata_bytes=4_096,
    max_streams=3,
    keepalive_interval=3,
    keepalive_timeout=2,
    min_ping_interval=1,
    max_age=40,
    max_grace=5,
    max_idle=20,
)
PATIENT = replace(LIMITS, keepalive_interval=1e9, max_age=1e9, max_idle=1e9)
"""Time ends nothing."""
GREETING = PREFACE + frame(SETTINGS, 0, 0, b"")


class Taken:
    """A call: what it was told, in order."""

    def __init__(self, path: bytes) -> None:
        self.backlog = 0
        self.told: list[object] = [path]

    def message(self, message: bytes) -> None:
        self.told.append(message)

    def fault(self, failure: Failure) -> None:
        self.told.append(failure.reason)

    def half_closed(self) -> None:
        self.told.append("no more")

    def gone(self) -> None:
        self.told.append("gone")


class Served:
    """A connection, and its calls."""

    def __init__(self, limits: WireLimits = PATIENT) -> None:
        self.now = 100.0
        self.calls: dict[int, Taken] = {}
        self.counts: Counter[str] = Counter()
        self.protocol = WireProtocol(self._begin, limits=limits, counts=self.counts, now=self.now)
        self.sent = self.flushed()

    def _begin(self, stream_id: int, head: Head) -> Taken:
        taken = self.calls[stream_id] = Taken(head.path)
        return taken

    def receive(self, parts: Iterable[bytes]) -> None:
        for part in parts:
            self.protocol.receive(part, self.now)

    def flushed(self) -> bytes:
        """Return all that is to be sent now: it comes to an end."""
        sent = b""
        while more := self.protocol.outgoing():
            sent += more
        return sent


_streams = st.sampled_from((0, 1, 1, 1, 2, 3, 5, 7, 9, (1 << 31) - 1))
_paths = st.sampled_from((b"/a.B/C", b"/", b"\xff"))
_headers = st.lists(
    st.tuples(st.sampled_from((b"grpc-encoding", b"grpc-timeout", b"x-a-bin", b"x")), st.binary(max_size=8))
)
_payloads = st.one_of(
    st.binary(max_size=40),
    st.builds(request_headers, _paths, _headers),
    st.builds(request_headers, _paths),
    st.binary(max_size=250).map(framed),
    st.integers(0, (1 << 31) - 1).map(lambda number: struct.pack(">I", number)),
    st.just(bytes(8)),
)
_frames = st.builds(
    frame, st.sampled_from((*range(10), 0, 1)), st.sampled_from((0, 1, 4, 5, 8, 0x0D, 0x20, 0xFF)), _streams, _payloads
)
_calls = st.builds(
    lambda stream, path, body, flags: frame(1, 4, stream, request_headers(path)) + frame(0, flags, stream, body),
    st.sampled_from((1, 3, 5, 7)),
    _paths,
    st.one_of(st.binary(max_size=20), st.binary(max_size=250).map(framed)),
    st.sampled_from((0, 1)),
)
_sent = st.one_of(_calls, _frames, st.binary(max_size=60))
_done = st.sampled_from(("answer", "message", "finish", "read", "wait", "flush", "end"))


@settings(max_examples=400)
@given(st.booleans(), st.lists(st.one_of(_sent, _done), max_size=25))
def test_nothing_that_comes_and_nothing_that_is_answered_is_an_exception(
    is_greeted: bool, events: list[bytes | str]
) -> None:
    served = Served(LIMITS)
    served.receive([GREETING] * is_greeted)
    was_over = False
    for event in events:
        if isinstance(event, bytes):
            served.receive([event])
        else:
            do(served, event)
        assert served.protocol.over >= was_over
        assert served.protocol.calls <= LIMITS.max_streams
        was_over = served.protocol.over
    served.flushed()
    served.protocol.lost()
    assert (served.protocol.calls, served.protocol.over) == (0, True)
    assert all(taken.told.count("gone") <= 1 for taken in served.calls.values())
    told = {stream: [*taken.told] for stream, taken in served.calls.items()}
    served.receive([GREETING, *(event for event in events if isinstance(event, bytes))])
    assert told_by(served) == told


def do(served: Served, what: str) -> None:
    """Do what a service does between what comes."""
    protocol = served.protocol
    match what:
        case "wait":
            served.now += 1
            protocol.look(served.now)
        case "flush":
            served.flushed()
        case "end":
            protocol.end(served.now, 3)
        case _:
            for stream in (*served.calls, 99):
                if what == "answer":
                    protocol.answer(stream, b"answer", (("x-a", "b"),))
                elif what == "message":
                    protocol.message(stream, b"x" * 100)
                elif what == "finish":
                    protocol.finish(stream, 5, "Ätna")
                else:
                    protocol.read(stream)


@settings(max_examples=300)
@given(st.lists(_sent, max_size=12), st.lists(st.integers(1, 60), max_size=60))
def test_it_is_the_same_however_it_is_cut(events: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(events)
    # What follows a goodbye in the same packet is still looked at, and what comes later is not.
    assume(all(kind != GOAWAY for kind, _, _ in frames(stream)))
    stream = GREETING + stream
    whole, cut = Served(), Served()
    whole.receive([stream])
    pieces = []
    for size in cuts:
        piece, stream = stream[:size], stream[size:]
        pieces.append(piece)
    cut.receive([*pieces, stream])
    assert whole.flushed() == cut.flushed()
    assert told_by(whole) == told_by(cut)
    assert whole.protocol.over == cut.protocol.over
    assert whole.counts == cut.counts


def told_by(served: Served) -> dict[int, list[object]]:
    return {stream: taken.told for stream, taken in served.calls.items()}


@settings(max_examples=300)
@given(st.binary(max_size=300), st.booleans())
def test_bytes_that_are_no_http2_end_it(noise: bytes, is_greeted: bool) -> None:
    """Unless they may still become something: then it waits, and silence ends it."""
    served = Served(LIMITS)
    served.receive([GREETING] * is_greeted)
    served.receive([noise])
    for _ in range(60):
        served.flushed()
        served.now += 1
        served.protocol.look(served.now)
    served.flushed()
    assert served.protocol.over
