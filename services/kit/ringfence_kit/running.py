"""One service while a server has it open: how far it has come, and what it tells the world about that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ringfence_kit.health import Health
from ringfence_kit.http import HttpServer
from ringfence_kit.metrics import Metrics
from ringfence_kit.room import Room
from ringfence_kit.service import Service


class GrpcServer(Protocol):
    """What serves a port: `WireServer`, or `fast.server.FastServer`."""

    async def start(self) -> None:
        """Take calls."""
        ...

    async def stop(self, grace: float | None) -> None:
        """Take no more calls; those in progress have `grace` seconds to finish, and are cancelled then."""
        ...

    async def wait_for_termination(self) -> None:
        """Return once the server has ended, or raise what ended it."""
        ...


@dataclass(slots=True, kw_only=True)
class Running:
    """What the server holds of a service while it is open."""

    service: Service
    room: Room
    servers: list[GrpcServer] = field(default_factory=list)
    health: list[Health] = field(default_factory=list)
    pages: HttpServer | None = None
    entered: bool = False
    """Whether its `run` has been entered."""

    def let_in(self, metrics: Metrics) -> None:
        """Answer calls from now on."""
        self.entered = True
        self.room.open()
        self.tell_health(metrics)

    def drain(self, metrics: Metrics) -> None:
        """Answer no new calls, and say so."""
        for health in self.health:
            health.drain()
        self.room.drain()
        self.tell_health(metrics)

    def unmet(self) -> Mapping[str, str]:
        """Return what keeps the service from being ready: its own conditions, and where it is in its life."""
        if self.room.draining:
            return {"drain": "it is shutting down"}
        return self.service.readiness.unmet if self.entered else {"start": "it is starting"}

    def tell_health(self, metrics: Metrics) -> None:
        """Bring health and the metric in step with readiness."""
        ready = not self.unmet()
        metrics.set_ready(self.service.name, ready=ready)
        for health in self.health:
            health.set(serving=ready)
