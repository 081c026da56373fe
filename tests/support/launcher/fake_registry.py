"""A registry of the tests' own: agents and cards in two dictionaries; what else it is asked, a test lays out."""

from collections.abc import Iterator
from typing import Any

import grpc
from ringfence.registry.v1 import registry_pb2

from support.launcher.refusals import Saw, refuse, until_cancelled
from support.launcher.scripted_service import ScriptedService


class FakeRegistry(ScriptedService):
    """Agents and their cards, by name; `events` is what a watch sends before it waits for ever."""

    def __init__(self, saw: Saw) -> None:
        super().__init__(saw, registry_pb2.DESCRIPTOR.services_by_name["RegistryService"])
        self.agents: dict[str, registry_pb2.Agent] = {}
        self.cards: dict[str, bytes] = {}
        self.events: list[registry_pb2.WatchAgentsResponse] = []
        self.page_limit = 1_000
        self.breaks_after: list[int] = []
        """How many events the next streams send before they break."""
        self.compacted_before = 0
        self.registered_with = registry_pb2.RegisterAgentResponse()
        """What a registration answers beside the agent."""

    def RegisterAgent(self, request: Any, context: Any) -> registry_pb2.RegisterAgentResponse:
        self._saw(request, context)
        name = f"{request.parent}/agents/{request.agent_id}"
        if name in self.agents:
            refuse(context, grpc.StatusCode.ALREADY_EXISTS, "AGENT_ALREADY_EXISTS", f"{name} is registered")
        if not request.card.startswith(b"{"):
            problems = [("card", "is not JSON"), ("card/skills", "is missing")]
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "CARD_INVALID", "the card is bad", violations=problems)
        agent = registry_pb2.Agent()
        agent.CopyFrom(request.agent)
        agent.name, agent.state, agent.etag = name, registry_pb2.AGENT_STATE_ACTIVE, '"1-a"'
        agent.create_time.FromJsonString("2026-01-01T00:00:00Z")
        if not request.validate_only:
            self.agents[name], self.cards[name] = agent, request.card
        answer = registry_pb2.RegisterAgentResponse(agent=agent)
        answer.MergeFrom(self.registered_with)
        return answer

    def GetAgent(self, request: Any, context: Any) -> registry_pb2.GetAgentResponse:
        self._saw(request, context)
        return registry_pb2.GetAgentResponse(agent=self._found(request.name, context))

    def GetCard(self, request: Any, context: Any) -> registry_pb2.GetCardResponse:
        self._saw(request, context)
        self._found(request.name, context)
        return registry_pb2.GetCardResponse(card=self.cards[request.name])

    def ListAgents(self, request: Any, context: Any) -> registry_pb2.ListAgentsResponse:
        self._saw(request, context)
        names = sorted(self.agents)
        start = int(request.page_token or 0)
        end = start + min(request.page_size, self.page_limit)
        following = str(end) if end < len(names) else ""
        return registry_pb2.ListAgentsResponse(
            agents=[self.agents[name] for name in names[start:end]], next_page_token=following
        )

    def UpdateAgent(self, request: Any, context: Any) -> registry_pb2.UpdateAgentResponse:
        self._saw(request, context)
        agent = self._found(request.agent.name, context)
        if request.etag and request.etag != agent.etag:
            refuse(context, grpc.StatusCode.ABORTED, "ETAG_MISMATCH", f"{agent.name} has etag {agent.etag}")
        request.update_mask.MergeMessage(request.agent, agent, True, True)
        return registry_pb2.UpdateAgentResponse(agent=agent)

    def RetireAgent(self, request: Any, context: Any) -> registry_pb2.RetireAgentResponse:
        self._saw(request, context)
        agent = self._found(request.name, context)
        agent.state = registry_pb2.AGENT_STATE_RETIRED
        return registry_pb2.RetireAgentResponse(agent=agent)

    def WatchAgents(self, request: Any, context: Any) -> Iterator[registry_pb2.WatchAgentsResponse]:
        self._saw(request, context)
        if 0 < request.start_revision < self.compacted_before:
            refuse(context, grpc.StatusCode.OUT_OF_RANGE, "REVISION_COMPACTED", "those events are not kept")
        wanted = [event for event in self.events if event.revision >= request.start_revision]
        if self.breaks_after:
            yield from wanted[: self.breaks_after.pop(0)]
            refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCHER_TOO_SLOW", "resume", retry_after=0.01)
        yield from wanted
        until_cancelled(context)

    def _found(self, name: str, context: grpc.ServicerContext) -> registry_pb2.Agent:
        if name not in self.agents:
            refuse(context, grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND", f"there is no {name}")
        return self.agents[name]
