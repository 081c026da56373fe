"""From the model to messages."""

from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.agent_card_pb2 import AgentCard
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Bookmark, Change, Event
from ringfence_kit.state_watch import Standing, StateComplete
from ringfence_kit.wire import to_timestamp

from ringfence_registry.cards.model import Card
from ringfence_registry.cards.reading import read_whole_card
from ringfence_registry.convert.agent_card import agent_card
from ringfence_registry.convert.cards import card_view
from ringfence_registry.finding.reading import AgentList
from ringfence_registry.finding.watching import WatchedItem
from ringfence_registry.model import Agent, AgentState, RiskTier

RISK_TIERS = {
    RiskTier.LOW: pb.RISK_TIER_LOW,
    RiskTier.MEDIUM: pb.RISK_TIER_MEDIUM,
    RiskTier.HIGH: pb.RISK_TIER_HIGH,
    RiskTier.CRITICAL: pb.RISK_TIER_CRITICAL,
}
STATES = {
    AgentState.DRAFT: pb.AGENT_STATE_DRAFT,
    AgentState.PENDING_REVIEW: pb.AGENT_STATE_PENDING_REVIEW,
    AgentState.ACTIVE: pb.AGENT_STATE_ACTIVE,
    AgentState.SUSPENDED: pb.AGENT_STATE_SUSPENDED,
    AgentState.DEPRECATED: pb.AGENT_STATE_DEPRECATED,
    AgentState.RETIRED: pb.AGENT_STATE_RETIRED,
}
CHANGES = {
    Change.ADDED: pb.WATCH_EVENT_TYPE_ADDED,
    Change.MODIFIED: pb.WATCH_EVENT_TYPE_MODIFIED,
    Change.DELETED: pb.WATCH_EVENT_TYPE_DELETED,
}


def agent(value: Agent) -> pb.Agent:
    """Return an agent's message."""
    spec = value.spec
    return pb.Agent(
        name=str(value.name),
        uid=value.uid,
        display_name=spec.display_name,
        purpose=spec.purpose,
        owner=pb.Owner(display_name=spec.owner.display_name, contact=spec.owner.contact),
        team=spec.team,
        on_call=spec.on_call,
        risk_tier=RISK_TIERS[spec.risk_tier],
        data_classes=spec.data_classes,
        environments=spec.environments,
        approved_tools=[pb.ApprovedTool(name=tool.name, schema_hash=tool.schema_hash) for tool in spec.approved_tools],
        did=spec.did,
        labels=spec.labels,
        annotations=spec.annotations,
        state=STATES[value.state],
        card=card_view(value.card),
        etag=value.etag,
        create_time=to_timestamp(value.created_at),
        update_time=to_timestamp(value.updated_at),
        retire_time=_timestamp(value.retired_at),
    )


def card(value: Card) -> pb.GetCardResponse:
    """Return a card as it came, and as the message it stands for."""
    return pb.GetCardResponse(
        card=value.body, sha256=bytes.fromhex(value.facts.sha256), agent_card=_agent_card(value.body)
    )


@lru_cache(maxsize=1_024)
def _agent_card(body: bytes) -> AgentCard:
    # Cards are asked for far more often than they change, and converting one takes as long as all else together.
    return agent_card(read_whole_card(body).content)


def agent_list(value: AgentList) -> pb.ListAgentsResponse:
    """Return one page."""
    return pb.ListAgentsResponse(
        agents=[agent(each) for each in value.agents],
        next_page_token=value.next_page_token,
        revision=value.revision,
    )


def registered(value: Agent, *, validate_only: bool) -> pb.RegisterAgentResponse:
    """Return the new agent; what would be one has neither uid nor etag yet (AIP-163)."""
    message = agent(value)
    if validate_only:
        message.ClearField("uid")
        message.ClearField("etag")
    return pb.RegisterAgentResponse(agent=message)


def updated(value: Agent, *, validate_only: bool) -> pb.UpdateAgentResponse:
    """Return the changed agent; what it would be has no etag yet."""
    message = agent(value)
    if validate_only:
        message.ClearField("etag")
    return pb.UpdateAgentResponse(agent=message)


def watched(item: WatchedItem) -> pb.WatchAgentsResponse:
    """Return one event of a watch. The message of a live event is made once for all watchers."""
    match item:
        case Event():
            return item.once(_event)
        case Bookmark():
            return _bookmark(item.revision, item.at)
        case Standing():
            return pb.WatchAgentsResponse(
                type=pb.WATCH_EVENT_TYPE_ADDED,
                revision=item.revision,
                agent=agent(item.resource),
                event_time=to_timestamp(item.resource.updated_at),
            )
        case StateComplete():
            bookmark = _bookmark(item.revision, item.at)
            bookmark.initial_state_end = True
            return bookmark


def _event(event: Event) -> pb.WatchAgentsResponse:
    return pb.WatchAgentsResponse(
        type=CHANGES[event.change],
        revision=event.revision,
        agent=agent(records.decode(event.record, Agent)),
        event_time=to_timestamp(event.at),
    )


def _bookmark(revision: int, at: Instant) -> pb.WatchAgentsResponse:
    return pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_BOOKMARK, revision=revision, event_time=to_timestamp(at))


def _timestamp(instant: Instant | None) -> Timestamp | None:
    return None if instant is None else to_timestamp(instant)
