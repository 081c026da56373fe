"""An agent that enrols, and gets and uses tokens, with nothing but the public client, against the real services."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.agent_key import AgentKey
from ringfence.agent_tokens import AgentCredential, AgentTokens, AioAgentTokens
from ringfence.channel import ChannelOptions
from ringfence.client import AioRingfence, Ringfence
from ringfence.enrolment import answer, enrolled
from ringfence.errors import PermissionDeniedError, RingfenceError, UnauthenticatedError
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2
from ringfence.watch import Change, Changed, StateComplete
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.clock import SECOND
from support.identity.births import COMPLETE
from support.identity.mesh import IdentityMesh, identity_mesh
from support.serving import OPERATOR, SERVICE

CONTENT = birth_content_to_proto(COMPLETE)
BEGIN = pb.BeginRegistrationRequest(
    parent="namespaces/billing", agent_id="reconciler", environment="prod", sponsor=COMPLETE.sponsor
)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


def address(running: IdentityMesh) -> str:
    return running.mesh.address("identity.listen")


def as_operator(running: IdentityMesh) -> ChannelOptions:
    return ChannelOptions(token=running.mesh.token(OPERATOR))


async def enrol(running: IdentityMesh, key: AgentKey) -> AgentKey:
    async with AioRingfence(identity=address(running), options=as_operator(running)) as mesh:
        begun = await mesh.identity.BeginRegistration(BEGIN)
        return enrolled(key, await mesh.identity.CompleteRegistration(answer(begun, key, CONTENT)))


async def credential_of(running: IdentityMesh, key: AgentKey) -> AgentCredential:
    async with AioRingfence(identity=address(running)) as mesh:
        jwks = await mesh.credentials.GetJwks(pb.GetJwksRequest(environment=key.environment))
    return AgentCredential(
        key=key,
        issuer=jwks.issuer,
        audience="https://orders.example.com",
        wall_clock=lambda: running.clock.now() / SECOND,
    )


async def test_a_key_made_here_is_enrolled_and_knows_whose_it_is(running: IdentityMesh, tmp_path: Path) -> None:
    key = await enrol(running, AgentKey.generate())
    assert (key.agent, key.environment) == ("namespaces/billing/agents/reconciler", "prod")
    assert key.did.startswith("did:webvh:")
    key.save(tmp_path / "agent.key")
    assert AgentKey.load(tmp_path / "agent.key") == key


async def test_the_proof_of_another_key_is_refused(running: IdentityMesh) -> None:
    key, other = AgentKey.generate(), AgentKey.generate()
    async with AioRingfence(identity=address(running), options=as_operator(running)) as mesh:
        request = answer(await mesh.identity.BeginRegistration(BEGIN), key, CONTENT)
        request.public_key = other.public_key
        with pytest.raises(RingfenceError) as refused:
            await mesh.identity.CompleteRegistration(request)
    assert refused.value.reason == "PROOF_INVALID"


async def test_the_same_two_calls_from_a_thread(running: IdentityMesh) -> None:
    options = as_operator(running)

    def enrol_in_thread() -> AgentKey:
        with Ringfence(identity=address(running), options=options) as mesh:
            key = AgentKey.generate()
            begun = mesh.identity.BeginRegistration(BEGIN)
            return enrolled(key, mesh.identity.CompleteRegistration(answer(begun, key, CONTENT)))

    key = await asyncio.to_thread(enrol_in_thread)
    assert key.did.startswith("did:webvh:")


async def test_an_enrolled_agent_gets_a_token_and_is_known_by_it(running: IdentityMesh) -> None:
    key = await enrol(running, AgentKey.generate())
    credential = await credential_of(running, key)
    async with AioRingfence(identity=address(running)) as issuing:
        tokens = AioAgentTokens(issuing.credentials, credential)
        first = await tokens()
        assert first == await tokens()
        assert first.count(".") == 2


async def test_tokens_from_a_thread(running: IdentityMesh) -> None:
    key = await enrol(running, AgentKey.generate())
    credential = await credential_of(running, key)

    def get() -> str:
        with Ringfence(identity=address(running)) as issuing:
            return AgentTokens(issuing.credentials, credential)()

    assert (await asyncio.to_thread(get)).count(".") == 2


async def test_a_revoked_agent_gets_no_more_tokens(running: IdentityMesh) -> None:
    key = await enrol(running, AgentKey.generate())
    credential = await credential_of(running, key)
    async with AioRingfence(identity=address(running), options=as_operator(running)) as mesh:
        await mesh.identity.Revoke(pb.RevokeRequest(did=key.did, reason="it left"))
    async with AioRingfence(identity=address(running)) as issuing:
        with pytest.raises(RingfenceError) as refused:
            await AioAgentTokens(issuing.credentials, credential)()
    assert refused.value.reason == "AGENT_REVOKED"


async def test_an_assertion_of_another_key_is_refused(running: IdentityMesh) -> None:
    key = await enrol(running, AgentKey.generate())
    thief = AgentKey(private_key=AgentKey.generate().private_key, did=key.did, environment=key.environment)
    credential = await credential_of(running, thief)
    async with AioRingfence(identity=address(running)) as issuing:
        with pytest.raises(UnauthenticatedError) as refused:
            await AioAgentTokens(issuing.credentials, credential)()
    assert refused.value.reason == "ASSERTION_INVALID"


async def test_identities_are_followed_through_a_revocation(running: IdentityMesh) -> None:
    key = await enrol(running, AgentKey.generate())
    watching = ChannelOptions(token=running.mesh.token(SERVICE))
    async with (
        AioRingfence(identity=address(running), options=as_operator(running)) as operator,
        AioRingfence(identity=address(running), options=watching) as mesh,
    ):
        seen: list[tuple[Change, int]] = []
        async for step in mesh.watch_identities("prod"):
            if isinstance(step, StateComplete):
                await operator.identity.Revoke(pb.RevokeRequest(did=key.did, reason="it left"))
            if isinstance(step, Changed):
                assert step.answer.identity.did == key.did
                seen.append((step.change, step.answer.identity.status))
                if step.answer.identity.status == pb.IDENTITY_STATUS_REVOKED:
                    break
    assert seen == [(Change.ADDED, pb.IDENTITY_STATUS_ACTIVE), (Change.MODIFIED, pb.IDENTITY_STATUS_REVOKED)]


async def test_an_operators_mistake_comes_back_with_every_field(running: IdentityMesh) -> None:
    async with AioRingfence(identity=address(running), options=as_operator(running)) as mesh:
        with pytest.raises(RingfenceError) as refused:
            await mesh.identity.BeginRegistration(pb.BeginRegistrationRequest(parent="nonsense"))
    assert refused.value.reason == "INVALID_REQUEST"
    assert {violation.field for violation in refused.value.violations} >= {"parent", "agent_id", "environment"}


async def test_without_a_credential_a_mutation_is_refused(running: IdentityMesh) -> None:
    async with AioRingfence(identity=address(running)) as mesh:
        with pytest.raises((UnauthenticatedError, PermissionDeniedError)):
            await mesh.trust.RecordSignals(trust_pb2.RecordSignalsRequest())
