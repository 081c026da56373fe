"""Attacks on access tokens against a running identity: what an agent's credential is worth where it is spoiled."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from ringfence.identity.v1 import credential_pb2 as cpb
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import revocation_pb2 as rpb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.access_token import TokenRefused, TokenRule, check_access_token
from ringfence.proofs.canonical_json import base64url, parse_object
from ringfence.proofs.compact_jws import from_base64url
from ringfence.proofs.jwk_set import read_jwk_set
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import HOUR, MINUTE, SECOND, Instant, Millis
from ringfence_kit.sealed_keys import Ed25519Signer, FileKeyStore
from ringfence_kit.sealing import Seal
from support.identity.assertions import compact
from support.identity.keys import seeded_key
from support.identity.mesh import AUDIENCE, IdentityMesh, identity_mesh
from support.serving import SERVICE
from support.wire import Refusal, refusal

ISSUER = "https://prod.id.ringfence.internal"


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


async def own_token(mesh: IdentityMesh, agent: pb.AgentIdentity) -> str:
    """Return a token made for identity itself: the agent's credential here."""
    return (await mesh.token(agent, audience=ISSUER)).access_token


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, payload, signature = token.split(".")
    return dict(parse_object(from_base64url(header))), dict(parse_object(from_base64url(payload))), signature


def put_together(header: Any, payload: Any, signature: str) -> str:
    return ".".join([*(base64url(json.dumps(part).encode()) for part in (header, payload)), signature])


async def reading_trust(mesh: IdentityMesh, agent: pb.AgentIdentity, token: str) -> tpb.GetTrustResponse:
    call = mesh.trust(ANONYMOUS).GetTrust(
        tpb.GetTrustRequest(did=agent.did), metadata=(("authorization", f"Bearer {token}"),)
    )
    answer: tpb.GetTrustResponse = await call
    return answer


async def turned_away(mesh: IdentityMesh, agent: pb.AgentIdentity, token: str) -> Refusal:
    return await refusal(reading_trust(mesh, agent, token))


def issuer_key(mesh: IdentityMesh) -> Ed25519Signer:
    (signer,) = FileKeyStore(mesh.mesh.data / "identity.keys", Seal.unsealed()).signers("prod/issuer")
    assert isinstance(signer, Ed25519Signer)
    return signer


class TestDowngrade:
    @pytest.mark.parametrize(
        "header",
        [
            {"alg": "none"},
            {"alg": "HS256"},
            {"alg": "ES256"},
            {"typ": "JWT"},
            {"typ": "dlg+jwt"},
            {"typ": None},
            {"kid": "unknown"},
            {"crit": ["exp"]},
            {"b64": False},
        ],
    )
    async def test_a_header_that_says_something_else(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity, header: dict[str, Any]
    ) -> None:
        said, claims, _ = parts(await own_token(mesh, agent))
        changed = {name: value for name, value in {**said, **header}.items() if value is not None}
        assert (await turned_away(mesh, agent, compact(changed, claims, issuer_key(mesh)))).code == "UNAUTHENTICATED"

    async def test_without_a_signature(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        said, claims, _ = parts(await own_token(mesh, agent))
        for algorithm in ("none", "EdDSA"):
            bare = put_together({**said, "alg": algorithm}, claims, "")
            assert (await turned_away(mesh, agent, bare)).code == "UNAUTHENTICATED"

    async def test_a_key_of_the_senders_own(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        said, claims, _ = parts(await own_token(mesh, agent))
        thief = seeded_key(66)
        brought = {**said, "jwk": thief.jwk, "jku": "http://127.0.0.1:1/keys", "kid": thief.key_id}
        assert (await turned_away(mesh, agent, compact(brought, claims, thief))).code == "UNAUTHENTICATED"

    async def test_the_public_key_used_as_a_secret(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        _, claims, _ = parts(await own_token(mesh, agent))
        key = issuer_key(mesh)
        forged = jwt.encode(claims, key.public_key, "HS256", headers={"kid": key.key_id, "typ": "at+jwt"})
        assert (await turned_away(mesh, agent, forged)).code == "UNAUTHENTICATED"


class TestConfusedDeputy:
    async def test_a_service_cannot_play_a_token_it_was_shown_to_another(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity
    ) -> None:
        """The orders service was shown a token. At identity, and at billing, it is nothing."""
        shown = (await mesh.token(agent, audience=AUDIENCE)).access_token
        assert (await turned_away(mesh, agent, shown)).code == "UNAUTHENTICATED"
        published = await mesh.credentials(ANONYMOUS).GetJwks(pb.GetJwksRequest(environment="prod"))
        with pytest.raises(TokenRefused) as refused:
            check_access_token(
                shown,
                keys=read_jwk_set(parse_object(published.jwks)),
                issuer=published.issuer,
                audience="https://billing.example.com",
                now=mesh.clock.now(),
            )
        assert refused.value.rule is TokenRule.AUDIENCE

    async def test_no_token_has_two_audiences(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        both = f"{AUDIENCE} https://billing.example.com"
        request = pb.IssueTokenRequest(assertion=mesh.assertion(agent), audience=both)
        assert (await refusal(mesh.credentials().IssueToken(request))).reason == "INVALID_REQUEST"

    @pytest.mark.parametrize("audience", [[ISSUER, AUDIENCE], [], AUDIENCE, f"{ISSUER}/", {"0": ISSUER}])
    async def test_not_even_one_the_issuer_signed(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity, audience: Any
    ) -> None:
        said, claims, _ = parts(await own_token(mesh, agent))
        signed = compact(said, {**claims, "aud": audience}, issuer_key(mesh))
        assert (await turned_away(mesh, agent, signed)).code == "UNAUTHENTICATED"


class TestReplay:
    async def test_an_assertion_is_good_for_one_token_also_after_a_restart(self, tmp_path: Path) -> None:
        async with identity_mesh(tmp_path) as first:
            clock = first.clock
            await first.with_sponsors()
            agent = (await first.enrol()).identity
            asked = pb.IssueTokenRequest(assertion=first.assertion(agent), audience=AUDIENCE)
            assert (await first.credentials().IssueToken(asked)).access_token
            again = await refusal(first.credentials().IssueToken(asked))
            assert (again.code, again.reason) == ("UNAUTHENTICATED", "ASSERTION_REPLAYED")
        async with identity_mesh(tmp_path, clock=clock) as second:
            refused = await refusal(second.credentials().IssueToken(asked))
            assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "ASSERTION_REPLAYED")

    async def test_of_many_replays_at_once_one_gets_a_token(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        asked = pb.IssueTokenRequest(assertion=mesh.assertion(agent), audience=AUDIENCE)
        answers = await asyncio.gather(
            *(mesh.credentials().IssueToken(asked) for _ in range(8)), return_exceptions=True
        )
        assert sum(isinstance(answer, pb.IssueTokenResponse) for answer in answers) == 1

    async def test_an_assertion_outlives_neither_its_time_nor_its_being_remembered(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity
    ) -> None:
        asked = pb.IssueTokenRequest(assertion=mesh.assertion(agent), audience=AUDIENCE)
        await mesh.credentials().IssueToken(asked)
        for passed in (59 * SECOND, 5 * SECOND, 2 * SECOND, 10 * MINUTE):
            mesh.clock.advance(Millis(passed))
            assert (await refusal(mesh.credentials().IssueToken(asked))).code == "UNAUTHENTICATED"

    async def test_two_tokens_are_never_the_same(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        ids = [parts((await mesh.token(agent)).access_token)[1]["jti"] for _ in range(5)]
        assert len(set(ids)) == 5


class TestKilledIssuerKey:
    async def test_its_tokens_are_void_on_the_stream_within_a_second_and_here_at_once(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity
    ) -> None:
        """What was signed by a stolen key is known to everybody who watches, by the key's name alone."""
        token = await own_token(mesh, agent)
        assert (await reading_trust(mesh, agent, token)).trust.did == agent.did
        stream = aiter(mesh.identity(SERVICE).WatchRevocations(rpb.WatchRevocationsRequest(environment="prod")))
        assert (await anext(stream)).type == rpb.REVOCATION_EVENT_TYPE_BOOKMARK
        kill = cpb.RevokeIssuerKeyRequest(environment="prod", key_id=issuer_key(mesh).key_id, reason="stolen")
        await mesh.credentials().RevokeIssuerKey(kill)
        async with asyncio.timeout(1):
            told = (await anext(stream)).revocation
        assert (told.kind, told.subject) == (rpb.REVOCATION_KIND_ISSUER_KEY, parts(token)[0]["kid"])
        assert (await turned_away(mesh, agent, token)).code == "UNAUTHENTICATED"
        assert (await reading_trust(mesh, agent, await own_token(mesh, agent))).trust.did == agent.did

    async def test_what_its_thief_signs_afterwards_is_as_void(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity
    ) -> None:
        said, claims, _ = parts(await own_token(mesh, agent))
        stolen = issuer_key(mesh)
        kill = cpb.RevokeIssuerKeyRequest(environment="prod", key_id=stolen.key_id, reason="stolen")
        await mesh.credentials().RevokeIssuerKey(kill)
        mesh.clock.advance(MINUTE)
        now = mesh.clock.now() // SECOND
        fresh = compact(said, {**claims, "iat": now, "nbf": now, "exp": now + 60, "ring": 0}, stolen)
        assert (await turned_away(mesh, agent, fresh)).code == "UNAUTHENTICATED"

    async def test_who_starts_to_watch_later_hears_of_it_too(self, mesh: IdentityMesh) -> None:
        victim = issuer_key(mesh).key_id
        kill = cpb.RevokeIssuerKeyRequest(environment="prod", key_id=victim, reason="stolen")
        await mesh.credentials().RevokeIssuerKey(kill)
        standing = await mesh.standing_revocations("prod")
        assert [one.subject for one in standing if one.kind == rpb.REVOCATION_KIND_ISSUER_KEY] == [victim]


async def test_a_clock_that_was_set_back_signs_nothing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.token(agent)
    mesh.clock.set(Instant(mesh.clock.now() - MINUTE))
    assert (await refusal(mesh.token(agent))).code == "UNAVAILABLE"
    rotate = cpb.RotateIssuerKeyRequest(environment="prod", algorithm="EdDSA")
    assert (await refusal(mesh.credentials().RotateIssuerKey(rotate))).code == "UNAVAILABLE"


class TestRevokedCaller:
    """An agent that is out is out here at once, with whatever token it still has."""

    async def test_a_revoked_agents_credential(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        token = await own_token(mesh, agent)
        assert (await reading_trust(mesh, agent, token)).trust.did == agent.did
        await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="it leaked"))
        refused = await turned_away(mesh, agent, token)
        assert refused.code == "UNAUTHENTICATED"
        assert "not good any more" in refused.metadata["problem"]

    async def test_a_token_of_an_older_revocation_epoch(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        said, claims, _ = parts(await own_token(mesh, agent))
        stale = compact(said, {**claims, "rev": claims["rev"] - 1}, issuer_key(mesh))
        assert (await turned_away(mesh, agent, stale)).code == "UNAUTHENTICATED"

    async def test_a_claim_named_twice(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        """One parser reads the first, another the last: whoever signs such a token wants them to disagree."""
        said, claims, _ = parts(await own_token(mesh, agent))
        text = json.dumps(claims)[:-1] + ', "sub": ' + json.dumps(claims["sub"]) + "}"
        signing_input = f"{base64url(json.dumps(said).encode())}.{base64url(text.encode())}"
        doubled = f"{signing_input}.{base64url(issuer_key(mesh).sign(signing_input.encode()))}"
        assert (await turned_away(mesh, agent, doubled)).code == "UNAUTHENTICATED"


@pytest.mark.parametrize("last_deed", ["rotate", "kill"])
async def test_a_clock_that_was_set_back_before_a_restart_signs_nothing_either(tmp_path: Path, last_deed: str) -> None:
    """The newest deed was about an issuer key: a killed key must not be believed because its end is not yet come."""
    async with identity_mesh(tmp_path) as first:
        clock = first.clock
        await first.with_sponsors()
        agent = (await first.enrol()).identity
        clock.advance(HOUR)
        if last_deed == "kill":
            kill = cpb.RevokeIssuerKeyRequest(environment="prod", key_id=issuer_key(first).key_id, reason="stolen")
            await first.credentials().RevokeIssuerKey(kill)
        else:
            rotate = cpb.RotateIssuerKeyRequest(environment="prod", algorithm="EdDSA")
            await first.credentials().RotateIssuerKey(rotate)
        held = await published_by(first)
    clock.set(Instant(clock.now() - 30 * MINUTE))
    async with identity_mesh(tmp_path, clock=clock) as second:
        assert (await refusal(second.token(agent))).code == "UNAVAILABLE"
        assert await published_by(second) == held


async def published_by(mesh: IdentityMesh) -> set[str]:
    answer = await mesh.credentials(ANONYMOUS).GetJwks(pb.GetJwksRequest(environment="prod"))
    return {str(key["kid"]) for key in json.loads(answer.jwks)["keys"]}
