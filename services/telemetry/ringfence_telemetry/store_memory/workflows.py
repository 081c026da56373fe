"""Pieces of work in memory."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ringfence_kit.clock import Instant
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable

from ringfence_telemetry.store.workflows import (
    IDLE_WAIT,
    ROOT_WAIT,
    DueTrace,
    ListedWorkflow,
    NotedOutcome,
    TraceMark,
    WorkflowQuery,
)
from ringfence_telemetry.store_memory.audit import ENTRIES
from ringfence_telemetry.trace_keys import TraceKey, trace_id_of
from ringfence_telemetry.workflows.summary import Summary


class OpenTrace(NamedTuple):
    """What the list of traces says of one."""

    rooted: bool
    due_at: Instant | None
    marks: int
    received_at: Instant


OPEN: MemoryTable[TraceKey, OpenTrace] = MemoryTable("open_traces")
WORKFLOWS: MemoryTable[TraceKey, Summary] = MemoryTable("workflows")
OUTCOMES: MemoryTable[int, NotedOutcome] = MemoryTable("workflow_outcomes")
DECISIONS: MemoryTable[tuple[bytes, int], None] = MemoryTable("decision_traces")


class MemoryWorkflowTx:
    """`WorkflowTx` on rows in memory."""

    rows: MemoryRows

    def mark_due(self, marks: Sequence[TraceMark]) -> None:
        """See `WorkflowTx`."""
        rows = self.rows.table(OPEN)
        for key, rooted, received_at in marks:
            there = rows.get(key, OpenTrace(rooted=False, due_at=None, marks=0, received_at=received_at))
            if there.rooted and there.due_at is not None:
                due_at = there.due_at
            else:
                due_at = Instant(received_at + (ROOT_WAIT if there.rooted or rooted else IDLE_WAIT))
            rows[key] = OpenTrace(there.rooted or rooted, due_at, there.marks + 1, received_at)

    def claim_due(self, due: Sequence[DueTrace], *, at: Instant) -> Sequence[TraceKey]:
        """See `WorkflowTx`."""
        rows, claimed = self.rows.table(OPEN), list[TraceKey]()
        for key, marks, due_at in sorted(due):
            there = rows.get(key)
            if there is not None and there.due_at == due_at:
                rows[key] = there._replace(due_at=None if there.marks == marks else Instant(at + ROOT_WAIT))
                claimed.append(key)
        return claimed

    def summaries(self, keys: Collection[TraceKey]) -> Mapping[TraceKey, Summary]:
        """See `WorkflowTx`."""
        return _summaries(self.rows, keys)

    def keep_summaries(self, summaries: Sequence[Summary]) -> None:
        """See `WorkflowTx`."""
        self.rows.table(WORKFLOWS).update({each.key: each for each in summaries})

    def note_outcome(self, outcome: NotedOutcome) -> None:
        """See `WorkEvidenceTx`."""
        self.rows.table(OUTCOMES)[outcome.index] = outcome

    def note_decisions(self, traces: Mapping[int, bytes]) -> None:
        """See `WorkEvidenceTx`."""
        self.rows.table(DECISIONS).update({(trace_id, index): None for index, trace_id in traces.items()})

    def forget_workflows(self, *, begun_before: Instant, limit: int) -> int:
        """See `WorkflowTx`."""
        rows = self.rows.table(WORKFLOWS)
        old = [key for key, each in rows.items() if each.settled.started_at < begun_before]
        old = sorted(old, key=lambda key: rows[key].settled.started_at)[:limit]
        for key in old:
            del rows[key]
        return len(old)

    def forget_settled(self, *, received_before: Instant, limit: int) -> int:
        """See `WorkflowTx`."""
        rows = self.rows.table(OPEN)
        old = [key for key, each in rows.items() if each.due_at is None and each.received_at < received_before]
        for key in old[:limit]:
            del rows[key]
        return len(old[:limit])


class MemoryWorkflowStore:
    """A `WorkflowStore` in memory."""

    _database: MemoryDatabase

    async def due(self, *, at: Instant, limit: int) -> Sequence[DueTrace]:
        """See `WorkflowStore`."""

        def read(rows: MemoryRows) -> list[DueTrace]:
            waiting = [(each.due_at, key) for key, each in rows.table(OPEN).items() if each.due_at is not None]
            late = [(due_at, key) for due_at, key in sorted(waiting) if due_at <= at]
            return [DueTrace(key, rows.table(OPEN)[key].marks, due_at) for due_at, key in late[:limit]]

        return await self._database.read(read)

    async def next_due(self) -> Instant | None:
        """See `WorkflowStore`."""
        return await self._database.read(
            lambda rows: min(
                (each.due_at for each in rows.table(OPEN).values() if each.due_at is not None), default=None
            )
        )

    async def keys_of(self, trace_id: bytes) -> Mapping[TraceKey, bool]:
        """See `WorkflowStore`."""

        def read(rows: MemoryRows) -> dict[TraceKey, bool]:
            found = dict.fromkeys(rows.table(WORKFLOWS), False)
            found |= {key: each.due_at is not None for key, each in rows.table(OPEN).items()}
            return {key: found[key] for key in sorted(found) if trace_id_of(key) == trace_id}

        return await self._database.read(read)

    async def summaries_of(self, keys: Collection[TraceKey]) -> Mapping[TraceKey, Summary]:
        """See `WorkflowStore`."""
        return await self._database.read(lambda rows: _summaries(rows, keys))

    async def workflows(self, query: WorkflowQuery) -> Sequence[ListedWorkflow]:
        """See `WorkflowStore`."""
        return await self._database.read(lambda rows: _listed(rows, query))

    async def outcomes(self, *, trace_ids: Collection[bytes], work_ids: Collection[str]) -> Sequence[NotedOutcome]:
        """See `WorkflowStore`."""

        def read(rows: MemoryRows) -> list[NotedOutcome]:
            return [
                each
                for _, each in sorted(rows.table(OUTCOMES).items())
                if (each.trace_id in trace_ids if each.trace_id else each.work_id in work_ids)
            ]

        return await self._database.read(read)

    async def decisions_in(self, trace_id: bytes, *, limit: int) -> Sequence[tuple[int, bytes]]:
        """See `WorkflowStore`."""

        def read(rows: MemoryRows) -> list[tuple[int, bytes]]:
            indexes = sorted(index for trace, index in rows.table(DECISIONS) if trace == trace_id)[:limit]
            return [(index, rows.table(ENTRIES)[index].body) for index in indexes]

        return await self._database.read(read)


def _summaries(rows: MemoryRows, keys: Collection[TraceKey]) -> dict[TraceKey, Summary]:
    there = rows.table(WORKFLOWS)
    return {key: there[key] for key in keys if key in there}


def _listed(rows: MemoryRows, query: WorkflowQuery) -> list[ListedWorkflow]:
    found: list[tuple[tuple[Instant, TraceKey], Summary]] = []
    for key, summary in rows.table(WORKFLOWS).items():
        share = next((share for share in summary.shares if share.agent == query.agent), None)
        if query.agent and (share is None or (query.as_agent and not summary.trusted)):
            continue
        judged = share if share is not None and query.as_agent else summary.settled
        place = judged.started_at, key
        if (
            query.session in ("", judged.session)
            and (query.first is None or judged.started_at >= query.first)
            and (query.end is None or judged.started_at < query.end)
            and (judged.failed or not query.failed_only)
            and (query.before is None or place < query.before)
        ):
            found.append((place, summary))
    found.sort(key=lambda each: each[0], reverse=True)
    waiting = {key for key, each in rows.table(OPEN).items() if each.due_at is not None}
    return [ListedWorkflow(summary=summary, waits=key in waiting) for (_, key), summary in found[: query.limit]]
