"""Reads the audit log as a suspicious stranger: every entry, every head, and the proofs between heads."""

import asyncio
import time
from collections.abc import Iterable, Sequence

from ringfence.backoff import Backoff
from ringfence.errors import NotFoundError
from ringfence.pace import Pace
from ringfence.proofs.merkle import Digest, Frontier, leaf_hash, verify_consistency, verify_inclusion
from ringfence.proofs.signed_note import VerifierKey, parse_checkpoint, parse_note, verify_note
from ringfence.telemetry.v1 import audit_pb2 as pb
from ringfence.telemetry.v1 import audit_pb2_grpc
from ringfence_telemetry.decision_document import canonical

from support.mesh.load import PATIENCE_S

PROOFS = 40
"""Heads from which a consistency proof is asked for; the roots of the others are computed."""


def decision_body(decision_id: str, **members: object) -> bytes:
    """Return the document of a decision about an agent nobody knows: logged, and evidence against nobody."""
    document: dict[str, object] = {
        "type": "decision",
        "version": 1,
        "decision_id": decision_id,
        "decide_time_ms": time.time_ns() // 1_000_000,
        "environment": "dev",
        "did": "",
        "effect": "DENY",
        "reason": "AGENT_UNKNOWN",
    }
    return canonical(document | members)


async def every_entry(stub: "audit_pb2_grpc.AuditServiceAsyncStub") -> list[pb.AuditEntry]:
    """Return the whole log, in its order."""
    found: list[pb.AuditEntry] = []
    request = pb.ListEntriesRequest(page_size=1_000)
    while True:
        page = await stub.ListEntries(request, timeout=PATIENCE_S, wait_for_ready=True)
        found += page.entries
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


async def logged(stub: "audit_pb2_grpc.AuditServiceAsyncStub", decision_id: str) -> pb.AuditEntry:
    """Return the entry of a decision once it has come through the spool of whoever decided."""
    backoff = Backoff(first=0.02, cap=0.2)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return (await stub.GetEntry(pb.GetEntryRequest(decision_id=decision_id))).entry
            except NotFoundError:
                await Pace().sleep_async(backoff.next_wait())


async def verify_whole_log(
    stub: "audit_pb2_grpc.AuditServiceAsyncStub", entries: Sequence[pb.AuditEntry], seen: Iterable[pb.Checkpoint]
) -> None:
    """Fail unless the log is dense, its head is the root of all of it, and every head seen before is a prefix."""
    assert [entry.index for entry in entries] == list(range(len(entries)))
    leaves = [leaf_hash(entry.body) for entry in entries]
    assert leaves == [entry.leaf_hash for entry in entries]
    head = (await stub.GetCheckpoint(pb.GetCheckpointRequest())).checkpoint
    assert head.tree_size == len(entries)
    heads = sorted({checkpoint.tree_size: checkpoint for checkpoint in [*seen, head]}.items())
    frontier = Frontier()
    for size, checkpoint in heads:
        frontier, _ = frontier.grow(leaves[frontier.size : size])
        assert frontier.root() == checkpoint.root_hash, f"the head of {size} entries was of another history"
        verify_head(checkpoint, pinned=head.verifier_key)
    for size, checkpoint in heads[:: max(1, len(heads) // PROOFS)]:
        if size:
            proof = await stub.GetConsistencyProof(
                pb.GetConsistencyProofRequest(first_tree_size=size, second_tree_size=head.tree_size)
            )
            verify_consistency(
                size,
                Digest(checkpoint.root_hash),
                head.tree_size,
                Digest(head.root_hash),
                [Digest(digest) for digest in proof.hashes],
            )


def verify_head(checkpoint: pb.Checkpoint, *, pinned: str) -> None:
    """Fail unless the head says what its note says, signed by the key that was pinned."""
    note = parse_note(checkpoint.signed_note)
    verify_note(note, VerifierKey.parse(pinned))
    said = parse_checkpoint(note.text)
    assert (said.size, said.root) == (checkpoint.tree_size, checkpoint.root_hash)


async def verify_inclusion_of(stub: "audit_pb2_grpc.AuditServiceAsyncStub", decision_id: str) -> int:
    """Return the place of a decision in the log, or fail when the proof for it does not hold."""
    proof = await stub.GetInclusionProof(pb.GetInclusionProofRequest(decision_id=decision_id))
    verify_inclusion(
        Digest(proof.leaf_hash),
        proof.index,
        proof.tree_size,
        [Digest(digest) for digest in proof.hashes],
        Digest(proof.checkpoint.root_hash),
    )
    return proof.index
