"""Birth certificates over the wire: shown in both forms, issued anew, revoked and suspended in signed lists."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.birth_certificate_check import check_birth_certificate
from ringfence.proofs.credential_check import CredentialError
from ringfence.proofs.status_list_check import (
    CredentialRevoked,
    CredentialSuspended,
    require_good_standing,
)
from ringfence_identity.birth_certificate import BirthContent, EvaluationGate
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.clock import SECOND, Millis
from support.identity.births import COMPLETE, HASH
from support.identity.certificates import (
    JSON_FORM,
    JWT_FORM,
    certificate,
    certificate_request,
    list_request,
    registrar_document,
    status_list,
)
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, STRANGER, IdentityMesh, identity_mesh
from support.wire import refusal

UNISSUED = "did:webvh:QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6:prod.id.ringfence.internal:agents:"
UNISSUED += "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"
DID_KEY = "did:key:z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG"
NEW_HASH = "sha256-" + "ef" * 32
NEWER = replace(COMPLETE, purpose="Reconcile invoices of every entity.")


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors("ada", "grace", "edsger")
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


def reissue(
    identity: pb.AgentIdentity, content: BirthContent = NEWER, **fields: str
) -> pb.IssueBirthCertificateRequest:
    return pb.IssueBirthCertificateRequest(
        did=identity.did, birth_certificate=birth_content_to_proto(content), **fields
    )


async def require_good(mesh: IdentityMesh, text: bytes, environment: str = "prod") -> None:
    """Check a certificate as a stranger would: by the registrar's document and both status lists."""
    registrar, now = await registrar_document(mesh, environment), mesh.clock.now()
    checked = check_birth_certificate(text, registrar=registrar, now=now)
    lists = [await status_list(mesh, environment, number) for number in (1, 2)]
    require_good_standing(checked.credential, lists, now=now)


async def test_the_certificate_of_enrolment_is_shown_as_it_was_signed(mesh: IdentityMesh) -> None:
    enrolled = await mesh.enrol()
    for caller in (OWNER, STRANGER, GATEWAY, AUDITOR):
        shown = await mesh.credentials(caller).GetBirthCertificate(certificate_request(enrolled.identity))
        assert shown.credential == enrolled.birth_certificate_credential
        assert (shown.serial, shown.revoked) == (1, False)
    await require_good(mesh, enrolled.birth_certificate_credential)


async def test_both_forms_say_the_same(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    registrar, now = await registrar_document(mesh), mesh.clock.now()
    embedded = check_birth_certificate(await certificate(mesh, agent, form=JSON_FORM), registrar=registrar, now=now)
    token = await certificate(mesh, agent, form=JWT_FORM)
    signed = check_birth_certificate(token, registrar=registrar, now=now)
    assert signed.credential.content == embedded.credential.content
    assert embedded.hash == agent.birth_certificate_hash
    assert signed.hash == ""
    assert embedded.content == MessageToDict(agent.birth_certificate)
    await require_good(mesh, token)


async def test_a_new_certificate_ends_the_one_before_it(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    old = await certificate(mesh, agent)
    answer = await mesh.credentials(OWNER).IssueBirthCertificate(reissue(agent, etag=agent.etag))
    assert answer.identity.birth_certificate_serial == 2
    assert answer.identity.birth_certificate.purpose == NEWER.purpose
    assert answer.identity.revocation_epoch == agent.revocation_epoch + 1
    assert answer.identity.did_version_id == agent.did_version_id
    assert answer.identity.etag != agent.etag
    await require_good(mesh, answer.birth_certificate_credential)
    with pytest.raises(CredentialRevoked):
        await require_good(mesh, old)
    shown = await mesh.credentials().GetBirthCertificate(certificate_request(agent, serial=1))
    assert (shown.credential, shown.serial, shown.revoked) == (old, 1, True)
    newest = await mesh.credentials().GetBirthCertificate(certificate_request(agent))
    assert (newest.credential, newest.serial, newest.revoked) == (answer.birth_certificate_credential, 2, False)


async def test_tokens_of_the_old_certificate_are_void_and_new_ones_carry_the_new_hash(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    narrowed = replace(NEWER, permissions=("invoices:read",))
    answer = await mesh.credentials().IssueBirthCertificate(reissue(agent, narrowed))
    after = answer.identity
    registrar = await registrar_document(mesh)
    checked = check_birth_certificate(answer.birth_certificate_credential, registrar=registrar, now=mesh.clock.now())
    assert checked.hash == after.birth_certificate_hash != agent.birth_certificate_hash
    request = pb.IssueTokenRequest(
        assertion=mesh.assertion(agent), audience="https://orders.example.com", scopes=["ledger:propose"]
    )
    refused = await refusal(mesh.credentials().IssueToken(request))
    assert refused.reason == "SCOPE_NOT_GRANTED"


async def test_watchers_hear_of_the_certificate_and_of_the_agents_new_epoch(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    old = check_birth_certificate(
        await certificate(mesh, agent), registrar=await registrar_document(mesh), now=mesh.clock.now()
    )
    await mesh.credentials().IssueBirthCertificate(reissue(agent))
    stands = await mesh.standing_revocations("prod")
    assert {(one.subject, one.minimum_epoch, one.usable) for one in stands} == {
        (agent.did, 2, True),
        (old.certificate_id, 0, False),
    }


async def test_revoking_an_agent_revokes_its_certificate(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    credential = await certificate(mesh, agent)
    await require_good(mesh, credential)
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="left"))
    with pytest.raises(CredentialRevoked):
        await require_good(mesh, credential)
    shown = await mesh.credentials().GetBirthCertificate(certificate_request(agent))
    assert shown.revoked
    refused = await refusal(mesh.credentials().IssueBirthCertificate(reissue(agent)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")


async def test_a_suspension_shows_in_the_list_and_ends_there(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    credential = await certificate(mesh, agent)
    await mesh.identity().Suspend(pb.SuspendRequest(did=agent.did, reason="odd calls"))
    with pytest.raises(CredentialSuspended):
        await require_good(mesh, credential)
    shown = await mesh.credentials().GetBirthCertificate(certificate_request(agent))
    assert not shown.revoked
    await mesh.identity().Reinstate(pb.ReinstateRequest(did=agent.did, reason="explained"))
    await require_good(mesh, credential)


async def test_a_suspended_agent_may_get_a_certificate_and_stays_suspended(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    await mesh.identity().Suspend(pb.SuspendRequest(did=agent.did, reason="odd calls"))
    answer = await mesh.credentials().IssueBirthCertificate(reissue(agent))
    assert answer.identity.status == pb.IDENTITY_STATUS_SUSPENDED
    with pytest.raises(CredentialSuspended):
        await require_good(mesh, answer.birth_certificate_credential)


async def test_a_worse_ring_ceiling_caps_the_score(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    answer = await mesh.credentials().IssueBirthCertificate(reissue(agent, replace(NEWER, ring_ceiling=3)))
    assert answer.identity.trust_state.ceiling == 399
    assert answer.identity.birth_certificate.ring_ceiling == 3


async def test_in_production_a_better_ring_ceiling_needs_new_evidence(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol(content=replace(COMPLETE, ring_ceiling=2))).identity
    better = replace(COMPLETE, ring_ceiling=1)
    refused = await refusal(mesh.credentials().IssueBirthCertificate(reissue(agent, better)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "EVALUATION_GATE_UNMET")
    assert list(refused.violations) == ["birth_certificate.evaluation_plan.gates[0].evidence_hash"]
    gate = replace(better.evaluation_plan.gates[0], evidence_hash=NEW_HASH)
    proven = replace(better, evaluation_plan=replace(better.evaluation_plan, gates=(gate,)))
    answer = await mesh.credentials().IssueBirthCertificate(reissue(agent, proven))
    assert answer.identity.birth_certificate.ring_ceiling == 1


async def test_outside_production_the_ceiling_moves_freely(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol(environment="dev", content=replace(COMPLETE, ring_ceiling=2))).identity
    answer = await mesh.credentials().IssueBirthCertificate(reissue(agent, replace(COMPLETE, ring_ceiling=1)))
    assert answer.identity.birth_certificate.ring_ceiling == 1


@pytest.mark.parametrize(
    ("content", "reason", "field"),
    [
        (replace(NEWER, purpose=""), "BIRTH_CERTIFICATE_INCOMPLETE", "purpose"),
        (replace(NEWER, backup_sponsor=""), "BIRTH_CERTIFICATE_INCOMPLETE", "backup_sponsor"),
        (replace(NEWER, permissions=()), "BIRTH_CERTIFICATE_INCOMPLETE", "permissions"),
        (replace(NEWER, ring_ceiling=0), "BIRTH_CERTIFICATE_INCOMPLETE", "ring_ceiling"),
        (replace(NEWER, sponsor="sponsors/nobody"), "SPONSOR_NOT_FOUND", ""),
        (replace(NEWER, permissions=("*",)), "INVALID_REQUEST", "permissions[0]"),
        (replace(NEWER, derived_from=UNISSUED), "INVALID_REQUEST", "derived_from"),
        (replace(NEWER, derived_from="did:example:1"), "INVALID_REQUEST", "derived_from"),
        (
            replace(
                NEWER,
                evaluation_plan=replace(
                    NEWER.evaluation_plan,
                    gates=(EvaluationGate(suite="safety", minimum_micros=1, waived_by="sponsors/ada"),),
                ),
            ),
            "EVALUATION_GATE_UNMET",
            "evaluation_plan.gates[0].waived_by",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_enrolment_refuses_is_refused_again(
    mesh: IdentityMesh, agent: pb.AgentIdentity, content: BirthContent, reason: str, field: str
) -> None:
    refused = await refusal(mesh.credentials().IssueBirthCertificate(reissue(agent, content)))
    assert refused.reason == reason
    assert list(refused.violations) == ([f"birth_certificate.{field}"] if field else [])
    shown = await mesh.credentials().GetBirthCertificate(certificate_request(agent))
    assert (shown.serial, shown.revoked) == (1, False)


async def test_a_waiver_of_dev_does_not_follow_into_prod(mesh: IdentityMesh) -> None:
    gates = (EvaluationGate(suite="safety", minimum_micros=1, waived_by="sponsors/grace"),)
    waived = replace(COMPLETE, evaluation_plan=replace(COMPLETE.evaluation_plan, gates=gates))
    in_dev = (await mesh.enrol(environment="dev", content=waived)).identity
    derived = replace(waived, derived_from=in_dev.did)
    refused = await refusal(mesh.enrol(key=seeded_key(2), content=derived))
    assert refused.reason == "EVALUATION_GATE_UNMET"
    passed = replace(COMPLETE, derived_from=in_dev.did)
    in_prod = (await mesh.enrol(key=seeded_key(2), content=passed)).identity
    assert in_prod.birth_certificate.derived_from == in_dev.did


async def test_only_the_owner_may_issue_and_a_stranger_learns_nothing(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    there = await refusal(mesh.credentials(STRANGER).IssueBirthCertificate(reissue(agent)))
    nowhere = await refusal(mesh.credentials(STRANGER).IssueBirthCertificate(reissue(pb.AgentIdentity(did=UNISSUED))))
    for refused in (there, nowhere):
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    for caller in (AUDITOR, GATEWAY):
        refused = await refusal(mesh.credentials(caller).IssueBirthCertificate(reissue(agent)))
        assert refused.reason == "NOT_PERMITTED"
    unknown = await refusal(mesh.credentials().IssueBirthCertificate(reissue(pb.AgentIdentity(did=UNISSUED))))
    assert (unknown.code, unknown.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")


async def test_an_etag_of_before_is_refused(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.credentials().IssueBirthCertificate(reissue(agent, etag=agent.etag))
    refused = await refusal(mesh.credentials().IssueBirthCertificate(reissue(agent, COMPLETE, etag=agent.etag)))
    assert (refused.code, refused.reason) == ("ABORTED", "ETAG_MISMATCH")


async def test_of_two_at_once_one_wins(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    request = reissue(agent, etag=agent.etag)
    answers = await asyncio.gather(
        *(mesh.credentials().IssueBirthCertificate(request) for _ in range(2)), return_exceptions=True
    )
    assert sorted(isinstance(answer, BaseException) for answer in answers) == [False, True]
    newest = await mesh.credentials().GetBirthCertificate(certificate_request(agent))
    assert newest.serial == 2


async def test_a_repeated_request_gets_the_first_answer(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    request = reissue(agent, request_id=str(uuid.uuid4()))
    first = await mesh.credentials().IssueBirthCertificate(request)
    assert await mesh.credentials().IssueBirthCertificate(request) == first
    other = reissue(agent, COMPLETE, request_id=request.request_id)
    refused = await refusal(mesh.credentials().IssueBirthCertificate(other))
    assert refused.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("did", "serial", "form", "code", "reason"),
    [
        (UNISSUED, 0, JSON_FORM, "NOT_FOUND", "DID_NOT_FOUND"),
        ("did:example:1", 0, JSON_FORM, "INVALID_ARGUMENT", "DID_INVALID"),
        ("", 0, JSON_FORM, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        (UNISSUED, -1, JSON_FORM, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        (UNISSUED, 0, 9, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        (DID_KEY, 0, JSON_FORM, "NOT_FOUND", "DID_NOT_FOUND"),
    ],
)
async def test_what_is_not_there_is_not_shown(
    mesh: IdentityMesh, did: str, serial: int, form: int, code: str, reason: str
) -> None:
    request = certificate_request(pb.AgentIdentity(did=did), serial=serial, form=form)
    refused = await refusal(mesh.credentials().GetBirthCertificate(request))
    assert (refused.code, refused.reason) == (code, reason)


async def test_everything_that_is_wrong_with_a_request_is_said_at_once(mesh: IdentityMesh) -> None:
    content = birth_content_to_proto(replace(NEWER, permissions=("*", "ledger:propose"), ring_ceiling=9))
    content.evaluation_plan.gates[0].minimum_micros = 1_000_001
    content.approved_tools[0].schema_hash = "md5-1"
    content.sponsor = "ada"
    request = pb.IssueBirthCertificateRequest(birth_certificate=content, etag="unquoted", request_id="not a uuid")
    refused = await refusal(mesh.credentials().IssueBirthCertificate(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == {
        "did",
        "etag",
        "request_id",
        "birth_certificate.sponsor",
        "birth_certificate.permissions[0]",
        "birth_certificate.ring_ceiling",
        "birth_certificate.approved_tools[0].schema_hash",
        "birth_certificate.evaluation_plan.gates[0].minimum_micros",
    }


async def test_a_serial_that_was_never_issued_is_not_found(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    refused = await refusal(mesh.credentials().GetBirthCertificate(certificate_request(agent, serial=2)))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "BIRTH_CERTIFICATE_NOT_FOUND")
    assert refused.metadata["serial"] == "2"


@pytest.mark.parametrize(
    ("environment", "number", "reason"),
    [
        ("prod", 0, "INVALID_REQUEST"),
        ("prod", -1, "INVALID_REQUEST"),
        ("", 1, "INVALID_REQUEST"),
        ("nowhere", 1, "ENVIRONMENT_UNKNOWN"),
        ("prod", 3, "STATUS_LIST_NOT_FOUND"),
        ("prod", 2**62, "STATUS_LIST_NOT_FOUND"),
    ],
)
async def test_a_list_that_is_not_there_is_refused(
    mesh: IdentityMesh, environment: str, number: int, reason: str
) -> None:
    refused = await refusal(mesh.credentials().GetStatusList(list_request(environment, number)))
    assert refused.reason == reason


async def test_a_list_is_kept_until_it_is_due_or_something_changed(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    first = await mesh.credentials().GetStatusList(list_request("prod", 1))
    mesh.clock.advance(Millis(15 * SECOND - 1))
    assert await mesh.credentials().GetStatusList(list_request("prod", 1)) == first
    mesh.clock.advance(Millis(1))
    due = await mesh.credentials().GetStatusList(list_request("prod", 1))
    assert due.credential != first.credential
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="left"))
    assert (await mesh.credentials().GetStatusList(list_request("prod", 1))).credential != due.credential


async def test_lists_are_fetched_over_http_by_host_and_by_path(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    signed = await mesh.credentials().GetStatusList(list_request("prod", 1))
    by_path = await mesh.fetch("/prod/status/1")
    by_host = await mesh.fetch("/status/1", host="prod.id.ringfence.internal")
    for response in (by_path, by_host):
        assert response.status_code == 200
        assert response.content == signed.credential
        assert response.headers["content-type"] == "application/vc"
        assert response.headers["cache-control"] == "public, max-age=15"
    etag = by_path.headers["etag"]
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = await mesh.fetch("/prod/status/1", headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    assert (await mesh.fetch("/prod/status/1", headers={"if-none-match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    "path", ["/prod/status/3", "/prod/status/0", "/prod/status/x", "/prod/status/1e3", "/prod/status/²"]
)
async def test_a_list_that_is_not_there_is_404(mesh: IdentityMesh, path: str) -> None:
    response = await mesh.fetch(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"].endswith("/status-list#STATUS_RETRIEVAL_ERROR")


async def test_a_list_of_the_past_is_refused_and_never_answered_with_that_of_now(mesh: IdentityMesh) -> None:
    response = await mesh.fetch("/prod/status/1?timestamp=2025-01-01T00:00:00Z")
    assert response.status_code == 404
    assert "past" in response.json()["title"]


async def test_environments_have_lists_and_registrars_of_their_own(mesh: IdentityMesh) -> None:
    in_dev = await mesh.enrol(environment="dev")
    await mesh.identity().Revoke(pb.RevokeRequest(did=in_dev.identity.did, reason="left"))
    in_prod = await mesh.enrol(key=seeded_key(2))
    await require_good(mesh, in_prod.birth_certificate_credential)
    with pytest.raises(CredentialError, match="asserts nothing"):
        await require_good(mesh, in_dev.birth_certificate_credential)


async def test_statuses_outlive_a_restart(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        agent = await mesh.enrol()
        await mesh.credentials().IssueBirthCertificate(reissue(agent.identity))
    async with identity_mesh(tmp_path, clock=mesh.clock) as again:
        with pytest.raises(CredentialRevoked):
            await require_good(again, agent.birth_certificate_credential)
        await require_good(again, await certificate(again, agent.identity))


async def test_a_change_of_sponsor_is_a_new_certificate(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    handed = replace(NEWER, sponsor="sponsors/grace", backup_sponsor="sponsors/edsger")
    answer = await mesh.credentials().IssueBirthCertificate(reissue(agent, handed))
    assert answer.identity.birth_certificate.sponsor == "sponsors/grace"
    assert answer.identity.birth_certificate_serial == 2
    assert HASH in str(answer.identity.birth_certificate.evaluation_plan)
