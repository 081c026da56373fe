"""The log of every mutation: how it grows, and whether what is stored is the log that was signed.

Pure. The rules:

- it grows by the events of a transaction, inside that transaction, in their order: an index has no gap, an entry has
  its event and an event its entry, also after kill -9 and with several replicas;
- what is signed was checked to go on from what was signed before; a log that does not is not served, and a service
  whose log does not does not start: it would sign a second history.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ringfence.proofs.merkle import Frontier, frontier_at, leaf_hash, root_at
from ringfence.proofs.signed_note import (
    Checkpoint,
    Note,
    NoteInvalid,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)
from ringfence_kit.clock import Instant
from ringfence_kit.events import Event
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.log_tiles import TileId, add_to_tiles, subtrees_of
from ringfence_kit.refusals import StartRefused

from ringfence_identity.store.transparency import LogEntry, LogTx, LogView
from ringfence_identity.transparency.entries import entry_body, revision_of

SIGNING_KEYS = "log-checkpoints"
SALTS = "log-people"


class LogDoesNotFit(StartRefused):
    """The stored log is not the one that was signed, or not whole."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"the log of identity's mutations {problem}: its database was altered or belongs with another key file; "
            "keep both as evidence, and restore the database and the key file that were backed up together"
        )
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What is added to the log."""

    entries: Sequence[LogEntry]
    tiles: Mapping[TileId, bytes]
    tree: Frontier


def log_keys(origin: str, *, own: str) -> LogKeys:
    """Return the keys of the log named `origin`, not opened yet; `own` is the principal of this service."""
    return LogKeys(origin, signing=SIGNING_KEYS, salts=SALTS, own=own)


def grow(log: LogView, events: Sequence[Event], in_the_log: Callable[[str], str]) -> Growth:
    """Return what `events` add to `log`."""
    before = log.log_tree()
    entries = [
        LogEntry(index=index, subject=event.name, body=entry_body(event, in_the_log), appended_at=event.at)
        for index, event in enumerate(events, start=before.size)
    ]
    tree, completed = before.grow(leaf_hash(entry.body) for entry in entries)
    return Growth(entries=entries, tiles=add_to_tiles(completed, log.log_tile), tree=tree)


def check_log(log: LogView, keys: LogKeys, *, revision: int) -> None:
    """Raise LogDoesNotFit unless the log is whole, ours, and the one we signed; `revision` is one it must have reached.

    Reads a few tiles, whatever the log's size. A log without entries is that of a database from before there was one.
    """
    tree = log.log_tree()
    if frontier_in_tiles(log, tree.size) != tree:
        raise LogDoesNotFit(problem=f"has other hashes than those of its {tree.size} entries")
    _check_last_entry(log, tree, revision)
    newest = log.log_checkpoint()
    if newest is not None:
        _check_signed(newest, keys)
        check_goes_on(log, newest)


def check_goes_on(log: LogView, signed: StoredCheckpoint) -> None:
    """Raise LogDoesNotFit unless the log begins with what was signed."""
    size, said = signed.frontier.size, _said(signed).root
    if size > log.log_tree().size:
        raise LogDoesNotFit(problem=f"holds {log.log_tree().size} entries, and {size} were signed")
    try:
        root = root_at(size, subtrees_of(log.log_tile))
    except (ValueError, IndexError):
        root = None
    if root != said:
        raise LogDoesNotFit(problem=f"does not begin with the {size} entries that were signed")


def sign_log(log: LogView, keys: LogKeys, *, at: Instant) -> StoredCheckpoint:
    """Return a signed checkpoint of the log as it stands. Raises LogDoesNotFit."""
    newest = log.log_checkpoint()
    if newest is not None:
        check_goes_on(log, newest)
    return keys.head(log.log_tree(), at)


def keep_checkpoint(tx: LogTx, signed: StoredCheckpoint) -> StoredCheckpoint:
    """Keep `signed` unless a larger one is kept, as another replica may have done; return the one that is."""
    newest = tx.log_checkpoint()
    if newest is not None and (newest.frontier.size > signed.frontier.size or newest.note == signed.note):
        return newest
    tx.put_log_checkpoint(signed)
    return signed


def is_signed_by(note: str, key: str) -> bool:
    """Say whether a note of ours carries the signature of `key`."""
    return _carries(parse_note(note), VerifierKey.parse(key))


def frontier_in_tiles(log: LogView, size: int) -> Frontier | None:
    """Return the frontier that the tiles give at `size`; None when they do not hold that many."""
    try:
        return frontier_at(size, subtrees_of(log.log_tile))
    except (ValueError, IndexError):
        return None


def _check_last_entry(log: LogView, tree: Frontier, revision: int) -> None:
    last = log.last_log_entry()
    if last is None or not tree.size:
        if last is not None or tree.size:
            raise LogDoesNotFit(problem="has lost its entries")
        return
    if last.index + 1 != tree.size or subtrees_of(log.log_tile)(0, last.index) != leaf_hash(last.body):
        raise LogDoesNotFit(problem=f"has another last entry than the one at {tree.size - 1}")
    if revision_of(last.body) < revision:
        raise LogDoesNotFit(problem=f"ends at revision {revision_of(last.body)}, and the data at {revision}")


def _check_signed(newest: StoredCheckpoint, keys: LogKeys) -> None:
    try:
        note, said = parse_note(newest.note), _said(newest)
        ours = any(_carries(note, key) for key in keys.verifiers)
    except NoteInvalid as error:
        raise LogDoesNotFit(problem=f"has a damaged checkpoint ({error})") from error
    if not ours:
        raise LogDoesNotFit(problem="was signed by a key that is not in the key file")
    if said.origin != keys.origin or (said.size, said.root) != (newest.frontier.size, newest.frontier.root()):
        raise LogDoesNotFit(problem=f"was signed as {said.origin} with {said.size} entries, which is not this one")


def _carries(note: Note, key: VerifierKey) -> bool:
    try:
        verify_note(note, key)
    except NoteInvalid:
        return False
    return True


def _said(checkpoint: StoredCheckpoint) -> Checkpoint:
    return parse_checkpoint(parse_note(checkpoint.note).text)
