"""From the model to messages."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial

from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.agent_card_pb2 import AgentCard
from ringfence_kit.clock import Instant
from ringfence_kit.events import Bookmark, Change, Event
from ringfence_kit.state_watch import Standing, StateComplete
from ringfence_kit.wire import to_timestamp

from ringfence_registry.agents.gates import Gate
from ringfence_registry.cards.model import Card
from ringfence_registry.cards.reading import read_whole_card
from ringfence_registry.convert.agent_answers import gate
from ringfence_registry.convert.agent_card import agent_card
from ringfence_registry.convert.agent_views import OUTLINES, agent_message
from ringfence_registry.convert.finding import similar_agents
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.similar import SimilarAgent
from ringfence_registry.finding.standing import StandingAgents
from ringfence_registry.finding.watching import WatchedItem
from ringfence_registry.model import Agent

CHANGES = {
    Change.ADDED: pb.WATCH_EVENT_TYPE_ADDED,
    Change.MODIFIED: pb.WATCH_EVENT_TYPE_MODIFIED,
    Change.DELETED: pb.WATCH_EVENT_TYPE_DELETED,
}


def card(value: Card) -> pb.GetCardResponse:
    """Return a card as it came, and as the message it stands for."""
    return pb.GetCardResponse(
        card=value.body, sha256=bytes.fromhex(value.facts.sha256), agent_card=_agent_card(value.body)
    )


@lru_cache(maxsize=256)
def _agent_card(body: bytes) -> AgentCard:
    # Cards are asked for far more often than they change, and converting one takes as long as all else together.
    return agent_card(read_whole_card(body).content)


def registered(
    value: AgentView, *, similar: tuple[SimilarAgent, ...], unmet: Iterable[Gate], validate_only: bool
) -> pb.RegisterAgentResponse:
    """Return the new agent; what would be one has neither uid nor etag yet (AIP-163)."""
    message = agent_message(value)
    if validate_only:
        message.ClearField("uid")
        message.ClearField("etag")
    return pb.RegisterAgentResponse(agent=message, similar_agents=similar_agents(similar), unmet_gates=map(gate, unmet))


def updated(value: AgentView, *, validate_only: bool) -> pb.UpdateAgentResponse:
    """Return the changed agent; what it would be has no etag yet."""
    message = agent_message(value)
    if validate_only:
        message.ClearField("etag")
    return pb.UpdateAgentResponse(agent=message)


class WatchAnswers:
    """What a watch answers. The bytes of a live event are made once, for all watchers who want as much of it."""

    def __init__(self, view_at: Callable[[Event], AgentView]) -> None:
        self._view_at = view_at
        self._whole = self._event
        self._outlined = {detail: partial(self._outlined_event, outline) for detail, outline in OUTLINES.items()}

    def watched(self, item: WatchedItem, request: pb.WatchAgentsRequest) -> pb.WatchAgentsResponse | bytes:
        """Return one answer to `request`."""
        match item:
            case Event():
                return item.once(self._outlined.get(request.detail, self._whole))
            case Bookmark():
                return _bookmark(item.revision, item.at)
            case Standing():
                return _standing(item, request)
            case StateComplete():
                bookmark = _bookmark(item.revision, item.at)
                bookmark.initial_state_end = True
                return bookmark

    def _event(self, event: Event) -> bytes:
        return _changed(event, agent_message(event.once(self._view_at)))

    def _outlined_event(self, outline: Callable[[Agent], pb.Agent], event: Event) -> bytes:
        return _changed(event, outline(event.once(self._view_at).agent))


def _changed(event: Event, agent: pb.Agent) -> bytes:
    return pb.WatchAgentsResponse(
        type=CHANGES[event.change], revision=event.revision, agent=agent, event_time=to_timestamp(event.at)
    ).SerializeToString()


def _standing(item: Standing[StandingAgents], request: pb.WatchAgentsRequest) -> pb.WatchAgentsResponse:
    answer = pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_ADDED, revision=item.revision)
    outline = OUTLINES.get(request.detail)
    messages: Iterator[tuple[pb.Agent, Instant]]
    if outline is None:
        messages = ((agent_message(view), view.agent.updated_at) for view in item.resource.views())
    else:
        messages = ((outline(agent), agent.updated_at) for agent in item.resource.outlines())
    if request.batch_initial_state:
        answer.agents.extend(message for message, _ in messages)
        return answer
    for message, updated_at in messages:  # there is one
        answer.agent.CopyFrom(message)
        answer.event_time.CopyFrom(to_timestamp(updated_at))
    return answer


def _bookmark(revision: int, at: Instant) -> pb.WatchAgentsResponse:
    return pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_BOOKMARK, revision=revision, event_time=to_timestamp(at))
