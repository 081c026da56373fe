"""`ringfence.pdp.v1.DecisionService`."""

from typing import Any

from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1 import decision_pb2_grpc
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.errors import Failure
from ringfence_kit.service import Face
from ringfence_kit.status import status_of

from ringfence_pdp.api.pending import PendingDecisions
from ringfence_pdp.convert import decisions as convert
from ringfence_pdp.decisions import Decisions, Sitting


class DecisionApi(PendingDecisions, decision_pb2_grpc.DecisionServiceServicer):
    """Answers questions."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    async def Check(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:
        """Decide one request."""
        return _decided(self._decisions.sitting(), request, current_caller())

    async def BatchCheck(self, request: pb.BatchCheckRequest, context: Any) -> pb.BatchCheckResponse:
        """Decide up to 256 requests on one basis."""
        items, caller, sitting = convert.batch_items(request), current_caller(), self._decisions.sitting()
        return pb.BatchCheckResponse(results=[_result(sitting, item, caller) for item in items])

    async def Explain(self, request: pb.ExplainRequest, context: Any) -> pb.ExplainResponse:
        """Decide one request and show the work."""
        question = convert.explain_request(request)
        answer, explanation = self._decisions.sitting().explain(question, current_caller())
        return convert.explanation_to_proto(answer, explanation)


def check_bytes(decisions: Decisions, asked: bytes, caller: Caller) -> bytes:
    """Decide the request in `asked` and return the response's bytes: the whole of Check without a transport.

    Raises DecodeError for bytes that are no request, and the failures of Check.
    """
    return _decided(decisions.sitting(), pb.CheckRequest.FromString(asked), caller).SerializeToString()


def _decided(sitting: Sitting, request: pb.CheckRequest, caller: Caller) -> pb.CheckResponse:
    question = convert.check_request(request)
    return convert.response_to_proto(sitting.check(question, caller, request.SerializeToString(deterministic=True)))


async def decided(sitting: Sitting, request: pb.CheckRequest, caller: Caller) -> pb.CheckResponse:
    """Decide one request on the basis of `sitting`: what every other door asks. Raises the failures of Check."""
    return _decided(sitting, request, caller)


def _result(sitting: Sitting, request: pb.CheckRequest, caller: Caller) -> pb.BatchCheckResult:
    # The one servicer with a `try`: an item's failure is part of the answer (AIP-193 in a batch), not of the call.
    try:
        return pb.BatchCheckResult(response=_decided(sitting, request, caller))
    except Failure as failure:
        return pb.BatchCheckResult(error=status_of(failure))


def decision_face(api: DecisionApi) -> Face:
    """Return the service as the server takes it."""
    return Face(decision_pb2_grpc.add_DecisionServiceServicer_to_server, api)
