"""External systems between messages and model."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.registry.v1 import external_system_pb2 as pb
from ringfence.registry.v1 import registry_pb2
from ringfence_kit.clock import Instant
from ringfence_kit.names import ID_PATTERN
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_registry.convert import resource_checks as checks
from ringfence_registry.convert.resource_checks import RISK_TIERS, SWITCH_STATES, Fields, patch_of
from ringfence_registry.convert.tools import SYSTEM
from ringfence_registry.external_systems.deciding import Word
from ringfence_registry.external_systems.entry import NewExternalSystem
from ringfence_registry.external_systems.model import (
    ExternalSystem,
    ExternalSystemSpec,
    TrustDecision,
    TrustVerdict,
)
from ringfence_registry.external_systems.trust import why_not_trusted
from ringfence_registry.model import RiskTier
from ringfence_registry.resources.names import ExternalSystemName
from ringfence_registry.resources.patches import Patch
from ringfence_registry.resources.reading import Listed

_VERDICT_OF = {each: pb.TrustVerdict.Value(f"TRUST_VERDICT_{each.value}") for each in TrustVerdict}
_VERDICTS: Mapping[int, TrustVerdict] = {number: each for each, number in _VERDICT_OF.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateExternalSystem:
    """What a CreateExternalSystemRequest asks for."""

    system: NewExternalSystem
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateExternalSystem:
    """What an UpdateExternalSystemRequest asks for."""

    name: ExternalSystemName
    patch: Patch
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideTrust:
    """What a DecideTrustRequest asks for."""

    name: ExternalSystemName
    word: Word
    etag: str
    request_id: str


def create_external_system(request: pb.CreateExternalSystemRequest) -> CreateExternalSystem:
    """Return the system to be."""
    found = Violations()
    namespace = checks.namespace(found, request.parent)
    system_id = found.text(
        request.external_system_id, "external_system_id", max_bytes=63, pattern=ID_PATTERN, shape=checks.LABEL_SHAPE
    )
    facts = _FIELDS.all(found.at("external_system"), request.external_system)
    request_id = found.request_id(request.request_id)
    name = ExternalSystemName(found.ok(namespace), system_id)
    return CreateExternalSystem(
        system=NewExternalSystem(name=name, spec=ExternalSystemSpec(**facts)), request_id=request_id
    )


def update_external_system(request: pb.UpdateExternalSystemRequest) -> UpdateExternalSystem:
    """Return the change that is asked for. A system sent with its etag, as it was read, need not repeat it beside."""
    found, sent = Violations(), request.external_system
    name = SYSTEM.read(found, sent.name, "external_system.name")
    facts = _FIELDS.masked(found, request, "external_system")
    etag = found.etag(request.etag) or found.etag(sent.etag, "external_system.etag")
    request_id = found.request_id(request.request_id)
    return UpdateExternalSystem(name=found.ok(name), patch=patch_of(facts), etag=etag, request_id=request_id)


def decide_trust(request: pb.DecideTrustRequest) -> DecideTrust:
    """Return the decision. Whether its end lies well is judged when it is made."""
    found, sent = Violations(), request.trust_decision
    name, at = SYSTEM.read(found, request.name), found.at("trust_decision")
    verdict = at.enum(sent.verdict, "verdict", _VERDICTS)
    reason = at.text(sent.reason, "reason", max_bytes=500)
    expires_at = at.timestamp(sent.expire_time, "expire_time") if sent.HasField("expire_time") else None
    etag, request_id = found.etag(request.etag), found.request_id(request.request_id)
    word = Word(verdict=found.ok(verdict), reason=reason, expires_at=expires_at)
    return DecideTrust(name=found.ok(name), word=word, etag=etag, request_id=request_id)


def _risk_tier(found: Violations, system: pb.ExternalSystem) -> RiskTier | None:
    return found.enum(system.risk_tier, "risk_tier", RISK_TIERS) if system.risk_tier else None


_FIELDS = Fields(
    {
        "display_name": checks.text("display_name", max_bytes=200),
        "description": checks.text("description", max_bytes=2_000, multiline=True),
        "url": checks.text("url", max_bytes=2_000),
        "operator": checks.text("operator", max_bytes=200),
        "data_classes": checks.identifiers("data_classes", max_items=32),
        "risk_tier": _risk_tier,
        "labels": checks.labels,
    }
)


def external_system_message(system: ExternalSystem, now: Instant) -> pb.ExternalSystem:
    """Return a system's message as of `now`."""
    spec = system.spec
    return pb.ExternalSystem(
        name=str(system.name),
        uid=system.uid,
        display_name=spec.display_name,
        description=spec.description,
        url=spec.url,
        operator=spec.operator,
        data_classes=spec.data_classes,
        owner=checks.owner_message(spec.owner),
        risk_tier=_RISK_TIER_OF[spec.risk_tier],
        labels=spec.labels,
        trust_decision=_decision_message(system.decision),
        trusted=not why_not_trusted(system, now),
        state=SWITCH_STATES[system.switch.state],
        last_switch=checks.switch_change(system.switch),
        etag=system.etag,
        create_time=to_timestamp(system.created_at),
        update_time=to_timestamp(system.updated_at),
    )


def external_system_list(page: Listed[ExternalSystem], now: Instant) -> pb.ListExternalSystemsResponse:
    """Return one page."""
    return pb.ListExternalSystemsResponse(
        external_systems=[external_system_message(system, now) for system in page.resources],
        next_page_token=page.next_page_token,
    )


_RISK_TIER_OF: dict[RiskTier | None, registry_pb2.RiskTier.ValueType] = {
    None: registry_pb2.RISK_TIER_UNSPECIFIED,
    **{tier: registry_pb2.RiskTier.Value(f"RISK_TIER_{tier.value}") for tier in RiskTier},
}


def _decision_message(decision: TrustDecision | None) -> pb.TrustDecision | None:
    if decision is None:
        return None
    return pb.TrustDecision(
        verdict=_VERDICT_OF[decision.verdict],
        reason=decision.reason,
        expire_time=to_timestamp(decision.expires_at if decision.ended_at is None else decision.ended_at),
        actor=decision.actor,
        decide_time=to_timestamp(decision.decided_at),
    )
