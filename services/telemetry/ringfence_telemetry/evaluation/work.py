"""What a settled trace counts for: one piece of work for each agent that had a part in it.

The rules:

- evidence is what somebody else than the agent saw, in traces that are trusted and whole: what an agent says of itself,
  what came from elsewhere, and what is sampled count for nothing; nor does work that its caller gave up;
- an agent's piece of work took as long as its longest part, and is completed when none of its parts failed;
- a person is asked for by the agent whose the whole is, the root's;
- a denial acted against makes unsafe what the agent did that acted;
- a failed judgement makes unsafe the work of the agent it is about, whether it comes before or after the trace settles.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from ringfence_kit.clock import DAY, Instant

from ringfence_telemetry.durations import bucket_of
from ringfence_telemetry.evaluation.counts import CountKey, What
from ringfence_telemetry.evaluation.judgement import Judgement
from ringfence_telemetry.workflows.settled import Part, Settled

Uses: TypeAlias = tuple[tuple[str, int], ...]
"""What was done, by kind and how often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One agent's piece of work."""

    agent: str
    version: str
    spans: tuple[int, ...]
    bucket: int
    completed: bool
    escalated: bool = False
    overridden: bool = False
    judged_bad: bool = False
    uses: Uses = ()

    @property
    def safe(self) -> bool:
        """Whether it ended well, with no denial overridden and no failed judgement."""
        return self.completed and not self.overridden and not self.judged_bad


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceWork:
    """What a trace was counted for, so that it can be corrected."""

    trace_id: bytes
    at: Instant
    """When it ended: the day it counts in."""
    works: tuple[Work, ...]


def work_of(settled: Settled, *, judged_bad: Collection[str]) -> TraceWork:
    """Return what a trace counts for; `judged_bad` are the agents of whose work in it a judgement failed."""
    return TraceWork(trace_id=settled.trace_id, at=settled.ended_at, works=_works(settled, judged_bad))


def counts_of(work: TraceWork | None) -> dict[CountKey, int]:
    """Return what it adds to the counts."""
    found: dict[CountKey, int] = {}
    if work is None:
        return found
    day = work.at // DAY
    for each in work.works:
        for what, name, count in _numbers(each):
            if count:
                key = CountKey(each.agent, each.version, day, what, name)
                found[key] = found.get(key, 0) + count
    return found


def judged(work: TraceWork, judged_bad: Collection[str]) -> TraceWork:
    """Return it with these agents' work judged bad, beside what was before."""
    works = (replace(each, judged_bad=each.judged_bad or each.agent in judged_bad) for each in work.works)
    return replace(work, works=tuple(works))


def whose(work: TraceWork, judgement: Judgement) -> Work | None:
    """Return whose work a judgement is about that names nobody: the part it points at, else the only one there is."""
    pointed = next((each for each in work.works if judgement.span and judgement.span in each.spans), None)
    return pointed or (work.works[0] if len(work.works) == 1 else None)


def _works(settled: Settled, judged_bad: Collection[str]) -> tuple[Work, ...]:
    if not settled.trusted or settled.sampled or settled.cancelled:
        return ()
    parts: dict[tuple[str, str], list[Part]] = {}
    for part in settled.parts:
        if part.caller_side and part.agent:
            parts.setdefault((part.agent, part.version), []).append(part)
    return tuple(
        Work(
            agent=agent,
            version=version,
            spans=tuple(part.span for part in own if part.span),
            bucket=bucket_of(max(part.duration_micros for part in own)),
            completed=not any(part.failed for part in own),
            escalated=settled.escalated and agent == settled.agent,
            judged_bad=agent in judged_bad,
            uses=_uses(own),
        )
        for (agent, version), own in parts.items()
    )


def _numbers(work: Work) -> Iterator[tuple[What, str, int]]:
    yield What.WORKFLOWS, "", 1
    yield What.ESCALATED, "", int(work.escalated)
    yield What.SAFE, "", int(work.safe)
    yield What.LATENCY, str(work.bucket), 1
    for kind, count in work.uses:
        yield What.MIX, kind, count


def _uses(parts: Collection[Part]) -> Uses:
    sums: dict[str, int] = {}
    for part in parts:
        for kind, count in part.uses:
            sums[kind] = sums.get(kind, 0) + count
    return tuple(sorted(sums.items()))
