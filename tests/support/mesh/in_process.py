"""The four services in the test's own process, each with a server of its own: on a clock the test moves, if it likes.

They meet over gRPC on loopback as they always do, and each can be stopped and started alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ringfence_kit.clock import Clock, SystemClock
from ringfence_kit.config import Configuration
from ringfence_kit.entry import load_configuration
from ringfence_kit.ids import random_ids
from ringfence_kit.metrics import Metrics
from ringfence_kit.server import Server
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import Service
from ringfence_launcher.in_one_process import until_ready
from ringfence_launcher.service_table import ENTRIES

from support.mesh.doors import Doors
from support.mesh.layout import SERVICES, development_layout
from support.prepared import prepare

LONGEST_WAIT_S = 20.0


@dataclass(slots=True, kw_only=True)
class InProcessMesh(Doors):
    """What runs, and the ways in."""

    configuration: Configuration
    clock: Clock
    clocks: dict[str, Clock] = field(default_factory=dict)
    """Of services that have another one."""
    services: dict[str, Service] = field(default_factory=dict)
    """By name, as they were built last."""
    _running: dict[str, AsyncExitStack] = field(default_factory=dict)
    _metrics: dict[str, Metrics] = field(default_factory=dict)

    async def start(self, *names: str) -> None:
        """Start services, on the data they had, and return once all of them can work."""
        for name in names:
            prepare(name, self.layout.data / f"{name}.db")
            clock = self.clocks.get(name, self.clock)
            self.services[name] = ENTRIES[name].build(self.configuration, clock=clock, new_id=random_ids)
            config, metrics = self.configuration.section("server", ServerConfig), Metrics()
            server = Server(config, clock=clock, new_id=random_ids, metrics=metrics)
            self._metrics[name] = metrics
            server.add(self.services[name])
            running = self._running[name] = AsyncExitStack()
            self.closing.push_async_exit(running)
            await running.enter_async_context(server.serving())
        await until_ready([self.services[name] for name in names])

    async def stop(self, name: str) -> None:
        """End a service; whoever was connected to it is cut off."""
        await self._running.pop(name).aclose()

    def sample(self, service: str, metric: str, **labels: str) -> float | None:
        """Return what a scrape of a service would show now; None when there is no such sample."""
        return self._metrics[service].registry.get_sample_value(metric, labels)

    async def until(self, condition: Callable[[], bool], *, within: float = LONGEST_WAIT_S) -> None:
        """Let everybody work until `condition` holds; TimeoutError after `within` seconds."""
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - nothing announces what is only seen from outside
                await asyncio.sleep(0)

    def is_running(self, name: str) -> bool:
        """Say whether a service runs now."""
        return name in self._running

    def unmet(self, name: str) -> Mapping[str, str]:
        """Return what a service says it lacks."""
        return self.services[name].readiness.unmet


@asynccontextmanager
async def in_process_mesh(
    folder: Path,
    *,
    clock: Clock | None = None,
    clocks: Mapping[str, Clock] | None = None,
    extra: Mapping[str, Mapping[str, str]] | None = None,
) -> AsyncIterator[InProcessMesh]:
    """Run all four inside the block; those named in `clocks` have another clock than the rest."""
    layout = development_layout(folder, extra)
    configuration = load_configuration(
        {name: ENTRIES[name].config_kind() for name in SERVICES}, file=layout.config, environment={}, flags={}
    )
    async with AsyncExitStack() as closing:
        mesh = InProcessMesh(layout=layout, closing=closing, configuration=configuration, clock=clock or SystemClock())
        mesh.clocks = dict(clocks or {})
        await mesh.start(*SERVICES)
        yield mesh
