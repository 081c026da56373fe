"""What is up while contenders take turns: each server is started when somebody first needs it, and ends with the stage.

A server that does not start is not tried twice: whoever needs it hears why.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from cerbos_process import CerbosProcess, cerbos_process
from envoy_process import EnvoyProcess, envoy_process
from grpc_load import Call, Load
from pdp_process import Mesh, PdpProcess, mesh
from processes import ServiceProcess, accepts, free_address, idles, make_certificates, running
from questions import RULES, policies
from registry_process import registry_process
from registry_scale import fill
from ringfence.local_pdp import LocalPdp

T = TypeVar("T")
START_S = 60.0
CARDS = "cards"
"""The folder of the registry with many cards, which outlives the stage."""


class NotOnStageError(RuntimeError):
    """A server that was needed is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    rounds: int
    slice_s: float
    cards: int
    with_cerbos: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyProcess:
    """A running empty handler."""

    pid: int
    address: str


class Stage:
    """The servers, by what they are for."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._stack = AsyncExitStack()
        self._up: dict[str, Any] = {}
        """What is up, or why it is not."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def empty(self) -> EmptyProcess:
        """Return the yardstick."""
        return await self._once("an empty handler", _empty_process)

    async def cerbos(self) -> CerbosProcess:
        """Return Cerbos over as many rules as ours."""
        if not self._plan.with_cerbos:
            raise NotOnStageError("Cerbos was left out")
        return await self._once("Cerbos", lambda: cerbos_process(self._folder / "cerbos", RULES))

    async def mesh(self) -> Mesh:
        """Return what the pdps in the clear stand between."""
        return await self._once("the mesh", lambda: mesh(self._folder / "plain"))

    async def pdp(self) -> PdpProcess:
        """Return the pdp as most run it."""
        around = await self.mesh()
        return await self._once("the pdp", lambda: around.pdp(policies()))

    async def traced_pdp(self) -> PdpProcess:
        """Return a pdp that exports spans of calls that are sampled."""
        around = await self.mesh()
        settings = {"server.tracing.endpoint": f"http://{around.otlp}"}
        return await self._once("the traced pdp", lambda: around.pdp(policies(), settings))

    async def pdp_of_two(self) -> PdpProcess:
        """Return a pdp whose two workers share its ports."""
        around = await self.mesh()
        return await self._once("the pdp with two workers", lambda: around.pdp(policies(), {"pdp.workers": "2"}))

    async def secured_pdp(self) -> PdpProcess:
        """Return a pdp in a mesh with mutual TLS."""
        folder = self._folder / "secured"
        around = await self._once(
            "the mesh with mutual TLS", lambda: mesh(folder, certificates=make_certificates(folder))
        )
        return await self._once("the pdp with mutual TLS", lambda: around.pdp(policies()))

    async def envoy(self) -> EnvoyProcess:
        """Return an Envoy before the empty handler, which asks the pdp's fast port."""
        pdp, around, behind = await self.pdp(), await self.mesh(), (await self.empty()).address
        return await self._once("Envoy", lambda: envoy_process(self._folder / "envoy", pdp, around.did, behind=behind))

    async def local_pdp(self) -> LocalPdp:
        """Return a pdp in this process, with the snapshot of the one that is served."""
        service = (await self.pdp()).service
        return await self._once("LocalPdp", lambda: _local_pdp(service, self._folder / "local"))

    async def registry(self) -> ServiceProcess:
        """Return a registry with many cards."""
        folder = self._folder / CARDS
        return await self._once("the registry", lambda: _registry(folder, self._plan.cards))

    async def connected(
        self,
        address: str,
        call: Call,
        *,
        connections: int = 4,
        streams: int = 16,
        tls: ssl.SSLContext | None = None,
    ) -> Load:
        """Connect; the connections end with the stage."""
        load = await Load.open(address, call, connections=connections, streams=streams, tls=tls)
        self._stack.callback(load.close)
        return load

    async def _once(self, name: str, make: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        if name not in self._up:
            try:
                self._up[name] = await self._stack.enter_async_context(make())
            except Exception as error:  # noqa: BLE001 - whatever keeps it away is said by each who needs it
                self._up[name] = NotOnStageError(f"{name} did not start: {type(error).__name__}: {error}")
        found = self._up[name]
        if isinstance(found, NotOnStageError):
            raise found
        one: T = found
        return one


async def put_cards(folder: Path, count: int) -> None:
    """Build the registry's store with so many agents, if it is not there."""
    try:
        folder.mkdir(parents=True)  # noqa: ASYNC240 - nothing else is under way
    except FileExistsError:
        return
    await fill(folder, count)


@asynccontextmanager
async def _local_pdp(service: ServiceProcess, data: Path) -> AsyncIterator[LocalPdp]:
    async with LocalPdp(service.address, data=data, options=service.options("service")) as pdp:
        async with asyncio.timeout(START_S):
            await pdp.ready()
        yield pdp


@asynccontextmanager
async def _registry(folder: Path, cards: int) -> AsyncIterator[ServiceProcess]:
    await put_cards(folder, cards)
    async with registry_process(folder, fast=True) as process:
        await idles(process.pid)
        yield process


@asynccontextmanager
async def _empty_process() -> AsyncIterator[EmptyProcess]:
    address = free_address()
    script = str(Path(__file__).with_name("empty_server.py"))
    async with running((sys.executable, script, address.rpartition(":")[2])) as pid:
        await accepts(address)
        yield EmptyProcess(pid=pid, address=address)
