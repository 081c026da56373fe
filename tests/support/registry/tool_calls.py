"""Stubs for tools, external systems and boundaries, and requests that are in order until a test spoils them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio
from ringfence.registry.v1 import boundary_pb2, external_system_pb2, registry_pb2, tool_pb2
from ringfence.registry.v1.boundary_pb2_grpc import BoundaryServiceStub
from ringfence.registry.v1.external_system_pb2_grpc import ExternalSystemServiceStub
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub

from support.registry.tools import SCHEMA

if TYPE_CHECKING:
    from ringfence.registry.v1.boundary_pb2_grpc import BoundaryServiceAsyncStub
    from ringfence.registry.v1.external_system_pb2_grpc import ExternalSystemServiceAsyncStub
    from ringfence.registry.v1.tool_pb2_grpc import ToolServiceAsyncStub

FINANCE = "namespaces/finance"
EXPORT = f"{FINANCE}/tools/warehouse.export"
BANK = f"{FINANCE}/externalSystems/bank"
LEDGERS = f"{FINANCE}/boundaries/ledgers"
OWNER = registry_pb2.Owner(display_name="Ada Example", contact="ada@example.com")


def tool_message(**changed: Any) -> tool_pb2.Tool:
    """Return what is said about a tool, complete."""
    said: dict[str, Any] = {
        "protocol": tool_pb2.TOOL_PROTOCOL_MCP,
        "input_schema": SCHEMA,
        "side_effect": tool_pb2.SIDE_EFFECT_READ,
        "owner": OWNER,
    }
    return tool_pb2.Tool(**{**said, **changed})


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Calls over one channel."""

    channel: grpc.aio.Channel

    @property
    def tools(self) -> "ToolServiceAsyncStub":
        """The tools."""
        return ToolServiceStub(self.channel)

    @property
    def systems(self) -> "ExternalSystemServiceAsyncStub":
        """The external systems."""
        return ExternalSystemServiceStub(self.channel)

    @property
    def boundaries(self) -> "BoundaryServiceAsyncStub":
        """The boundaries."""
        return BoundaryServiceStub(self.channel)

    async def register(
        self, tool_id: str = "warehouse.export", *, parent: str = FINANCE, **changed: Any
    ) -> tool_pb2.Tool:
        """Register a tool and return it."""
        request = tool_pb2.RegisterToolRequest(parent=parent, tool_id=tool_id, tool=tool_message(**changed))
        return (await self.tools.RegisterTool(request)).tool

    async def tool(self, name: str = EXPORT) -> tool_pb2.Tool:
        """Return a tool."""
        return (await self.tools.GetTool(tool_pb2.GetToolRequest(name=name))).tool

    async def listed(self, filter_text: str = "", *, parent: str = "namespaces/-") -> list[str]:
        """Return the ids of the tools that match."""
        answer = await self.tools.ListTools(tool_pb2.ListToolsRequest(parent=parent, filter=filter_text))
        return [tool.name.rpartition("/")[2] for tool in answer.tools]

    async def update(
        self, name: str = EXPORT, *, mask: tuple[str, ...] = (), **said: Any
    ) -> tool_pb2.UpdateToolResponse:
        """Change what is said about a tool; without a mask, everything that is given."""
        request = tool_pb2.UpdateToolRequest(tool=tool_pb2.Tool(name=name, **said))
        request.update_mask.paths.extend(mask)
        return await self.tools.UpdateTool(request)

    async def enter(
        self, system_id: str = "bank", *, parent: str = FINANCE, **said: Any
    ) -> external_system_pb2.ExternalSystem:
        """Enter an external system and return it."""
        system = external_system_pb2.ExternalSystem(**{"owner": OWNER, "url": "https://bank.example.com", **said})
        request = external_system_pb2.CreateExternalSystemRequest(
            parent=parent, external_system_id=system_id, external_system=system
        )
        return (await self.systems.CreateExternalSystem(request)).external_system

    async def decide(
        self, name: str = BANK, verdict: str = "TRUSTED", **said: Any
    ) -> external_system_pb2.ExternalSystem:
        """Decide on a system and return it."""
        decision = external_system_pb2.TrustDecision(
            **{"verdict": f"TRUST_VERDICT_{verdict}", "reason": "We looked at it.", **said}
        )
        request = external_system_pb2.DecideTrustRequest(name=name, trust_decision=decision)
        return (await self.systems.DecideTrust(request)).external_system

    async def system(self, name: str = BANK) -> external_system_pb2.ExternalSystem:
        """Return an external system."""
        request = external_system_pb2.GetExternalSystemRequest(name=name)
        return (await self.systems.GetExternalSystem(request)).external_system

    async def draw(self, boundary_id: str = "ledgers", *, parent: str = FINANCE, **said: Any) -> boundary_pb2.Boundary:
        """Draw a boundary and return it."""
        boundary = boundary_pb2.Boundary(**{"owner": OWNER, **said})
        request = boundary_pb2.CreateBoundaryRequest(parent=parent, boundary_id=boundary_id, boundary=boundary)
        return (await self.boundaries.CreateBoundary(request)).boundary
