"""The stage of limits: a call that would be let through is counted against everything that limits it, or denied.

The limits are those of the bundle that decided, of the delegation the call stands on, and, where the operator wants it,
the rate of the agent's ring. Only calls that are let through stay counted.
"""

from collections.abc import Collection

from ringfence_kit.clock import EPOCH, Instant, Millis

from ringfence_pdp.case import Basis
from ringfence_pdp.facts import Facts
from ringfence_pdp.limits.charging import Allowance, Parties, Party, allowance_charges, charges, ring_charge
from ringfence_pdp.limits.counters import Charge, Counters, Refusal, Reservation, Status
from ringfence_pdp.model import ALONE, CheckRequest, Decision, Effect, Reason, Stage, Verdict

STATUSES_TOLD = 16
"""Limits one answer tells of."""

NOTHING_COUNTED = Reservation((), ())


class Metering:
    """Counts calls."""

    def __init__(self, counters: Counters, *, ring_rates: Collection[str] = ()) -> None:
        """`ring_rates`: the environments in which the rates of rings are enforced."""
        self.counters = counters
        self._ring_rates = frozenset(ring_rates)

    def counts(self, basis: Basis, request: CheckRequest, decision: Decision) -> bool:
        """Say whether anything limits the call. Every call is asked this, so what is usual is told apart first."""
        bundle = basis.bundle
        if (bundle is not None and bundle.limits) or basis.facts.spending.to_look_at:
            return True
        if self._ring_rates and request.environment in self._ring_rates:
            return True
        return decision.composed is not ALONE and bool(decision.composed.budget)

    def reserve(self, basis: Basis, request: CheckRequest, decision: Decision) -> Reservation | Refusal:
        """Count a call that may be let through, or say what it is too much for."""
        if not self.counts(basis, request, decision):
            return NOTHING_COUNTED
        return self.counters.reserve(self.charges(basis, request, decision), basis.now)

    def refund(self, reservation: Reservation, now: Instant) -> None:
        """Take back what was counted of a call that is not let through after all."""
        if reservation.receipts:
            self.counters.refund(reservation, now)

    def charges(self, basis: Basis, request: CheckRequest, decision: Decision) -> list[Charge]:
        """Return everything a call would be counted as."""
        parties = _parties(basis.facts, request, decision)
        if parties is None:  # nobody lets an agent through that is not known
            return []
        found = [] if basis.bundle is None else charges(basis.bundle, request, parties)
        if decision.composed.budget:
            found.extend(allowance_charges(_allowances(decision), request, parties))
        if request.environment in self._ring_rates:
            found.append(ring_charge(decision.ring, parties, request.environment))
        return found


def told(statuses: Collection[Status]) -> tuple[Status, ...]:
    """Return what an answer tells of limits: those nearest to their end first."""
    return tuple(sorted(statuses, key=_share_left)[:STATUSES_TOLD])


def refused(refusal: Refusal) -> Verdict:
    """Return the denial that a refusal means."""
    meter = refusal.status.meter
    if refusal.crowded:
        message = f"{meter.id} counts for too many already, so {meter.key} cannot be counted; fewer sessions help"
    elif meter.limit.budget:
        amount = f"{meter.limit.maximum} {meter.limit.unit.word}"
        message = f"the budget {meter.id} of {meter.key} is used up: of {amount}, {refusal.status.remaining} are left"
    else:
        message = (
            f"the rate {meter.id} of {meter.key} is used up: {meter.limit.maximum} calls in "
            f"{_length(meter.limit.window)}, {meter.limit.burst} at once"
        )
    reason = Reason.BUDGET_EXHAUSTED if meter.limit.budget else Reason.RATE_LIMITED
    return Verdict(stage=Stage.LIMITS, effect=Effect.DENY, reason=reason, message=message)


def _parties(facts: Facts, request: CheckRequest, decision: Decision) -> Parties | None:
    acting = facts.identity(request.did, request.agent, request.environment)
    if acting is None:
        return None
    subjects = [_party(facts, name) for name in decision.composed.subjects or (acting.resource_name,)]
    target = None
    if request.target is not None:
        called = facts.identity(request.target.did, request.target.agent, request.environment)
        target = None if called is None else _party(facts, called.resource_name)
    return Parties(subjects, target)


def _party(facts: Facts, name: str) -> Party:
    registered = facts.registered.get(name)
    return Party(name, name.split("/")[1], None if registered is None else registered.team)


def _allowances(decision: Decision) -> list[Allowance]:
    composed = decision.composed
    spend = dict(composed.budget)
    return [
        Allowance(
            id=f"token:{composed.token}",
            calls=spend.get("calls", 0),
            cost_micros=spend.get("cost_micros", 0),
            until=EPOCH if composed.valid_until is None else composed.valid_until,
        )
    ]


def _share_left(status: Status) -> tuple[float, str, str]:
    limit = status.meter.limit
    return status.remaining / (limit.maximum if limit.budget else limit.burst), status.meter.id, status.meter.key


def _length(window: Millis) -> str:
    seconds = window / 1_000
    return f"{seconds:g} s"
