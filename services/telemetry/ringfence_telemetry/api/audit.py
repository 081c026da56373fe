"""`ringfence.telemetry.v1.AuditService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from ringfence.telemetry.v1 import audit_pb2 as pb
from ringfence.telemetry.v1 import audit_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_telemetry.audit_heads import AuditHeads
from ringfence_telemetry.audit_log import AuditLog
from ringfence_telemetry.audit_reading import AuditReader
from ringfence_telemetry.audit_witnesses import AuditWitnesses
from ringfence_telemetry.convert import audit as convert


class AuditApi(audit_pb2_grpc.AuditServiceServicer):
    """The log of decisions nobody can rewrite."""

    def __init__(
        self,
        log: AuditLog,
        reader: AuditReader,
        keys: LogKeys,
        *,
        heads: AuditHeads,
        witnesses: AuditWitnesses,
        tokens: PageTokens,
        clock: Clock,
    ) -> None:
        self._log = log
        self._reader = reader
        self._heads = heads
        self._witnesses = witnesses
        self._keys = keys
        self._tokens = tokens
        self._clock = clock

    async def AppendDecisions(self, request: pb.AppendDecisionsRequest, context: Any) -> pb.AppendDecisionsResponse:
        """Append decisions."""
        indexes, checkpoint = await self._log.append(convert.append_decisions(request))
        return convert.appended_to_proto(indexes, checkpoint, verifier_key=self._keys.verifier_key)

    async def GetEntry(self, request: pb.GetEntryRequest, context: Any) -> pb.GetEntryResponse:
        """Return one entry."""
        entry = await self._reader.entry(convert.entry_key(request))
        return pb.GetEntryResponse(entry=convert.entry_to_proto(entry))

    async def ListEntries(self, request: pb.ListEntriesRequest, context: Any) -> pb.ListEntriesResponse:
        """List entries in log order."""
        question, principal, now = convert.list_entries(request), current_caller().principal, self._clock.now()
        start, arguments = question.start_index, page_arguments(request)
        if question.page_token:
            opened = self._tokens.open(question.page_token, caller=principal, arguments=arguments, now=now)
            start = convert.start_of(opened)
        page, following = await self._reader.page(start=start, size=question.page_size)
        response = pb.ListEntriesResponse(entries=[convert.entry_to_proto(entry) for entry in page])
        if following is not None:
            cursor = convert.cursor(following)
            response.next_page_token = self._tokens.seal(cursor, caller=principal, arguments=arguments, now=now)
        return response

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Any) -> pb.GetCheckpointResponse:
        """Return the newest signed head: of all, of those of a size, or of those enough witnesses stand behind."""
        least, at_most = convert.checkpoint_question(request)
        checkpoint = await (self._witnesses.cosigned(least) if least else self._reader.checkpoint(at_most=at_most))
        return pb.GetCheckpointResponse(checkpoint=self._head(checkpoint))

    async def WatchCheckpoints(
        self, request: pb.WatchCheckpointsRequest, context: Any
    ) -> AsyncIterator[pb.WatchCheckpointsResponse]:
        """Stream heads, the newest first of all."""
        async with aclosing(self._heads.watch()) as heads:
            async for checkpoint in heads:
                yield pb.WatchCheckpointsResponse(checkpoint=self._head(checkpoint))

    async def GetTile(self, request: pb.GetTileRequest, context: Any) -> pb.GetTileResponse:
        """Return a tile of the tree."""
        tile = await self._reader.tile(convert.tile_question(request))
        return pb.GetTileResponse(hashes=tile.hashes, tree_size=tile.tree_size)

    async def AddCosignature(self, request: pb.AddCosignatureRequest, context: Any) -> pb.AddCosignatureResponse:
        """Keep a witness' signature."""
        size, line = convert.cosignature(request)
        principal, now = current_caller().principal, self._clock.now()
        mutation = mutation_of(request, request_id="", principal=principal, now=now)
        checkpoint = await self._witnesses.add(size, line, mutation=mutation)
        return pb.AddCosignatureResponse(checkpoint=self._head(checkpoint))

    async def ListWitnesses(self, request: pb.ListWitnessesRequest, context: Any) -> pb.ListWitnessesResponse:
        """List the witnesses."""
        return convert.witnesses_to_proto(await self._witnesses.standings())

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, context: Any
    ) -> pb.GetInclusionProofResponse:
        """Prove that an entry is in the log."""
        key, size = convert.inclusion_question(request)
        proof = await self._reader.prove_inclusion(key, tree_size=size)
        return convert.inclusion_proof_to_proto(proof, verifier_key=self._keys.verifier_key)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, context: Any
    ) -> pb.GetConsistencyProofResponse:
        """Prove that a smaller log is a prefix of a larger one."""
        first, second = convert.consistency_question(request)
        proof = await self._reader.prove_consistency(first, second)
        return convert.consistency_proof_to_proto(proof, verifier_key=self._keys.verifier_key)

    def _head(self, checkpoint: StoredCheckpoint) -> pb.Checkpoint:
        return convert.checkpoint_to_proto(checkpoint, verifier_key=self._keys.verifier_key)


def audit_face(api: AuditApi) -> Face:
    """Return the API as the server registers it."""
    return Face(audit_pb2_grpc.add_AuditServiceServicer_to_server, api)
