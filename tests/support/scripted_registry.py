"""A registry on real loopback gRPC that answers by script: for what a client does when a server misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message
from grpc_status import rpc_status
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceServicer, add_RegistryServiceServicer_to_server
from ringfence_kit.errors import Failure
from ringfence_kit.status import status_of

AnyContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

Outcome = Failure | grpc.StatusCode | None
"""What becomes of one call: a failure as the mesh makes it, a bare status as a proxy does, or an answer."""


@dataclass
class Call:
    """One call as it arrived."""

    request: Message
    headers: dict[str, str | bytes]
    time_left: float | None


_Rest: Any = RegistryServiceServicer


@dataclass
class ScriptedRegistry(_Rest):  # type: ignore[misc]  # what is not here answers UNIMPLEMENTED
    """Takes one outcome of `script` for each unary call; answers when there is none left."""

    script: list[Outcome] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    answers: Sequence[pb.WatchAgentsResponse] = ()
    """What WatchAgents sends before it takes its outcome."""
    hold: asyncio.Event | None = None
    """When set, calls do not answer before the event does."""
    _next_call: asyncio.Event = field(default_factory=asyncio.Event)

    async def GetAgent(self, request: pb.GetAgentRequest, context: AnyContext) -> pb.GetAgentResponse:
        await self._arrive(request, context)
        return pb.GetAgentResponse(agent=pb.Agent(name=request.name))

    async def RetireAgent(
        self,
        request: pb.RetireAgentRequest,
        context: AnyContext,
    ) -> pb.RetireAgentResponse:
        await self._arrive(request, context)
        return pb.RetireAgentResponse(agent=pb.Agent(name=request.name))

    async def RegisterAgent(self, request: pb.RegisterAgentRequest, context: AnyContext) -> pb.RegisterAgentResponse:
        await self._arrive(request, context)
        return pb.RegisterAgentResponse(agent=pb.Agent(name=f"{request.parent}/agents/{request.agent_id}"))

    async def UpdateAgent(self, request: pb.UpdateAgentRequest, context: AnyContext) -> pb.UpdateAgentResponse:
        await self._arrive(request, context)
        return pb.UpdateAgentResponse(agent=request.agent)

    async def GetCard(self, request: pb.GetCardRequest, context: AnyContext) -> pb.GetCardResponse:
        await self._arrive(request, context)
        return pb.GetCardResponse()

    async def ListAgents(self, request: pb.ListAgentsRequest, context: AnyContext) -> pb.ListAgentsResponse:
        await self._arrive(request, context)
        return pb.ListAgentsResponse()

    async def WatchAgents(
        self,
        request: pb.WatchAgentsRequest,
        context: AnyContext,
    ) -> AsyncIterator[pb.WatchAgentsResponse]:
        for answer in self.answers:
            yield answer
        await self._arrive(request, context)

    async def arrived(self, count: int) -> None:
        """Return once so many calls have arrived."""
        while len(self.calls) < count:
            self._next_call = asyncio.Event()
            await self._next_call.wait()

    async def _arrive(self, request: Message, context: AnyContext) -> None:
        headers = dict(context.invocation_metadata() or ())
        self.calls.append(Call(request, headers, context.time_remaining()))
        self._next_call.set()
        if self.hold is not None:
            await self.hold.wait()
        await fail(context, self.script.pop(0) if self.script else None)


async def fail(context: AnyContext, outcome: Outcome) -> None:
    """End the call as `outcome` says; return when it says nothing."""
    if isinstance(outcome, Failure):
        await context.abort_with_status(rpc_status.to_status(status_of(outcome)))
    elif outcome is not None:
        await context.abort(outcome, "said by no service of the mesh")


@asynccontextmanager
async def serving(
    servicer: RegistryServiceServicer,
    credentials: grpc.ServerCredentials | None = None,
    *,
    address: str = "127.0.0.1:0",
) -> AsyncIterator[str]:
    """Serve on loopback, on a free port unless one is given, and yield the address."""
    server = grpc.aio.server()
    add_RegistryServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    await server.start()
    try:
        yield f"{address.rpartition(':')[0]}:{port}"
    finally:
        await server.stop(None)
