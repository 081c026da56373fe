"""Promotion: what must hold before an agent gets a better ring, and what a person's grant of ring 0 takes on top.

One list of conditions serves the signal that promotes, the grant, its refusal and the explanation.
"""

from dataclasses import dataclass

from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.trust_decay import MOST_TRUSTED_BY_SCORE, RING_THRESHOLDS, TrustState, ring_at, score_at

PROMOTION_MARGIN = 25
PROMOTION_INTERVAL = DAY
QUARANTINE = Millis(7 * DAY)
LONGEST_RING_GRANT = Millis(30 * DAY)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing a promotion needs."""

    text: str
    met: bool
    met_at: Instant | None = None
    """When time alone will have met it; None when it is met, or time does not bring it."""


def score_for(ring: int) -> int:
    """Return the score a promotion to `ring` needs."""
    return RING_THRESHOLDS[ring] + PROMOTION_MARGIN


def conditions_of(state: TrustState, ring: int, at: Instant) -> tuple[Condition, ...]:
    """Return what an agent needs to get into `ring`, 0 to 2, from the one below."""
    reachable = max(ring, MOST_TRUSTED_BY_SCORE)
    needed = score_for(ring)
    or_better = "" if reachable == MOST_TRUSTED_BY_SCORE else " or better"
    return (
        Condition(f"a score of {needed} or more", score_at(state, at) >= needed),
        _waited("24 hours since the last promotion", Instant(state.promoted_at + PROMOTION_INTERVAL), at),
        _waited("7 days since the last penalty", Instant(state.penalised_at + QUARANTINE), at),
        Condition(
            f"a birth certificate whose ring ceiling is {reachable}{or_better}",
            state.ceiling >= RING_THRESHOLDS[reachable],
        ),
    )


def grant_conditions(state: TrustState, at: Instant) -> tuple[Condition, ...]:
    """Return what an agent needs before a person may grant it ring 0."""
    return (
        Condition("ring 1 at present", ring_at(state, at) == MOST_TRUSTED_BY_SCORE),
        *conditions_of(state, 0, at),
    )


def may_be_promoted(state: TrustState, ring: int, at: Instant) -> bool:
    """Say whether everything holds that promotion to `ring` needs."""
    # Most signals are far from a promotion: the score says so before a sentence is made.
    return score_at(state, at) >= score_for(ring) and all(condition.met for condition in conditions_of(state, ring, at))


def _waited(text: str, until: Instant, at: Instant) -> Condition:
    return Condition(text, at >= until, None if at >= until else until)
