"""Attacks on birth certificates and their status, each played against a running identity."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import identity_pb2_grpc
from ringfence.proofs.birth_certificate_check import check_birth_certificate
from ringfence.proofs.canonical_json import canonical, parse_object
from ringfence.proofs.credential_check import CredentialError
from ringfence.proofs.did_log_check import DidLogError
from ringfence.proofs.status_list_check import (
    CredentialRevoked,
    StatusList,
    check_status_list,
    require_good_standing,
)
from ringfence_identity.birth_certificate import ArtifactDigests, BirthContent, EvaluationGate, EvaluationPlan
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import SECOND, Millis
from support.identity import vc_verifier
from support.identity.births import COMPLETE, HASH
from support.identity.certificates import (
    JWT_FORM,
    certificate,
    certificate_request,
    list_request,
    registrar_document,
    status_list,
)
from support.identity.keys import seeded_key
from support.identity.mesh import IdentityMesh, identity_mesh
from support.wire import refusal

PLAN = COMPLETE.evaluation_plan


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


def asking(identity: pb.AgentIdentity, content: BirthContent) -> pb.IssueBirthCertificateRequest:
    return pb.IssueBirthCertificateRequest(did=identity.did, birth_certificate=birth_content_to_proto(content))


def with_evidence(content: BirthContent, evidence: str) -> BirthContent:
    gates = tuple(replace(gate, evidence_hash=evidence) for gate in content.evaluation_plan.gates)
    return replace(content, evaluation_plan=replace(content.evaluation_plan, gates=gates))


async def lists_of(mesh: IdentityMesh, environment: str = "prod") -> list[StatusList]:
    return [await status_list(mesh, environment, number) for number in (1, 2)]


LACKING = {
    "purpose": replace(COMPLETE, purpose=""),
    "sponsor": replace(COMPLETE, sponsor=""),
    "backup_sponsor": replace(COMPLETE, backup_sponsor=""),
    "permissions": replace(COMPLETE, permissions=()),
    "ring_ceiling": replace(COMPLETE, ring_ceiling=0),
    "artifacts": replace(COMPLETE, artifacts=ArtifactDigests()),
    "evaluation_plan.uri": replace(COMPLETE, evaluation_plan=replace(PLAN, uri="")),
    "evaluation_plan.hash": replace(COMPLETE, evaluation_plan=replace(PLAN, hash="")),
    "evaluation_plan.gates": replace(COMPLETE, evaluation_plan=replace(PLAN, gates=())),
    "approved_tools[0].schema_hash": replace(
        COMPLETE, approved_tools=(replace(COMPLETE.approved_tools[0], schema_hash=""),)
    ),
}


@pytest.mark.parametrize("part", LACKING)
async def test_no_part_can_be_left_out_at_birth_or_later(
    mesh: IdentityMesh, agent: pb.AgentIdentity, part: str
) -> None:
    """Attack: the gate is passed whole once, and the next certificate lacks a part."""
    later = await refusal(mesh.credentials().IssueBirthCertificate(asking(agent, LACKING[part])))
    assert (later.code, later.reason) == ("FAILED_PRECONDITION", "BIRTH_CERTIFICATE_INCOMPLETE")
    assert list(later.violations) == [f"birth_certificate.{part}"]
    if part != "sponsor":  # who has no sponsor cannot even begin
        request = await mesh.answer("another", key=seeded_key(2))
        request.birth_certificate.CopyFrom(birth_content_to_proto(LACKING[part]))
        born = await refusal(mesh.identity().CompleteRegistration(request))
        assert (born.reason, list(born.violations)) == (later.reason, list(later.violations))


async def test_nothing_at_all_is_told_everything_it_lacks(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    refused = await refusal(mesh.credentials().IssueBirthCertificate(asking(agent, BirthContent())))
    assert len(refused.violations) == 9


async def test_a_gate_cannot_be_waived_in_production_at_any_serial(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    waived = EvaluationPlan(
        uri=PLAN.uri, hash=HASH, gates=(EvaluationGate(suite="safety", minimum_micros=1, waived_by="sponsors/ada"),)
    )
    refused = await refusal(
        mesh.credentials().IssueBirthCertificate(asking(agent, replace(COMPLETE, evaluation_plan=waived)))
    )
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "EVALUATION_GATE_UNMET")


async def test_an_agent_cannot_descend_from_its_own_environment(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    for ancestor in (agent.did, agent.did.upper(), agent.did + ":x"):
        refused = await refusal(
            mesh.credentials().IssueBirthCertificate(asking(agent, replace(COMPLETE, derived_from=ancestor)))
        )
        assert refused.reason == "INVALID_REQUEST"
        assert list(refused.violations) == ["birth_certificate.derived_from"]


async def test_a_ceiling_cannot_be_raised_on_evidence_of_before_by_any_detour(mesh: IdentityMesh) -> None:
    """Attack: other evidence first, at the same ceiling, then the better ceiling with the evidence of birth."""
    agent = (await mesh.enrol(content=replace(COMPLETE, ring_ceiling=2))).identity
    better = replace(COMPLETE, ring_ceiling=1)
    other, third = "sha256-" + "12" * 32, "sha256-" + "34" * 32
    sideways = with_evidence(replace(COMPLETE, ring_ceiling=2), other)
    await mesh.credentials().IssueBirthCertificate(asking(agent, sideways))
    for used in (HASH, other):
        refused = await refusal(mesh.credentials().IssueBirthCertificate(asking(agent, with_evidence(better, used))))
        assert refused.reason == "EVALUATION_GATE_UNMET"
    raised = await mesh.credentials().IssueBirthCertificate(asking(agent, with_evidence(better, third)))
    assert raised.identity.birth_certificate.ring_ceiling == 1
    assert raised.identity.trust_state.stored_ring == 3


async def test_an_agent_cannot_write_its_own_certificate(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Attack: an agent asks, with a token of its own for identity itself; and somebody with no credential at all."""
    issuer = f"https://{agent.environment}.id.ringfence.internal"
    token = (await mesh.token(agent, audience=issuer)).access_token
    channel: Any = mesh.channel(ANONYMOUS)
    stub: Any = identity_pb2_grpc.CredentialServiceStub(channel)
    wider = replace(COMPLETE, permissions=("ledger:*",))
    call = stub.IssueBirthCertificate(asking(agent, wider), metadata=(("authorization", f"Bearer {token}"),))
    refused = await refusal(call)
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    anonymous = await refusal(stub.IssueBirthCertificate(asking(agent, wider)))
    assert anonymous.code == grpc.StatusCode.UNAUTHENTICATED.name
    shown = await mesh.credentials(ANONYMOUS).GetBirthCertificate(certificate_request(agent))
    assert (shown.serial, shown.revoked) == (1, False)


async def test_a_suppressed_status_list_is_noticed_within_a_minute(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Attack: a revoked agent shows the lists of before. What the budget says: 60 s, and not a moment longer."""
    registrar = await registrar_document(mesh)
    credential = await certificate(mesh, agent)
    kept = [(await mesh.credentials().GetStatusList(list_request("prod", number))).credential for number in (1, 2)]
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="left"))

    def believed() -> None:
        now = mesh.clock.now()
        checked = check_birth_certificate(credential, registrar=registrar, now=now)
        lists = [check_status_list(text, registrar=registrar, now=now) for text in kept]
        require_good_standing(checked.credential, lists, now=now)

    mesh.clock.advance(Millis(60 * SECOND - 1))
    believed()
    mesh.clock.advance(Millis(1))
    with pytest.raises(CredentialError, match="was valid until"):
        believed()
    checked = check_birth_certificate(credential, registrar=registrar, now=mesh.clock.now())
    with pytest.raises(CredentialRevoked):
        require_good_standing(checked.credential, await lists_of(mesh), now=mesh.clock.now())


async def test_a_list_with_one_bit_taken_back_is_refused(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Attack: the list is fetched after the revocation, and the bit is cleared on the way."""
    registrar = await registrar_document(mesh)
    clean = parse_object((await mesh.credentials().GetStatusList(list_request("prod", 1))).credential)
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="left"))
    honest = parse_object((await mesh.credentials().GetStatusList(list_request("prod", 1))).credential)
    forged = canonical({**honest, "credentialSubject": clean["credentialSubject"]})
    with pytest.raises(CredentialError, match="does not verify"):
        check_status_list(forged, registrar=registrar, now=mesh.clock.now())


async def test_a_certificate_of_dev_is_no_certificate_of_prod(mesh: IdentityMesh) -> None:
    """Attack: an agent of dev presents its certificate, in either form, where prod's registrar is trusted."""
    in_dev = (await mesh.enrol(environment="dev")).identity
    prod = await registrar_document(mesh, "prod")
    for form in (1, JWT_FORM):
        text = await certificate(mesh, in_dev, form=form)
        with pytest.raises(CredentialError, match="asserts nothing"):
            check_birth_certificate(text, registrar=prod, now=mesh.clock.now())
        relabelled = text.replace(b"dev.id.ringfence.internal", b"prod.id.ringfence.internal")
        with pytest.raises(CredentialError):
            check_birth_certificate(relabelled, registrar=prod, now=mesh.clock.now())


async def test_the_lists_of_dev_do_not_speak_for_prod(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Attack: the agent is revoked in prod; the lists shown are dev's, where its index is clean."""
    credential = await certificate(mesh, agent)
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="left"))
    now = mesh.clock.now()
    checked = check_birth_certificate(credential, registrar=await registrar_document(mesh), now=now)
    with pytest.raises(CredentialError, match="not at hand"):
        require_good_standing(checked.credential, await lists_of(mesh, "dev"), now=now)


async def test_a_registrar_is_believed_by_its_history_only(mesh: IdentityMesh) -> None:
    """Attack: the registrar's document is fetched from a host that put its own key in."""
    log = await mesh.get("/prod/.well-known/did.jsonl")
    prod, dev = await registrar_document(mesh, "prod"), await registrar_document(mesh, "dev")
    methods: Any = prod["verificationMethod"], dev["verificationMethod"]
    poisoned = log.replace(methods[0][0]["publicKeyMultibase"], methods[1][0]["publicKeyMultibase"])
    assert poisoned != log
    with pytest.raises(DidLogError):
        await registrar_document(mesh, "prod", log=poisoned)


async def test_a_stranger_with_another_verifier_sees_the_same(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Everything that is served, read by a verifier that shares no code with us."""
    registrar, now = await registrar_document(mesh), mesh.clock.now()
    await mesh.enrol("clean", key=seeded_key(2))
    forms = [await certificate(mesh, agent), await certificate(mesh, agent, form=JWT_FORM)]
    contents = [vc_verifier.verify(form, registrar, now) for form in forms]
    assert contents[0] == contents[1]
    for revoked in (False, True):
        lists = [vc_verifier.verify(await mesh.get(f"/prod/status/{number}"), registrar, now) for number in (1, 2)]
        assert vc_verifier.status_is_set(contents[0], "revocation", lists) == revoked
        assert not vc_verifier.status_is_set(contents[0], "suspension", lists)
        if not revoked:
            await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="left"))
