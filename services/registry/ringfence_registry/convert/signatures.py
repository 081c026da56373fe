"""What became of a card's signatures, and the registry's own, from the model to messages."""

from ringfence.proofs.card_forms import CardForm
from ringfence.proofs.card_verdict import Coverage, SignatureStatus, SignatureVerdict
from ringfence.registry.v1 import agent_card_pb2, card_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.names import AgentName

from ringfence_registry.agents.attesting import AttestedCard

_STATUSES = {each: card_pb2.SignatureStatus.Value(f"SIGNATURE_STATUS_{each.value}") for each in SignatureStatus}
_FORMS = {
    None: card_pb2.CANONICAL_FORM_UNSPECIFIED,
    CardForm.SPEC: card_pb2.CANONICAL_FORM_SPECIFICATION,
    CardForm.SDK: card_pb2.CANONICAL_FORM_SDK,
    CardForm.RAW: card_pb2.CANONICAL_FORM_RAW,
    CardForm.STRIPPED: card_pb2.CANONICAL_FORM_STRIPPED,
}
_COVERAGES = {
    None: card_pb2.SIGNATURE_COVERAGE_UNSPECIFIED,
    Coverage.FULL: card_pb2.SIGNATURE_COVERAGE_FULL,
    Coverage.KNOWN_FIELDS: card_pb2.SIGNATURE_COVERAGE_KNOWN_FIELDS,
}


def signature_verdict(verdict: SignatureVerdict, *, namespace: str) -> card_pb2.CardSignatureVerdict:
    """Return one verdict, as who sees the card's namespace may read it: agents of other namespaces are not named."""
    signer_agent = AgentName.parse(verdict.signer_agent)
    return card_pb2.CardSignatureVerdict(
        index=verdict.index,
        status=_STATUSES[verdict.status],
        canonical_form=_FORMS[verdict.form],
        coverage=_COVERAGES[verdict.coverage],
        key_id=verdict.key_id,
        signer=verdict.signer,
        signer_agent=str(signer_agent) if signer_agent is not None and signer_agent.namespace == namespace else "",
        algorithm=verdict.algorithm,
        problem=verdict.problem,
        uncovered=verdict.uncovered,
        ignored_key_hints=verdict.ignored,
    )


def attested(value: AttestedCard) -> pb.GetCardAttestationResponse:
    """Return the registry's own signature."""
    return pb.GetCardAttestationResponse(
        signature=agent_card_pb2.AgentCardSignature(
            protected=str(value.attestation["protected"]), signature=str(value.attestation["signature"])
        ),
        card_sha256=bytes.fromhex(value.card_sha256),
    )
