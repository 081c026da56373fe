"""Trust as it stands at an instant: the read side of the score, closed form, no state changed.

Identity stores what was earned and what is owed; whoever must know the score now (identity, pdp, registry) computes it
here from the same stored numbers, so two replicas agree to the point and no background job exists. The rules:

- evidence fades: after 24 h without a positive signal, what was earned halves every 14 days;
- debt does not fade on a read;
- a clock set back cannot raise a score: time never runs before the last event;
- the ring is never better than the stored one: demotion is immediate, promotion is an event.

Amounts are integer micro-points (1 point = 1,000,000), times integer milliseconds.
"""

import math
from dataclasses import dataclass

from ringfence_kit.clock import DAY, EPOCH, HOUR, Instant

MICRO = 1_000_000
"""Micro-points in a point."""

BASELINE = 300
"""The score of an agent that has shown nothing yet."""

EARNED_MAX = 700 * MICRO
DEBT_MAX = 1_000 * MICRO
SCORE_MAX = 1_000

GRACE_MS = 24 * HOUR
EARNED_HALF_LIFE_MS = 14 * DAY

RING_THRESHOLDS = (900, 700, 400)
"""The lowest score of rings 0, 1 and 2; below the last is ring 3."""

LEAST_TRUSTED_RING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustState:
    """What is stored for one agent in one environment. Defaults are those of a new agent."""

    earned: int = 0
    """Micro-points in [0, 700,000,000], as of `last_positive_at`."""
    debt: int = 0
    """Micro-points in [0, 1,000,000,000], as of `debt_at`."""
    last_positive_at: Instant = EPOCH
    debt_at: Instant = EPOCH
    last_event_at: Instant = EPOCH
    stored_ring: int = LEAST_TRUSTED_RING
    promoted_at: Instant = EPOCH
    penalised_at: Instant = EPOCH
    ceiling: int = SCORE_MAX
    """The highest score this agent may reach, in points."""


def earned_at(state: TrustState, now: Instant) -> int:
    """Return what is left of the earned micro-points at `now`."""
    idle = max(0, max(now, state.last_event_at) - state.last_positive_at - GRACE_MS)
    if idle == 0:
        return state.earned
    return math.floor(state.earned * math.exp2(-idle / EARNED_HALF_LIFE_MS))


def score_at(state: TrustState, now: Instant) -> int:
    """Return the score in points, 0 to 1000."""
    raw = BASELINE * MICRO + earned_at(state, now) - state.debt
    return min(state.ceiling, max(0, min(SCORE_MAX * MICRO, raw)) // MICRO)


def ring_of(score: int) -> int:
    """Return the ring a score alone would give: 0 from 900, 1 from 700, 2 from 400, else 3."""
    for ring, threshold in enumerate(RING_THRESHOLDS):
        if score >= threshold:
            return ring
    return LEAST_TRUSTED_RING


def ring_at(state: TrustState, now: Instant) -> int:
    """Return the ring in force at `now`: the stored one, or a worse one as soon as the score demands it."""
    return max(state.stored_ring, ring_of(score_at(state, now)))
