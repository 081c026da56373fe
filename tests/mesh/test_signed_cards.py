"""Cards signed by agents that identity knows, registered over gRPC: the SDK signs, the registry verifies, and back."""

import asyncio
import copy
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import create_signature_verifier
from google.protobuf.json_format import MessageToDict
from ringfence.agent_key import AgentKey
from ringfence.agent_key_store import AgentKeyStore
from ringfence.errors import FailedPreconditionError, InvalidArgumentError, UnavailableError
from ringfence.identity.v1 import identity_pb2
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ringfence.key_rotation import rotate_aio
from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.card_attestation import check_attestation
from ringfence.proofs.jwk_set import read_jwk_set
from ringfence.registry.v1 import card_pb2, namespace_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence_kit.clock import SECOND, ManualClock, Millis
from support.mesh.birth import birth_certificate, enrol, register_sponsors
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.registry.signed_cards import CARD, TestSigner, hmac_entry, signer

SALES = "namespaces/sales"
ANALYST = f"{SALES}/agents/analyst"
WITHIN_S = 1.0
LONGEST_S = 20.0


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[InProcessMesh]:
    async with in_process_mesh(tmp_path) as mesh:
        yield mesh


async def enrolled(mesh: InProcessMesh, agent_id: str = "analyst", parent: str = SALES) -> TestSigner:
    """Enrol an agent, and return what signs with its key."""
    channel, key = mesh.channel("identity"), AgentKey.generate()
    first, second = await register_sponsors(channel, f"ada-{agent_id}", f"grace-{agent_id}")
    content = birth_certificate(sponsor=first, backup=second)
    identity = await enrol(channel, parent=parent, agent_id=agent_id, content=content, key=key)
    return TestSigner("EdDSA", f"{identity.did}#{key.key_id}", key.private_key)


async def register(
    mesh: InProcessMesh, card: dict[str, Any], agent_id: str = "analyst", parent: str = SALES
) -> pb.Agent:
    request = pb.RegisterAgentRequest(
        parent=parent,
        agent_id=agent_id,
        agent=pb.Agent(
            purpose="Answers questions.",
            owner=pb.Owner(display_name="Sales", contact="https://example.com/sales"),
            risk_tier=pb.RISK_TIER_LOW,
            environments=["dev"],
        ),
        card=json.dumps(card).encode(),
    )
    answer = await RegistryServiceStub(mesh.channel("registry")).RegisterAgent(request, wait_for_ready=True)
    return answer.agent


async def require_signatures(mesh: InProcessMesh, asked: Any, *, jwks: str = "") -> None:
    namespace = namespace_pb2.Namespace(
        name=SALES, admission=namespace_pb2.AdmissionPolicy(signatures=asked, trusted_jwks=jwks)
    )
    request = namespace_pb2.UpdateNamespaceRequest(namespace=namespace)
    request.update_mask.paths[:] = ["admission.signatures", "admission.trusted_jwks"]
    await NamespaceServiceStub(mesh.channel("registry")).UpdateNamespace(request, wait_for_ready=True)


def statuses(agent: pb.Agent) -> list[str]:
    return [
        card_pb2.SignatureStatus.Name(each.status).removeprefix("SIGNATURE_STATUS_") for each in agent.card.signatures
    ]


async def test_what_the_sdk_signs_with_an_agents_key_is_verified(mesh: InProcessMesh) -> None:
    agent = await enrolled(mesh)
    (verdict,) = (await register(mesh, agent.signed_by_the_sdk(CARD))).card.signatures
    assert verdict == card_pb2.CardSignatureVerdict(
        index=0,
        status=card_pb2.SIGNATURE_STATUS_VERIFIED,
        canonical_form=card_pb2.CANONICAL_FORM_SPECIFICATION,
        coverage=card_pb2.SIGNATURE_COVERAGE_FULL,
        key_id=agent.key_id,
        signer=agent.key_id.partition("#")[0],
        signer_agent=ANALYST,
        algorithm="EdDSA",
    )


async def test_what_the_sdk_signs_with_a_pinned_p256_key_is_verified(mesh: InProcessMesh) -> None:
    release = signer("ES256", "release")
    await require_signatures(
        mesh, namespace_pb2.SIGNATURE_REQUIREMENT_FULL_COVERAGE, jwks=json.dumps({"keys": [release.jwk]})
    )
    (verdict,) = (await register(mesh, release.signed_by_the_sdk(CARD))).card.signatures
    assert (verdict.status, verdict.signer, verdict.signer_agent) == (card_pb2.SIGNATURE_STATUS_VERIFIED, "pinned", "")


async def test_the_sdk_accepts_the_registrys_signature(mesh: InProcessMesh) -> None:
    agent = await register(mesh, CARD)
    stub = RegistryServiceStub(mesh.channel("registry"))
    answer = await stub.GetCardAttestation(pb.GetCardAttestationRequest(name=agent.name))
    entry = MessageToDict(answer.signature)
    jwks = await published_keys(mesh)
    verify = create_signature_verifier(lambda kid, _: jwt.PyJWK(jwks[kid]), ["EdDSA"])
    verify(parse_agent_card(copy.deepcopy({**CARD, "signatures": [entry]})))
    assert answer.card_sha256 == agent.card.sha256


async def published_keys(mesh: InProcessMesh) -> dict[Any, Any]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://{mesh.layout.http('registry')}/.well-known/jwks.json")
    answer.raise_for_status()
    return {key["kid"]: key for key in answer.json()["keys"]}


async def test_attack_a_card_changed_after_signing_is_refused_with_its_place(mesh: InProcessMesh) -> None:
    agent = await enrolled(mesh)
    with pytest.raises(InvalidArgumentError) as refused:
        await register(mesh, {**agent.signed_by_the_sdk(CARD), "version": "9.9.9"})
    assert refused.value.reason == "CARD_SIGNATURE_REFUSED"
    assert [violation.field for violation in refused.value.violations] == ["card#/signatures/0"]


async def test_attack_unknown_members_injected_under_a_valid_signature_are_found(mesh: InProcessMesh) -> None:
    agent = await enrolled(mesh)
    injected = {**agent.signed_by_the_sdk(CARD), "x-evil": "send it all"}
    registered = await register(mesh, injected)
    (verdict,) = registered.card.signatures
    assert (verdict.status, verdict.coverage) == (
        card_pb2.SIGNATURE_STATUS_VERIFIED,
        card_pb2.SIGNATURE_COVERAGE_KNOWN_FIELDS,
    )
    assert list(verdict.uncovered) == ["/x-evil"]
    unsigned = [each for each in registered.card.findings if each.kind == card_pb2.FINDING_KIND_UNSIGNED_CONTENT]
    assert [finding.pointer for finding in unsigned] == ["/x-evil"]


async def test_attack_replay_of_a_signed_card_under_another_agent_is_found_and_does_not_count(
    mesh: InProcessMesh,
) -> None:
    agent = await enrolled(mesh)
    signed = agent.signed_by_the_sdk(CARD)
    await register(mesh, signed)
    copied = await register(mesh, signed, "copy")
    (verdict,) = copied.card.signatures
    assert verdict.signer_agent == ANALYST
    kinds = [finding.kind for finding in copied.card.findings]
    assert kinds.count(card_pb2.FINDING_KIND_REPLAYED_CARD) == 2
    await require_signatures(mesh, namespace_pb2.SIGNATURE_REQUIREMENT_VERIFIED)
    with pytest.raises(InvalidArgumentError, match="another agent"):
        await register(mesh, signed, "second-copy")


async def test_attack_replay_under_another_namespace_names_nobody(mesh: InProcessMesh) -> None:
    agent = await enrolled(mesh)
    copied = await register(mesh, agent.signed_by_the_sdk(CARD), "analyst", "namespaces/evil")
    (verdict,) = copied.card.signatures
    assert verdict.signer_agent == ""
    assert card_pb2.FINDING_KIND_REPLAYED_CARD in [finding.kind for finding in copied.card.findings]


async def test_attack_rollback_to_an_older_signed_card_is_a_revision_more_and_found(mesh: InProcessMesh) -> None:
    agent = await enrolled(mesh)
    older, newer = (agent.signed_by_the_sdk({**CARD, "version": version}) for version in ("1.0.0", "1.1.0"))
    await register(mesh, older)
    stub = RegistryServiceStub(mesh.channel("registry"))
    found = []
    for card in (newer, older):
        update = pb.UpdateAgentRequest(agent=pb.Agent(name=ANALYST), card=json.dumps(card).encode())
        update.update_mask.paths.append("card")
        updated = (await stub.UpdateAgent(update)).agent
        assert statuses(updated) == ["VERIFIED"]
        kinds = [finding.kind for finding in updated.card.findings]
        found.append((updated.revision, card_pb2.FINDING_KIND_OLDER_CARD in kinds))
    assert found == [(f"{ANALYST}/revisions/2", False), (f"{ANALYST}/revisions/3", True)]


@pytest.mark.parametrize("attack", ["none", "symmetric", "jku", "unsigned"])
async def test_attack_nothing_but_a_trusted_signature_satisfies_a_policy(mesh: InProcessMesh, attack: str) -> None:
    await require_signatures(mesh, namespace_pb2.SIGNATURE_REQUIREMENT_VERIFIED)
    agent = await enrolled(mesh)
    payload = json.dumps(CARD, sort_keys=True, separators=(",", ":")).encode()
    entries: dict[str, list[Any]] = {
        "none": [agent.entry(payload, alg="none")],
        "symmetric": [hmac_entry(payload, agent.key_id, b"k" * 32)],
        "jku": [signer("ES256", "attacker").entry(payload, jku="https://evil.example.com/keys.json")],
        "unsigned": [],
    }
    with pytest.raises(InvalidArgumentError) as refused:
        await register(mesh, {**CARD, "signatures": entries[attack]})
    assert refused.value.reason == "CARD_SIGNATURE_REFUSED"


async def test_identity_away_is_unavailable_where_signatures_are_asked_for(mesh: InProcessMesh) -> None:
    agent = await enrolled(mesh)
    await mesh.stop("identity")
    assert statuses(await register(mesh, agent.signed_by_the_sdk(CARD))) == ["KEYS_UNAVAILABLE"]
    await require_signatures(mesh, namespace_pb2.SIGNATURE_REQUIREMENT_VERIFIED)
    with pytest.raises(UnavailableError):
        await register(mesh, agent.signed_by_the_sdk(CARD), "second")


async def test_a_revoked_agent_vouches_for_nothing_new(mesh: InProcessMesh) -> None:
    agent = await enrolled(mesh)
    revoke = identity_pb2.RevokeRequest(did=agent.key_id.partition("#")[0], reason="tried")
    await IdentityServiceStub(mesh.channel("identity")).Revoke(revoke)
    assert statuses(await register(mesh, agent.signed_by_the_sdk(CARD))) == ["KEY_REVOKED"]


async def test_attack_a_key_revoked_after_admission_shows_on_the_watch_within_a_second(mesh: InProcessMesh) -> None:
    agent = await enrolled(mesh)
    registered = await register(mesh, agent.signed_by_the_sdk(CARD))
    assert statuses(registered) == ["VERIFIED"]
    since = time.monotonic()
    revoke = identity_pb2.RevokeRequest(did=agent.key_id.partition("#")[0], reason="tried")
    await IdentityServiceStub(mesh.channel("identity")).Revoke(revoke)
    changed = await watched(mesh, lambda seen: statuses(seen) == ["KEY_REVOKED"])
    assert time.monotonic() - since <= WITHIN_S
    assert (changed.revision, changed.etag == registered.etag) == (registered.revision, False)


async def test_keys_that_could_not_be_asked_for_are_asked_for_when_identity_is_back(mesh: InProcessMesh) -> None:
    agent = await enrolled(mesh)
    await mesh.stop("identity")
    assert statuses(await register(mesh, agent.signed_by_the_sdk(CARD))) == ["KEYS_UNAVAILABLE"]
    await mesh.start("identity")
    await watched(mesh, lambda seen: statuses(seen) == ["VERIFIED"])


async def test_a_rotation_keeps_what_was_signed_before_and_a_compromise_does_not(tmp_path: Path) -> None:
    clock = ManualClock()
    async with in_process_mesh(tmp_path, clock=clock) as mesh:
        old = await enrolled(mesh)
        did, _, _ = old.key_id.partition("#")
        signed = old.signed_by_the_sdk(CARD)
        assert statuses(await register(mesh, signed)) == ["VERIFIED"]
        AgentKey(private_key=old.private, agent=ANALYST, environment="dev", did=did).save(tmp_path / "agent.key")
        identity: Any = IdentityServiceStub(mesh.channel("identity"))
        clock.advance(Millis(2 * SECOND))
        new = await rotate_aio(AgentKeyStore(tmp_path / "agent.key"), identity)
        clock.advance(Millis(2 * SECOND))
        assert statuses(await registered_late(mesh, signed)) == ["KEY_EXPIRED"]
        again = TestSigner("EdDSA", f"{did}#{new.key_id}", new.private_key)
        assert statuses(await register(mesh, again.signed_by_the_sdk(CARD), "anew")) == ["VERIFIED"]
        assert statuses(await current(mesh)) == ["VERIFIED"]
        request = identity_pb2.ReportCompromiseRequest(did=did, reason="the first key was found in a log")
        request.compromised_since.FromSeconds(1)
        await identity.ReportCompromise(request)
        await watched(mesh, lambda seen: statuses(seen) == ["KEY_REVOKED"])


async def test_a_did_of_another_mesh_is_a_strangers(mesh: InProcessMesh) -> None:
    scid = (await enrolled(mesh)).key_id.rsplit(":", 1)[1].partition("#")[0]
    stranger = signer("EdDSA", f"did:webvh:{scid}:agents.example.com:agents:{scid}#key-1")
    assert statuses(await register(mesh, stranger.signed_by_the_sdk(CARD))) == ["UNTRUSTED_KEY"]


async def registered_late(mesh: InProcessMesh, signed: dict[str, Any]) -> pb.Agent:
    """Register `signed` under one new name after another, until the registry has heard that its key was replaced."""
    async with asyncio.timeout(LONGEST_S):
        for attempt in itertools.count():
            registered = await register(mesh, signed, f"late-{attempt}")
            if statuses(registered) != ["VERIFIED"]:
                return registered
    raise AssertionError("nothing was heard")


async def current(mesh: InProcessMesh) -> pb.Agent:
    return (await RegistryServiceStub(mesh.channel("registry")).GetAgent(pb.GetAgentRequest(name=ANALYST))).agent


async def watched(mesh: InProcessMesh, wanted: Callable[[pb.Agent], bool]) -> pb.Agent:
    """Wait until the watch shows the agent as it is wanted."""
    request = pb.WatchAgentsRequest(parent=SALES, send_initial_state=True)
    call = RegistryServiceStub(mesh.channel("registry")).WatchAgents(request)
    async with asyncio.timeout(LONGEST_S):
        async for answer in call:
            if answer.agent.name == ANALYST and wanted(answer.agent):
                call.cancel()
                return pb.Agent.FromString(answer.agent.SerializeToString())
    raise AssertionError("the watch ended")


async def test_a_card_that_verifiers_read_differently_is_not_attested(mesh: InProcessMesh) -> None:
    agent = await register(mesh, {**CARD, "x-note": 1})
    stub = RegistryServiceStub(mesh.channel("registry"))
    with pytest.raises(FailedPreconditionError) as refused:
        await stub.GetCardAttestation(pb.GetCardAttestationRequest(name=agent.name))
    assert refused.value.reason == "CARD_NOT_ATTESTABLE"


async def test_an_agent_signs_its_card_with_the_client_and_the_registry_attests_it(mesh: InProcessMesh) -> None:
    one = await enrolled(mesh)
    did, _, _ = one.key_id.partition("#")
    key = AgentKey(private_key=one.private, agent=ANALYST, environment="dev", did=did)
    registered = await register(mesh, {**CARD, "signatures": [key.sign_card({**CARD})]})
    assert statuses(registered) == ["VERIFIED"]
    stub = RegistryServiceStub(mesh.channel("registry"))
    answer = await stub.GetCardAttestation(pb.GetCardAttestationRequest(name=f"{ANALYST}/revisions/1"))
    card = parse_object((await stub.GetCard(pb.GetCardRequest(name=ANALYST))).card)
    keys = read_jwk_set({"keys": list((await published_keys(mesh)).values())})
    says = check_attestation(card, MessageToDict(answer.signature), keys, agent=ANALYST)
    assert says.revision == 1
