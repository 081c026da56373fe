"""A trial: the bundle that is tried, asked beside the active one, and what is done with its answers.

The rules:

- in its shadow nobody hears it: the answer is the active bundle's, whatever the other says, and even if it fails;
- as a canary it decides for its share of the agents; for the others it is not even asked;
- only what is judged is compared. Nothing is counted against a limit and nobody is asked for approval on its account;
- a trial that shows more flips or errors than it may is over at once in this process, and `aborting` makes that last.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import structlog
from ringfence_kit.clock import Clock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_pdp.case import Basis
from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.compiled import CompiledBundle, CompiledRule
from ringfence_pdp.decide import decide
from ringfence_pdp.errors import RolloutConflict
from ringfence_pdp.model import CheckRequest, Decision, Effect
from ringfence_pdp.policy_state import InForce, PolicyState
from ringfence_pdp.rollout.flips import WouldFlips
from ringfence_pdp.rollout.rollout import Mode, Rollout, share_of
from ringfence_pdp.rollout.rollouts import abort_trial
from ringfence_pdp.store import PolicyTx

PRINCIPAL = "pdp:auto-abort"
"""Who ends a trial that ends by itself."""

RETRY_AFTER = Millis(1_000)

_log = structlog.get_logger(__name__)


class Judged(NamedTuple):
    """A request judged while something is tried."""

    decision: Decision
    """The answer."""
    basis: Basis
    """What it stands on: the bundle in it is the one that decided."""
    mode: Mode
    """CANARY when the candidate decided, SHADOW when it was only asked, NONE when it was not."""
    would: Decision | None = None
    """What the bundle that did not decide says; None when it was not asked."""


@dataclass(slots=True)
class _Errors:
    seen: int = 0


class Trial:
    """One rollout's candidate at work."""

    def __init__(self, rollout: Rollout, candidate: CompiledBundle, *, on_abort: Callable[["Trial"], None]) -> None:
        self.rollout = rollout
        self.flips = WouldFlips(candidate=rollout.candidate)
        self.aborted = ""
        """Why it is over; empty while it is not."""
        self._errors = _Errors()
        self._candidate = _counting(candidate, self._errors)
        self._on_abort = on_abort

    def judge(self, basis: Basis, request: CheckRequest, decision_id: str) -> Judged:
        """Return the answer to a request, and count how the two bundles differ."""
        canary = self.rollout.mode is Mode.CANARY
        if self.aborted or (canary and not self.decides(basis, request)):
            return Judged(decide(basis, request), basis, Mode.NONE)
        active, tried_on = decide(basis, _unopposed(request) if canary else request), self.basis(basis)
        errors_before = self._errors.seen
        try:
            tried = decide(tried_on, request if canary else _unopposed(request))
        except Exception:  # noqa: BLE001 - whatever is wrong with what is tried, it must not bring down what decides
            _log.exception("trial_failed", candidate=self.rollout.candidate, decision_id=decision_id)
            self._errors.seen += 1
            self.saw(active.effect, active.effect, "", decision_id, erred=True)
            return Judged(active, basis, Mode.SHADOW)
        rule = tried.verdict.rules[0] if tried.verdict.rules else ""
        self.saw(active.effect, tried.effect, rule, decision_id, erred=self._errors.seen > errors_before)
        if canary:
            return Judged(tried, tried_on, Mode.CANARY, active)
        return Judged(active, basis, Mode.SHADOW, tried)

    def decides(self, basis: Basis, request: CheckRequest) -> bool:
        """Say whether the candidate is what decides a request."""
        if self.aborted or self.rollout.mode is not Mode.CANARY:
            return False
        return share_of(_name(basis, request)) < self.rollout.percent

    def basis(self, basis: Basis) -> Basis:
        """Return `basis` with the candidate in it."""
        return basis._replace(bundle=self._candidate)

    def saw(self, before: Effect, after: Effect, rule: str, decision_id: str, *, erred: bool) -> None:
        """Count a decision that both bundles were asked for; a trial that went wrong too often is over."""
        self.flips.count(before, after, rule, decision_id, erred=erred)
        self.aborted = _too_much(self.rollout, self.flips)
        if self.aborted:
            self._on_abort(self)


class Trials:
    """The trial of the moment, if there is one."""

    def __init__(self, policy: PolicyState[CompiledBundle]) -> None:
        self._policy = policy
        self._current: Trial | None = None
        self._aborted: asyncio.Queue[Trial] = asyncio.Queue()

    def of(self, in_force: InForce[CompiledBundle]) -> Trial | None:
        """Return what is tried beside what is in force, or None."""
        candidate = in_force.candidate
        if candidate is None:
            return None
        if self._current is None or self._current.rollout.revision != in_force.rollout.revision:
            self._current = Trial(in_force.rollout, candidate, on_abort=self._aborted.put_nowait)
        return self._current

    def flips(self) -> WouldFlips:
        """Return the counts of what is tried. Raises RolloutConflict when nothing is."""
        trial = self.of(self._policy.current)
        if trial is None:
            raise RolloutConflict(problem="nothing is tried; SetRollout tries a kept bundle")
        return trial.flips

    async def aborting(self, writer: Writer[PolicyTx], clock: Clock) -> None:
        """Make it last that a trial is over; tried again until the store takes it."""
        while True:
            trial = await self._aborted.get()
            _log.warning("trial_aborted", candidate=trial.rollout.candidate, because=trial.aborted)
            while not await _abort(writer, trial, clock):
                await clock.sleep(RETRY_AFTER)


async def _abort(writer: Writer[PolicyTx], trial: Trial, clock: Clock) -> bool:
    mutation = Mutation(principal=PRINCIPAL, at=clock.now())
    try:
        await abort_trial(writer, trial.rollout, because=trial.aborted, mutation=mutation)
    except Unavailable as unwritten:
        _log.warning("trial_abort_not_kept", problem=unwritten.message)
        return False
    return True


def _unopposed(request: CheckRequest) -> CheckRequest:
    """Return the request for the bundle that does not decide: classifiers only it would ask are not asked for it."""
    return request._replace(heard=request.heard._replace(quiet=True))


def _too_much(rollout: Rollout, flips: WouldFlips) -> str:
    """Return why a trial has to end, or an empty text."""
    limits = rollout.auto_abort
    if flips.decisions < limits.min_decisions:
        return ""
    for what, count, most in (
        ("came out otherwise", flips.flips, limits.max_flip_rate),
        ("had a condition that could not be evaluated", flips.errors, limits.max_error_rate),
    ):
        if most and count > most * flips.decisions:
            return f"{count} of {flips.decisions} decisions {what}, {most:g} of them may"
    return ""


def _name(basis: Basis, request: CheckRequest) -> str:
    """Return the name an agent's share hangs on; whom identity does not know is denied by both."""
    identity = basis.facts.identity(request.did, request.agent, request.environment)
    return identity.resource_name if identity is not None else request.did or str(request.agent)


def _counting(bundle: CompiledBundle, errors: _Errors) -> CompiledBundle:
    """Return `bundle` with conditions that count when they cannot be evaluated, and are otherwise the same."""

    def counted(rule: CompiledRule) -> CompiledRule:
        evaluate = rule.evaluate
        if evaluate is None:
            return rule

        def evaluated(scope: Any) -> bool:
            try:
                return evaluate(scope)
            except EvaluationError:
                errors.seen += 1
                raise

        return replace(rule, evaluate=evaluated)

    return replace(bundle, rules=tuple(map(counted, bundle.rules)))
