"""What telemetry asks of storage: usage with the position it was counted up to, the audit log, and signals to deliver.

Every method's docstring is its contract; `tests/contract/telemetry` proves it for memory, SQLite and PostgreSQL.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from ringfence_kit.clock import Instant
from ringfence_kit.events import EMPTY, Revision
from ringfence_kit.store import Recorder

from ringfence_telemetry.labels import Label
from ringfence_telemetry.progress import Progress as Progress
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.signals import Conduct, Signal
from ringfence_telemetry.spans import SpanFact
from ringfence_telemetry.store.alerts import AlertRows, AlertStore
from ringfence_telemetry.store.audit import AuditLogStore, AuditLogTx
from ringfence_telemetry.store.audit import StoredEntry as StoredEntry
from ringfence_telemetry.store.budgets import BudgetRows, BudgetStore
from ringfence_telemetry.store.evaluations import EvaluationRows, EvaluationStore
from ringfence_telemetry.store.slos import SloRows, SloStore
from ringfence_telemetry.store.usage import PriceRows, RollupTx, UsageStore
from ringfence_telemetry.store.workflows import WorkEvidenceTx, WorkflowStore, WorkflowTx
from ringfence_telemetry.trace_keys import TraceKey as TraceKey

PRINCIPAL = "telemetry"
"""Who changes what telemetry changes by itself: totals, the audit log, the queue of signals."""


class TraceMoved(Exception):  # noqa: N818 - named for what happened, like the failures of the kit
    """Another replica entered spans of one of these traces meanwhile: read them again, and decide again."""


class TracePart(msgspec.Struct, frozen=True, array_like=True):
    """Spans of one trace that were counted together. (A Struct for the reason SpanFact is one.)"""

    reporter: str
    """Digest of the reporter's record."""
    facts: list[SpanFact]
    prices: Revision = EMPTY
    """The state of the price book they were charged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPart:
    """A part to keep: the `number`th of its trace, from 0."""

    trace: TraceKey
    number: int
    part: TracePart
    received_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTrace:
    """What is kept of a trace."""

    parts: Sequence[tuple[Reporter, TracePart]]
    """In the order they were counted; the oldest may have been forgotten."""
    next_number: int


@dataclass(frozen=True, slots=True)
class PendingSignal:
    """A signal that has not been delivered, and its place in the order of delivery."""

    number: int
    signal: Signal


class UsageTx(RollupTx, Protocol):
    """Counting usage."""

    def keep_parts(self, parts: Sequence[NewPart]) -> None:
        """Keep spans so that their ledgers can be built again. Raises TraceMoved when a part of that number is kept."""
        ...

    def keep_reporters(self, reporters: Mapping[str, Reporter]) -> None:
        """Keep reporters by their digests; those that are kept already stay."""
        ...

    def keep_labels(self, labels: Sequence[Label]) -> None:
        """Keep admitted names; those that are kept already stay."""
        ...

    def advance(self, log_id: str, progress: Progress) -> None:
        """Set how far the log has been worked off."""
        ...

    def forget_parts(self, *, received_before: Instant, limit: int) -> int:
        """Drop up to `limit` parts received before an instant; return how many were dropped."""
        ...

    def forget_labels(self, *, before_day: int) -> None:
        """Drop names of earlier days."""
        ...


class EvidenceTx(Protocol):
    """What is remembered of agents, and the signals that follow."""

    def conduct(self, did: str, environment: str) -> Conduct | None:
        """Return what is remembered of an agent, or None."""
        ...

    def remember(self, conduct: Conduct) -> None:
        """Keep what is to be remembered of an agent."""
        ...

    def queue_signals(self, signals: Sequence[Signal]) -> None:
        """Queue signals for delivery, in this order, after all queued before. One whose id was queued once is left."""
        ...

    def settle_signals(self, outcomes: Mapping[int, str]) -> None:
        """Take signals, by number, out of the queue, each with what the receiver made of it."""
        ...


class AuditTx(AuditLogTx, EvidenceTx, WorkEvidenceTx, Protocol):
    """Appending to the audit log, with what follows from it."""


class TelemetryTx(
    Recorder, UsageTx, AuditTx, AlertRows, BudgetRows, PriceRows, WorkflowTx, EvaluationRows, SloRows, Protocol
):
    """All that one transaction may do. Reads see the transaction's own writes."""


class TelemetryStore(
    UsageStore, AuditLogStore, AlertStore, BudgetStore, WorkflowStore, EvaluationStore, SloStore, Protocol
):
    """Reads outside a mutation."""

    async def revision(self) -> Revision:
        """Return the revision of the newest event."""
        ...

    async def progress(self, log_id: str) -> Progress:
        """Return how far a log has been worked off; a log never seen is at its beginning."""
        ...

    async def kept(self, traces: Collection[TraceKey]) -> Mapping[TraceKey, KeptTrace]:
        """Return what is kept of `traces`; those of which nothing is kept are absent."""
        ...

    async def labels(self, *, from_day: int) -> Sequence[Label]:
        """Return the names admitted on `from_day` and later."""
        ...

    async def pending_signals(self, *, limit: int) -> Sequence[PendingSignal]:
        """Return up to `limit` signals that wait for delivery, in order."""
        ...

    async def pending_signal_count(self) -> int:
        """Return how many signals wait for delivery."""
        ...
