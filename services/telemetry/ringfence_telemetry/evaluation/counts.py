"""What is counted of an agent's version, day by day: numbers that are only ever added to, so that order, batching and
correction of what was counted before make no difference.

A day is that of the event by our clock. Durations are counted in the buckets of `durations`, so a quantile is off
by 1.1 % at most, however many days are put together.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ringfence_telemetry.durations import quantiles
from ringfence_telemetry.evaluation.shares import NONE, Share

MIX_MAX = 200
"""Kinds of steps of a version that are told apart in a day; the others share one name."""
OTHER = "other"


class What(enum.StrEnum):
    """What is counted."""

    PASSED = "passed"
    """Judgements, by layer."""
    FAILED = "failed"
    WORKFLOWS = "workflows"
    """Pieces of work that were done or given up; those the caller cancelled are none."""
    ESCALATED = "escalated"
    SAFE = "safe"
    """Completed, no denial overridden, no judgement failed."""
    LATENCY = "latency"
    """Pieces of work, by the bucket of how long they took."""
    MIX = "mix"
    """Steps, by what they were."""
    JUDGED_BY = "judged_by"
    """New judgements of whoever is bound to agents, by the judge's digest: no measure, a limit."""


class CountKey(NamedTuple):
    """One number."""

    agent: str
    version: str
    day: int
    """Days since the epoch."""
    what: str
    name: str = ""
    """Which one, where there are several: a layer, a bucket, a kind of step."""


CountChange: TypeAlias = Mapping[CountKey, int]
"""What is to be added; less than nothing where something is taken back."""


class Counted(NamedTuple):
    """A number put together over days."""

    what: str
    name: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """How a version does, over a time."""

    accuracy: Share = NONE
    escalation: Share = NONE
    safe_completion: Share = NONE
    durations: Mapping[int, int] = field(default_factory=dict)
    """Pieces of work by the bucket of their duration."""
    mix: Mapping[str, int] = field(default_factory=dict)
    """Steps by what they were."""
    workflows: int = 0

    @property
    def judgements(self) -> int:
        """How many judgements say whether something passed."""
        return self.accuracy.total

    @property
    def latency_p50_micros(self) -> int:
        """Half of the pieces of work took at most so long; 0 without any."""
        return quantiles(self.durations, (50,))[0]

    @property
    def latency_p95_micros(self) -> int:
        """95 of 100 took at most so long; 0 without any."""
        return quantiles(self.durations, (95,))[0]


def acceptance(counted: Iterable[Counted]) -> Acceptance:
    """Return what numbers come to."""
    sums: dict[str, int] = {}
    durations: dict[int, int] = {}
    mix: dict[str, int] = {}
    for what, name, count in counted:
        if what == What.LATENCY:
            durations[int(name)] = durations.get(int(name), 0) + count
        elif what == What.MIX:
            mix[name] = mix.get(name, 0) + count
        else:
            sums[what] = sums.get(what, 0) + count
    passed, workflows = sums.get(What.PASSED, 0), sums.get(What.WORKFLOWS, 0)
    return Acceptance(
        accuracy=Share(passed, passed + sums.get(What.FAILED, 0)),
        escalation=Share(sums.get(What.ESCALATED, 0), workflows),
        safe_completion=Share(sums.get(What.SAFE, 0), workflows),
        durations=durations,
        mix=mix,
        workflows=workflows,
    )


def difference(after: CountChange, before: CountChange) -> dict[CountKey, int]:
    """Return what turns `before` into `after` when it is added."""
    changed = {key: count - before.get(key, 0) for key, count in after.items()}
    changed |= {key: -count for key, count in before.items() if key not in after}
    return {key: count for key, count in changed.items() if count}
