"""The attacks identity must withstand, each played over the wire (design: identity, Attacks)."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.config import EnvironmentConfig, IdentityConfig
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import DAY, HOUR, SECOND, Instant, Millis
from support.identity.assertions import compact
from support.identity.births import COMPLETE
from support.identity.evidence import record, signal, trust_of
from support.identity.keys import seeded_key, torsion_encodings
from support.identity.mesh import AUDIENCE, IdentityMesh, identity_mesh
from support.wire import refusal

ISSUER = "https://prod.id.ringfence.internal"


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


def asking(assertion: str) -> pb.IssueTokenRequest:
    return pb.IssueTokenRequest(assertion=assertion, audience=AUDIENCE)


async def test_a_challenge_is_answered_once(mesh: IdentityMesh) -> None:
    """Replay of a registration: the same answer again, without its request id, and for another key."""
    request = await mesh.answer()
    await mesh.identity().CompleteRegistration(request)
    request.request_id = ""
    replayed = await refusal(mesh.identity().CompleteRegistration(request))
    assert (replayed.code, replayed.reason) == ("INVALID_ARGUMENT", "CHALLENGE_INVALID")
    assert "answered before" in replayed.metadata["problem"]


async def test_two_answers_to_one_challenge_at_once_make_one_agent(mesh: IdentityMesh) -> None:
    request = await mesh.answer()
    request.request_id = ""
    stub = mesh.identity()
    answers = await asyncio.gather(*(stub.CompleteRegistration(request) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, pb.CompleteRegistrationResponse) for answer in answers) == 1


async def test_an_assertion_is_good_for_one_token_also_after_a_restart(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        agent = (await mesh.enrol()).identity
        assertion = mesh.assertion(agent)
        assert (await mesh.credentials(ANONYMOUS).IssueToken(asking(assertion))).access_token
        replayed = await refusal(mesh.credentials(ANONYMOUS).IssueToken(asking(assertion)))
        assert (replayed.code, replayed.reason) == ("UNAUTHENTICATED", "ASSERTION_REPLAYED")
    async with identity_mesh(tmp_path, clock=mesh.clock) as again:
        replayed = await refusal(again.credentials(ANONYMOUS).IssueToken(asking(assertion)))
        assert replayed.reason == "ASSERTION_REPLAYED"


async def test_many_at_once_with_one_assertion_get_one_token(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    request, stub = asking(mesh.assertion(agent)), mesh.credentials(ANONYMOUS)
    answers = await asyncio.gather(*(stub.IssueToken(request) for _ in range(16)), return_exceptions=True)
    assert sum(isinstance(answer, pb.IssueTokenResponse) for answer in answers) == 1


async def test_an_assertion_is_forgotten_no_sooner_than_it_expires(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    assertion = mesh.assertion(agent)
    await mesh.credentials().IssueToken(asking(assertion))
    for _ in range(70):
        mesh.clock.advance(Millis(SECOND))
        await mesh.token(agent)
        assert (await refusal(mesh.credentials().IssueToken(asking(assertion)))).reason.startswith("ASSERTION_")


@pytest.mark.parametrize("key", torsion_encodings(), ids=lambda key: key.hex()[:8] + key.hex()[-2:])
async def test_no_small_order_key_is_enrolled_whatever_the_proof(mesh: IdentityMesh, key: bytes) -> None:
    """The forged proof R = A, S = 0, under which such keys verify every message in common libraries."""
    request = await mesh.answer()
    request.public_key = key
    request.proof_of_possession = key + bytes(32)
    refused = await refusal(mesh.identity().CompleteRegistration(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "KEY_REFUSED")


async def test_algorithms_types_and_key_ids_cannot_be_downgraded(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    now = mesh.clock.now() // SECOND
    claims = {"iss": agent.did, "sub": agent.did, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": "j"}
    public = public_key_of(seeded_key(1))
    unsigned = compact({"alg": "none"}, claims, seeded_key(1)).rsplit(".", 1)[0] + "."
    hmac_with_public_key = jwt.encode(claims, public.raw, algorithm="HS256")
    own_key = {"alg": "EdDSA", "jwk": public_key_of(seeded_key(2)).jwk}
    for bent in (
        unsigned,
        hmac_with_public_key,
        compact(own_key, claims, seeded_key(2)),
        compact({"alg": "EdDSA", "kid": "../../etc/passwd"}, claims, seeded_key(1)),
        compact({"alg": "EdDSA", "typ": "dlg+jwt"}, claims, seeded_key(1)),
        compact({"alg": "EdDSA", "crit": ["b64"], "b64": False}, claims, seeded_key(1)),
    ):
        refused = await refusal(mesh.credentials(ANONYMOUS).IssueToken(asking(bent)))
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "ASSERTION_INVALID")


async def test_an_access_token_is_no_assertion(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Confused deputy: whoever is shown a token cannot turn it into another."""
    shown = (await mesh.token(agent, audience=ISSUER)).access_token
    refused = await refusal(mesh.credentials(ANONYMOUS).IssueToken(asking(shown)))
    assert refused.reason == "ASSERTION_INVALID"


async def test_a_token_has_one_audience(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    token = (await mesh.token(agent)).access_token
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == AUDIENCE


async def test_a_score_cannot_be_pumped(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    for burst in range(6):
        flood = [signal(mesh, agent, f"s-{burst}-{number}", tpb.SIGNAL_KIND_EVALUATION_PASSED) for number in range(500)]
        await record(mesh, *flood)
        mesh.clock.advance(Millis(4 * HOUR))
    trust = await trust_of(mesh, agent)
    assert trust.score <= 360
    assert trust.ring == 3


async def test_sybils_cannot_raise_each_other(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Agents of one sponsor, and newcomers of any, weigh nothing for each other."""
    grace = replace(COMPLETE, sponsor="sponsors/grace", backup_sponsor="sponsors/ada")
    sybils = [
        (await mesh.enrol(f"sybil-{number}", key=seeded_key(100 + number), content=content)).identity
        for number, content in enumerate([COMPLETE, COMPLETE, grace, grace])
    ]
    praise = [
        signal(mesh, agent, f"{rater.agent}-{number}", tpb.SIGNAL_KIND_TASK_ACCEPTED, rater=rater.did)
        for rater in sybils
        for number in range(20)
    ]
    assert set(await record(mesh, *praise)) == {tpb.SIGNAL_OUTCOME_CAPPED}
    assert (await trust_of(mesh, agent)).score == 300


async def test_an_agent_cannot_be_talked_down(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    complaints = [
        signal(mesh, agent, f"c-{number}", tpb.SIGNAL_KIND_TASK_REJECTED, rater=f"person:{number % 50}")
        for number in range(500)
    ]
    await record(mesh, *complaints)
    assert (await trust_of(mesh, agent)).score == 240


async def test_a_new_name_does_not_wash_debt_away(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await record(mesh, signal(mesh, agent, "forged", tpb.SIGNAL_KIND_FORGED_SIGNATURE))
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="start again"))
    mesh.clock.advance(Millis(60 * DAY))
    fresh = (await mesh.enrol("fresh", key=seeded_key(2))).identity
    assert (await trust_of(mesh, fresh)).score == 200


async def test_a_clock_set_back_signs_nothing_and_raises_nothing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await record(mesh, signal(mesh, agent, "s", tpb.SIGNAL_KIND_ACTION_DENIED))
    score = (await trust_of(mesh, agent)).score
    old = mesh.clock.now()
    assertion = mesh.assertion(agent)
    mesh.clock.advance(Millis(HOUR))
    await mesh.token(agent)
    mesh.clock.set(Instant(old))
    refused = await refusal(mesh.credentials(ANONYMOUS).IssueToken(asking(assertion)))
    assert (refused.code, refused.reason) == ("UNAVAILABLE", "UNAVAILABLE")
    assert (await trust_of(mesh, agent)).score == score
    for call in (mesh.begin("other"), record(mesh, signal(mesh, agent, "t", tpb.SIGNAL_KIND_TASK_ACCEPTED))):
        assert (await refusal(call)).code == "UNAVAILABLE"


async def test_a_clock_set_back_is_noticed_after_a_restart_too(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        mesh.clock.advance(Millis(HOUR))
        await mesh.enrol()
    mesh.clock.advance(Millis(-HOUR))
    async with identity_mesh(tmp_path, clock=mesh.clock) as again:
        assert (await refusal(again.begin("other"))).code == "UNAVAILABLE"


async def test_nothing_of_one_environment_is_worth_anything_in_another(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    dev = (await mesh.enrol("dev-agent", key=seeded_key(2), environment="dev")).identity
    for_dev = mesh.assertion(dev, seeded_key(2))
    for_prod = mesh.assertion(dev, seeded_key(2), aud=ISSUER)
    assert (await mesh.credentials().IssueToken(asking(for_dev))).access_token
    assert (await refusal(mesh.credentials().IssueToken(asking(for_prod)))).reason == "ASSERTION_INVALID"
    token = (await mesh.token(dev, seeded_key(2))).access_token
    prod_keys = json.loads((await mesh.credentials().GetJwks(pb.GetJwksRequest(environment="prod"))).jwks)["keys"]
    assert jwt.get_unverified_header(token)["kid"] not in {key["kid"] for key in prod_keys}
    assert (await mesh.fetch(f"/prod/agents/{dev.did.split(':')[2]}/did.json")).status_code == 404


async def test_a_challenge_of_one_environment_enrols_in_no_other(tmp_path: Path) -> None:
    """A server that was told the same name for another environment does not take its challenges either."""
    async with identity_mesh(tmp_path / "one") as one:
        await one.with_sponsors()
        request = await one.answer()
    async with identity_mesh(tmp_path / "two") as two:
        await two.with_sponsors()
        refused = await refusal(two.identity().CompleteRegistration(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "CHALLENGE_INVALID")


async def test_nobody_can_squat_on_a_did(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """A DID is what its first entry hashes to: a look-alike is another DID, and it was never issued."""
    scid = agent.did.split(":")[2]
    swapped = scid[:-1] + ("2" if scid[-1] != "2" else "3")
    for did in (agent.did.replace(scid, swapped), agent.did.replace("prod", "pr0d"), agent.did + ":x"):
        refused = await refusal(mesh.identity(ANONYMOUS).ResolveDid(pb.ResolveDidRequest(did=did)))
        assert refused.reason in ("DID_NOT_FOUND", "DID_INVALID")


def sizes_in(data: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in data.glob("identity.db*")}


async def test_challenges_cost_the_server_nothing_to_keep(mesh: IdentityMesh, tmp_path: Path) -> None:
    before = sizes_in(tmp_path)
    await asyncio.gather(*(mesh.begin(f"a{number}") for number in range(200)))
    assert sizes_in(tmp_path) == before


async def test_without_a_sponsor_there_is_not_even_a_challenge(mesh: IdentityMesh) -> None:
    refused = await refusal(mesh.begin(content=replace(COMPLETE, sponsor="sponsors/nobody")))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "SPONSOR_NOT_FOUND")


async def test_another_host_on_old_data_founds_another_registrar_and_old_dids_stay_unserved(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        agent = (await mesh.enrol()).identity
    moved = IdentityConfig(environments=(EnvironmentConfig(name="prod", host="new.id.example.com"),))
    async with identity_mesh(tmp_path, config=moved, clock=mesh.clock) as elsewhere:
        refused = await refusal(elsewhere.identity().ResolveDid(pb.ResolveDidRequest(did=agent.did)))
        assert refused.reason == "DID_INVALID"
