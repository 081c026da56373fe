"""A request for every method that is about pieces of work."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc.aio
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from ringfence.telemetry.v1 import workflow_pb2 as pb
from ringfence.telemetry.v1.telemetry_pb2_grpc import WorkflowServiceStub

from support.mesh.spans import one_trace


@dataclass(slots=True)
class WorkflowRequests:
    """Requests about the work of an agent, of which there are two pieces when `prepare` was called."""

    did: str
    channel: grpc.aio.Channel
    """To telemetry, as someone who may report for the agent and read about it."""
    trace_id: bytes = field(default=b"")

    async def prepare(self) -> None:
        """Have two pieces of work reported; they are over half a minute later."""
        for _ in range(2):
            request = one_trace(self.did)
            self.trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id
            await TraceServiceStub(self.channel).Export(request)  # type: ignore[no-untyped-call] # generated without types

    async def settled(self) -> None:
        """Return once both are in the list."""
        stub, request = WorkflowServiceStub(self.channel), pb.ListWorkflowsRequest(agent=self.did)
        while len((await stub.ListWorkflows(request)).workflows) < 2:
            pass

    def makers(self) -> dict[str, Callable[[], Awaitable[Message]]]:
        """Return what makes a request, for each method."""
        return {"WorkflowService/GetWorkflow": self._get, "WorkflowService/ListWorkflows": self._list}

    async def _get(self) -> Message:
        return pb.GetWorkflowRequest(trace_id=self.trace_id)

    async def _list(self) -> Message:
        return pb.ListWorkflowsRequest(agent=self.did, page_size=1)
