"""The demo's own mesh: four services in this process, on free loopback ports, in a folder that is thrown away.

They meet over real gRPC and are called as anybody calls them. Only time is injected: it flows with the wall clock, and
the story makes it jump, openly, because nobody waits eight days for a demo.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc.aio
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence_kit import logs
from ringfence_kit.background import background
from ringfence_kit.clock import ManualClock, Millis, SystemClock
from ringfence_kit.config import Configuration
from ringfence_kit.dev_tokens import token_path
from ringfence_kit.ids import random_ids
from ringfence_kit.server import Server
from ringfence_kit.server_config import ServerConfig

from ringfence_launcher.in_one_process import until_ready
from ringfence_launcher.service_table import ENTRIES
from ringfence_launcher.settings import listening_addresses, load_one_process

READY_WITHIN = 15.0
"""Seconds in which the mesh must be ready to play."""

_TICK = 0.02
_FLAGS = {"server.dev": "true", "server.log.level": "error", "server.log.calls": "none", "server.drain": "1s"}


class DemoMesh:
    """Channels to the four services as operator or as one of their own, and the clock they all go by."""

    def __init__(self, configuration: Configuration, clock: ManualClock, folder: Path) -> None:
        self.clock = clock
        self.folder = folder
        self.addresses = listening_addresses(configuration)
        self._closing = AsyncExitStack()
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}

    def token(self, name: str) -> str:
        """Return the development token of `operator` or `service`."""
        return token_path(self.folder, name).read_text(encoding="ascii").strip()

    def channel(self, setting: str, *, caller: str = "operator") -> grpc.aio.Channel:
        """Return a channel to the port of a setting, such as `pdp.listen`, as `operator` or `service`."""
        key = (setting, caller)
        if key not in self._channels:
            channel = open_aio_channel(self.addresses[setting], ChannelOptions(token=self.token(caller)))
            self._closing.push_async_callback(channel.close)
            self._channels[key] = channel
        return self._channels[key]

    def pass_time(self, duration: Millis) -> None:
        """Let the time of the whole mesh jump."""
        self.clock.advance(duration)

    async def close(self) -> None:
        """Close every channel."""
        await self._closing.aclose()


@asynccontextmanager
async def demo_mesh() -> AsyncIterator[DemoMesh]:
    """Run a mesh inside the block; yields it once every service is ready."""
    with tempfile.TemporaryDirectory(prefix="ringfence-demo-") as name:
        folder = Path(name)
        flags = {**_FLAGS, "server.data": name, **_any_port()}
        configuration = load_one_process(file=None, flags=flags, environment={})
        config = configuration.section("server", ServerConfig)
        logs.configure(config.log)
        clock = ManualClock(SystemClock().now())
        services = [entry.build(configuration, clock=clock, new_id=random_ids) for entry in ENTRIES.values()]
        server = Server(config, clock=clock, new_id=random_ids)
        for service in services:
            server.add(service)
        async with background(_flow(clock)), server.serving():
            mesh = DemoMesh(configuration, clock, folder)
            try:
                await asyncio.wait_for(until_ready(services), READY_WITHIN)
                yield mesh
            finally:
                await mesh.close()


def _any_port() -> dict[str, str]:
    defaults = listening_addresses(load_one_process(file=None, flags={}, environment={}))
    return dict.fromkeys(defaults, "127.0.0.1:0")


async def _flow(clock: ManualClock, wall: Callable[[], float] = time.monotonic) -> None:
    """Let the injected time flow as the wall clock does, between jumps."""
    last = wall()
    while True:
        await asyncio.sleep(_TICK)
        now = wall()
        clock.advance(Millis(round((now - last) * 1_000)))
        last = now
