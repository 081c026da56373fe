"""A Merkle log as a file that can be checked without us: JSON lines, written once, verified anywhere.

Pure; this module writes and reads the lines, `log_export_check.py` judges them. One object a line:

    {"format": "ringfence-audit-export/1", "origin": "…"}                          first
    {"index": 0, "leaf_hash": "<64 hex digits>", "body": "<base64 of the entry>"}  each entry, in order
    {"checkpoint": "<C2SP signed note>"}                                           signed heads, the newest last

A reader never trusts the file: a line that does not read as one of these is reported, not skipped over.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ringfence.proofs.merkle import DIGEST_SIZE, Digest, leaf_hash
from ringfence.proofs.signed_note import is_text

FORMAT = "ringfence-audit-export/1"
LINE_MAX = 1_000_000
"""An entry's body is at most 64 KiB, a checkpoint less: a longer line is no line of an export."""

INDEX_MAX = 2**63 - 1
"""No log holds more, and no reader need show longer numbers."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line."""

    origin: str


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """One entry as the file states it; `leaf_hash` is what the log said, not what the body hashes to."""

    index: int
    leaf_hash: Digest
    body: bytes


@dataclass(frozen=True, slots=True)
class ExportedCheckpoint:
    """A signed head."""

    note: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is none of an export."""

    line: int
    problem: str


Line: TypeAlias = Header | ExportedEntry | ExportedCheckpoint | Unreadable


def write_header(origin: str) -> str:
    """Return the first line of an export of the log named `origin`."""
    return _line({"format": FORMAT, "origin": origin})


def write_entry(index: int, body: bytes) -> str:
    """Return the line of one entry."""
    return _line({"index": index, "leaf_hash": leaf_hash(body).hex(), "body": base64.b64encode(body).decode()})


def write_checkpoint(note: str) -> str:
    """Return the line of one signed head."""
    return _line({"checkpoint": note})


def read_export(lines: Iterable[str]) -> Iterator[Line]:
    """Return what the lines of an export state, in order. Blank lines are nothing."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read_line(line, number)


def _line(content: object) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"


def _read_line(line: str, number: int) -> Line:
    if len(line) > LINE_MAX:
        return Unreadable(number, f"is longer than {LINE_MAX} characters")
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return Unreadable(number, "is not JSON")
    match content:
        case {"format": str(format_), "origin": str(origin)}:
            return _read_header(format_, origin, number)
        case {"index": int(index), "leaf_hash": str(stated), "body": str(encoded)} if type(index) is int:
            return _read_entry(index, stated, encoded, number)
        case {"checkpoint": str(note)}:
            return ExportedCheckpoint(note)
        case _:
            return Unreadable(number, "is neither a header, nor an entry, nor a checkpoint")


def _read_header(format_: str, origin: str, number: int) -> Line:
    if format_ != FORMAT:
        return Unreadable(number, f"is not of the format {FORMAT}")
    if not origin or not is_text(origin):
        return Unreadable(number, "names its log in characters that no checkpoint holds")
    return Header(origin)


def _read_entry(index: int, stated: str, encoded: str, number: int) -> Line:
    if not 0 <= index <= INDEX_MAX:
        return Unreadable(number, "states an entry at a place that no log has")
    try:
        body, digest = base64.b64decode(encoded, validate=True), bytes.fromhex(stated)
    except (binascii.Error, ValueError):
        return Unreadable(number, f"states entry {index} in bytes that are not base64 and hex")
    if len(digest) != DIGEST_SIZE:
        return Unreadable(number, f"states a leaf hash of {len(digest)} bytes for entry {index}")
    return ExportedEntry(index, Digest(digest), body)
