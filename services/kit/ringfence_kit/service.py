"""What a service tells the server about itself: where it listens, what it serves, who may call it, what it runs.

`app.py` of each service builds one `Service`; `server.py` runs one or several of them in a process. The rules:

- nothing is opened when a `Service` is built: `run` opens stores and feeds, and its exit closes them;
- a face is registered through its generated `add_…_to_server`, so the handlers and their types are the proto's own;
- each listener is one port with its own faces; health, reflection and channelz are added to it by the server.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import grpc.aio
from prometheus_client.registry import Collector
from starlette.routing import BaseRoute

from ringfence_kit.addresses import Address
from ringfence_kit.grants import Grants
from ringfence_kit.http_methods import HttpMethod
from ringfence_kit.issuers import TrustedIssuer
from ringfence_kit.readiness import Readiness
from ringfence_kit.tls import TlsConfig


@dataclass(frozen=True, slots=True)
class Face:
    """One proto service as it is served: `Face(add_RegistryServiceServicer_to_server, RegistryApi(...))`.

    The full proto service name and its methods are read from what `add` registers.
    """

    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object
    readers: Mapping[str, Callable[[bytes], Any]] = field(default_factory=dict)
    """By the name of a method, what reads its request from bytes where the generated code is not what is wanted. It
    raises DecodeError for bytes that are no such message, and a Failure for what a servicer would refuse anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One gRPC port."""

    address: str
    """`host:port`; port 0 takes a free one."""
    setting: str
    """The configuration key that changes the address (`telemetry.otlp_listen`), named when the port is taken."""
    faces: Sequence[Face]
    max_request_bytes: int | None = None
    """The largest request message here; None takes `[server.limits] max_request_bytes`."""
    fast: bool = False
    """Whether libnghttp2 serves it (`fast/`); where that is not installed there is no such port."""


def fast_listener(
    address: str, *, setting: str, faces: Sequence[Face], max_request_bytes: int | None = None
) -> Sequence[Listener]:
    """Return the fast port at `address`; none when that is empty."""
    if not address:
        return []
    return [Listener(address=address, setting=setting, faces=faces, max_request_bytes=max_request_bytes, fast=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFace:
    """The service's HTTP port: `/metrics`, `/healthz`, `/readyz`, documents for the outside world, methods."""

    address: str
    setting: str
    """The configuration key that changes the address."""
    routes: Sequence[BaseRoute] = ()
    methods: Sequence[HttpMethod] = ()
    """Paths that need a caller."""


class Workers(Protocol):
    """The processes that serve the listeners of a service in its place; see `workers/`."""

    @property
    def socket(self) -> Path:
        """Where the service serves what its workers pass on to it."""
        ...

    @property
    def secret(self) -> str:
        """What they show there."""
        ...

    def held(self, setting: str, address: Address) -> None:
        """Hear the address that is held for them, with the port that was chosen."""
        ...

    async def scraped(self) -> Mapping[str, str]:
        """Return what each of them counts, as Prometheus' text, by its name."""
        ...

    async def end(self) -> None:
        """Have them drain, and end: before the service does, whom they need for that."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One of the mesh's services, ready to be run by a `Server`."""

    name: str
    """`registry`: its configuration section, metrics label and log field."""
    listeners: Sequence[Listener]
    grants: Grants
    """A row for every method of every face, and no other."""
    http: HttpFace | None = None
    run: Callable[[], AbstractAsyncContextManager[object]] = nullcontext
    """Enters: stores open, feeds and tasks run. Exits: all of it ends, in reverse order. Entered once the ports are
    open (calls are refused as UNAVAILABLE until it has been), left after the last call has been answered."""
    readiness: Readiness = field(default_factory=Readiness)
    tls: TlsConfig | None = None
    """This service's certificate; None takes `[server.tls]`."""
    collectors: Sequence[Collector] = ()
    """Its own metrics, named `ringfence_<service>_…`; shown while it is open."""
    issuers: Sequence[TrustedIssuer] = ()
    """Token issuers this service trusts besides the configured ones: identity trusts itself without fetching."""
    workers: Workers | None = None
    """Who serves the listeners, where other processes do. Their ports are held here and not served."""
