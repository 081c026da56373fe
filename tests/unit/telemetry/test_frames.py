"""Frames on disk: known answers, and what reading finds after damage of every kind."""

import hashlib
import struct
from dataclasses import replace

import pytest
from ringfence_kit.clock import EPOCH, Instant
from ringfence_telemetry.frames import (
    FRAME_HEADER_SIZE,
    SEGMENT_HEADER_SIZE,
    Damage,
    Found,
    Frame,
    SegmentDamaged,
    crc32c,
    first_received_at,
    frame_parts,
    read_frames,
    read_segment_header,
    segment_header,
)
from ringfence_telemetry.otlp_signal import OtlpSignal

MARK = b"\x8e\x11\xf0\x07mark"


def frame(payload: bytes, *, at: int = 1_000, reporter: bytes = b"{}") -> Frame:
    return Frame(received_at=Instant(at), reporter=reporter, payload=payload)


def segment_of(*frames: Frame) -> bytes:
    return segment_header(MARK, 0) + b"".join(b"".join(frame_parts(MARK, each)) for each in frames)


def frames_in(segment: bytes) -> list[Frame | Damage]:
    return [found.frame if isinstance(found, Found) else found for found in read_frames(segment, MARK)]


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        # RFC 3720 appendix B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_crc32c_known_answers(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def test_frames_come_back_as_they_went() -> None:
    written = [frame(b"one"), frame(b""), frame(b"three" * 1_000, at=-5, reporter=b"")]
    assert frames_in(segment_of(*written)) == written


def test_a_segment_says_where_it_stands() -> None:
    assert read_segment_header(segment_header(MARK, 2**40) + b"more") == (MARK, 2**40)


@pytest.mark.parametrize("header", [b"", b"short", bytes(SEGMENT_HEADER_SIZE)])
def test_what_is_no_segment(header: bytes) -> None:
    with pytest.raises(SegmentDamaged, match="damaged"):
        read_segment_header(header)


def test_a_segment_of_a_newer_release_is_not_read() -> None:
    newer = b"RFSEG\x00\x02\n" + segment_header(MARK, 0)[8:-4]
    with pytest.raises(SegmentDamaged, match="newer release"):
        read_segment_header(newer + crc32c(newer).to_bytes(4, "big"))


def test_every_truncation_loses_only_the_frame_it_cuts() -> None:
    first, second = frame(b"first"), frame(b"second")
    whole = segment_of(first, second)
    start_of_second = SEGMENT_HEADER_SIZE + first.size
    for size in range(start_of_second, len(whole)):
        torn = [Damage(start_of_second, size)] if size > start_of_second else []
        assert frames_in(whole[:size]) == [first, *torn]


def test_every_flipped_bit_is_noticed_and_costs_one_frame() -> None:
    frames = [frame(b"first"), frame(b"second"), frame(b"third")]
    whole = segment_of(*frames)
    start = SEGMENT_HEADER_SIZE + frames[0].size
    for at in range(start, start + frames[1].size):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        assert frames_in(bytes(damaged)) == [frames[0], Damage(start, start + frames[1].size), frames[2]]


def test_a_payload_cannot_pose_as_a_frame() -> None:
    # The sender knows the format but not the mark; after damage to its own frame, what it smuggled is not believed.
    smuggled = b"".join(frame_parts(b"guessed!", frame(b"forged", reporter=b'{"principal":"admin"}')))
    whole = bytearray(segment_of(frame(smuggled), frame(b"next")))
    whole[SEGMENT_HEADER_SIZE + 9] ^= 1
    assert [found for found in frames_in(bytes(whole)) if isinstance(found, Frame)] == [frame(b"next")]


def test_a_frame_of_another_segment_is_no_frame_of_this_one() -> None:
    # Blocks a file system gives back after a crash may hold what another file left there, whole and checkable.
    stale = b"".join(frame_parts(b"elsewher", frame(b"stale")))
    whole = segment_of(frame(b"first")) + stale + b"".join(frame_parts(MARK, frame(b"second")))
    start = SEGMENT_HEADER_SIZE + frame(b"first").size
    assert frames_in(whole) == [frame(b"first"), Damage(start, start + len(stale)), frame(b"second")]


def test_the_mark_alone_inside_a_payload_is_harmless() -> None:
    frames = [frame(MARK * 100), frame(b"next")]
    whole = bytearray(segment_of(*frames))
    assert frames_in(bytes(whole)) == frames
    whole[SEGMENT_HEADER_SIZE] ^= 1
    assert frames_in(bytes(whole))[-1] == frames[1]


def test_the_first_time_of_receipt_is_read_from_the_headers() -> None:
    head = segment_of(frame(b"x" * 100, at=77))[: SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE]
    assert first_received_at(head) == 77
    assert first_received_at(head[:-1]) == EPOCH
    assert first_received_at(head[:-5] + b"wrong") == EPOCH


@pytest.mark.parametrize("signal", OtlpSignal)
def test_a_frame_says_what_it_brings(signal: OtlpSignal) -> None:
    written = replace(frame(b"payload"), signal=signal)
    assert frames_in(segment_of(written)) == [written]


def test_frames_from_before_there_were_signals_bring_spans() -> None:
    # As written by the first release: length, reporter, time and digest without a signal.
    payload, reporter = b"payload", b"{}"
    digest = hashlib.sha256(struct.pack(">qI", 1_000, len(reporter)) + reporter + payload).digest()
    header = struct.pack(">8sIIq32s", MARK, len(payload), len(reporter), 1_000, digest)
    old = header + struct.pack(">I", crc32c(header)) + reporter + payload
    assert frames_in(segment_header(MARK, 0) + old) == [frame(payload)]
    assert b"".join(frame_parts(MARK, frame(payload))) == old


def test_a_signal_nobody_knows_is_damage() -> None:
    written = bytearray(segment_of(frame(b"payload")))
    at = SEGMENT_HEADER_SIZE + 8
    written[at] |= 0xF0
    header = bytes(written[SEGMENT_HEADER_SIZE : SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE - 4])
    written[SEGMENT_HEADER_SIZE + len(header) : SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE] = struct.pack(
        ">I", crc32c(header)
    )
    assert frames_in(bytes(written)) == [Damage(SEGMENT_HEADER_SIZE, len(written))]
