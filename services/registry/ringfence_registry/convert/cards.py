"""Cards and what is said of them, between messages and model."""

from dataclasses import dataclass

from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.names import parse_namespace
from ringfence_kit.validation import Violations

from ringfence_registry.cards.model import (
    CardDialect,
    CardFacts,
    CardFinding,
    CardInterface,
    CardReason,
    CardSkill,
    CardVerdict,
    FindingKind,
    Severity,
)
from ringfence_registry.cards.validation import ValidatedCard
from ringfence_registry.convert.signatures import signature_verdict

VERDICTS = {each: card_pb2.CardVerdict.Value(f"CARD_VERDICT_{each.name}") for each in CardVerdict}
DIALECTS = {each: card_pb2.CardDialect.Value(f"CARD_DIALECT_{each.name}") for each in CardDialect}
FINDING_KINDS = {each: card_pb2.FindingKind.Value(f"FINDING_KIND_{each.name}") for each in FindingKind}
SEVERITIES = {each: card_pb2.FindingSeverity.Value(f"FINDING_SEVERITY_{each.name}") for each in Severity}


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateCard:
    """What a ValidateCardRequest asks for."""

    card: bytes
    namespace: str | None
    """By whose policy; None for the registry's defaults."""


def validate_card(request: pb.ValidateCardRequest) -> ValidateCard:
    """Return the card to judge. Whatever it is, judging it is the answer, so only its absence is refused here."""
    found = Violations()
    namespace = None
    if request.parent:
        namespace = found.resource_name(request.parent, "parent", parse_namespace, shape="namespaces/{namespace}")
    if not request.card:
        found.add("card", "must not be empty")
    found.raise_if_any()
    return ValidateCard(card=request.card, namespace=namespace)


def validated(value: ValidatedCard, *, namespace: str | None) -> pb.ValidateCardResponse:
    """Return what there is to say about a card."""
    signatures = [signature_verdict(each, namespace=namespace or "") for each in value.signatures.verdicts]
    view = None if value.facts is None else card_view(value.facts)
    if view is not None:
        view.signatures.extend(signatures)
    return pb.ValidateCardResponse(
        verdict=VERDICTS[value.verdict],
        reasons=map(reason, value.reasons),
        signatures=signatures,
        findings=map(finding, value.findings),
        admissible=value.admissible,
        refusals=value.refusals,
        card=view,
    )


def card_view(facts: CardFacts) -> pb.CardView:
    """Return what was read from a card; what became of its signatures is the agent's to say."""
    return pb.CardView(
        sha256=bytes.fromhex(facts.sha256),
        size_bytes=facts.size,
        dialect=DIALECTS[facts.dialect],
        verdict=VERDICTS[facts.verdict],
        reasons=map(reason, facts.reasons),
        findings=map(finding, facts.findings),
        display_name=facts.name,
        description=facts.description,
        version=facts.version,
        provider=facts.provider,
        protocol_versions=facts.protocol_versions,
        interfaces=map(_interface, facts.interfaces),
        skills=map(_skill, facts.skills),
        input_modes=facts.input_modes,
        output_modes=facts.output_modes,
        security_scheme_types=dict.fromkeys(scheme.kind.value for scheme in facts.security_schemes),
        extensions=facts.extensions,
        streaming=facts.capabilities.streaming is True,
        push_notifications=facts.capabilities.push_notifications is True,
        extended_agent_card=facts.capabilities.extended_agent_card is True,
    )


def reason(value: CardReason) -> card_pb2.CardReason:
    """Return one reason for a verdict."""
    return card_pb2.CardReason(
        pointer=value.pointer, problem=value.problem, rule=value.rule, verdict=VERDICTS[value.verdict]
    )


def finding(value: CardFinding) -> pb.CardFinding:
    """Return one finding."""
    return pb.CardFinding(
        pointer=value.pointer,
        problem=value.problem,
        kind=FINDING_KINDS[value.kind],
        severity=SEVERITIES[value.severity],
    )


def _interface(value: CardInterface) -> pb.CardInterface:
    return pb.CardInterface(
        url=value.url,
        protocol_binding=value.protocol_binding,
        protocol_version=value.protocol_version,
        tenant=value.tenant,
    )


def _skill(value: CardSkill) -> pb.CardSkill:
    return pb.CardSkill(
        id=value.id,
        display_name=value.name,
        tags=value.tags,
        description=value.description,
        examples=value.examples,
    )
