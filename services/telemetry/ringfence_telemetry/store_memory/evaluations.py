"""Evaluation in memory."""

from collections.abc import Collection, Mapping, Sequence

from ringfence_kit.clock import Instant
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable

from ringfence_telemetry.evaluation.counts import CountChange, Counted, CountKey
from ringfence_telemetry.evaluation.drift import Baseline
from ringfence_telemetry.evaluation.gate import AcceptanceGate
from ringfence_telemetry.evaluation.judgement import Judgement
from ringfence_telemetry.evaluation.work import TraceWork
from ringfence_telemetry.store.evaluations import DECISIONS_MAX
from ringfence_telemetry.store_memory.audit import ENTRIES
from ringfence_telemetry.store_memory.workflows import DECISIONS

JUDGEMENTS: MemoryTable[str, Judgement] = MemoryTable("judgements")
COUNTS: MemoryTable[CountKey, int] = MemoryTable("evaluation_counts")
TRACE_WORKS: MemoryTable[bytes, TraceWork] = MemoryTable("trace_works")
GATES: MemoryTable[str, AcceptanceGate] = MemoryTable("acceptance_gates")
BASELINES: MemoryTable[tuple[str, str], Baseline] = MemoryTable("baselines")


class MemoryEvaluationTx:
    """`EvaluationRows` on rows in memory."""

    rows: MemoryRows

    def keep_judgements(self, judgements: Sequence[Judgement]) -> Sequence[Judgement]:
        """See `EvaluationRows`."""
        rows, new = self.rows.table(JUDGEMENTS), list[Judgement]()
        for judgement in judgements:
            if judgement.key not in rows:
                rows[judgement.key] = judgement
                new.append(judgement)
        return new

    def nobodys_judgements(self, trace_ids: Collection[bytes], *, limit: int) -> Sequence[Judgement]:
        """See `EvaluationRows`."""
        found = [each for each in self._of_traces(trace_ids) if not each.agent]
        return sorted(found, key=lambda each: (each.trace_id, each.key))[:limit]

    def say_whose(self, judgement: Judgement) -> None:
        """See `EvaluationRows`."""
        self.rows.table(JUDGEMENTS)[judgement.key] = judgement

    def judged_bad(self, trace_ids: Collection[bytes]) -> Mapping[bytes, frozenset[str]]:
        """See `EvaluationRows`."""
        bad: dict[bytes, frozenset[str]] = {}
        for each in self._of_traces(trace_ids):
            if each.passed is False and each.agent:
                bad[each.trace_id] = bad.get(each.trace_id, frozenset()) | {each.agent}
        return bad

    def decision_bodies(self, trace_ids: Collection[bytes]) -> Mapping[bytes, Sequence[bytes]]:
        """See `EvaluationRows`."""
        bodies: dict[bytes, list[bytes]] = {}
        for trace, index in sorted(self.rows.table(DECISIONS), key=lambda noted: noted[1]):
            if trace in trace_ids and len(bodies.setdefault(trace, [])) < DECISIONS_MAX:
                bodies[trace].append(self.rows.table(ENTRIES)[index].body)
        return bodies

    def add_evaluation_counts(self, change: CountChange) -> None:
        """See `EvaluationRows`."""
        rows = self.rows.table(COUNTS)
        for key, number in change.items():
            rows[key] = rows.get(key, 0) + number

    def evaluation_number(self, key: CountKey) -> int:
        """See `EvaluationRows`."""
        return self.rows.table(COUNTS).get(key, 0)

    def trace_works(self, trace_ids: Collection[bytes]) -> Mapping[bytes, TraceWork]:
        """See `EvaluationRows`."""
        rows = self.rows.table(TRACE_WORKS)
        return {trace: rows[trace] for trace in trace_ids if trace in rows}

    def keep_trace_works(self, works: Sequence[TraceWork]) -> None:
        """See `EvaluationRows`."""
        self.rows.table(TRACE_WORKS).update({work.trace_id: work for work in works})

    def acceptance_gate(self, agent: str) -> AcceptanceGate | None:
        """See `EvaluationRows`."""
        return self.rows.table(GATES).get(agent)

    def keep_acceptance_gate(self, gate: AcceptanceGate) -> None:
        """See `EvaluationRows`."""
        self.rows.table(GATES)[gate.agent] = gate

    def keep_baseline(self, baseline: Baseline) -> None:
        """See `EvaluationRows`."""
        self.rows.table(BASELINES)[baseline.agent, baseline.version] = baseline

    def forget_judgements(self, *, recorded_before: Instant, limit: int) -> int:
        """See `EvaluationRows`."""
        judgements, works = self.rows.table(JUDGEMENTS), self.rows.table(TRACE_WORKS)
        old = [key for key, each in judgements.items() if each.recorded_at < recorded_before][:limit]
        over = [trace for trace, each in works.items() if each.at < recorded_before][:limit]
        for key in old:
            del judgements[key]
        for trace in over:
            del works[trace]
        return max(len(old), len(over))

    def forget_evaluation_counts(self, *, before_day: int) -> None:
        """See `EvaluationRows`."""
        rows = self.rows.table(COUNTS)
        for key in [key for key in rows if key.day < before_day]:
            del rows[key]

    def _of_traces(self, trace_ids: Collection[bytes]) -> list[Judgement]:
        return [each for each in self.rows.table(JUDGEMENTS).values() if each.trace_id in trace_ids]


class MemoryEvaluationStore:
    """An `EvaluationStore` in memory."""

    _database: MemoryDatabase

    async def evaluation_counts(
        self, agents: Collection[str], *, version: str = "", first_day: int, last_day: int
    ) -> Sequence[Counted]:
        """See `EvaluationStore`."""
        sums: dict[tuple[str, str], int] = {}
        for key, number in (await self._database.read(lambda rows: dict(rows.table(COUNTS)))).items():
            if key.agent in agents and version in ("", key.version) and first_day <= key.day <= last_day:
                sums[key.what, key.name] = sums.get((key.what, key.name), 0) + number
        return [Counted(what, name, number) for (what, name), number in sorted(sums.items()) if number]

    async def scores(
        self, agents: Collection[str], *, version: str = "", start: Instant, end: Instant, limit: int
    ) -> Mapping[str, Sequence[float]]:
        """See `EvaluationStore`."""
        kept = await self._database.read(lambda rows: [*rows.table(JUDGEMENTS).values()])
        asked = [
            each
            for each in kept
            if each.agent in agents
            and version in ("", each.version)
            and each.score is not None
            and start <= each.at < end
        ]
        scores: dict[str, list[float]] = {}
        for judgement in sorted(asked, key=lambda each: (each.at, each.key))[-limit:]:
            scores.setdefault(judgement.metric, []).append(judgement.score or 0.0)
        return scores

    async def gate_of(self, agent: str) -> AcceptanceGate | None:
        """See `EvaluationStore`."""
        return await self._database.read(lambda rows: rows.table(GATES).get(agent))

    async def baseline(self, agent: str, version: str) -> Baseline | None:
        """See `EvaluationStore`."""
        return await self._database.read(lambda rows: rows.table(BASELINES).get((agent, version)))

    async def baselines(self, *, after: tuple[str, str], limit: int) -> Sequence[Baseline]:
        """See `EvaluationStore`."""
        found = await self._database.read(lambda rows: sorted(rows.table(BASELINES).items()))
        return [baseline for key, baseline in found if key > after][:limit]
