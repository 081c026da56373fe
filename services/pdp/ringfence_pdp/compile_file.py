"""One policy file to compiled rules, whatever else is in the bundle.

Refused here, because the author can still be asked: a condition that is wrong, too costly or can never hold; one that
contradicts the rule's own selectors; one that favours agents for being trusted less. Told, but accepted (`findings`): a
rule that leaving an attribute out gets around.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ringfence_pdp.breathing import nothing_more
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.cel.condition import Condition, compile_condition
from ringfence_pdp.cel.leaning import Cause, Direction
from ringfence_pdp.cel.problems import ConditionInvalid
from ringfence_pdp.compiled import CompiledRule
from ringfence_pdp.fields import Place, Problem, Report
from ringfence_pdp.index import PLACES_MAX, places
from ringfence_pdp.model import Effect, Reason, Stage, Verdict
from ringfence_pdp.policy import Policies, Policy, Rule, read_file
from ringfence_pdp.policy_tests.written import PolicyTest, is_test, read_tests
from ringfence_pdp.selector import covers
from ringfence_pdp.vocabulary import SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFile:
    """Everything a file says. When it has problems, the rest is only there to find more of them."""

    policies: Policies
    rules: tuple[CompiledRule, ...]
    problems: tuple[Problem, ...]
    findings: tuple[Problem, ...]
    cost: int
    """Units its conditions may cost together."""
    places: int
    """Places it takes in the indexes."""
    conditions: Mapping[str, Condition]
    """By text."""
    tests: tuple[PolicyTest, ...] = ()


_NO_POLICIES = Policies(policies=(), ring_requirements=(), names=())


def compile_file(
    file: PolicyFile, known: Mapping[str, Condition], breathe: Callable[[], None] = nothing_more
) -> CompiledFile:
    """Return what a file says, with everything that is wrong with it. `known`: conditions compiled before, by text."""
    compiler = _FileCompiler(known)
    tests = read_tests(file, compiler.report, breathe) if is_test(file.path) else ()
    policies = _NO_POLICIES if is_test(file.path) else read_file(file, compiler.report, breathe)
    rules: list[CompiledRule] = []
    for policy in policies.policies:
        for rule in policy.rules:
            breathe()
            rules.append(compiler.rule(policy, rule))
        governs = policy.governs
        governed = governs.boundaries or governs.agents
        for limit in policy.limits:
            selectors = (governs.environments, governed, limit.match.actions, limit.match.tools)
            compiler.take(selectors, limit.place, "limit")
        for written in policy.filters:
            selectors = (governs.environments, governed, written.match.actions, written.match.tools)
            compiler.take(selectors, written.place, "filter")
            if not any(written.actions.values()):
                problem = "the filter makes nothing of what it finds, however bad"
                compiler.findings.append(Problem(written.place, problem, "let actions.high be DENY, or leave it out"))
    return CompiledFile(
        policies=policies,
        rules=tuple(rules),
        problems=tuple(compiler.report.problems),
        findings=tuple(compiler.findings),
        cost=compiler.cost,
        places=compiler.places,
        conditions=compiler.conditions,
        tests=tests,
    )


@dataclass(slots=True)
class _FileCompiler:
    known: Mapping[str, Condition]
    report: Report = field(default_factory=Report)
    findings: list[Problem] = field(default_factory=list)
    conditions: dict[str, Condition] = field(default_factory=dict)
    cost: int = 0
    places: int = 0

    def take(self, selectors: Collection[Collection[str]], place: Place, what: str) -> None:
        """Note how many places in an index something takes."""
        count = places(*selectors)
        self.places += count
        if count > PLACES_MAX:
            problem = f"the {what}'s selectors have {count} combinations, {PLACES_MAX} are allowed"
            self.report.add(place, problem, f"use prefixes such as 'read_*', or split the {what}")

    def rule(self, policy: Policy, rule: Rule) -> CompiledRule:
        governs = policy.governs
        governed = governs.boundaries or governs.agents
        self.take((governs.environments, governed, rule.actions, rule.tools), rule.place, "rule")
        condition = None if rule.when is None else self.condition(rule.when, rule.when_place)
        leanings = () if condition is None else condition.leanings
        if condition is not None:
            self.cost += condition.cost
            _check_selectors(self.report, policy, rule, condition)
            _check_leanings(self.report, self.findings, rule, condition)
        rises = any(leaning.direction is Direction.RISES for leaning in leanings)
        id_ = f"{policy.name}/{rule.name}"
        return CompiledRule(
            id=id_,
            effect=rule.effect,
            evaluate=None if condition is None else condition.evaluate,
            grants=rule.effect is Effect.ALLOW or (rule.effect is Effect.REQUIRE_APPROVAL and not rises),
            side=governs.side,
            needs_tool=bool(rule.tools),
            approval=rule.approval,
            obligations=rule.obligations,
            verdict=_verdict(id_, rule),
            condition=condition,
            rule=rule,
            policy=policy,
        )

    def condition(self, source: str, place: Place) -> Condition | None:
        found = self.conditions.get(source) or self.known.get(source)
        if found is None:
            try:
                found = compile_condition(source, SCHEMA)
            except ConditionInvalid as error:
                self.report.add(place, f"at {error.position} of the condition: {error.problem}", error.remedy)
                return None
        self.conditions[source] = found
        return found


def _check_selectors(report: Report, policy: Policy, rule: Rule, condition: Condition) -> None:
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
            report.add(rule.when_place, problem, f"it selects only {_either(selectors)}")


def _check_leanings(report: Report, findings: list[Problem], rule: Rule, condition: Condition) -> None:
    for leaning in condition.leanings:
        opens = _OPENS[rule.effect]
        if leaning.direction is not opens:
            continue
        at = f"at {leaning.node.at.position} of the condition: {condition.checked.text(leaning.node)}"
        if leaning.cause is Cause.DISTRUST:
            problem = f"{at} makes the rule {_OPENING[rule.effect]} when an agent is trusted less"
            report.add(rule.when_place, problem, _remedy(rule.effect))
        else:
            problem = f"{at} makes the rule {_OPENING[rule.effect]} when that is left out"
            findings.append(Problem(rule.when_place, problem, "without has(), leaving it out never opens anything"))


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


_SAYS = {
    Effect.ALLOW: (Reason.ALLOWED, "allows it"),
    Effect.REQUIRE_APPROVAL: (Reason.APPROVAL_REQUIRED, "asks for approval"),
    Effect.DENY: (Reason.RULE_DENIED, "denies it"),
}


def _verdict(id_: str, rule: Rule) -> Verdict:
    because = f" ({rule.reason})" if rule.reason and rule.effect is not Effect.ALLOW else ""
    reason, does = _SAYS[rule.effect]
    return Verdict(
        stage=Stage.RULES,
        effect=rule.effect,
        reason=reason,
        message=f"rule {id_} {does}{because}",
        rules=(id_,),
        rule_reason=rule.reason or "",
        approval=rule.approval,
    )
