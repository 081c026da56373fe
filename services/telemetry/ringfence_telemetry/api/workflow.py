"""`ringfence.telemetry.v1.WorkflowService`."""

from typing import Any

from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1 import telemetry_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of

from ringfence_telemetry.api.pending import PendingWorkflows
from ringfence_telemetry.convert import outcomes as convert
from ringfence_telemetry.outcomes import Outcomes


class WorkflowApi(PendingWorkflows, telemetry_pb2_grpc.WorkflowServiceServicer):
    """What came of the work."""

    def __init__(self, outcomes: Outcomes, *, clock: Clock) -> None:
        self._outcomes = outcomes
        self._clock = clock

    async def ReportOutcome(self, request: pb.ReportOutcomeRequest, context: Any) -> pb.ReportOutcomeResponse:
        """Report whether a piece of work was any good."""
        command, caller = convert.report_outcome(request), current_caller()
        mutation = mutation_of(
            request, request_id=command.request_id, principal=caller.principal, now=self._clock.now()
        )
        index = await self._outcomes.report(command.report, caller=caller, mutation=mutation)
        return pb.ReportOutcomeResponse(audit_index=index)


def workflow_face(api: WorkflowApi) -> Face:
    """Return the API as the server registers it."""
    return Face(telemetry_pb2_grpc.add_WorkflowServiceServicer_to_server, api)
