"""What hard budgets say to a call: denied when nothing is left, and as configured when nobody knows what is left.

- an agent is found by its name and by its DID, whichever it reports its usage under;
- a session by what the question says, a team by what the registry says of the agent, a model by the resource of a call
  that is made to one (protocol `model`); what is not said or known has no budget;
- until when is seen by the clock of the decision: the new period allows before telemetry says that it began.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.case import Basis
from ringfence_pdp.hard_budgets import BudgetScope, Spender
from ringfence_pdp.model import CheckRequest, Effect, Protocol, Reason, Stage, Verdict


class Overspent(NamedTuple):
    """Why a call is denied, and when to come back."""

    verdict: Verdict
    retry_after: Millis | None
    """None when time alone does not help, or nobody knows when it does."""


def overspent(basis: Basis, request: CheckRequest) -> Overspent | None:
    """Return why no budget is left for a call; None when there is, or none is hard."""
    spending = basis.facts.spending
    if not spending.to_look_at:
        return None
    spenders = tuple(_spenders(basis, request))
    nothing_left = spending.nothing_left(spenders, basis.now)
    if nothing_left is not None:
        ends = nothing_left.ends_at
        renewed = "it is not renewed; raise it to go on" if ends is None else f"it is renewed at {_time(ends)}"
        whose = f" of {nothing_left.subject}" if nothing_left.subject else ""
        message = f"{nothing_left.budget}{whose} is used up: {nothing_left.spent} is spent; {renewed}"
        return Overspent(_denied(Reason.BUDGET_EXHAUSTED, message), None if ends is None else Millis(ends - basis.now))
    doubted = spending.in_doubt(spenders)
    if doubted is None or spending.silent_for is None:
        return None
    message = (
        f"telemetry has said nothing for {spending.silent_for // 1_000} s, so what is left of {doubted.name} is not "
        "known; see that the pdp reaches it, or let pdp.budgets.when_silent allow"
    )
    return Overspent(_denied(Reason.FACTS_STALE, message), None)


def _spenders(basis: Basis, request: CheckRequest) -> Iterator[Spender]:
    yield BudgetScope.EVERYTHING, ""
    identity = basis.facts.identity(request.did, request.agent, request.environment)
    if identity is not None:
        yield BudgetScope.AGENT, identity.resource_name
        yield BudgetScope.AGENT, identity.did
        registered = basis.facts.registered.get(identity.resource_name)
        if registered is not None and registered.team:
            yield BudgetScope.TEAM, registered.team
    if request.session:
        yield BudgetScope.SESSION, request.session
    if request.protocol is Protocol.MODEL and request.resource.id:
        yield BudgetScope.MODEL, request.resource.id


def _denied(reason: Reason, message: str) -> Verdict:
    return Verdict(stage=Stage.LIMITS, effect=Effect.DENY, reason=reason, message=message)


def _time(at: Instant) -> str:
    return datetime.fromtimestamp(at // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
