"""Pieces of work in SQL."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.sql import Database

from ringfence_telemetry.store.workflows import (
    IDLE_WAIT,
    ROOT_WAIT,
    DueTrace,
    ListedWorkflow,
    NotedOutcome,
    TraceMark,
    WorkflowQuery,
)
from ringfence_telemetry.store_sql.statements import batches, insert_for, replace_rows, write_rows, write_tuples
from ringfence_telemetry.tables.audit import audit_entries
from ringfence_telemetry.tables.workflows import (
    decision_traces,
    open_traces,
    workflow_agents,
    workflow_outcomes,
    workflows,
)
from ringfence_telemetry.trace_keys import TraceKey, keys_of
from ringfence_telemetry.workflows.summary import Summary

_INSERT_SHARES = sa.insert(workflow_agents)


class SqlWorkflowTx:
    """`WorkflowTx` on a connection."""

    connection: sa.Connection

    def mark_due(self, marks: Sequence[TraceMark]) -> None:
        """See `WorkflowTx`."""
        rows = [
            (key, rooted, received_at + (ROOT_WAIT if rooted else IDLE_WAIT), 1, received_at)
            for key, rooted, received_at in sorted(marks)  # in one order: replicas must not lock rows crosswise
        ]
        if rows:
            write_tuples(self.connection, _marking(self.connection.dialect.name), rows)

    def claim_due(self, due: Sequence[DueTrace], *, at: Instant) -> Sequence[TraceKey]:
        """See `WorkflowTx`."""
        claimed: list[TraceKey] = []
        read, rows = {each.key: each for each in due}, open_traces.c
        for some in batches(sorted(read)):
            # Locked until the end: another replica that asks for one of them waits, and then finds it due no more.
            there = sa.select(rows.trace, rows.marks, rows.due_at).where(rows.trace.in_(some))
            found = self.connection.execute(there.order_by(rows.trace).with_for_update()).all()
            still = {TraceKey(row.trace): row.marks for row in found if row.due_at == read[TraceKey(row.trace)].due_at}
            moved = [key for key, marks in still.items() if marks != read[key].marks]
            update = sa.update(open_traces)
            self.connection.execute(update.where(rows.trace.in_(still)).values(due_at=None))
            self.connection.execute(update.where(rows.trace.in_(moved)).values(due_at=at + int(ROOT_WAIT)))
            claimed += still
        return claimed

    def summaries(self, keys: Collection[TraceKey]) -> Mapping[TraceKey, Summary]:
        """See `WorkflowTx`."""
        return _summaries(self.connection, keys)

    def keep_summaries(self, summaries: Sequence[Summary]) -> None:
        """See `WorkflowTx`."""
        rows = [
            {
                "trace": each.key,
                "started_at": each.settled.started_at,
                "session": each.settled.session,
                "failed": each.settled.failed,
                "record": records.encode(each),
            }
            for each in summaries
        ]
        if rows:
            replace_rows(self.connection, workflows, rows)
            self._keep_shares(summaries)

    def note_outcome(self, outcome: NotedOutcome) -> None:
        """See `WorkEvidenceTx`."""
        row = {
            "position": outcome.index,
            "did": outcome.did,
            "accepted": outcome.accepted,
            "work_id": outcome.work_id,
            "trace_id": outcome.trace_id,
        }
        self.connection.execute(sa.insert(workflow_outcomes), row)

    def note_decisions(self, traces: Mapping[int, bytes]) -> None:
        """See `WorkEvidenceTx`."""
        rows = [{"trace_id": trace_id, "position": index} for index, trace_id in traces.items()]
        if rows:
            self.connection.execute(sa.insert(decision_traces), rows)

    def forget_workflows(self, *, begun_before: Instant, limit: int) -> int:
        """See `WorkflowTx`."""
        query = sa.select(workflows.c.trace).where(workflows.c.started_at < begun_before)
        return self._forget(query.order_by(workflows.c.started_at).limit(limit), [workflow_agents, workflows])

    def forget_settled(self, *, received_before: Instant, limit: int) -> int:
        """See `WorkflowTx`."""
        query = sa.select(open_traces.c.trace).where(
            open_traces.c.received_at < received_before, open_traces.c.due_at.is_(None)
        )
        return self._forget(query.order_by(open_traces.c.received_at).limit(limit), [open_traces])

    def _keep_shares(self, summaries: Sequence[Summary]) -> None:
        for some in batches(each.key for each in summaries):
            self.connection.execute(sa.delete(workflow_agents).where(workflow_agents.c.trace.in_(some)))
        rows = [
            {
                "trace": each.key,
                "agent": share.agent,
                "work_started_at": each.settled.started_at,
                "started_at": share.started_at,
                "session": share.session,
                "failed": share.failed,
                "trusted": each.trusted,
            }
            for each in summaries
            for share in each.shares
        ]
        if rows:
            write_rows(self.connection, _INSERT_SHARES, rows)

    def _forget(self, query: sa.Select[tuple[bytes]], tables: Sequence[sa.Table]) -> int:
        old = self.connection.scalars(query).all()
        for some in batches(old):
            for table in tables:
                self.connection.execute(sa.delete(table).where(table.c.trace.in_(some)))
        return len(old)


class SqlWorkflowStore:
    """A `WorkflowStore` on a database."""

    _database: Database

    async def due(self, *, at: Instant, limit: int) -> Sequence[DueTrace]:
        """See `WorkflowStore`."""
        query = (
            sa.select(open_traces.c.trace, open_traces.c.marks, open_traces.c.due_at)
            .where(open_traces.c.due_at <= at)
            .order_by(open_traces.c.due_at)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [DueTrace(TraceKey(row.trace), row.marks, Instant(row.due_at)) for row in rows]

    async def next_due(self) -> Instant | None:
        """See `WorkflowStore`."""
        query = sa.select(sa.func.min(open_traces.c.due_at))
        found = await self._database.read(lambda connection: connection.scalar(query))
        return None if found is None else Instant(found)

    async def keys_of(self, trace_id: bytes) -> Mapping[TraceKey, bool]:
        """See `WorkflowStore`."""
        first, last = keys_of(trace_id)
        opened = sa.select(open_traces.c.trace, open_traces.c.due_at.is_not(None)).where(
            open_traces.c.trace.between(first, last)
        )
        settled = sa.select(workflows.c.trace).where(workflows.c.trace.between(first, last))

        def read(connection: sa.Connection) -> dict[TraceKey, bool]:
            found = {TraceKey(trace): False for trace in connection.scalars(settled)}
            found |= {TraceKey(trace): bool(waits) for trace, waits in connection.execute(opened)}
            return {key: found[key] for key in sorted(found)}

        return await self._database.read(read)

    async def summaries_of(self, keys: Collection[TraceKey]) -> Mapping[TraceKey, Summary]:
        """See `WorkflowStore`."""
        return await self._database.read(lambda connection: _summaries(connection, keys))

    async def workflows(self, query: WorkflowQuery) -> Sequence[ListedWorkflow]:
        """See `WorkflowStore`."""
        statement = _statement(query)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [
            ListedWorkflow(summary=records.decode(row.record, Summary), waits=row.due_at is not None) for row in rows
        ]

    async def outcomes(self, *, trace_ids: Collection[bytes], work_ids: Collection[str]) -> Sequence[NotedOutcome]:
        """See `WorkflowStore`."""
        columns = workflow_outcomes.c

        def read(connection: sa.Connection) -> dict[int, NotedOutcome]:
            found: dict[int, NotedOutcome] = {}
            conditions: list[sa.ColumnElement[bool]] = [columns.trace_id.in_(some) for some in batches(trace_ids)]
            conditions += [sa.and_(columns.work_id.in_(some), columns.trace_id == b"") for some in batches(work_ids)]
            for condition in conditions:
                for row in connection.execute(sa.select(workflow_outcomes).where(condition)):
                    found[row.position] = NotedOutcome(
                        index=row.position,
                        did=row.did,
                        accepted=row.accepted,
                        work_id=row.work_id,
                        trace_id=bytes(row.trace_id),
                    )
            return found

        return [outcome for _, outcome in sorted((await self._database.read(read)).items())]

    async def decisions_in(self, trace_id: bytes, *, limit: int) -> Sequence[tuple[int, bytes]]:
        """See `WorkflowStore`."""
        query = (
            sa.select(audit_entries.c.position, audit_entries.c.body)
            .join(decision_traces, decision_traces.c.position == audit_entries.c.position)
            .where(decision_traces.c.trace_id == trace_id)
            .order_by(decision_traces.c.position)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [(row.position, bytes(row.body)) for row in rows]


@cache
def _marking(dialect: str) -> sa.Insert:
    """Return the statement that puts traces on the list."""
    there, insert = open_traces.c, insert_for(dialect, open_traces)
    came = insert.excluded
    root_wait: sa.ColumnElement[int] = sa.literal_column(f"{ROOT_WAIT:d}")
    idle_wait: sa.ColumnElement[int] = sa.literal_column(f"{IDLE_WAIT:d}")
    due_at = sa.case(
        (sa.and_(there.rooted, there.due_at.is_not(None)), there.due_at),
        (sa.or_(there.rooted, came.rooted), came.received_at + root_wait),
        else_=came.received_at + idle_wait,
    )
    changed = {
        "rooted": sa.or_(there.rooted, came.rooted),
        "due_at": due_at,
        "marks": there.marks + sa.literal_column("1"),
        "received_at": came.received_at,
    }
    return insert.on_conflict_do_update(index_elements=["trace"], set_=changed)


def _summaries(connection: sa.Connection, keys: Collection[TraceKey]) -> dict[TraceKey, Summary]:
    found: dict[TraceKey, Summary] = {}
    for some in batches(keys):
        query = sa.select(workflows.c.trace, workflows.c.record).where(workflows.c.trace.in_(some))
        for row in connection.execute(query):
            found[TraceKey(row.trace)] = records.decode(row.record, Summary)
    return found


def _statement(query: WorkflowQuery) -> sa.Select[tuple[bytes, int | None]]:
    whole, part = workflows.c, workflow_agents.c
    source = workflows.outerjoin(open_traces, open_traces.c.trace == whole.trace)
    trace, started_at, session, failed = whole.trace, whole.started_at, whole.session, whole.failed
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if query.agent:
        # Begun and in order by the agent's own index, however much others did.
        source = workflow_agents.join(source, whole.trace == part.trace)
        conditions.append(part.agent == query.agent)
        trace, started_at = part.trace, part.work_started_at
        if query.as_agent:
            started_at, session, failed = part.started_at, part.session, part.failed
            conditions.append(part.trusted.is_(True))
    if query.session:
        conditions.append(session == query.session)
    if query.first is not None:
        conditions.append(started_at >= query.first)
    if query.end is not None:
        conditions.append(started_at < query.end)
    if query.failed_only:
        conditions.append(failed.is_(True))
    if query.before is not None:
        before_at, before = query.before
        # The first of the two is said twice: an index is entered by it.
        conditions.append(started_at <= before_at)
        conditions.append(sa.or_(started_at < before_at, trace < before))
    return (
        sa.select(whole.record, open_traces.c.due_at)
        .select_from(source)
        .where(*conditions)
        .order_by(started_at.desc(), trace.desc())
        .limit(query.limit)
    )
