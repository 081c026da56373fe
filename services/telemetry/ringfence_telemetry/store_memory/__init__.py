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
from ringfence_telemetry.store_memory.evaluations import MemoryEvaluationStore, MemoryEvaluationTx
from ringfence_telemetry.store_memory.slos import MemorySloStore, MemorySloTx
from ringfence_telemetry.store_memory.workflows import MemoryWorkflowStore, MemoryWorkflowTx
from ringfence_telemetry.usage import Counts, UsageKey
from ringfence_telemetry.usage_query import ROWS_MAX, UsageQuery, UsageTotals

USAGE: MemoryTable[UsageKey, Counts] = MemoryTable("usage")
PARTS: MemoryTable[tuple[TraceKey, int], tuple[Instant, bytes]] = MemoryTable("trace_parts")
REPORTERS: MemoryTable[str, Reporter] = MemoryTable("reporters")
LABELS: MemoryTable[Label, None] = MemoryTable("labels")
LOGS: MemoryTable[str, Progress] = MemoryTable("ingest_logs")
CONDUCTS: MemoryTable[tuple[str, str], Conduct] = MemoryTable("conducts")
SIGNALS: MemoryTable[int, tuple[Signal, str]] = MemoryTable("signals")


class MemoryTelemetryTx(MemoryTx, MemoryAuditLogTx, MemoryAlertTx, MemoryWorkflowTx, MemoryEvaluationTx, MemorySloTx):
    """A `TelemetryTx` on rows in memory."""

    def add_usage(self, changes: Mapping[UsageKey, Counts]) -> None:
        """See `UsageTx`."""
        rows = self.rows.table(USAGE)
        for key, counts in changes.items():
            rows[key] = _sum(rows.get(key, Counts()), counts)

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

    def has_usage(self, agent: str) -> bool:
        """See `AuditTx`."""
        return any(key.agent == agent and not key.untrusted for key in self.rows.table(USAGE))


class MemoryTelemetryStore(
    MemoryAuditLogStore, MemoryAlertStore, MemoryWorkflowStore, MemoryEvaluationStore, MemorySloStore
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

    async def usage(self, query: UsageQuery) -> Sequence[UsageTotals]:
        """See `TelemetryStore`."""
        return await self._database.read(lambda rows: _usage(rows, query))

    async def pending_signals(self, *, limit: int) -> Sequence[PendingSignal]:
        """See `TelemetryStore`."""
        return await self._database.read(lambda rows: _pending(rows)[:limit])

    async def pending_signal_count(self) -> int:
        """See `TelemetryStore`."""
        return await self._database.read(lambda rows: len(_pending(rows)))


def _sum(left: Counts, right: Counts) -> Counts:
    return Counts._make(a + b for a, b in zip(left, right, strict=True))


def _kept(rows: MemoryRows, traces: frozenset[TraceKey]) -> dict[TraceKey, KeptTrace]:
    found: dict[TraceKey, KeptTrace] = {}
    for (trace, number), (_, record) in sorted(rows.table(PARTS).items()):
        if trace in traces:
            part = records.decode(record, TracePart)
            before = found[trace].parts if trace in found else ()
            with_reporter = (rows.table(REPORTERS)[part.reporter], part)
            found[trace] = KeptTrace(parts=(*before, with_reporter), next_number=number + 1)
    return found


def _usage(rows: MemoryRows, query: UsageQuery) -> list[UsageTotals]:
    sums: dict[tuple[tuple[str, ...], bool], Counts] = {}
    for key, counts in rows.table(USAGE).items():
        if _asked(key, query):
            group = tuple(getattr(key, each.value) for each in query.group_by), key.untrusted
            sums[group] = _sum(sums.get(group, Counts()), counts)
    totals = [
        UsageTotals(groups=groups, untrusted=untrusted, counts=counts)
        for (groups, untrusted), counts in sums.items()
        if counts.spans
    ]
    totals.sort(key=lambda row: (-(row.counts.input_tokens + row.counts.output_tokens), row.groups, row.untrusted))
    return totals[:ROWS_MAX]


def _asked(key: UsageKey, query: UsageQuery) -> bool:
    return (
        query.agent in ("", key.agent)
        and query.session in ("", key.session)
        and (query.first_minute is None or key.minute >= query.first_minute)
        and (query.end_minute is None or key.minute < query.end_minute)
    )


def _pending(rows: MemoryRows) -> list[PendingSignal]:
    return [PendingSignal(number, signal) for number, (signal, outcome) in rows.table(SIGNALS).items() if not outcome]
