"""Telemetry's data in memory: for the contract suite and for tests of use cases."""

from collections.abc import Collection, Mapping, Sequence

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable, MemoryTx

from ringfence_telemetry.labels import Label
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.signals import Conduct, Signal
from ringfence_telemetry.store import (
    KeptTrace,
    NewPart,
    PendingSignal,
    Progress,
    TraceKey,
    TraceMoved,
    TracePart,
)
from ringfence_telemetry.store_memory.alerts import MemoryAlertStore, MemoryAlertTx
from ringfence_telemetry.store_memory.audit import MemoryAuditLogStore, MemoryAuditLogTx
from ringfence_telemetry.store_memory.budgets import MemoryBudgetStore, MemoryBudgetTx
from ringfence_telemetry.store_memory.evaluations import MemoryEvaluationStore, MemoryEvaluationTx
from ringfence_telemetry.store_memory.slos import MemorySloStore, MemorySloTx
from ringfence_telemetry.store_memory.usage import MemoryUsageStore, MemoryUsageTx
from ringfence_telemetry.store_memory.workflows import MemoryWorkflowStore, MemoryWorkflowTx

PARTS: MemoryTable[tuple[TraceKey, int], tuple[Instant, bytes]] = MemoryTable("trace_parts")
REPORTERS: MemoryTable[str, Reporter] = MemoryTable("reporters")
LABELS: MemoryTable[Label, None] = MemoryTable("labels")
LOGS: MemoryTable[str, Progress] = MemoryTable("ingest_logs")
CONDUCTS: MemoryTable[tuple[str, str], Conduct] = MemoryTable("conducts")
SIGNALS: MemoryTable[int, tuple[Signal, str]] = MemoryTable("signals")


class MemoryTelemetryTx(
    MemoryTx,
    MemoryUsageTx,
    MemoryAuditLogTx,
    MemoryAlertTx,
    MemoryBudgetTx,
    MemoryWorkflowTx,
    MemoryEvaluationTx,
    MemorySloTx,
):
    """A `TelemetryTx` on rows in memory."""

    def keep_parts(self, parts: Sequence[NewPart]) -> None:
        """See `UsageTx`."""
        rows = self.rows.table(PARTS)
        for new in parts:
            if (new.trace, new.number) in rows:
                raise TraceMoved
            rows[new.trace, new.number] = (new.received_at, records.encode(new.part))

    def keep_reporters(self, reporters: Mapping[str, Reporter]) -> None:
        """See `UsageTx`."""
        for digest, reporter in reporters.items():
            self.rows.table(REPORTERS).setdefault(digest, reporter)

    def keep_labels(self, labels: Sequence[Label]) -> None:
        """See `UsageTx`."""
        self.rows.table(LABELS).update(dict.fromkeys(labels))

    def advance(self, log_id: str, progress: Progress) -> None:
        """See `UsageTx`."""
        self.rows.table(LOGS)[log_id] = progress

    def forget_parts(self, *, received_before: Instant, limit: int) -> int:
        """See `UsageTx`."""
        rows = self.rows.table(PARTS)
        old = [key for key, (received_at, _) in rows.items() if received_at < received_before][:limit]
        for key in old:
            del rows[key]
        return len(old)

    def forget_labels(self, *, before_day: int) -> None:
        """See `UsageTx`."""
        rows = self.rows.table(LABELS)
        for label in [label for label in rows if label.day < before_day]:
            del rows[label]

    def conduct(self, did: str, environment: str) -> Conduct | None:
        """See `AuditTx`."""
        return self.rows.table(CONDUCTS).get((did, environment))

    def remember(self, conduct: Conduct) -> None:
        """See `AuditTx`."""
        self.rows.table(CONDUCTS)[conduct.did, conduct.environment] = conduct

    def queue_signals(self, signals: Sequence[Signal]) -> None:
        """See `AuditTx`."""
        rows = self.rows.table(SIGNALS)
        known = {signal.signal_id for signal, _ in rows.values()}
        for signal in signals:
            if signal.signal_id not in known:
                known.add(signal.signal_id)
                rows[len(rows)] = (signal, "")

    def settle_signals(self, outcomes: Mapping[int, str]) -> None:
        """See `AuditTx`."""
        rows = self.rows.table(SIGNALS)
        for number, outcome in outcomes.items():
            rows[number] = (rows[number][0], outcome)


class MemoryTelemetryStore(
    MemoryUsageStore,
    MemoryAuditLogStore,
    MemoryAlertStore,
    MemoryBudgetStore,
    MemoryWorkflowStore,
    MemoryEvaluationStore,
    MemorySloStore,
):
    """A `TelemetryStore` in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def revision(self) -> Revision:
        """See `TelemetryStore`."""
        revision, _ = await self._database.load(lambda _rows: None)
        return revision

    async def progress(self, log_id: str) -> Progress:
        """See `TelemetryStore`."""
        return await self._database.read(lambda rows: rows.table(LOGS).get(log_id, Progress()))

    async def kept(self, traces: Collection[TraceKey]) -> Mapping[TraceKey, KeptTrace]:
        """See `TelemetryStore`."""
        return await self._database.read(lambda rows: _kept(rows, frozenset(traces)))

    async def labels(self, *, from_day: int) -> Sequence[Label]:
        """See `TelemetryStore`."""
        return await self._database.read(lambda rows: [each for each in rows.table(LABELS) if each.day >= from_day])

    async def pending_signals(self, *, limit: int) -> Sequence[PendingSignal]:
        """See `TelemetryStore`."""
        return await self._database.read(lambda rows: _pending(rows)[:limit])

    async def pending_signal_count(self) -> int:
        """See `TelemetryStore`."""
        return await self._database.read(lambda rows: len(_pending(rows)))


def _kept(rows: MemoryRows, traces: frozenset[TraceKey]) -> dict[TraceKey, KeptTrace]:
    found: dict[TraceKey, KeptTrace] = {}
    for (trace, number), (_, record) in sorted(rows.table(PARTS).items()):
        if trace in traces:
            part = records.decode(record, TracePart)
            before = found[trace].parts if trace in found else ()
            with_reporter = (rows.table(REPORTERS)[part.reporter], part)
            found[trace] = KeptTrace(parts=(*before, with_reporter), next_number=number + 1)
    return found


def _pending(rows: MemoryRows) -> list[PendingSignal]:
    return [PendingSignal(number, signal) for number, (signal, outcome) in rows.table(SIGNALS).items() if not outcome]
