"""Evaluation in SQL."""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.sql import Database

from ringfence_telemetry.evaluation.counts import CountChange, Counted, CountKey
from ringfence_telemetry.evaluation.drift import Baseline
from ringfence_telemetry.evaluation.gate import AcceptanceGate
from ringfence_telemetry.evaluation.judgement import Judgement
from ringfence_telemetry.evaluation.work import TraceWork
from ringfence_telemetry.store.evaluations import DECISIONS_MAX
from ringfence_telemetry.store_sql.statements import batches, insert_into, replace_row, replace_rows
from ringfence_telemetry.tables.audit import audit_entries
from ringfence_telemetry.tables.evaluations import (
    acceptance_gates,
    baselines,
    evaluation_counts,
    judgements,
    trace_works,
)
from ringfence_telemetry.tables.workflows import decision_traces


class SqlEvaluationTx:
    """`EvaluationRows` on a connection."""

    connection: sa.Connection

    def keep_judgements(self, found: Sequence[Judgement]) -> Sequence[Judgement]:
        """See `EvaluationRows`."""
        first: dict[str, Judgement] = {}
        for judgement in found:
            first.setdefault(judgement.key, judgement)
        if not first:
            return []
        insert = insert_into(self.connection, judgements).on_conflict_do_nothing().returning(judgements.c.key)
        kept = set(self.connection.execute(insert, [_row(each) for each in first.values()]).scalars())
        return [judgement for judgement in first.values() if judgement.key in kept]

    def nobodys_judgements(self, trace_ids: Collection[bytes], *, limit: int) -> Sequence[Judgement]:
        """See `EvaluationRows`."""
        found: list[Judgement] = []
        for some in batches(sorted(trace_ids)):
            query = (
                sa.select(judgements.c.record)
                .where(judgements.c.trace.in_(some), judgements.c.agent == "")
                .order_by(judgements.c.trace, judgements.c.key)
                .limit(limit - len(found))
            )
            found += [records.decode(record, Judgement) for record in self.connection.scalars(query)]
        return found

    def say_whose(self, judgement: Judgement) -> None:
        """See `EvaluationRows`."""
        self.connection.execute(sa.update(judgements).where(judgements.c.key == judgement.key).values(_row(judgement)))

    def judged_bad(self, trace_ids: Collection[bytes]) -> Mapping[bytes, frozenset[str]]:
        """See `EvaluationRows`."""
        bad: dict[bytes, frozenset[str]] = {}
        for some in batches(trace_ids):
            query = (
                sa.select(judgements.c.trace, judgements.c.agent)
                .distinct()
                .where(judgements.c.trace.in_(some), judgements.c.passed.is_(False), judgements.c.agent != "")
            )
            for row in self.connection.execute(query):
                trace = bytes(row.trace)
                bad[trace] = bad.get(trace, frozenset()) | {row.agent}
        return bad

    def decision_bodies(self, trace_ids: Collection[bytes]) -> Mapping[bytes, Sequence[bytes]]:
        """See `EvaluationRows`."""
        bodies: dict[bytes, list[bytes]] = {}
        for some in batches(trace_ids):
            query = (
                sa.select(decision_traces.c.trace_id, audit_entries.c.body)
                .join(audit_entries, decision_traces.c.position == audit_entries.c.position)
                .where(decision_traces.c.trace_id.in_(some))
                .order_by(decision_traces.c.position)
            )
            for row in self.connection.execute(query):
                of_trace = bodies.setdefault(bytes(row.trace_id), [])
                if len(of_trace) < DECISIONS_MAX:
                    of_trace.append(bytes(row.body))
        return bodies

    def add_evaluation_counts(self, change: CountChange) -> None:
        """See `EvaluationRows`."""
        # In one order everywhere, so that replicas cannot lock rows crosswise.
        rows = [{**key._asdict(), "number": change[key]} for key in sorted(change)]
        if rows:
            insert = insert_into(self.connection, evaluation_counts)
            added = {"number": evaluation_counts.c.number + insert.excluded.number}
            self.connection.execute(insert.on_conflict_do_update(index_elements=CountKey._fields, set_=added), rows)

    def evaluation_number(self, key: CountKey) -> int:
        """See `EvaluationRows`."""
        same = [evaluation_counts.c[name] == value for name, value in key._asdict().items()]
        return self.connection.scalar(sa.select(evaluation_counts.c.number).where(*same)) or 0

    def trace_works(self, trace_ids: Collection[bytes]) -> Mapping[bytes, TraceWork]:
        """See `EvaluationRows`."""
        works: dict[bytes, TraceWork] = {}
        for some in batches(trace_ids):
            query = sa.select(trace_works.c.record).where(trace_works.c.trace.in_(some))
            for record in self.connection.scalars(query):
                work = records.decode(record, TraceWork)
                works[work.trace_id] = work
        return works

    def keep_trace_works(self, works: Sequence[TraceWork]) -> None:
        """See `EvaluationRows`."""
        rows = [{"trace": work.trace_id, "at": work.at, "record": records.encode(work)} for work in works]
        replace_rows(self.connection, trace_works, rows)

    def acceptance_gate(self, agent: str) -> AcceptanceGate | None:
        """See `EvaluationRows`."""
        return _gate(self.connection, agent)

    def keep_acceptance_gate(self, gate: AcceptanceGate) -> None:
        """See `EvaluationRows`."""
        replace_row(self.connection, acceptance_gates, {"agent": gate.agent, "record": records.encode(gate)})

    def keep_baseline(self, baseline: Baseline) -> None:
        """See `EvaluationRows`."""
        row = {"agent": baseline.agent, "version": baseline.version, "record": records.encode(baseline)}
        replace_row(self.connection, baselines, row)

    def forget_judgements(self, *, recorded_before: Instant, limit: int) -> int:
        """See `EvaluationRows`."""
        old = sa.select(judgements.c.key).where(judgements.c.recorded_at < recorded_before).limit(limit)
        over = sa.select(trace_works.c.trace).where(trace_works.c.at < recorded_before).limit(limit)
        judged = self.connection.execute(sa.delete(judgements).where(judgements.c.key.in_(old))).rowcount
        return max(
            judged, self.connection.execute(sa.delete(trace_works).where(trace_works.c.trace.in_(over))).rowcount
        )

    def forget_evaluation_counts(self, *, before_day: int) -> None:
        """See `EvaluationRows`."""
        self.connection.execute(sa.delete(evaluation_counts).where(evaluation_counts.c.day < before_day))


class SqlEvaluationStore:
    """An `EvaluationStore` on a database."""

    _database: Database

    async def evaluation_counts(
        self, agents: Collection[str], *, version: str = "", first_day: int, last_day: int
    ) -> Sequence[Counted]:
        """See `EvaluationStore`."""
        columns = evaluation_counts.c.what, evaluation_counts.c.name
        query = (
            sa.select(*columns, sa.func.sum(evaluation_counts.c.number))
            .where(evaluation_counts.c.agent.in_(agents), evaluation_counts.c.day.between(first_day, last_day))
            .group_by(*columns)
            .order_by(*columns)
        )
        if version:
            query = query.where(evaluation_counts.c.version == version)
        found = await self._database.read(lambda connection: connection.execute(query).all())
        return [Counted(row[0], row[1], int(row[2])) for row in found if row[2]]

    async def scores(
        self, agents: Collection[str], *, version: str = "", start: Instant, end: Instant, limit: int
    ) -> Mapping[str, Sequence[float]]:
        """See `EvaluationStore`."""
        query = (
            sa.select(judgements.c.record)
            .where(judgements.c.agent.in_(agents), judgements.c.scored.is_(True))
            .where(judgements.c.at >= start, judgements.c.at < end)
            .order_by(judgements.c.at.desc(), judgements.c.key.desc())
            .limit(limit)
        )
        if version:
            query = query.where(judgements.c.version == version)
        # Off the event loop: thousands of records.
        return await self._database.read(lambda connection: _scores(connection.scalars(query).all()))

    async def gate_of(self, agent: str) -> AcceptanceGate | None:
        """See `EvaluationStore`."""
        return await self._database.read(lambda connection: _gate(connection, agent))

    async def baseline(self, agent: str, version: str) -> Baseline | None:
        """See `EvaluationStore`."""
        query = sa.select(baselines.c.record).where(baselines.c.agent == agent, baselines.c.version == version)
        record = await self._database.read(lambda connection: connection.scalar(query))
        return None if record is None else records.decode(record, Baseline)

    async def baselines(self, *, after: tuple[str, str], limit: int) -> Sequence[Baseline]:
        """See `EvaluationStore`."""
        agent, version = after
        following = sa.or_(
            baselines.c.agent > agent, sa.and_(baselines.c.agent == agent, baselines.c.version > version)
        )
        query = (
            sa.select(baselines.c.record).where(following).order_by(baselines.c.agent, baselines.c.version).limit(limit)
        )
        found = await self._database.read(lambda connection: connection.scalars(query).all())
        return [records.decode(record, Baseline) for record in found]


def _scores(newest_first: Sequence[bytes]) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {}
    for judgement in (records.decode(record, Judgement) for record in reversed(newest_first)):
        if judgement.score is not None:
            scores.setdefault(judgement.metric, []).append(judgement.score)
    return scores


def _row(judgement: Judgement) -> dict[str, object]:
    return {
        "key": judgement.key,
        "agent": judgement.agent,
        "version": judgement.version,
        "at": judgement.at,
        "recorded_at": judgement.recorded_at,
        "trace": judgement.trace_id or None,
        "passed": judgement.passed,
        "scored": judgement.score is not None,
        "record": records.encode(judgement),
    }


def _gate(connection: sa.Connection, agent: str) -> AcceptanceGate | None:
    record = connection.scalar(sa.select(acceptance_gates.c.record).where(acceptance_gates.c.agent == agent))
    return None if record is None else records.decode(record, AcceptanceGate)
