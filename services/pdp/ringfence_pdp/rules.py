"""What the rules of the bundle say: strict deny-overrides.

Any denial that matches or errs denies. Every request for approval that matches or errs is asked, and what is asked is
what satisfies all of them. Something must permit: a permission that matches, or a request for approval that matches.
What rules that permit oblige to is added up, also of those that err. Nothing depends on an order; where several rules
would do, the first by id is named.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ringfence_pdp.algorithm import prevailing
from ringfence_pdp.case import Case
from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.compiled import CompiledBundle, CompiledRule
from ringfence_pdp.index import RuleIndex
from ringfence_pdp.model import Effect, Obligation, Reason, Side, Stage, Verdict
from ringfence_pdp.outcome import Outcome, meet_all
from ringfence_pdp.stages import denial
from ringfence_pdp.vocabulary import Scope

# As names of this module: every rule that is asked is told apart by them.
_ALLOW, _DENY, _ASK = Effect.ALLOW, Effect.DENY, Effect.REQUIRE_APPROVAL


class Judged(NamedTuple):
    """What rules say together."""

    verdict: Verdict
    obligations: tuple[Obligation, ...] = ()
    """Of every rule that lets it through, as written."""


def judged_by_rules(case: Case) -> Verdict:
    """Return what the rules say to the agent that acts, when it is alone; which is always something."""
    bundle = case.basis.bundle
    if bundle is None:
        return no_bundle()
    scope = case.scope()
    if scope is None:
        return nobody_known()
    known = case.cleared
    rules = candidates(bundle, scope) if known is None else unoverridden(bundle, known.rules, scope)
    return _verdict(rules, scope, case.subject, None)


def no_bundle() -> Verdict:
    """Return what is said when there are no rules at all."""
    return denial(Stage.RULES, Reason.NO_BUNDLE, "no bundle of policies is active; push one")


def nobody_known() -> Verdict:
    """Return what is said of agents that are not known."""
    return denial(Stage.RULES, Reason.AGENT_UNKNOWN, "rules do not speak of unknown agents")


def judged(rules: Iterable[CompiledRule], scope: Scope, governed: str, *, obliging: bool) -> Judged:
    """Return what `rules` say: denials first, then approvals, then permissions, as `candidates` yields them.

    `governed` is whom they are asked about. Unless `obliging`, the first permission settles it.
    """
    obligations: list[Obligation] = []
    verdict = _verdict(rules, scope, governed, obligations if obliging else None)
    return Judged(verdict) if verdict.effect is _DENY else Judged(verdict, tuple(obligations))


def _verdict(
    rules: Iterable[CompiledRule], scope: Scope, governed: str, obligations: list[Obligation] | None
) -> Verdict:
    """Return what rules say; what they oblige to is added to `obligations`, if anybody asks for that."""
    asking: list[CompiledRule] = []
    permitting: CompiledRule | None = None
    for rule in rules:
        effect = rule.effect
        if effect is _ALLOW and permitting is not None and obligations is None:
            break
        truth = holds(rule, scope)
        if truth is False:
            continue
        if effect is _DENY:
            # An error is no excuse: what could not be read may be what would have denied.
            return rule.verdict if truth is True else _erring(rule, truth)
        if effect is _ASK:
            # One that errs still asks for its approval, and permits nothing.
            asking.append(rule)
        if obligations is not None:
            # For the same reason one that errs still obliges.
            obligations.extend(rule.obligations)
        if truth is True and rule.grants and permitting is None:
            permitting = rule
    if permitting is None:
        message = f"no rule permits {scope.request.action} for {governed}; Explain shows which come nearest"
        return denial(Stage.RULES, Reason.NO_MATCH, message)
    return _asking_for_approval(asking) if asking else permitting.verdict


def candidates(bundle: CompiledBundle, scope: Scope) -> Iterable[CompiledRule]:
    """Return the rules that select the request of an agent that is alone, in the order of `judged`."""
    return selected(bundle, bundle.index, scope, scope.agent.name, scope.request.side)


def selected(
    bundle: CompiledBundle, index: RuleIndex, scope: Scope, governed: str, side: Side
) -> Iterable[CompiledRule]:
    """Return the rules of `index` about `governed` on `side` that select the request and are not overridden."""
    request = scope.request
    selecting = bundle.selecting(
        index,
        environment=request.environment,
        governed=governed,
        action=request.action,
        tool=request.tool,
        side=side,
    )
    return unoverridden(bundle, selecting, scope)


def unoverridden(bundle: CompiledBundle, selecting: Iterable[CompiledRule], scope: Scope) -> Iterable[CompiledRule]:
    """Return those of the rules that select a request which no other one of their policy overrides."""
    if not bundle.has_algorithms:
        return selecting
    request = scope.request
    return prevailing(selecting, action=request.action, tool=request.tool, holds=lambda rule: holds(rule, scope))


def holds(rule: CompiledRule, scope: Scope) -> bool | EvaluationError:
    """Return what the rule's condition gives, the third truth value as a value."""
    if rule.evaluate is None:
        return True
    try:
        return rule.evaluate(scope)
    except EvaluationError as error:
        return error


def _erring(rule: CompiledRule, error: EvaluationError) -> Verdict:
    message = f"rule {rule.id} denies it because its condition could not be evaluated: {error}"
    return replace(rule.verdict, reason=Reason.RULE_ERROR, message=message)


def _asking_for_approval(rules: Sequence[CompiledRule]) -> Verdict:
    """All approvals asked for become one that satisfies each."""
    first = rules[0].verdict
    if len(rules) == 1:
        return first
    outcome = meet_all(Outcome(rule.effect, approval=rule.approval) for rule in rules)
    ids = tuple(rule.id for rule in rules)
    return replace(first, rules=ids, approval=outcome.approval, message=f"rules {', '.join(ids)} ask for approval")
