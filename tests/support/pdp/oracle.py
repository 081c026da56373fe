"""The decision written a second time, as plainly as the documentation tells it: no index, no compiled conditions.

Every rule is looked at, patterns are matched letter by letter, and conditions are given to another CEL implementation.
It shares the pdp's values and its reading of YAML, and nothing that decides.
"""

from typing import Any, NamedTuple

import cel
from ringfence_kit.trust_decay import ring_at, score_at
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.case import Basis
from ringfence_pdp.facts import AgentIdentity, IdentityStatus, RegisteredAgent
from ringfence_pdp.fields import Report
from ringfence_pdp.kill_switch import TargetKind
from ringfence_pdp.model import CheckRequest, SideEffects
from ringfence_pdp.policy import Policies, Policy, Rule, read_policies


class Answer(NamedTuple):
    effect: str
    reason: str
    rules: tuple[str, ...] = ()
    people: int = 0


def policies_of(files: list[PolicyFile]) -> Policies:
    report = Report()
    policies = read_policies(files, report)
    assert not report.problems
    return policies


def judged(basis: Basis, policies: Policies, request: CheckRequest) -> Answer:
    found = [one for one in basis.facts.by_did.values() if one.name == request.agent]
    known = next((one for one in found if one.environment == request.environment), None)
    entry = next((one for one in basis.facts.registered.values() if one.name == request.agent), None)
    against = _against(basis, request, known, entry)
    if against is not None or known is None or entry is None:
        return Answer("DENY", against or "AGENT_UNKNOWN")
    return _by_rules(policies, request, _variables(request, known, entry, basis))


def _against(
    basis: Basis, request: CheckRequest, known: AgentIdentity | None, entry: RegisteredAgent | None
) -> str | None:
    """The first objection, in the documented order, without knowing how a stage is built."""
    objections = {
        "KILLED": any(_stops(switch.target.kind, switch.target.value, request) for switch in basis.kill_switches),
        "FACTS_STALE": basis.identity_age is None or basis.identity_age >= 300_000,
        "AGENT_UNKNOWN": known is None or (entry is None and known.status is IdentityStatus.ACTIVE),
        "AGENT_REVOKED": known is not None and known.status is IdentityStatus.REVOKED,
        "AGENT_SUSPENDED": known is not None and known.status is IdentityStatus.SUSPENDED,
        "AGENT_RETIRED": entry is not None and entry.retired,
        "AGENT_NOT_SERVING": entry is not None and entry.halted != "",
        "RING_INSUFFICIENT": known is not None and _ring(known, basis) > _needed(request),
        "ENVIRONMENT_MISMATCH": entry is not None and request.environment not in entry.environments,
    }
    general = next((reason for reason, holds in objections.items() if holds), None)
    if general is not None or request.tool is None or known is None or entry is None:
        return general
    return _against_tool(
        basis, request, [known.approved_tools.get(request.tool), entry.approved_tools.get(request.tool)]
    )


def _against_tool(basis: Basis, request: CheckRequest, approved: list[str | None]) -> str | None:
    if None in approved:
        return "TOOL_NOT_APPROVED"
    tool = basis.facts.tools.get(request.tool or "")
    if tool is None:
        return "TOOL_UNKNOWN"
    over = tool.trust_expires_at is not None and tool.trust_expires_at <= basis.now
    pins = set(approved) - {""}
    objections = {
        "TOOL_DISABLED": not tool.enabled,
        "EXTERNAL_SYSTEM_NOT_TRUSTED": over or not tool.systems_trusted,
        "TOOL_SCHEMA_CHANGED": not pins <= {tool.schema_hash},
        "TOOL_NOT_APPROVED": not pins <= {request.tool_schema_hash},
        "TOOL_SCHEMA_CHANGED ": request.tool_schema_hash not in (None, tool.schema_hash),
        "TOOL_SCHEMA_NOT_PINNED": not pins and request.environment in basis.gated_environments,
    }
    return next((reason.strip() for reason, holds in objections.items() if holds), None)


def _ring(known: AgentIdentity, basis: Basis) -> int:
    ring = ring_at(known.trust, basis.now)
    ring = max(ring, known.ring_ceiling) if known.ring_ceiling in (2, 3) else ring
    silent = basis.identity_age is None or basis.identity_age > 15_000
    return 3 if silent and ring in (0, 1) else ring


def _stops(kind: TargetKind, value: str, request: CheckRequest) -> bool:
    assert request.agent is not None
    return (
        value
        == {
            TargetKind.EVERYTHING: "",
            TargetKind.NAMESPACE: request.agent.namespace,
            TargetKind.AGENT: str(request.agent),
            TargetKind.TOOL: request.tool,
        }[kind]
    )


def _needed(request: CheckRequest) -> int:
    reading = request.action.startswith(("read_", "list_", "get_"))
    by_effects = {SideEffects.REVERSIBLE: 2, SideEffects.IRREVERSIBLE: 1}.get(request.side_effects, 3)
    return min(3 if reading else 2, by_effects)


def _by_rules(policies: Policies, request: CheckRequest, variables: dict[str, Any]) -> Answer:
    denying, asking, permitting = [], [], []
    for policy in policies.policies:
        for rule in policy.rules:
            if not _selects(policy, rule, request):
                continue
            gives = _gives(rule.when, variables)
            name = f"{policy.name}/{rule.name}"
            if rule.effect.name == "DENY" and gives != "false":
                denying.append((name, gives))
            if rule.effect.name == "REQUIRE_APPROVAL" and gives != "false":
                assert rule.approval is not None
                asking.append((name, rule.approval.min_approvals))
                if gives == "true" and not _restricts_only(rule.when):
                    permitting.append(name)
            if rule.effect.name == "ALLOW" and gives == "true":
                permitting.append(name)
    if denying:
        name, gives = min(denying)
        return Answer("DENY", "RULE_DENIED" if gives == "true" else "RULE_ERROR", (name,))
    if not permitting:
        return Answer("DENY", "NO_MATCH")
    if asking:
        names = tuple(sorted(name for name, _ in asking))
        return Answer("REQUIRE_APPROVAL", "APPROVAL_REQUIRED", names, max(people for _, people in asking))
    return Answer("ALLOW", "ALLOWED", (min(permitting),))


def _restricts_only(when: str | None) -> bool:
    """A request for approval that is made because of distrust or of something missing permits nothing by itself."""
    return when is not None and any(sign in when for sign in ("agent.ring", "agent.trust", "!has(", "!('team'"))


def _selects(policy: Policy, rule: Rule, request: CheckRequest) -> bool:
    governs = policy.governs
    return (
        any(_matches(selector, str(request.agent)) for selector in governs.agents)
        and (not governs.environments or request.environment in governs.environments)
        and governs.side in (None, request.side)
        and any(_matches(selector, request.action) for selector in rule.actions)
        and (not rule.tools or (request.tool is not None and any(_matches(one, request.tool) for one in rule.tools)))
    )


def _matches(selector: str, name: str) -> bool:
    for place, letter in enumerate(selector):
        if letter == "*":
            return True
        if place >= len(name) or name[place] != letter:
            return False
    return len(selector) == len(name)


def _gives(when: str | None, variables: dict[str, Any]) -> str:
    if when is None:
        return "true"
    try:
        answer = cel.evaluate(when, variables)
    except (ArithmeticError, KeyError, TypeError, ValueError, IndexError, RuntimeError):
        return "error"
    return {True: "true", False: "false"}[answer] if isinstance(answer, bool) else "error"


def _variables(request: CheckRequest, known: AgentIdentity, entry: RegisteredAgent, basis: Basis) -> dict[str, Any]:
    def there(**fields: Any) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if value is not None}

    trusted = {"ring": _ring(known, basis), "trust": score_at(known.trust, basis.now)}
    resource = request.resource
    return {
        "agent": {**trusted, **there(environment=known.environment, team=entry.team, risk_tier=entry.risk_tier)},
        "action": there(name=request.action, tool=request.tool, side_effects=request.side_effects.name.lower()),
        "args": dict(request.arguments()),
        "context": dict(request.context()),
        "resource": there(data_class=resource.data_class, labels=dict(resource.labels)),
    }
