"""An agent as it is seen at an instant, from the model to its message."""

from collections.abc import Callable, Mapping
from itertools import chain, repeat

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_kit.wire import to_timestamp

from ringfence_registry.agents.approvals import ApprovalState
from ringfence_registry.cards.model import CardFacts
from ringfence_registry.cards.signatures.admission import signature_findings
from ringfence_registry.convert.cards import finding, put_card
from ringfence_registry.convert.signatures import signature_verdict
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.views import Trust
from ringfence_registry.model import (
    Agent,
    AgentOutline,
    AgentSpec,
    AgentState,
    ApprovedTool,
    Deployment,
    Deprecation,
    EscalationStep,
    Evaluation,
    HighRiskEdge,
    Liveness,
    RiskTier,
    Rollout,
    RolloutEnd,
)

RISK_TIERS = {each: pb.RiskTier.Value(f"RISK_TIER_{each.name}") for each in RiskTier}
STATES = {each: pb.AgentState.Value(f"AGENT_STATE_{each.name}") for each in AgentState}
LIVENESS = {each: pb.Liveness.Value(f"LIVENESS_{each.name}") for each in Liveness}
EDGES = {each: pb.HighRiskEdge.Value(f"HIGH_RISK_EDGE_{each.name}") for each in HighRiskEdge}
APPROVALS = {each: pb.ApprovalState.Value(f"APPROVAL_STATE_{each.name}") for each in ApprovalState}


def agent_message(view: AgentView) -> pb.Agent:
    """Return everything there is to say of an agent at that instant."""
    message = stored_message(view.agent)
    message.MergeFrom(moving_message(view))
    return message


def stored_message(agent: Agent) -> pb.Agent:
    """Return what is stored of an agent: nothing of it is another until the agent or its lease is."""
    message = _content(agent.name, agent.spec, agent.card)
    message.MergeFrom(
        pb.Agent(
            uid=agent.uid,
            state=STATES[agent.state],
            etag=agent.etag,
            create_time=to_timestamp(agent.created_at),
            update_time=to_timestamp(agent.updated_at),
            retire_time=_timestamp(agent.retired_at),
            lease_expire_time=_timestamp(agent.lease_expires_at),
            revision=_revision(agent, agent.number),
            aliases=[
                pb.RevisionAlias(alias=alias, revision=_revision(agent, number))
                for alias, number in sorted(agent.aliases.items())
            ],
            rollout=None if agent.rollout is None else _rollout(agent, agent.rollout),
            last_rollout_end=None if agent.last_rollout_end is None else _rollout_end(agent, agent.last_rollout_end),
            evaluation=_evaluation(agent.evaluations[0]) if agent.evaluations else None,
            deprecation=None if agent.deprecation is None else _deprecation(agent.deprecation),
            state_reason=agent.state_reason,
            delete_time=_timestamp(agent.deleted_at),
            purge_time=_timestamp(agent.purge_at),
        )
    )
    message.card.findings.extend(map(finding, agent.remarks))
    message.card.findings.extend(map(finding, signature_findings(agent.signatures, agent=str(agent.name))))
    message.card.signatures.extend(
        signature_verdict(verdict, namespace=agent.name.namespace) for verdict in agent.signatures.verdicts
    )
    return message


def moving_message(view: AgentView) -> pb.Agent:
    """Return what is known of an agent at that instant, and no field that `stored_message` fills."""
    # A bare view says nothing of how approvals stand.
    states = chain((APPROVALS[state] for state in view.approvals), repeat(pb.APPROVAL_STATE_UNSPECIFIED))
    return pb.Agent(
        liveness=LIVENESS[view.liveness],
        trust=None if view.trust is None else trust_message(view.trust),
        approved_tools=map(_approval, view.agent.spec.approved_tools, states),
        high_risk_edges=[EDGES[edge] for edge in view.edges],
        boundaries=view.boundaries,
    )


def content_message(name: AgentName, spec: AgentSpec, card: CardFacts) -> pb.Agent:
    """Return what people say of an agent, and its card: what a revision holds."""
    message = _content(name, spec, card)
    message.approved_tools.extend(_approval(tool, pb.APPROVAL_STATE_UNSPECIFIED) for tool in spec.approved_tools)
    return message


def _content(name: AgentName, spec: AgentSpec, card: CardFacts) -> pb.Agent:
    """Return that without the approved tools: how each stands is said with them, and moves."""
    message = pb.Agent(
        name=str(name),
        display_name=spec.display_name,
        purpose=spec.purpose,
        owner=pb.Owner(display_name=spec.owner.display_name, contact=spec.owner.contact),
        team=spec.team,
        on_call=spec.on_call,
        risk_tier=RISK_TIERS[spec.risk_tier],
        data_classes=spec.data_classes,
        environments=spec.environments,
        did=spec.did,
        labels=spec.labels,
        annotations=spec.annotations,
        policies=spec.policies,
        evaluation_plan=spec.evaluation_plan,
        slo=spec.slo,
        deployments=map(_deployment, spec.deployments),
        escalation_path=map(_escalation_step, spec.escalation_path),
    )
    put_card(message.card, card)
    return message


def basic_message(agent: Agent | AgentOutline) -> pb.Agent:
    """Return as much of an agent as a list shows when little is asked for (AIP-157)."""
    spec = agent.spec
    return pb.Agent(
        name=str(agent.name),
        display_name=spec.display_name,
        owner=pb.Owner(display_name=spec.owner.display_name, contact=spec.owner.contact),
        risk_tier=RISK_TIERS[spec.risk_tier],
        environments=spec.environments,
        labels=spec.labels,
        state=STATES[agent.state],
    )


def decision_message(agent: Agent | AgentOutline) -> pb.Agent:
    """Return what decisions about an agent stand on: what `basic_message` has, and more."""
    message, spec = basic_message(agent), agent.spec
    message.team = spec.team
    message.data_classes.extend(spec.data_classes)
    for tool in spec.approved_tools:
        message.approved_tools.add(name=tool.name, schema_hash=tool.schema_hash)
    return message


OUTLINES: Mapping[int, Callable[[Agent | AgentOutline], pb.Agent]] = {
    pb.AGENT_DETAIL_BASIC: basic_message,
    pb.AGENT_DETAIL_DECISION: decision_message,
}
"""By how much is wanted, what can be said of an agent without reading its card."""


def trust_message(trust: Trust) -> pb.AgentTrust:
    """Return how far an agent is trusted."""
    return pb.AgentTrust(
        score=trust.score, ring=trust.ring, active=trust.active, heard_time=to_timestamp(trust.heard_at)
    )


def _approval(tool: ApprovedTool, state: "pb.ApprovalState.ValueType") -> pb.ApprovedTool:
    return pb.ApprovedTool(name=tool.name, schema_hash=tool.schema_hash, state=state)


def _revision(agent: Agent, number: int) -> str:
    return f"{agent.name}/revisions/{number}"


def _rollout(agent: Agent, value: Rollout) -> pb.Rollout:
    return pb.Rollout(
        canary_revision=_revision(agent, value.canary),
        stable_revision=_revision(agent, value.stable),
        canary_percent=value.percent,
        start_time=to_timestamp(value.started_at),
    )


def _rollout_end(agent: Agent, value: RolloutEnd) -> pb.RolloutEnd:
    return pb.RolloutEnd(
        canary_revision=_revision(agent, value.canary),
        reason=value.reason,
        actor=value.actor,
        end_time=to_timestamp(value.ended_at),
    )


def _evaluation(value: Evaluation) -> pb.Evaluation:
    return pb.Evaluation(
        plan=value.plan,
        passed=value.passed,
        report=value.report,
        card_sha256=bytes.fromhex(value.card_sha256),
        evaluate_time=to_timestamp(value.evaluated_at),
        recorder=value.recorder,
    )


def _deployment(value: Deployment) -> pb.Deployment:
    return pb.Deployment(environment=value.environment, region=value.region, location=value.location)


def _escalation_step(value: EscalationStep) -> pb.EscalationStep:
    return pb.EscalationStep(contact=value.contact, wait=_duration(value.wait) if value.wait else None)


def _deprecation(value: Deprecation) -> pb.Deprecation:
    return pb.Deprecation(
        reason=value.reason, end_of_life_time=_timestamp(value.end_of_life_at), replaced_by=value.replaced_by
    )


def _duration(value: Millis) -> Duration:
    seconds, millis = divmod(value, 1_000)
    return Duration(seconds=seconds, nanos=millis * 1_000_000)


def _timestamp(instant: Instant | None) -> Timestamp | None:
    return None if instant is None else to_timestamp(instant)
