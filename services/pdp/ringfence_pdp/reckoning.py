"""What comes after a decision that does not deny: what it counts, and whom it waits for.

The rules:

- limits come first, hard budgets before what is counted here, so that nobody is asked to approve what could not be let
  through anyway;
- people come last, and their yes is used up only for a call that everything else lets through;
- a call that is not let through in the end costs nothing: what was counted is given back, whatever ends it;
- what has to wait is told apart by its type, so no door can forget to wait.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol, Self

from ringfence.proofs.canonical_json import CanonicalFormError
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Clock, Millis

from ringfence_pdp.answer import Answer
from ringfence_pdp.approvals.approval import Approval, Asked, Question, State
from ringfence_pdp.approvals.desk import Said
from ringfence_pdp.approvals.questions import asked_by, question_of
from ringfence_pdp.case import Basis
from ringfence_pdp.limits.counters import Refusal, Reservation
from ringfence_pdp.limits.metering import NOTHING_COUNTED, Metering, refused, told
from ringfence_pdp.limits.spending import overspent
from ringfence_pdp.model import CheckRequest, Decision, Effect, Reason, Stage, Verdict


class People(Protocol):
    """Who is asked, see `approvals.desk`."""

    async def put(self, question: Question, asked: Asked, *, named: str = "") -> Said:
        """Return what people said to `question`; put it to them if nobody did."""
        ...

    def peek(self, question: Question) -> Approval | None:
        """Return the approval of a question as it stands; nothing is opened or used."""
        ...

    def refusing(self, approval: Approval) -> Millis | None:
        """Return for how long an approval that ended stands as a no to its question."""
        ...


class Unsettled(NamedTuple):
    """A decision that others still have a say in: `Sitting.settled` hears them. Nobody was told, nothing is logged."""

    answer: Answer
    basis: Basis
    request: CheckRequest
    caller: Caller
    asked: bytes
    awaited: tuple[str, ...] = ()
    """Classifiers elsewhere that have to be heard first, by name; the answer is what holds if nobody asks them."""


class Counted:
    """What was counted for an answer; leaving the block gives it back, unless the call was let through."""

    def __init__(self, answer: Answer, reservation: Reservation, refund: Callable[[Reservation], None]) -> None:
        self.answer = answer
        """The answer as far as limits go."""
        self.reservation = reservation
        """What was counted."""
        self._refund = refund
        self._through = False

    def let_through(self, answer: Answer) -> Answer:
        """Return the answer that is given; if it allows, what was counted stays."""
        self._through = answer.decision.effect is Effect.ALLOW
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._through:
            self._refund(self.reservation)


class Foreseen(NamedTuple):
    """What an answer would be, and what the two stages say to it."""

    answer: Answer
    limits: Verdict
    approval: Verdict


class Reckoning:
    """Counts what is let through, and asks people."""

    def __init__(self, metering: Metering, people: People, *, clock: Clock, shows_arguments: bool = True) -> None:
        """`shows_arguments`: whether people who are asked see the arguments of the call."""
        self._people = people
        self._clock = clock
        self._shows_arguments = shows_arguments
        self.metering = metering

    def counting(self, basis: Basis, request: CheckRequest, answer: Answer) -> Counted:
        """Count a call that may be let through, or deny it."""
        spent = overspent(basis, request)
        if spent is not None:
            decision = denying(answer.decision, spent.verdict)
            denied = answer._replace(decision=decision, retry_after=spent.retry_after, cache=None)
            return Counted(denied, NOTHING_COUNTED, self.refund)
        found = self.metering.reserve(basis, request, answer.decision)
        if not isinstance(found, Refusal):
            return Counted(answer._replace(limits=told(found.statuses)), found, self.refund)
        denied = answer._replace(
            decision=denying(answer.decision, refused(found)),
            limits=(found.status,),
            retry_after=found.retry_after,
        )
        return Counted(denied, NOTHING_COUNTED, self.refund)

    async def heard(self, unsettled: Unsettled, answer: Answer) -> Answer:
        """Return the answer once people had their say, or were asked for it."""
        basis, request = unsettled.basis, unsettled.request
        needed = answer.decision.verdict.approval
        acting = basis.facts.identity(request.did, request.agent, request.environment)
        if needed is None or acting is None:
            return _without_people(answer, "the question cannot be put to anybody")
        try:
            question = question_of(request, answer, acting, basis.facts, needed)
            asked = asked_by(
                unsettled.caller.principal, request, answer, acting, basis.facts, shown=self._shows_arguments
            )
        except CanonicalFormError as error:
            return _unbound(answer, error)
        said = await self._people.put(question, asked, named=request.approval or "")
        return self._as_said(answer, said)

    def foreseen(self, basis: Basis, request: CheckRequest, answer: Answer) -> Foreseen:
        """Return what would be answered if it were asked now; nothing is counted, and nobody is asked."""
        if answer.decision.effect is Effect.DENY:
            return Foreseen(answer, _passing(Stage.LIMITS, _DENIED), _passing(Stage.APPROVAL, _DENIED))
        with self.counting(basis, request, answer) as counted:
            answer = counted.answer
        if answer.decision.effect is Effect.DENY:
            return Foreseen(answer, answer.decision.verdict, _passing(Stage.APPROVAL, _DENIED))
        limits = _passing(Stage.LIMITS, _standing(answer))
        if answer.decision.effect is Effect.ALLOW:
            return Foreseen(answer, limits, _passing(Stage.APPROVAL, "no rule asks for approval"))
        answer = self._foreseen_by_people(basis, request, answer)
        said = answer.decision.verdict
        return Foreseen(answer, limits, replace(said, stage=Stage.APPROVAL))

    def _foreseen_by_people(self, basis: Basis, request: CheckRequest, answer: Answer) -> Answer:
        needed = answer.decision.verdict.approval
        acting = basis.facts.identity(request.did, request.agent, request.environment)
        if needed is None or acting is None:
            return answer
        try:
            held = self._people.peek(question_of(request, answer, acting, basis.facts, needed))
        except CanonicalFormError as error:
            return _unbound(answer, error)
        if held is None or (not held.state.is_open and not self._people.refusing(held)):
            return answer
        if held.state is not State.APPROVED:
            return self._as_said(answer, Said(held))
        verdict = replace(
            answer.decision.verdict,
            effect=Effect.ALLOW,
            reason=Reason.ALLOWED,
            message=f"{held.name} is approved, and would be used up by the call",
            approval=None,
        )
        return answer._replace(decision=answer.decision._replace(verdict=verdict), approval=held.name)

    def refund(self, reservation: Reservation) -> None:
        """Give back what was counted for a call that is not let through after all."""
        # By the clock and not by the decision's moment: people may have been asked in between.
        self.metering.refund(reservation, self._clock.now())

    def _as_said(self, answer: Answer, said: Said) -> Answer:
        approval, decision = said.approval, answer.decision
        if approval is None:
            return _without_people(answer, said.problem)
        named = answer._replace(approval=approval.name, approval_expires_at=approval.expires_at)
        if said.yes:
            voters = ", ".join(vote.voter for vote in approval.approvers)
            verdict = replace(
                decision.verdict,
                stage=Stage.APPROVAL,
                effect=Effect.ALLOW,
                reason=Reason.ALLOWED,
                message=f"{approval.name} was approved by {voters}, and is used up by this",
                approval=None,
            )
            return named._replace(decision=decision._replace(verdict=verdict))
        if said.waits:
            needed = decision.verdict.approval
            verdict = replace(
                decision.verdict,
                message=f"{decision.verdict.message}; {approval.name} {_WAITS[approval.state]}",
                approval=needed and replace(needed, min_approvals=approval.question.min_approvals),
            )
            return named._replace(decision=decision._replace(verdict=verdict))
        message = f"{approval.name} {_ENDED[approval.state]}"
        if approval.end_reason:
            message = f"{message}: {approval.end_reason}"
        return named._replace(
            decision=denying(decision, _denial(Reason.APPROVAL_REFUSED, message)),
            retry_after=self._people.refusing(approval),
        )


_WAITS: Mapping[State, str] = {
    State.PENDING: "waits for people",
    State.APPROVED: "is approved, and somebody who did not say yes to it may use it",
}
_ENDED: Mapping[State, str] = {
    State.DENIED: "was denied",
    State.CANCELLED: "was called off",
    State.EXPIRED: "ran out",
    State.USED: "was used",
}


_DENIED = "not asked: the call is denied before"


def denying(decision: Decision, verdict: Verdict) -> Decision:
    """Return a decision that is denied by a later stage: nothing has to be done with the call."""
    kept = replace(verdict, rules=decision.verdict.rules, rule_reason=decision.verdict.rule_reason)
    return decision._replace(verdict=kept, composed=decision.composed._replace(obligations=()))


def _unbound(answer: Answer, error: CanonicalFormError) -> Answer:
    message = f"an approval is bound to the arguments, and these have no RFC 8785 form: {error}"
    return answer._replace(decision=denying(answer.decision, _denial(Reason.REQUEST_INVALID, message)))


def _standing(answer: Answer) -> str:
    if not answer.limits:
        return "nothing limits the call"
    nearest = answer.limits[0]
    return f"{len(answer.limits)} limits would count it; {nearest.meter.id} would have {nearest.remaining} left"


def _passing(stage: Stage, message: str) -> Verdict:
    return Verdict(stage=stage, effect=Effect.ALLOW, reason=Reason.ALLOWED, message=message)


def _without_people(answer: Answer, problem: str) -> Answer:
    message = f"people have to approve it and cannot be asked now: {problem}"
    return answer._replace(decision=denying(answer.decision, _denial(Reason.APPROVALS_UNAVAILABLE, message)))


def _denial(reason: Reason, message: str) -> Verdict:
    return Verdict(stage=Stage.APPROVAL, effect=Effect.DENY, reason=reason, message=message)
