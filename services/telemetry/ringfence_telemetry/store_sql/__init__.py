"""Telemetry's data in SQL: one code path for SQLite and PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.sql import Database, SqlTx

from ringfence_telemetry.labels import Label, LabelKind
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
from ringfence_telemetry.store_sql.alerts import SqlAlertStore, SqlAlertTx
from ringfence_telemetry.store_sql.audit import SqlAuditLogStore, SqlAuditLogTx
from ringfence_telemetry.store_sql.budgets import SqlBudgetStore, SqlBudgetTx
from ringfence_telemetry.store_sql.evaluations import SqlEvaluationStore, SqlEvaluationTx
from ringfence_telemetry.store_sql.slos import SqlSloStore, SqlSloTx
from ringfence_telemetry.store_sql.statements import batches, insert_new, replace_row, write_tuples
from ringfence_telemetry.store_sql.usage import SqlUsageStore, SqlUsageTx
from ringfence_telemetry.store_sql.workflows import SqlWorkflowStore, SqlWorkflowTx
from ringfence_telemetry.tables import (
    conducts,
    ingest_logs,
    labels,
    reporters,
    signals,
    trace_parts,
)

MIGRATIONS = Path(__file__).parents[1] / "migrations" / "versions"


_INSERT_PARTS = sa.insert(trace_parts)


class SqlTelemetryTx(
    SqlTx, SqlUsageTx, SqlAuditLogTx, SqlAlertTx, SqlBudgetTx, SqlWorkflowTx, SqlEvaluationTx, SqlSloTx
):
    """A `TelemetryTx` on a connection."""

    def keep_parts(self, parts: Sequence[NewPart]) -> None:
        """See `UsageTx`."""
        rows = [(new.trace, new.number, new.received_at, records.encode(new.part)) for new in parts]
        try:
            if rows:
                write_tuples(self.connection, _INSERT_PARTS, rows)
        except sa.exc.IntegrityError:
            raise TraceMoved from None

    def keep_reporters(self, found: Mapping[str, Reporter]) -> None:
        """See `UsageTx`."""
        rows = [{"digest": digest, "record": records.encode(reporter)} for digest, reporter in found.items()]
        insert_new(self.connection, reporters, rows)

    def keep_labels(self, found: Sequence[Label]) -> None:
        """See `UsageTx`."""
        insert_new(self.connection, labels, [{**label._asdict(), "kind": label.kind.value} for label in found])

    def advance(self, log_id: str, progress: Progress) -> None:
        """See `UsageTx`."""
        replace_row(self.connection, ingest_logs, {"log_id": log_id, "record": records.encode(progress)})

    def forget_parts(self, *, received_before: Instant, limit: int) -> int:
        """See `UsageTx`."""
        old = self.connection.execute(
            sa.select(trace_parts.c.trace, trace_parts.c.number)
            .where(trace_parts.c.received_at < received_before)
            .limit(limit)
        ).all()
        if old:
            delete = sa.delete(trace_parts).where(
                trace_parts.c.trace == sa.bindparam("a_trace"), trace_parts.c.number == sa.bindparam("a_number")
            )
            self.connection.execute(delete, [{"a_trace": row.trace, "a_number": row.number} for row in old])
        return len(old)

    def forget_labels(self, *, before_day: int) -> None:
        """See `UsageTx`."""
        self.connection.execute(sa.delete(labels).where(labels.c.day < before_day))

    def conduct(self, did: str, environment: str) -> Conduct | None:
        """See `AuditTx`."""
        query = sa.select(conducts.c.record).where(conducts.c.did == did, conducts.c.environment == environment)
        record = self.connection.scalar(query)
        return None if record is None else records.decode(record, Conduct)

    def remember(self, conduct: Conduct) -> None:
        """See `AuditTx`."""
        replace_row(
            self.connection,
            conducts,
            {"did": conduct.did, "environment": conduct.environment, "record": records.encode(conduct)},
        )

    def queue_signals(self, found: Sequence[Signal]) -> None:
        """See `AuditTx`."""
        if not found:
            return
        newest = self.connection.scalar(sa.select(sa.func.max(signals.c.number)))
        number = -1 if newest is None else newest
        known = self._known_signals([signal.signal_id for signal in found])
        rows = []
        for signal in found:
            if signal.signal_id not in known:
                known.add(signal.signal_id)
                number += 1
                row = {"number": number, "signal_id": signal.signal_id, "outcome": ""}
                rows.append({**row, "record": records.encode(signal)})
        if rows:
            self.connection.execute(sa.insert(signals), rows)

    def settle_signals(self, outcomes: Mapping[int, str]) -> None:
        """See `AuditTx`."""
        update = sa.update(signals).where(signals.c.number == sa.bindparam("a_number"))
        rows = [{"a_number": number, "outcome": outcome} for number, outcome in outcomes.items()]
        if rows:
            self.connection.execute(update, rows)

    def _known_signals(self, ids: Sequence[str]) -> set[str]:
        known: set[str] = set()
        for some in batches(ids):
            known.update(self.connection.scalars(sa.select(signals.c.signal_id).where(signals.c.signal_id.in_(some))))
        return known


class SqlTelemetryStore(
    SqlUsageStore, SqlAuditLogStore, SqlAlertStore, SqlBudgetStore, SqlWorkflowStore, SqlEvaluationStore, SqlSloStore
):
    """A `TelemetryStore` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revision(self) -> Revision:
        """See `TelemetryStore`."""
        revision, _ = await self._database.load(lambda _connection: None)
        return revision

    async def progress(self, log_id: str) -> Progress:
        """See `TelemetryStore`."""
        query = sa.select(ingest_logs.c.record).where(ingest_logs.c.log_id == log_id)
        record = await self._database.read(lambda connection: connection.scalar(query))
        return Progress() if record is None else records.decode(record, Progress)

    async def kept(self, traces: Collection[TraceKey]) -> Mapping[TraceKey, KeptTrace]:
        """See `TelemetryStore`."""
        return await self._database.read(lambda connection: _kept(connection, traces))

    async def labels(self, *, from_day: int) -> Sequence[Label]:
        """See `TelemetryStore`."""
        query = sa.select(labels).where(labels.c.day >= from_day)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Label(row.day, LabelKind(row.kind), row.principal, row.label) for row in rows]

    async def pending_signals(self, *, limit: int) -> Sequence[PendingSignal]:
        """See `TelemetryStore`."""
        query = (
            sa.select(signals.c.number, signals.c.record)
            .where(signals.c.outcome == "")
            .order_by(signals.c.number)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [PendingSignal(row.number, records.decode(row.record, Signal)) for row in rows]

    async def pending_signal_count(self) -> int:
        """See `TelemetryStore`."""
        query = sa.select(sa.func.count()).select_from(signals).where(signals.c.outcome == "")
        return await self._database.read(lambda connection: connection.execute(query).scalar_one())


def _kept(connection: sa.Connection, traces: Collection[TraceKey]) -> dict[TraceKey, KeptTrace]:
    found: dict[TraceKey, list[tuple[int, TracePart]]] = {}
    for some in batches(traces):
        query = (
            sa.select(trace_parts.c.trace, trace_parts.c.number, trace_parts.c.record)
            .where(trace_parts.c.trace.in_(some))
            .order_by(trace_parts.c.trace, trace_parts.c.number)
        )
        for row in connection.execute(query):
            found.setdefault(TraceKey(row.trace), []).append((row.number, records.decode(row.record, TracePart)))
    known = _reporters(connection, {part.reporter for parts in found.values() for _, part in parts})
    return {
        trace: KeptTrace(parts=[(known[part.reporter], part) for _, part in parts], next_number=parts[-1][0] + 1)
        for trace, parts in found.items()
    }


def _reporters(connection: sa.Connection, digests: Collection[str]) -> dict[str, Reporter]:
    known: dict[str, Reporter] = {}
    for some in batches(digests):
        for row in connection.execute(sa.select(reporters).where(reporters.c.digest.in_(some))):
            known[row.digest] = records.decode(row.record, Reporter)
    return known
