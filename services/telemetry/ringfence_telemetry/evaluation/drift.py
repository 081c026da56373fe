"""How far a version has moved away from a time that was good: four tests, each a number, a level and a sentence.

- `mix`: population stability index of what it does, Σ (aᵢ - bᵢ) · ln(aᵢ / bᵢ) over the kinds of steps. Half a step is
  added to every kind on both sides, so one that is new or gone has a share and the sum stays finite; 0.1 is worth
  watching, 0.25 is a change.
- `latency_p50`, `latency_p95`: ratio of now to then, either way round: 1.25 and 1.5.
- `pass_rate`: two-proportion z-test with the pooled share, two-sided: a chance of 5 %, and of 1 in 1,000.
- `slow_change`: Page-Hinkley on scores, in standard deviations of the baseline, against its mean, which is pinned (a
  running one would follow what is slow): the sum of what each score is beyond 0.25 of the mean, less its own minimum
  until then, on either side. From 12 on it is worth watching, from 20 on it is a change: without any, that happens once
  in some 5,700 and some 300,000 scores (Siegmund's approximation); of a shift by half a deviation it takes 80.

Pure; too little to tell is UNKNOWN, which is never a reason for an alert.
"""

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ringfence_telemetry.evaluation.counts import Acceptance
from ringfence_telemetry.evaluation.shares import Share

PSI_WATCH, PSI_ALERT = 0.1, 0.25
RATIO_WATCH, RATIO_ALERT = 1.25, 1.5
CHANCE_WATCH, CHANCE_ALERT = 0.05, 0.001
SLACK = 0.25
"""Of a standard deviation: what a score may be off the mean without counting."""
SLOW_WATCH, SLOW_ALERT = 12.0, 20.0

SAMPLES_LEAST = 30
"""Steps, pieces of work, judgements or scores on either side: with fewer nothing is said."""

_SMOOTHING = 0.5
_DEVIATION_LEAST = 0.01
"""Of the mean, or of 1: a baseline of equal scores has no deviation to measure by."""


class Level(enum.IntEnum):
    """How far it has moved, in order."""

    UNKNOWN = 0
    STABLE = 1
    WATCH = 2
    ALERT = 3


class Moments(NamedTuple):
    """Scores of one measure, put together."""

    number: int
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """How a version did in the time it is compared with."""

    agent: str
    version: str
    start: int
    """Instant."""
    end: int
    accuracy: Share
    durations: tuple[tuple[int, int], ...] = ()
    """Pieces of work by the bucket of their duration."""
    mix: Mapping[str, int] = field(default_factory=dict)
    workflows: int = 0
    scores: Mapping[str, Moments] = field(default_factory=dict)
    """By measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One way it has moved."""

    what: str
    level: Level
    value: float
    detail: str


def drifts(baseline: Baseline, now: Acceptance, scores: Mapping[str, Sequence[float]]) -> tuple[Drift, ...]:
    """Return every way; `scores` are those since the baseline, by measure, in their order."""
    then = Acceptance(durations=dict(baseline.durations), workflows=baseline.workflows)
    return (
        _mix(baseline.mix, now.mix),
        _latency("latency_p50", then, now, then.latency_p50_micros, now.latency_p50_micros),
        _latency("latency_p95", then, now, then.latency_p95_micros, now.latency_p95_micros),
        _pass_rate(baseline.accuracy, now.accuracy),
        _slow_change(baseline.scores, scores),
    )


def worst(found: Sequence[Drift]) -> Level:
    """Return how far it has moved at worst; UNKNOWN when nothing is known."""
    return max((each.level for each in found), default=Level.UNKNOWN)


def stability_index(then: Mapping[str, int], now: Mapping[str, int]) -> float:
    """Return the population stability index; 0 when nothing counted on either side."""
    kinds = sorted(then.keys() | now.keys())
    if not kinds:
        return 0.0
    before, after = _smoothed(then, kinds), _smoothed(now, kinds)
    return math.fsum((a - b) * math.log(a / b) for b, a in zip(before, after, strict=True))


def two_proportions(then: Share, now: Share) -> tuple[float, float]:
    """Return z and the chance of one at least as far from 0, if both came from one share."""
    pooled = (then.hits + now.hits) / (then.total + now.total)
    variance = pooled * (1 - pooled) * (1 / then.total + 1 / now.total)
    if variance <= 0:
        return 0.0, 1.0
    z = (now.value - then.value) / math.sqrt(variance)
    return z, math.erfc(abs(z) / math.sqrt(2))


def page_hinkley(scores: Sequence[float], *, mean: float, deviation: float) -> float:
    """Return how far the sum stands above its minimum after the last score, on the side where that is more."""
    above = below = 0.0
    for score in scores:
        off = (score - mean) / deviation
        # max(0, sum + step) is the sum less its minimum so far.
        above, below = max(0.0, above + off - SLACK), max(0.0, below - off - SLACK)
    return max(above, below)


def moments(scores: Sequence[float]) -> Moments:
    """Return count, mean and standard deviation (of a sample) of at least one score."""
    mean = math.fsum(each / len(scores) for each in scores)
    # Measured in the largest deviation there is, so that no square is beyond what a float holds.
    largest = max(abs(each - mean) for each in scores)
    if largest == 0 or len(scores) == 1 or not math.isfinite(largest):
        return Moments(len(scores), mean, 0.0)
    squares = math.fsum(((each - mean) / largest) ** 2 for each in scores)
    return Moments(len(scores), mean, largest * math.sqrt(squares / (len(scores) - 1)))


def _smoothed(counts: Mapping[str, int], kinds: Sequence[str]) -> list[float]:
    total = sum(counts.values()) + _SMOOTHING * len(kinds)
    return [(counts.get(kind, 0) + _SMOOTHING) / total for kind in kinds]


def _mix(then: Mapping[str, int], now: Mapping[str, int]) -> Drift:
    before, after = sum(then.values()), sum(now.values())
    if min(before, after) < SAMPLES_LEAST:
        return _unknown("mix", f"{before} steps then and {after} now")
    value = stability_index(then, now)
    kinds = sorted(then.keys() | now.keys())
    moved, b, a = max(
        zip(kinds, _smoothed(then, kinds), _smoothed(now, kinds), strict=True),
        key=lambda row: (row[2] - row[1]) * math.log(row[2] / row[1]),
    )
    detail = (
        f"the stability index of what it does is {value:.4g} (0.1 is worth watching, 0.25 a change); "
        f"{moved} moved most, from {b * 100:.3g} % to {a * 100:.3g} %"
    )
    return Drift(what="mix", level=_level(value, PSI_WATCH, PSI_ALERT), value=value, detail=detail)


def _latency(what: str, then: Acceptance, now: Acceptance, before: int, after: int) -> Drift:
    if min(then.workflows, now.workflows) < SAMPLES_LEAST or min(before, after) <= 0:
        return _unknown(what, f"{then.workflows} pieces of work then and {now.workflows} now")
    ratio = after / before
    detail = f"{after / 1e6:.4g} s now, {before / 1e6:.4g} s then: {ratio:.3g} times as long"
    return Drift(what=what, level=_level(max(ratio, 1 / ratio), RATIO_WATCH, RATIO_ALERT), value=ratio, detail=detail)


def _pass_rate(then: Share, now: Share) -> Drift:
    if min(then.total, now.total) < SAMPLES_LEAST:
        return _unknown("pass_rate", f"{then.total} judgements then and {now.total} now")
    z, chance = two_proportions(then, now)
    level = Level.ALERT if chance < CHANCE_ALERT else Level.WATCH if chance < CHANCE_WATCH else Level.STABLE
    detail = (
        f"{now.hits} of {now.total} passed now, {then.hits} of {then.total} then; "
        f"a chance of {chance:.2g} if nothing had changed"
    )
    return Drift(what="pass_rate", level=level, value=z, detail=detail)


def _slow_change(then: Mapping[str, Moments], now: Mapping[str, Sequence[float]]) -> Drift:
    judged = [
        (page_hinkley(scores, mean=pinned.mean, deviation=_deviation(pinned)), metric, len(scores), pinned)
        for metric, pinned in sorted(then.items())
        if pinned.number >= SAMPLES_LEAST and len(scores := now.get(metric, ())) >= SAMPLES_LEAST
    ]
    if not judged:
        return _unknown("slow_change", "too few scores of any measure then or now")
    value, metric, count, pinned = max(judged)
    detail = (
        f"{count} scores of {metric} have gone {value:.4g} deviations away from {pinned.mean:.4g} "
        f"({SLOW_WATCH:g} is worth watching, {SLOW_ALERT:g} a change)"
    )
    return Drift(what="slow_change", level=_level(value, SLOW_WATCH, SLOW_ALERT), value=value, detail=detail)


def _deviation(pinned: Moments) -> float:
    return max(pinned.deviation, _DEVIATION_LEAST * max(1.0, abs(pinned.mean)))


def _level(value: float, watch: float, alert: float) -> Level:
    return Level.ALERT if value >= alert else Level.WATCH if value >= watch else Level.STABLE


def _unknown(what: str, had: str) -> Drift:
    return Drift(what=what, level=Level.UNKNOWN, value=0.0, detail=f"{had}; from {SAMPLES_LEAST} on it can be told")
