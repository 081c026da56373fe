"""The decision log of a pdp with workers: each worker gathers, the leader's spool keeps, and both know how it stands.

The rules:

- a worker hands over whole batches, written as they will travel, so the leader spends nothing on a single decision;
- that the spool fills up is told before it is full: what was handed over by then has room;
- what a worker has heard of the log is what it answers by, as the leader would: full, failing, or well again;
- what the leader did not take, because it ended or hung, is bounded: a worker that waits for it keeps 8 MiB.
"""

from typing import Final

import msgspec
from ringfence_kit.errors import Unavailable
from ringfence_kit.workers.worker import Line

from ringfence_pdp.decision_batches import BATCH_BYTES, DecisionBatches, entries_of
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.workers.elsewhere import Where

WAITING_MAX: Final = 8 << 20
"""Bytes a worker keeps for a leader that does not take them."""

ROOM: Final = 4 * BATCH_BYTES
"""What each worker may have on its way when it is told that the spool is full."""


class Told(msgspec.Struct, frozen=True):
    """What workers have to know of their leader."""

    full: bool = False
    """Whether the spool has no room."""
    failing: str = ""
    """Why the disk keeps nothing; empty while it does."""
    failures: int = 0
    """How often something was not kept: what was told before may have to be told again."""
    watched: bool = False
    """Whether somebody watches decisions."""


class LeaderLog:
    """The leader's part."""

    def __init__(self, log: DecisionLog, batches: DecisionBatches, *, count: int, max_bytes: int) -> None:
        """`count` is of workers, `max_bytes` those of the spool."""
        self._log = log
        self._batches = batches
        self._room_for = max_bytes - count * ROOM

    def take(self, batch_id: str, batch: bytes) -> None:
        """Take a worker's batch; what cannot be kept is counted."""
        try:
            self._batches.post_batch(batch_id, batch)
        except Unavailable as failure:
            self._log.refused(failure, entries_of(batch_id))

    def stands(self, *, watched: bool) -> Told:
        """Return how it stands."""
        return Told(
            full=self._batches.used_bytes > self._room_for,
            failing=self._log.failing,
            failures=self._log.failures,
            watched=watched,
        )


class WorkerSpool:
    """The worker's part: what its `DecisionBatches` hand batches to."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.full = False
        """Whether the leader's spool is."""

    @property
    def undelivered(self) -> int:
        """Nothing: what the leader took is its own."""
        return 0

    @property
    def used_bytes(self) -> int:
        """Bytes the leader has not taken; all there may be when it could not keep them."""
        return WAITING_MAX if self.full else self._line.waiting

    def post(self, item_id: str, payload: bytes, /) -> None:
        """Hand a batch over."""
        self._line.give(item_id, payload)


def heed(line: Line, log: DecisionLog, spool: WorkerSpool, where: Where) -> None:
    """Let a worker go by what its leader tells, from now on."""
    heard = Told()

    def take(text: str) -> None:
        nonlocal heard
        if not text:
            return
        before, heard = heard, msgspec.json.decode(text, type=Told)
        spool.full, where.watched = heard.full, heard.watched
        if heard.failures != before.failures or heard.failing:
            log.refused(Unavailable(problem=heard.failing))
        if not heard.failing:
            log.kept(0)

    line.on_told = take
    take(line.told)
