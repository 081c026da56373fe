"""`ringfence.telemetry.v1.WorkflowService`."""

from typing import Any

from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1 import telemetry_pb2_grpc, workflow_pb2
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_telemetry.convert import outcomes as convert
from ringfence_telemetry.convert import workflows
from ringfence_telemetry.outcomes import Outcomes
from ringfence_telemetry.workflows.reading import WorkflowReader


class WorkflowApi(telemetry_pb2_grpc.WorkflowServiceServicer):
    """Pieces of work across agents, and what came of them."""

    def __init__(self, outcomes: Outcomes, reader: WorkflowReader, *, tokens: PageTokens, clock: Clock) -> None:
        self._outcomes = outcomes
        self._reader = reader
        self._tokens = tokens
        self._clock = clock

    async def ReportOutcome(self, request: pb.ReportOutcomeRequest, context: Any) -> pb.ReportOutcomeResponse:
        """Report whether a piece of work was any good."""
        command, caller = convert.report_outcome(request), current_caller()
        mutation = mutation_of(
            request, request_id=command.request_id, principal=caller.principal, now=self._clock.now()
        )
        index = await self._outcomes.report(command.report, caller=caller, mutation=mutation)
        return pb.ReportOutcomeResponse(audit_index=index)

    async def GetWorkflow(
        self, request: workflow_pb2.GetWorkflowRequest, context: Any
    ) -> workflow_pb2.GetWorkflowResponse:
        """Return one piece of work as a tree of agents."""
        whole = await self._reader.workflow(workflows.get_workflow(request), caller=current_caller())
        return workflows.workflow_to_proto(whole)

    async def ListWorkflows(
        self, request: workflow_pb2.ListWorkflowsRequest, context: Any
    ) -> workflow_pb2.ListWorkflowsResponse:
        """List pieces of work, the newest first."""
        question, caller, now = workflows.list_workflows(request), current_caller(), self._clock.now()
        cursor, arguments = None, page_arguments(request)
        if question.page_token:
            cursor = self._tokens.open(question.page_token, caller=caller.principal, arguments=arguments, now=now)
        told = await self._reader.workflows(question.query(cursor), caller=caller)
        page, following = workflows.page_to_proto(told, size=question.page_size)
        response = workflow_pb2.ListWorkflowsResponse(workflows=page)
        if following is not None:
            sealed = self._tokens.seal(following, caller=caller.principal, arguments=arguments, now=now)
            response.next_page_token = sealed
        return response


def workflow_face(api: WorkflowApi) -> Face:
    """Return the API as the server registers it."""
    return Face(telemetry_pb2_grpc.add_WorkflowServiceServicer_to_server, api)
