"""Trust as it stands at an instant: the read side of the score, closed form, no state changed.

Identity stores what was earned and what is owed; whoever must know the score now (identity, pdp, registry) computes it
here from the same stored numbers, so two replicas agree to the point and no background job exists. The rules:

- evidence fades: after 24 h without a positive signal, what was earned halves every 14 days;
- debt does not fade on a read;
- a clock set back cannot raise a score: time never runs before the last event;
- the ring is never better than the stored one: demotion is immediate, promotion is an event;
- ring 0 is given by a person and for a time: when that is over, ring 1 is the best there is.

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

_BASELINE = BASELINE * MICRO
_MOST = SCORE_MAX * MICRO

GRACE_MS = 24 * HOUR
EARNED_HALF_LIFE_MS = 14 * DAY

RING_THRESHOLDS = (900, 700, 400)
"""The lowest score of rings 0, 1 and 2; below the last is ring 3."""

LEAST_TRUSTED_RING = 3

MOST_TRUSTED_BY_SCORE = 1
"""The best ring a score leads to; ring 0 takes a person's grant."""


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
    ring_zero_until: Instant = EPOCH
    """Until when a stored ring 0 holds."""


def earned_at(state: TrustState, now: Instant) -> int:
    """Return what is left of the earned micro-points at `now`."""
    idle = max(now, state.last_event_at) - state.last_positive_at - GRACE_MS
    if idle <= 0:
        return state.earned
    return math.floor(state.earned * math.exp2(-idle / EARNED_HALF_LIFE_MS))


def score_at(state: TrustState, now: Instant) -> int:
    """Return the score in points, 0 to 1000."""
    raw = _BASELINE + earned_at(state, now) - state.debt
    return min(state.ceiling, max(0, min(_MOST, raw)) // MICRO)


def ring_of(score: int) -> int:
    """Return the ring a score alone would give: 0 from 900, 1 from 700, 2 from 400, else 3."""
    for ring, threshold in enumerate(RING_THRESHOLDS):
        if score >= threshold:
            return ring
    return LEAST_TRUSTED_RING


def ring_at(state: TrustState, now: Instant) -> int:
    """Return the ring in force at `now`: the stored one, or a worse one as soon as the score demands it."""
    return ring_with(state, score_at(state, now), now)


def ring_with(state: TrustState, score: int, now: Instant) -> int:
    """Return the ring in force at `now`, for who has the score of that instant already."""
    return max(_granted(state, now), ring_of(score))


def within_ceiling(ring: int, ring_ceiling: int) -> int:
    """Return `ring` as far as a birth certificate's ring ceiling allows.

    A ceiling says how far a score may lead, so it is 1 to 3; whoever may reach ring 1 may be granted ring 0.
    """
    return ring if ring_ceiling <= MOST_TRUSTED_BY_SCORE else max(ring, ring_ceiling)


def demotion_at(state: TrustState, now: Instant) -> Instant | None:
    """Return the first instant at which the ring of `now` is lost if nothing happens; None when it never is."""
    ring = ring_at(state, now)
    if ring == LEAST_TRUSTED_RING:
        return None
    faded = _faded_below(state, RING_THRESHOLDS[ring])
    return min(faded, state.ring_zero_until) if ring == 0 else faded


def score_falls_at(state: TrustState, now: Instant) -> Instant | None:
    """Return the first instant after `now` at which the score is lower if nothing happens; None when it never is."""
    score = score_at(state, now)
    needed = (score - BASELINE) * MICRO + state.debt
    # What is not earned does not fade: neither the baseline, nor what debt has eaten.
    return None if score == 0 or needed <= 0 else _faded_below(state, score)


def _granted(state: TrustState, now: Instant) -> int:
    expired = state.stored_ring == 0 and max(now, state.last_event_at) >= state.ring_zero_until
    return MOST_TRUSTED_BY_SCORE if expired else state.stored_ring


def _faded_below(state: TrustState, score: int) -> Instant:
    """Return the first instant at which fading takes the score below `score`, which it has."""
    needed = (score - BASELINE) * MICRO + state.debt
    idle = math.floor(EARNED_HALF_LIFE_MS * math.log2(state.earned / needed))
    at = Instant(state.last_positive_at + GRACE_MS + idle)
    # The logarithm is exact to a few milliseconds; what counts is what `earned_at` says.
    while earned_at(state, at) < needed:
        at = Instant(at - 1)
    while earned_at(state, at) >= needed:
        at = Instant(at + 1)
    return at
