"""What makes a witness of a log: it remembers the last head it believed, and believes none that does not go on from it.

Pure: notes, keys and proofs in, what is to be kept or what is wrong out. A log that shows one history to one reader and
another to the next is found out by those who remember. The rules:

- the first key seen is the log's, unless one was pinned; whoever signs with another is not believed;
- a head is believed when it is signed, of the same log, and proven to begin with the one believed before (RFC 9162
  2.1.4); the first head is believed as it is;
- another root at the same size, a head without proof, a log that got shorter: each is a split view, and two signed
  notes that no single log can have are the evidence;
- what was believed before is kept whatever comes.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.merkle import Digest, ProofInvalid, verify_consistency
from ringfence.proofs.signed_note import (
    Checkpoint,
    Note,
    NoteInvalid,
    NoteUnsigned,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    signature_line,
    verify_note,
)


class Doubt(enum.Enum):
    """Why a head is not believed. The values are the words logs and metrics use."""

    UNSIGNED = "unsigned"
    """It is malformed, or not signed by the log's key."""
    FOREIGN = "foreign"
    """It is of another log."""
    WENT_BACK = "went-back"
    """The log is shorter than it was."""
    FORKED = "forked"
    """The log has another root than it had at the same size."""
    REWRITTEN = "rewritten"
    """Nothing proves that the log begins with what it was before."""

    @property
    def is_split(self) -> bool:
        """Whether it means that the log has two histories; else it may be a mistake of whoever carried the head."""
        return self in (Doubt.WENT_BACK, Doubt.FORKED, Doubt.REWRITTEN)


class HeadDoubted(Exception):  # noqa: N818 - named for what happened, like the failures of a service
    """A head is not believed."""

    def __init__(self, doubt: Doubt, problem: str, *, shown: str, believed: str = "") -> None:
        super().__init__(problem)
        self.doubt = doubt
        self.problem = problem
        self.shown = shown
        """The note that is not believed."""
        self.believed = believed
        """The one that was believed before; empty when there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """The last head that was believed."""

    note: str
    """The log's own signed note."""
    key: str
    """The log's verifier key."""

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says. Raises NoteInvalid."""
        return parse_checkpoint(parse_note(self.note).text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A head that may be believed once it is proven."""

    note: Note
    key: VerifierKey
    checkpoint: Checkpoint
    since: Checkpoint | None
    """What it has to go on from; None when nothing was believed before."""

    @property
    def is_news(self) -> bool:
        """Whether it says more than what is believed already."""
        return self.since is None or self.since.size != self.checkpoint.size

    @property
    def needs_proof(self) -> bool:
        """Whether a consistency proof from `since` is needed: everything goes on from an empty log."""
        return self.is_news and self.since is not None and self.since.size > 0


def look_at(note: str, *, said_key: str, believed: Believed | None, pinned: VerifierKey | None = None) -> Shown:
    """Return what a log shows, as far as it can be believed without a proof. Raises HeadDoubted.

    `said_key` is the key the log says is its own: believed when there is none from before and none is pinned.
    """
    before = "" if believed is None else believed.note
    try:
        key = pinned or VerifierKey.parse(said_key if believed is None else believed.key)
        parsed = parse_note(note)
        head = parse_checkpoint(parsed.text)
        verify_note(parsed, key)
        since = None if believed is None else believed.checkpoint
    except NoteUnsigned as error:
        raise HeadDoubted(Doubt.UNSIGNED, f"{error}: was its key changed?", shown=note, believed=before) from None
    except NoteInvalid as error:
        raise HeadDoubted(Doubt.UNSIGNED, str(error), shown=note, believed=before) from None
    if since is not None:
        _check_place(head, since, note, before)
    return Shown(note=parsed, key=key, checkpoint=head, since=since)


def believe(shown: Shown, proof: Sequence[Digest], *, believed: Believed | None) -> Believed:
    """Return what is believed from now on. Raises HeadDoubted when the proof does not lead there."""
    note = _own_note(shown)
    if shown.since is not None:
        old, new = shown.since, shown.checkpoint
        try:
            verify_consistency(old.size, old.root, new.size, new.root, proof)
        except ProofInvalid as error:
            problem = f"nothing proves that its {new.size} entries begin with the {old.size} it had: {error}"
            raise doubt_of(shown, Doubt.REWRITTEN, problem, believed=believed) from None
    return Believed(note=note, key=str(shown.key))


def doubt_of(shown: Shown, doubt: Doubt, problem: str, *, believed: Believed | None) -> HeadDoubted:
    """Return why a head that could be read is not believed."""
    return HeadDoubted(doubt, problem, shown=_own_note(shown), believed="" if believed is None else believed.note)


def _check_place(head: Checkpoint, since: Checkpoint, note: str, before: str) -> None:
    if head.origin != since.origin:
        problem = f"it is of the log {head.origin}, not of {since.origin}"
        raise HeadDoubted(Doubt.FOREIGN, problem, shown=note, believed=before)
    if head.size < since.size:
        problem = f"the log holds {head.size} entries, and {since.size} were signed before"
        raise HeadDoubted(Doubt.WENT_BACK, problem, shown=note, believed=before)
    if head.size == since.size and head.root != since.root:
        problem = f"the log has two roots at {head.size} entries: {since.root.hex()} before, {head.root.hex()} now"
        raise HeadDoubted(Doubt.FORKED, problem, shown=note, believed=before)


def _own_note(shown: Shown) -> str:
    """Return the note with the log's own signature only: what is kept does not grow with who else signs."""
    own = [each for each in shown.note.signatures if (each.name, each.key_id) == (shown.key.name, shown.key.key_id)]
    return f"{shown.note.text}\n{signature_line(own[0])}\n"
