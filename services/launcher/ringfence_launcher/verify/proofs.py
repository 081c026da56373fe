"""Proofs about a Merkle log as they lie in files: checkpoints, entries under one, and one checkpoint extending another.

Two spellings of a proof are read: what `ringfence audit prove -o json` prints, and the JSON of the RPCs as grpcurl
prints it (hashes in base64), with the entry's body in a file of its own.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.proofs.canonical_json import Json
from ringfence.proofs.merkle import Digest, leaf_hash, verify_consistency, verify_inclusion
from ringfence.proofs.signed_note import Checkpoint, VerifierKey, parse_checkpoint, parse_note, verify_note

from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.verify.trusted import read_object, read_text


class ProofUnreadable(ValueError):  # noqa: N818 - named for what happened, like the refusals beside it
    """A file that holds no proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEntry:
    """An entry that is in the log, and the checkpoint that says so."""

    index: int
    body: bytes
    under: Checkpoint


def signed_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """Return what a signed note says; NoteInvalid unless `key` signed it under the log's own name."""
    parsed = parse_note(note.rstrip("\n") + "\n")
    verify_note(parsed, key)
    return parse_checkpoint(parsed.text)


def checkpoint_in(file: Path, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint in a file: the note itself, or a JSON object with it as `signedNote`."""
    text = read_text(file)
    return signed_checkpoint(_note(read_object(file)) if text.lstrip().startswith("{") else text, key)


def proven_entry(file: Path, key: VerifierKey, *, body: Path | None) -> ProvenEntry:
    """Return the entry a proof leads from to a signed checkpoint. NoteInvalid, ProofInvalid, ProofUnreadable."""
    document = read_object(file)
    entry = document.get("entry", document)
    under = signed_checkpoint(_note(document), key)
    index, content = _index(entry), read_bytes(body) if body else _bytes(entry, "body")
    verify_inclusion(leaf_hash(content), index, under.size, _path(document), under.root)
    return ProvenEntry(index=index, body=content, under=under)


def extends(first: Checkpoint, second: Checkpoint, proof: Path) -> None:
    """Raise ProofInvalid, or ProofUnreadable, unless `proof` shows that `second` goes on from `first`."""
    verify_consistency(first.size, first.root, second.size, second.root, _path(read_object(proof)))


def _note(document: Mapping[str, Json]) -> str:
    match document:
        case {"checkpoint": {"signedNote": str(note)}} | {"signedNote": str(note)}:
            return note
        case _:
            raise ProofUnreadable("it holds no signed checkpoint (signedNote)")


def _index(entry: Json) -> int:
    match entry:
        case {"index": int() | str() as index} if str(index).isdecimal():
            return int(index)
        case {"body": str()} | {"leafHash": str()}:
            return 0  # proto3 JSON leaves 0 out
        case _:
            raise ProofUnreadable("it does not say which entry it proves (index)")


def _path(document: Mapping[str, Json]) -> list[Digest]:
    match document:
        case {"path": list(hashes)}:
            decode: Any = bytes.fromhex
        case {"hashes": list(hashes)}:
            decode = _decoded
        case _:
            return []
    try:
        return [Digest(decode(str(text))) for text in hashes]
    except ValueError as error:
        raise ProofUnreadable(f"a hash of its path cannot be read: {error}") from error


def _bytes(entry: Json, member: str) -> bytes:
    match entry:
        case {"body": str(text)}:
            return _decoded(text)
        case _:
            raise ProofUnreadable(f"it holds no {member}; name the file with the entry's bytes with --body")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ProofUnreadable(f"{text[:20]!r} is not base64") from error
