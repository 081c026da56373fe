"""The birth certificate: what the gate asks for, what may be waived, and what is signed."""

import json
from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from ringfence.identity.v1.identity_pb2 import BirthCertificateContent
from ringfence.proofs import data_integrity
from ringfence.proofs.canonical_json import canonical
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.birth_certificate import (
    ApprovedTool,
    ArtifactDigests,
    Birth,
    BirthContent,
    EvaluationGate,
    EvaluationPlan,
    certificate_hash,
    content_json,
    issue_certificate,
    require_fit,
)
from ringfence_identity.errors import BirthCertificateIncomplete, EvaluationGateUnmet
from ringfence_identity.status.places import StatusPlace
from ringfence_kit.clock import Instant
from support.identity.births import COMPLETE, HASH
from support.identity.did_logs import REGISTRAR
from support.identity.keys import seeded_key

UNRUN = EvaluationGate(suite="safety", minimum_micros=980_000)


def with_gate(gate: EvaluationGate) -> BirthContent:
    return replace(COMPLETE, evaluation_plan=replace(COMPLETE.evaluation_plan, gates=(gate,)))


def missing_from(content: BirthContent, *, production: bool = True) -> list[str]:
    with pytest.raises(BirthCertificateIncomplete) as incomplete:
        require_fit(content, environment="prod", production=production)
    fields = [violation.field for violation in incomplete.value.violations]
    assert incomplete.value.metadata["missing"] == ", ".join(fields)
    return [field.removeprefix("birth_certificate.") for field in fields]


def test_a_complete_certificate_with_passed_gates_is_fit_everywhere() -> None:
    for production in (True, False):
        require_fit(COMPLETE, environment="prod", production=production)


def test_an_empty_certificate_is_told_everything_it_lacks_at_once() -> None:
    assert missing_from(BirthContent()) == [
        "purpose",
        "sponsor",
        "backup_sponsor",
        "permissions",
        "ring_ceiling",
        "artifacts",
        "evaluation_plan.uri",
        "evaluation_plan.hash",
        "evaluation_plan.gates",
    ]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (replace(COMPLETE, purpose=""), "purpose"),
        (replace(COMPLETE, sponsor=""), "sponsor"),
        (replace(COMPLETE, backup_sponsor=""), "backup_sponsor"),
        (replace(COMPLETE, backup_sponsor=COMPLETE.sponsor), "backup_sponsor"),
        (replace(COMPLETE, permissions=()), "permissions"),
        (replace(COMPLETE, ring_ceiling=0), "ring_ceiling"),
        (replace(COMPLETE, artifacts=ArtifactDigests()), "artifacts"),
        (replace(COMPLETE, approved_tools=(ApprovedTool(name="ledger.propose"),)), "approved_tools[0].schema_hash"),
        (replace(COMPLETE, evaluation_plan=EvaluationPlan(uri="u", hash=HASH)), "evaluation_plan.gates"),
        (with_gate(replace(UNRUN, suite="", waived_by="sponsors/ada")), "evaluation_plan.gates[0].suite"),
        (with_gate(replace(UNRUN, result_micros=990_000)), "evaluation_plan.gates[0].evidence_hash"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_missing_part_is_named(content: BirthContent, field: str) -> None:
    assert missing_from(content) == [field]


def test_outside_production_a_tool_need_not_be_pinned() -> None:
    unpinned = replace(COMPLETE, approved_tools=(ApprovedTool(name="ledger.propose"),))
    require_fit(unpinned, environment="dev", production=False)


@pytest.mark.parametrize(
    ("gate", "field"),
    [
        (UNRUN, "evaluation_plan.gates[0]"),
        (replace(UNRUN, result_micros=979_999, evidence_hash=HASH), "evaluation_plan.gates[0]"),
        (replace(UNRUN, waived_by="sponsors/ada"), "evaluation_plan.gates[0].waived_by"),
    ],
)
def test_a_gate_that_is_not_met_keeps_an_agent_out_of_production(gate: EvaluationGate, field: str) -> None:
    with pytest.raises(EvaluationGateUnmet) as unmet:
        require_fit(with_gate(gate), environment="prod", production=True)
    assert [violation.field for violation in unmet.value.violations] == [f"birth_certificate.{field}"]


def test_outside_production_a_named_sponsor_may_waive_and_nobody_else() -> None:
    waived = with_gate(replace(UNRUN, waived_by="sponsors/grace"))
    require_fit(waived, environment="dev", production=False)
    assert waived.waivers == {"sponsors/grace"}
    with pytest.raises(EvaluationGateUnmet):
        require_fit(with_gate(UNRUN), environment="dev", production=False)


@pytest.mark.parametrize("result", [None, 0, 1_000_000])
def test_the_hashed_form_is_the_proto3_json_any_client_prints(result: int | None) -> None:
    """A client in another language hashes the JSON its protobuf runtime prints; it must be ours."""
    content = with_gate(replace(UNRUN, result_micros=result, evidence_hash=HASH if result else ""))
    message = ParseDict(content_json(content), BirthCertificateContent())
    assert MessageToDict(message) == content_json(content)
    gate = message.evaluation_plan.gates[0]
    assert gate.HasField("result_micros") == (result is not None)


def test_the_credential_says_who_what_and_where_and_holds_no_float() -> None:
    birth = Birth(
        certificate_id="00000000-0000-4000-8000-000000000001",
        did="did:webvh:x:y",
        agent="namespaces/billing/agents/reconciler",
        environment="prod",
        serial=1,
        status=StatusPlace(number=7, pair=2, index=94_567),
        at=Instant(1_767_225_600_999),
    )
    credential = issue_certificate(COMPLETE, birth, registrar=REGISTRAR, key=seeded_key(5))
    assert credential["validFrom"] == "2026-01-01T00:00:00Z"
    assert "validUntil" not in credential
    assert credential["issuer"] == str(REGISTRAR)
    subject = credential["credentialSubject"]
    assert isinstance(subject, dict)
    assert {name: subject[name] for name in ("id", "agent", "environment", "serial")} == {
        "id": birth.did,
        "agent": birth.agent,
        "environment": "prod",
        "serial": 1,
    }
    assert not any(isinstance(value, float) for value in json.loads(json.dumps(subject)).values())
    signer = public_key_of(seeded_key(5))
    unsigned = {name: value for name, value in credential.items() if name != "proof"}
    data_integrity.check_proof(unsigned, credential["proof"], key=signer)
    with pytest.raises(data_integrity.DataIntegrityError, match="does not verify"):
        data_integrity.check_proof(
            {**unsigned, "validFrom": "x"}, credential["proof"], key=public_key_of(seeded_key(5))
        )
    with pytest.raises(data_integrity.DataIntegrityError, match="context"):
        data_integrity.check_proof({**unsigned, "@context": []}, credential["proof"], key=signer)


def test_the_waiver_is_part_of_what_is_hashed() -> None:
    place = StatusPlace(number=0, pair=1, index=5)
    birth = Birth(certificate_id="1", did="d", agent="a", environment="dev", serial=1, status=place, at=Instant(0))
    hashes = {
        certificate_hash(canonical(issue_certificate(with_gate(gate), birth, registrar=REGISTRAR, key=seeded_key(5))))
        for gate in (UNRUN, replace(UNRUN, waived_by="sponsors/ada"), replace(UNRUN, waived_by="sponsors/grace"))
    }
    assert len(hashes) == 3
