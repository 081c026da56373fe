"""Taking judgements in, by whichever way they come, and what follows from them in the same transaction.

The rules:

- a judge's id counts once; what comes again changes nothing, in whatever batch it comes;
- who judges is who the credential says, never the agent itself (`judges.py`), and nobody who is bound to agents brings
  more than so many judgements of one agent a day;
- a judgement adds to its agent's counts of the day; a failed one makes unsafe what the agent did in that trace, and one
  that names nobody waits until the trace says whose work it is about;
- a version too many of an agent in a day, or a kind of step too many of a version, shares one name with the others, so
  that nobody fills the counts.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from ringfence_kit.callers import Caller
from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.errors import InvalidRequest, NotPermitted, QuotaExceeded, Violation
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.evaluation.counts import MIX_MAX, OTHER, CountChange, CountKey, What, difference
from ringfence_telemetry.evaluation.judgement import Judgement, counts_of
from ringfence_telemetry.evaluation.judges import why_not
from ringfence_telemetry.evaluation.work import TraceWork, Uses, judged, whose
from ringfence_telemetry.evaluation.work import counts_of as work_counts
from ringfence_telemetry.labels import OVERFLOW
from ringfence_telemetry.reporters import Reporter, reporter_of
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.evaluations import EvaluationRows

JUDGED_MAX = 100
"""New judgements of one agent that whoever is bound to agents may bring a day. Services measure; they have no limit."""
VERSIONS_MAX = 100
"""Versions of an agent that are told apart in a day."""
AGENTS_MAX = 10_000
"""Agents of whom versions are remembered; beyond, all are forgotten and admitted anew."""


OnJudged: TypeAlias = Callable[[TelemetryTx, frozenset[bytes]], None]
"""Whoever waits for the judgement of traces."""


def nobody(_tx: TelemetryTx, _trace_ids: frozenset[bytes]) -> None:
    """Nobody waits."""


class VersionBook:
    """Which versions of agents, and kinds of steps of a version, were seen today. Used in the writer's thread alone."""

    def __init__(self) -> None:
        self._day = 0
        self._versions: dict[str, set[str]] = {}
        self._kinds: dict[tuple[str, str], set[str]] = {}

    def fold(self, agent: str, version: str, at: Instant) -> str:
        """Return `version`, or the name of those too many."""
        self._turn(at)
        seen = self._versions.setdefault(agent, set())
        if version not in seen and len(seen) >= VERSIONS_MAX:
            return OVERFLOW
        seen.add(version)
        return version

    def fold_kinds(self, agent: str, version: str, uses: Uses, at: Instant) -> Uses:
        """Return what was done with the kinds that are too many under one name."""
        self._turn(at)
        seen = self._kinds.setdefault((agent, version), set())
        if seen.issuperset(kind for kind, _ in uses):
            return uses
        sums: dict[str, int] = {}
        for kind, count in uses:
            if kind not in seen and len(seen) >= MIX_MAX:
                kind = OTHER  # noqa: PLW2901 - what it is counted as from here on
            seen.add(kind)
            sums[kind] = sums.get(kind, 0) + count
        return tuple(sums.items())

    def _turn(self, at: Instant) -> None:
        if at // DAY != self._day or max(len(self._versions), len(self._kinds)) >= AGENTS_MAX:
            self._day, self._versions, self._kinds = at // DAY, {}, {}


class Recording:
    """Takes judgements."""

    def __init__(self, writer: Writer[TelemetryTx], versions: VersionBook, *, on_judged: OnJudged = nobody) -> None:
        """`on_judged` is told the traces that were judged, in the transaction that keeps the judgements."""
        self._writer = writer
        self._versions = versions
        self._on_judged = on_judged

    async def record(self, judgements: Sequence[Judgement], *, caller: Caller, mutation: Mutation) -> int:
        """Return how many were new. Raises NotPermitted, InvalidRequest, QuotaExceeded."""
        reporter = reporter_of(caller)
        for judgement in judgements:
            needed = why_not(reporter, judgement.agent)
            if needed:
                raise NotPermitted(principal=caller.principal, action=f"judge {judgement.agent}", needed=needed)

        def work(tx: TelemetryTx) -> int:
            _require_seen(tx, reporter, judgements)
            new = enter(tx, judgements, versions=self._versions, on_judged=self._on_judged)
            _count_judge(tx, reporter, new, mutation.at)
            return len(new)

        return await self._writer.write(work, mutation=mutation, result=int)


def enter(
    tx: TelemetryTx, judgements: Iterable[Judgement], *, versions: VersionBook, on_judged: OnJudged = nobody
) -> Sequence[Judgement]:
    """Keep what is new of `judgements`, with everything that follows, and return it."""
    new = tx.keep_judgements([_folded(each, versions) for each in judgements])
    works = tx.trace_works(
        {each.trace_id for each in new if each.trace_id and (each.passed is False or not each.agent)}
    )
    owned = [_with_owner(tx, each, works.get(each.trace_id)) for each in new]
    bad = _judged_bad(owned)
    after = {trace_id: judged(work, bad.get(trace_id, ())) for trace_id, work in works.items()}
    changed = [work for trace_id, work in after.items() if work != works[trace_id]]
    tx.keep_trace_works(changed)
    corrections = (difference(work_counts(work), work_counts(works[work.trace_id])) for work in changed)
    add_all(tx, [*(counts_of(each) for each in owned), *corrections])
    on_judged(tx, frozenset(each.trace_id for each in owned if each.trace_id and each.passed is not None))
    return owned


def add_all(tx: EvaluationRows, changes: Iterable[CountChange]) -> None:
    """Add several changes in one statement."""
    sums: dict[CountKey, int] = {}
    for change in changes:
        for key, number in change.items():
            sums[key] = sums.get(key, 0) + number
    tx.add_evaluation_counts({key: number for key, number in sums.items() if number})


def _folded(judgement: Judgement, versions: VersionBook) -> Judgement:
    version = versions.fold(judgement.agent, judgement.version, judgement.recorded_at) if judgement.agent else ""
    return judgement if version in ("", judgement.version) else replace(judgement, version=version)


def _with_owner(tx: EvaluationRows, judgement: Judgement, work: TraceWork | None) -> Judgement:
    """Return a kept judgement with the agent its trace says, when it names none and the trace is settled."""
    owner = None if judgement.agent or work is None else whose(work, judgement)
    if owner is None:
        return judgement
    found = replace(judgement, agent=owner.agent, version=owner.version)
    tx.say_whose(found)
    return found


def _judged_bad(judgements: Iterable[Judgement]) -> dict[bytes, set[str]]:
    """Return by trace the agents of whose work a judgement failed."""
    bad: dict[bytes, set[str]] = {}
    for each in judgements:
        if each.passed is False:
            bad.setdefault(each.trace_id, set()).add(each.agent)
    return bad


def _count_judge(tx: TelemetryTx, reporter: Reporter, new: Sequence[Judgement], at: Instant) -> None:
    """Refuse more judgements of one agent in a day than anybody bound to agents may bring: nobody's numbers are made by
    one rival."""
    if reporter.speaks_for_all:
        return
    name = hashlib.sha256(reporter.principal.encode()).hexdigest()[:32]
    brought = Counter(CountKey(each.agent, "", at // DAY, What.JUDGED_BY, name) for each in new)
    for key, count in brought.items():
        if tx.evaluation_number(key) + count > JUDGED_MAX:
            raise QuotaExceeded(
                principal=reporter.principal,
                method_class="judgements",
                retry_after=Millis(DAY - at % DAY),
                problem=f"may judge {key.agent} {JUDGED_MAX} times a day, and none of these judgements was kept",
            )
    tx.add_evaluation_counts(brought)


def _require_seen(tx: TelemetryTx, reporter: Reporter, judgements: Sequence[Judgement]) -> None:
    """Refuse agents nobody has seen, unless whoever names them may name anyone: else names would cost nothing."""
    if reporter.speaks_for_all:
        return
    seen: dict[str, bool] = {}
    violations = []
    for index, each in enumerate(judgements):
        if each.agent not in seen:
            seen[each.agent] = tx.has_usage(each.agent)
        if not seen[each.agent]:
            violations.append(Violation(f"evaluations[{index}].agent", "no usage of this agent was seen here"))
    if violations:
        raise InvalidRequest(*violations[:50])
