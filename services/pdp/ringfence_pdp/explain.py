"""Why a decision came out as it did, and what would make it allow: the same stages, all asked, with their work shown.

The verdict is the one `decide` gives, from the same code. Beside it stand the stages after the first objection, every
rule whose selectors match with its condition clause by clause, and the nearest misses.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ringfence_pdp.case import Basis, Case
from ringfence_pdp.cel.clauses import ClauseResult
from ringfence_pdp.compile import CompiledRule
from ringfence_pdp.decide import STAGES, decide_case
from ringfence_pdp.model import Approval, CheckRequest, Decision, Effect, Reason, Stage, Verdict
from ringfence_pdp.rules import candidates, holds, judged_by_rules
from ringfence_pdp.selector import covers
from ringfence_pdp.stages import required_ring
from ringfence_pdp.vocabulary import Scope

MISSES_MAX = 3
"""Rules that are named as coming nearest."""


class Truth(enum.IntEnum):
    """What a condition or a clause gave; the numbers are those of `ringfence.pdp.v1.ConditionResult`."""

    TRUE = 1
    FALSE = 2
    ERROR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """What one rule whose selectors match said."""

    rule: str
    effect: Effect
    result: Truth
    clauses: tuple[ClauseResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision with its work shown."""

    decision: Decision
    stages: tuple[Verdict, ...]
    """What each stage says on its own, in their order."""
    rules: tuple[RuleTrace, ...]
    nearest_misses: tuple[str, ...]
    """What would have to change for ALLOW, in sentences, nearest first."""


def explain(basis: Basis, request: CheckRequest) -> Explanation:
    """Return the decision on one request, and the reasons for it."""
    case = Case(basis, request)
    scope = case.scope()
    bundle = basis.bundle
    applying = () if bundle is None or scope is None else tuple(candidates(bundle, scope))
    stages = tuple(_said(stage, case) for stage in (*STAGES, Stage.RULES))
    return Explanation(
        decision=decide_case(case),
        stages=stages,
        rules=tuple(_trace(rule, scope) for rule in applying) if scope is not None else (),
        nearest_misses=tuple(_misses(case, scope, stages, applying)),
    )


def truth_of(result: bool | None) -> Truth:
    """Return the truth value for a result that is None when it is an error."""
    return Truth.ERROR if result is None else Truth.TRUE if result else Truth.FALSE


def _said(stage: Stage, case: Case) -> Verdict:
    if stage is Stage.RULES:
        return judged_by_rules(case)
    objection = STAGES[stage](case)
    if objection is not None:
        return objection
    return Verdict(stage=stage, effect=Effect.ALLOW, reason=Reason.ALLOWED, message=_passed(stage, case))


def _passed(stage: Stage, case: Case) -> str:
    match stage:
        case Stage.KILL:
            return f"no kill switch stops {case.subject}"
        case Stage.VALIDITY:
            return "the request does not contradict itself"
        case Stage.IDENTITY:
            return f"{case.subject} is active; identity was heard {(case.basis.identity_age or 0) // 1_000} s ago"
        case Stage.RING:
            standing, action = case.standing, case.request.action
            return f"{action} needs ring {required_ring(case)} or better, {case.subject} is in ring {standing.ring}"
        case Stage.ENVIRONMENT:
            return f"{case.subject} belongs to {case.request.environment}, and may run there"
        case _:
            tool = case.request.tool
            return (
                "no tool is used"
                if tool is None
                else f"{tool} is approved as it is, enabled, and reaches nothing untrusted"
            )


def _trace(rule: CompiledRule, scope: Scope) -> RuleTrace:
    held = holds(rule, scope)
    result = truth_of(held if isinstance(held, bool) else None)
    clauses = () if rule.condition is None else rule.condition.clauses.results(scope)
    return RuleTrace(rule=rule.id, effect=rule.effect, result=result, clauses=clauses)


def _misses(
    case: Case, scope: Scope | None, stages: tuple[Verdict, ...], applying: tuple[CompiledRule, ...]
) -> Iterator[str]:
    for verdict in stages:
        if verdict.stage is not Stage.RULES and verdict.effect is not Effect.ALLOW:
            yield f"{verdict.stage.value}: {verdict.message}"
    if case.basis.bundle is None:
        yield f"rules: {stages[-1].message}"
    if scope is None or case.basis.bundle is None:
        return
    restricting = [rule for rule in applying if rule.effect is not Effect.ALLOW and holds(rule, scope) is not False]
    for rule in restricting:
        yield _would_let(rule, scope)
    if not any(rule.grants and holds(rule, scope) is True for rule in applying):
        yield from _nearest(case, scope, [rule for rule in case.basis.bundle.rules if rule.grants])


def _nearest(case: Case, scope: Scope, permitting: Sequence[CompiledRule]) -> Iterator[str]:
    """The rules that would permit with the fewest changes."""
    if not permitting:
        yield "rules: no rule of the bundle permits anything"
    gaps = [(list(_gaps(rule, case, scope)), rule) for rule in permitting]
    for missing, rule in sorted(gaps, key=lambda pair: (len(pair[0]), -pair[1].effect, pair[1].id))[:MISSES_MAX]:
        would = "allow it" if rule.effect is Effect.ALLOW else "let it be approved"
        yield f"rules: {rule.id} would {would} if {' and '.join(missing)}"


def _would_let(rule: CompiledRule, scope: Scope) -> str:
    """What stands against a restricting rule: that its condition stops holding, or that its approval is given."""
    if rule.approval is not None:
        return f"rules: {rule.id} asks that {_approval(rule.approval)}"
    if rule.condition is None:
        return f"rules: {rule.id} denies it whatever else is true"
    true = [f"`{clause.text}`" for clause in rule.condition.clauses.results(scope) if clause.result is not False]
    return f"rules: {rule.id} denies it because of {', '.join(true) or 'its condition'}"


def _approval(approval: Approval) -> str:
    people = "1 person" if approval.min_approvals == 1 else f"{approval.min_approvals} people"
    return f"{people} of {', '.join(approval.approver_groups) or 'those who may approve'} approve within {approval.timeout // 1_000} s"


def _gaps(rule: CompiledRule, case: Case, scope: Scope) -> Iterator[str]:
    """What keeps a rule from permitting this request."""
    governs, request = rule.policy.governs, case.request
    for what, selectors, value in (
        ("the agent", governs.agents, case.subject),
        ("the environment", governs.environments, request.environment),
        ("the action", rule.rule.actions, request.action),
        ("the tool", rule.rule.tools, request.tool or ""),
    ):
        if selectors and not any(covers(selector, value) for selector in selectors):
            yield f"{what} were {' or '.join(sorted(selectors))}"
    if rule.needs_tool and request.tool is None and "*" in rule.rule.tools:
        yield "a tool were used"
    if rule.side not in (None, request.side):
        yield f"the {rule.side.word} asked"
    if rule.condition is not None:
        yield from map(str, rule.condition.clauses.gaps(scope))
