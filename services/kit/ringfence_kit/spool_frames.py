"""The bytes of a spool's segment files: pure, no file is touched here.

The rules:

- one frame holds what one append took, with a digest over all of it: a frame is whole or it is nothing;
- the salt of a segment marks the beginning of its frames and goes into every digest, and nobody outside the file knows
  it. So a payload that looks like a frame is not one, and looking for frames behind damage costs one pass.

Segment: magic (8) | salt (16) | digest (16), then frames. Frame: first half of the salt (8) | first position (u64) |
count (u32) | length (u32) | digest (16) | items. Item: id length (u16) | id | time (i64, ms) | payload length (u32) |
payload. Numbers are big-endian, digests SHA-256 cut to 16 bytes.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, NewType

from ringfence_kit.clock import Instant

Position = NewType("Position", int)
"""The place of an item in the queue: 1 for the first ever appended, without gaps."""

SALT_BYTES = 16
_DIGEST_BYTES = 16
_MAGIC = b"RFSPOOL\x01"
_MARK_BYTES = 8
_FRAME = struct.Struct(f">{_MARK_BYTES}sQII{_DIGEST_BYTES}s")
_ITEM_ID = struct.Struct(">H")
_ITEM_REST = struct.Struct(">qI")

HEADER_BYTES = len(_MAGIC) + SALT_BYTES + _DIGEST_BYTES
FRAME_OVERHEAD = _FRAME.size
ITEM_OVERHEAD = _ITEM_ID.size + _ITEM_REST.size


# Items are made for every decision, so they are tuples with names: a frozen dataclass takes three times as long.


class NewItem(NamedTuple):
    """What the owner hands in. `id` lets the receiver drop a repeat."""

    id: str
    payload: bytes
    at: Instant

    @property
    def cost(self) -> int:
        """The bytes it takes inside a frame."""
        length = len(self.id) if self.id.isascii() else len(self.id.encode())
        return ITEM_OVERHEAD + length + len(self.payload)


class SpooledItem(NamedTuple):
    """An item as it is delivered: perhaps more than once, always in order of `position`."""

    position: Position
    id: str
    payload: bytes
    at: Instant


@dataclass(frozen=True, slots=True)
class Frame:
    """What one append took, and how many bytes it fills."""

    items: tuple[SpooledItem, ...]
    size: int


def encode_header(first: Position, salt: bytes) -> bytes:
    """Return the beginning of the segment whose first item is `first`."""
    return _MAGIC + salt + digest(_MAGIC, salt, int(first).to_bytes(8))


def parse_header(first: Position, data: bytes) -> bytes | None:
    """Return the salt, or None when this is not the beginning of that segment."""
    salt = data[len(_MAGIC) : len(_MAGIC) + SALT_BYTES]
    return salt if data[:HEADER_BYTES] == encode_header(first, salt) else None


def encode_frame(salt: bytes, first: Position, items: Sequence[NewItem]) -> bytes:
    """Return `items` as one frame, the first of them at position `first`."""
    parts: list[bytes] = []
    for item_id, payload, at in items:
        name = item_id.encode()
        parts += (_item_head(len(name)).pack(len(name), name, at, len(payload)), payload)
    length = sum(map(len, parts))
    found = _digest_of(salt, first, len(items), length, *parts)
    # Payloads are large: they are copied once, into the frame.
    return b"".join((_FRAME.pack(salt[:_MARK_BYTES], first, len(items), length, found), *parts))


@lru_cache(maxsize=256)
def _item_head(id_length: int) -> struct.Struct:
    """Return what comes before the payload of an item with an id of that length: most ids are equally long."""
    return struct.Struct(f">H{id_length}sqI")


def frame_length(head: bytes) -> int:
    """Return how many bytes follow a frame's head, by its own account; 0 when the head is cut."""
    return int(_FRAME.unpack(head)[3]) if len(head) == FRAME_OVERHEAD else 0


def parse_frame(salt: bytes, head: bytes, body: bytes, expected: Position) -> Frame | None:
    """Return the frame, or None when it is not whole, not intact or does not begin with the expected item."""
    if len(head) < FRAME_OVERHEAD:
        return None
    mark, first, count, length, found = _FRAME.unpack(head)
    if mark != salt[:_MARK_BYTES] or first != expected or len(body) != length:
        return None
    if found != _digest_of(salt, first, count, length, body):
        return None
    return Frame(tuple(_parse_items(first, count, body)), FRAME_OVERHEAD + length)


def parse_frame_at(salt: bytes, data: bytes, offset: int, expected: Position) -> Frame | None:
    """Return the frame that begins at `offset` of a segment's bytes, or None as `parse_frame` does."""
    head = data[offset : offset + FRAME_OVERHEAD]
    begin = offset + FRAME_OVERHEAD
    return parse_frame(salt, head, data[begin : begin + frame_length(head)], expected)


def whole_frame_behind(salt: bytes, data: bytes, damaged: int, expected: Position) -> bool:
    """Say whether an intact frame of later items follows: then the damage was not a torn write."""
    offset = data.find(salt[:_MARK_BYTES], damaged + 1)
    while offset != -1:
        head = data[offset : offset + FRAME_OVERHEAD]
        if len(head) == FRAME_OVERHEAD:
            first = Position(_FRAME.unpack(head)[1])
            if first > expected and parse_frame_at(salt, data, offset, first) is not None:
                return True
        offset = data.find(salt[:_MARK_BYTES], offset + 1)
    return False


def digest(*parts: bytes) -> bytes:
    """Return the digest of the parts one after another."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.digest()[:_DIGEST_BYTES]


def _digest_of(salt: bytes, first: int, count: int, length: int, *body: bytes) -> bytes:
    return digest(salt, struct.pack(">QII", first, count, length), *body)


def _parse_items(first: int, count: int, body: bytes) -> Iterator[SpooledItem]:
    """Read the items of a body whose digest was right, which is why no length is checked here."""
    offset = 0
    for position in range(first, first + count):
        (id_length,) = _ITEM_ID.unpack_from(body, offset)
        offset += _ITEM_ID.size
        name = body[offset : offset + id_length].decode()
        offset += id_length
        at, payload_length = _ITEM_REST.unpack_from(body, offset)
        offset += _ITEM_REST.size
        yield SpooledItem(Position(position), name, body[offset : offset + payload_length], Instant(at))
        offset += payload_length
