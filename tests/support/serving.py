"""Runs services as `Server` runs them, on free loopback ports, and opens channels to them as whoever a test likes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc.aio
from ringfence_kit.callers import ANONYMOUS, Caller
from ringfence_kit.clock import Clock, Millis, SystemClock
from ringfence_kit.dev_tokens import CALLERS, token_path
from ringfence_kit.ids import NewId, counting_ids
from ringfence_kit.metrics import Metrics
from ringfence_kit.server import Server
from ringfence_kit.server_config import CallLog, LogConfig, ServerConfig
from ringfence_kit.service import Service
from ringfence_kit.tracing import Tracing

from support.prepared import prepare
from support.tokens import TestIssuer

OPERATOR = CALLERS["operator"]
SERVICE = CALLERS["service"]


def server_config(data: Path, **changes: Any) -> ServerConfig:
    """Return the settings of a server in development mode that keeps its files under `data` and drains at once."""
    settings = {"dev": True, "data": data, "drain": Millis(2_000), "log": LogConfig(calls=CallLog.NONE), **changes}
    return ServerConfig(**settings)


@dataclass(slots=True, kw_only=True)
class Mesh:
    """What runs, and the ways in."""

    addresses: Mapping[str, str]
    """Setting → bound address: `registry.listen` → `127.0.0.1:40123`."""
    data: Path
    clock: Clock
    issuer: TestIssuer
    metrics: Metrics
    _channels: AsyncExitStack = field(default_factory=AsyncExitStack)

    def address(self, setting: str = "") -> str:
        """Return where a setting listens; without one, the first."""
        return self.addresses[setting] if setting else next(iter(self.addresses.values()))

    def token(self, caller: Caller) -> str:
        """Return a bearer token that makes its bearer `caller`.

        Callers but the two of development mode arrive through a real issuer, so `ana` arrives as `test:ana`; an agent,
        a caller with an environment, arrives as it is.
        """
        for name, known in CALLERS.items():
            if caller is known:
                return token_path(self.data, name).read_text().strip()
        return self.issuer.token_for(caller, self.clock.now())

    def metadata(self, caller: Caller) -> Sequence[tuple[str, str]]:
        """Return what to send along with a call to be `caller`."""
        return () if caller is ANONYMOUS else (("authorization", f"Bearer {self.token(caller)}"),)

    def channel(self, caller: Caller = OPERATOR, setting: str = "", **options: Any) -> grpc.aio.Channel:
        """Open a plain channel whose calls are made as `caller`. It is closed with the mesh."""
        interceptors = _sending(self.metadata(caller))
        channel = grpc.aio.insecure_channel(self.address(setting), interceptors=interceptors, **options)
        self._channels.push_async_callback(channel.close)
        return channel


@asynccontextmanager
async def serving(
    *services: Service,
    config: ServerConfig,
    clock: Clock | None = None,
    new_id: NewId | None = None,
    tracing: Tracing | None = None,
) -> AsyncIterator[Mesh]:
    """Run `services` inside the block, whatever addresses they ask for on free ports instead."""
    clock, issuer, metrics = clock or SystemClock(), TestIssuer(), Metrics()
    server = Server(config, clock=clock, new_id=new_id or counting_ids(), metrics=metrics, tracing=tracing)
    for service in services:
        prepare(service.name, config.data / f"{service.name}.db")
        server.add(on_free_ports(replace(service, issuers=[*service.issuers, *issuer.trusted])))
    async with AsyncExitStack() as channels, server.serving() as addresses:
        yield Mesh(
            addresses=addresses, data=config.data, clock=clock, issuer=issuer, metrics=metrics, _channels=channels
        )
        await channels.aclose()


def on_free_ports(service: Service) -> Service:
    """Return the service listening on ports nobody else has."""
    listeners = [replace(listener, address="127.0.0.1:0") for listener in service.listeners]
    http = replace(service.http, address="127.0.0.1:0") if service.http is not None else None
    return replace(service, listeners=listeners, http=http)


def _sending(metadata: Sequence[tuple[str, str]]) -> list[grpc.aio.ClientInterceptor]:
    if not metadata:
        return []
    return [_UnaryUnary(metadata), _UnaryStream(metadata), _StreamUnary(metadata), _StreamStream(metadata)]


class _Sending:
    def __init__(self, metadata: Sequence[tuple[str, str]]) -> None:
        self._metadata = metadata

    def _with(self, details: Any) -> Any:
        sent = [*(details.metadata or ()), *self._metadata]
        return details._replace(metadata=grpc.aio.Metadata(*sent))


class _UnaryUnary(_Sending, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._with(client_call_details), request)


class _UnaryStream(_Sending, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._with(client_call_details), request)


class _StreamUnary(_Sending, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(self._with(client_call_details), request_iterator)


class _StreamStream(_Sending, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(self._with(client_call_details), request_iterator)
