"""What a catalog holds as frames of some hundred KB, and back: the form in which it lies in the file.

Arrays and sets are written as the bytes they are, so reading them back costs what copying them costs.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from ringfence_kit.proven_frames import NoFrames

from ringfence_registry.finding.bits import Bits
from ringfence_registry.finding.catalog import HeldAgents
from ringfence_registry.finding.index import HeldValues
from ringfence_registry.finding.postings import Many, Posting
from ringfence_registry.finding.word_index import Said
from ringfence_registry.recorded import DIGEST_SIZE

T = TypeVar("T")

_AT_ONCE = 200
_VALUES_AT_ONCE = 20_000
_FRAME = 256 * 1024
"""A frame ends when it has so many bytes: it is made in less than a millisecond, in which nobody else has a turn."""

_pack = msgspec.msgpack.Encoder().encode
_unpack: Callable[[bytes], list[Any]] = msgspec.msgpack.Decoder(list).decode


def frames_of(held: HeldAgents) -> Iterator[bytes]:
    """Yield the frames of `held`."""
    yield _pack(["dictionary", held.dictionary])
    for start in range(0, len(held.names), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        digests = b"".join(digest or bytes(DIGEST_SIZE) for digest in held.digests[part])
        yield _pack(["agents", held.names[part], digests, held.sizes[part].tobytes(), held.records[part]])
    for field, column in held.standing.columns.items():
        for start in range(0, len(column), _VALUES_AT_ONCE):
            yield _pack(["column", field, column[start : start + _VALUES_AT_ONCE]])
    for field, counts in held.standing.counts.items():
        yield _pack(["counts", field, counts])
    for field, postings in held.standing.postings.items():
        for values, filed in _parts(postings, _posting_written):
            yield _pack(["values", field, values, filed])
    for words, said in _parts(held.words, _said_written):
        yield _pack(["words", words, said])


def held_in(frames: Iterable[bytes]) -> HeldAgents:
    """Return what `frames_of` made frames of. Raises `NoFrames` when they are no such frames."""
    each = iter(frames)
    match _unpack(next(each, _pack([]))):
        case ["dictionary", bytes(dictionary)]:
            held = _nobody(dictionary)
        case _:
            raise NoFrames("it holds what this code does not know")
    for frame in each:
        _take(held, _unpack(frame))
    return held


def _nobody(dictionary: bytes) -> HeldAgents:
    return HeldAgents(
        names=[],
        digests=[],
        records=[],
        sizes=array("I"),
        dictionary=dictionary,
        standing=HeldValues(postings={}, columns={}, counts={}),
        words={},
    )


def _take(held: HeldAgents, frame: list[Any]) -> None:
    match frame:
        case ["agents", names, digests, sizes, records]:
            held.names.extend(names)
            held.digests.extend(digests[at : at + DIGEST_SIZE] for at in range(0, len(digests), DIGEST_SIZE))
            held.sizes.frombytes(sizes)
            held.records.extend(records)
        case ["column", field, values]:
            held.standing.columns.setdefault(field, []).extend(values)
        case ["counts", field, counts]:
            held.standing.counts[field] = counts
        case ["values", field, values, filed]:
            held.standing.postings.setdefault(field, {}).update(zip(values, map(_posting, filed), strict=True))
        case ["words", words, said]:
            held.words.update(zip(words, map(_said, said), strict=True))
        case _:
            raise NoFrames("it holds what this code does not know")


def _parts(filed: Mapping[T, Any], written: Callable[[Any], Any]) -> Iterator[tuple[list[T], list[Any]]]:
    """Yield what is filed under keys in parts of a frame's size."""
    keys: list[T] = []
    values: list[Any] = []
    size = 0
    for key, value in filed.items():
        keys.append(key)
        values.append(form := written(value))
        size += 64 if isinstance(form, int) else sum(map(len, form)) if isinstance(form, list) else len(form)
        if size > _FRAME:
            yield keys, values
            keys, values, size = [], [], 0
    if keys:
        yield keys, values


def _posting_written(posting: Posting) -> int | bytes | list[bytes]:
    match posting:
        case int():
            return posting
        case Many(bits, size):
            return [_bytes_of(bits), size.to_bytes(4, "little")]
        case few:
            return few.tobytes()


def _posting(written: int | bytes | list[bytes]) -> Posting:
    match written:
        case int():
            return written
        case bytes():
            return array("I", written)
        case [bits, size]:
            return Many(int.from_bytes(bits, "little"), int.from_bytes(size, "little"))
    raise NoFrames("it holds what this code does not know")


def _said_written(held: tuple[Said, int]) -> bytes | list[bytes]:
    said, size = held
    return said[:size].tobytes() if isinstance(said, array) else list(map(_bytes_of, said))


def _said(written: bytes | list[bytes]) -> tuple[Said, int]:
    if isinstance(written, bytes):
        return (pairs := array("I", written)), len(pairs)
    return (planes := tuple(int.from_bytes(plane, "little") for plane in written)), len(planes)


def _bytes_of(bits: Bits) -> bytes:
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")
