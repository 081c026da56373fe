"""Trust as it changes: what one signal does to what is stored about an agent. Pure; the clock is an argument.

The read side, closed form, is `ringfence_kit.trust_decay`; everything here keeps its promises and adds:

- good evidence is worth its weight times its rater's, within 20 points an hour, 60 a day, and 10 a day a rater;
- half of what good evidence is worth pays debt first; old debt fades, but only when there is good evidence;
- no more than 60 points are gained in any 24 hours, whatever is sent: fading debt counts against the same allowance,
  and what could not fade today fades with the next evidence;
- bad evidence counts at once and in full, but what peers complain of counts at most 20 points a day a reporter and
  60 in all, so that nobody can be talked down;
- a demotion is immediate and a promotion an event: 25 points above the threshold, a day after the last promotion, a
  week after the last penalty. Ring 0 is a person's to give and is never reached by score;
- time never runs backwards: an agent's clock is the later of now and its last event.
"""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ringfence_kit.clock import DAY, HOUR, Instant, Millis
from ringfence_kit.trust_decay import (
    DEBT_MAX,
    EARNED_MAX,
    GRACE_MS,
    MICRO,
    RING_THRESHOLDS,
    SCORE_MAX,
    TrustState,
    earned_at,
    ring_at,
    ring_of,
    score_at,
)

HOUR_CAP = 20 * MICRO
DAY_CAP = 60 * MICRO
RATER_DAY_CAP = 10 * MICRO
COMPLAINT_RATER_DAY_CAP = 20 * MICRO
COMPLAINT_DAY_CAP = 60 * MICRO

DEBT_HALF_LIFE = Millis(60 * DAY)
PROMOTION_MARGIN = 25
PROMOTION_INTERVAL = DAY
QUARANTINE = Millis(7 * DAY)
MOST_TRUSTED_BY_SCORE = 1
FULL_WEIGHT = 1_000
"""A rater's weight in thousandths: of a person or one of our services. An agent's is its score."""

CEILINGS = (SCORE_MAX, *(threshold - 1 for threshold in RING_THRESHOLDS))
"""The highest score by ring ceiling: one point below the next better ring."""


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
class Credit:
    """Points that were counted lately, towards a cap."""

    at: Instant
    rater: str
    weight: int
    """Micro-points the evidence was worth."""
    rise: int = 0
    """Micro-points the score may have risen by, fading debt included; at most the allowance of a day."""

    @property
    def charge(self) -> int:
        """What it takes of the day's allowance."""
        return max(self.weight, self.rise)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustLedger:
    """What is stored about an agent's trust, with what the caps must remember: the last 24 hours."""

    state: TrustState
    gains: tuple[Credit, ...] = ()
    complaints: tuple[Credit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One signal as it weighs."""

    points: int
    """Its weight: positive earns, negative is a penalty, in points."""
    rater: str = ""
    """Who judged; empty when one of our services observed it."""
    rater_weight: int = FULL_WEIGHT
    complaint: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """A ledger after a signal, and what became of the signal."""

    ledger: TrustLedger
    outcome: Outcome
    detail: str = ""


def newborn(*, ring_ceiling: int, debt: int, now: Instant) -> TrustLedger:
    """Return the ledger of a new agent: baseline, ring 3, and the debt it was born with."""
    return TrustLedger(
        state=TrustState(
            debt=debt, debt_at=now, last_positive_at=now, last_event_at=now, ceiling=CEILINGS[ring_ceiling]
        )
    )


def with_ring_ceiling(ledger: TrustLedger, *, ring_ceiling: int, now: Instant) -> TrustLedger:
    """Return the ledger under another ring ceiling: a worse one demotes at once, a better one promotes nobody."""
    at = Instant(max(now, ledger.state.last_event_at))
    capped = replace(ledger.state, ceiling=CEILINGS[ring_ceiling], last_event_at=at)
    return replace(ledger, state=replace(capped, stored_ring=ring_at(capped, at)))


def inherited_debt(debts: Iterable[int]) -> int:
    """Return what a sponsor's new agent owes: half of the worst debt among the sponsor's recent agents."""
    return max(debts, default=0) // 2


def weight_of_rater(*, score: int, ring: int, same_agent: bool, same_sponsor: bool) -> int:
    """Return the weight, in thousandths, of an agent that rates another."""
    if same_agent or same_sponsor or ring >= len(RING_THRESHOLDS):
        return 0
    return score


def apply_evidence(ledger: TrustLedger, evidence: Evidence, *, now: Instant) -> Applied:
    """Return the ledger after one signal."""
    at = Instant(max(now, ledger.state.last_event_at))
    weigh = _earn if evidence.points > 0 else _penalise
    applied = weigh(_settle(ledger, at), evidence, at)
    # What weighed nothing leaves no trace, not even the rounding of a settled state.
    return applied if applied.outcome is Outcome.APPLIED else replace(applied, ledger=ledger)


def eligible_ring(state: TrustState, now: Instant) -> int:
    """Return the ring the score would justify by promotion, ring 0 included, whatever ring is stored."""
    return ring_of(score_at(state, now) - PROMOTION_MARGIN)


def _settle(ledger: TrustLedger, at: Instant) -> TrustLedger:
    """Bring what is stored to `at` without changing any reading: decay done, a demotion kept, old credits dropped.

    `last_positive_at` moves so that grace is neither renewed nor decay counted twice.
    """
    state = replace(
        ledger.state,
        earned=earned_at(ledger.state, at),
        last_positive_at=Instant(max(ledger.state.last_positive_at, at - GRACE_MS)),
        stored_ring=ring_at(ledger.state, at),
    )
    return TrustLedger(state=state, gains=_since(ledger.gains, at, DAY), complaints=_since(ledger.complaints, at, DAY))


def _earn(ledger: TrustLedger, evidence: Evidence, at: Instant) -> Applied:
    wanted = evidence.points * MICRO * evidence.rater_weight // FULL_WEIGHT
    day_left = DAY_CAP - sum(credit.charge for credit in ledger.gains)
    weight, detail = _capped(
        wanted,
        (day_left, "60 points a day"),
        (HOUR_CAP - _sum(_since(ledger.gains, at, HOUR)), "20 points an hour"),
        (_rater_left(ledger.gains, evidence.rater, RATER_DAY_CAP), "10 points a day from one rater"),
    )
    if weight <= 0:
        return Applied(ledger, Outcome.CAPPED, detail or "its rater has no weight for this agent")
    state, rise = _rewarded(ledger.state, weight, at, allowance=day_left)
    credit = Credit(at=at, rater=evidence.rater, weight=weight, rise=rise)
    return Applied(replace(ledger, state=_promoted(state, at), gains=(*ledger.gains, credit)), Outcome.APPLIED, detail)


def _rewarded(state: TrustState, weight: int, at: Instant, *, allowance: int) -> tuple[TrustState, int]:
    """Return the state after good evidence of `weight`, and by how much the score may have risen."""
    faded = _faded_debt(state, at)
    pay = min(faded, weight // 2)
    gain = (weight - pay) * (EARNED_MAX - state.earned) // EARNED_MAX
    healed = min(state.debt - faded, allowance - pay - gain)
    debt = state.debt - pay - healed
    rewarded = replace(
        state,
        earned=state.earned + gain,
        debt=debt,
        debt_at=_debt_time(debt, faded - pay, at, state.debt_at),
        last_positive_at=at if weight >= MICRO else state.last_positive_at,
        last_event_at=at,
    )
    return rewarded, pay + gain + healed


def _penalise(ledger: TrustLedger, evidence: Evidence, at: Instant) -> Applied:
    if evidence.points == 0:
        return Applied(ledger, Outcome.CAPPED, "signals of this kind weigh nothing")
    penalty = -evidence.points * MICRO
    detail = ""
    complaints = ledger.complaints
    if evidence.complaint:
        penalty, detail = _capped(
            penalty * evidence.rater_weight // FULL_WEIGHT,
            (COMPLAINT_DAY_CAP - _sum(complaints), "60 points of complaints a day"),
            (_rater_left(complaints, evidence.rater, COMPLAINT_RATER_DAY_CAP), "20 points a day from one reporter"),
        )
        if penalty <= 0:
            return Applied(ledger, Outcome.CAPPED, detail or "its rater has no weight for this agent")
        complaints = (*complaints, Credit(at=at, rater=evidence.rater, weight=penalty))
    owed = ledger.state.debt
    debt = min(DEBT_MAX, owed + penalty)
    faded = min(debt, _faded_debt(ledger.state, at) + debt - owed)
    state = replace(
        ledger.state,
        debt=debt,
        debt_at=_debt_time(debt, faded, at, ledger.state.debt_at),
        last_event_at=at,
        penalised_at=at,
    )
    demoted = replace(state, stored_ring=ring_at(state, at))
    return Applied(replace(ledger, state=demoted, complaints=complaints), Outcome.APPLIED, detail)


def _promoted(state: TrustState, at: Instant) -> TrustState:
    better = state.stored_ring - 1
    if better < MOST_TRUSTED_BY_SCORE:
        return state
    earned = score_at(state, at) >= RING_THRESHOLDS[better] + PROMOTION_MARGIN
    waited = at - state.promoted_at >= PROMOTION_INTERVAL and at - state.penalised_at >= QUARANTINE
    return replace(state, stored_ring=better, promoted_at=at) if earned and waited else state


def _faded_debt(state: TrustState, at: Instant) -> int:
    """Return what the debt would be had all of it faded since `debt_at`."""
    return math.ceil(state.debt * math.exp2(-max(0, at - state.debt_at) / DEBT_HALF_LIFE))


def _debt_time(debt: int, faded: int, at: Instant, before: Instant) -> Instant:
    """Return the `debt_at` from which `debt` has faded to `faded` by now: what did not fade yet is not forgotten."""
    if faded <= 0:
        return at if debt == 0 else before
    return Instant(at - math.floor(DEBT_HALF_LIFE * math.log2(debt / faded)))


def _since(counted: tuple[Credit, ...], at: Instant, window: Millis) -> tuple[Credit, ...]:
    return tuple(credit for credit in counted if credit.at > at - window)


def _sum(counted: Iterable[Credit]) -> int:
    return sum(credit.weight for credit in counted)


def _rater_left(counted: tuple[Credit, ...], rater: str, cap: int) -> int:
    if not rater:
        return cap + DAY_CAP  # the cap is on raters; what our own services observe has none
    return cap - _sum(credit for credit in counted if credit.rater == rater)


def _capped(wanted: int, *caps: tuple[int, str]) -> tuple[int, str]:
    """Return the lowest of `wanted` and the caps, with the sentence of the cap that took something away."""
    left, rule = min(caps)
    if wanted <= left:
        return wanted, ""
    return max(0, left), f"the cap of {rule} is reached"
