"""What ListTools can filter by: the fields of a tool, by the names its message gives them."""

from ringfence_kit.clock import Instant

from ringfence_registry.finding.filtering.fields import (
    ChoiceField,
    FieldTable,
    FlagField,
    MapField,
    TextField,
    TextsField,
    TimeField,
)
from ringfence_registry.resources.switches import SwitchState
from ringfence_registry.tools.model import FailureBehaviour, SideEffect, Tool, ToolProtocol


def tool_fields(now: Instant) -> FieldTable[Tool]:
    """Return the fields as they read at `now`: trust in external systems ends by itself."""
    return FieldTable(
        {
            "name": TextField(lambda tool: str(tool.name)),
            "uid": TextField(lambda tool: tool.uid),
            "display_name": TextField(lambda tool: tool.spec.display_name, searched=True),
            "description": TextField(lambda tool: tool.spec.description, searched=True),
            "version": TextField(lambda tool: tool.spec.version),
            "protocol": ChoiceField(_names(ToolProtocol), lambda tool: tool.spec.protocol.value),
            "schema_hash": TextField(lambda tool: tool.spec.schema.hash),
            "side_effect": ChoiceField(_names(SideEffect), lambda tool: tool.spec.side_effect.value),
            "data_classes": TextsField(lambda tool: tool.spec.data_classes),
            "required_permissions": TextsField(lambda tool: tool.spec.required_permissions),
            "failure_behaviour": ChoiceField(_names(FailureBehaviour), lambda tool: tool.spec.failure_behaviour.value),
            "owner": TextsField(lambda tool: (tool.spec.owner.display_name, tool.spec.owner.contact), searched=True),
            "owner.display_name": TextField(lambda tool: tool.spec.owner.display_name),
            "owner.contact": TextField(lambda tool: tool.spec.owner.contact),
            "external_systems": TextsField(lambda tool: tool.spec.external_systems),
            "external_systems_trusted": FlagField(lambda tool: tool.reach.trusted_at(now)),
            "trust_expire_time": TimeField(lambda tool: tool.reach.until),
            "labels": MapField(lambda tool: tool.spec.labels),
            "argument_types": MapField(lambda tool: {at: each.value for at, each in tool.spec.argument_types.items()}),
            "external_sink": FlagField(lambda tool: tool.spec.external_sink),
            "state": ChoiceField(_names(SwitchState), lambda tool: tool.switch.state.value),
            "create_time": TimeField(lambda tool: tool.created_at),
            "update_time": TimeField(lambda tool: tool.updated_at),
        }
    )


def _names(
    choices: type[ToolProtocol] | type[SideEffect] | type[FailureBehaviour] | type[SwitchState],
) -> tuple[str, ...]:
    return tuple(choice.value for choice in choices)
