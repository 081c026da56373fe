"""Checks an exported log offline and names what was tampered with. Pure: an export in, findings out.

How a lie is told apart from the truth, in this order:

1. the checkpoint is signed by the key that is trusted, so its size and root are the log's own words;
2. the leaf hashes lead to that root, so each of them is the log's own, in its own order;
3. each entry hashes to its leaf. One that hashes to another's leaf was moved; to none, changed or put in; a leaf that
   no entry hashes to lost its entry;
4. checkpoints kept from before are prefixes of this log; else there are two histories.

Once 1 and 2 hold, every finding of 3 names an entry with certainty. When 2 fails, hashes were rewritten together with
entries: that something was changed is then certain, and only an older checkpoint can narrow down where.
"""

import enum
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ringfence_telemetry.merkle import Digest, Frontier, leaf_hash
from ringfence_telemetry.signed_note import (
    Checkpoint,
    NoteInvalid,
    NoteUnsigned,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)

from ringfence_launcher.audit.export_file import Export, ExportedEntry


class Fault(enum.StrEnum):
    """What kind of tampering a finding is."""

    DAMAGED_FILE = "damaged file"
    WRONG_KEY = "signed by another key"
    FORGED_CHECKPOINT = "forged checkpoint"
    REWRITTEN_HASHES = "rewritten hashes"
    CHANGED = "changed"
    MOVED = "moved"
    DROPPED = "dropped"
    ADDED = "added"
    FORKED = "forked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: where, what kind, and in words."""

    where: str
    fault: Fault
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a verification. It holds when nothing was found."""

    entries: int
    checkpoint: Checkpoint | None
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Say whether the log is what the key's owner signed."""
        return not self.findings


def verify_export(export: Export, *, trusted: VerifierKey, kept: Iterable[str] = ()) -> Verdict:
    """Check `export` against the key that is trusted and the signed checkpoints kept from before."""
    findings = [
        Finding(where=f"line {bad.line}", fault=Fault.DAMAGED_FILE, problem=bad.problem) for bad in export.bad_lines
    ]
    checkpoint, problems = read_checkpoint(export.checkpoint, trusted, where="checkpoint")
    findings += problems
    if checkpoint is not None:
        findings += _check_leaves(export.leaves, checkpoint)
    findings += _check_entries(export.entries, export.leaves)
    findings += _check_kept(kept, trusted, export.leaves)
    return Verdict(entries=len(export.entries), checkpoint=checkpoint, findings=tuple(findings))


def read_checkpoint(note: str, trusted: VerifierKey, *, where: str) -> tuple[Checkpoint | None, list[Finding]]:
    """Return a signed checkpoint's content when `trusted` signed it, else what is wrong with it."""
    if not note:
        return None, [Finding(where=where, fault=Fault.DROPPED, problem="there is no signed checkpoint")]
    try:
        parsed = parse_note(note)
        verify_note(parsed, trusted)
        return parse_checkpoint(parsed.text), []
    except NoteUnsigned as error:
        signers = ", ".join(f"{s.name}+{s.key_id.hex()}" for s in parsed.signatures)
        return None, [Finding(where=where, fault=Fault.WRONG_KEY, problem=f"{error}; it is signed by {signers}")]
    except NoteInvalid as error:
        return None, [Finding(where=where, fault=Fault.FORGED_CHECKPOINT, problem=str(error))]


def root_of(leaves: Sequence[Digest]) -> Digest:
    """Return the root of the tree over `leaves`."""
    return Frontier().grow(leaves)[0].root()


def _check_leaves(leaves: Sequence[Digest], checkpoint: Checkpoint) -> list[Finding]:
    if len(leaves) == checkpoint.size and root_of(leaves) == checkpoint.root:
        return []
    problem = (
        f"the signed checkpoint covers {checkpoint.size} entries with root {checkpoint.root.hex()}, "
        f"the {len(leaves)} leaf hashes here give {root_of(leaves).hex()}"
    )
    return [Finding(where="leaf hashes", fault=Fault.REWRITTEN_HASHES, problem=problem)]


def _check_entries(entries: Sequence[ExportedEntry], leaves: Sequence[Digest]) -> list[Finding]:
    place = {leaf: index for index, leaf in enumerate(leaves)}
    findings = [finding for entry in entries if (finding := _check_entry(entry, leaves, place))]
    times_seen = Counter(entry.index for entry in entries)
    findings += [
        Finding(where=f"entry {index}", fault=Fault.ADDED, problem=f"it is in the file {times} times")
        for index, times in times_seen.items()
        if times > 1
    ]
    findings += [
        Finding(where=f"entry {index}", fault=Fault.DROPPED, problem="the log has it and the file does not")
        for index in range(len(leaves))
        if index not in times_seen
    ]
    return findings


def _check_entry(entry: ExportedEntry, leaves: Sequence[Digest], place: dict[Digest, int]) -> Finding | None:
    hashed = leaf_hash(entry.body)
    where = f"entry {entry.index}"
    if entry.index < len(leaves) and leaves[entry.index] == hashed:
        return None
    if hashed in place:
        return Finding(where=where, fault=Fault.MOVED, problem=f"this is entry {place[hashed]} of the log")
    if entry.index >= len(leaves):
        return Finding(where=where, fault=Fault.ADDED, problem="the log has no such entry")
    return Finding(where=where, fault=Fault.CHANGED, problem="its body is not the one that was logged")


def _check_kept(kept: Iterable[str], trusted: VerifierKey, leaves: Sequence[Digest]) -> list[Finding]:
    findings: list[Finding] = []
    for number, note in enumerate(kept, start=1):
        where = f"kept checkpoint {number}"
        checkpoint, problems = read_checkpoint(note, trusted, where=where)
        findings += problems
        if checkpoint is None:
            continue
        if checkpoint.size > len(leaves):
            problem = f"it covers {checkpoint.size} entries and the file only {len(leaves)}: the end was cut off"
            findings.append(Finding(where=where, fault=Fault.DROPPED, problem=problem))
        elif root_of(leaves[: checkpoint.size]) != checkpoint.root:
            problem = f"its {checkpoint.size} entries are not the first {checkpoint.size} of this file: two histories"
            findings.append(Finding(where=where, fault=Fault.FORKED, problem=problem))
    return findings
