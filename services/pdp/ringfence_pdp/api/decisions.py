"""`ringfence.pdp.v1.DecisionService`."""

from typing import Any

from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1 import decision_pb2_grpc
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.errors import Failure
from ringfence_kit.service import Face
from ringfence_kit.status import status_of

from ringfence_pdp.answer import Answer
from ringfence_pdp.api.pending import PendingDecisions
from ringfence_pdp.convert import decisions as convert
from ringfence_pdp.decisions import Decisions, Sitting
from ringfence_pdp.reckoning import Unsettled


class DecisionApi(PendingDecisions, decision_pb2_grpc.DecisionServiceServicer):
    """Answers questions."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    async def Check(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:
        """Decide one request."""
        return await decided(self._decisions.sitting(), request, current_caller())

    async def BatchCheck(self, request: pb.BatchCheckRequest, context: Any) -> pb.BatchCheckResponse:
        """Decide up to 256 requests on one basis."""
        items, caller, sitting = convert.batch_items(request), current_caller(), self._decisions.sitting()
        return pb.BatchCheckResponse(results=[await _result(sitting, item, caller) for item in items])

    async def Explain(self, request: pb.ExplainRequest, context: Any) -> pb.ExplainResponse:
        """Decide one request and show the work."""
        question = convert.explain_request(request)
        answer, explanation = self._decisions.sitting().explain(question, current_caller())
        return convert.explanation_to_proto(answer, explanation)


def check_bytes(decisions: Decisions, asked: bytes, caller: Caller) -> bytes:
    """Decide the request in `asked` and return the response's bytes: the whole of Check without a transport.

    People are not asked: what needs them is answered as it stands before. Raises DecodeError for bytes that are no
    request, and the failures of Check.
    """
    answer = _checked(decisions.sitting(), pb.CheckRequest.FromString(asked), caller)
    if isinstance(answer, Unsettled):
        answer = answer.answer
    return convert.response_to_proto(answer).SerializeToString()


async def decided(sitting: Sitting, request: pb.CheckRequest, caller: Caller) -> pb.CheckResponse:
    """Decide one request on the basis of `sitting`: what every door asks. Raises the failures of Check."""
    answer = _checked(sitting, request, caller)
    if isinstance(answer, Unsettled):
        answer = await sitting.settled(answer)
    return convert.response_to_proto(answer)


def _checked(sitting: Sitting, request: pb.CheckRequest, caller: Caller) -> Answer | Unsettled:
    question = convert.check_request(request)
    return sitting.check(question, caller, request.SerializeToString(deterministic=True))


async def _result(sitting: Sitting, request: pb.CheckRequest, caller: Caller) -> pb.BatchCheckResult:
    # The one servicer with a `try`: an item's failure is part of the answer (AIP-193 in a batch), not of the call.
    try:
        return pb.BatchCheckResult(response=await decided(sitting, request, caller))
    except Failure as failure:
        return pb.BatchCheckResult(error=status_of(failure))


def decision_face(api: DecisionApi) -> Face:
    """Return the service as the server takes it."""
    return Face(decision_pb2_grpc.add_DecisionServiceServicer_to_server, api)
