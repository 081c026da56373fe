"""What ListAgents can filter by: the fields of an agent, by the names its message gives them.

What was read from the card goes by its short name (`skills.tags`, `interfaces.protocol_binding`), and by its place in
the message (`card.skills.tags`) too. Annotations are for tools and people and are not filtered.
"""

from ringfence_registry.finding.filtering.fields import (
    ChoiceField,
    Field,
    FieldTable,
    FlagField,
    GroupField,
    MapField,
    TextField,
    TextsField,
    TimeField,
)
from ringfence_registry.model import Agent, AgentState, RiskTier

_AGENT: dict[str, Field[Agent]] = {
    "name": TextField(lambda agent: str(agent.name)),
    "uid": TextField(lambda agent: agent.uid),
    "display_name": TextField(lambda agent: agent.spec.display_name, searched=True),
    "purpose": TextField(lambda agent: agent.spec.purpose, searched=True),
    "owner": TextsField(lambda agent: (agent.spec.owner.display_name, agent.spec.owner.contact), searched=True),
    "owner.display_name": TextField(lambda agent: agent.spec.owner.display_name),
    "owner.contact": TextField(lambda agent: agent.spec.owner.contact, indexed=True),
    "team": TextField(lambda agent: agent.spec.team, indexed=True, searched=True),
    "on_call": TextField(lambda agent: agent.spec.on_call),
    "risk_tier": ChoiceField(
        tuple(tier.value for tier in RiskTier), lambda agent: agent.spec.risk_tier.value, indexed=True
    ),
    "data_classes": TextsField(lambda agent: agent.spec.data_classes, indexed=True),
    "environments": TextsField(lambda agent: agent.spec.environments, indexed=True),
    "approved_tools": TextsField(lambda agent: [tool.name for tool in agent.spec.approved_tools], indexed=True),
    "approved_tools.schema_hash": TextsField(
        lambda agent: [tool.schema_hash for tool in agent.spec.approved_tools if tool.schema_hash]
    ),
    "did": TextField(lambda agent: agent.spec.did, indexed=True),
    "labels": MapField(lambda agent: agent.spec.labels, indexed=True),
    "state": ChoiceField(tuple(state.value for state in AgentState), lambda agent: agent.state.value, indexed=True),
    "create_time": TimeField(lambda agent: agent.created_at),
    "update_time": TimeField(lambda agent: agent.updated_at),
    "retire_time": TimeField(lambda agent: agent.retired_at),
}

_CARD: dict[str, Field[Agent]] = {
    "card.display_name": TextField(lambda agent: agent.card.name, searched=True),
    "description": TextField(lambda agent: agent.card.description, searched=True),
    "version": TextField(lambda agent: agent.card.version),
    "provider": TextField(lambda agent: agent.card.provider, searched=True),
    "protocol_versions": TextsField(lambda agent: agent.card.protocol_versions, indexed=True),
    "interfaces": GroupField(lambda agent: bool(agent.card.interfaces)),
    "interfaces.url": TextsField(lambda agent: [each.url for each in agent.card.interfaces]),
    "interfaces.protocol_binding": TextsField(
        lambda agent: [each.protocol_binding for each in agent.card.interfaces if each.protocol_binding], indexed=True
    ),
    "interfaces.protocol_version": TextsField(
        lambda agent: [each.protocol_version for each in agent.card.interfaces if each.protocol_version]
    ),
    "skills": GroupField(lambda agent: bool(agent.card.skills)),
    "skills.id": TextsField(lambda agent: [each.id for each in agent.card.skills if each.id], indexed=True),
    "skills.display_name": TextsField(
        lambda agent: [each.name for each in agent.card.skills if each.name], searched=True
    ),
    "skills.tags": TextsField(
        lambda agent: [tag for each in agent.card.skills for tag in each.tags], indexed=True, searched=True
    ),
    "capabilities.streaming": FlagField(lambda agent: agent.card.capabilities.streaming),
    "capabilities.push_notifications": FlagField(lambda agent: agent.card.capabilities.push_notifications),
    "capabilities.extended_agent_card": FlagField(lambda agent: agent.card.capabilities.extended_agent_card),
    "input_modes": TextsField(lambda agent: agent.card.input_modes, indexed=True),
    "output_modes": TextsField(lambda agent: agent.card.output_modes, indexed=True),
    "findings": GroupField(lambda agent: bool(agent.card.findings)),
}

_ALIASES = {
    **{f"card.{name}": name for name in _CARD if not name.startswith("card.")},
    "card.streaming": "capabilities.streaming",
    "approved_tools.name": "approved_tools",
    "skills.name": "skills.display_name",
}

AGENT_FIELDS: FieldTable[Agent] = FieldTable({**_AGENT, **_CARD}, _ALIASES)
