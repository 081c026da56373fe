"""Runs services: ports, health, interceptors, HTTP faces, and an orderly end.

(implementation follows; the signatures are settled)
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from ringfence_kit.clock import Clock
from ringfence_kit.ids import NewId
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import Service


class Server:
    """One process: `await Server(config, clock=clock, new_id=new_id).add(service).run()`."""

    def __init__(self, config: ServerConfig, *, clock: Clock, new_id: NewId) -> None:
        raise NotImplementedError

    def add(self, service: Service) -> "Server":
        """Take a service in; ValueError when its grants table is not exact. Returns the server, for chaining."""
        raise NotImplementedError

    def serving(self) -> "AbstractAsyncContextManager[Mapping[str, str]]":
        """Serve inside the block; yields setting → bound address (`registry.listen` → `127.0.0.1:40123`)."""
        raise NotImplementedError

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain and close; a second signal ends at once."""
        raise NotImplementedError
