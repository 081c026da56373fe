"""What pieces of work ask of storage: which traces are to be settled, and what the settled ones came to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis

from ringfence_telemetry.trace_keys import TraceKey
from ringfence_telemetry.workflows.summary import Summary

ROOT_WAIT = Millis(30 * SECOND)
"""R7: how long after its root came a trace is settled."""

IDLE_WAIT = Millis(15 * MINUTE)
"""R7: how long after its last span a trace without a root is settled."""


class TraceMark(NamedTuple):
    """Spans of a trace came."""

    key: TraceKey
    rooted: bool
    """Whether the root, which a sender sends when it has ended, is among them."""
    received_at: Instant


class DueTrace(NamedTuple):
    """A trace that is to be settled."""

    key: TraceKey
    marks: int
    """How often spans of it came: when that has changed, what was read of it is no longer all."""
    due_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowQuery:
    """Which pieces of work to list."""

    agent: str = ""
    """Only those it had a part in; empty means all."""
    as_agent: bool = False
    """Whether each counts as the agent's own part in it: begun and failed as that did, and believed."""
    session: str = ""
    first: Instant | None = None
    """Only those begun at or after."""
    end: Instant | None = None
    """Only those begun before."""
    failed_only: bool = False
    before: tuple[Instant, TraceKey] | None = None
    """Only those after this one in the order of the list."""
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedWorkflow:
    """A piece of work in a list."""

    summary: Summary
    waits: bool
    """Whether spans came since it was settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedOutcome:
    """What somebody said came of a piece of work."""

    index: int
    """Its entry in the audit log."""
    did: str
    """Whose work."""
    accepted: bool
    work_id: str
    trace_id: bytes = b""


class WorkEvidenceTx(Protocol):
    """Noting which entries of the audit log speak of which work."""

    def note_outcome(self, outcome: NotedOutcome) -> None:
        """Keep an outcome."""
        ...

    def note_decisions(self, traces: Mapping[int, bytes]) -> None:
        """Note of which traces entries of the audit log speak, by their indexes; each entry is noted once."""
        ...


class WorkflowTx(WorkEvidenceTx, Protocol):
    """Settling traces."""

    def mark_due(self, marks: Sequence[TraceMark]) -> None:
        """Put traces on the list of what is to be settled, each at most once a call.

        A trace is due ROOT_WAIT after its root came, or after the first span that came when it was settled already and
        its root is there; without a root IDLE_WAIT after its last span.
        """
        ...

    def claim_due(self, due: Sequence[DueTrace], *, at: Instant) -> Sequence[TraceKey]:
        """Take traces off the list; return those that were still due as they were read.

        However many ask for a trace at once, one gets it. One of which spans came since it was read is due again
        ROOT_WAIT after `at`: so a trace that spans never cease to come of is settled nevertheless, now and then.
        """
        ...

    def summaries(self, keys: Collection[TraceKey]) -> Mapping[TraceKey, Summary]:
        """Return what traces came to when they were settled; those that never were are absent."""
        ...

    def keep_summaries(self, summaries: Sequence[Summary]) -> None:
        """Keep what traces came to, each in the place of what it came to before."""
        ...

    def forget_workflows(self, *, begun_before: Instant, limit: int) -> int:
        """Drop up to `limit` of what began before an instant; return how many."""
        ...

    def forget_settled(self, *, received_before: Instant, limit: int) -> int:
        """Drop up to `limit` traces whose last span came before an instant from the list; return how many.

        Those that are still to be settled stay.
        """
        ...


class WorkflowStore(Protocol):
    """Reads of pieces of work outside a mutation."""

    async def due(self, *, at: Instant, limit: int) -> Sequence[DueTrace]:
        """Return up to `limit` traces that are to be settled by `at`, those that waited longest first."""
        ...

    async def next_due(self) -> Instant | None:
        """Return when the next trace is to be settled; None when there is none."""
        ...

    async def keys_of(self, trace_id: bytes) -> Mapping[TraceKey, bool]:
        """Return the keys under which anything of a trace is kept, and whether each is to be settled; in order."""
        ...

    async def summaries_of(self, keys: Collection[TraceKey]) -> Mapping[TraceKey, Summary]:
        """Return what traces came to when they were settled; those that never were are absent."""
        ...

    async def workflows(self, query: WorkflowQuery) -> Sequence[ListedWorkflow]:
        """Return pieces of work that were settled, the last begun first, ties by their keys backwards."""
        ...

    async def outcomes(self, *, trace_ids: Collection[bytes], work_ids: Collection[str]) -> Sequence[NotedOutcome]:
        """Return the outcomes of traces, and those of work named otherwise, in the order of the audit log."""
        ...

    async def decisions_in(self, trace_id: bytes, *, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return up to `limit` entries of the audit log that speak of a trace, index and body, in log order."""
        ...
