"""A bundle of files to what decides: rules with compiled conditions, in an index.

All or nothing: either everything a bundle says makes sense, or `BundleInvalid` lists what does not. The order files and
rules come in leaves no trace: rules are ordered by effect and name, and that order only says which of several is named.

Refused here, because the author can still be asked: a condition that is wrong, too costly or can never hold; one that
contradicts the rule's own selectors; one that favours agents for being trusted less. Told, but accepted (`findings`): a
rule that leaving an attribute out gets around.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.cel.condition import Condition, compile_condition
from ringfence_pdp.cel.leaning import Cause, Direction
from ringfence_pdp.cel.problems import ConditionInvalid
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.fields import Place, Problem, Report
from ringfence_pdp.index import PLACES_MAX, RuleIndex, places
from ringfence_pdp.model import Approval, Effect, Reason, Side, Stage, Verdict
from ringfence_pdp.policy import Policies, Policy, Rule, read_policies
from ringfence_pdp.rings import RingGate
from ringfence_pdp.selector import covers
from ringfence_pdp.vocabulary import SCHEMA

BUNDLE_COST_MAX = 20_000_000
"""Units all conditions of a bundle may cost together, so that no request can meet more than that."""

BUNDLE_PLACES_MAX = 500_000
"""Places in the index, for bounding memory."""

BUNDLE_PATTERNS_MAX = 1_000
"""Regular expressions in a bundle, each of which may take memory of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """One rule, ready to decide."""

    id: str
    """`policy/rule`."""
    effect: Effect
    evaluate: Callable[[Any], bool] | None
    """The condition; None when there is none. Raises EvaluationError."""
    grants: bool
    """Whether a match permits something. A rule that asks for approval because an agent is trusted less, or left
    something out, only restricts what another rule permits: otherwise it would open what is closed to the others."""
    side: Side | None
    needs_tool: bool
    approval: Approval | None
    verdict: Verdict
    """What the rules stage says when this rule alone settles it."""
    condition: Condition | None
    rule: Rule
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBundle:
    """Everything a bundle says, immutable."""

    rules: tuple[CompiledRule, ...]
    """Ordered: denials first, then approvals, then permissions, each by id."""
    index: RuleIndex
    gate: RingGate
    policy_count: int
    findings: tuple[Problem, ...]

    @property
    def rule_count(self) -> int:
        """How many rules there are."""
        return len(self.rules)


def compile_files(files: Sequence[PolicyFile]) -> CompiledBundle:
    """Return the bundle ready to decide; raise BundleInvalid with everything that is wrong."""
    compiler = _Compiler()
    policies = read_policies(files, compiler.report)
    rules = compiler.rules(policies)
    if compiler.report.problems:
        raise BundleInvalid([problem.as_violation() for problem in sorted(compiler.report.problems)])
    index = RuleIndex()
    for ordinal, rule in enumerate(rules):
        index.put(
            ordinal,
            environments=rule.policy.governs.environments,
            agents=rule.policy.governs.agents,
            actions=rule.rule.actions,
            tools=rule.rule.tools,
        )
    return CompiledBundle(
        rules=rules,
        index=index,
        gate=RingGate(policies.ring_requirements),
        policy_count=len(policies.policies),
        findings=tuple(sorted(compiler.findings)),
    )


@dataclass(slots=True)
class _Compiler:
    report: Report = field(default_factory=Report)
    findings: list[Problem] = field(default_factory=list)
    conditions: dict[str, Condition] = field(default_factory=dict)
    """By text: bundles say the same thing often."""
    cost: int = 0
    places: int = 0

    @property
    def patterns(self) -> int:
        return sum(len(condition.checked.patterns) for condition in self.conditions.values())

    def rules(self, policies: Policies) -> tuple[CompiledRule, ...]:
        compiled = [self.rule(policy, rule) for policy in policies.policies for rule in policy.rules]
        for total, most, what in (
            (self.cost, BUNDLE_COST_MAX, "units its conditions can cost"),
            (self.places, BUNDLE_PLACES_MAX, "combinations of selectors"),
            (self.patterns, BUNDLE_PATTERNS_MAX, "regular expressions"),
        ):
            if total > most:
                self.report.add(policies.policies[-1].place, f"the bundle has {total} {what}, {most} are allowed")
        return tuple(sorted(compiled, key=lambda rule: (rule.effect, rule.id)))

    def rule(self, policy: Policy, rule: Rule) -> CompiledRule:
        count = places(policy.governs.environments, policy.governs.agents, rule.actions, rule.tools)
        self.places += count
        if count > PLACES_MAX:
            problem = f"the rule's selectors have {count} combinations, {PLACES_MAX} are allowed"
            self.report.add(rule.place, problem, "use prefixes such as 'read_*', or split the rule")
        condition = None if rule.when is None else self.condition(rule.when, rule.when_place)
        leanings = () if condition is None else condition.leanings
        if condition is not None:
            self.cost += condition.cost
            self.check_selectors(policy, rule, condition)
            self.check_leanings(rule, condition)
        rises = any(leaning.direction is Direction.RISES for leaning in leanings)
        id_ = f"{policy.name}/{rule.name}"
        return CompiledRule(
            id=id_,
            effect=rule.effect,
            evaluate=None if condition is None else condition.evaluate,
            grants=rule.effect is Effect.ALLOW or (rule.effect is Effect.REQUIRE_APPROVAL and not rises),
            side=policy.governs.side,
            needs_tool=bool(rule.tools),
            approval=rule.approval,
            verdict=_verdict(id_, rule),
            condition=condition,
            rule=rule,
            policy=policy,
        )

    def condition(self, source: str, place: Place) -> Condition | None:
        if source not in self.conditions:
            try:
                self.conditions[source] = compile_condition(source, SCHEMA)
            except ConditionInvalid as error:
                self.report.add(place, f"at {error.position} of the condition: {error.problem}", error.remedy)
        return self.conditions.get(source)

    def check_selectors(self, policy: Policy, rule: Rule, condition: Condition) -> None:
        """A condition may not ask for what the rule does not select."""
        selected: Mapping[str, Collection[str]] = {
            "action.name": rule.actions,
            "action.tool": rule.tools,
            "agent.name": policy.governs.agents,
            "agent.environment": policy.governs.environments,
            "environment": policy.governs.environments,
            "side": () if policy.governs.side is None else (policy.governs.side.word,),
        }
        for path, texts in condition.pinned.items():
            selectors = selected.get(path, ())
            if selectors and not any(covers(selector, text) for selector in selectors for text in texts):
                problem = f"the rule can never match: its condition wants {path} to be {_either(texts)}"
                self.report.add(rule.when_place, problem, f"it selects only {_either(selectors)}")

    def check_leanings(self, rule: Rule, condition: Condition) -> None:
        for leaning in condition.leanings:
            opens = _OPENS[rule.effect]
            if leaning.direction is not opens:
                continue
            at = f"at {leaning.node.at.position} of the condition: {condition.checked.text(leaning.node)}"
            if leaning.cause is Cause.DISTRUST:
                problem = f"{at} makes the rule {_OPENING[rule.effect]} when an agent is trusted less"
                self.report.add(rule.when_place, problem, _remedy(rule.effect))
            else:
                problem = f"{at} makes the rule {_OPENING[rule.effect]} when that is left out"
                self.findings.append(
                    Problem(rule.when_place, problem, "without has(), leaving it out never opens anything")
                )


_OPENS = {
    Effect.ALLOW: Direction.RISES,
    Effect.REQUIRE_APPROVAL: Direction.FALLS,
    Effect.DENY: Direction.FALLS,
}
"""Where a condition may not lean. That an approval's condition rises only means that it grants nothing by itself."""

_OPENING = {
    Effect.ALLOW: "allow",
    Effect.REQUIRE_APPROVAL: "stop asking for approval",
    Effect.DENY: "stop denying",
}


def _remedy(effect: Effect) -> str:
    if effect is Effect.ALLOW:
        return "compare agent.ring with <= or <, agent.trust with >= or >"
    return "compare agent.ring with >= or >, agent.trust with <= or <"


def _either(texts: Iterable[str]) -> str:
    return " or ".join(repr(text) for text in sorted(texts))


def _verdict(id_: str, rule: Rule) -> Verdict:
    because = f" ({rule.reason})" if rule.reason else ""
    reason, message = {
        Effect.ALLOW: (Reason.ALLOWED, f"rule {id_} allows it"),
        Effect.REQUIRE_APPROVAL: (Reason.APPROVAL_REQUIRED, f"rule {id_} asks for approval{because}"),
        Effect.DENY: (Reason.RULE_DENIED, f"rule {id_} denies it{because}"),
    }[rule.effect]
    return Verdict(
        stage=Stage.RULES,
        effect=rule.effect,
        reason=reason,
        message=message,
        rules=(id_,),
        rule_reason=rule.reason or "",
        approval=rule.approval,
    )
