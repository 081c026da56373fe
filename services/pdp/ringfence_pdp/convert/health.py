"""Telemetry's health of agents, as the pdp knows it: what is judged of each agent as a whole."""

from collections.abc import Mapping

import grpc.aio
from ringfence.telemetry.v1 import health_pb2, health_pb2_grpc
from ringfence.watch import AioWatch, Change
from ringfence_kit.wire import to_instant

from ringfence_pdp.health_facts import ORDERS, AgentHealth, HealthView

_CIRCUITS: Mapping[int, str] = {
    health_pb2.CIRCUIT_STATE_CLOSED: "closed",
    health_pb2.CIRCUIT_STATE_HALF_OPEN: "half_open",
    health_pb2.CIRCUIT_STATE_OPEN: "open",
}
_SLOS: Mapping[int, str] = {
    health_pb2.SLO_STATE_NO_DATA: "no_data",
    health_pb2.SLO_STATE_MET: "met",
    health_pb2.SLO_STATE_AT_RISK: "at_risk",
    health_pb2.SLO_STATE_BURNING: "burning",
    health_pb2.SLO_STATE_BREACHED: "breached",
}


def health_watch(
    channel: grpc.aio.Channel,
) -> AioWatch[health_pb2.WatchHealthRequest, health_pb2.WatchHealthResponse]:
    """Return a watch of everybody's health, current state first."""
    stub: health_pb2_grpc.HealthServiceAsyncStub = health_pb2_grpc.HealthServiceStub(channel)
    return AioWatch(stub.WatchHealth, health_pb2.WatchHealthRequest(), initial_state=True)


def take_health(view: HealthView, change: Change, answer: health_pb2.WatchHealthResponse) -> None:
    """Put one event of telemetry's watch into a view. Of single skills and revisions nothing is kept here."""
    said = answer.health
    if said.skill or said.revision:
        return
    if change is Change.DELETED or not said.HasField("expire_time"):
        view.pop(said.agent, None)
    else:
        view[said.agent] = AgentHealth(
            agent=said.agent,
            until=to_instant(said.expire_time),
            circuit=_CIRCUITS.get(said.circuit),
            slo=_SLOS.get(said.slo),
            order=ORDERS[said.order - 1] if 0 < said.order <= len(ORDERS) else None,
            budget_left=_share(said.budget_left),
        )


def _share(text: str) -> float | None:
    """Return a share that is a decimal as telemetry writes one; None for anything else."""
    digits = text.removeprefix("-").replace(".", "", 1)
    return float(text) if digits.isascii() and digits.isdigit() and len(text) < 40 else None
