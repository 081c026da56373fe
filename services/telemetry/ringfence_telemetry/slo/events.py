"""A settled trace → what it counts for an objective, and who is to blame when it is bad.

Pure. The rules:

- evidence comes from the caller's side: a trace whose root only the agent itself reported says nothing, nor does one
  that is not trusted, nor one with spans of a head-sampled sender, which are no share of anything;
- what its caller cancelled is no event;
- good is what finished without an error, within the time, and passed its evaluation when one is asked for;
- each bad event is one agent's: that of the deepest error whose parent is an error too; for a late one the agent on
  the critical path furthest over its own target; when there is none, the objective's own.
"""

from collections.abc import Mapping

from ringfence_kit.clock import MINUTE, Instant, Millis

from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.windows import Change
from ringfence_telemetry.workflows.blame import blame
from ringfence_telemetry.workflows.settled import Part, Settled


def is_evidence(settled: Settled) -> bool:
    """Say whether a trace may be counted for anybody's objective."""
    seen_by_caller = bool(settled.parts) and settled.parts[0].caller_side
    return settled.trusted and seen_by_caller and not settled.cancelled and not settled.sampled


def event_of(objective: Objective, settled: Settled, targets: Mapping[str, Millis], at: Instant) -> Change | None:
    """Return what a trace counts by its errors and its time, None for nothing.

    `targets` are the times the agents in it promise; `at` is when it was settled: nothing ended later.
    """
    ended_at = min(settled.ended_at, at)
    if (
        settled.agent != objective.agent
        or ended_at < objective.counted_from
        or not objective.concerns(skill=settled.skill, operation=settled.operation)
        or not is_evidence(settled)
    ):
        return None
    minute = ended_at // MINUTE
    late = objective.latency is not None and settled.duration_micros > objective.latency * 1_000
    if not settled.failed and not late:
        return Change(minute, good=1)

    def target_of(part: Part) -> int | None:
        return targets[part.agent] * 1_000 if part.agent in targets else None

    agent = blame(settled, slow=late, target_of=target_of).agent
    return Change(minute, agent, bad=1, errors=int(settled.failed), witnessed=_witnessed(settled, agent))


def evaluated(objective: Objective, good: Change, *, passed: bool) -> Change:
    """Return what an event that is good by all else counts, now that it was evaluated."""
    return good if passed else Change(good.minute, objective.agent, bad=1, witnessed=1)


def _witnessed(settled: Settled, agent: str) -> int:
    return int(any(part.agent == agent and part.caller_side for part in settled.parts))
