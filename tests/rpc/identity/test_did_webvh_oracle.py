"""Our DID logs in the eyes of the `did-webvh` package: others wrote it, and it agrees with what we answer."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.did import AgentDid, parse_did
from ringfence.proofs.did_log_check import check_log
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import HOUR, SECOND, Instant, Millis
from support.identity import webvh_resolver
from support.identity.keys import seeded_key
from support.identity.mesh import IdentityMesh, identity_mesh
from support.identity.resolving import ResolutionResult, by_did_webvh, document, methods, resolved
from support.identity.rotations import replacement, rotation


@dataclass(slots=True)
class Agent:
    """An agent that lives through changes, and its log in other eyes."""

    mesh: IdentityMesh
    identity: pb.AgentIdentity
    key: int
    tmp_path: Path

    async def rotate(self) -> None:
        request = rotation(self.identity, seeded_key(self.key), seeded_key(self.key + 1))
        self.identity = (await self.mesh.identity().RotateKey(request)).identity
        self.key += 1

    async def lose_key(self, *, replaced: bool) -> None:
        report = pb.ReportCompromiseRequest(did=self.identity.did, reason="lost")
        if replaced:
            new = replacement(self.identity, seeded_key(self.key), seeded_key(self.key + 1))
            report.replacement.CopyFrom(new)
            self.key += 1
        self.identity = (await self.mesh.identity().ReportCompromise(report)).identity

    async def end(self) -> None:
        request = pb.RevokeRequest(did=self.identity.did, reason="done")
        self.identity = (await self.mesh.identity().Revoke(request)).identity

    async def log(self) -> str:
        return (await self.mesh.identity().GetDidLog(pb.GetDidLogRequest(did=self.identity.did))).log.decode()

    async def seen(self, **wanted: str) -> ResolutionResult:
        """Return what the package says, having seen that the other two checkers take the log as well."""
        log = await self.log()
        did = parse_did(self.identity.did)
        assert isinstance(did, AgentDid)
        check_log(log, did=did, now=self.mesh.clock.now())
        webvh_resolver.resolve(log, self.identity.did)
        result = await by_did_webvh(log, self.identity.did, self.tmp_path, **wanted)
        assert not (result.resolution_metadata or {}).get("error"), result.resolution_metadata
        return result


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        yield Agent(mesh, (await mesh.enrol(key=seeded_key(1))).identity, 1, tmp_path)


def key_of(number: int) -> str:
    return public_key_of(seeded_key(number)).multibase


async def agreed(agent: Agent, **options: str) -> dict[str, Any]:
    """Return the document both resolve to, having compared it and what is said about it."""
    wanted = {"version_id": options.get("versionId"), "version_time": options.get("versionTime")}
    theirs = await agent.seen(**{name: text for name, text in wanted.items() if text})
    answer = await resolved(agent.mesh, agent.identity.did, **options)
    ours = document(answer)
    assert theirs.document == ours
    said, about = theirs.document_metadata or {}, answer.json()["didDocumentMetadata"]
    same = ("created", "versionId", "versionTime", "deactivated", "scid")
    assert {name: said[name] for name in same} == {name: about[name] for name in same}
    return ours


async def test_a_fresh_log(agent: Agent) -> None:
    assert set(methods(await agreed(agent))) == {key_of(1)}


async def test_a_rotated_key(agent: Agent) -> None:
    agent.mesh.clock.advance(HOUR)
    await agent.rotate()
    assert set(methods(await agreed(agent))) == {key_of(2)}


async def test_many_rotations_within_one_second(agent: Agent) -> None:
    for _ in range(30):
        await agent.rotate()
    assert set(methods(await agreed(agent))) == {key_of(31)}


async def test_a_lost_key_and_one_in_its_place(agent: Agent) -> None:
    await agent.lose_key(replaced=True)
    found = await agreed(agent)
    assert set(methods(found)) == {key_of(1), key_of(2)}
    assert methods(found)[key_of(1)]["compromisedSince"]
    assert found["authentication"] == [f"{agent.identity.did}#{public_key_of(seeded_key(2)).thumbprint}"]


async def test_a_lost_key_and_none_in_its_place(agent: Agent) -> None:
    await agent.lose_key(replaced=False)
    found = await agreed(agent)
    assert set(methods(found)) == {key_of(1)}
    assert "authentication" not in found


async def test_the_end(agent: Agent) -> None:
    agent.mesh.clock.advance(HOUR)
    await agent.end()
    result = await agent.seen()
    assert (result.document_metadata or {})["deactivated"] is True
    answer = await resolved(agent.mesh, agent.identity.did)
    assert (answer.status_code, answer.json()["didDocument"]) == (410, None)
    assert answer.json()["didDocumentMetadata"]["versionId"] == (result.document_metadata or {})["versionId"]


async def test_a_whole_life_at_every_version_and_moment(agent: Agent) -> None:
    versions = [agent.identity.did_version_id]
    born = agent.mesh.clock.now()
    for change in (agent.rotate(), agent.lose_key(replaced=True), agent.rotate()):
        agent.mesh.clock.advance(HOUR)
        await change
        versions.append(agent.identity.did_version_id)
    for number, version_id in enumerate(versions):
        at = Instant(born + number * HOUR + 59 * SECOND)
        moment = Timestamp(seconds=at // SECOND).ToJsonString()
        by_id = await agreed(agent, versionId=version_id)
        assert by_id == await agreed(agent, versionTime=moment)
        live = f"{agent.identity.did}#{public_key_of(seeded_key(number + 1)).thumbprint}"
        assert by_id["authentication"] == [live]


async def test_the_log_of_a_registrar(agent: Agent) -> None:
    log = await agent.mesh.get("/prod/.well-known/did.jsonl")
    scid = (await agent.mesh.fetch("/prod/.well-known/did.json")).json()["alsoKnownAs"][0].split(":")[2]
    did = f"did:webvh:{scid}:prod.id.ringfence.internal"
    result = await by_did_webvh(log, did, agent.tmp_path)
    assert result.document is not None
    assert result.document["id"] == did


@pytest.mark.parametrize("line", [0, 1, 2])
async def test_what_was_touched_is_refused_there_as_here(agent: Agent, line: int) -> None:
    """One character of a key, in any entry: three checkers, one opinion."""
    for _ in range(2):
        agent.mesh.clock.advance(Millis(2 * SECOND))
        await agent.rotate()
    lines = (await agent.log()).splitlines()
    lines[line] = lines[line].replace(key_of(line + 1), key_of(9))
    touched = "".join(f"{one}\n" for one in lines)
    result = await by_did_webvh(touched, agent.identity.did, agent.tmp_path)
    assert (result.resolution_metadata or {})["error"] == "invalidDid"
    did = parse_did(agent.identity.did)
    assert isinstance(did, AgentDid)
    with pytest.raises(ValueError, match=r"hash|proof|SCID"):
        check_log(touched, did=did, now=agent.mesh.clock.now())
    with pytest.raises(AssertionError):
        webvh_resolver.resolve(touched, agent.identity.did)
