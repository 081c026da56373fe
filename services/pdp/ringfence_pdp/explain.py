"""Why a decision came out as it did, and what would make it allow: the same stages, all asked, with their work shown.

The verdict is the one `decide` gives, from the same code. Beside it stand the stages after the first objection, every
rule whose selectors match with its condition clause by clause, and the nearest misses; for each side of a call that has
several.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ringfence_pdp.case import Basis, Case
from ringfence_pdp.cel.clauses import ClauseResult
from ringfence_pdp.compiled import CompiledBundle, CompiledRule
from ringfence_pdp.composition import STAGES, judged_together, objection, unmet_obligations
from ringfence_pdp.decide import decide_case
from ringfence_pdp.filter_stage import filtered_case
from ringfence_pdp.model import Approval, CheckRequest, Decision, Effect, Reason, Side, Stage, Verdict
from ringfence_pdp.rules import holds
from ringfence_pdp.selector import covers
from ringfence_pdp.sides import Voice, voices
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
    scope, bundle = case.scope(), basis.bundle
    asked = () if bundle is None or scope is None else tuple(voices(case, bundle, scope))
    stages = tuple(_said(stage, case) for stage in (*STAGES, Stage.RULES, Stage.FILTERS, Stage.OBLIGATIONS))
    traces: dict[str, RuleTrace] = {}
    for voice in asked:
        for rule in voice.rules:
            traces.setdefault(rule.id, _trace(rule, voice.scope))
    return Explanation(
        decision=decide_case(case),
        stages=stages,
        rules=tuple(traces.values()),
        nearest_misses=tuple(_misses(case, stages, asked)),
    )


def truth_of(result: bool | None) -> Truth:
    """Return the truth value for a result that is None when it is an error."""
    return Truth.ERROR if result is None else Truth.TRUE if result else Truth.FALSE


def _said(stage: Stage, case: Case) -> Verdict:
    if stage is Stage.RULES:
        return judged_together(case).verdict
    if stage is Stage.FILTERS:
        return _said_by_filters(case)
    against = unmet_obligations(case, judged_together(case)) if stage is Stage.OBLIGATIONS else objection(stage, case)
    if against is not None:
        return against
    return Verdict(stage=stage, effect=Effect.ALLOW, reason=Reason.ALLOWED, message=_passed(stage, case))


def _said_by_filters(case: Case) -> Verdict:
    filtered = filtered_case(case)
    if filtered.verdict is not None:
        return filtered.verdict
    if not filtered.asked:
        message = "no filter looks at this call"
    else:
        count = len(filtered.findings)
        found = "found nothing" if not count else f"flagged {count} finding{'s' if count > 1 else ''}"
        message = f"{', '.join(filtered.asked)} {found}"
    return Verdict(stage=Stage.FILTERS, effect=Effect.ALLOW, reason=Reason.ALLOWED, message=message)


_PASSED = {
    Stage.VALIDITY: "the request does not contradict itself",
    Stage.OBLIGATIONS: "nothing is obliged to that the enforcement point did not say it fulfils",
}


def _passed(stage: Stage, case: Case) -> str:
    if stage in _PASSED:
        return _PASSED[stage]
    match stage:
        case Stage.KILL:
            return f"no kill switch stops {case.subject}"
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


def _misses(case: Case, stages: tuple[Verdict, ...], asked: tuple[Voice, ...]) -> Iterator[str]:
    for verdict in stages:
        if verdict.stage is not Stage.RULES and verdict.effect is not Effect.ALLOW:
            yield f"{verdict.stage.value}: {verdict.message}"
    bundle = case.basis.bundle
    if bundle is None:
        yield f"rules: {next(verdict.message for verdict in stages if verdict.stage is Stage.RULES)}"
        return
    for voice in asked:
        of_whom = "" if case.call is None and len(asked) == 1 else f"hop {voice.hop}, {voice.side.word} {voice.party}: "
        for miss in _misses_of(voice, case, bundle):
            yield f"{of_whom}{miss}"


def _misses_of(voice: Voice, case: Case, bundle: CompiledBundle) -> Iterator[str]:
    """What keeps one party from saying yes."""
    if voice.silenced is not None:
        yield f"rules: {voice.silenced.verdict.message}"
        return
    scope = voice.scope
    restricting = [rule for rule in voice.rules if rule.effect is not Effect.ALLOW and holds(rule, scope) is not False]
    for rule in restricting:
        yield _would_let(rule, scope)
    if not any(rule.grants and holds(rule, scope) is True for rule in voice.rules):
        of_boundaries = voice.side is Side.BOUNDARY
        permitting = [rule for rule in bundle.rules if rule.grants]
        permitting = [rule for rule in permitting if bool(rule.policy.governs.boundaries) is of_boundaries]
        yield from _nearest(voice, case, permitting)


def _nearest(voice: Voice, case: Case, permitting: Sequence[CompiledRule]) -> Iterator[str]:
    """The rules that would permit with the fewest changes."""
    if not permitting:
        yield "rules: no rule of the bundle permits anything"
    gaps = [(list(_gaps(rule, voice, case)), rule) for rule in permitting]
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
    who = ", ".join(approval.approver_groups) or "those who may approve"
    return f"{people} of {who} approve within {approval.timeout // 1_000} s"


def _gaps(rule: CompiledRule, voice: Voice, case: Case) -> Iterator[str]:
    """What keeps a rule from permitting this request."""
    governs, request = rule.policy.governs, case.request
    for what, selectors, value in (
        ("the boundary" if governs.boundaries else "the agent", governs.boundaries or governs.agents, voice.party),
        ("the environment", governs.environments, request.environment),
        ("the action", rule.rule.actions, request.action),
        ("the tool", rule.rule.tools, request.tool or ""),
    ):
        if selectors and not any(covers(selector, value) for selector in selectors):
            yield f"{what} were {' or '.join(sorted(selectors))}"
    if rule.needs_tool and request.tool is None and "*" in rule.rule.tools:
        yield "a tool were used"
    if rule.side not in (None, voice.side):
        yield f"the {rule.side.word} asked"
    if rule.condition is not None:
        yield from map(str, rule.condition.clauses.gaps(voice.scope))
