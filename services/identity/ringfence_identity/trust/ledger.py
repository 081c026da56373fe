"""Trust as it changes: what one signal does to what is stored about an agent. Pure; the clock is an argument.

The read side, closed form, is `ringfence_kit.trust_decay`; everything here keeps its promises and adds:

- good evidence is worth its weight times its rater's, within 20 points an hour, 60 a day, and 10 a day a rater;
- half of what good evidence is worth pays debt first; old debt fades, but only when there is good evidence;
- no more than 60 points are gained in any 24 hours, whatever is sent: fading debt counts against the same allowance,
  and what could not fade today fades with the next evidence;
- bad evidence counts at once and in full, but what peers complain of counts at most 20 points a day a reporter and
  60 in all, so that nobody can be talked down;
- a demotion is immediate and a promotion an event: 25 points above the threshold, a day after the last promotion, a
  week after the last penalty;
- ring 0 is a person's to give, for a time. It ends early with a demotion by score, with a penalty that our services
  observed, and with a suspension;
- time never runs backwards: an agent's clock is the later of now and its last event.
"""

import math
from dataclasses import dataclass, replace
from types import MappingProxyType

from ringfence_kit.clock import DAY, EPOCH, Instant, Millis
from ringfence_kit.trust_decay import (
    DEBT_MAX,
    EARNED_MAX,
    GRACE_MS,
    MICRO,
    MOST_TRUSTED_BY_SCORE,
    RING_THRESHOLDS,
    SCORE_MAX,
    TrustState,
    earned_at,
    ring_at,
)

from ringfence_identity.trust.caps import Credit, TrustLedger, complaint_caps, day_cap, earning_caps, since, under
from ringfence_identity.trust.evidence import FULL_WEIGHT, Evidence, Outcome
from ringfence_identity.trust.promotion import may_be_promoted

DEBT_HALF_LIFE = Millis(60 * DAY)

CEILINGS = MappingProxyType({1: SCORE_MAX, 2: RING_THRESHOLDS[1] - 1, 3: RING_THRESHOLDS[2] - 1})
"""The highest score by a birth certificate's ring ceiling. Ring 0 is beyond every score: ceiling 1 leaves it free."""


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
    return replace(ledger, state=_in_ring(capped, max(ring_at(ledger.state, at), ring_at(capped, at))))


def with_ring_zero(ledger: TrustLedger, *, until: Instant, now: Instant) -> TrustLedger:
    """Return the ledger of an agent that a person put into ring 0 until `until`. It is a promotion like others."""
    at = Instant(max(now, ledger.state.last_event_at))
    state = replace(ledger.state, stored_ring=0, ring_zero_until=until, promoted_at=at, last_event_at=at)
    return replace(ledger, state=state)


def without_ring_zero(ledger: TrustLedger) -> TrustLedger:
    """Return the ledger with nothing left of a person's grant: what an agent loses when it is suspended."""
    return replace(ledger, state=_in_ring(ledger.state, max(ledger.state.stored_ring, MOST_TRUSTED_BY_SCORE)))


def inherited_debt(worst: int) -> int:
    """Return what a sponsor's new agent owes: half of the worst debt among the sponsor's recent agents."""
    return worst // 2


def apply_evidence(ledger: TrustLedger, evidence: Evidence, *, now: Instant) -> Applied:
    """Return the ledger after one signal."""
    at = Instant(max(now, ledger.state.last_event_at))
    weigh = _earn if evidence.points > 0 else _penalise
    applied = weigh(_settle(ledger, at), evidence, at)
    # What weighed nothing leaves no trace, not even the rounding of a settled state.
    return applied if applied.outcome is Outcome.APPLIED else replace(applied, ledger=ledger)


def _settle(ledger: TrustLedger, at: Instant) -> TrustLedger:
    """Bring what is stored to `at` without changing any reading: decay done, a demotion kept, old credits dropped.

    `last_positive_at` moves so that grace is neither renewed nor decay counted twice.
    """
    faded = replace(
        ledger.state,
        earned=earned_at(ledger.state, at),
        last_positive_at=Instant(max(ledger.state.last_positive_at, at - GRACE_MS)),
    )
    state = _in_ring(faded, ring_at(ledger.state, at))
    return TrustLedger(state=state, gains=since(ledger.gains, at, DAY), complaints=since(ledger.complaints, at, DAY))


def _earn(ledger: TrustLedger, evidence: Evidence, at: Instant) -> Applied:
    wanted = evidence.points * MICRO * evidence.rater_weight // FULL_WEIGHT
    weight, detail = under(wanted, earning_caps(ledger.gains, evidence.rater, at))
    if weight <= 0:
        return Applied(ledger, Outcome.CAPPED, detail or "its rater has no weight for this agent")
    state, rise = _rewarded(ledger.state, weight, at, allowance=day_cap(ledger.gains, at).left)
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
        wanted = penalty * evidence.rater_weight // FULL_WEIGHT
        penalty, detail = under(wanted, complaint_caps(complaints, evidence.rater, at))
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
    # What our own services observed ends a person's grant; peers alone cannot talk an agent out of it.
    best = 0 if evidence.complaint else MOST_TRUSTED_BY_SCORE
    demoted = _in_ring(state, max(ring_at(state, at), best))
    return Applied(replace(ledger, state=demoted, complaints=complaints), Outcome.APPLIED, detail)


def _in_ring(state: TrustState, ring: int) -> TrustState:
    """Return the state with `ring` stored; a grant of ring 0 ends with it."""
    return replace(state, stored_ring=ring, ring_zero_until=state.ring_zero_until if ring == 0 else EPOCH)


def _promoted(state: TrustState, at: Instant) -> TrustState:
    better = state.stored_ring - 1
    if better < MOST_TRUSTED_BY_SCORE or not may_be_promoted(state, better, at):
        return state
    return replace(state, stored_ring=better, promoted_at=at)


def _faded_debt(state: TrustState, at: Instant) -> int:
    """Return what the debt would be had all of it faded since `debt_at`."""
    return math.ceil(state.debt * math.exp2(-max(0, at - state.debt_at) / DEBT_HALF_LIFE))


def _debt_time(debt: int, faded: int, at: Instant, before: Instant) -> Instant:
    """Return the `debt_at` from which `debt` has faded to `faded` by now: what did not fade yet is not forgotten."""
    if faded <= 0:
        return at if debt == 0 else before
    return Instant(at - math.floor(DEBT_HALF_LIFE * math.log2(debt / faded)))
