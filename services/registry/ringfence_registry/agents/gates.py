"""What an agent needs before it serves where gates are kept: facts in, every gate out, met or not.

One function for each gate, a table that names them all. A gate that cannot be judged, because nobody knows the tool,
the boundary or the identity, is not met. Nothing here knows the time or waits: facts are of one moment.
"""

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ringfence_registry.agents.approvals import ApprovalState, approval_state
from ringfence_registry.agents.surroundings import BoundaryFacts, IdentityFacts, ToolFacts
from ringfence_registry.model import Agent, ApprovedTool

STABLE = "stable"
"""The alias of the revision to go back to."""

_SHOWN = 8
"""Tools named in one problem; a sentence of 256 helps nobody."""


class GateKind(enum.Enum):
    """The gates, in the order in which they are answered."""

    IDENTITY = "IDENTITY"
    OWNER = "OWNER"
    ON_CALL = "ON_CALL"
    PURPOSE = "PURPOSE"
    RISK_TIER = "RISK_TIER"
    APPROVED_TOOLS = "APPROVED_TOOLS"
    BOUNDARIES = "BOUNDARIES"
    EVALUATION_PLAN = "EVALUATION_PLAN"
    EVALUATION_RESULT = "EVALUATION_RESULT"
    SLO = "SLO"
    ROLLBACK_TARGET = "ROLLBACK_TARGET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One thing an agent needs."""

    kind: GateKind
    problem: str = ""
    """What lacks, in a sentence; empty when nothing does."""
    remedy: str = ""
    """What to do about it."""

    @property
    def met(self) -> bool:
        """Whether it is there."""
        return not self.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFacts:
    """What is known, at one moment, of an agent's standing in one environment."""

    environment: str
    identity: IdentityFacts | None
    """Of the agent there."""
    tools: Mapping[str, ToolFacts]
    """By name, those of its approved tools that exist."""
    boundaries: tuple[BoundaryFacts, ...]
    """Those it is in."""


def gates(agent: Agent, facts: EnvironmentFacts) -> tuple[Gate, ...]:
    """Return every gate `agent` has to pass in that environment, in the order of their kinds."""
    return tuple(_gate(kind, _PROBLEMS[kind](agent, facts), facts.environment) for kind in GateKind)


def together(each_environment: Iterable[tuple[Gate, ...]]) -> tuple[Gate, ...]:
    """Return each gate once: met when it is in every environment, with every environment's problem when it is not."""
    merged: dict[GateKind, Gate] = {}
    for one in each_environment:
        for gate in one:
            known = merged.get(gate.kind)
            if known is None or known.met:
                merged[gate.kind] = gate
            elif not gate.met and gate.problem != known.problem:
                problem = f"{known.problem}; {gate.problem}"
                remedy = known.remedy if gate.remedy == known.remedy else f"{known.remedy} {gate.remedy}"
                merged[gate.kind] = Gate(kind=gate.kind, problem=problem, remedy=remedy)
    return tuple(merged[kind] for kind in GateKind if kind in merged)


def unmet(found: Iterable[Gate]) -> tuple[Gate, ...]:
    """Return the gates that are not met."""
    return tuple(gate for gate in found if not gate.met)


def _gate(kind: GateKind, problem: str, environment: str) -> Gate:
    remedy = _REMEDIES[kind].format(environment=environment) if problem else ""
    return Gate(kind=kind, problem=problem, remedy=remedy)


def _identity(agent: Agent, facts: EnvironmentFacts) -> str:
    if facts.identity is None:
        said = agent.spec.did
        named = f"identity knows no {said} of this agent in {facts.environment}" if said else ""
        return named or f"it has no DID in {facts.environment}"
    if facts.identity.agent != agent.name or facts.identity.environment != facts.environment:
        return f"{facts.identity.did} is {facts.identity.agent} in {facts.identity.environment}"
    return "" if facts.identity.active else f"{facts.identity.did} is not active"


def _owner(agent: Agent, _facts: EnvironmentFacts) -> str:
    owner = agent.spec.owner
    return "" if owner.display_name and owner.contact else "nobody who answers for it is named"


def _on_call(agent: Agent, _facts: EnvironmentFacts) -> str:
    return "" if agent.spec.escalation_path or agent.spec.on_call else "nobody to reach when it misbehaves is named"


def _purpose(agent: Agent, _facts: EnvironmentFacts) -> str:
    return "" if agent.spec.purpose else "what it is for is not said"


def _risk_tier(_agent: Agent, _facts: EnvironmentFacts) -> str:
    return ""  # no agent is registered without one; the gate is there to be seen


def _approved_tools(agent: Agent, facts: EnvironmentFacts) -> str:
    problems = [
        problem
        for approved in agent.spec.approved_tools
        if (problem := _tool_problem(approved, facts.tools.get(approved.name)))
    ]
    left_out = len(problems) - _SHOWN
    return "; ".join(problems[:_SHOWN]) + (f"; and {left_out} more" if left_out > 0 else "")


def _tool_problem(approved: ApprovedTool, tool: ToolFacts | None) -> str:
    state = approval_state(approved, tool)
    if state is not ApprovalState.IN_FORCE:
        return _TOOL_PROBLEMS[state].format(tool=approved.name)
    return "" if approved.schema_hash else f"{approved.name} is approved whatever its schema"


def _boundaries(_agent: Agent, facts: EnvironmentFacts) -> str:
    if not facts.boundaries:
        return "it is in no boundary"
    if any(boundary.enabled for boundary in facts.boundaries):
        return ""
    return f"every boundary it is in is disabled: {', '.join(each.name for each in facts.boundaries[:_SHOWN])}"


def _evaluation_plan(agent: Agent, _facts: EnvironmentFacts) -> str:
    return "" if agent.spec.evaluation_plan else "what it is measured against is not said"


def _evaluation_result(agent: Agent, _facts: EnvironmentFacts) -> str:
    plan = agent.spec.evaluation_plan
    if not plan:
        return "there is no evaluation plan to have passed"
    of_card = [each for each in agent.evaluations if each.card_sha256 == agent.card.sha256]
    result = next((each for each in of_card if each.plan == plan), None)
    if result is None:
        return f"{plan} was not run with the card it has now"
    return "" if result.passed else f"{plan} was run with the card it has now and not passed"


def _slo(agent: Agent, _facts: EnvironmentFacts) -> str:
    return "" if agent.spec.slo else "no service level objective is named"


def _rollback_target(agent: Agent, _facts: EnvironmentFacts) -> str:
    return "" if STABLE in agent.aliases else f"no revision is tagged {STABLE}"


_PROBLEMS: Mapping[GateKind, Callable[[Agent, EnvironmentFacts], str]] = {
    GateKind.IDENTITY: _identity,
    GateKind.OWNER: _owner,
    GateKind.ON_CALL: _on_call,
    GateKind.PURPOSE: _purpose,
    GateKind.RISK_TIER: _risk_tier,
    GateKind.APPROVED_TOOLS: _approved_tools,
    GateKind.BOUNDARIES: _boundaries,
    GateKind.EVALUATION_PLAN: _evaluation_plan,
    GateKind.EVALUATION_RESULT: _evaluation_result,
    GateKind.SLO: _slo,
    GateKind.ROLLBACK_TARGET: _rollback_target,
}

_TOOL_PROBLEMS: Mapping[ApprovalState, str] = {
    ApprovalState.TOOL_UNKNOWN: "there is no tool {tool}",
    ApprovalState.TOOL_DISABLED: "{tool} is disabled",
    ApprovalState.SCHEMA_CHANGED: "the schema of {tool} changed since it was approved",
    ApprovalState.EXTERNAL_SYSTEM_NOT_TRUSTED: "{tool} reaches an external system that nobody trusts at present",
}

_REMEDIES: Mapping[GateKind, str] = {
    GateKind.IDENTITY: "Enrol it with the identity service in {environment}, and set did to what that answers.",
    GateKind.OWNER: "Set owner with UpdateAgent.",
    GateKind.ON_CALL: "Set escalation_path or on_call with UpdateAgent.",
    GateKind.PURPOSE: "Set purpose with UpdateAgent.",
    GateKind.RISK_TIER: "Set risk_tier with UpdateAgent.",
    GateKind.APPROVED_TOOLS: (
        "Register or enable the tool, have its external systems trusted, and set approved_tools with the schema_hash "
        "GetTool answers."
    ),
    GateKind.BOUNDARIES: "Name it in a boundary of its namespace, or let a boundary's selector match it; enable that.",
    GateKind.EVALUATION_PLAN: "Set evaluation_plan with UpdateAgent.",
    GateKind.EVALUATION_RESULT: "Run the plan and have the result recorded with RecordEvaluation.",
    GateKind.SLO: "Set slo with UpdateAgent.",
    GateKind.ROLLBACK_TARGET: "Tag the revision to go back to with TagRevision, alias stable.",
}
