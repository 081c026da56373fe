"""The entry each mutation of identity has in the log: JSON in RFC 8785 form, whose bytes are stored, hashed and shown.

Pure. README.md, "The log", lists the members. The rules:

- everything the store records as an event is an entry, whatever its kind: there is no list to forget a kind in;
- the log is for everybody who may read it, the records are not: an entry names what was changed and carries the hash
  of what was stored, so whoever is shown a record can check it and nobody else learns what is in it;
- people who act stand in it under a salted digest (`LogKeys.in_the_log`).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from ringfence.proofs.canonical_json import canonical, parse_object
from ringfence.proofs.timestamps import timestamp
from ringfence_kit import records
from ringfence_kit.clock import SECOND, Instant
from ringfence_kit.events import Event

TYPE = "ringfence-identity-mutation/1"


@dataclass(frozen=True, slots=True)
class _Place:
    """The part of any record that says which environment it belongs to."""

    environment: str = ""


def entry_body(event: Event, in_the_log: Callable[[str], str]) -> bytes:
    """Return the entry of `event`; `in_the_log` says how a principal is named there."""
    return canonical(
        {
            "type": TYPE,
            "at": _time_text(event.at),
            "actor": in_the_log(event.actor),
            "change": event.change.name.lower(),
            "kind": event.kind,
            "name": event.name,
            "environment": records.decode(event.record, _Place).environment,
            "revision": event.revision,
            "record_hash": hashlib.sha256(event.record).hexdigest(),
        }
    )


def revision_of(body: bytes) -> int:
    """Return the revision an entry states; 0 when it states none."""
    revision = parse_object(body).get("revision")
    return revision if isinstance(revision, int) else 0


def _time_text(at: Instant) -> str:
    return f"{timestamp(at)[:-1]}.{at % SECOND:03}Z"
