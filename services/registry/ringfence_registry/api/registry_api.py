"""`ringfence.registry.v1.RegistryService` as it is served: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1 import registry_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of

from ringfence_registry.agents.amendment import Amendment
from ringfence_registry.agents.registration import Registration
from ringfence_registry.api.pending import PendingRegistry
from ringfence_registry.convert import requests, responses
from ringfence_registry.convert.agent_views import agent_message
from ringfence_registry.finding.reading import AgentReading
from ringfence_registry.finding.watching import AgentWatching


class RegistryApi(PendingRegistry, registry_pb2_grpc.RegistryServiceServicer):
    """The agents, over gRPC. The caller is read here, once, and passed on."""

    def __init__(
        self,
        *,
        registration: Registration,
        amendment: Amendment,
        reading: AgentReading,
        watching: AgentWatching,
        clock: Clock,
    ) -> None:
        self._registration = registration
        self._amendment = amendment
        self._reading = reading
        self._watching = watching
        self._clock = clock
        self._answers = responses.WatchAnswers(reading.view_at)

    async def RegisterAgent(self, request: pb.RegisterAgentRequest, context: Any) -> pb.RegisterAgentResponse:
        """Register an agent from its card."""
        caller = current_caller()
        wanted, request_id = requests.register_agent(request)
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        agent = await self._registration.register_agent(
            wanted, caller=caller, mutation=mutation, validate_only=request.validate_only
        )
        return responses.registered(agent, validate_only=request.validate_only)

    async def GetAgent(self, request: pb.GetAgentRequest, context: Any) -> pb.GetAgentResponse:
        """Return one agent."""
        now = self._clock.now()
        view = self._reading.view_agent(requests.agent_name(request), caller=current_caller(), now=now)
        return pb.GetAgentResponse(agent=agent_message(view))

    async def GetCard(self, request: pb.GetCardRequest, context: Any) -> pb.GetCardResponse:
        """Return a card as it came."""
        card = await self._reading.get_card(requests.agent_name(request), caller=current_caller())
        return responses.card(card)

    async def ListAgents(self, request: pb.ListAgentsRequest, context: Any) -> pb.ListAgentsResponse:
        """Return one page of agents."""
        query = requests.list_agents(request)
        found = self._reading.list_agents(query, caller=current_caller(), now=self._clock.now())
        return responses.agent_list(found, request.detail)

    async def UpdateAgent(self, request: pb.UpdateAgentRequest, context: Any) -> pb.UpdateAgentResponse:
        """Change what the mask names."""
        caller = current_caller()
        wanted = requests.update_agent(request)
        mutation = mutation_of(request, request_id=wanted.request_id, principal=caller.principal, now=self._clock.now())
        agent = await self._amendment.update_agent(
            wanted.name,
            wanted.patch,
            etag=wanted.etag,
            caller=caller,
            mutation=mutation,
            validate_only=request.validate_only,
        )
        return responses.updated(agent, validate_only=request.validate_only)

    async def RetireAgent(self, request: pb.RetireAgentRequest, context: Any) -> pb.RetireAgentResponse:
        """End an agent for good."""
        caller = current_caller()
        wanted = requests.retire_agent(request)
        mutation = mutation_of(request, request_id=wanted.request_id, principal=caller.principal, now=self._clock.now())
        agent = await self._amendment.retire_agent(wanted.name, etag=wanted.etag, caller=caller, mutation=mutation)
        return pb.RetireAgentResponse(agent=responses.agent(agent))

    async def WatchAgents(self, request: pb.WatchAgentsRequest, context: Any) -> AsyncIterator[Any]:
        """Stream changes."""
        wanted = requests.watch_agents(request)
        async with aclosing(self._watching.watch_agents(wanted, caller=current_caller())) as items:
            async for item in items:
                yield self._answers.watched(item)


def registry_face(api: RegistryApi) -> Face:
    """Return the service as the server takes it."""
    return Face(registry_pb2_grpc.add_RegistryServiceServicer_to_server, api)
