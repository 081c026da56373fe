"""What ListBoundaries can filter by: the fields of a boundary, by the names its message gives them."""

from ringfence_registry.boundaries.model import Boundary
from ringfence_registry.finding.filtering.fields import (
    ChoiceField,
    ChoicesField,
    FieldTable,
    MapField,
    TextField,
    TextsField,
    TimeField,
)
from ringfence_registry.model import RiskTier
from ringfence_registry.resources.switches import SwitchState

BOUNDARY_FIELDS: FieldTable[Boundary] = FieldTable(
    {
        "name": TextField(lambda boundary: str(boundary.name)),
        "uid": TextField(lambda boundary: boundary.uid),
        "display_name": TextField(lambda boundary: boundary.spec.display_name, searched=True),
        "description": TextField(lambda boundary: boundary.spec.description, searched=True),
        "owner": TextsField(
            lambda boundary: (boundary.spec.owner.display_name, boundary.spec.owner.contact), searched=True
        ),
        "owner.display_name": TextField(lambda boundary: boundary.spec.owner.display_name),
        "owner.contact": TextField(lambda boundary: boundary.spec.owner.contact),
        "selector.teams": TextsField(lambda boundary: boundary.spec.selector.teams),
        "selector.environments": TextsField(lambda boundary: boundary.spec.selector.environments),
        "selector.data_classes": TextsField(lambda boundary: boundary.spec.selector.data_classes),
        "selector.risk_tiers": ChoicesField(
            tuple(tier.value for tier in RiskTier),
            lambda boundary: [tier.value for tier in boundary.spec.selector.risk_tiers],
        ),
        "selector.labels": MapField(lambda boundary: boundary.spec.selector.labels),
        "agents": TextsField(lambda boundary: boundary.spec.agents),
        "external_systems": TextsField(lambda boundary: boundary.spec.external_systems),
        "single_sided_with": TextsField(lambda boundary: boundary.spec.single_sided_with),
        "labels": MapField(lambda boundary: boundary.spec.labels),
        "state": ChoiceField(tuple(state.value for state in SwitchState), lambda boundary: boundary.switch.state.value),
        "create_time": TimeField(lambda boundary: boundary.created_at),
        "update_time": TimeField(lambda boundary: boundary.updated_at),
    }
)
