"""Objectives and breakers in SQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.sql import Database

from ringfence_telemetry.breakers.machine import Breaker
from ringfence_telemetry.evaluation.judgement import Judgement
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.windows import Change, Level, reached, slots_of_change
from ringfence_telemetry.store.slos import BlamedAgent, Counted, CountedTrace, SloRecords
from ringfence_telemetry.store_sql.statements import batches, insert_into, replace_row, replace_rows
from ringfence_telemetry.tables import conducts
from ringfence_telemetry.tables.evaluations import judgements
from ringfence_telemetry.tables.slos import breakers, slo_blamed, slo_counts, slo_traces, slos

_JUDGEMENTS_MAX = 1_000
_SUMS = ("good", "bad", "errors", "witnessed")


class SqlSloTx:
    """`SloRows` on a connection."""

    connection: sa.Connection

    def objective(self, name: str) -> Objective | None:
        """See `SloRows`."""
        record = self.connection.scalar(sa.select(slos.c.record).where(slos.c.name == name))
        return None if record is None else records.decode(record, Objective)

    def objectives_of(self, agents: Collection[str]) -> Sequence[Objective]:
        """See `SloRows`."""
        found: dict[str, Objective] = {}
        for some in batches(sorted(agents)):
            for row in self.connection.execute(sa.select(slos.c.name, slos.c.record).where(slos.c.agent.in_(some))):
                found[row.name] = records.decode(row.record, Objective)
        return [found[name] for name in sorted(found)]

    def keep_objective(self, objective: Objective) -> None:
        """See `SloRows`."""
        row = {"name": objective.name, "agent": objective.agent, "record": records.encode(objective)}
        replace_row(self.connection, slos, row)

    def drop_objective(self, name: str) -> None:
        """See `SloRows`."""
        self.drop_slo_counts(name)
        self.connection.execute(sa.delete(slos).where(slos.c.name == name))

    def drop_slo_counts(self, name: str) -> None:
        """See `SloRows`."""
        self.connection.execute(sa.delete(slo_counts).where(slo_counts.c.slo == name))
        self.connection.execute(sa.delete(slo_blamed).where(slo_blamed.c.slo == name))

    def add_slo_counts(self, changes: Mapping[str, Sequence[Change]]) -> None:
        """See `SloRows`."""
        sums: dict[tuple[str, int, int, str], list[int]] = {}
        for name, of_one in changes.items():
            for change in of_one:
                for level, slot in slots_of_change(change):
                    row = sums.setdefault((name, level.value, slot, change.agent), [0, 0, 0, 0])
                    for place, more in enumerate((change.good, change.bad, change.errors, change.witnessed)):
                        row[place] += more
        # In one order everywhere, so that replicas cannot lock rows crosswise.
        keys = ("slo", "level", "slot", "agent", *_SUMS)
        rows = [dict(zip(keys, (*key, *sums[key]), strict=True)) for key in sorted(sums) if any(sums[key])]
        if rows:
            insert = insert_into(self.connection, slo_counts)
            added = {name: slo_counts.c[name] + insert.excluded[name] for name in _SUMS}
            self.connection.execute(insert.on_conflict_do_update(index_elements=keys[:4], set_=added), rows)

    def forget_slo_counts(self, level: Level, *, before_slot: int, limit: int) -> int:
        """See `SloRows`."""
        old = (
            sa.select(slo_counts.c.slo, slo_counts.c.slot, slo_counts.c.agent)
            .where(slo_counts.c.level == level.value, slo_counts.c.slot < before_slot)
            .limit(limit)
        )
        rows = self.connection.execute(old).all()
        if rows:
            delete = sa.delete(slo_counts).where(
                slo_counts.c.slo == sa.bindparam("a_slo"),
                slo_counts.c.level == level.value,
                slo_counts.c.slot == sa.bindparam("a_slot"),
                slo_counts.c.agent == sa.bindparam("an_agent"),
            )
            parameters = [{"a_slo": row.slo, "a_slot": row.slot, "an_agent": row.agent} for row in rows]
            self.connection.execute(delete, parameters)
        return len(rows)

    def counted_traces(self, trace_ids: Collection[bytes]) -> Mapping[bytes, CountedTrace]:
        """See `SloRows`."""
        found: dict[bytes, CountedTrace] = {}
        for some in batches(sorted(trace_ids)):
            for record in self.connection.scalars(
                sa.select(slo_traces.c.record).where(slo_traces.c.trace_id.in_(some))
            ):
                trace = records.decode(record, CountedTrace)
                found[trace.trace_id] = trace
        return found

    def keep_counted_traces(self, traces: Sequence[CountedTrace]) -> None:
        """See `SloRows`."""
        last = {trace.trace_id: trace for trace in traces}
        # In one order everywhere, so that replicas cannot lock rows crosswise.
        rows = [
            {"trace_id": trace_id, "ended_at": last[trace_id].ended_at, "record": records.encode(last[trace_id])}
            for trace_id in sorted(last)
        ]
        replace_rows(self.connection, slo_traces, rows)

    def forget_counted_traces(self, *, ended_before: Instant, limit: int) -> int:
        """See `SloRows`."""
        old = sa.select(slo_traces.c.trace_id).where(slo_traces.c.ended_at < ended_before).limit(limit)
        return self.connection.execute(sa.delete(slo_traces).where(slo_traces.c.trace_id.in_(old))).rowcount

    def evaluation_passed(self, trace_id: bytes, metric: str) -> bool | None:
        """See `SloRows`."""
        query = sa.select(judgements.c.record).where(judgements.c.trace == trace_id, judgements.c.passed.is_not(None))
        said = [records.decode(record, Judgement) for record in self.connection.scalars(query.limit(_JUDGEMENTS_MAX))]
        of_metric = [each.passed for each in said if each.metric == metric]
        return all(of_metric) if of_metric else None

    def slo_blamed(self, name: str, agent: str) -> BlamedAgent:
        """See `SloRows`."""
        query = sa.select(slo_blamed.c.record).where(slo_blamed.c.slo == name, slo_blamed.c.agent == agent)
        record = self.connection.scalar(query)
        return BlamedAgent() if record is None else records.decode(record, BlamedAgent)

    def keep_slo_blamed(self, name: str, agent: str, blamed: BlamedAgent) -> None:
        """See `SloRows`."""
        replace_row(self.connection, slo_blamed, {"slo": name, "agent": agent, "record": records.encode(blamed)})

    def environments_of(self, did: str) -> Sequence[str]:
        """See `SloRows`."""
        query = sa.select(conducts.c.environment).where(conducts.c.did == did).order_by(conducts.c.environment)
        return list(self.connection.scalars(query))

    def breaker(self, agent: str, skill: str) -> Breaker | None:
        """See `SloRows`."""
        query = sa.select(breakers.c.record).where(breakers.c.agent == agent, breakers.c.skill == skill)
        record = self.connection.scalar(query)
        return None if record is None else records.decode(record, Breaker)

    def keep_breaker(self, breaker: Breaker) -> None:
        """See `SloRows`."""
        row = {"agent": breaker.agent, "skill": breaker.skill, "record": records.encode(breaker)}
        replace_row(self.connection, breakers, row)


class SqlSloStore:
    """An `SloStore` on a database."""

    _database: Database

    async def slo_records(self, *, newest_minute: int) -> SloRecords:
        """See `SloStore`."""
        revision, (objectives, counted, kept) = await self._database.load(
            lambda connection: _records(connection, newest_minute)
        )
        return SloRecords(revision=revision, objectives=objectives, counted=counted, breakers=kept)

    async def slo_counts(self, name: str, *, end_minute: int) -> Sequence[Counted]:
        """See `SloStore`."""
        return await self._database.read(lambda connection: _counted(connection, name, end_minute))

    async def slo_blamed_by(self, name: str) -> Mapping[str, BlamedAgent]:
        """See `SloStore`."""
        query = sa.select(slo_blamed.c.agent, slo_blamed.c.record).where(slo_blamed.c.slo == name)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.agent: records.decode(row.record, BlamedAgent) for row in rows}


def _records(
    connection: sa.Connection, newest_minute: int
) -> tuple[list[Objective], dict[str, list[Counted]], list[Breaker]]:
    found = connection.scalars(sa.select(slos.c.record).order_by(slos.c.name))
    objectives = [records.decode(record, Objective) for record in found]
    counted = {each.name: _counted(connection, each.name, newest_minute + Level.HOUR.value) for each in objectives}
    kept = connection.scalars(sa.select(breakers.c.record).order_by(breakers.c.agent, breakers.c.skill))
    return objectives, counted, [records.decode(record, Breaker) for record in kept]


def _counted(connection: sa.Connection, name: str, end_minute: int) -> list[Counted]:
    ranges = [
        sa.and_(slo_counts.c.level == level.value, slo_counts.c.slot >= slots.start, slo_counts.c.slot < slots.stop)
        for level in Level
        for slots in [reached(level, end_minute)]
    ]
    query = (
        sa.select(slo_counts)
        .where(slo_counts.c.slo == name, sa.or_(*ranges))
        .order_by(slo_counts.c.level, slo_counts.c.slot, slo_counts.c.agent)
    )
    return [_row(row) for row in connection.execute(query)]


def _row(row: sa.Row[Any]) -> Counted:
    change = Change(0, row.agent, row.good, row.bad, row.errors, row.witnessed)
    return Counted(Level(row.level), row.slot, change)
