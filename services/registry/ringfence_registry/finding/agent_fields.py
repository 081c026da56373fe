"""What agents can be filtered and counted by: the fields of an agent, by the names its message gives them.

- What was read from the card goes by its short name (`skills.tags`, `interfaces.protocol_binding`), and by its place in
  the message (`card.skills.tags`) too. Annotations are for tools and people and are not filtered.
- STANDING is what events change. MOVING is what is another at another instant though no event says so; its index is
  brought to the moment of each question.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from ringfence_registry.cards.model import CardDialect, CardFinding, CardVerdict, FindingKind, SchemeKind, Severity
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.filtering.fields import (
    ChoiceField,
    ChoicesField,
    Field,
    FieldTable,
    FlagField,
    GroupField,
    MapField,
    NumberField,
    TextField,
    TextsField,
    TimeField,
)
from ringfence_registry.finding.views import Circuit, Health, Slo, Trust
from ringfence_registry.model import AgentState, HighRiskEdge, Liveness, RiskTier


def _names(kinds: type[Enum]) -> tuple[str, ...]:
    return tuple(each.name for each in kinds)


def _findings(view: AgentView) -> Iterator[CardFinding]:
    yield from view.agent.card.findings
    yield from view.agent.remarks


def _of_trust(read: Callable[[Trust], float | bool]) -> Callable[[AgentView], float | None]:
    return lambda view: None if view.trust is None else read(view.trust)


def _of_health(read: Callable[[Health], float | None]) -> Callable[[AgentView], float | None]:
    return lambda view: None if view.health is None else read(view.health)


def _open_skills(view: AgentView) -> list[str]:
    circuits = () if view.health is None else view.health.circuits
    return [skill for skill, circuit in circuits if circuit is Circuit.OPEN]


def _of_skills(read: Callable[[AgentView], Iterable[str]]) -> Callable[[AgentView], list[str]]:
    return lambda view: [text for text in read(view) if text]


_AGENT: dict[str, Field[AgentView]] = {
    "name": TextField(lambda view: str(view.agent.name)),
    "uid": TextField(lambda view: view.agent.uid, indexed=True),
    "display_name": TextField(lambda view: view.agent.spec.display_name, searched=True),
    "purpose": TextField(lambda view: view.agent.spec.purpose, searched=True),
    "owner": TextsField(
        lambda view: (view.agent.spec.owner.display_name, view.agent.spec.owner.contact), indexed=True, searched=True
    ),
    "owner.display_name": TextField(lambda view: view.agent.spec.owner.display_name, indexed=True),
    "owner.contact": TextField(lambda view: view.agent.spec.owner.contact, indexed=True),
    "team": TextField(lambda view: view.agent.spec.team, indexed=True, searched=True),
    "on_call": TextField(lambda view: view.agent.spec.on_call, indexed=True),
    "risk_tier": ChoiceField(_names(RiskTier), lambda view: view.agent.spec.risk_tier.name),
    "data_classes": TextsField(lambda view: view.agent.spec.data_classes, indexed=True),
    "environments": TextsField(lambda view: view.agent.spec.environments, indexed=True),
    "approved_tools": TextsField(lambda view: [tool.name for tool in view.agent.spec.approved_tools], indexed=True),
    "approved_tools.schema_hash": TextsField(
        lambda view: [tool.schema_hash for tool in view.agent.spec.approved_tools if tool.schema_hash], indexed=True
    ),
    "did": TextField(lambda view: view.agent.spec.did, indexed=True),
    "labels": MapField(lambda view: view.agent.spec.labels, indexed=True),
    "policies": TextsField(lambda view: view.agent.spec.policies, indexed=True),
    "evaluation_plan": TextField(lambda view: view.agent.spec.evaluation_plan, indexed=True),
    "evaluation": GroupField(lambda view: bool(view.agent.evaluations)),
    "evaluation.passed": FlagField(lambda view: view.agent.evaluations[0].passed if view.agent.evaluations else None),
    "slo": TextField(lambda view: view.agent.spec.slo, indexed=True),
    "deployments": GroupField(lambda view: bool(view.agent.spec.deployments)),
    "deployments.environment": TextsField(
        lambda view: [each.environment for each in view.agent.spec.deployments], indexed=True
    ),
    "deployments.region": TextsField(
        lambda view: [each.region for each in view.agent.spec.deployments if each.region], indexed=True
    ),
    # Environment and region of one deployment; asked apart, they may be of two.
    "deployments.place": TextsField(
        lambda view: [f"{each.environment}/{each.region}" for each in view.agent.spec.deployments if each.region],
        indexed=True,
    ),
    "escalation_path": GroupField(lambda view: bool(view.agent.spec.escalation_path)),
    "escalation_path.contact": TextsField(
        lambda view: [each.contact for each in view.agent.spec.escalation_path], indexed=True
    ),
    "state": ChoiceField(_names(AgentState), lambda view: view.agent.state.name),
    "aliases": TextsField(lambda view: view.agent.aliases, indexed=True),
    "rollout": GroupField(lambda view: view.agent.rollout is not None),
    "rollout.canary_percent": NumberField(
        lambda view: None if view.agent.rollout is None else view.agent.rollout.percent, indexed=True
    ),
    "deprecation": GroupField(lambda view: view.agent.deprecation is not None),
    "deprecation.replaced_by": TextField(
        lambda view: "" if view.agent.deprecation is None else view.agent.deprecation.replaced_by, indexed=True
    ),
    "deprecation.end_of_life_time": TimeField(
        lambda view: None if view.agent.deprecation is None else view.agent.deprecation.end_of_life_at
    ),
    "create_time": TimeField(lambda view: view.agent.created_at),
    "update_time": TimeField(lambda view: view.agent.updated_at),
    "retire_time": TimeField(lambda view: view.agent.retired_at),
    "delete_time": TimeField(lambda view: view.agent.deleted_at),
}

_CARD: dict[str, Field[AgentView]] = {
    "card.display_name": TextField(lambda view: view.agent.card.name, searched=True),
    "description": TextField(lambda view: view.agent.card.description, searched=True),
    "version": TextField(lambda view: view.agent.card.version, indexed=True),
    "provider": TextField(lambda view: view.agent.card.provider, indexed=True, searched=True),
    "dialect": ChoiceField(_names(CardDialect), lambda view: view.agent.card.dialect.name),
    "verdict": ChoiceField(_names(CardVerdict), lambda view: view.agent.card.verdict.name),
    "protocol_versions": TextsField(lambda view: view.agent.card.protocol_versions, indexed=True),
    "interfaces": GroupField(lambda view: bool(view.agent.card.interfaces)),
    "interfaces.url": TextsField(lambda view: [each.url for each in view.agent.card.interfaces], indexed=True),
    "interfaces.protocol_binding": TextsField(
        lambda view: [each.protocol_binding for each in view.agent.card.interfaces if each.protocol_binding],
        indexed=True,
    ),
    "interfaces.protocol_version": TextsField(
        lambda view: [each.protocol_version for each in view.agent.card.interfaces if each.protocol_version],
        indexed=True,
    ),
    "skills": GroupField(lambda view: bool(view.agent.card.skills)),
    "skills.id": TextsField(_of_skills(lambda view: (each.id for each in view.agent.card.skills)), indexed=True),
    "skills.display_name": TextsField(
        _of_skills(lambda view: (each.name for each in view.agent.card.skills)), indexed=True, searched=True
    ),
    "skills.tags": TextsField(
        lambda view: [tag for each in view.agent.card.skills for tag in each.tags], indexed=True, searched=True
    ),
    # Prose of which every agent has much: read from the agents that can have it at all, and not kept a second time.
    "skills.description": TextsField(
        _of_skills(lambda view: (each.description for each in view.agent.card.skills)), searched=True
    ),
    "skills.examples": TextsField(
        _of_skills(lambda view: (text for each in view.agent.card.skills for text in each.examples)), searched=True
    ),
    "capabilities.streaming": FlagField(lambda view: view.agent.card.capabilities.streaming),
    "capabilities.push_notifications": FlagField(lambda view: view.agent.card.capabilities.push_notifications),
    "capabilities.extended_agent_card": FlagField(lambda view: view.agent.card.capabilities.extended_agent_card),
    "extensions": TextsField(lambda view: view.agent.card.extensions, indexed=True),
    "security_schemes": GroupField(lambda view: bool(view.agent.card.security_schemes)),
    "security_schemes.type": ChoicesField(
        tuple(kind.value for kind in SchemeKind),
        lambda view: [each.kind.value for each in view.agent.card.security_schemes],
    ),
    "security_schemes.scopes": TextsField(
        lambda view: [scope for each in view.agent.card.security_schemes for scope in each.scopes], indexed=True
    ),
    "input_modes": TextsField(lambda view: view.agent.card.input_modes, indexed=True),
    "output_modes": TextsField(lambda view: view.agent.card.output_modes, indexed=True),
    "findings": GroupField(lambda view: any(True for _ in _findings(view))),
    "findings.kind": ChoicesField(_names(FindingKind), lambda view: [finding.kind.name for finding in _findings(view)]),
    "findings.severity": ChoicesField(
        _names(Severity), lambda view: [finding.severity.name for finding in _findings(view)]
    ),
}

_MOVING: dict[str, Field[AgentView]] = {
    "liveness": ChoiceField(_names(Liveness), lambda view: view.liveness.name),
    "trust": GroupField(lambda view: view.trust is not None),
    "trust.score": NumberField(_of_trust(lambda trust: trust.score), indexed=True),
    "trust.ring": NumberField(_of_trust(lambda trust: trust.ring), indexed=True),
    "trust.active": FlagField(lambda view: None if view.trust is None else view.trust.active),
    "health": GroupField(lambda view: view.health is not None),
    "health.circuit": ChoiceField(
        _names(Circuit),
        lambda view: "" if view.health is None or view.health.circuit is None else view.health.circuit.name,
    ),
    "health.slo": ChoiceField(
        _names(Slo), lambda view: "" if view.health is None or view.health.slo is None else view.health.slo.name
    ),
    "health.open_skills": TextsField(_open_skills, indexed=True),
    "health.error_rate": NumberField(_of_health(lambda health: health.error_rate), indexed=True),
    "health.latency_p95_ms": NumberField(_of_health(lambda health: health.latency_p95_ms), indexed=True),
    "high_risk_edges": ChoicesField(_names(HighRiskEdge), lambda view: [edge.name for edge in view.edges]),
    "boundaries": TextsField(lambda view: view.boundaries, indexed=True),
}

_ALIASES = {
    **{f"card.{name}": name for name in _CARD if not name.startswith("card.")},
    "card.streaming": "capabilities.streaming",
    "card.push_notifications": "capabilities.push_notifications",
    "card.extended_agent_card": "capabilities.extended_agent_card",
    "approved_tools.name": "approved_tools",
    "skills.name": "skills.display_name",
    "aliases.alias": "aliases",
    "security_scheme_types": "security_schemes.type",
    "card.security_scheme_types": "security_schemes.type",
}

AGENT_FIELDS: FieldTable[AgentView] = FieldTable({**_AGENT, **_CARD, **_MOVING}, _ALIASES)
"""Everything that can be asked."""

STANDING: FieldTable[AgentView] = FieldTable({**_AGENT, **_CARD})
"""What changes with an agent's events."""

MOVING: FieldTable[AgentView] = FieldTable(_MOVING)
"""What changes with time, and with what others do."""
