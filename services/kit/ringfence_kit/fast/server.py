"""The fast port of a service: its connections, from the first to the last, and their orderly end.

It does for a port what `wire_server.py` does on the standard one, with the same handlers around the same methods.

- a connection more than there may be is closed before a byte is read, and a handshake that takes too long is given up;
- at the end nobody new is let in, every connection is told (GOAWAY), calls under way have the grace they are given, and
  what is left then is cut off.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Mapping

from ringfence_kit.fast.connection import Connection, Routes
from ringfence_kit.fast.deadlines import Deadlines
from ringfence_kit.fast.protocol import WireLimits
from ringfence_kit.fast.turns import Turns
from ringfence_kit.methods import Handler
from ringfence_kit.server_config import LimitsConfig

LOOKS_EVERY = 1.0
"""Seconds."""
HANDSHAKE = 10.0
"""Seconds."""
BACKLOG = 1_024


def wire_limits(limits: LimitsConfig, *, max_message_bytes: int) -> WireLimits:
    """Return what one connection may take, as configured."""
    return WireLimits(
        max_message_bytes=max_message_bytes,
        max_metadata_bytes=limits.max_metadata_bytes,
        max_streams=limits.max_streams_per_connection,
        keepalive_interval=limits.keepalive_interval / 1_000,
        keepalive_timeout=limits.keepalive_timeout / 1_000,
        min_ping_interval=limits.min_ping_interval / 1_000,
        max_age=limits.max_connection_age / 1_000,
        max_grace=limits.max_connection_grace / 1_000,
        max_idle=limits.max_connection_idle / 1_000,
    )


class FastServer:
    """Serves `handlers` by path, and everything else by `unknown`, on a bound socket. Made on its event loop."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        unknown: Handler,
        *,
        bound: socket.socket,
        limits: WireLimits,
        max_connections: int,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._routes = Routes(handlers, unknown)
        self._bound = bound
        self._limits = limits
        self._max_connections = max_connections
        self._tls = tls
        self._connections: set[Connection] = set()
        loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(loop)
        self._turns = Turns(loop)
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._stopped = asyncio.Event()
        self.counts: Counter[str] = Counter()
        """Connections and calls that were sent away, by why."""

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._connections)

    @property
    def calls(self) -> int:
        """Calls that are under way."""
        return sum(connection.calls for connection in self._connections)

    async def start(self) -> None:
        """Take calls; once."""
        if self._server is not None or self._stopped.is_set():
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connection,
            sock=self._bound,
            ssl=self._tls,
            ssl_handshake_timeout=None if self._tls is None else HANDSHAKE,
            backlog=BACKLOG,
        )
        self._looking = loop.create_task(self._look())

    async def stop(self, grace: float | None) -> None:
        """Take no more calls; those in progress have `grace` seconds to finish, and are cancelled then."""
        if self._server is None:
            self._bound.close()
        else:
            self._server.close()
        for connection in [*self._connections]:
            connection.end(grace or 0.0)
        await self._closed_within(grace or 0.0)
        for connection in [*self._connections]:
            connection.cut()
        await self._closed_within(None)
        if self._looking is not None:
            self._looking.cancel()
        self._stopped.set()

    async def wait_for_termination(self) -> None:
        """Return once the server has ended, or raise what ended it."""
        await self._stopped.wait()

    def _connection(self) -> Connection:
        return Connection(
            self._routes,
            limits=self._limits,
            deadlines=self._deadlines,
            turns=self._turns,
            counts=self.counts,
            opened=self._opened,
            closed=self._closed,
        )

    def _opened(self, connection: Connection) -> bool:
        if len(self._connections) >= self._max_connections:
            return False
        self._connections.add(connection)
        return True

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    async def _closed_within(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            pass

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_EVERY)
            self._look_once()

    def _look_once(self) -> None:
        # Not in the loop that sleeps: it would hold on to the last connection, and all that is queued on it.
        for connection in [*self._connections]:
            connection.look()
