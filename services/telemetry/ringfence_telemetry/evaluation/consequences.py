"""What evaluation draws from spans and from settled traces, in the transactions that keep them.

- Events `gen_ai.evaluation.result` are judgements like those that are called in: of a reporter that is believed, once
  for each event; what an untrusted one says is left out and counted.
- A settled trace counts as work of its agents; settled again, it is corrected by what it was counted for before, which
  is kept with the counts, so no order of spans, judgements and restarts makes a difference.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from ringfence_kit.clock import Instant

from ringfence_telemetry.dialects import EXECUTE_TOOL
from ringfence_telemetry.evaluation.counts import difference
from ringfence_telemetry.evaluation.denials import Decided, decided, overridden
from ringfence_telemetry.evaluation.judgement import Judgement, Layer, counts_of
from ringfence_telemetry.evaluation.recording import OnJudged, VersionBook, add_all, enter, nobody
from ringfence_telemetry.evaluation.said import Said
from ringfence_telemetry.evaluation.work import TraceWork, whose, work_of
from ringfence_telemetry.evaluation.work import counts_of as work_counts
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.evaluations import EvaluationRows
from ringfence_telemetry.workflows.settled import Settling

NOBODYS_MAX = 1_000
"""Judgements that name nobody and are given to whom their traces say, at once."""


class SaysWhatWasJudged(Protocol):
    """What was rolled up, as far as it matters here."""

    @property
    def evaluations(self) -> Sequence[Said]:
        """Evaluation events, in the order they came."""
        ...


class EvaluationEvents:
    """Judgements out of telemetry itself."""

    def __init__(self, versions: VersionBook, *, on_judged: OnJudged = nobody) -> None:
        self._versions = versions
        self._on_judged = on_judged
        self.untrusted = 0
        """Events left out since the start, since their reporter may not judge."""

    def draw(self, tx: TelemetryTx, rolled: SaysWhatWasJudged, at: Instant) -> None:
        """Keep what was said; nothing is read when nothing was."""
        if not rolled.evaluations:
            return
        believed = [judgement_of(said, at) for said in rolled.evaluations if said.trusted]
        self.untrusted += len(rolled.evaluations) - len(believed)
        if believed:
            enter(tx, believed, versions=self._versions, on_judged=self._on_judged)


class AcceptanceJudge:
    """Counts settled traces as work of their agents."""

    def __init__(self, versions: VersionBook) -> None:
        self._versions = versions

    def judge(self, tx: EvaluationRows, settlings: tuple[Settling, ...], at: Instant) -> None:
        """Count them, all with the same few statements."""
        settled = {each.now.trace_id: each.now for each in settlings if each.now.trusted}
        before = tx.trace_works(settled)
        works = {trace_id: self._fold(work_of(each, judged_bad=()), at) for trace_id, each in settled.items()}
        given = _give(tx, works)
        bad = tx.judged_bad(settled)
        decisions = tx.decision_bodies([trace_id for trace_id, work in works.items() if _ran_tools(work)])
        after = [
            self._fold_kinds(_judged(work, bad.get(trace_id, frozenset()), decided(decisions.get(trace_id, ()))), at)
            for trace_id, work in works.items()
        ]
        tx.keep_trace_works([work for work in after if work != before.get(work.trace_id)])
        corrections = (difference(work_counts(work), work_counts(before.get(work.trace_id))) for work in after)
        add_all(tx, [*corrections, *(counts_of(each) for each in given)])

    def was_denied(self, tx: EvaluationRows, trace_ids: frozenset[bytes]) -> None:
        """Correct settled traces in which something was denied, as it turns out now."""
        before = tx.trace_works(trace_ids)
        ran = [trace_id for trace_id, work in before.items() if _ran_tools(work)]
        decisions = tx.decision_bodies(ran)
        after = [_acted_against(before[trace_id], decided(decisions.get(trace_id, ()))) for trace_id in ran]
        changed = [work for work in after if work != before[work.trace_id]]
        tx.keep_trace_works(changed)
        add_all(tx, [difference(work_counts(work), work_counts(before[work.trace_id])) for work in changed])

    def _fold(self, work: TraceWork, at: Instant) -> TraceWork:
        versions = [self._versions.fold(each.agent, each.version, at) for each in work.works]
        if versions == [each.version for each in work.works]:
            return work
        folded = (replace(each, version=version) for each, version in zip(work.works, versions, strict=True))
        return replace(work, works=tuple(folded))

    def _fold_kinds(self, work: TraceWork, at: Instant) -> TraceWork:
        # Last: whether a tool ran that was denied is asked by its own name.
        uses = [self._versions.fold_kinds(each.agent, each.version, each.uses, at) for each in work.works]
        if all(found is each.uses for found, each in zip(uses, work.works, strict=True)):
            return work
        folded = (replace(each, uses=found) for each, found in zip(work.works, uses, strict=True))
        return replace(work, works=tuple(folded))


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


def _give(tx: EvaluationRows, works: Mapping[bytes, TraceWork]) -> list[Judgement]:
    """Give judgements that name nobody to whom their traces say; return those given."""
    given = []
    for judgement in tx.nobodys_judgements([work.trace_id for work in works.values() if work.works], limit=NOBODYS_MAX):
        owner = whose(works[judgement.trace_id], judgement)
        if owner is not None:
            given.append(replace(judgement, agent=owner.agent, version=owner.version))
            tx.say_whose(given[-1])
    return given


def _judged(work: TraceWork, bad: Collection[str], said: Sequence[Decided]) -> TraceWork:
    if not bad and not said:
        return work
    judged = replace(work, works=tuple(replace(each, judged_bad=each.agent in bad) for each in work.works))
    return _acted_against(judged, said)


def _acted_against(work: TraceWork, said: Sequence[Decided]) -> TraceWork:
    works = (replace(each, overridden=overridden(each.agent, dict(each.uses), said)) for each in work.works)
    return replace(work, works=tuple(works))


def _ran_tools(work: TraceWork) -> bool:
    return any(kind.startswith(EXECUTE_TOOL) for each in work.works for kind, _ in each.uses)
