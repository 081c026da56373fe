"""Boundaries between messages and model."""

from dataclasses import dataclass
from typing import Any

from ringfence.registry.v1 import boundary_pb2 as pb
from ringfence.registry.v1 import registry_pb2
from ringfence_kit import records
from ringfence_kit.events import Bookmark, Event
from ringfence_kit.names import ID_PATTERN, AgentName
from ringfence_kit.state_watch import Standing, StateComplete, StateWatchItem
from ringfence_kit.validation import Violations
from ringfence_kit.wire import page_arguments, to_timestamp

from ringfence_registry.boundaries.drawing import NewBoundary
from ringfence_registry.boundaries.model import Boundary, BoundarySelector, BoundarySpec
from ringfence_registry.boundaries.reading import MemberList, MemberQuery
from ringfence_registry.convert import resource_checks as checks
from ringfence_registry.convert.resource_checks import RISK_TIERS, SWITCH_STATES, Fields, Naming, patch_of
from ringfence_registry.convert.tools import CHANGES, SYSTEM
from ringfence_registry.model import RiskTier
from ringfence_registry.resources.names import BoundaryName
from ringfence_registry.resources.patches import Patch
from ringfence_registry.resources.reading import Listed

BOUNDARY = Naming(BoundaryName.parse, "namespaces/{namespace}/boundaries/{boundary}")
AGENT = Naming(AgentName.parse, "namespaces/{namespace}/agents/{agent}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBoundary:
    """What a CreateBoundaryRequest asks for."""

    boundary: NewBoundary
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateBoundary:
    """What an UpdateBoundaryRequest asks for."""

    name: BoundaryName
    patch: Patch
    etag: str
    request_id: str


def create_boundary(request: pb.CreateBoundaryRequest) -> CreateBoundary:
    """Return the boundary to be."""
    found = Violations()
    namespace = checks.namespace(found, request.parent)
    boundary_id = found.text(
        request.boundary_id, "boundary_id", max_bytes=63, pattern=ID_PATTERN, shape=checks.LABEL_SHAPE
    )
    at = found.at("boundary")
    facts = _FIELDS.all(at, request.boundary)
    _require_own_agents(at, facts["agents"], namespace)
    request_id = found.request_id(request.request_id)
    name = BoundaryName(found.ok(namespace), boundary_id)
    return CreateBoundary(boundary=NewBoundary(name=name, spec=BoundarySpec(**facts)), request_id=request_id)


def update_boundary(request: pb.UpdateBoundaryRequest) -> UpdateBoundary:
    """Return the change that is asked for. A boundary sent with its etag, as it was read, need not repeat it."""
    found, sent = Violations(), request.boundary
    name = BOUNDARY.read(found, sent.name, "boundary.name")
    facts = _FIELDS.masked(found, request, "boundary")
    _require_own_agents(found.at("boundary"), facts.get("agents", ()), None if name is None else name.namespace)
    etag = found.etag(request.etag) or found.etag(sent.etag, "boundary.etag")
    request_id = found.request_id(request.request_id)
    return UpdateBoundary(name=found.ok(name), patch=patch_of(facts), etag=etag, request_id=request_id)


def list_members(request: pb.ListBoundaryMembersRequest) -> MemberQuery:
    """Return whose members are to be listed."""
    found = Violations()
    name, page_size = BOUNDARY.read(found, request.parent, "parent"), found.page_size(request.page_size)
    return MemberQuery(
        boundary=found.ok(name),
        page_size=page_size,
        page_token=request.page_token,
        arguments=page_arguments(request),
    )


def _require_own_agents(found: Violations, agents: tuple[str, ...], namespace: str | None) -> None:
    for index, agent in enumerate(agents):
        name = AgentName.parse(agent)
        if name is not None and namespace is not None and name.namespace != namespace:
            found.add(f"agents[{index}]", f"must be an agent of namespaces/{namespace}")


def _selector(found: Violations, boundary: pb.Boundary) -> BoundarySelector:
    at, selector = found.at("selector"), boundary.selector
    for path, team in at.items(selector.teams, "teams", max_items=32):
        at.text(team, path, max_bytes=200)
    tiers = [at.enum(tier, path, RISK_TIERS) for path, tier in at.items(selector.risk_tiers, "risk_tiers", max_items=4)]
    labels = checks.labels(at, selector)
    if len(labels) > 16:
        at.add("labels", f"has {len(labels)} entries; at most 16 are allowed")
    return BoundarySelector(
        teams=frozenset(selector.teams),
        environments=frozenset(checks.identifiers("environments", max_items=8)(at, selector)),
        data_classes=frozenset(checks.identifiers("data_classes", max_items=32)(at, selector)),
        risk_tiers=frozenset(tier for tier in tiers if tier is not None),
        labels=labels,
    )


_FIELDS = Fields(
    {
        "display_name": checks.text("display_name", max_bytes=200),
        "description": checks.text("description", max_bytes=2_000, multiline=True),
        "selector": _selector,
        "agents": lambda found, boundary: AGENT.each(found, boundary.agents, "agents", max_items=1_000),
        "external_systems": lambda found, boundary: SYSTEM.each(
            found, boundary.external_systems, "external_systems", max_items=256
        ),
        "single_sided_with": lambda found, boundary: BOUNDARY.each(
            found, boundary.single_sided_with, "single_sided_with", max_items=64
        ),
        "labels": checks.labels,
    }
)


def boundary_message(boundary: Boundary) -> pb.Boundary:
    """Return a boundary's message."""
    spec = boundary.spec
    return pb.Boundary(
        name=str(boundary.name),
        uid=boundary.uid,
        display_name=spec.display_name,
        description=spec.description,
        owner=checks.owner_message(spec.owner),
        selector=_selector_message(spec.selector),
        agents=spec.agents,
        external_systems=spec.external_systems,
        single_sided_with=spec.single_sided_with,
        labels=spec.labels,
        state=SWITCH_STATES[boundary.switch.state],
        last_switch=checks.switch_change(boundary.switch),
        etag=boundary.etag,
        create_time=to_timestamp(boundary.created_at),
        update_time=to_timestamp(boundary.updated_at),
    )


def _selector_message(selector: BoundarySelector) -> pb.BoundarySelector | None:
    if selector == BoundarySelector():
        return None
    return pb.BoundarySelector(
        teams=sorted(selector.teams),
        environments=sorted(selector.environments),
        data_classes=sorted(selector.data_classes),
        risk_tiers=sorted(_RISK_TIER_OF[tier] for tier in selector.risk_tiers),
        labels=selector.labels,
    )


_RISK_TIER_OF = {tier: registry_pb2.RiskTier.Value(f"RISK_TIER_{tier.value}") for tier in RiskTier}


def boundary_list(page: Listed[Boundary]) -> pb.ListBoundariesResponse:
    """Return one page."""
    return pb.ListBoundariesResponse(
        boundaries=[boundary_message(boundary) for boundary in page.resources], next_page_token=page.next_page_token
    )


def member_list(page: MemberList) -> pb.ListBoundaryMembersResponse:
    """Return one page."""
    return pb.ListBoundaryMembersResponse(agents=page.agents, next_page_token=page.next_page_token)


def watched(item: StateWatchItem[Boundary]) -> pb.WatchBoundariesResponse:
    """Return one event of a watch. The message of a live event is made once for all watchers."""
    match item:
        case Event():
            return item.once(_event)
        case Bookmark():
            return _bookmark(item)
        case Standing():
            return pb.WatchBoundariesResponse(
                type=registry_pb2.WATCH_EVENT_TYPE_ADDED,
                revision=item.revision,
                boundary=boundary_message(item.resource),
                event_time=to_timestamp(item.resource.updated_at),
            )
        case StateComplete():
            bookmark = _bookmark(item)
            bookmark.initial_state_end = True
            return bookmark


def _event(event: Event) -> pb.WatchBoundariesResponse:
    return pb.WatchBoundariesResponse(
        type=CHANGES[event.change],
        revision=event.revision,
        boundary=boundary_message(records.decode(event.record, Boundary)),
        event_time=to_timestamp(event.at),
    )


def _bookmark(item: Any) -> pb.WatchBoundariesResponse:
    return pb.WatchBoundariesResponse(
        type=registry_pb2.WATCH_EVENT_TYPE_BOOKMARK, revision=item.revision, event_time=to_timestamp(item.at)
    )
