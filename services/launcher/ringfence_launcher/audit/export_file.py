"""The file `ringfence audit export` writes: a whole log, able to prove itself without a server.

One JSON document a line, in this order:

- a header: `{"format": "ringfence-audit-export", "version": 1, "verifier_key": "<C2SP verifier key>"}`;
- every entry: `{"index": 0, "append_time": "<RFC 3339>", "body": "<the hashed bytes, as text>"}`; bytes that are not
  UTF-8 stand in `body_base64` instead;
- the leaf hashes, 256 a line: `{"tile": 0, "hashes": "<base64>"}`. They make it possible to say *which* entry was
  changed: they must hash to the signed root, and each entry to its leaf;
- the signed checkpoint: `{"checkpoint": "<C2SP signed note>"}`.

Reading keeps going after a line that cannot be read and says which one it was: a damaged file is evidence too.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ringfence_telemetry.merkle import DIGEST_SIZE, Digest, leaf_hash

from ringfence_launcher.files import replacing

FORMAT = "ringfence-audit-export"
VERSION = 1
_TILE = 256
_MAX_LINE = 1 << 20
"""Longer than any entry (64 KiB, escaped) or tile; a longer line is not ours and is not read into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEntry:
    """One entry as it is written."""

    index: int
    body: bytes
    append_time: str = ""
    """For people: it is not part of what is hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that is not what it should be."""

    line: int
    problem: str


@dataclass(slots=True, kw_only=True)
class Export:
    """What a file holds; nothing is verified yet."""

    verifier_key: str = ""
    entries: list[ExportedEntry] = field(default_factory=list)
    leaves: list[Digest] = field(default_factory=list)
    checkpoint: str = ""
    bad_lines: list[BadLine] = field(default_factory=list)


def write_export(file: Path, *, verifier_key: str, entries: Iterable[ExportedEntry], checkpoint: str) -> int:
    """Write a log to `file`, all of it or nothing, and return how many entries it has. Entries come in log order."""
    leaves: list[Digest] = []
    with replacing(file) as out:
        _write(out, {"format": FORMAT, "version": VERSION, "verifier_key": verifier_key})
        for entry in entries:
            leaves.append(leaf_hash(entry.body))
            _write(out, {"index": entry.index, "append_time": entry.append_time, **_body(entry.body)})
        for tile, start in enumerate(range(0, len(leaves), _TILE)):
            hashes = b"".join(leaves[start : start + _TILE])
            _write(out, {"tile": tile, "hashes": base64.b64encode(hashes).decode()})
        _write(out, {"checkpoint": checkpoint})
    return len(leaves)


def read_export(file: Path) -> Export:
    """Read a file written by `write_export`, or what somebody made of one. Raises OSError only."""
    found = Export()
    with file.open("rb") as lines:
        for number, raw in enumerate(_lines(lines), start=1):
            try:
                _take(found, number, _document(raw))
            except _NotOursError as error:
                found.bad_lines.append(BadLine(line=number, problem=str(error)))
    return found


class _NotOursError(Exception):
    """Why a line cannot be used."""


def _take(found: Export, number: int, document: Any) -> None:
    match document:
        case {"format": format_, "version": version, "verifier_key": str(key)}:
            if (format_, version, number) != (FORMAT, VERSION, 1):
                raise _NotOursError("a header of another format, or not on the first line")
            found.verifier_key = key
        case {"index": int(index)} if index >= 0 and not isinstance(index, bool):
            found.entries.append(ExportedEntry(index=index, body=_bytes_of(document), append_time=_time_of(document)))
        case {"tile": int(), "hashes": str(encoded)}:
            hashes = _base64(encoded)
            found.leaves.extend(Digest(hashes[i : i + DIGEST_SIZE]) for i in range(0, len(hashes), DIGEST_SIZE))
        case {"checkpoint": str(note)} if not found.checkpoint:
            found.checkpoint = note
        case _:
            raise _NotOursError("neither an entry, nor leaf hashes, nor the one checkpoint")


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _time_of(document: Any) -> str:
    match document:
        case {"append_time": str(time)}:
            return time
    return ""


def _bytes_of(document: Any) -> bytes:
    match document:
        case {"body": str(text)}:
            try:
                return text.encode()
            except UnicodeEncodeError:
                raise _NotOursError("an entry whose body is not text") from None
        case {"body_base64": str(encoded)}:
            return _base64(encoded)
    raise _NotOursError("an entry without its body")


def _write(out: IO[str], document: dict[str, Any]) -> None:
    out.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(_MAX_LINE):
        yield line


def _document(raw: bytes) -> Any:
    try:
        return json.loads(raw, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise _NotOursError("not a JSON document") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # a reader would see the first, a parser takes the last
        raise _NotOursError("the same member twice")
    return members


def _base64(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _NotOursError("not base64") from None
