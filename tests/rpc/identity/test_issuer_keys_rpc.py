"""Issuer keys over the wire: a line that goes on by itself, an operator who is early, and a key that is killed."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwt.types import Options
from ringfence.identity.v1 import credential_pb2 as cpb
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import revocation_pb2 as rpb
from ringfence_identity.config import EnvironmentConfig, IdentityConfig
from ringfence_identity.issuer_keys.schedule import KEPT_AFTER_LAST_SIGNATURE, KILL_REMEMBERED
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant, Millis
from ringfence_kit.sealed_keys import FileKeyStore
from ringfence_kit.sealing import Seal
from support.identity.mesh import AUDIENCE, AUDITOR, OWNER, IdentityMesh, identity_mesh
from support.serving import OPERATOR, SERVICE
from support.wire import refusal

PUBLISHED, ACTIVE = cpb.ISSUER_KEY_STATE_PUBLISHED, cpb.ISSUER_KEY_STATE_ACTIVE
RETIRING, REVOKED = cpb.ISSUER_KEY_STATE_RETIRING, cpb.ISSUER_KEY_STATE_REVOKED

STUBBORN = "https://fips.example.com"
CONFIG = IdentityConfig(
    environments=tuple(
        EnvironmentConfig(name=name, host=f"{name}.id.ringfence.internal", es256_audiences=(STUBBORN,))
        for name in ("dev", "prod")
    )
)

OF_ANOTHER_TIME: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path, config=CONFIG) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


async def keys_of(
    mesh: IdentityMesh, algorithm: str = "EdDSA", environment: str = "prod", caller: Caller = OPERATOR
) -> list[cpb.IssuerKey]:
    listed = await mesh.credentials(caller).ListIssuerKeys(cpb.ListIssuerKeysRequest(environment=environment))
    return [key for key in listed.keys if key.algorithm == algorithm]


async def states_of(mesh: IdentityMesh, algorithm: str = "EdDSA") -> dict[str, int]:
    return {key.key_id: key.state for key in await keys_of(mesh, algorithm)}


async def published(mesh: IdentityMesh, environment: str = "prod") -> dict[str, dict[str, Any]]:
    """Return the key set by kid; gRPC and HTTP serve the same one."""
    answer = await mesh.credentials(ANONYMOUS).GetJwks(pb.GetJwksRequest(environment=environment))
    document: dict[str, Any] = json.loads(answer.jwks)
    assert document == json.loads(await mesh.get(f"/{environment}/.well-known/jwks.json"))
    return {key["kid"]: key for key in document["keys"]}


async def verified(mesh: IdentityMesh, token: str, audience: str = AUDIENCE) -> dict[str, Any]:
    """Return the claims of a token once PyJWT has verified it under the keys of prod."""
    header = jwt.get_unverified_header(token)
    key = jwt.PyJWK((await published(mesh))[header["kid"]])
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[key.algorithm_name], audience=audience, options=OF_ANOTHER_TIME
    )
    return claims


def rotate(algorithm: str = "EdDSA", **fields: str) -> cpb.RotateIssuerKeyRequest:
    return cpb.RotateIssuerKeyRequest(**{"environment": "prod", "algorithm": algorithm, **fields})


def kill(key_id: str, **fields: str) -> cpb.RevokeIssuerKeyRequest:
    return cpb.RevokeIssuerKeyRequest(**{"environment": "prod", "key_id": key_id, "reason": "it leaked", **fields})


async def upkept(mesh: IdentityMesh, *, keys: int, algorithm: str = "EdDSA") -> list[cpb.IssuerKey]:
    """Return the keys once the upkeep has made them this many; time stands still meanwhile."""
    listed: list[cpb.IssuerKey] = []
    while len(listed) != keys:
        listed = await keys_of(mesh, algorithm)
    return listed


class TestAlgorithmByAudience:
    async def test_an_audience_that_refuses_eddsa_gets_es256(self, mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
        usual = (await mesh.token(agent)).access_token
        stubborn = (await mesh.token(agent, audience=STUBBORN)).access_token
        assert jwt.get_unverified_header(usual)["alg"] == "EdDSA"
        assert jwt.get_unverified_header(stubborn)["alg"] == "ES256"
        assert (await verified(mesh, stubborn, STUBBORN))["sub"] == agent.did
        assert (await verified(mesh, usual))["sub"] == agent.did

    @pytest.mark.parametrize("audience", [STUBBORN + "/", STUBBORN.upper(), "https://fips.example.com.evil.example"])
    async def test_the_audience_is_compared_exactly(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity, audience: str
    ) -> None:
        token = (await mesh.token(agent, audience=audience)).access_token
        assert jwt.get_unverified_header(token)["alg"] == "EdDSA"

    async def test_the_key_set_holds_both_kinds_and_nothing_else(self, mesh: IdentityMesh) -> None:
        keys = await published(mesh)
        assert sorted((key["kty"], key["crv"], key["alg"], key["use"]) for key in keys.values()) == [
            ("EC", "P-256", "ES256", "sig"),
            ("OKP", "Ed25519", "EdDSA", "sig"),
        ]
        for key in keys.values():
            assert key.keys() <= {"kty", "crv", "x", "y", "kid", "alg", "use"}

    async def test_no_two_environments_share_a_key(self, mesh: IdentityMesh) -> None:
        assert not (await published(mesh, "dev")).keys() & (await published(mesh, "prod")).keys()


class TestSchedule:
    async def test_at_first_one_key_of_each_kind_signs(self, mesh: IdentityMesh) -> None:
        for algorithm in ("EdDSA", "ES256"):
            (key,) = await keys_of(mesh, algorithm)
            assert key.state == ACTIVE
            assert key.create_time == key.activate_time
            assert key.create_time.seconds * 1_000 == mesh.clock.now()
            assert not key.HasField("remove_time")

    async def test_a_whole_rotation_without_anybody_doing_anything(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity
    ) -> None:
        (first,) = await keys_of(mesh)
        mesh.clock.advance(Millis(30 * DAY - HOUR))
        _, second = await upkept(mesh, keys=2)
        await upkept(mesh, keys=2, algorithm="ES256")  # the last it makes: the key set stands still again
        assert await states_of(mesh) == {first.key_id: ACTIVE, second.key_id: PUBLISHED}
        assert second.activate_time.seconds - first.activate_time.seconds == 30 * DAY // SECOND
        assert {first.key_id, second.key_id} < (await published(mesh)).keys()
        before = (await mesh.token(agent)).access_token
        assert jwt.get_unverified_header(before)["kid"] == first.key_id

        mesh.clock.advance(HOUR)
        after = (await mesh.token(agent)).access_token
        assert jwt.get_unverified_header(after)["kid"] == second.key_id
        assert await states_of(mesh) == {first.key_id: RETIRING, second.key_id: ACTIVE}
        assert (await verified(mesh, before))["sub"] == agent.did

        mesh.clock.advance(KEPT_AFTER_LAST_SIGNATURE)
        assert first.key_id not in await published(mesh)
        assert await states_of(mesh) == {second.key_id: ACTIVE}

    async def test_keys_and_their_times_survive_a_restart(self, tmp_path: Path) -> None:
        async with identity_mesh(tmp_path, config=CONFIG) as first:
            clock = first.clock
            await first.credentials().RotateIssuerKey(rotate())
            before = await keys_of(first)
        clock.advance(HOUR)
        async with identity_mesh(tmp_path, config=CONFIG, clock=clock) as second:
            after = await keys_of(second)
            assert [key.key_id for key in after] == [key.key_id for key in before]
            assert [key.state for key in after] == [RETIRING, ACTIVE]

    async def test_a_server_that_was_down_for_months_publishes_before_it_signs_all_the_same(
        self, tmp_path: Path
    ) -> None:
        async with identity_mesh(tmp_path, config=CONFIG) as first:
            clock = first.clock
        clock.advance(Millis(90 * DAY))
        async with identity_mesh(tmp_path, config=CONFIG, clock=clock) as second:
            (old, new) = await keys_of(second)
            assert (old.state, new.state) == (ACTIVE, PUBLISHED)
            assert new.activate_time.seconds * 1_000 == clock.now() + HOUR


class TestRotating:
    async def test_the_next_key_is_published_now_and_signs_later(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity
    ) -> None:
        made = (await mesh.credentials().RotateIssuerKey(rotate())).key
        assert made.state == PUBLISHED
        assert made.activate_time.seconds - made.create_time.seconds == HOUR // SECOND
        assert made.key_id in await published(mesh)
        assert jwt.get_unverified_header((await mesh.token(agent)).access_token)["kid"] != made.key_id
        mesh.clock.advance(HOUR)
        assert jwt.get_unverified_header((await mesh.token(agent)).access_token)["kid"] == made.key_id

    async def test_one_key_waits_at_a_time(self, mesh: IdentityMesh) -> None:
        first = (await mesh.credentials().RotateIssuerKey(rotate())).key
        again = (await mesh.credentials().RotateIssuerKey(rotate())).key
        assert again == first
        assert len(await keys_of(mesh)) == 2

    async def test_two_at_once_make_one(self, mesh: IdentityMesh) -> None:
        both = await asyncio.gather(*(mesh.credentials().RotateIssuerKey(rotate()) for _ in range(2)))
        assert both[0].key.key_id == both[1].key.key_id
        assert len(await keys_of(mesh)) == 2

    async def test_a_repeated_request_gets_the_first_answer(self, mesh: IdentityMesh) -> None:
        request = rotate(request_id=str(uuid.uuid4()))
        first = await mesh.credentials().RotateIssuerKey(request)
        mesh.clock.advance(Millis(2 * HOUR))
        assert await mesh.credentials().RotateIssuerKey(request) == first
        request.algorithm = "ES256"
        assert (await refusal(mesh.credentials().RotateIssuerKey(request))).reason == "REQUEST_ID_REUSED"

    async def test_the_kinds_rotate_by_themselves(self, mesh: IdentityMesh) -> None:
        await mesh.credentials().RotateIssuerKey(rotate("ES256"))
        assert len(await keys_of(mesh, "ES256")) == 2
        assert len(await keys_of(mesh, "EdDSA")) == 1


class TestKilling:
    async def test_a_killed_key_is_gone_at_once_and_another_signs(
        self, mesh: IdentityMesh, agent: pb.AgentIdentity
    ) -> None:
        (victim,) = await keys_of(mesh)
        killed = await mesh.credentials().RevokeIssuerKey(kill(victim.key_id))
        assert (killed.key.key_id, killed.key.state) == (victim.key_id, REVOKED)
        assert killed.key.remove_time.seconds * 1_000 == mesh.clock.now()
        assert killed.successor.state == ACTIVE
        keys = await published(mesh)
        assert victim.key_id not in keys
        assert killed.successor.key_id in keys
        token = (await mesh.token(agent)).access_token
        assert jwt.get_unverified_header(token)["kid"] == killed.successor.key_id
        assert (await verified(mesh, token))["sub"] == agent.did

    async def test_watchers_of_revocations_hear_of_it(self, mesh: IdentityMesh) -> None:
        (victim,) = await keys_of(mesh)
        call = mesh.identity(SERVICE).WatchRevocations(rpb.WatchRevocationsRequest(environment="prod"))
        stream = aiter(call)
        assert (await anext(stream)).type == rpb.REVOCATION_EVENT_TYPE_BOOKMARK
        await mesh.credentials().RevokeIssuerKey(kill(victim.key_id))
        told = await asyncio.wait_for(anext(stream), timeout=1)
        call.cancel()
        assert told.type == rpb.REVOCATION_EVENT_TYPE_REVOKED
        assert told.revocation.kind == rpb.REVOCATION_KIND_ISSUER_KEY
        assert told.revocation.subject == victim.key_id
        assert told.revocation.environment == "prod"
        assert told.revocation.reason == "it leaked"
        assert told.revocation.forget_time.seconds - told.revocation.revoke_time.seconds == KILL_REMEMBERED // SECOND

    async def test_the_key_that_waits_takes_over(self, mesh: IdentityMesh) -> None:
        (victim,) = await keys_of(mesh)
        waiting = (await mesh.credentials().RotateIssuerKey(rotate())).key
        mesh.clock.advance(MINUTE)
        killed = await mesh.credentials().RevokeIssuerKey(kill(victim.key_id))
        assert (killed.successor.key_id, killed.successor.state) == (waiting.key_id, ACTIVE)
        assert killed.successor.activate_time.seconds * 1_000 == mesh.clock.now()

    async def test_killing_the_one_that_waits_leaves_the_signer_alone(self, mesh: IdentityMesh) -> None:
        (signer,) = await keys_of(mesh)
        waiting = (await mesh.credentials().RotateIssuerKey(rotate())).key
        killed = await mesh.credentials().RevokeIssuerKey(kill(waiting.key_id))
        assert killed.successor.key_id == signer.key_id
        mesh.clock.advance(Millis(2 * HOUR))
        assert (await states_of(mesh))[signer.key_id] == ACTIVE

    async def test_when_the_whole_file_was_stolen_both_are_killed_and_a_new_one_signs(self, mesh: IdentityMesh) -> None:
        (signer,) = await keys_of(mesh)
        waiting = (await mesh.credentials().RotateIssuerKey(rotate())).key
        await mesh.credentials().RevokeIssuerKey(kill(waiting.key_id))
        killed = await mesh.credentials().RevokeIssuerKey(kill(signer.key_id))
        assert killed.successor.key_id not in (signer.key_id, waiting.key_id)

    async def test_a_key_is_killed_once(self, mesh: IdentityMesh) -> None:
        (victim,) = await keys_of(mesh)
        first = await mesh.credentials().RevokeIssuerKey(kill(victim.key_id))
        mesh.clock.advance(MINUTE)
        again = await mesh.credentials().RevokeIssuerKey(kill(victim.key_id, reason="another reason"))
        assert again == first

    async def test_two_kills_at_once_leave_one_successor(self, mesh: IdentityMesh) -> None:
        (victim,) = await keys_of(mesh)
        both = await asyncio.gather(*(mesh.credentials().RevokeIssuerKey(kill(victim.key_id)) for _ in range(2)))
        assert both[0] == both[1]
        assert len(await keys_of(mesh)) == 2

    async def test_a_killed_key_is_listed_for_a_while_and_never_comes_back(self, mesh: IdentityMesh) -> None:
        (victim,) = await keys_of(mesh)
        await mesh.credentials().RevokeIssuerKey(kill(victim.key_id))
        mesh.clock.advance(Millis(KILL_REMEMBERED - 1))
        assert (await states_of(mesh))[victim.key_id] == REVOKED
        mesh.clock.advance(Millis(1))
        assert victim.key_id not in await states_of(mesh)
        assert victim.key_id not in await published(mesh)

    async def test_a_killed_key_stays_killed_over_a_restart_and_is_destroyed(self, tmp_path: Path) -> None:
        async with identity_mesh(tmp_path, config=CONFIG) as first:
            clock = first.clock
            (victim,) = await keys_of(first)
            killed = await first.credentials().RevokeIssuerKey(kill(victim.key_id))
        async with identity_mesh(tmp_path, config=CONFIG, clock=clock) as second:
            assert (await states_of(second))[victim.key_id] == REVOKED
            assert victim.key_id not in await published(second)
        left = FileKeyStore(tmp_path / "identity.keys", Seal.unsealed()).signers("prod/issuer")
        assert [signer.key_id for signer in left] == [killed.successor.key_id]

    @pytest.mark.parametrize("environment", ["prod", "dev"])
    async def test_a_key_nobody_knows_or_of_another_environment(self, mesh: IdentityMesh, environment: str) -> None:
        (elsewhere,) = await keys_of(mesh, environment="dev")
        unknown = "nope" if environment == "dev" else elsewhere.key_id
        refused = await refusal(mesh.credentials().RevokeIssuerKey(kill(unknown, environment=environment)))
        assert (refused.code, refused.reason) == ("NOT_FOUND", "ISSUER_KEY_NOT_FOUND")
        assert refused.metadata == {"environment": environment, "key_id": unknown}


class TestPermission:
    @pytest.mark.parametrize("caller", [OWNER, SERVICE, AUDITOR])
    async def test_only_the_platform_changes_keys(self, mesh: IdentityMesh, caller: Caller) -> None:
        for call in (
            mesh.credentials(caller).RotateIssuerKey(rotate()),
            mesh.credentials(caller).RevokeIssuerKey(kill("x")),
        ):
            assert (await refusal(call)).code == "PERMISSION_DENIED"

    async def test_auditors_see_them(self, mesh: IdentityMesh) -> None:
        assert await keys_of(mesh, caller=AUDITOR) == await keys_of(mesh)

    async def test_a_credential_of_one_environment_sees_no_keys_of_another(self, mesh: IdentityMesh) -> None:
        agent = Caller(principal="did:x", roles=frozenset({Role.AGENT}), environment="dev")
        refused = await refusal(mesh.credentials(agent).ListIssuerKeys(cpb.ListIssuerKeysRequest(environment="prod")))
        assert refused.code == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (cpb.ListIssuerKeysRequest(), {"environment"}),
        (cpb.RotateIssuerKeyRequest(), {"environment", "algorithm"}),
        (rotate("RS256"), {"algorithm"}),
        (rotate("Ed25519"), {"algorithm"}),
        (rotate(request_id="x"), {"request_id"}),
        (cpb.RevokeIssuerKeyRequest(), {"environment", "key_id", "reason"}),
        (kill("x", reason="x" * 501), {"reason"}),
        (kill("x" * 129), {"key_id"}),
    ],
)
async def test_every_mistake_is_named(mesh: IdentityMesh, request_: Any, fields: set[str]) -> None:
    stub = mesh.credentials()
    method = getattr(stub, type(request_).__name__.removesuffix("Request"))
    refused = await refusal(method(request_))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert refused.violations.keys() == fields


async def test_an_environment_that_is_not_hosted_here(mesh: IdentityMesh) -> None:
    for call in (
        mesh.credentials().ListIssuerKeys(cpb.ListIssuerKeysRequest(environment="qa")),
        mesh.credentials().RotateIssuerKey(rotate(environment="qa")),
        mesh.credentials().RevokeIssuerKey(kill("x", environment="qa")),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "ENVIRONMENT_UNKNOWN")


async def test_keys_are_made_at_the_time_of_the_clock_they_are_given(mesh: IdentityMesh) -> None:
    mesh.clock.advance(Millis(3 * DAY))
    made = (await mesh.credentials().RotateIssuerKey(rotate())).key
    assert Instant(made.create_time.seconds * SECOND) == mesh.clock.now()
