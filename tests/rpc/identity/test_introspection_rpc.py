"""Introspection over the wire: what a good token is good for now, and nothing at all about any other."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import credential_pb2 as cpb
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.access_token import AccessToken, TokenDelegation, check_access_token
from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.jwk_set import read_jwk_set
from ringfence_identity.tokens import sign_token
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import MINUTE, SECOND, Millis
from ringfence_kit.sealed_keys import Ed25519Signer, FileKeyStore
from ringfence_kit.sealing import Seal
from support.identity.births import COMPLETE
from support.identity.delegating import ORDERS, Delegating
from support.identity.evidence import record, signal
from support.identity.issuer_tokens import signed
from support.identity.keys import seeded_key
from support.identity.mesh import AUDIENCE, AUDITOR, GATEWAY, OWNER, IdentityMesh, identity_mesh
from support.wire import refusal

INACTIVE = cpb.IntrospectTokenResponse(active=False)
IN_DEV = Caller(principal="did:dev", roles=frozenset({Role.AGENT}), environment="dev")
IN_PROD = Caller(principal="did:prod", roles=frozenset({Role.AGENT}), environment="prod")


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


@pytest.fixture
async def token(mesh: IdentityMesh, agent: pb.AgentIdentity) -> str:
    return (await mesh.token(agent)).access_token


async def introspected(
    mesh: IdentityMesh, token: str, *, audience: str = AUDIENCE, caller: Caller = GATEWAY
) -> cpb.IntrospectTokenResponse:
    return await mesh.credentials(caller).IntrospectToken(cpb.IntrospectTokenRequest(token=token, audience=audience))


def issuer_key(mesh: IdentityMesh, environment: str = "prod") -> Ed25519Signer:
    """Return the key identity signs with, from its own file: whatever it could be made to sign, these tests sign."""
    (signer,) = FileKeyStore(mesh.mesh.data / "identity.keys", Seal.unsealed()).signers(f"{environment}/issuer")
    assert isinstance(signer, Ed25519Signer)
    return signer


async def said_by(mesh: IdentityMesh, token: str) -> AccessToken:
    """Return what a token says, checked as a verifier checks it who has nothing but the key set."""
    answer = await mesh.credentials(ANONYMOUS).GetJwks(pb.GetJwksRequest(environment="prod"))
    keys = read_jwk_set(parse_object(answer.jwks))
    checked = check_access_token(token, keys=keys, issuer=answer.issuer, audience=AUDIENCE, now=mesh.clock.now())
    return checked.token


async def delegated(mesh: IdentityMesh, token: str, path: Sequence[str], grants: Sequence[str] = ("g1",)) -> str:
    """Return `token` as if it had been got by a chain of grants along `path`."""
    delegation = TokenDelegation(chain="g1", path=tuple(path), grants=tuple(grants), depth=len(grants))
    return sign_token(replace(await said_by(mesh, token), delegation=delegation), issuer_key(mesh))


async def test_a_good_token_says_what_it_is_good_for(mesh: IdentityMesh, agent: pb.AgentIdentity, token: str) -> None:
    said = await said_by(mesh, token)
    assert await introspected(mesh, token) == cpb.IntrospectTokenResponse(
        active=True,
        did=agent.did,
        environment="prod",
        ring=3,
        scopes=["invoices:read", "ledger:propose", "warehouse:*"],
        expire_time=Timestamp(seconds=said.expires_at // SECOND),
        token_id=said.token_id,
        key_thumbprint=seeded_key(1).key_id,
        birth_certificate_hash=agent.birth_certificate_hash,
        revocation_epoch=agent.revocation_epoch,
    )


@pytest.mark.parametrize("caller", [GATEWAY, AUDITOR, OWNER])
async def test_everyone_but_agents_may_ask(mesh: IdentityMesh, token: str, caller: Caller) -> None:
    assert (await introspected(mesh, token, caller=caller)).active


async def test_an_agent_may_ask_about_its_own(mesh: IdentityMesh, agent: pb.AgentIdentity, token: str) -> None:
    itself = Caller(principal=agent.did, roles=frozenset({Role.AGENT}), environment="prod")
    assert (await introspected(mesh, token, caller=itself)).active
    assert await introspected(mesh, token, caller=IN_PROD) == INACTIVE


async def test_nobody_else_may(mesh: IdentityMesh, token: str) -> None:
    asked = cpb.IntrospectTokenRequest(token=token, audience=AUDIENCE)
    assert (await refusal(mesh.credentials(ANONYMOUS).IntrospectToken(asked))).code == "UNAUTHENTICATED"


class TestNoOracle:
    """Every token that is not good gets the same answer, whatever is wrong with it."""

    async def test_for_another_audience(self, mesh: IdentityMesh, token: str) -> None:
        assert await introspected(mesh, token, audience="https://billing.example.com") == INACTIVE

    async def test_asked_from_another_environment(self, mesh: IdentityMesh, token: str) -> None:
        assert await introspected(mesh, token, caller=IN_DEV) == INACTIVE

    async def test_expired(self, mesh: IdentityMesh, token: str) -> None:
        mesh.clock.advance(Millis(6 * MINUTE))
        assert await introspected(mesh, token) == INACTIVE

    @pytest.mark.parametrize("text", ["x", "a.b.c", "é", "..", "x" * 16_000])
    async def test_no_token_at_all(self, mesh: IdentityMesh, text: str) -> None:
        assert await introspected(mesh, text) == INACTIVE

    async def test_a_character_changed_anywhere(self, mesh: IdentityMesh, token: str) -> None:
        for place in range(0, len(token), 41):
            changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            assert await introspected(mesh, changed) == INACTIVE

    async def test_signed_by_somebody_else(self, mesh: IdentityMesh, token: str) -> None:
        forged = sign_token(await said_by(mesh, token), seeded_key(99))
        assert await introspected(mesh, forged) == INACTIVE

    async def test_signed_by_the_key_of_another_environment(self, mesh: IdentityMesh, token: str) -> None:
        forged = sign_token(await said_by(mesh, token), issuer_key(mesh, "dev"))
        assert await introspected(mesh, forged) == INACTIVE

    async def test_of_a_did_that_is_not_enrolled(self, mesh: IdentityMesh, token: str) -> None:
        stranger = replace(await said_by(mesh, token), did="did:webvh:QmX:prod.id.ringfence.internal:agents:QmX")
        assert await introspected(mesh, sign_token(stranger, issuer_key(mesh))) == INACTIVE

    async def test_of_an_issuer_that_is_not_hosted_here(self, mesh: IdentityMesh) -> None:
        assert await introspected(mesh, signed()) == INACTIVE
        assert await introspected(mesh, signed({"iss": ["https://prod.id.ringfence.internal"]})) == INACTIVE

    async def test_one_of_our_other_signed_texts(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        assert await introspected(mesh, mesh.assertion(agent)) == INACTIVE


class TestRevoked:
    async def test_a_revoked_agent(self, mesh: IdentityMesh, agent: pb.AgentIdentity, token: str) -> None:
        await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="it leaked"))
        assert await introspected(mesh, token) == INACTIVE

    async def test_a_suspended_agent_and_its_old_tokens_after_it_is_back(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity, token: str
    ) -> None:
        await record(mesh, signal(mesh, agent, "s-1", tpb.SIGNAL_KIND_INCIDENT_CONFIRMED))
        assert await introspected(mesh, token) == INACTIVE

    async def test_a_killed_issuer_key(self, mesh: IdentityMesh, agent: pb.AgentIdentity, token: str) -> None:
        kill = cpb.RevokeIssuerKeyRequest(environment="prod", key_id=issuer_key(mesh).key_id, reason="it leaked")
        await mesh.credentials().RevokeIssuerKey(kill)
        assert await introspected(mesh, token) == INACTIVE
        assert (await introspected(mesh, (await mesh.token(agent)).access_token)).active

    @pytest.mark.parametrize(
        "stale",
        [{"revocation_epoch": 0}, {"revocation_epoch": 7}, {"birth_certificate_hash": "x"}, {"holder": "A" * 43}],
    )
    async def test_a_token_bound_to_what_is_not_so_any_more(
        self, mesh: IdentityMesh, token: str, stale: dict[str, Any]
    ) -> None:
        changed = replace(await said_by(mesh, token), **stale)
        assert await introspected(mesh, sign_token(changed, issuer_key(mesh))) == INACTIVE


class TestNow:
    async def test_the_ring_is_the_worse_of_then_and_now(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity, token: str
    ) -> None:
        better = sign_token(replace(await said_by(mesh, token), ring=2), issuer_key(mesh))
        assert (await introspected(mesh, better)).ring == 3

    async def test_scopes_are_those_the_birth_certificate_covers_now(self, mesh: IdentityMesh, token: str) -> None:
        wider = replace(await said_by(mesh, token), scopes=("invoices:read", "admin:everything"))
        assert (await introspected(mesh, sign_token(wider, issuer_key(mesh)))).scopes == ["invoices:read"]
        nothing = replace(wider, scopes=("admin:everything",))
        assert await introspected(mesh, sign_token(nothing, issuer_key(mesh))) == INACTIVE


class TestDelegated:
    @pytest.fixture
    async def origin(self, mesh: IdentityMesh) -> pb.AgentIdentity:
        narrow = replace(COMPLETE, permissions=("invoices:read",))
        return (await mesh.enrol("planner", key=seeded_key(2), content=narrow)).identity

    async def test_it_says_by_whose_leave_and_no_more_than_all_of_them_may(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity, origin: pb.AgentIdentity, token: str
    ) -> None:
        answer = await introspected(mesh, await delegated(mesh, token, [origin.did, agent.did]))
        assert answer.delegation_path == [origin.did, agent.did]
        assert answer.scopes == ["invoices:read"]

    async def test_an_ancestor_that_is_revoked_takes_the_whole_chain_down(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity, origin: pb.AgentIdentity, token: str
    ) -> None:
        chained = await delegated(mesh, token, [origin.did, agent.did])
        await mesh.identity().Revoke(pb.RevokeRequest(did=origin.did, reason="it leaked"))
        assert await introspected(mesh, chained) == INACTIVE

    async def test_the_holder_is_the_end_of_the_path(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity, origin: pb.AgentIdentity, token: str
    ) -> None:
        assert await introspected(mesh, await delegated(mesh, token, [agent.did, origin.did])) == INACTIVE
        assert await introspected(mesh, await delegated(mesh, token, ["did:x", agent.did])) == INACTIVE

    async def test_nobody_of_another_environment_is_in_the_path(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity, token: str
    ) -> None:
        dev = (await mesh.enrol("tester", key=seeded_key(3), environment="dev")).identity
        assert await introspected(mesh, await delegated(mesh, token, [dev.did, agent.did])) == INACTIVE


class TestExchanged:
    """Tokens that were got for a chain of grants, and what becomes of them when one of those ends."""

    @pytest.fixture
    async def at_work(self, mesh: IdentityMesh) -> Delegating:
        return Delegating(mesh=mesh)

    async def test_a_revoked_grant_ends_what_was_got_by_it_and_by_all_below(self, at_work: Delegating) -> None:
        ada, bob, eve = [await at_work.enrol(number) for number in (11, 12, 13)]
        first = at_work.begin(ada, bob, further=1)
        second = at_work.extend(bob, first, eve)
        to_bob = await at_work.exchange(bob, first)
        to_eve = await at_work.exchange(eve, second)
        said = await introspected(at_work.mesh, to_eve.access_token, audience=ORDERS)
        assert said.delegation_path == [ada.did, bob.did, eve.did]
        assert said.scopes == ["invoices:read"]
        await at_work.revoke(to_eve.delegation.name)
        assert await introspected(at_work.mesh, to_eve.access_token, audience=ORDERS) == INACTIVE
        assert (await introspected(at_work.mesh, to_bob.access_token, audience=ORDERS)).active
        await at_work.revoke(to_bob.delegation.name)
        assert await introspected(at_work.mesh, to_bob.access_token, audience=ORDERS) == INACTIVE

    async def test_the_root_takes_everything_below_it_down(self, at_work: Delegating) -> None:
        ada, bob, eve = [await at_work.enrol(number) for number in (11, 12, 13)]
        first = at_work.begin(ada, bob, further=1)
        exchanged = await at_work.exchange(bob, first)
        below = await at_work.exchange(eve, at_work.extend(bob, first, eve))
        await at_work.revoke(exchanged.delegation.name)
        assert await introspected(at_work.mesh, below.access_token, audience=ORDERS) == INACTIVE


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (cpb.IntrospectTokenRequest(), {"token", "audience"}),
        (cpb.IntrospectTokenRequest(token="x" * 20_000, audience=AUDIENCE), {"token"}),
        (cpb.IntrospectTokenRequest(token="x", audience="with space"), {"audience"}),
    ],
)
async def test_what_is_wrong_with_the_question_is_said(
    mesh: IdentityMesh, request_: cpb.IntrospectTokenRequest, fields: set[str]
) -> None:
    refused = await refusal(mesh.credentials().IntrospectToken(request_))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert refused.violations.keys() == fields
