"""The one writer of a database: a thread that commits waiting mutations as a group.

One transaction per group: each work in its own savepoint, then events and request ids, then one COMMIT, one fsync; then
the hub hears the events and every caller its answer. While a commit runs the next group gathers by itself, so nobody
waits for a timer. A group's failing commit fails all its callers with `Unavailable`.
"""

from collections.abc import Callable
from typing import Generic, Self, TypeVar

import sqlalchemy as sa

from ringfence_kit.clock import Clock
from ringfence_kit.events import Revision
from ringfence_kit.sql import Database
from ringfence_kit.store import Mutation, Recorder
from ringfence_kit.watch import EventHub

T = TypeVar("T")
Tx = TypeVar("Tx")

GROUP_MAX = 256
"""The most works one transaction takes."""

EVENTS_KEPT = 100_000
"""How many events housekeeping keeps unless told otherwise."""


class SqlWriter(Generic[Tx]):
    """The `Writer` over an open `Database`, at work inside `async with`.

    Entering starts the writer thread, the hub's heartbeat, housekeeping and (PostgreSQL) the listener; `hub.start` has
    been called. Leaving applies what waits, then ends them. A `StorageFault` in any of them cancels the block and is
    raised from it: the service ends rather than serve a snapshot that no longer follows its data.
    """

    def __init__(
        self,
        database: Database,
        make_tx: Callable[[sa.Connection, Recorder], Tx],
        hub: EventHub,
        *,
        clock: Clock,
        keep_events: int = EVENTS_KEPT,
        group_max: int = GROUP_MAX,
    ) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(self, *exc_info: object) -> None:
        raise NotImplementedError

    async def write(
        self, work: Callable[[Tx], T], *, mutation: Mutation, result: type[T], validate_only: bool = False
    ) -> T:
        """Apply `work`, see `store.Writer.write`."""
        raise NotImplementedError

    async def compact(self, keep: int) -> Revision:
        """Forget old events, see `store.Writer.compact`."""
        raise NotImplementedError
