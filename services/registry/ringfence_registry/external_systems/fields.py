"""What ListExternalSystems can filter by: the fields of a system, by the names its message gives them."""

from ringfence_kit.clock import Instant

from ringfence_registry.external_systems.model import ExternalSystem, TrustVerdict
from ringfence_registry.external_systems.trust import why_not_trusted
from ringfence_registry.finding.filtering.fields import (
    ChoiceField,
    FieldTable,
    FlagField,
    MapField,
    TextField,
    TextsField,
    TimeField,
)
from ringfence_registry.model import RiskTier
from ringfence_registry.resources.switches import SwitchState


def external_system_fields(now: Instant) -> FieldTable[ExternalSystem]:
    """Return the fields as they read at `now`: trust ends by itself."""
    return FieldTable(
        {
            "name": TextField(lambda system: str(system.name)),
            "uid": TextField(lambda system: system.uid),
            "display_name": TextField(lambda system: system.spec.display_name, searched=True),
            "description": TextField(lambda system: system.spec.description, searched=True),
            "url": TextField(lambda system: system.spec.url),
            "operator": TextField(lambda system: system.spec.operator, searched=True),
            "data_classes": TextsField(lambda system: system.spec.data_classes),
            "owner": TextsField(
                lambda system: (system.spec.owner.display_name, system.spec.owner.contact), searched=True
            ),
            "owner.display_name": TextField(lambda system: system.spec.owner.display_name),
            "owner.contact": TextField(lambda system: system.spec.owner.contact),
            "risk_tier": ChoiceField(
                tuple(tier.value for tier in RiskTier),
                lambda system: "" if system.spec.risk_tier is None else system.spec.risk_tier.value,
            ),
            "labels": MapField(lambda system: system.spec.labels),
            "trusted": FlagField(lambda system: not why_not_trusted(system, now)),
            "trust_decision.verdict": ChoiceField(
                tuple(verdict.value for verdict in TrustVerdict),
                lambda system: "" if system.decision is None else system.decision.verdict.value,
            ),
            "trust_decision.actor": TextField(lambda system: "" if system.decision is None else system.decision.actor),
            "trust_decision.expire_time": TimeField(
                lambda system: None if system.decision is None else system.decision.expires_at
            ),
            "state": ChoiceField(tuple(state.value for state in SwitchState), lambda system: system.switch.state.value),
            "create_time": TimeField(lambda system: system.created_at),
            "update_time": TimeField(lambda system: system.updated_at),
        }
    )
