"""Resolution over gRPC and HTTP: a DID as it is, as it was, and what is said when it is gone or was never there."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import HOUR, SECOND, Instant, Millis
from support.identity.keys import seeded_key
from support.identity.mesh import IdentityMesh, identity_mesh
from support.identity.resolving import document, methods, resolved
from support.identity.rotations import rotation
from support.wire import refusal

TYPES = "https://www.w3.org/ns/did#"
NOBODY = "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"
FORMER = 'application/ld+json;profile="https://w3id.org/did-resolution"'


class Life:
    """An agent that was enrolled at hour 0, rotated at 1 and revoked at 2, and the versions it had."""

    def __init__(self, mesh: IdentityMesh, versions: list[pb.AgentIdentity], born: Instant) -> None:
        self.mesh = mesh
        self.versions = versions
        self.born = born

    @property
    def did(self) -> str:
        return self.versions[0].did

    @property
    def alias(self) -> str:
        return self.did.replace(f"webvh:{self.did.split(':')[2]}", "web")

    async def resolve(self, **wanted: Any) -> pb.ResolveDidResponse:
        return await self.mesh.identity(ANONYMOUS).ResolveDid(pb.ResolveDidRequest(did=self.did, **wanted))

    def at(self, hours: float) -> Instant:
        return Instant(self.born + int(hours * HOUR))


def key_of(number: int) -> str:
    return public_key_of(seeded_key(number)).multibase


def timestamp(at: Instant) -> Timestamp:
    return Timestamp(seconds=at // 1_000, nanos=at % 1_000 * 1_000_000)


def text_of(at: Instant) -> str:
    return timestamp(at).ToJsonString()


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def life(mesh: IdentityMesh) -> Life:
    born = mesh.clock.now()
    first = (await mesh.enrol(key=seeded_key(1))).identity
    mesh.clock.advance(HOUR)
    second = (await mesh.identity().RotateKey(rotation(first, seeded_key(1), seeded_key(2)))).identity
    mesh.clock.advance(HOUR)
    third = (await mesh.identity().Revoke(pb.RevokeRequest(did=first.did, reason="done"))).identity
    return Life(mesh, [first, second, third], born)


async def test_every_version_is_shown_as_it_was(life: Life) -> None:
    for number, version in enumerate(life.versions[:2], start=1):
        answer = await life.resolve(version_id=version.did_version_id)
        assert key_of(number).encode() in answer.did_document
        assert key_of(3 - number).encode() not in answer.did_document
        assert answer.metadata.version_id == version.did_version_id
        assert answer.metadata.deactivated
        assert answer.metadata.next_version_id == life.versions[number].did_version_id
        assert answer.metadata.version_time == timestamp(life.at(number - 1))
        assert answer.metadata.next_update == timestamp(life.at(number))
        assert answer.metadata.created == timestamp(life.born)
        assert answer.metadata.HasField("updated") == (number > 1)
        assert answer.metadata.canonical_id == life.did
        assert answer.metadata.scid == life.did.split(":")[2]
        assert list(answer.metadata.equivalent_id) == [
            f"did:web:prod.id.ringfence.internal:agents:{answer.metadata.scid}"
        ]


async def test_the_version_that_ended_the_did_has_no_document(life: Life) -> None:
    for wanted in ({}, {"version_id": life.versions[2].did_version_id}, {"version_time": timestamp(life.at(2))}):
        answer = await life.resolve(**wanted)
        assert answer.did_document == b""
        assert answer.metadata.deactivated
        assert answer.metadata.version_id == life.versions[2].did_version_id
        assert not answer.metadata.HasField("next_update")
        assert answer.metadata.next_version_id == ""


@pytest.mark.parametrize(("hours", "version"), [(0, 0), (0.5, 0), (0.9999, 0), (1, 1), (1.99, 1), (2, 2), (5_000, 2)])
async def test_a_moment_means_the_version_in_force_then(life: Life, hours: float, version: int) -> None:
    answer = await life.resolve(version_time=timestamp(life.at(hours)))
    assert answer.metadata.version_id == life.versions[version].did_version_id


async def test_an_alias_has_the_same_history(life: Life) -> None:
    answer = await life.mesh.identity().ResolveDid(
        pb.ResolveDidRequest(did=life.alias, version_id=life.versions[0].did_version_id)
    )
    assert life.alias.encode() in answer.did_document
    assert answer.metadata.canonical_id == life.did


@pytest.mark.parametrize("version_id", ["4-Qm", "0-Qm", "1-QmOther", "-1-Qm", "one", "1", "²-Qm", "9" * 60, "00001"])
async def test_a_version_that_never_was_is_not_found(life: Life, version_id: str) -> None:
    refused = await refusal(life.resolve(version_id=version_id))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "DID_VERSION_NOT_FOUND")
    assert refused.metadata["version"] == version_id


async def test_before_it_was_made_there_was_no_did(life: Life) -> None:
    refused = await refusal(life.resolve(version_time=timestamp(Instant(life.born - SECOND))))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "DID_VERSION_NOT_FOUND")


async def test_a_version_and_a_moment_are_alternatives(life: Life) -> None:
    refused = await refusal(life.resolve(version_id="1-Qm", version_time=timestamp(life.born)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == {"version_time"}


async def test_a_did_key_has_no_versions_and_is_the_same_at_every_moment(life: Life) -> None:
    stub, did = life.mesh.identity(), f"did:key:{key_of(9)}"
    refused = await refusal(stub.ResolveDid(pb.ResolveDidRequest(did=did, version_id="1-Qm")))
    assert refused.reason == "DID_VERSION_NOT_FOUND"
    then = await stub.ResolveDid(pb.ResolveDidRequest(did=did, version_time=timestamp(life.born)))
    assert then == await stub.ResolveDid(pb.ResolveDidRequest(did=did))


async def test_the_whole_log_is_told_to_everyone(life: Life) -> None:
    answer = await life.mesh.identity(ANONYMOUS).GetDidLog(pb.GetDidLogRequest(did=life.did))
    assert answer.log.decode() == await life.mesh.get(f"/prod/agents/{life.did.split(':')[2]}/did.jsonl")
    assert len(answer.log.splitlines()) == 3


@pytest.mark.parametrize(
    ("did", "reason"),
    [
        (f"did:key:{key_of(1)}", "DID_INVALID"),
        (f"did:web:prod.id.ringfence.internal:agents:{NOBODY}", "DID_INVALID"),
        (f"did:webvh:{NOBODY}:prod.example.com:agents:{NOBODY}", "DID_INVALID"),
        (f"did:webvh:{NOBODY}:prod.id.ringfence.internal:agents:{NOBODY}", "DID_NOT_FOUND"),
        ("", "INVALID_REQUEST"),
    ],
)
async def test_what_has_no_log_here_is_refused(mesh: IdentityMesh, did: str, reason: str) -> None:
    refused = await refusal(mesh.identity().GetDidLog(pb.GetDidLogRequest(did=did)))
    assert refused.reason == reason


async def test_over_http_the_result_is_that_of_grpc(life: Life) -> None:
    answer = await resolved(life.mesh, life.did, versionId=life.versions[0].did_version_id)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/did-resolution"
    assert set(methods(document(answer))) == {key_of(1)}
    assert answer.json()["didResolutionMetadata"] == {"contentType": "application/did"}
    assert answer.json()["didDocumentMetadata"] == {
        "created": text_of(life.born),
        "versionTime": text_of(life.born),
        "versionId": life.versions[0].did_version_id,
        "nextVersionId": life.versions[1].did_version_id,
        "nextUpdate": text_of(life.at(1)),
        "canonicalId": life.did,
        "equivalentId": [life.alias],
        "scid": life.did.split(":")[2],
        "deactivated": True,
    }


async def test_a_did_out_of_use_is_gone_and_its_past_is_not(life: Life) -> None:
    gone = await resolved(life.mesh, life.did)
    assert (gone.status_code, gone.json()["didDocument"]) == (410, None)
    assert gone.json()["didDocumentMetadata"]["deactivated"] is True
    assert "updated" in gone.json()["didDocumentMetadata"]
    then = await resolved(life.mesh, life.did, versionTime=text_of(life.at(1)))
    assert (then.status_code, set(methods(document(then)))) == (200, {key_of(2)})
    bare = await resolved(life.mesh, life.did, accept="application/did")
    assert (bare.status_code, bare.content) == (410, b"")


async def test_did_json_takes_the_same_wishes(life: Life) -> None:
    path = f"/prod/agents/{life.did.split(':')[2]}/did.json"
    assert (await life.mesh.fetch(path)).status_code == 410
    for query, number in (
        (f"versionId={life.versions[0].did_version_id}", 1),
        (f"versionTime={quote(text_of(life.at(1.5)))}", 2),
    ):
        answer = await life.mesh.fetch(f"{path}?{query}")
        assert (answer.status_code, set(methods(answer.json()))) == (200, {key_of(number)})
    missing = await life.mesh.fetch(f"{path}?versionId=7-Qm")
    assert (missing.status_code, missing.json()["type"], missing.json()["error"]) == (
        404,
        TYPES + "NOT_FOUND",
        "notFound",
    )
    malformed = await life.mesh.fetch(f"{path}?versionTime=yesterday")
    assert (malformed.status_code, malformed.json()["type"]) == (400, TYPES + "INVALID_OPTIONS")


@pytest.mark.parametrize(
    ("did", "status", "kind", "former"),
    [
        (f"did:webvh:{NOBODY}:prod.id.ringfence.internal:agents:{NOBODY}", 404, "NOT_FOUND", "notFound"),
        (f"did:webvh:{NOBODY}:prod.example.com:agents:{NOBODY}", 404, "NOT_FOUND", "notFound"),
        ("did:web:somewhere.example.com", 404, "NOT_FOUND", "notFound"),
        ("did:webvh:Qm:prod.id.ringfence.internal", 400, "INVALID_DID", "invalidDid"),
        ("did:web:127.0.0.1", 400, "INVALID_DID", "invalidDid"),
        ("did:key:zNope", 400, "INVALID_DID", "invalidDid"),
        ("not-a-did", 400, "INVALID_DID", "invalidDid"),
        ("did:mesh:0123456789abcdef", 501, "METHOD_NOT_SUPPORTED", "methodNotSupported"),
        ("did:ethr:0xabc", 501, "METHOD_NOT_SUPPORTED", "methodNotSupported"),
    ],
)
async def test_what_cannot_be_resolved_is_a_problem_with_its_type_and_its_former_name(
    mesh: IdentityMesh, did: str, status: int, kind: str, former: str
) -> None:
    answer = await resolved(mesh, did)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/did-resolution"
    body = answer.json()
    assert (body["didDocument"], body["didDocumentMetadata"]) == (None, {})
    error = body["didResolutionMetadata"]["error"]
    assert (error["type"], error["status"], error["error"]) == (TYPES + kind, status, former)
    as_before = (await resolved(mesh, did, accept=FORMER)).json()["didResolutionMetadata"]
    assert as_before == {"error": former, "problemDetails": error}
    bare = await resolved(mesh, did, accept="application/did")
    assert (bare.status_code, bare.headers["content-type"]) == (status, "application/problem+json")
    assert bare.json() == error


@pytest.mark.parametrize(
    "query",
    [
        "versionId=1-Qm&versionTime=2026-01-01T00:00:00Z",
        "versionId=1-Qm&versionId=2-Qm",
        "versionId=",
        "versionTime=2026-01-01T00:00:00.5Z",
        "versionTime=2026-01-01",
        "versionTime=2026-13-01T00:00:00Z",
    ],
)
async def test_a_wish_that_cannot_be_read_is_an_invalid_option(life: Life, query: str) -> None:
    answer = await life.mesh.fetch(f"/1.0/identifiers/{life.did}?{query}")
    assert answer.status_code == 400
    assert answer.json()["didResolutionMetadata"]["error"]["type"] == TYPES + "INVALID_OPTIONS"


@pytest.mark.parametrize(
    ("accept", "status", "served"),
    [
        ("", 200, "application/did-resolution"),
        ("*/*", 200, "application/did-resolution"),
        ("application/did-resolution", 200, "application/did-resolution"),
        ("application/json", 200, "application/json"),
        ("text/html, application/did;q=0.9", 200, "application/did"),
        ("application/did;q=0.1, application/did-resolution;q=0.2", 200, "application/did-resolution"),
        ("APPLICATION/DID+JSON", 200, "application/did+json"),
        (FORMER, 200, FORMER),
        ("text/html", 406, "application/problem+json"),
        ("application/did;q=0", 406, "application/problem+json"),
        ("application/did;q=often", 406, "application/problem+json"),
    ],
)
async def test_an_answer_is_of_a_type_that_was_asked_for(
    mesh: IdentityMesh, accept: str, status: int, served: str
) -> None:
    agent = (await mesh.enrol()).identity
    answer = await resolved(mesh, agent.did, accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (status, served)
    if status == 406:
        assert answer.json()["type"] == TYPES + "REPRESENTATION_NOT_SUPPORTED"


async def test_a_did_may_stand_in_the_path_as_it_is_or_encoded(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    for spelled in (agent.did, quote(agent.did, safe=""), quote(agent.did, safe=":")):
        assert (await mesh.fetch(f"/1.0/identifiers/{spelled}")).json()["didDocument"]["id"] == agent.did


async def test_a_quick_succession_keeps_moments_apart(mesh: IdentityMesh) -> None:
    """Three versions within one second of the clock are a second apart in history."""
    identity = (await mesh.enrol(key=seeded_key(1))).identity
    born = mesh.clock.now()
    for number in (1, 2):
        request = rotation(identity, seeded_key(number), seeded_key(number + 1))
        identity = (await mesh.identity().RotateKey(request)).identity
    mesh.clock.advance(Millis(10 * SECOND))
    for number in (1, 2, 3):
        at = timestamp(Instant(born + (number - 1) * SECOND))
        answer = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=identity.did, version_time=at))
        assert key_of(number).encode() in answer.did_document
