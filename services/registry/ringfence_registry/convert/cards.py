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
    CardReason,
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
    view = pb.CardView()
    put_card(view, facts)
    return view


def put_card(view: pb.CardView, facts: CardFacts) -> None:
    """Say in `view`, which is empty, what was read from a card.

    Written where it is to be: a message that is put into another one is copied, and each of its skills with it.
    """
    view.sha256 = bytes.fromhex(facts.sha256)
    view.size_bytes = facts.size
    view.dialect = DIALECTS[facts.dialect]
    view.verdict = VERDICTS[facts.verdict]
    view.reasons.extend(map(reason, facts.reasons))
    view.findings.extend(map(finding, facts.findings))
    view.display_name = facts.name
    view.description = facts.description
    view.version = facts.version
    view.provider = facts.provider
    view.protocol_versions.extend(facts.protocol_versions)
    for interface in facts.interfaces:
        view.interfaces.add(
            url=interface.url,
            protocol_binding=interface.protocol_binding,
            protocol_version=interface.protocol_version,
            tenant=interface.tenant,
        )
    for skill in facts.skills:
        view.skills.add(
            id=skill.id,
            display_name=skill.name,
            tags=skill.tags,
            description=skill.description,
            examples=skill.examples,
        )
    view.input_modes.extend(facts.input_modes)
    view.output_modes.extend(facts.output_modes)
    view.security_scheme_types.extend(dict.fromkeys([scheme.kind.value for scheme in facts.security_schemes]))
    view.extensions.extend(facts.extensions)
    view.streaming = facts.capabilities.streaming is True
    view.push_notifications = facts.capabilities.push_notifications is True
    view.extended_agent_card = facts.capabilities.extended_agent_card is True


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
