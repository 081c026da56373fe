"""`ringfence.identity.v1.TransparencyService`."""

import grpc.aio
from ringfence.identity.v1 import transparency_pb2 as pb
from ringfence.identity.v1 import transparency_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.log_keys import LogKeys
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.wire import page_arguments

from ringfence_identity.convert import transparency as convert
from ringfence_identity.transparency.reading import TransparencyReader

Context = grpc.aio.ServicerContext[object, object]


class TransparencyApi(transparency_pb2_grpc.TransparencyServiceServicer):
    """The log of everything identity ever did."""

    def __init__(self, reader: TransparencyReader, keys: LogKeys, *, tokens: PageTokens, clock: Clock) -> None:
        self._reader = reader
        self._keys = keys
        self._tokens = tokens
        self._clock = clock

    async def ListLogEntries(self, request: pb.ListLogEntriesRequest, context: Context) -> pb.ListLogEntriesResponse:
        """List entries in log order."""
        question, principal, now = convert.list_log_entries(request), current_caller().principal, self._clock.now()
        start, arguments = question.start_index, page_arguments(request)
        if question.page_token:
            opened = self._tokens.open(question.page_token, caller=principal, arguments=arguments, now=now)
            start = convert.start_of(opened)
        page, following = await self._reader.page(start=start, size=question.page_size, subject=question.subject)
        response = pb.ListLogEntriesResponse(entries=[convert.entry_to_proto(entry) for entry in page])
        if following is not None:
            cursor = convert.cursor(following)
            response.next_page_token = self._tokens.seal(cursor, caller=principal, arguments=arguments, now=now)
        return response

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Context) -> pb.GetCheckpointResponse:
        """Return the newest signed checkpoint."""
        checkpoint = await self._reader.checkpoint()
        head = convert.checkpoint_to_proto(checkpoint, verifier_key=self._keys.verifier_key)
        return pb.GetCheckpointResponse(checkpoint=head)

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, context: Context
    ) -> pb.GetInclusionProofResponse:
        """Prove that an entry is in the log."""
        index, size = convert.inclusion_question(request)
        proof = await self._reader.prove_inclusion(index, tree_size=size)
        return convert.inclusion_proof_to_proto(proof, verifier_key=self._keys.verifier_key)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, context: Context
    ) -> pb.GetConsistencyProofResponse:
        """Prove that a smaller log is a prefix of a larger one."""
        first, second = convert.consistency_question(request)
        proof = await self._reader.prove_consistency(first, second)
        return convert.consistency_proof_to_proto(proof, verifier_key=self._keys.verifier_key)


def transparency_face(api: TransparencyApi) -> Face:
    """Return the API as the server registers it."""
    return Face(transparency_pb2_grpc.add_TransparencyServiceServicer_to_server, api)
