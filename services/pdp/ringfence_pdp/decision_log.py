"""The decision log's near end: every decision into a spool on disk, and from there to telemetry's Merkle log.

The rules:

- a decision is handed over before it is answered, and is on disk a few milliseconds later with others
  (`decision_batches.py`), so no answer waits for the disk. A process that is killed in between loses those few, and
  nothing else;
- a spool that is full or cannot be written makes `take` raise: what that means for the answer is for `sitting.py`;
- delivery repeats a batch until telemetry acknowledges it; telemetry drops what it had.
"""

from collections.abc import Sequence
from typing import Protocol

from ringfence_kit.errors import Unavailable
from ringfence_kit.spool import SpoolFull

FACTS_REMEMBERED = 200_000
"""What is told again after that is the same entry again."""


class Offers(Protocol):
    """The producer's side of a spool whose hooks are `DecisionLog.kept` and `refused`."""

    def post(self, decision_id: str, body: bytes, /) -> None:
        """Queue a decision; the hooks tell what became of it. Raises SpoolFull at once."""
        ...

    @property
    def undelivered(self) -> int:
        """Decisions telemetry has not taken yet."""
        ...

    @property
    def used_bytes(self) -> int:
        """Bytes they take."""
        ...


class DecisionLog:
    """Takes decisions while a spool is attached."""

    def __init__(self, *, stops_when_full: bool) -> None:
        self.stops_when_full = stops_when_full
        """Whether to answer nothing at all while nothing can be logged."""
        self.unlogged = 0
        """Decisions answered, or refused, without an entry."""
        self.spool: Offers | None = None
        """Where decisions go; None before the pdp runs."""
        self.facts: set[str] = set()
        """Addresses of the facts that were told, as far as they are remembered; empty again after a failure."""
        self.failures = 0
        """How often something that was taken was not kept: what was told before may have to be told again."""
        self._failing: Unavailable | None = None

    def attach(self, spool: Offers) -> None:
        """Use `spool` from now on."""
        self.spool = spool

    @property
    def failing(self) -> str:
        """Why nothing is kept at the moment; empty while it is, as far as is known."""
        return "" if self._failing is None else self._failing.metadata["problem"]

    def take(self, decision_id: str, body: bytes) -> None:
        """Hand over a decision. Raises Unavailable when it cannot be kept."""
        if self.spool is None:
            raise Unavailable(problem="the decision log is not open yet")
        try:
            self.spool.post(decision_id, body)
        except Unavailable:
            self.unlogged += 1
            raise
        if self._failing is not None:
            # Offered all the same: if the disk takes it, the log is well again.
            self.unlogged += 1
            raise self._failing

    def tell(self, address: str, entries: Sequence[tuple[str, bytes]]) -> None:
        """Hand over the entries of a fact that decisions name. Raises Unavailable when they cannot be kept."""
        for entry_id, body in entries:
            self.take(entry_id, body)
        if len(self.facts) >= FACTS_REMEMBERED:
            self.facts.clear()
        self.facts.add(address)

    def count_lost(self, _decision_id: str) -> None:
        """Count an entry that telemetry refused for good."""
        self.unlogged += 1

    def kept(self, _count: int) -> None:
        """Hear that the spool keeps what it was given."""
        self._failing = None

    def refused(self, failure: Unavailable, entries: int = 0) -> None:
        """Hear that so many entries are not kept that were handed over. That a spool is full is heard before."""
        self.unlogged += entries
        if not isinstance(failure, SpoolFull):
            self._failing = failure
        self.failures += 1
        self.facts.clear()
