"""What the registry says of boundaries, as facts, and the watch that says it.

What cannot be read (a state this release does not know) is closed: nothing crosses it.
"""

import grpc.aio
from ringfence.registry.v1 import boundary_pb2, boundary_pb2_grpc, registry_pb2, tool_pb2
from ringfence.watch import AioWatch, Change

from ringfence_pdp.boundaries import Boundaries, Boundary, BoundarySelector

_RISK = {
    registry_pb2.RISK_TIER_LOW: "low",
    registry_pb2.RISK_TIER_MEDIUM: "medium",
    registry_pb2.RISK_TIER_HIGH: "high",
    registry_pb2.RISK_TIER_CRITICAL: "critical",
}


def boundary_watch(
    channel: grpc.aio.Channel,
) -> AioWatch[boundary_pb2.WatchBoundariesRequest, boundary_pb2.WatchBoundariesResponse]:
    """Return a watch of every boundary, current state first."""
    stub: boundary_pb2_grpc.BoundaryServiceAsyncStub = boundary_pb2_grpc.BoundaryServiceStub(channel)
    request = boundary_pb2.WatchBoundariesRequest(parent="namespaces/-")
    return AioWatch(stub.WatchBoundaries, request, initial_state=True)


def take_boundary(view: Boundaries, change: Change, answer: boundary_pb2.WatchBoundariesResponse) -> None:
    """Put one event of the registry's watch into a view."""
    if change is Change.DELETED:
        view.drop(answer.boundary.name)
    else:
        view.put(boundary_from_proto(answer.boundary))


def boundary_from_proto(boundary: boundary_pb2.Boundary) -> Boundary:
    """Return the fact."""
    selector = boundary.selector
    return Boundary(
        name=boundary.name,
        open=boundary.state == tool_pb2.SWITCH_STATE_ENABLED,
        selector=BoundarySelector(
            teams=frozenset(selector.teams),
            environments=frozenset(selector.environments),
            data_classes=frozenset(selector.data_classes),
            risk_tiers=frozenset(_RISK.get(tier, "") for tier in selector.risk_tiers),
            labels=dict(selector.labels),
        ),
        agents=frozenset(boundary.agents),
        external_systems=frozenset(boundary.external_systems),
        single_sided_with=frozenset(boundary.single_sided_with),
    )
