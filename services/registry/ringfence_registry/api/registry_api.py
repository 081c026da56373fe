"""`ringfence.registry.v1.RegistryService` as it is served: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1 import registry_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.service import Face

from ringfence_registry.agents.assembly import AgentLives
from ringfence_registry.agents.attesting import CardAttesting
from ringfence_registry.api.agent_life import AgentLifeApi
from ringfence_registry.api.attestation_api import AttestationMethods
from ringfence_registry.api.card_api import CardMethods
from ringfence_registry.cards.validation import CardValidation
from ringfence_registry.convert import requests, responses
from ringfence_registry.convert.agent_bytes import agent_list, got
from ringfence_registry.finding.reading import AgentReading
from ringfence_registry.finding.similar import SimilarAgents
from ringfence_registry.finding.watching import AgentWatching
from ringfence_registry.finding.written import WrittenAgents


class RegistryApi(AgentLifeApi, CardMethods, AttestationMethods, registry_pb2_grpc.RegistryServiceServicer):
    """The agents, over gRPC. The caller is read here, once, and passed on."""

    def __init__(
        self,
        *,
        lives: AgentLives,
        similar: SimilarAgents,
        reading: AgentReading,
        written: WrittenAgents,
        watching: AgentWatching,
        validation: CardValidation,
        attesting: CardAttesting,
        clock: Clock,
    ) -> None:
        AgentLifeApi.__init__(self, lives, reading.look, similar, clock)
        CardMethods.__init__(self, validation, clock)
        AttestationMethods.__init__(self, attesting)
        self._reading = reading
        self._written = written
        self._watching = watching
        self._clock = clock
        self._answers = responses.WatchAnswers(reading.view_at)

    async def GetAgent(self, request: pb.GetAgentRequest, context: Any) -> Any:
        """Return one agent, as the bytes of the response."""
        place = self._reading.place_of_agent(requests.agent_name(request), caller=current_caller())
        return got(self._written.written(place, self._clock.now()))

    async def ListAgents(self, request: pb.ListAgentsRequest, context: Any) -> Any:
        """Return one page of agents, as the bytes of the response."""
        query, now = requests.list_agents(request), self._clock.now()
        found = self._reading.list_places(query, caller=current_caller(), now=now)
        return agent_list(found, request.detail, self._written, now)

    async def WatchAgents(self, request: pb.WatchAgentsRequest, context: Any) -> AsyncIterator[Any]:
        """Stream changes."""
        wanted = requests.watch_agents(request)
        async with aclosing(self._watching.watch_agents(wanted, caller=current_caller())) as items:
            async for item in items:
                yield self._answers.watched(item, request)


def registry_face(api: RegistryApi) -> Face:
    """Return the service as the server takes it."""
    return Face(registry_pb2_grpc.add_RegistryServiceServicer_to_server, api)
