"""The log of mutations over the wire: what an outsider can check without believing us, and every refusal."""

import json
import sqlite3
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ringfence.identity.v1 import identity_pb2 as ipb
from ringfence.identity.v1 import transparency_pb2 as pb
from ringfence.identity.v1 import transparency_pb2_grpc
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.merkle import Digest, leaf_hash, verify_consistency, verify_inclusion
from ringfence.proofs.signed_note import VerifierKey, parse_checkpoint, parse_note, verify_note
from ringfence_identity.transparency.log import LogDoesNotFit
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import DAY, Millis
from support.identity.births import COMPLETE
from support.identity.evidence import record, signal
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, IdentityMesh, identity_mesh
from support.serving import OPERATOR, SERVICE
from support.wire import refusal

AGENT = Caller(
    principal="did:web:agents.example:b",
    roles=frozenset({Role.AGENT}),
    agents=frozenset({"did:web:agents.example:b"}),
    environment="prod",
)
ADDED = 12
"""Sponsors a filled log has at its end, after what the service entered by itself when it first started."""


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        yield running


@pytest.fixture
async def filled(mesh: IdentityMesh) -> IdentityMesh:
    await mesh.with_sponsors(*(f"s{number}" for number in range(ADDED)))
    return mesh


@pytest.fixture
async def size(filled: IdentityMesh) -> int:
    return (await newest(filled)).tree_size


def log_of(mesh: IdentityMesh, caller: Caller = OPERATOR) -> Any:
    return transparency_pb2_grpc.TransparencyServiceStub(mesh.channel(caller))


async def entries_of(mesh: IdentityMesh, **wanted: Any) -> list[pb.LogEntry]:
    return list((await log_of(mesh).ListLogEntries(pb.ListLogEntriesRequest(page_size=1_000, **wanted))).entries)


def bodies(entries: list[pb.LogEntry]) -> list[dict[str, Any]]:
    return [json.loads(entry.body) for entry in entries]


def head_of(checkpoint: pb.Checkpoint) -> Digest:
    """Return the root of a checkpoint that verifies under the key it came with."""
    note = parse_note(checkpoint.signed_note)
    verify_note(note, VerifierKey.parse(checkpoint.verifier_key))
    head = parse_checkpoint(note.text)
    assert (head.origin, head.size, head.root) == (
        "ringfence.internal/identity",
        checkpoint.tree_size,
        checkpoint.root_hash,
    )
    return head.root


async def newest(mesh: IdentityMesh) -> pb.Checkpoint:
    answer: pb.GetCheckpointResponse = await log_of(mesh).GetCheckpoint(pb.GetCheckpointRequest())
    return answer.checkpoint


class TestWhatIsInIt:
    async def test_the_life_of_an_agent(self, mesh: IdentityMesh) -> None:
        start = (await newest(mesh)).tree_size
        await mesh.with_sponsors()
        agent = (await mesh.enrol()).identity
        denied = [signal(mesh, agent, str(uuid.uuid4()), tpb.SIGNAL_KIND_ACTION_DENIED) for _ in range(3)]
        await record(mesh, *denied)
        revoke = ipb.RevokeRequest(did=agent.did, reason="over", request_id=str(uuid.uuid4()))
        await mesh.identity().Revoke(revoke)
        said = bodies(await entries_of(mesh))
        assert [one["revision"] for one in said] == list(range(1, len(said) + 1))
        assert [(one["kind"], one["change"]) for one in said[start : start + 3]] == [
            ("sponsor", "added"),
            ("sponsor", "added"),
            ("identity", "added"),
        ]
        about = bodies(await entries_of(mesh, subject=agent.did))
        assert {one["name"] for one in about} == {agent.did}
        assert {one["environment"] for one in about} == {"prod"}
        # A batch of signals is one state of the agent; the revocation is one as well, and what watchers are told of it.
        assert [one["kind"] for one in about].count("identity") == 3
        assert {one["kind"] for one in about} == {"identity", "revocation"}
        assert {one["actor"] for one in about} == {"dev:operator"}

    async def test_reads_and_refusals_are_not(self, filled: IdentityMesh) -> None:
        before = await newest(filled)
        again = ipb.RegisterSponsorRequest(sponsor_id="s1", sponsor=ipb.Sponsor(display_name="S", contact="s@e.com"))
        assert (await refusal(filled.identity().RegisterSponsor(again))).reason == "SPONSOR_ALREADY_EXISTS"
        await filled.begin(
            "nobody-finishes", content=replace(COMPLETE, sponsor="sponsors/s1", backup_sponsor="sponsors/s2")
        )
        assert await newest(filled) == before

    async def test_a_repeated_request_is_one_entry(self, mesh: IdentityMesh) -> None:
        request = ipb.RegisterSponsorRequest(
            sponsor_id="ada",
            sponsor=ipb.Sponsor(display_name="Ada", contact="ada@example.com"),
            request_id=str(uuid.uuid4()),
        )
        before = await entries_of(mesh)
        for _ in range(3):
            await mesh.identity().RegisterSponsor(request)
        assert len(await entries_of(mesh)) == len(before) + 1

    async def test_no_personal_data(self, mesh: IdentityMesh) -> None:
        sponsor = ipb.Sponsor(display_name="Ada Example", contact="ada@example.com")
        request = ipb.RegisterSponsorRequest(sponsor_id="a1", sponsor=sponsor)
        admin = Caller(principal="test:ada@example.com", roles=frozenset({Role.PLATFORM_ADMIN}))
        await mesh.identity(admin).RegisterSponsor(request)
        (entry,) = await entries_of(mesh, subject="sponsors/a1")
        assert b"example" not in entry.body
        assert b"Ada" not in entry.body
        assert json.loads(entry.body)["actor"].startswith("person:")


class TestProofs:
    async def test_what_was_acknowledged_is_provable_at_once(self, mesh: IdentityMesh) -> None:
        start = (await newest(mesh)).tree_size
        for number in range(start, start + 5):
            await mesh.with_sponsors(f"s{number}")
            proof = await log_of(mesh).GetInclusionProof(pb.GetInclusionProofRequest(index=number))
            assert proof.tree_size == proof.checkpoint.tree_size == number + 1
            entry = (await entries_of(mesh))[number]
            assert entry.leaf_hash == proof.leaf_hash == leaf_hash(entry.body)
            hashes = [Digest(each) for each in proof.hashes]
            verify_inclusion(leaf_hash(entry.body), number, number + 1, hashes, head_of(proof.checkpoint))

    async def test_every_smaller_log_is_a_prefix(self, mesh: IdentityMesh) -> None:
        roots = {}
        for number in range(6):
            head = await newest(mesh)
            roots[head.tree_size] = head_of(head)
            await mesh.with_sponsors(f"s{number}")
        for first, root in roots.items():
            answer = await log_of(mesh).GetConsistencyProof(pb.GetConsistencyProofRequest(first_tree_size=first))
            hashes = [Digest(each) for each in answer.hashes]
            verify_consistency(first, root, answer.second_tree_size, head_of(answer.checkpoint), hashes)
        smaller, larger = sorted(roots)[1], sorted(roots)[4]
        between = pb.GetConsistencyProofRequest(first_tree_size=smaller, second_tree_size=larger)
        hashes = [Digest(each) for each in (await log_of(mesh).GetConsistencyProof(between)).hashes]
        verify_consistency(smaller, roots[smaller], larger, roots[larger], hashes)

    async def test_a_restart_goes_on_with_the_same_log_and_key(self, tmp_path: Path) -> None:
        async with identity_mesh(tmp_path) as mesh:
            await mesh.with_sponsors()
            before = await newest(mesh)
        async with identity_mesh(tmp_path) as mesh:
            assert await newest(mesh) == before
            await mesh.with_sponsors("katherine")
            assert (await newest(mesh)).verifier_key == before.verifier_key
            request = pb.GetConsistencyProofRequest(first_tree_size=before.tree_size)
            answer = await log_of(mesh).GetConsistencyProof(request)
            hashes = [Digest(each) for each in answer.hashes]
            size = before.tree_size
            verify_consistency(size, head_of(before), size + 1, head_of(answer.checkpoint), hashes)

    @pytest.mark.parametrize(
        "altering",
        [
            "DELETE FROM log_entries WHERE position = (SELECT max(position) FROM log_entries)",
            "UPDATE log_entries SET body = CAST(replace(CAST(body AS TEXT), 'ada', 'eve') AS BLOB) WHERE position >= 0",
            "DELETE FROM log_tiles",
            "DELETE FROM log_entries",
            "DELETE FROM log_heads WHERE name = 'tree'",
            "UPDATE log_heads SET record = (SELECT record FROM log_heads WHERE name = 'tree')",
        ],
    )
    async def test_a_log_that_was_altered_is_not_served(self, tmp_path: Path, altering: str) -> None:
        async with identity_mesh(tmp_path) as mesh:
            await mesh.with_sponsors("grace", "ada")
            await newest(mesh)
        with sqlite3.connect(tmp_path / "identity.db") as connection:
            connection.execute(altering)
        with pytest.raises(LogDoesNotFit):
            async with identity_mesh(tmp_path):
                raise AssertionError("it started")


class TestPages:
    async def test_a_walk_sees_every_entry_once(self, filled: IdentityMesh, size: int) -> None:
        seen, token = list[int](), ""
        while True:
            page = await log_of(filled).ListLogEntries(pb.ListLogEntriesRequest(page_size=5, page_token=token))
            seen += [entry.index for entry in page.entries]
            token = page.next_page_token
            if not token:
                break
        assert seen == list(range(size))

    async def test_from_somewhere_and_about_somebody(self, filled: IdentityMesh, size: int) -> None:
        last = [size - 3, size - 2, size - 1]
        assert [entry.index for entry in await entries_of(filled, start_index=size - 3)] == last
        assert [entry.index for entry in await entries_of(filled, subject=f"sponsors/s{ADDED - 3}")] == [size - 3]
        assert await entries_of(filled, subject=f"sponsors/s{ADDED - 3}", start_index=size - 2) == []
        assert await entries_of(filled, start_index=2**63 - 1) == []

    async def test_a_token_is_for_its_caller_and_question(self, filled: IdentityMesh) -> None:
        page = await log_of(filled).ListLogEntries(pb.ListLogEntriesRequest(page_size=5))
        token = page.next_page_token
        asked = pb.ListLogEntriesRequest(page_size=5, page_token=token)
        assert [entry.index for entry in (await log_of(filled).ListLogEntries(asked)).entries] == [5, 6, 7, 8, 9]
        for caller, request in (
            (AUDITOR, asked),
            (OPERATOR, pb.ListLogEntriesRequest(subject="sponsors/s1", page_token=token)),
            (OPERATOR, pb.ListLogEntriesRequest(page_token=token[:-2])),
            (OPERATOR, pb.ListLogEntriesRequest(page_token="1")),
        ):
            assert (await refusal(log_of(filled, caller).ListLogEntries(request))).reason == "PAGE_TOKEN_INVALID"
        filled.clock.advance(Millis(4 * DAY))
        assert (await refusal(log_of(filled).ListLogEntries(asked))).reason == "PAGE_TOKEN_INVALID"


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_", "fields"),
        [
            (pb.ListLogEntriesRequest(page_size=-1, start_index=-1), {"page_size", "start_index"}),
            (pb.ListLogEntriesRequest(subject="a\nb"), {"subject"}),
            (pb.ListLogEntriesRequest(subject="x" * 1_025), {"subject"}),
            (pb.GetInclusionProofRequest(index=-1, tree_size=-1), {"index", "tree_size"}),
            (pb.GetConsistencyProofRequest(first_tree_size=-1), {"first_tree_size"}),
            (pb.GetConsistencyProofRequest(first_tree_size=3, second_tree_size=2), {"second_tree_size"}),
        ],
    )
    async def test_what_is_wrong_is_named(self, mesh: IdentityMesh, request_: Any, fields: set[str]) -> None:
        method = type(request_).__name__.removesuffix("Request")
        refused = await refusal(getattr(log_of(mesh), method)(request_))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert set(refused.violations) == fields

    async def test_an_entry_that_is_not_there(self, filled: IdentityMesh, size: int) -> None:
        for index in (size, 2**63 - 1):
            refused = await refusal(log_of(filled).GetInclusionProof(pb.GetInclusionProofRequest(index=index)))
            assert (refused.code, refused.reason) == ("NOT_FOUND", "LOG_ENTRY_NOT_FOUND")
            assert refused.metadata["tree_size"] == str(size)

    async def test_a_tree_that_never_was(self, filled: IdentityMesh, size: int) -> None:
        for request in (
            pb.GetInclusionProofRequest(index=3, tree_size=3),
            pb.GetInclusionProofRequest(index=3, tree_size=size + 1),
            pb.GetConsistencyProofRequest(first_tree_size=size + 1),
            pb.GetConsistencyProofRequest(first_tree_size=1, second_tree_size=2**63 - 1),
        ):
            method = type(request).__name__.removesuffix("Request")
            refused = await refusal(getattr(log_of(filled), method)(request))
            assert (refused.code, refused.reason) == ("OUT_OF_RANGE", "TREE_SIZE_OUT_OF_RANGE")

    async def test_everybody_may_witness_and_few_may_read(self, filled: IdentityMesh) -> None:
        for caller in (OPERATOR, SERVICE, AUDITOR, OWNER, GATEWAY, AGENT):
            assert (await log_of(filled, caller).GetCheckpoint(pb.GetCheckpointRequest())).checkpoint.tree_size
            await log_of(filled, caller).GetInclusionProof(pb.GetInclusionProofRequest(index=1))
            await log_of(filled, caller).GetConsistencyProof(pb.GetConsistencyProofRequest(first_tree_size=1))
        for caller in (OPERATOR, SERVICE, AUDITOR):
            assert (await log_of(filled, caller).ListLogEntries(pb.ListLogEntriesRequest())).entries
        for caller in (OWNER, GATEWAY, AGENT):
            refused = await refusal(log_of(filled, caller).ListLogEntries(pb.ListLogEntriesRequest()))
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        refused = await refusal(log_of(filled, ANONYMOUS).GetCheckpoint(pb.GetCheckpointRequest()))
        assert refused.code == "UNAUTHENTICATED"
