"""Telemetry's audit log as a witness needs it, over a channel for asyncio: heads as they come, proofs, cosigning."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import grpc.aio

from ringfence.proofs.merkle import Digest
from ringfence.telemetry.v1 import audit_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class ShownHead:
    """A head as the log shows it; nothing is verified."""

    note: str
    verifier_key: str


class AuditedLog:
    """The log behind a channel. Raises RingfenceError."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = AuditServiceStub(channel)

    async def heads(self) -> AsyncIterator[ShownHead]:
        """Yield the newest head, and then every one that is told of."""
        async for answer in self._stub.WatchCheckpoints(audit_pb2.WatchCheckpointsRequest()):
            yield ShownHead(answer.checkpoint.signed_note, answer.checkpoint.verifier_key)

    async def consistency(self, first: int, second: int) -> Sequence[Digest]:
        """Return what the log says proves that its first entries stayed what they were."""
        request = audit_pb2.GetConsistencyProofRequest(first_tree_size=first, second_tree_size=second)
        answer = await self._stub.GetConsistencyProof(request, timeout=_TIMEOUT_S)
        return [Digest(each) for each in answer.hashes]

    async def cosign(self, size: int, line: str) -> None:
        """Leave a signature beneath the head of this size."""
        request = audit_pb2.AddCosignatureRequest(tree_size=size, signature_line=line)
        await self._stub.AddCosignature(request, timeout=_TIMEOUT_S)
