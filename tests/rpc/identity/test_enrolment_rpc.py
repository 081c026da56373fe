"""Enrolling over the wire: what a newcomer gets, who may ask, and every way to be refused."""

import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import rfc8785
from google.protobuf.json_format import MessageToDict
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs import data_integrity
from ringfence.proofs.public_keys import from_multibase, public_key_of
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, Millis
from support.identity import webvh_resolver
from support.identity.births import COMPLETE
from support.identity.keys import encoding, seeded_key
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, STRANGER, IdentityMesh, identity_mesh
from support.serving import OPERATOR, SERVICE
from support.wire import refusal

UNISSUED = "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"
AGENT = "namespaces/billing/agents/reconciler"


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


async def test_an_enrolled_agent_can_be_found_by_name_and_by_did(mesh: IdentityMesh) -> None:
    identity = (await mesh.enrol()).identity
    assert identity.agent == AGENT
    assert identity.environment == "prod"
    assert identity.status == pb.IDENTITY_STATUS_ACTIVE
    assert identity.trust_state.stored_ring == 3
    assert identity.public_key_multibase == public_key_of(seeded_key(1)).multibase
    assert identity.did.startswith("did:webvh:Qm")
    by_name = await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(agent=AGENT, environment="prod"))
    by_did = await mesh.identity(AUDITOR).GetAgentIdentity(pb.GetAgentIdentityRequest(did=identity.did))
    assert by_name.identity == by_did.identity == identity


async def test_the_did_resolves_and_its_history_holds_for_a_stranger(mesh: IdentityMesh) -> None:
    identity = (await mesh.enrol()).identity
    resolved = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=identity.did))
    document = json.loads(resolved.did_document)
    assert document["id"] == identity.did
    assert document["verificationMethod"][0]["publicKeyMultibase"] == identity.public_key_multibase
    assert resolved.metadata.version_id == identity.did_version_id
    assert resolved.metadata.canonical_id == identity.did
    assert not resolved.metadata.deactivated
    assert not resolved.metadata.HasField("updated")
    registrar = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=document["controller"]))
    assert json.loads(registrar.did_document)["id"] == document["controller"]


async def test_the_alias_and_a_did_key_resolve_too(mesh: IdentityMesh) -> None:
    identity = (await mesh.enrol()).identity
    first = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=identity.did))
    (alias,) = first.metadata.equivalent_id
    by_alias = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=alias))
    assert json.loads(by_alias.did_document)["id"] == alias
    assert by_alias.metadata.canonical_id == identity.did
    key = f"did:key:{identity.public_key_multibase}"
    by_key = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=key))
    assert json.loads(by_key.did_document)["id"] == key


async def test_the_birth_certificate_verifies_under_the_registrars_published_key(mesh: IdentityMesh) -> None:
    enrolled = await mesh.enrol()
    credential = json.loads(enrolled.birth_certificate_credential)
    proof = credential.pop("proof")
    registrar = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=credential["issuer"]))
    (method,) = json.loads(registrar.did_document)["verificationMethod"]
    assert proof["verificationMethod"] == method["id"]
    data_integrity.check_proof(credential, proof, key=from_multibase(method["publicKeyMultibase"]))
    assert credential["credentialSubject"]["id"] == enrolled.identity.did
    assert credential["credentialSubject"]["purpose"] == COMPLETE.purpose
    assert "derivedFrom" not in credential["credentialSubject"]


async def test_a_client_that_builds_the_signing_input_itself_gets_the_same_bytes(mesh: IdentityMesh) -> None:
    """As services/identity/README.md tells it, with nothing of ours but the protos."""
    content = birth_content_to_proto(COMPLETE)
    begun = await mesh.begin()
    own = (
        b"ringfence.dev/identity/v1/registration\0"
        + begun.challenge
        + hashlib.sha256(rfc8785.dumps(MessageToDict(content))).digest()
    )
    assert begun.signing_input == own
    bare = pb.BeginRegistrationRequest(
        parent="namespaces/billing", agent_id="reconciler", environment="prod", sponsor="sponsors/ada"
    )
    silent = await mesh.identity().BeginRegistration(bare)
    assert silent.signing_input == b""
    assert silent.expire_time.seconds * 1_000 == mesh.clock.now() + 120 * SECOND


async def test_the_owner_of_the_namespace_may_enrol_and_another_owner_may_not(mesh: IdentityMesh) -> None:
    request = await mesh.answer()
    stranger = await refusal(mesh.identity(STRANGER).CompleteRegistration(request))
    assert (stranger.code, stranger.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    begun = await refusal(mesh.begin(caller=STRANGER))
    assert begun.reason == "NOT_PERMITTED"
    assert (await mesh.identity(OWNER).CompleteRegistration(request)).identity.agent == AGENT


async def test_only_who_has_a_reason_reads_an_identity_and_the_others_learn_nothing(mesh: IdentityMesh) -> None:
    identity = (await mesh.enrol()).identity
    by_did = pb.GetAgentIdentityRequest(did=identity.did)
    by_name = pb.GetAgentIdentityRequest(agent=AGENT, environment="prod")
    itself = Caller(principal=identity.did, roles=frozenset({Role.AGENT}), environment="prod")
    for reader in (OWNER, AUDITOR, GATEWAY, SERVICE, itself):
        for request in (by_did, by_name):
            assert (await mesh.identity(reader).GetAgentIdentity(request)).identity == identity
    other_agent = replace(itself, principal=identity.did + "x")
    from_dev = replace(itself, environment="dev")
    nobody = pb.GetAgentIdentityRequest(agent="namespaces/billing/agents/nobody", environment="prod")
    unissued = pb.GetAgentIdentityRequest(did=identity.did.replace(identity.did.split(":")[2], UNISSUED))
    for reader in (STRANGER, other_agent, from_dev):
        for request in (by_did, by_name, nobody, unissued):
            refused = await refusal(mesh.identity(reader).GetAgentIdentity(request))
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_a_repeated_request_gets_its_first_answer_also_after_the_challenge_expired(mesh: IdentityMesh) -> None:
    request = await mesh.answer()
    first = await mesh.identity().CompleteRegistration(request)
    mesh.clock.advance(Millis(600 * SECOND))
    assert await mesh.identity().CompleteRegistration(request) == first


async def test_a_request_id_serves_one_request(mesh: IdentityMesh) -> None:
    request = await mesh.answer()
    await mesh.identity().CompleteRegistration(request)
    other = await mesh.answer("other", key=seeded_key(2))
    other.request_id = request.request_id
    refused = await refusal(mesh.identity().CompleteRegistration(other))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


async def test_a_challenge_expires(mesh: IdentityMesh) -> None:
    request = await mesh.answer()
    mesh.clock.advance(Millis(120 * SECOND))
    refused = await refusal(mesh.identity().CompleteRegistration(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "CHALLENGE_INVALID")
    assert "expired" in refused.metadata["problem"]


async def test_one_agent_has_one_identity_in_an_environment(mesh: IdentityMesh) -> None:
    first = (await mesh.enrol()).identity
    refused = await refusal(mesh.enrol(key=seeded_key(2)))
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "AGENT_ALREADY_ENROLLED")
    assert refused.metadata["did"] == first.did
    staging = await mesh.enrol(key=seeded_key(3), environment="staging")
    assert staging.identity.did != first.did


async def test_a_promoted_agent_starts_anew_and_says_where_it_comes_from(mesh: IdentityMesh) -> None:
    staging = (await mesh.enrol(environment="staging")).identity
    promoted = replace(COMPLETE, derived_from=staging.did)
    prod = (await mesh.enrol(key=seeded_key(2), content=promoted)).identity
    assert prod.birth_certificate.derived_from == staging.did
    assert prod.trust_state.earned_micro_points == 0


@pytest.mark.parametrize("derived", ["not-a-did", "did:key:z6MkrLhpHF2uGZvHgChE9gnfnJ7mjmEuuPF3tBVPdnQu1vYp"])
async def test_a_promotion_comes_from_an_agent(mesh: IdentityMesh, derived: str) -> None:
    refused = await refusal(mesh.begin(content=replace(COMPLETE, derived_from=derived)))
    assert refused.reason == "INVALID_REQUEST"
    assert "birth_certificate.derived_from" in refused.violations


async def test_a_promotion_comes_from_another_environment(mesh: IdentityMesh) -> None:
    prod = (await mesh.enrol()).identity
    refused = await refusal(mesh.begin("second", content=replace(COMPLETE, derived_from=prod.did)))
    assert "birth_certificate.derived_from" in refused.violations


async def test_an_incomplete_certificate_is_told_what_is_missing_at_both_steps(mesh: IdentityMesh) -> None:
    incomplete = replace(COMPLETE, purpose="", backup_sponsor="")
    begun = await refusal(mesh.begin(content=incomplete))
    assert (begun.code, begun.reason) == ("FAILED_PRECONDITION", "BIRTH_CERTIFICATE_INCOMPLETE")
    assert set(begun.violations) == {"birth_certificate.purpose", "birth_certificate.backup_sponsor"}
    request = await mesh.answer()
    request.birth_certificate.ClearField("permissions")
    completed = await refusal(mesh.identity().CompleteRegistration(request))
    assert completed.reason == "BIRTH_CERTIFICATE_INCOMPLETE"
    assert set(completed.violations) == {"birth_certificate.permissions"}


async def test_an_unmet_gate_keeps_out_and_a_waiver_helps_outside_production_only(mesh: IdentityMesh) -> None:
    (gate,) = COMPLETE.evaluation_plan.gates
    unrun = replace(gate, result_micros=None, evidence_hash="")

    def with_gate(waived_by: str) -> BirthContent:
        plan = replace(COMPLETE.evaluation_plan, gates=(replace(unrun, waived_by=waived_by),))
        return replace(COMPLETE, evaluation_plan=plan)

    for waived_by in ("", "sponsors/ada"):
        refused = await refusal(mesh.begin(content=with_gate(waived_by)))
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "EVALUATION_GATE_UNMET")
    waived = await mesh.enrol(environment="dev", content=with_gate("sponsors/ada"))
    assert waived.identity.birth_certificate.evaluation_plan.gates[0].waived_by == "sponsors/ada"
    nobody = await refusal(mesh.enrol("other", environment="dev", content=with_gate("sponsors/eve")))
    assert (nobody.code, nobody.reason) == ("NOT_FOUND", "SPONSOR_NOT_FOUND")
    assert nobody.metadata["sponsor"] == "sponsors/eve"


async def test_the_backup_sponsor_must_be_registered(mesh: IdentityMesh) -> None:
    refused = await refusal(mesh.enrol(content=replace(COMPLETE, backup_sponsor="sponsors/nobody")))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "SPONSOR_NOT_FOUND")


async def test_the_sponsor_of_the_certificate_is_the_one_the_registration_began_with(mesh: IdentityMesh) -> None:
    request = await mesh.answer()
    request.birth_certificate.sponsor = "sponsors/grace"
    request.birth_certificate.backup_sponsor = "sponsors/ada"
    refused = await refusal(mesh.identity().CompleteRegistration(request))
    assert refused.reason == "INVALID_REQUEST"
    assert "birth_certificate.sponsor" in refused.violations


@pytest.mark.parametrize(
    "key", [encoding(1, 0), encoding(0, 0), bytes(31), bytes(33), b"\xff" * 32], ids=lambda key: key.hex()[:6]
)
async def test_a_weak_key_is_refused(mesh: IdentityMesh, key: bytes) -> None:
    request = await mesh.answer()
    request.public_key = key
    refused = await refusal(mesh.identity().CompleteRegistration(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "KEY_REFUSED")
    assert "public_key" in refused.violations


async def test_a_proof_by_another_key_is_refused(mesh: IdentityMesh) -> None:
    request = await mesh.answer()
    request.public_key = seeded_key(9).public_key
    refused = await refusal(mesh.identity().CompleteRegistration(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PROOF_INVALID")
    assert "proof_of_possession" in refused.violations


async def test_one_key_serves_one_identity(mesh: IdentityMesh) -> None:
    await mesh.enrol(environment="dev")
    refused = await refusal(mesh.enrol("other"))
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "KEY_ALREADY_USED")
    assert refused.metadata["thumbprint"] == public_key_of(seeded_key(1)).thumbprint


async def test_a_refused_enrolment_leaves_nothing_and_the_challenge_can_still_be_answered(mesh: IdentityMesh) -> None:
    request = await mesh.answer()
    spoiled = pb.CompleteRegistrationRequest()
    spoiled.CopyFrom(request)
    spoiled.proof_of_possession = bytes(64)
    assert (await refusal(mesh.identity().CompleteRegistration(spoiled))).reason == "PROOF_INVALID"
    missing = await refusal(
        mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(agent=AGENT, environment="prod"))
    )
    assert missing.reason == "AGENT_NOT_FOUND"
    assert (await mesh.identity().CompleteRegistration(request)).identity.agent == AGENT


async def test_sponsors_are_unique_by_name_and_by_account(mesh: IdentityMesh) -> None:
    person = pb.Sponsor(
        display_name="Edsger", contact="e@example.com", oidc_issuer="https://idp.example.com", oidc_subject="00u9"
    )
    request = pb.RegisterSponsorRequest(sponsor_id="edsger", sponsor=person, request_id=str(uuid.uuid4()))
    first = await mesh.identity().RegisterSponsor(request)
    assert first.sponsor.name == "sponsors/edsger"
    assert first.sponsor.verified_by == OPERATOR.principal
    assert first.sponsor.etag.startswith('"')
    assert await mesh.identity().RegisterSponsor(request) == first
    for sponsor_id in ("edsger", "another"):
        again = pb.RegisterSponsorRequest(sponsor_id=sponsor_id, sponsor=person)
        refused = await refusal(mesh.identity().RegisterSponsor(again))
        assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "SPONSOR_ALREADY_EXISTS")


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        identity = (await mesh.enrol()).identity
        before = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=identity.did))
        pending = await mesh.answer("later", key=seeded_key(2))
    async with identity_mesh(tmp_path, clock=mesh.clock) as again:
        found = await again.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=identity.did))
        assert found.identity == identity
        after = await again.identity().ResolveDid(pb.ResolveDidRequest(did=identity.did))
        assert after == before
        late = await again.identity().CompleteRegistration(pending)
        assert late.identity.agent.endswith("/later")


async def test_a_stranger_verifies_the_history_from_http_alone(mesh: IdentityMesh) -> None:
    identity = (await mesh.enrol()).identity
    log = await mesh.get(f"/prod/agents/{identity.did.split(':')[2]}/did.jsonl")
    document = webvh_resolver.resolve(log, identity.did)
    assert document is not None
    assert document["id"] == identity.did
