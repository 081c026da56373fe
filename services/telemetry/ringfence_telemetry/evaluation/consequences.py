"""What evaluation draws from spans and from settled traces, in the transactions that keep them.

- Events `gen_ai.evaluation.result` are judgements like those that are called in: of a reporter that is believed, once
  for each event; what an untrusted one says is left out and counted.
- A settled trace counts as work of its agents; settled again, it is corrected by what it was counted for before, which
  is kept with the counts, so no order of spans, judgements and restarts makes a difference.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ringfence_kit.clock import Instant

from ringfence_telemetry.evaluation.counts import CountKey, difference
from ringfence_telemetry.evaluation.denials import decided, overridden
from ringfence_telemetry.evaluation.judgement import Judgement, Layer, counts_of
from ringfence_telemetry.evaluation.recording import VersionBook, add_all, enter
from ringfence_telemetry.evaluation.said import Said
from ringfence_telemetry.evaluation.work import TraceWork, Work, whose, work_of
from ringfence_telemetry.evaluation.work import counts_of as work_counts
from ringfence_telemetry.store.evaluations import EvaluationRows
from ringfence_telemetry.workflows.settled import Settled, Settling

DECISIONS_MAX = 1_000
"""Decisions of a trace that are looked at: the first."""

NOBODYS_MAX = 1_000
"""Judgements of a trace that name nobody and are given to whom the trace says."""


class SaysWhatWasJudged(Protocol):
    """What was rolled up, as far as it matters here."""

    @property
    def evaluations(self) -> Sequence[Said]:
        """Evaluation events, in the order they came."""
        ...


class EvaluationEvents:
    """Judgements out of telemetry itself."""

    def __init__(self, versions: VersionBook) -> None:
        self._versions = versions
        self.untrusted = 0
        """Events left out since the start, since their reporter may not judge."""

    def draw(self, tx: EvaluationRows, rolled: SaysWhatWasJudged, at: Instant) -> None:
        """Keep what was said; nothing is read when nothing was."""
        if not rolled.evaluations:
            return
        believed = [judgement_of(said, at) for said in rolled.evaluations if said.trusted]
        self.untrusted += len(rolled.evaluations) - len(believed)
        if believed:
            enter(tx, believed, versions=self._versions)


class AcceptanceJudge:
    """Counts settled traces as work of their agents."""

    def __init__(self, versions: VersionBook) -> None:
        self._versions = versions

    def judge(self, tx: EvaluationRows, settlings: tuple[Settling, ...], at: Instant) -> None:
        """Count them."""
        changes: list[dict[CountKey, int]] = []
        for settling in settlings:
            if settling.now.trusted:
                changes += self._judge(tx, settling.now, at)
        add_all(tx, changes)

    def _judge(self, tx: EvaluationRows, settled: Settled, at: Instant) -> list[dict[CountKey, int]]:
        before = tx.trace_work(settled.trace_id)
        work = self._fold(work_of(settled, judged_bad=()), at)
        found = _give(tx, work)
        bad = tx.judged_bad(settled.trace_id)
        said = decided(tx.decision_bodies(settled.trace_id, limit=DECISIONS_MAX)) if work.works else ()
        after = replace(
            work,
            works=tuple(
                replace(
                    each,
                    judged_bad=each.agent in bad,
                    overridden=overridden(each.agent, dict(each.uses), said),
                )
                for each in work.works
            ),
        )
        if after != before:
            tx.keep_trace_work(after)
        return [difference(work_counts(after), work_counts(before)), *(counts_of(each) for each in found)]

    def _fold(self, work: TraceWork, at: Instant) -> TraceWork:
        def folded(each: Work) -> Work:
            return replace(each, version=self._versions.fold(each.agent, each.version, at))

        return replace(work, works=tuple(folded(each) for each in work.works))


def judgement_of(said: Said, at: Instant) -> Judgement:
    """Return an event as a judgement: of a step where it points at a span, else of the whole."""
    return Judgement(
        key=f"said-{said.key}",
        agent=said.agent,
        version=said.version,
        layer=Layer.STEP if said.span_id else Layer.WORKFLOW,
        metric=said.metric,
        passed=said.passed,
        score=said.score,
        label=said.label,
        trace_id=said.trace_id,
        span_id=said.span_id,
        evaluator=said.evaluator,
        judge=said.reporter,
        at=said.at,
        recorded_at=at,
    )


def _give(tx: EvaluationRows, work: TraceWork) -> list[Judgement]:
    """Give judgements that name nobody to whom the trace says; return those given."""
    given = []
    for judgement in tx.nobodys_judgements(work.trace_id, limit=NOBODYS_MAX) if work.works else ():
        owner = whose(work, judgement)
        if owner is not None:
            given.append(replace(judgement, agent=owner.agent, version=owner.version))
            tx.say_whose(given[-1])
    return given
