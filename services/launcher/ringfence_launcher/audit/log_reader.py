"""Reads a live log the distrustful way: nothing a server says about its log is believed before it verifies.

`checkpoint` returns the newest signed checkpoint once its signature and its continuity with the last one seen hold;
`prove` returns an entry once its inclusion under that checkpoint holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ringfence.proofs.merkle import Digest, ProofInvalid, leaf_hash, verify_consistency, verify_inclusion
from ringfence.proofs.signed_note import (
    Checkpoint,
    NoteInvalid,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)

from ringfence_launcher.audit.known_logs import KnownLog, parse_key, recall, remember
from ringfence_launcher.audit.served_logs import ServedCheckpoint, ServedEntry, ServedLog
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.paging import pages
from ringfence_launcher.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A checkpoint that was verified, and how."""

    checkpoint: Checkpoint
    note: str
    key: VerifierKey
    key_source: str
    """`pinned`, `remembered`, or `first use`."""
    extends: int | None
    """The size of the last checkpoint seen, which this one extends; None at first sight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """An entry, and the verified checkpoint it is under."""

    entry: ServedEntry
    path: tuple[Digest, ...]
    under: Verified


class LogReader:
    """One log, as somebody who trusts only a key reads it."""

    def __init__(self, log: ServedLog, *, data: Path, where: str, pinned: str) -> None:
        self._log = log
        self._data = data
        self._where = where
        """What the log is remembered under."""
        self._known = recall(data).get(where)
        self._pinned = pinned

    def checkpoint(self) -> Verified:
        """Return the newest checkpoint, verified, and remember it."""
        return self._verified(self._log.checkpoint())

    def prove(self, key: str) -> Proven:
        """Return the entry a proof was asked for, once the proof leads to a verified checkpoint."""
        proof = self._log.prove(key)
        if proof.asked_index not in (None, proof.index):
            raise _forged(f"entry {proof.asked_index} was asked for and entry {proof.index} proven")
        under = self._verified(proof.checkpoint)
        entry, path = self._log.entry(proof.index), proof.hashes
        if proof.tree_size != under.checkpoint.size:
            raise _forged(f"the proof is for {proof.tree_size} entries, the checkpoint for {under.checkpoint.size}")
        try:
            verify_inclusion(leaf_hash(entry.body), proof.index, proof.tree_size, path, under.checkpoint.root)
        except ProofInvalid as error:
            raise _forged(str(error)) from error
        return Proven(entry=entry, path=path, under=under)

    def entries(self, size: int) -> Iterator[ServedEntry]:
        """Give the first `size` entries, in log order."""
        return pages(self._log.page, lambda response: response.entries, limit=size)

    def heads(self, newest: Verified) -> list[str]:
        """Return notes by the key of `newest` of the same log, smaller ones first and `newest` last, one of a size.

        They come as the service says: whoever judges the file judges them.
        """
        notes = {newest.checkpoint.size: newest.note}
        for served in self._log.earlier_heads(newest.checkpoint.size):
            try:
                head = _signed(served.note, newest.key)
            except NoteInvalid:
                continue  # by a key of before: who pinned that one can ask for it
            if head.size <= newest.checkpoint.size and len(served.note) > len(notes.get(head.size, "")):
                notes[head.size] = served.note
        return [notes[size] for size in sorted(notes)]

    def _verified(self, served: ServedCheckpoint) -> Verified:
        key, source = self._key(served)
        try:
            checkpoint = _signed(served.note, key)
        except NoteInvalid as error:
            raise _forged(str(error)) from error
        extends = self._check_continuity(checkpoint, key)
        self._known = KnownLog(verifier_key=str(key), checkpoint=served.note)
        remember(self._data, self._where, self._known)
        return Verified(checkpoint=checkpoint, note=served.note, key=key, key_source=source, extends=extends)

    def _key(self, served: ServedCheckpoint) -> tuple[VerifierKey, str]:
        if self._pinned:
            return parse_key(self._pinned, source="--verifier-key"), "pinned"
        if self._known is not None:
            return parse_key(self._known.verifier_key, source=f"{self._data}"), "remembered"
        return parse_key(served.verifier_key, source=self._log.service), "first use"

    def _check_continuity(self, newest: Checkpoint, key: VerifierKey) -> int | None:
        """Raise a Problem when the newest checkpoint does not extend the last one seen."""
        if self._known is None or self._known.verifier_key != str(key):
            return None  # another key is pinned now: what it did not sign says nothing about its log
        try:
            last = _signed(self._known.checkpoint, key)
        except NoteInvalid as error:
            raise Problem(
                f"the checkpoint remembered under {self._data} is not signed by the key remembered with it",
                code=ExitCode.CONFIGURATION,
                mend="somebody changed that file: compare the log's key with another reader's, then remove it",
            ) from error
        if last.size > newest.size:
            raise _forged(f"the log had {last.size} entries before and shows {newest.size} now: it was cut or forked")
        try:
            verify_consistency(last.size, last.root, newest.size, newest.root, self._consistency(last, newest))
        except ProofInvalid as error:
            raise _forged(str(error)) from error
        return last.size

    def _consistency(self, last: Checkpoint, newest: Checkpoint) -> list[Digest]:
        if last.size in (0, newest.size):
            return []
        return self._log.consistency(last.size, newest.size)


def _signed(note: str, key: VerifierKey) -> Checkpoint:
    """Return what a note says that `key` signed; NoteInvalid otherwise."""
    parsed = parse_note(note)
    verify_note(parsed, key)
    return parse_checkpoint(parsed.text)


def _forged(problem: str) -> Problem:
    return Problem(
        f"the log does not verify: {problem}",
        code=ExitCode.NEGATIVE,
        mend="keep what you have as evidence, and compare the log's key and checkpoint with another reader's",
    )
