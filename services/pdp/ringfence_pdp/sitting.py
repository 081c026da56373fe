"""A sitting: one request, or a batch of them, decided, counted and logged on one basis.

One policy, one state of the facts, one reading of the clock; only what waited for a classifier elsewhere goes on with
the switches and the clock as they are then. Asking about somebody else's agent is refused before anything about it is
revealed.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from ringfence_kit.callers import Caller
from ringfence_kit.errors import Unavailable
from ringfence_kit.ids import NewId

from ringfence_pdp.answer import Answer
from ringfence_pdp.cacheable import CacheHint, cache_hint
from ringfence_pdp.case import Basis, Case
from ringfence_pdp.compile import CompiledBundle
from ringfence_pdp.decide import decide, decide_case
from ringfence_pdp.decision_record import DecisionRecords
from ringfence_pdp.decision_watch import DecisionWatch, Seen
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.explain import Explanation, explain
from ringfence_pdp.facts import RegisteredTool
from ringfence_pdp.filter_stage import classifiers_of, content, is_in_doubt
from ringfence_pdp.filters.encoder.doubt import ENCODER
from ringfence_pdp.filters.finding import Action, Kind
from ringfence_pdp.filters.heard import NOBODY_OBJECTS, UNREAD, Heard
from ringfence_pdp.filters.remote import Classifiers
from ringfence_pdp.limits.counters import Reservation
from ringfence_pdp.model import UNKNOWN, CheckRequest, Decision, Effect, Reason, Stage, Verdict
from ringfence_pdp.policy_state import InForce
from ringfence_pdp.reckoning import Counted, Reckoning, Unsettled
from ringfence_pdp.rollout.rollout import Mode
from ringfence_pdp.rollout.trial import Trial
from ringfence_pdp.routine import Routine
from ringfence_pdp.session_log import SessionHistories
from ringfence_pdp.who_asks import refuse_strangers, taken_at_its_word

# As names of this module: every answer is told apart by them.
_ALLOW, _DENY, _ASK, _ONE = Effect.ALLOW, Effect.DENY, Effect.REQUIRE_APPROVAL, Mode.NONE

TRUSTED_RINGS = 1
"""Agents up to this ring are denied what cannot be logged: they could do the most with it."""


Tally: TypeAlias = dict[tuple[Effect, Reason], int]
Found: TypeAlias = dict[tuple[Kind, Action], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What all sittings have in common."""

    log: DecisionRecords
    reckoning: Reckoning
    new_id: NewId
    watch: DecisionWatch
    counts: Tally
    found: Found
    classifiers: Classifiers
    """The second reader of intent among them, by the name ENCODER."""
    reads_again: bool
    """Whether what the filter of intent is in doubt about is read again."""
    renewed: Callable[[InForce[CompiledBundle]], Basis]
    """Returns the basis of what was in force, as it is now."""


# In the order of its members, since naming them takes as long as deciding.
_answer: Callable[[type[Answer], tuple[object, ...]], Answer] = tuple.__new__
_UNCOUNTED = tuple(
    Answer._field_defaults[field] for field in ("limits", "retry_after", "approval", "approval_expires_at")
)


class Sitting:
    """Decides on one basis: one request, or a batch of them."""

    __slots__ = ("_basis", "_charged", "_in_force", "_moment", "_office", "_sessions", "_trial")

    def __init__(
        self,
        office: Office,
        basis: Basis,
        in_force: InForce[CompiledBundle],
        trial: Trial | None,
        sessions: SessionHistories | None = None,
    ) -> None:
        """`sessions`: what conditions hear of sessions; None when none asks."""
        self._office = office
        self._basis = basis
        self._in_force = in_force
        self._trial = trial
        self._sessions = sessions
        self._charged: list[Reservation] = []
        bundle, facts = in_force.bundle, basis.facts
        self._moment = (
            "" if bundle is None else bundle.digest,
            facts.identity_revision,
            facts.registry_revision,
            in_force.revision,
            basis.now,
            in_force.epoch + facts.epoch,
        )

    def check(
        self, request: CheckRequest, caller: Caller, asked: bytes, routine: Routine | None = None
    ) -> Answer | Unsettled:
        """Decide, count and log; or return what somebody else has a say in, for `settled`.

        `asked` are the request's own bytes, of which the log keeps a digest; `routine` is what was read in them, if it
        is one. Raises NotPermitted, and Unavailable when nothing can be logged and the pdp is configured to stop then.
        """
        basis, trial = self._basis, self._trial
        refuse_strangers(caller, request, basis.facts)
        if request.origins or self._sessions is not None:
            # With what is put into it, it is no routine any more.
            request, routine = self._remembering(taken_at_its_word(request, caller)), None
        if trial is not None or (basis.bundle is not None and self._may_ask(basis.bundle)):
            routine = None
            request, awaited = self._to_ask(request)
            if awaited:
                # Until they are asked: closed.
                unheard = request._replace(heard=UNREAD) if ENCODER in awaited else request
                answer = self._answer(decide(self._deciding(request), unheard), self._office.new_id())
                return Unsettled(answer, basis, request, caller, asked, awaited)
        return self._checked(request, caller, asked, routine)

    def _checked(
        self, request: CheckRequest, caller: Caller, asked: bytes, routine: Routine | None = None
    ) -> Answer | Unsettled:
        """Decide, count and log what every classifier has been heard about."""
        answer, basis = self._judged(request, routine)
        decision = answer.decision
        effect = decision.verdict.effect
        if effect is _DENY:
            return self._kept(request, answer, asked, routine)
        if effect is _ASK:
            return Unsettled(answer, basis, request, caller, asked)
        reckoning = self._office.reckoning
        if not reckoning.metering.counts(basis, request, decision):
            return self._kept(request, answer, asked, routine)
        with reckoning.counting(basis, request, answer) as counted:
            answer = counted.answer
            if answer.limits:
                answer = answer._replace(cache=None)  # what counts has to be counted each time
            return self._let_through(counted, self._kept(request, answer, asked))

    async def settled(self, unsettled: Unsettled) -> Answer:
        """Hear what classifiers and people say, or ask them; count and log. Raises what `check` raises."""
        request = unsettled.request
        if unsettled.awaited:
            heard = await self._hearing(request, unsettled.awaited)
            # That took time: whoever was stopped meanwhile is stopped here too, and in what is left of a batch.
            self._basis = self._office.renewed(self._in_force)
            checked = self._checked(request._replace(heard=heard), unsettled.caller, unsettled.asked)
            return await self.settled(checked) if isinstance(checked, Unsettled) else checked
        reckoning = self._office.reckoning
        with reckoning.counting(unsettled.basis, request, unsettled.answer) as counted:
            answer = counted.answer
            if answer.decision.effect is not Effect.DENY:
                answer = await reckoning.heard(unsettled, answer)
            return self._let_through(counted, self._kept(request, answer, unsettled.asked))

    def give_back(self) -> None:
        """Give back what was charged for the calls that were let through: what they were parts of is not.

        An approval that was used up stays so: people said yes to it once.
        """
        for reservation in self._charged:
            self._office.reckoning.refund(reservation)
        self._charged.clear()

    def _let_through(self, counted: Counted, answer: Answer) -> Answer:
        answer = counted.let_through(answer)
        if answer.decision.effect is Effect.ALLOW:
            self._charged.append(counted.reservation)
        return answer

    def _to_ask(self, request: CheckRequest) -> tuple[CheckRequest, tuple[str, ...]]:
        """Return the classifiers elsewhere that have a say in a call nothing here denies, and what is asked until then.

        They can only lower an answer, so of a call that is denied without them nobody is told.
        """
        basis = self._deciding(request)
        bundle = basis.bundle
        if bundle is None or not self._may_ask(bundle):
            return request, ()
        unopposed = request._replace(heard=NOBODY_OBJECTS)
        case = Case(basis, unopposed)
        if decide_case(case).effect is Effect.DENY:
            return (unopposed if bundle.asks_classifiers else request), ()
        again = (ENCODER,) if self._office.reads_again and is_in_doubt(case) else ()
        return request, (*classifiers_of(case), *again)

    def _may_ask(self, bundle: CompiledBundle) -> bool:
        """Say whether anybody else may have to be heard about content."""
        return bundle.asks_classifiers or (bundle.reads_intent and self._office.reads_again)

    def _deciding(self, request: CheckRequest) -> Basis:
        """Return the basis with the bundle that decides about a request."""
        trial = self._trial
        return self._basis if trial is None or not trial.decides(self._basis, request) else trial.basis(self._basis)

    async def _hearing(self, request: CheckRequest, classifiers: tuple[str, ...]) -> Heard:
        """Ask classifiers elsewhere, all at once; one that fails says so."""
        asked_about = content(Case(self._basis, request))
        said = await asyncio.gather(*(self._office.classifiers.ask(name, asked_about) for name in classifiers))
        return Heard({name: tuple(findings) for name, findings in zip(classifiers, said, strict=True)})

    def tool_schemas(self) -> Mapping[str, RegisteredTool]:
        """Return the tools as the registry has them, for a door that vouches for what is behind it."""
        return self._basis.facts.tools

    def refuse(self, request: CheckRequest, refused: Refused, asked: bytes) -> Answer:
        """Deny and log what a door could not read in one way only; nobody is asked about it."""
        verdict = Verdict(stage=Stage.VALIDITY, effect=Effect.DENY, reason=refused.reason, message=refused.message)
        return self._kept(request, self._answer(Decision(verdict, UNKNOWN, UNKNOWN), self._office.new_id()), asked)

    def _kept(self, request: CheckRequest, answer: Answer, asked: bytes, routine: Routine | None = None) -> Answer:
        office = self._office
        try:
            office.log.take(request, answer, self._basis, asked, routine)
        except Unavailable as unlogged:
            if office.log.stops_when_full:
                raise
            answer = _without_log(answer, unlogged)
        verdict = answer.decision.verdict
        answered = verdict.effect, verdict.reason
        office.counts[answered] = office.counts.get(answered, 0) + 1
        for finding in answer.decision.findings:
            made = finding.kind, finding.action
            office.found[made] = office.found.get(made, 0) + 1
        if self._sessions is not None and verdict.effect is _ALLOW:
            self._sessions.happened(request, self._did(request), self._basis.now)
        if office.watch.is_on:
            facts = self._basis.facts
            office.watch.tell(Seen(request, answer, facts.identity(request.did, request.agent, request.environment)))
        return answer

    async def explained(self, request: CheckRequest, caller: Caller) -> tuple[Answer, Explanation]:
        """Decide as `check` and `settled` do and show the work; nothing is logged, and no people are asked."""
        refuse_strangers(caller, request, self._basis.facts)
        request, awaited = self._to_ask(self._remembering(taken_at_its_word(request, caller)))
        if awaited:
            request = request._replace(heard=await self._hearing(request, awaited))
        return self._explained(request)

    def explain(self, request: CheckRequest, caller: Caller) -> tuple[Answer, Explanation]:
        """The same without asking classifiers elsewhere: of them it says that nobody asked."""
        refuse_strangers(caller, request, self._basis.facts)
        return self._explained(self._remembering(taken_at_its_word(request, caller)))

    def _explained(self, request: CheckRequest) -> tuple[Answer, Explanation]:
        trial = self._trial
        if trial is None or not trial.decides(self._basis, request):
            explanation = explain(self._basis, request)
            hint = cache_hint(Case(self._basis, request), explanation.decision)
            answer = self._answer(explanation.decision, self._office.new_id(), cache=hint)
            return self._foreseen(self._basis, request, answer, explanation)
        basis = trial.basis(self._basis)
        explanation = explain(basis, request)
        answer = self._answer(explanation.decision, self._office.new_id(), Mode.CANARY)
        return self._foreseen(basis, request, answer, explanation)

    def _foreseen(
        self, basis: Basis, request: CheckRequest, answer: Answer, explanation: Explanation
    ) -> tuple[Answer, Explanation]:
        """Add what limits and people would say; nothing is counted, and nobody is asked."""
        answer, limits, approval = self._office.reckoning.foreseen(basis, request, answer)
        if answer.limits:
            answer = answer._replace(cache=None)
        stages = (*explanation.stages, limits, approval)
        return answer, replace(explanation, decision=answer.decision, stages=stages)

    def _remembering(self, request: CheckRequest) -> CheckRequest:
        if self._sessions is None:
            return request
        return self._sessions.told(request, self._did(request), self._basis.now)

    def _did(self, request: CheckRequest) -> str | None:
        identity = self._basis.facts.identity(request.did, request.agent, request.environment)
        return None if identity is None else identity.did

    def _judged(self, request: CheckRequest, routine: Routine | None) -> tuple[Answer, Basis]:
        """Return the answer as far as the policy goes, and the basis of the bundle that gave it."""
        decision_id, trial = self._office.new_id(), self._trial
        if trial is None:
            case = Case(self._basis, request, routine)
            decision = decide_case(case)
            hint = cache_hint(case, decision)
            return self._answer(decision, decision_id, _ONE, None, hint), self._basis
        judged = trial.judge(self._basis, request, decision_id)
        return self._answer(judged.decision, decision_id, judged.mode, judged.would), judged.basis

    def _answer(
        self,
        decision: Decision,
        decision_id: str,
        mode: Mode = Mode.NONE,
        would: Decision | None = None,
        cache: CacheHint | None = None,
    ) -> Answer:
        answer = _answer(Answer, (decision, decision_id, *self._moment, mode, would, decision, *_UNCOUNTED, cache))
        if mode is not _ONE and mode is Mode.CANARY:
            return answer._replace(bundle_digest=self._in_force.rollout.candidate)
        return answer


def _without_log(answer: Answer, unlogged: Unavailable) -> Answer:
    """Return what is answered when the answer cannot be logged: the most trusted are denied."""
    decision = answer.decision
    if decision.ring > TRUSTED_RINGS or decision.effect is Effect.DENY:
        return answer
    message = (
        f"agents in ring {decision.ring} are denied what cannot be logged: {unlogged.message}; "
        "see that telemetry takes the log, and that the disk has room"
    )
    verdict = replace(
        decision.verdict, effect=Effect.DENY, reason=Reason.LOG_UNAVAILABLE, message=message, approval=None
    )
    denied = Decision(verdict, decision.ring, decision.score, findings=decision.findings)
    return answer._replace(decision=denied, cache=None)
