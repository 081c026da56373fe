"""Evidence about agents: what can be observed, who may judge, and what a judgement weighs."""

import enum
from dataclasses import dataclass

from ringfence_kit.trust_decay import LEAST_TRUSTED_RING

FULL_WEIGHT = 1_000
"""A rater's weight in thousandths: of a person or one of our services. An agent's is its score."""


class SignalKind(enum.Enum):
    """What was observed. The values are stored; they never change."""

    TASK_ACCEPTED = "task_accepted"
    TASK_REJECTED = "task_rejected"
    EVALUATION_PASSED = "evaluation_passed"
    CLEAN_DECISIONS = "clean_decisions"
    HEARTBEAT = "heartbeat"
    ACTION_DENIED = "action_denied"
    PROBING = "probing"
    SCOPE_ESCALATION = "scope_escalation"
    FORGED_SIGNATURE = "forged_signature"
    INCIDENT_CONFIRMED = "incident_confirmed"
    SLO_BUDGET_EXHAUSTED = "slo_budget_exhausted"


COMPLAINTS = frozenset({SignalKind.TASK_REJECTED})
"""What peers hold against an agent, as opposed to what our services observe."""


class Outcome(enum.Enum):
    """What became of a signal. The values are stored; they never change."""

    APPLIED = "applied"
    CAPPED = "capped"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One signal as it weighs."""

    points: int
    """Its weight: positive earns, negative is a penalty, in points."""
    rater: str = ""
    """Who judged; empty when one of our services observed it."""
    rater_weight: int = FULL_WEIGHT
    complaint: bool = False


def weight_of_rater(*, score: int, ring: int, same_agent: bool, same_sponsor: bool) -> int:
    """Return the weight, in thousandths, of an agent that rates another."""
    if same_agent or same_sponsor or ring >= LEAST_TRUSTED_RING:
        return 0
    return score
