"""What the audit log says beside decisions and outcomes: who changed what in telemetry, and what telemetry noted.

The rules:

- every event of the store that somebody else than telemetry brought about is an entry, in the transaction of the event,
  whatever its kind: there is no list to forget a kind in. Who writes a mutation calls `tx.record`, and nothing else;
- what is no event, and has to be provable all the same (evidence behind a trust signal, a report for another's agent),
  is noted with `AuditNotes.note`, in the transaction of what follows from it;
- an entry names what was changed and by whom, and carries a salted digest of what was stored: whoever holds the record
  and the salt can check it, and nobody else learns what is in it;
- people stand in it under salted digests (`LogKeys.in_the_log`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ringfence_kit.clock import Instant
from ringfence_kit.events import Event
from ringfence_kit.log_keys import LogKeys

from ringfence_telemetry.audit_log import Draft, append_plain
from ringfence_telemetry.decision_document import canonical
from ringfence_telemetry.store import PRINCIPAL
from ringfence_telemetry.store.audit import AuditLogTx, StoredEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something to be provable later."""

    kind: str
    """What it is: `slo-budget-exhausted`, `reported-for-another`."""
    id: str
    """What makes it the same when it is noted twice: of a kind and an id there is one entry, the first."""
    subject: str
    """Whom or what it is about: a DID, a resource name."""
    principal: str = PRINCIPAL
    """Who brought it about, as the credential says; a person stands in the log as a digest."""
    facts: Mapping[str, str | int | bool] = field(default_factory=dict)
    """What is known of it. In the open and for ever: nothing about people, no secrets."""


class AuditNotes:
    """Notes things in the log, in the transaction that acts on them.

    A composition root makes one and hands it to whoever notes; in a work: `entry = notes.note(tx, Note(…), at=at)`, and
    what follows from it is linked by `entry.index` and `entry.leaf_hash`.
    """

    def __init__(self, keys: LogKeys) -> None:
        self._keys = keys

    def note(self, tx: AuditLogTx, note: Note, *, at: Instant) -> StoredEntry:
        """Return the entry of `note`, appended unless it is there."""
        key = f"note:{note.kind}:{note.id}"
        there = tx.entries_of([key]).get(key)
        if there is None:
            append_plain(tx, [Draft(key=key, body=self._body(note, at))], keys=self._keys, at=at)
            there = tx.entries_of([key])[key]
        return there

    def _body(self, note: Note, at: Instant) -> bytes:
        return canonical(
            {
                "type": "note",
                "version": 1,
                "kind": note.kind,
                "id": note.id,
                "subject": note.subject,
                "principal": self._keys.in_the_log(note.principal),
                "facts": dict(note.facts),
                "note_time_ms": at,
            }
        )


def append_changes(tx: AuditLogTx, events: Sequence[Event], *, keys: LogKeys) -> None:
    """Append what somebody changed, as the events of this transaction have it."""
    drafts = [
        Draft(key=f"change:{event.revision}", body=change_body(event, keys))
        for event in events
        if event.actor != PRINCIPAL
    ]
    if drafts:
        append_plain(tx, drafts, keys=keys, at=events[-1].at)


def change_body(event: Event, keys: LogKeys) -> bytes:
    """Return the entry of a change."""
    return canonical(
        {
            "type": "change",
            "version": 1,
            "change": event.change.name.lower(),
            "kind": event.kind,
            "name": event.name,
            "principal": keys.in_the_log(event.actor),
            "revision": event.revision,
            "record_digest": keys.salted_digest(event.record),
            "change_time_ms": event.at,
        }
    )
