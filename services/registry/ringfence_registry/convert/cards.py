"""Cards and what is said of them, from the model to messages."""

from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import registry_pb2 as pb

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

VERDICTS = {each: card_pb2.CardVerdict.Value(f"CARD_VERDICT_{each.name}") for each in CardVerdict}
DIALECTS = {each: card_pb2.CardDialect.Value(f"CARD_DIALECT_{each.name}") for each in CardDialect}
FINDING_KINDS = {each: card_pb2.FindingKind.Value(f"FINDING_KIND_{each.name}") for each in FindingKind}
SEVERITIES = {each: card_pb2.FindingSeverity.Value(f"FINDING_SEVERITY_{each.name}") for each in Severity}


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
