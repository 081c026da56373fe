"""Decisions that were made elsewhere on this pdp's snapshot, on their way to telemetry's audit log.

Whoever uploads is believed about what it decided, and about nothing else. The rules:

- decisions and facts are taken, and no other kind of entry: what people voted is told by the pdp that asked them;
- a decision has a random id (RFC 9562 5.4), so it is never in the place of an entry whose id follows from what it says:
  a fact, or a vote;
- a fact is what its address says. One in several parts has to be the one that is known here, since no part of it can
  vouch for the whole, and a wrong one would keep the right one out of the log for good;
- who uploaded which is an entry as well, and is there first.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import rfc8785
from ringfence.errors import RingfenceError
from ringfence_kit import records
from ringfence_kit.errors import InvalidRequest, Unavailable, Violation
from ringfence_kit.ids import id_of
from ringfence_kit.records import RecordUnreadable

from ringfence_pdp.bundle import PolicyFile, digest_of
from ringfence_pdp.decision_batches import REFUSED_FOR_GOOD
from ringfence_pdp.decision_document import DECISION
from ringfence_pdp.evidence import FACT, BundleFact, address_of, bundle_address, entries, entry_id

UPLOAD: Final = "upload"
"""The type of the entry that says who uploaded."""

_RANDOM: Final = "4"
"""The version of a random UUID, which is its 15th character."""

Known = Callable[[str], str | None]
"""Returns the content of a fact by its address, where it is known here."""


class Upload(NamedTuple):
    """Entries in order: their ids, and what they say."""

    entries: Sequence[tuple[str, bytes]]


def judge(upload: Upload, known: Known) -> None:
    """Raise InvalidRequest with everything in an upload that is not the uploader's to say."""
    told: dict[str, Sequence[tuple[str, bytes]]] = {}

    def told_here(address: str) -> Sequence[tuple[str, bytes]]:
        # Once for all parts of a fact: writing a bundle takes a while.
        if address not in told:
            content = known(address)
            told[address] = () if content is None else entries(address, content)
        return told[address]

    found = [
        Violation(f"entries[{place}].body", problem)
        for place, (id_, body) in enumerate(upload.entries)
        if (problem := _problem(id_, body, told_here))
    ]
    if found:
        raise InvalidRequest(*found)


def note_of(upload: Upload, principal: str) -> tuple[str, bytes]:
    """Return the entry that says who uploaded which decisions; the same for the same."""
    ids = [id_ for id_, _ in upload.entries]
    digest = hashlib.sha256(" ".join(ids).encode()).hexdigest()
    note = id_of(rfc8785.dumps([UPLOAD, principal, digest]))
    members: dict[str, Any] = {"type": UPLOAD, "version": 1, "decision_id": note}
    return note, rfc8785.dumps({**members, "uploaded_by": principal, "entries": ids})


async def log_uploaded(sent: bytes, append: Callable[[bytes], Awaitable[None]]) -> None:
    """Have entries appended; they are durable when this returns.

    Raises InvalidRequest for what telemetry refuses for good, and Unavailable for what may be tried again.
    """
    try:
        await append(sent)
    except RingfenceError as error:
        if error.reason in REFUSED_FOR_GOOD:
            raise InvalidRequest(Violation("entries", f"are refused by telemetry: {error}")) from error
        raise Unavailable(problem=f"telemetry does not take decisions: {error}") from error


_Told = Callable[[str], Sequence[tuple[str, bytes]]]
"""Returns the entries of a fact that is known here; none where it is not."""


def _problem(id_: str, body: bytes, told: _Told) -> str:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "is no JSON"
    kind = said.get("type") if isinstance(said, dict) else None
    if kind == FACT:
        return "" if _is_fact(id_, body, said, told) else "is not the fact its address names"
    if kind != DECISION:
        return f"must be a {DECISION}, or a {FACT} one stands on"
    return "" if id_[14] == _RANDOM else "has an id that is not random (UUID version 4)"


def _is_fact(id_: str, body: bytes, said: dict[str, Any], told: _Told) -> bool:
    address, part, parts, content = (said.get(name) for name in ("address", "part", "parts", "content"))
    if not isinstance(address, str) or not isinstance(content, str) or type(part) is not int or type(parts) is not int:
        return False
    if part < 0 or id_ != entry_id(address, part):
        return False
    right = entries(address, content) if parts == 1 and _vouches(address, content) else told(address)
    return part < len(right) and right[part] == (id_, body)


def _vouches(address: str, content: str) -> bool:
    kind = address.partition(":")[0]
    if kind != "bundle":
        return address_of(kind, content) == address
    try:
        files = records.decode(content.encode(), BundleFact).files
    except RecordUnreadable:
        return False
    return bundle_address(digest_of([PolicyFile(path=path, content=text.encode()) for path, text in files])) == address
