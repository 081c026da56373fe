"""`ringfence.registry.v1.ToolService` as it is served: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message
from ringfence.registry.v1 import tool_pb2 as pb
from ringfence.registry.v1 import tool_pb2_grpc
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.service import Face
from ringfence_kit.store import Mutation
from ringfence_kit.wire import mutation_of

from ringfence_registry.convert import resource_checks, tools
from ringfence_registry.resources.watching import ResourceWatching
from ringfence_registry.tools.amendment import ToolAmendment
from ringfence_registry.tools.model import Tool
from ringfence_registry.tools.reading import ToolReading
from ringfence_registry.tools.registration import ToolRegistration
from ringfence_registry.tools.switching import ToolSwitching


class ToolApi(tool_pb2_grpc.ToolServiceServicer):
    """The tools, over gRPC."""

    def __init__(
        self,
        *,
        registration: ToolRegistration,
        amendment: ToolAmendment,
        switching: ToolSwitching,
        reading: ToolReading,
        watching: ResourceWatching[Tool],
        clock: Clock,
    ) -> None:
        self._registration = registration
        self._amendment = amendment
        self._switching = switching
        self._reading = reading
        self._watching = watching
        self._clock = clock

    async def RegisterTool(self, request: pb.RegisterToolRequest, context: Any) -> pb.RegisterToolResponse:
        """Register a tool."""
        caller, wanted = current_caller(), tools.register_tool(request)
        tool = await self._registration.register_tool(
            wanted.tool,
            caller=caller,
            mutation=self._mutation(request, wanted.request_id, caller),
            validate_only=request.validate_only,
        )
        return tools.registered(tool, self._clock.now(), validate_only=request.validate_only)

    async def GetTool(self, request: pb.GetToolRequest, context: Any) -> pb.GetToolResponse:
        """Return one tool."""
        wanted = tools.get_tool(request)
        tool = self._reading.get_tool(wanted.name, wanted.tool_id, caller=current_caller())
        return pb.GetToolResponse(tool=tools.tool_message(tool, self._clock.now()))

    async def ListTools(self, request: pb.ListToolsRequest, context: Any) -> pb.ListToolsResponse:
        """Return one page of tools."""
        query, now = resource_checks.list_query(request), self._clock.now()
        return tools.tool_list(self._reading.list_tools(query, caller=current_caller(), now=now), now)

    async def UpdateTool(self, request: pb.UpdateToolRequest, context: Any) -> pb.UpdateToolResponse:
        """Change what the mask names."""
        caller, wanted = current_caller(), tools.update_tool(request)
        update = await self._amendment.update_tool(
            wanted.name,
            wanted.patch,
            etag=wanted.etag,
            caller=caller,
            mutation=self._mutation(request, wanted.request_id, caller),
            validate_only=request.validate_only,
        )
        return tools.updated(update, self._clock.now(), validate_only=request.validate_only)

    async def DeleteTool(self, request: pb.DeleteToolRequest, context: Any) -> pb.DeleteToolResponse:
        """Delete a tool."""
        caller, wanted = current_caller(), tools.TOOL.delete(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        await self._amendment.delete_tool(wanted.name, etag=wanted.etag, caller=caller, mutation=mutation)
        return pb.DeleteToolResponse()

    async def DisableTool(self, request: pb.DisableToolRequest, context: Any) -> pb.DisableToolResponse:
        """Switch a tool off."""
        caller, wanted = current_caller(), tools.TOOL.turn(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        tool = await self._switching.disable_tool(
            wanted.name, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.DisableToolResponse(tool=tools.tool_message(tool, self._clock.now()))

    async def EnableTool(self, request: pb.EnableToolRequest, context: Any) -> pb.EnableToolResponse:
        """Switch a tool on."""
        caller, wanted = current_caller(), tools.TOOL.turn(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        tool = await self._switching.enable_tool(
            wanted.name, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.EnableToolResponse(tool=tools.tool_message(tool, self._clock.now()))

    async def ListToolRevisions(
        self, request: pb.ListToolRevisionsRequest, context: Any
    ) -> pb.ListToolRevisionsResponse:
        """Return one page of the schemas a tool has had."""
        query = tools.list_revisions(request)
        page = await self._reading.list_revisions(query, caller=current_caller(), now=self._clock.now())
        return tools.revision_list(page)

    async def WatchTools(self, request: pb.WatchToolsRequest, context: Any) -> AsyncIterator[pb.WatchToolsResponse]:
        """Stream changes."""
        wanted = resource_checks.watch_query(request)
        async with aclosing(self._watching.watch(wanted, caller=current_caller())) as items:
            async for item in items:
                yield tools.watched(item)

    def _mutation(self, request: Message, request_id: str, caller: Caller) -> Mutation:
        return mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())


def tool_face(api: ToolApi) -> Face:
    """Return the service as the server takes it."""
    return Face(tool_pb2_grpc.add_ToolServiceServicer_to_server, api)
