"""Objectives and breakers in memory."""

from collections.abc import Collection, Mapping, Sequence

from ringfence_kit.clock import Instant
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable

from ringfence_telemetry.breakers.machine import Breaker
from ringfence_telemetry.signals import Conduct
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.windows import Change, Level, reached, slots_of_change
from ringfence_telemetry.store.slos import BlamedAgent, Counted, CountedTrace, SloRecords
from ringfence_telemetry.store_memory.evaluations import JUDGEMENTS

SLOS: MemoryTable[str, Objective] = MemoryTable("slos")
SLO_COUNTS: MemoryTable[tuple[str, Level, int, str], Change] = MemoryTable("slo_counts")
SLO_BLAMED: MemoryTable[tuple[str, str], BlamedAgent] = MemoryTable("slo_blamed")
COUNTED_TRACES: MemoryTable[bytes, CountedTrace] = MemoryTable("slo_traces")
BREAKERS: MemoryTable[tuple[str, str], Breaker] = MemoryTable("breakers")
_CONDUCTS: MemoryTable[tuple[str, str], Conduct] = MemoryTable("conducts")


class MemorySloTx:
    """`SloRows` on rows in memory."""

    rows: MemoryRows

    def objective(self, name: str) -> Objective | None:
        """See `SloRows`."""
        return self.rows.table(SLOS).get(name)

    def objectives_of(self, agents: Collection[str]) -> Sequence[Objective]:
        """See `SloRows`."""
        return [each for _, each in sorted(self.rows.table(SLOS).items()) if each.agent in agents]

    def keep_objective(self, objective: Objective) -> None:
        """See `SloRows`."""
        self.rows.table(SLOS)[objective.name] = objective

    def drop_objective(self, name: str) -> None:
        """See `SloRows`."""
        self.drop_slo_counts(name)
        self.rows.table(SLOS).pop(name, None)

    def drop_slo_counts(self, name: str) -> None:
        """See `SloRows`."""
        counts, blamed = self.rows.table(SLO_COUNTS), self.rows.table(SLO_BLAMED)
        for key in [key for key in counts if key[0] == name]:
            del counts[key]
        for pair in [pair for pair in blamed if pair[0] == name]:
            del blamed[pair]

    def add_slo_counts(self, changes: Mapping[str, Sequence[Change]]) -> None:
        """See `SloRows`."""
        rows = self.rows.table(SLO_COUNTS)
        for name, of_one in changes.items():
            for change in of_one:
                for level, slot in slots_of_change(change):
                    key = name, level, slot, change.agent
                    rows[key] = _sum(rows.get(key, Change(0, change.agent)), change)

    def forget_slo_counts(self, level: Level, *, before_slot: int, limit: int) -> int:
        """See `SloRows`."""
        rows = self.rows.table(SLO_COUNTS)
        old = [key for key in rows if key[1] is level and key[2] < before_slot][:limit]
        for key in old:
            del rows[key]
        return len(old)

    def counted_traces(self, trace_ids: Collection[bytes]) -> Mapping[bytes, CountedTrace]:
        """See `SloRows`."""
        rows = self.rows.table(COUNTED_TRACES)
        return {trace_id: rows[trace_id] for trace_id in trace_ids if trace_id in rows}

    def keep_counted_traces(self, traces: Sequence[CountedTrace]) -> None:
        """See `SloRows`."""
        self.rows.table(COUNTED_TRACES).update({trace.trace_id: trace for trace in traces})

    def forget_counted_traces(self, *, ended_before: Instant, limit: int) -> int:
        """See `SloRows`."""
        rows = self.rows.table(COUNTED_TRACES)
        old = [trace.trace_id for trace in rows.values() if trace.ended_at < ended_before][:limit]
        for trace_id in old:
            del rows[trace_id]
        return len(old)

    def evaluation_passed(self, trace_id: bytes, metric: str) -> bool | None:
        """See `SloRows`."""
        of_metric = [
            each.passed
            for each in self.rows.table(JUDGEMENTS).values()
            if each.trace_id == trace_id and each.metric == metric and each.passed is not None
        ]
        return all(of_metric) if of_metric else None

    def slo_blamed(self, name: str, agent: str) -> BlamedAgent:
        """See `SloRows`."""
        return self.rows.table(SLO_BLAMED).get((name, agent), BlamedAgent())

    def keep_slo_blamed(self, name: str, agent: str, blamed: BlamedAgent) -> None:
        """See `SloRows`."""
        self.rows.table(SLO_BLAMED)[name, agent] = blamed

    def environments_of(self, did: str) -> Sequence[str]:
        """See `SloRows`."""
        return sorted(environment for each, environment in self.rows.table(_CONDUCTS) if each == did)

    def breaker(self, agent: str, skill: str) -> Breaker | None:
        """See `SloRows`."""
        return self.rows.table(BREAKERS).get((agent, skill))

    def keep_breaker(self, breaker: Breaker) -> None:
        """See `SloRows`."""
        self.rows.table(BREAKERS)[breaker.agent, breaker.skill] = breaker


class MemorySloStore:
    """An `SloStore` in memory."""

    _database: MemoryDatabase

    async def slo_records(self, *, newest_minute: int) -> SloRecords:
        """See `SloStore`."""
        revision, (objectives, counted, breakers) = await self._database.load(
            lambda rows: _records(rows, newest_minute)
        )
        return SloRecords(revision=revision, objectives=objectives, counted=counted, breakers=breakers)

    async def slo_counts(self, name: str, *, end_minute: int) -> Sequence[Counted]:
        """See `SloStore`."""
        return await self._database.read(lambda rows: _counted(rows, name, end_minute))

    async def slo_blamed_by(self, name: str) -> Mapping[str, BlamedAgent]:
        """See `SloStore`."""
        return await self._database.read(
            lambda rows: {agent: each for (slo, agent), each in rows.table(SLO_BLAMED).items() if slo == name}
        )


def _records(rows: MemoryRows, newest_minute: int) -> tuple[list[Objective], dict[str, list[Counted]], list[Breaker]]:
    objectives = [each for _, each in sorted(rows.table(SLOS).items())]
    counted = {each.name: _counted(rows, each.name, newest_minute + Level.HOUR.value) for each in objectives}
    return objectives, counted, [each for _, each in sorted(rows.table(BREAKERS).items())]


def _counted(rows: MemoryRows, name: str, end_minute: int) -> list[Counted]:
    found = [
        Counted(level, slot, change)
        for (slo, level, slot, _), change in rows.table(SLO_COUNTS).items()
        if slo == name and slot in reached(level, end_minute)
    ]
    return sorted(found, key=lambda each: (each.level.value, each.slot, each.change.agent))


def _sum(left: Change, right: Change) -> Change:
    return Change(
        0,
        left.agent,
        left.good + right.good,
        left.bad + right.bad,
        left.errors + right.errors,
        left.witnessed + right.witnessed,
    )
