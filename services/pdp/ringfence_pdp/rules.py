"""What the rules of the bundle say: strict deny-overrides.

Any denial that matches or errs denies. Every request for approval that matches or errs is asked, and what is asked is
what satisfies all of them. Something must permit: a permission that matches, or a request for approval that matches.
Nothing depends on an order; where several rules would do, the first by id is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ringfence_pdp.case import Case
from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.compile import CompiledBundle, CompiledRule
from ringfence_pdp.model import Effect, Reason, Stage, Verdict
from ringfence_pdp.outcome import Outcome, meet_all
from ringfence_pdp.stages import denial
from ringfence_pdp.vocabulary import Scope


def judged_by_rules(case: Case) -> Verdict:
    """Return what the rules say, which is always something."""
    bundle = case.basis.bundle
    if bundle is None:
        return denial(Stage.RULES, Reason.NO_BUNDLE, "no bundle of policies is active; push one")
    scope = case.scope()
    if scope is None:
        return denial(Stage.RULES, Reason.AGENT_UNKNOWN, "rules do not speak of unknown agents")
    asking: list[CompiledRule] = []
    permitting: CompiledRule | None = None
    for rule in candidates(bundle, scope):
        if rule.effect is Effect.ALLOW and permitting is not None:
            break
        truth = holds(rule, scope)
        if truth is False:
            continue
        if rule.effect is Effect.DENY:
            # An error is no excuse: what could not be read may be what would have denied.
            return rule.verdict if truth is True else _erring(rule, truth)
        if rule.effect is Effect.REQUIRE_APPROVAL:
            # One that errs still asks for its approval, and permits nothing.
            asking.append(rule)
        if truth is True and rule.grants:
            permitting = rule
    if permitting is None:
        message = f"no rule permits {case.request.action} for {case.subject}; Explain shows which come nearest"
        return denial(Stage.RULES, Reason.NO_MATCH, message)
    return _asking_for_approval(asking) if asking else permitting.verdict


def candidates(bundle: CompiledBundle, scope: Scope) -> Iterator[CompiledRule]:
    """Yield the rules whose selectors cover the request: denials first, then approvals, then permissions."""
    request = scope.request
    for ordinal in bundle.index.candidates(
        environment=request.environment,
        agent=scope.agent.identity.resource_name,
        action=request.action,
        tool=request.tool or "",
    ):
        rule = bundle.rules[ordinal]
        if rule.side in (None, request.side) and not (rule.needs_tool and request.tool is None):
            yield rule


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
