"""Rotation with the public client against the real service, and what the old key is worth afterwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.agent_key import AgentKey
from ringfence.agent_key_store import AgentKeyStore
from ringfence.channel import ChannelOptions
from ringfence.client import AioRingfence, Ringfence
from ringfence.enrolment import answer, enrolled
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.key_rotation import rotate, rotate_aio
from ringfence.proofs.public_keys import PublicKey
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.clock import SECOND, Millis
from support.identity.births import COMPLETE
from support.identity.mesh import IdentityMesh, identity_mesh
from support.serving import OPERATOR

CONTENT = birth_content_to_proto(COMPLETE)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path / "identity") as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def store(running: IdentityMesh, tmp_path: Path) -> AgentKeyStore:
    begin = pb.BeginRegistrationRequest(
        parent="namespaces/billing", agent_id="reconciler", environment="prod", sponsor=COMPLETE.sponsor
    )
    options = ChannelOptions(token=running.mesh.token(OPERATOR))
    async with AioRingfence(identity=address(running), options=options) as mesh:
        key = AgentKey.generate()
        begun = await mesh.identity.BeginRegistration(begin)
        enrolled(key, await mesh.identity.CompleteRegistration(answer(begun, key, CONTENT))).save(tmp_path / "a.key")
    return AgentKeyStore(tmp_path / "a.key")


def address(running: IdentityMesh) -> str:
    return running.mesh.address("identity.listen")


async def key_in_force(running: IdentityMesh, did: str) -> tuple[str, str]:
    identity = (await running.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=did))).identity
    return identity.public_key_multibase, identity.did_version_id


async def test_an_agent_replaces_its_key_without_a_token(running: IdentityMesh, store: AgentKeyStore) -> None:
    before = store.key()
    running.clock.advance(Millis(2 * SECOND))
    async with AioRingfence(identity=address(running)) as mesh:
        after = await rotate_aio(store, mesh.identity)
    assert after.public_key != before.public_key
    assert store.key() == after
    multibase, version = await key_in_force(running, after.did)
    assert (multibase, version) == (PublicKey(after.public_key).multibase, after.did_version_id)


async def test_the_same_from_a_thread_and_again(running: IdentityMesh, store: AgentKeyStore) -> None:
    def in_thread() -> AgentKey:
        with Ringfence(identity=address(running)) as mesh:
            return rotate(store, mesh.identity)

    running.clock.advance(Millis(2 * SECOND))
    first = await asyncio.to_thread(in_thread)
    running.clock.advance(Millis(2 * SECOND))
    second = await asyncio.to_thread(in_thread)
    assert len({first.public_key, second.public_key}) == 2
    assert second.did_version_id.startswith("3-")


async def test_a_process_that_died_before_it_knew_goes_on_with_the_key_in_force(
    running: IdentityMesh, store: AgentKeyStore, tmp_path: Path
) -> None:
    old = (tmp_path / "a.key").read_bytes()
    prepared = store.prepare()
    successor = (tmp_path / "a.key.next").read_bytes()
    running.clock.advance(Millis(2 * SECOND))
    async with AioRingfence(identity=address(running)) as mesh:
        await rotate_aio(store, mesh.identity)
        (tmp_path / "a.key").write_bytes(old)
        (tmp_path / "a.key.next").write_bytes(successor)
        (tmp_path / "a.key.next").chmod(0o600)
        found = await rotate_aio(store, mesh.identity)
    assert found.public_key == prepared.public_key
    assert (await key_in_force(running, found.did))[1] == found.did_version_id
