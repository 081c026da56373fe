"""The contract of storage: what a service may ask of a store, and what a store owes it.

Every implementation (SQLite, PostgreSQL, memory) keeps these rules, and one suite proves it for all
(`tests/contract/kit`):

- a mutation is a plain function `work(tx)`; it is applied whole or not at all, one after another, never interleaved;
- a `work` that raises leaves no trace, and takes none of the works committed together with it down;
- `write` answers after the data is on disk *and* the service's snapshot has seen the events: a caller reads its own
  writes, and what was acknowledged survives kill -9;
- events are written in the same transaction as the rows; their revisions have no gap and no repeat, also with several
  replicas on one database;
- a `request_id` seen within 24 hours gives the first result again and changes nothing.

A `work` runs off the event loop in some stores, so it touches nothing but its `tx` and its own arguments, reads no
clock (take `mutation.at`) and never blocks on anything but `tx`. It may run and yet not count (its commit failed), so
it has no effect outside `tx`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.events import Change, Event, Revision

T = TypeVar("T")
Tx_co = TypeVar("Tx_co", covariant=True)

REQUEST_KEPT: Millis = DAY
"""How long the result of a `request_id` is replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """Who asks for a change, when, and how a repetition of the same request is recognised."""

    principal: str
    """The caller; becomes the `actor` of every event the work records."""
    at: Instant
    """When the service received the call; becomes the events' `at`."""
    request_id: str = ""
    """The caller's idempotency key; empty means that a repetition is a second request."""
    method: str = ""
    """The full method name, so one id cannot serve two methods."""
    fingerprint: bytes = b""
    """`fingerprint_of` the request without its request_id."""

    def same_request(self, other: "Mutation") -> bool:
        """Say whether `other` repeats this request: the same caller, method and content."""
        return (self.principal, self.method, self.fingerprint) == (other.principal, other.method, other.fingerprint)


def fingerprint_of(request: bytes) -> bytes:
    """Return what stands for a request when two are compared: SHA-256 of its deterministic bytes, id cleared."""
    return hashlib.sha256(request).digest()


class Recorder(Protocol):
    """The part of every service's `Tx` that the kit provides."""

    @property
    def next_revision(self) -> Revision:
        """The revision the next `record` will get, for etags and records that carry it."""
        ...

    def record(self, change: Change, kind: str, name: str, record: bytes) -> Revision:
        """Append an event to this transaction and return its revision."""
        ...


class Writer(Protocol[Tx_co]):
    """Applies mutations, one transaction each."""

    async def write(
        self, work: Callable[[Tx_co], T], *, mutation: Mutation, result: type[T], validate_only: bool = False
    ) -> T:
        """Run `work` in a transaction and return what it returned, once that is durable and applied.

        `result` is the type of what `work` returns; it is stored by `records.encode` when there is a `request_id`,
        and a repetition gets it back by `records.decode` without running `work`. Only success is remembered: a
        request that failed may be repeated and runs again.

        `validate_only` runs `work`, returns its result, and undoes everything (AIP-163); request ids play no part.

        Raises what `work` raised; `RequestIdReused` when the id came with another method, principal or fingerprint;
        `Unavailable` when the store could not commit, is closing, or too many writes wait. After `Unavailable` the
        change may or may not have happened, as after a lost connection: repeat it with the same `request_id`.

        A caller cancelled while it waits leaves no half: the work is applied whole or not at all.
        """
        ...

    async def compact(self, keep: int) -> Revision:
        """Forget all but the newest `keep` events and return the newest revision forgotten so far."""
        ...


class EventReader(Protocol):
    """The stored history."""

    async def newest(self) -> Revision:
        """Return the revision of the newest event, 0 when there was never one."""
        ...

    async def read(self, after: Revision, limit: int) -> Sequence[Event]:
        """Return up to `limit` events after revision `after`, oldest first, without a gap.

        Raises `RevisionCompacted` when an event after `after` is no longer kept.
        """
        ...


class StorageRefused(Exception):  # noqa: N818 - named for what happened, like every failure
    """The data must not be opened like this. The message is a sentence that says why, and what to do."""


class DataInUse(StorageRefused):
    """Another process has the data open."""

    def __init__(self, *, path: str, holder: str) -> None:
        super().__init__(
            f"{path} is in use by {holder}; stop that process, or give this one its own data directory with --data"
        )
        self.path = path
        self.holder = holder


class DatabaseTooNew(StorageRefused):
    """A newer release has migrated the database; this one would read it wrongly."""

    def __init__(self, *, service: str, unknown: Sequence[str]) -> None:
        super().__init__(
            f"the {service} database has migrations this release does not know ({', '.join(unknown)}): it was opened "
            "by a newer release; run that release or a later one, or restore the backup made before the upgrade"
        )
        self.unknown = tuple(unknown)


class DatabaseOfAnotherService(StorageRefused):
    """The URL points at data that belongs to another service."""

    def __init__(self, *, service: str, owner: str) -> None:
        super().__init__(
            f"this database belongs to the {owner} service, not to {service}; "
            "give each service its own SQLite file, PostgreSQL database or schema"
        )
        self.service = service
        self.owner = owner


class StorageFault(Exception):  # noqa: N818 - named for what happened, like every failure
    """Storage and snapshot can no longer be kept in step; the service ends, and a restart loads them anew."""
