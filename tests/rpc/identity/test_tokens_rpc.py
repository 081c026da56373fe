"""Tokens over the wire: what one says, when none is given, and the keys to check them with."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwt.types import Options
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import DAY, SECOND, Millis
from support.identity.evidence import record, signal
from support.identity.keys import seeded_key
from support.identity.mesh import AUDIENCE, IdentityMesh, identity_mesh
from support.wire import refusal

# The service lives on a clock of the test's; PyJWT reads the machine's.
OF_ANOTHER_TIME: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}

EVALUATION_PASSED = tpb.SIGNAL_KIND_EVALUATION_PASSED
ISSUER = "https://prod.id.ringfence.internal"


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


async def claims_of(mesh: IdentityMesh, token: str, environment: str = "prod") -> dict[str, Any]:
    """Return the claims of a token once it verifies under the keys the environment publishes."""
    published = await mesh.credentials(ANONYMOUS).GetJwks(pb.GetJwksRequest(environment=environment))
    keys = jwt.PyJWKSet.from_dict(json.loads(published.jwks))
    kid = jwt.get_unverified_header(token)["kid"]
    (key,) = [key for key in keys.keys if key.key_id == kid]
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=published.issuer, options=OF_ANOTHER_TIME
    )
    return claims


async def test_a_token_says_who_where_how_trusted_and_for_how_long(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    issued = await mesh.token(agent)
    claims = await claims_of(mesh, issued.access_token)
    assert claims["sub"] == agent.did
    assert claims["env"] == "prod"
    assert claims["ring"] == 3
    assert claims["aud"] == AUDIENCE
    assert claims["scope"] == "invoices:read ledger:propose warehouse:*"
    assert claims["cnf"] == {"jkt": public_key_of(seeded_key(1)).thumbprint}
    assert claims["bc"] == agent.birth_certificate_hash
    assert claims["rev"] == agent.revocation_epoch
    assert claims["exp"] - claims["iat"] == 300
    assert claims["exp"] == issued.expire_time.seconds


async def test_a_more_trusted_agent_gets_a_shorter_token(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    for number in range(20 * 4):  # as much as a day lets an agent gain, in four parts of it, for twenty days
        await record(mesh, *(signal(mesh, agent, f"s-{number}-{n}", EVALUATION_PASSED) for n in range(4)))
        mesh.clock.advance(Millis(DAY // 4))
    claims = await claims_of(mesh, (await mesh.token(agent)).access_token)
    assert claims["ring"] == 1
    assert claims["exp"] - claims["iat"] == 60


async def test_an_agent_may_ask_for_less_and_not_for_more(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    def wanting(*scopes: str) -> pb.IssueTokenRequest:
        return pb.IssueTokenRequest(assertion=mesh.assertion(agent), audience=AUDIENCE, scopes=scopes)

    issued = await mesh.credentials(ANONYMOUS).IssueToken(wanting("invoices:read", "warehouse:export:daily"))
    assert (await claims_of(mesh, issued.access_token))["scope"] == "invoices:read warehouse:export:daily"
    refused = await refusal(
        mesh.credentials(ANONYMOUS).IssueToken(wanting("invoices:read", "invoices:write", "admin:*"))
    )
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "SCOPE_NOT_GRANTED")
    assert refused.metadata["scopes"] == "invoices:write admin:*"


async def test_a_refused_scope_does_not_use_up_the_assertion(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    assertion = mesh.assertion(agent)
    greedy = pb.IssueTokenRequest(assertion=assertion, audience=AUDIENCE, scopes=["admin:*"])
    assert (await refusal(mesh.credentials().IssueToken(greedy))).reason == "SCOPE_NOT_GRANTED"
    modest = pb.IssueTokenRequest(assertion=assertion, audience=AUDIENCE)
    assert (await mesh.credentials().IssueToken(modest)).access_token


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://dev.id.ringfence.internal"},
        {"exp": 0},
        {"iat": None},
        {"iss": "did:key:z6MkrLhpHF2uGZvHgChE9gnfnJ7mjmEuuPF3tBVPdnQu1vYp"},
        {"jti": ""},
    ],
)
async def test_a_bent_assertion_is_refused(mesh: IdentityMesh, agent: pb.AgentIdentity, claims: dict[str, Any]) -> None:
    request = pb.IssueTokenRequest(assertion=mesh.assertion(agent, **claims), audience=AUDIENCE)
    refused = await refusal(mesh.credentials(ANONYMOUS).IssueToken(request))
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "ASSERTION_INVALID")
    assert refused.metadata["problem"]


async def test_an_unknown_agent_is_refused_as_any_bad_assertion(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    unknown = pb.AgentIdentity(did=agent.did.replace("Qm", "Qn"), environment="prod")
    for did in (unknown.did, "did:webvh:x", "", "did:web:prod.id.ringfence.internal"):
        unknown.did = did
        request = pb.IssueTokenRequest(assertion=mesh.assertion(unknown), audience=AUDIENCE)
        refused = await refusal(mesh.credentials(ANONYMOUS).IssueToken(request))
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "ASSERTION_INVALID")


async def test_each_environment_publishes_its_own_keys(mesh: IdentityMesh) -> None:
    published = {
        environment: await mesh.credentials(ANONYMOUS).GetJwks(pb.GetJwksRequest(environment=environment))
        for environment in ("dev", "staging", "prod")
    }
    kids = [key["kid"] for answer in published.values() for key in json.loads(answer.jwks)["keys"]]
    assert len(set(kids)) == len(kids) == 6
    assert {answer.issuer for answer in published.values()} == {
        f"https://{environment}.id.ringfence.internal" for environment in published
    }


async def test_an_agents_own_token_makes_it_a_caller_of_its_environment_only(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    """A token made for identity itself is a credential here: good for reading, in its own environment."""
    own = await mesh.token(agent, audience=ISSUER)
    elsewhere = (await mesh.enrol(key=seeded_key(2), environment="dev")).identity
    metadata = (("authorization", f"Bearer {own.access_token}"),)
    trust = mesh.trust(ANONYMOUS)
    mine = await trust.GetTrust(tpb.GetTrustRequest(did=agent.did), metadata=metadata)
    assert mine.trust.score == 300
    refused = await refusal(trust.GetTrust(tpb.GetTrustRequest(did=elsewhere.did), metadata=metadata))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_a_token_for_another_audience_is_no_credential_here(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    elsewhere = await mesh.token(agent, audience="https://orders.example.com")
    metadata = (("authorization", f"Bearer {elsewhere.access_token}"),)
    refused = await refusal(mesh.trust(ANONYMOUS).GetTrust(tpb.GetTrustRequest(did=agent.did), metadata=metadata))
    assert refused.code == "UNAUTHENTICATED"


async def test_tokens_come_to_an_end(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    own = await mesh.token(agent, audience=ISSUER)
    mesh.clock.advance(Millis(400 * SECOND))
    metadata = (("authorization", f"Bearer {own.access_token}"),)
    refused = await refusal(mesh.trust(ANONYMOUS).GetTrust(tpb.GetTrustRequest(did=agent.did), metadata=metadata))
    assert refused.code == "UNAUTHENTICATED"
