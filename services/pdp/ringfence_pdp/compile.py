"""A bundle of files to what decides: rules with compiled conditions, in an index.

All or nothing: either everything a bundle says makes sense, or `BundleInvalid` lists what does not. The order files and
rules come in leaves no trace: rules are ordered by effect and name, and that order only says which of several is named.

Refused here, because the author can still be asked: a condition that is wrong, too costly or can never hold; one that
contradicts the rule's own selectors; one that favours agents for being trusted less. Told, but accepted (`findings`): a
rule that leaving an attribute out gets around.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.cel.condition import Condition, compile_condition
from ringfence_pdp.cel.leaning import Cause, Direction
from ringfence_pdp.cel.problems import ConditionInvalid
from ringfence_pdp.compiled import CompiledBundle, CompiledLimit, CompiledRule
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.fields import Place, Problem, Report
from ringfence_pdp.index import PLACES_MAX, RuleIndex, places
from ringfence_pdp.model import Effect, Reason, Stage, Verdict
from ringfence_pdp.policy import Policies, Policy, Rule, read_policies
from ringfence_pdp.rings import RingGate
from ringfence_pdp.selector import covers
from ringfence_pdp.vocabulary import SCHEMA

__all__ = ["CompiledBundle", "CompiledLimit", "CompiledRule", "compile_files"]

BUNDLE_COST_MAX = 20_000_000
"""Units all conditions of a bundle may cost together, so that no request can meet more than that."""

BUNDLE_PLACES_MAX = 500_000
"""Places in the index, for bounding memory."""

BUNDLE_PATTERNS_MAX = 1_000
"""Regular expressions in a bundle, each of which may take memory of its own."""


def compile_files(files: Sequence[PolicyFile]) -> CompiledBundle:
    """Return the bundle ready to decide; raise BundleInvalid with everything that is wrong."""
    compiler = _Compiler()
    policies = read_policies(files, compiler.report)
    rules = compiler.rules(policies)
    if compiler.report.problems:
        raise BundleInvalid([problem.as_violation() for problem in sorted(compiler.report.problems)])
    ordered = tuple(sorted(policies.policies, key=lambda policy: policy.name))
    limits = _limits(ordered)
    return CompiledBundle(
        rules=rules,
        index=_rule_index(rules, of_boundaries=False),
        boundary_index=_rule_index(rules, of_boundaries=True),
        policies=ordered,
        limits=limits,
        gate=RingGate(policies.ring_requirements),
        policy_count=len(ordered),
        findings=tuple(sorted(compiler.findings)),
        policy_index=_policy_index(ordered),
        limit_index=_limit_index(limits),
        has_obligations=any(rule.obligations for rule in rules),
        has_caller_rings=any(policy.min_caller_ring is not None for policy in ordered),
        has_boundaries=any(policy.governs.boundaries for policy in ordered),
    )


def _limits(policies: Iterable[Policy]) -> tuple[CompiledLimit, ...]:
    limits = [
        CompiledLimit(
            id=f"{policy.name}/{written.limit.name}",
            limit=written.limit,
            side=policy.governs.side,
            needs_tool=bool(written.match.tools),
            policy=policy,
            match=written.match,
        )
        for policy in policies
        for written in policy.limits
    ]
    return tuple(sorted(limits, key=lambda limit: limit.id))


def _rule_index(rules: Iterable[CompiledRule], *, of_boundaries: bool) -> RuleIndex:
    index = RuleIndex()
    for ordinal, rule in enumerate(rules):
        governs = rule.policy.governs
        if bool(governs.boundaries) is of_boundaries:
            index.put(
                ordinal,
                environments=governs.environments,
                agents=governs.boundaries or governs.agents,
                actions=rule.rule.actions,
                tools=rule.rule.tools,
            )
    return index


def _policy_index(policies: Iterable[Policy]) -> RuleIndex:
    index = RuleIndex()
    for ordinal, policy in enumerate(policies):
        governs = policy.governs
        if not governs.boundaries:
            index.put(ordinal, environments=governs.environments, agents=governs.agents, actions=(), tools=())
    return index


def _limit_index(limits: Iterable[CompiledLimit]) -> RuleIndex:
    index = RuleIndex()
    for ordinal, limit in enumerate(limits):
        governs, match = limit.policy.governs, limit.match
        index.put(
            ordinal,
            environments=governs.environments,
            agents=governs.agents,
            actions=match.actions,
            tools=match.tools,
        )
    return index


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
            obligations=rule.obligations,
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
