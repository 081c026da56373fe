"""Identity's log of the tests' own: a real Merkle log over the entries it is given, and lies to see caught."""

from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from ringfence.identity.v1 import transparency_pb2 as pb
from ringfence.identity.v1 import transparency_pb2_grpc
from ringfence.proofs.merkle import consistency_proof, inclusion_proof, leaf_hash

from support.launcher.audit_logs import AuditLog, signer
from support.launcher.refusals import Saw, refuse

Answer = TypeVar("Answer")


class FakeTransparency(transparency_pb2_grpc.TransparencyServiceServicer):
    """`log` is what it keeps; `lies` are applied to answers by method name."""

    def __init__(self, saw: Saw) -> None:
        self._saw = saw
        self.log = AuditLog([f'{{"revision":{n + 1}}}'.encode() for n in range(6)], key=signer(seed=9))
        self.lies: dict[str, Callable[[Any], object]] = {}
        self.page_limit = 1_000

    def GetCheckpoint(self, request: Any, context: Any) -> pb.GetCheckpointResponse:
        self._saw(request, context)
        return self._told("GetCheckpoint", pb.GetCheckpointResponse(checkpoint=self._checkpoint()))

    def ListLogEntries(self, request: Any, context: Any) -> pb.ListLogEntriesResponse:
        self._saw(request, context)
        start = int(request.page_token or request.start_index)
        end = min(start + min(request.page_size, self.page_limit), len(self.log.bodies))
        following = str(end) if end < len(self.log.bodies) else ""
        entries = [self._entry(index) for index in range(start, end)]
        return self._told("ListLogEntries", pb.ListLogEntriesResponse(entries=entries, next_page_token=following))

    def GetInclusionProof(self, request: Any, context: Any) -> pb.GetInclusionProofResponse:
        self._saw(request, context)
        size = len(self.log.bodies)
        if request.index >= size:
            refuse(context, grpc.StatusCode.NOT_FOUND, "LOG_ENTRY_NOT_FOUND", "the log has no such entry")
        proof = pb.GetInclusionProofResponse(
            index=request.index,
            leaf_hash=leaf_hash(self.log.bodies[request.index]),
            hashes=inclusion_proof(request.index, size, self.log.subtree),
            tree_size=size,
            checkpoint=self._checkpoint(),
        )
        return self._told("GetInclusionProof", proof)

    def GetConsistencyProof(self, request: Any, context: Any) -> pb.GetConsistencyProofResponse:
        self._saw(request, context)
        hashes = consistency_proof(request.first_tree_size, request.second_tree_size, self.log.subtree)
        response = pb.GetConsistencyProofResponse(hashes=hashes, second_tree_size=request.second_tree_size)
        return self._told("GetConsistencyProof", response)

    def _checkpoint(self) -> pb.Checkpoint:
        return pb.Checkpoint(
            tree_size=len(self.log.bodies), signed_note=self.log.checkpoint(), verifier_key=self.log.verifier_key
        )

    def _entry(self, index: int) -> pb.LogEntry:
        body = self.log.bodies[index]
        return pb.LogEntry(index=index, body=body, leaf_hash=leaf_hash(body))

    def _told(self, method: str, answer: Answer) -> Answer:
        self.lies.get(method, lambda _: None)(answer)
        return answer
