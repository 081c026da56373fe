"""How a received request lies on disk: one frame, recognisable, and checkable down to the last bit.

Pure. A segment is a header (magic, mark, position, CRC32C) and frames one after the other. A frame is a header

    mark 8 | signal and length of payload 4 | length of reporter 4 | received at 8 | SHA-256 32 | CRC32C of all before 4

followed by the reporter and the payload. All integers are big-endian; the signal is the four highest bits of the
length, and 0, spans, in every frame from before there were others. The rules:

- the CRC32C guards the header, so a length is believed only when it is right; the SHA-256 guards signal, time,
  reporter and payload;
- every frame repeats the segment's mark, eight random bytes, by which the reader finds the next frame after damage; no
  sender can know it, so nothing inside a payload can pose as a frame;
- a frame that is cut off or damaged is skipped and reported, never guessed at.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ringfence_kit.clock import EPOCH, Instant

from ringfence_telemetry.otlp_signal import OtlpSignal

MARK_SIZE = 8
_SEGMENT_MAGIC = b"RFSEG\x00\x01\n"
_SEGMENT = struct.Struct(">8s8sQ")
_FRAME = struct.Struct(">8sIIq32s")
_CRC = struct.Struct(">I")
SEGMENT_HEADER_SIZE = _SEGMENT.size + _CRC.size
FRAME_HEADER_SIZE = _FRAME.size + _CRC.size
_SIGNAL_SHIFT = 28
PAYLOAD_MAX = 2**_SIGNAL_SHIFT - 1
"""256 MiB: no request comes near."""
_SIGNALS = frozenset(OtlpSignal)


class SegmentDamaged(Exception):  # noqa: N818 - named for what happened, like the failures of the kit
    """A segment's header is not one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A request as received."""

    received_at: Instant
    reporter: bytes
    """The record of who sent it."""
    payload: bytes
    """The request's bytes."""
    signal: OtlpSignal = OtlpSignal.SPANS

    @property
    def size(self) -> int:
        """Bytes it takes on disk."""
        return FRAME_HEADER_SIZE + len(self.reporter) + len(self.payload)


@dataclass(frozen=True, slots=True)
class Found:
    """A frame in a segment, and the offset where it ends."""

    frame: Frame
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment that are no frame, from `start` up to `end`."""

    start: int
    end: int


def segment_header(mark: bytes, position: int) -> bytes:
    """Return the header of a segment whose first byte is at `position` of the log."""
    header = _SEGMENT.pack(_SEGMENT_MAGIC, mark, position)
    return header + _CRC.pack(crc32c(header))


def read_segment_header(segment: bytes) -> tuple[bytes, int]:
    """Return mark and position of a segment."""
    header, stated = segment[: _SEGMENT.size], segment[_SEGMENT.size : SEGMENT_HEADER_SIZE]
    if len(stated) < _CRC.size or _CRC.unpack(stated)[0] != crc32c(header):
        raise SegmentDamaged("the segment's header is cut off or damaged")
    magic, mark, position = _SEGMENT.unpack(header)
    if magic != _SEGMENT_MAGIC:
        raise SegmentDamaged("the file is not a segment of this log, or one of a newer release")
    return mark, position


def frame_parts(mark: bytes, frame: Frame) -> tuple[bytes, bytes, bytes]:
    """Return what to write for `frame`; in parts, so that a large payload is not copied."""
    marked_size = frame.signal << _SIGNAL_SHIFT | len(frame.payload)
    header = _FRAME.pack(mark, marked_size, len(frame.reporter), frame.received_at, _digest(frame))
    return header + _CRC.pack(crc32c(header)), frame.reporter, frame.payload


def first_received_at(start_of_segment: bytes) -> Instant:
    """Return when the first frame was received, from the two headers a segment starts with; 0 when they are damaged."""
    first = start_of_segment[SEGMENT_HEADER_SIZE:]
    header, stated = first[: _FRAME.size], first[_FRAME.size : FRAME_HEADER_SIZE]
    if len(stated) < _CRC.size or _CRC.unpack(stated)[0] != crc32c(header):
        return EPOCH
    _, _, _, received_at, _ = _FRAME.unpack(header)
    return Instant(received_at)


def read_frames(segment: bytes, mark: bytes, start: int = SEGMENT_HEADER_SIZE) -> Iterator[Found | Damage]:
    """Return the frames of a segment from offset `start` on, in order, and what lies between them that is none."""
    at = start
    while at < len(segment):
        found = _read_frame(segment, mark, at)
        if found is None:
            resumed = _next_frame(segment, mark, at + 1)
            end = len(segment) if resumed is None else resumed.end - resumed.frame.size
            yield Damage(at, end)
            if resumed is None:
                return
            found = resumed
        yield found
        at = found.end


def _next_frame(segment: bytes, mark: bytes, start: int) -> Found | None:
    at = segment.find(mark, start)
    while at >= 0:
        found = _read_frame(segment, mark, at)
        if found is not None:
            return found
        at = segment.find(mark, at + 1)
    return None


def _read_frame(segment: bytes, mark: bytes, at: int) -> Found | None:
    body = at + FRAME_HEADER_SIZE
    header, stated = segment[at : at + _FRAME.size], segment[at + _FRAME.size : body]
    if len(stated) < _CRC.size or _CRC.unpack(stated)[0] != crc32c(header):
        return None
    marked, marked_size, reporter_size, received_at, digest = _FRAME.unpack(header)
    signal, payload_size = marked_size >> _SIGNAL_SHIFT, marked_size & PAYLOAD_MAX
    end = body + reporter_size + payload_size
    if marked != mark or signal not in _SIGNALS or end > len(segment):
        return None
    frame = Frame(
        received_at=Instant(received_at),
        reporter=segment[body : body + reporter_size],
        payload=segment[body + reporter_size : end],
        signal=OtlpSignal(signal),
    )
    return Found(frame, end) if _digest(frame) == digest else None


def _digest(frame: Frame) -> bytes:
    hashed = hashlib.sha256(struct.pack(">qI", frame.received_at, frame.signal << _SIGNAL_SHIFT | len(frame.reporter)))
    hashed.update(frame.reporter)
    hashed.update(frame.payload)
    return hashed.digest()


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
        table.append(remainder)
    return tuple(table)


_TABLE = _crc32c_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of `data`: RFC 3720 appendix B.4. For headers: a microsecond per 16 bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
