"""A request for every method of tools, external systems and boundaries that is answered, made anew for each call."""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import grpc.aio
from google.protobuf.message import Message
from ringfence.registry.v1 import boundary_pb2, external_system_pb2, registry_pb2, tool_pb2
from ringfence.registry.v1.boundary_pb2_grpc import BoundaryServiceStub
from ringfence.registry.v1.external_system_pb2_grpc import ExternalSystemServiceStub
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub

from support.mesh.story import NAMESPACE, example_tool

Makers = Mapping[str, Callable[[], Awaitable[Message]]]

OWNER = registry_pb2.Owner(display_name="Ada", contact="ada@example.com")
SCHEMAS = ('{"type": "object"}', '{"type": "object", "required": ["table"]}')


@dataclass(frozen=True, slots=True)
class ToolRequests:
    """Requests about tools, systems and boundaries that were put into the registry for each."""

    registry: grpc.aio.Channel
    numbers: "itertools.count[int]"
    _kept: dict[str, str] = field(default_factory=dict)
    """What a list is about stays the same: a page token is good for one."""

    def makers(self) -> Makers:
        """Return what makes a request, by method."""
        return {
            "ToolService/RegisterTool": self._register_tool,
            "ToolService/GetTool": self._about_tool(tool_pb2.GetToolRequest),
            "ToolService/ListTools": self._always(tool_pb2.ListToolsRequest(parent=NAMESPACE, page_size=1)),
            "ToolService/UpdateTool": self._update_tool,
            "ToolService/DeleteTool": self._about_tool(tool_pb2.DeleteToolRequest),
            "ToolService/DisableTool": self._about_tool(tool_pb2.DisableToolRequest, reason="It leaks."),
            "ToolService/EnableTool": self._about_tool(tool_pb2.EnableToolRequest, reason="It does not."),
            "ToolService/ListToolRevisions": self._list_tool_revisions,
            "ToolService/WatchTools": self._always(
                tool_pb2.WatchToolsRequest(parent=NAMESPACE, send_initial_state=True)
            ),
            "ExternalSystemService/CreateExternalSystem": self._create_system,
            "ExternalSystemService/GetExternalSystem": self._about_system(external_system_pb2.GetExternalSystemRequest),
            "ExternalSystemService/ListExternalSystems": self._list_systems,
            "ExternalSystemService/UpdateExternalSystem": self._update_system,
            "ExternalSystemService/DeleteExternalSystem": self._about_system(
                external_system_pb2.DeleteExternalSystemRequest
            ),
            "ExternalSystemService/DecideTrust": self._about_system(
                external_system_pb2.DecideTrustRequest,
                trust_decision=external_system_pb2.TrustDecision(
                    verdict=external_system_pb2.TRUST_VERDICT_TRUSTED, reason="We looked at it."
                ),
            ),
            "ExternalSystemService/DisableExternalSystem": self._about_system(
                external_system_pb2.DisableExternalSystemRequest, reason="It was broken into."
            ),
            "ExternalSystemService/EnableExternalSystem": self._about_system(
                external_system_pb2.EnableExternalSystemRequest, reason="It is well again."
            ),
            "BoundaryService/CreateBoundary": self._create_boundary,
            "BoundaryService/GetBoundary": self._about_boundary(boundary_pb2.GetBoundaryRequest),
            "BoundaryService/ListBoundaries": self._list_boundaries,
            "BoundaryService/UpdateBoundary": self._update_boundary,
            "BoundaryService/DeleteBoundary": self._about_boundary(boundary_pb2.DeleteBoundaryRequest),
            "BoundaryService/DisableBoundary": self._about_boundary(
                boundary_pb2.DisableBoundaryRequest, reason="It leaks."
            ),
            "BoundaryService/EnableBoundary": self._about_boundary(
                boundary_pb2.EnableBoundaryRequest, reason="It does not."
            ),
            "BoundaryService/ListBoundaryMembers": self._list_members,
            "BoundaryService/WatchBoundaries": self._always(
                boundary_pb2.WatchBoundariesRequest(parent=NAMESPACE, send_initial_state=True)
            ),
        }

    def _fresh(self) -> str:
        return f"fresh-{next(self.numbers)}"

    def _always(self, message: Message) -> Callable[[], Awaitable[Message]]:
        async def make() -> Message:
            return message

        return make

    def _about_tool(self, kind: Callable[..., Message], **said: object) -> Callable[[], Awaitable[Message]]:
        async def make() -> Message:
            return kind(name=await self._tool(), **said)

        return make

    def _about_system(self, kind: Callable[..., Message], **said: object) -> Callable[[], Awaitable[Message]]:
        async def make() -> Message:
            return kind(name=await self._system(), **said)

        return make

    def _about_boundary(self, kind: Callable[..., Message], **said: object) -> Callable[[], Awaitable[Message]]:
        async def make() -> Message:
            return kind(name=await self._boundary(), **said)

        return make

    async def _tool(self) -> str:
        request = tool_pb2.RegisterToolRequest(parent=NAMESPACE, tool_id=self._fresh(), tool=example_tool())
        return (await ToolServiceStub(self.registry).RegisterTool(request)).tool.name

    async def _system(self) -> str:
        request = external_system_pb2.CreateExternalSystemRequest(
            parent=NAMESPACE,
            external_system_id=self._fresh(),
            external_system=external_system_pb2.ExternalSystem(owner=OWNER, url="https://bank.example.com"),
        )
        answer = await ExternalSystemServiceStub(self.registry).CreateExternalSystem(request)
        return answer.external_system.name

    async def _boundary(self) -> str:
        boundary = boundary_pb2.Boundary(
            owner=OWNER, agents=[f"{NAMESPACE}/agents/{agent}" for agent in ("analyst", "second")]
        )
        request = boundary_pb2.CreateBoundaryRequest(parent=NAMESPACE, boundary_id=self._fresh(), boundary=boundary)
        return (await BoundaryServiceStub(self.registry).CreateBoundary(request)).boundary.name

    async def _register_tool(self) -> Message:
        tool = example_tool()
        tool.labels["tier"] = "gold"
        return tool_pb2.RegisterToolRequest(parent=NAMESPACE, tool_id=self._fresh(), tool=tool, validate_only=True)

    async def _update_tool(self) -> Message:
        tool = tool_pb2.Tool(name=await self._tool(), version=self._fresh())
        return tool_pb2.UpdateToolRequest(tool=tool, validate_only=True)

    async def _list_tool_revisions(self) -> Message:
        if "tool" not in self._kept:
            name = self._kept["tool"] = await self._tool()
            for schema in SCHEMAS:
                changed = tool_pb2.UpdateToolRequest(tool=tool_pb2.Tool(name=name, input_schema=schema))
                await ToolServiceStub(self.registry).UpdateTool(changed)
        return tool_pb2.ListToolRevisionsRequest(parent=self._kept["tool"], page_size=1)

    async def _create_system(self) -> Message:
        system = external_system_pb2.ExternalSystem(owner=OWNER, url="https://bank.example.com")
        return external_system_pb2.CreateExternalSystemRequest(
            parent=NAMESPACE, external_system_id=self._fresh(), external_system=system
        )

    async def _list_systems(self) -> Message:
        for _ in range(2):
            await self._system()
        return external_system_pb2.ListExternalSystemsRequest(parent=NAMESPACE, page_size=1)

    async def _update_system(self) -> Message:
        system = external_system_pb2.ExternalSystem(name=await self._system(), description=self._fresh())
        return external_system_pb2.UpdateExternalSystemRequest(external_system=system)

    async def _create_boundary(self) -> Message:
        return boundary_pb2.CreateBoundaryRequest(
            parent=NAMESPACE, boundary_id=self._fresh(), boundary=boundary_pb2.Boundary(owner=OWNER)
        )

    async def _list_boundaries(self) -> Message:
        for _ in range(2):
            await self._boundary()
        return boundary_pb2.ListBoundariesRequest(parent=NAMESPACE, page_size=1)

    async def _update_boundary(self) -> Message:
        boundary = boundary_pb2.Boundary(name=await self._boundary(), description=self._fresh())
        return boundary_pb2.UpdateBoundaryRequest(boundary=boundary)

    async def _list_members(self) -> Message:
        if "boundary" not in self._kept:
            self._kept["boundary"] = await self._boundary()
        return boundary_pb2.ListBoundaryMembersRequest(parent=self._kept["boundary"], page_size=1)
