"""What evaluation asks of storage."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ringfence_kit.clock import Instant

from ringfence_telemetry.evaluation.counts import CountChange, Counted, CountKey
from ringfence_telemetry.evaluation.drift import Baseline
from ringfence_telemetry.evaluation.gate import AcceptanceGate
from ringfence_telemetry.evaluation.judgement import Judgement
from ringfence_telemetry.evaluation.work import TraceWork

DECISIONS_MAX = 1_000
"""Decisions of a trace that are looked at."""


class EvaluationRows(Protocol):
    """Judgements and what they come to, in a transaction. Reads see the transaction's own writes."""

    def keep_judgements(self, judgements: Sequence[Judgement]) -> Sequence[Judgement]:
        """Keep those whose key is not kept yet, the first of each key; return them."""
        ...

    def nobodys_judgements(self, trace_ids: Collection[bytes], *, limit: int) -> Sequence[Judgement]:
        """Return up to `limit` judgements of traces that name no agent, by trace and key."""
        ...

    def say_whose(self, judgement: Judgement) -> None:
        """Set whose work a kept judgement is about."""
        ...

    def judged_bad(self, trace_ids: Collection[bytes]) -> Mapping[bytes, frozenset[str]]:
        """Return by trace the agents of whose work in it a judgement failed; traces without any are absent."""
        ...

    def decision_bodies(self, trace_ids: Collection[bytes]) -> Mapping[bytes, Sequence[bytes]]:
        """Return by trace the decisions of the audit log that speak of it, in log order, the first 1,000 of each."""
        ...

    def add_evaluation_counts(self, change: CountChange) -> None:
        """Add `change` to what is counted; a number that becomes 0 may be kept or dropped."""
        ...

    def evaluation_number(self, key: CountKey) -> int:
        """Return one number of what is counted; 0 when nothing was."""
        ...

    def trace_works(self, trace_ids: Collection[bytes]) -> Mapping[bytes, TraceWork]:
        """Return what traces were counted for; those that were not are absent."""
        ...

    def keep_trace_works(self, works: Sequence[TraceWork]) -> None:
        """Keep what traces are counted for now."""
        ...

    def acceptance_gate(self, agent: str) -> AcceptanceGate | None:
        """Return the gate of an agent, or None."""
        ...

    def keep_acceptance_gate(self, gate: AcceptanceGate) -> None:
        """Keep the gate of an agent as it is now."""
        ...

    def keep_baseline(self, baseline: Baseline) -> None:
        """Pin what a version is compared with, in place of what was pinned before."""
        ...

    def forget_judgements(self, *, recorded_before: Instant, limit: int) -> int:
        """Forget up to `limit` judgements, and as many traces' work, older than that; return the larger number."""
        ...

    def forget_evaluation_counts(self, *, before_day: int) -> None:
        """Forget what was counted on earlier days."""
        ...


class EvaluationStore(Protocol):
    """Reads of evaluation outside a mutation."""

    async def evaluation_counts(
        self, agents: Collection[str], *, version: str = "", first_day: int, last_day: int
    ) -> Sequence[Counted]:
        """Return the numbers of agents' days, both ends included, put together; of one version, or of all."""
        ...

    async def scores(
        self, agents: Collection[str], *, version: str = "", start: Instant, end: Instant, limit: int
    ) -> Mapping[str, Sequence[float]]:
        """Return the last `limit` scores from `start` on and before `end`, by measure, in the order of their times."""
        ...

    async def gate_of(self, agent: str) -> AcceptanceGate | None:
        """Return the gate of an agent, or None."""
        ...

    async def baseline(self, agent: str, version: str) -> Baseline | None:
        """Return what a version is compared with, or None."""
        ...

    async def baselines(self, *, after: tuple[str, str], limit: int) -> Sequence[Baseline]:
        """Return up to `limit` baselines whose agent and version follow `after`, in that order."""
        ...
