"""Holes of a hash chain that trusts itself, each tried on this log: the database is altered, the service is stopped,
and what it exported is judged by keys alone."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import rfc8785
from ringfence.proofs.log_export import write_checkpoint, write_entry, write_header
from ringfence.proofs.log_export_check import verify_export
from ringfence.proofs.log_export_report import Problem, Report, TrustedKey
from ringfence.proofs.merkle import (
    Digest,
    Frontier,
    ProofInvalid,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from ringfence.proofs.signed_note import VerifierKey
from ringfence.telemetry.v1 import audit_pb2 as pb
from support import rfc_verifier
from support.telemetry.decisions import body, document
from support.telemetry.mesh import TelemetryMesh, telemetry_mesh
from support.wire import refusal

ORIGIN = "ringfence.internal/audit"


async def filled(data: Path, entries: int) -> pb.Checkpoint:
    """Run telemetry, append so many decisions, and stop it; return the head a witness would remember."""
    async with telemetry_mesh(data) as telemetry:
        appended = await telemetry.append(*[body(number) for number in range(1, entries + 1)])
    return appended.checkpoint


def alter(data: Path, change: Callable[[sqlite3.Connection], object]) -> None:
    """Change the database behind the service's back."""
    with sqlite3.connect(data / "telemetry.db") as connection:
        change(connection)
    connection.close()


def forge(data: Path, bodies: Sequence[bytes]) -> None:
    """Put another history in the place of the log, with every hash computed anew: all but the signatures."""

    def change(connection: sqlite3.Connection) -> None:
        (form,) = connection.execute("select entry_key from audit_entries where position = 0").fetchone()
        assert form.startswith("decision:")
        connection.execute("delete from audit_entries where position >= ?", (len(bodies),))
        for place, each in enumerate(bodies):
            row = (each, leaf_hash(each), place)
            connection.execute("update audit_entries set body = ?, leaf_hash = ? where position = ?", row)
        leaves = b"".join(leaf_hash(each) for each in bodies)
        connection.execute("update audit_tiles set hashes = ? where level = 0 and position = 0", (leaves,))

    alter(data, change)


async def exported(data: Path) -> list[str]:
    """Start telemetry on what is there, take what an export takes, and stop it."""
    async with telemetry_mesh(data) as telemetry:
        entries = (await telemetry.audit().ListEntries(pb.ListEntriesRequest(page_size=1_000))).entries
        head = (await telemetry.audit().GetCheckpoint(pb.GetCheckpointRequest())).checkpoint
    lines = [write_entry(entry.index, entry.body) for entry in entries]
    return [write_header(ORIGIN), *lines, write_checkpoint(head.signed_note)]


async def judged(data: Path, before: pb.Checkpoint, *, seen: bool = False) -> Report:
    keys = [TrustedKey(VerifierKey.parse(before.verifier_key))]
    return verify_export(await exported(data), keys, [before.signed_note] if seen else [])


def found(report: Report) -> set[Problem]:
    return {each.problem for each in report.findings}


async def test_an_untouched_log_holds(tmp_path: Path) -> None:
    before = await filled(tmp_path, 8)
    assert (await judged(tmp_path, before, seen=True)).ok


async def test_entries_three_to_seven_of_eight_rewritten_with_their_hashes(tmp_path: Path) -> None:
    before = await filled(tmp_path, 8)
    forged = [body(n) if n < 4 else body(n, effect="DENY", reason="RULE_DENIED") for n in range(1, 9)]
    forge(tmp_path, forged)
    report = await judged(tmp_path, before)
    (rewritten,) = [each for each in report.findings if each.problem is Problem.REWRITTEN]
    assert rewritten.first_index is not None
    assert rewritten.end_index is not None
    assert rewritten.first_index <= 3
    assert rewritten.end_index > 7


@pytest.mark.parametrize("left", [0, 3, 7])
async def test_a_tail_that_was_cut_off(tmp_path: Path, left: int) -> None:
    before = await filled(tmp_path, 8)
    alter(tmp_path, lambda database: database.execute("delete from audit_entries where position >= ?", (left,)))
    report = await judged(tmp_path, before)
    (truncated,) = [each for each in report.findings if each.problem is Problem.TRUNCATED]
    assert (truncated.first_index, truncated.end_index) == (left, 8)


async def test_a_tail_that_was_cut_off_with_its_head(tmp_path: Path) -> None:
    async with telemetry_mesh(tmp_path) as telemetry:
        for number in range(1, 9):
            before = (await telemetry.append(body(number), first=number)).checkpoint

    def cut(database: sqlite3.Connection) -> None:
        database.execute("delete from audit_entries where position >= 5")
        database.execute("delete from audit_checkpoints where size > 5")

    alter(tmp_path, cut)
    assert (await judged(tmp_path, before)).ok  # nothing in the file can show it:
    assert found(await judged(tmp_path, before, seen=True)) == {Problem.TRUNCATED}  # whoever looked before can


MEMBERS = {
    "effect": "DENY",
    "reason": "RULE_DENIED",
    "rules": ["house/other"],
    "did": "did:web:agents.example:other",
    "trace_id": "f" * 32,
    "session": "another",
    "approval": {"by": "person:2"},
    "bundle_digest": "sha256-2",
    "input_digest": "sha256-3",
    "agent": "namespaces/a/agents/other",
    "tool": "warehouse.drop",
    "environment": "dev",
    "decide_time_ms": 1,
    "ring": 0,
}
"""Members of a decision, each with another value: what was decided, by which rule of which policy, about whom, in which
trace and session, approved by whom, on what arguments."""


@pytest.mark.parametrize("member", MEMBERS)
async def test_no_member_of_a_decision_can_be_changed_afterwards(tmp_path: Path, member: str) -> None:
    original = document(
        2,
        rules=["house/read"],
        trace_id="1" * 32,
        session="s",
        approval={"by": "person:1"},
        bundle_digest="sha256-1",
        input_digest="sha256-1",
        agent="namespaces/a/agents/one",
        tool="warehouse.query",
        ring=2,
    )
    async with telemetry_mesh(tmp_path) as telemetry:
        before = (await telemetry.append(body(1), rfc8785.dumps(original), body(3))).checkpoint
    changed = rfc8785.dumps(original | {member: MEMBERS[member]})
    alter(
        tmp_path, lambda database: database.execute("update audit_entries set body = ? where position = 1", (changed,))
    )
    assert Problem.REWRITTEN in found(await judged(tmp_path, before))
    async with telemetry_mesh(tmp_path) as telemetry:
        proof = await telemetry.audit().GetInclusionProof(pb.GetInclusionProofRequest(index=1))
        served = (await telemetry.audit().GetEntry(pb.GetEntryRequest(index=1))).entry
        with pytest.raises(ProofInvalid):
            verify_inclusion(leaf_hash(served.body), 1, 3, [Digest(h) for h in proof.hashes], Digest(before.root_hash))


async def test_a_service_on_altered_data_never_signs_it_as_the_log_it_was(tmp_path: Path) -> None:
    before = await filled(tmp_path, 8)
    forge(tmp_path, [body(n, effect="DENY", reason="RULE_DENIED") for n in range(1, 9)])
    async with telemetry_mesh(tmp_path) as telemetry:
        await telemetry.append(body(9), first=9)
        served = await telemetry.audit().GetConsistencyProof(pb.GetConsistencyProofRequest(first_tree_size=8))
        proof = [Digest(each) for each in served.hashes]
        head = served.checkpoint
    assert head.tree_size == 9
    report = await judged(tmp_path, before, seen=True)
    assert not report.ok
    verify_consistency(8, Digest(before.root_hash), 9, Digest(head.root_hash), proof)  # what was signed stays signed


class TestTheTree:
    """What such chains get wrong about trees, at the sizes where they do."""

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 8, 9, 10, 255, 256, 257])
    def test_a_root_grown_is_the_root_rebuilt(self, size: int) -> None:
        entries = [b"%d" % number for number in range(size)]
        grown = Frontier()
        for entry in entries:
            grown, _ = grown.grow([leaf_hash(entry)])
        assert grown.root() == rfc_verifier.tree_hash(entries)
        assert grown == Frontier().grow(map(leaf_hash, entries))[0]

    def test_a_log_of_one_has_a_proof(self) -> None:
        leaf = leaf_hash(b"only")
        assert inclusion_proof(0, 1, lambda _level, _index: leaf) == []
        verify_inclusion(leaf, 0, 1, [], Frontier().grow([leaf])[0].root())

    def test_an_entry_cannot_pose_as_a_node_nor_two_as_one(self) -> None:
        left, right = leaf_hash(b"a"), leaf_hash(b"b")
        pair = Frontier().grow([left, right])[0].root()
        assert leaf_hash(left + right) != pair
        assert leaf_hash((left.hex() + right.hex()).encode()) != pair

    @pytest.mark.parametrize("padding", [b"", b"\x00", b"\x00" * 32, b"0" * 64])
    def test_padding_is_no_part_of_a_tree(self, padding: bytes) -> None:
        three = [leaf_hash(each) for each in (b"a", b"b", b"c")]
        root = Frontier().grow(three)[0].root()
        assert root != Frontier().grow([*three, leaf_hash(padding)])[0].root()
        assert root != Frontier().grow([*three, three[-1]])[0].root()

    @pytest.mark.parametrize("second", [5, 6, 9, 64])
    def test_every_size_is_proven_to_be_a_prefix(self, second: int) -> None:
        entries = [b"%d" % number for number in range(second)]
        _, completed = Frontier().grow(map(leaf_hash, entries))
        known = {(each.level, each.index): each.digest for each in completed}
        new = Digest(rfc_verifier.tree_hash(entries))
        for first in range(1, second + 1):
            old = Digest(rfc_verifier.tree_hash(entries[:first]))
            proof = consistency_proof(first, second, lambda level, index: known[level, index])
            verify_consistency(first, old, second, new, proof)
            assert len(proof) <= 2 * second.bit_length()


async def test_a_proof_reads_a_handful_of_tiles_however_long_the_log(tmp_path: Path) -> None:
    async with telemetry_mesh(tmp_path) as telemetry:
        await fill(telemetry, 3_000)
        proof = await telemetry.audit().GetInclusionProof(pb.GetInclusionProofRequest(index=1_234))
    assert len(proof.hashes) <= 12
    verify_inclusion(
        leaf_hash(body(1_235)),
        1_234,
        3_000,
        [Digest(each) for each in proof.hashes],
        Digest(proof.checkpoint.root_hash),
    )


async def fill(telemetry: TelemetryMesh, entries: int) -> None:
    for first in range(1, entries + 1, 1_000):
        await telemetry.append(*[body(n) for n in range(first, first + 1_000)], first=first)


async def test_the_log_outlives_the_process_and_is_signed(tmp_path: Path) -> None:
    before = await filled(tmp_path, 8)
    assert before.signed_note.startswith(f"{ORIGIN}\n8\n")
    async with telemetry_mesh(tmp_path) as telemetry:
        assert (await telemetry.audit().GetCheckpoint(pb.GetCheckpointRequest())).checkpoint == before
        entry = (await telemetry.audit().GetEntry(pb.GetEntryRequest(index=7))).entry
    assert json.loads(entry.body) == document(8)


async def test_nothing_is_ever_replaced(tmp_path: Path) -> None:
    async with telemetry_mesh(tmp_path) as telemetry:
        await telemetry.append(body(1))
        refused = await refusal(telemetry.append(body(1, effect="DENY", reason="RULE_DENIED")))
        assert refused.reason == "DECISION_CONFLICT"
