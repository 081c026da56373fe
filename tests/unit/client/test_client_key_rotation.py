"""A key is replaced without ever being lost: the store on disk, and a rotation cut off at every point."""

import asyncio
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ringfence.agent_key import AgentKey, KeyFileError
from ringfence.agent_key_store import AgentKeyStore
from ringfence.errors import RingfenceError, UnavailableError
from ringfence.identity.v1.identity_pb2 import (
    AgentIdentity,
    DidDocumentMetadata,
    ResolveDidRequest,
    ResolveDidResponse,
    RotateKeyRequest,
    RotateKeyResponse,
)
from ringfence.key_rotation import KeyRotationError, rotate, rotate_aio
from ringfence.proofs.public_keys import PublicKey
from ringfence.proofs.rotation import rotation_input

DID = "did:webvh:QmX:prod.id.example.com:agents:QmX"
AWAY = UnavailableError("away")


class CrashError(Exception):
    """The process ended here."""


@dataclass
class FakeIdentity:
    """Knows one agent; rotates its key when both signatures hold, then answers, fails, or is cut off."""

    key: bytes
    version: int = 1
    deactivated: bool = False
    after_rotation: list[Exception] = field(default_factory=list)
    before_rotation: list[Exception] = field(default_factory=list)
    rotations: list[RotateKeyRequest] = field(default_factory=list)

    def resolve(self, request: ResolveDidRequest) -> ResolveDidResponse:
        multibase = PublicKey(self.key).multibase
        if self.deactivated:
            return ResolveDidResponse()
        method = {"id": "#k", "type": "Multikey", "controller": request.did, "publicKeyMultibase": multibase}
        document = {"id": request.did, "verificationMethod": [method], "authentication": ["#k"]}
        metadata = DidDocumentMetadata(version_id=f"{self.version}-Qm")
        return ResolveDidResponse(did_document=json.dumps(document).encode(), metadata=metadata)

    def rotate(self, request: RotateKeyRequest) -> RotateKeyResponse:
        if self.before_rotation:
            raise self.before_rotation.pop(0)
        message = rotation_input(
            did=request.did,
            environment="prod",
            version_id=f"{self.version}-Qm",
            old_key=self.key,
            new_key=request.new_public_key,
            nonce=request.nonce,
        )
        Ed25519PublicKey.from_public_bytes(self.key).verify(request.old_key_proof, message)
        Ed25519PublicKey.from_public_bytes(request.new_public_key).verify(request.new_key_proof, message)
        self.rotations.append(request)
        self.key, self.version = request.new_public_key, self.version + 1
        if self.after_rotation:
            raise self.after_rotation.pop(0)
        identity = AgentIdentity(did=request.did, did_version_id=f"{self.version}-Qm")
        return RotateKeyResponse(identity=identity)


class SyncIdentity(FakeIdentity):
    def ResolveDid(self, request: ResolveDidRequest) -> ResolveDidResponse:
        return self.resolve(request)

    def RotateKey(self, request: RotateKeyRequest) -> RotateKeyResponse:
        return self.rotate(request)


class AioIdentity(FakeIdentity):
    async def ResolveDid(self, request: ResolveDidRequest) -> ResolveDidResponse:
        return self.resolve(request)

    async def RotateKey(self, request: RotateKeyRequest) -> RotateKeyResponse:
        return self.rotate(request)


@dataclass
class Agent:
    store: AgentKeyStore
    folder: Path
    first: AgentKey
    identity: FakeIdentity
    rotate: Callable[[], AgentKey]

    @property
    def files(self) -> set[str]:
        return {file.name for file in self.folder.iterdir()}


@pytest.fixture(params=["threads", "asyncio"])
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Agent:
    key = replace(AgentKey.generate(), did=DID, environment="prod", agent="namespaces/a/agents/b")
    key.save(tmp_path / "agent.key")
    store = AgentKeyStore(tmp_path / "agent.key")
    if request.param == "threads":
        identity = SyncIdentity(key.public_key)
        return Agent(store, tmp_path, key, identity, lambda: rotate(store, identity))
    aio = AioIdentity(key.public_key)
    return Agent(store, tmp_path, key, aio, lambda: asyncio.run(rotate_aio(store, aio)))


def test_the_new_key_takes_the_place_of_the_old(agent: Agent) -> None:
    rotated = agent.rotate()
    assert rotated.public_key != agent.first.public_key
    assert agent.store.key() == rotated
    assert agent.store.key().public_key == rotated.public_key == agent.identity.key
    assert (rotated.did, rotated.environment, rotated.agent) == (DID, "prod", "namespaces/a/agents/b")
    assert rotated.did_version_id == "2-Qm"
    assert agent.store.successor() is None
    assert agent.files == {"agent.key"}
    assert stat.S_IMODE((agent.folder / "agent.key").stat().st_mode) == 0o600


def test_the_new_key_is_on_disk_before_identity_hears_of_it(agent: Agent) -> None:
    agent.identity.before_rotation.append(CrashError())
    with pytest.raises(CrashError):
        agent.rotate()
    assert agent.files == {"agent.key", "agent.key.next"}
    prepared = agent.store.successor()
    assert prepared is not None
    assert agent.rotate().public_key == prepared.public_key, "the same key is used by the next attempt"


@pytest.mark.parametrize("cut", [CrashError(), AWAY])
def test_an_answer_that_was_lost_is_found_again(agent: Agent, cut: Exception) -> None:
    """The worst moment: the new key is in force, and nobody here knows."""
    agent.identity.after_rotation.append(cut)
    with pytest.raises((CrashError, RingfenceError)):
        agent.rotate()
    assert agent.store.key().public_key == agent.first.public_key
    prepared = agent.store.successor()
    assert prepared is not None
    assert prepared.public_key == agent.identity.key
    rotated = agent.rotate()
    assert rotated.public_key == agent.identity.key
    assert rotated.did_version_id == "2-Qm"
    assert len(agent.identity.rotations) == 1, "it was concluded, not done again"
    assert agent.files == {"agent.key"}


def test_a_refusal_leaves_both_keys(agent: Agent) -> None:
    agent.identity.before_rotation.append(AWAY)
    with pytest.raises(UnavailableError):
        agent.rotate()
    assert agent.store.key().public_key == agent.first.public_key
    assert agent.store.successor() is not None


def test_a_crash_between_the_two_steps_of_concluding_is_mended(agent: Agent) -> None:
    rotated = agent.rotate()
    rotated.save(agent.folder / "agent.key.next")
    assert agent.store.successor() is None
    assert agent.files == {"agent.key"}
    assert agent.store.key().public_key == rotated.public_key


def test_when_neither_key_is_in_force_a_person_must_look(agent: Agent) -> None:
    agent.identity.key = AgentKey.generate().public_key
    with pytest.raises(KeyRotationError, match="report the compromise"):
        agent.rotate()
    assert agent.files == {"agent.key", "agent.key.next"}


def test_a_deactivated_did_has_no_key_to_replace(agent: Agent) -> None:
    agent.identity.deactivated = True
    with pytest.raises(KeyRotationError, match="no key"):
        agent.rotate()


def test_each_rotation_has_a_key_and_a_nonce_of_its_own(agent: Agent) -> None:
    agent.rotate()
    agent.rotate()
    one, other = agent.identity.rotations
    assert one.nonce != other.nonce
    assert one.new_public_key != other.new_public_key
    assert len(one.nonce) == 32


def test_what_the_old_key_signed_is_about_this_rotation_alone(agent: Agent) -> None:
    agent.rotate()
    (request,) = agent.identity.rotations
    other = rotation_input(
        did=DID,
        environment="dev",
        version_id="1-Qm",
        old_key=agent.first.public_key,
        new_key=request.new_public_key,
        nonce=request.nonce,
    )
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(agent.first.public_key).verify(request.old_key_proof, other)


class TestStore:
    def test_a_key_others_may_read_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "agent.key"
        AgentKey.generate().save(file)
        file.chmod(0o644)
        with pytest.raises(KeyFileError, match="others may read"):
            AgentKeyStore(file).key()

    def test_so_is_a_successor_others_may_read(self, tmp_path: Path) -> None:
        file = tmp_path / "agent.key"
        AgentKey.generate().save(file)
        store = AgentKeyStore(file)
        store.prepare()
        (tmp_path / "agent.key.next").chmod(0o640)
        with pytest.raises(KeyFileError, match="others may read"):
            store.prepare()

    def test_preparing_twice_prepares_once(self, tmp_path: Path) -> None:
        AgentKey.generate().save(tmp_path / "agent.key")
        store = AgentKeyStore(tmp_path / "agent.key")
        assert store.prepare().public_key == store.prepare().public_key

    def test_replacing_leaves_nothing_beside_when_it_fails(self, tmp_path: Path) -> None:
        (tmp_path / "agent.key").mkdir()
        with pytest.raises(KeyFileError, match="cannot be written"):
            AgentKey.generate().replace(tmp_path / "agent.key")
        assert [file.name for file in tmp_path.iterdir()] == ["agent.key"]

    @pytest.mark.parametrize("umask", [0, 0o077])
    def test_the_replacement_is_for_its_owner_only(self, tmp_path: Path, umask: int) -> None:
        file = tmp_path / "agent.key"
        AgentKey.generate().save(file)
        previous = os.umask(umask)
        try:
            AgentKey.generate().replace(file)
        finally:
            os.umask(previous)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_key_file_of_before_says_no_version(self, tmp_path: Path) -> None:
        file = tmp_path / "agent.key"
        AgentKey.generate().save(file)
        document = json.loads(file.read_text())
        del document["did_version_id"]
        file.write_text(json.dumps(document))
        assert AgentKey.load(file).did_version_id == ""
