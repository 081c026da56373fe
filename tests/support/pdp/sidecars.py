"""Agents with a real Envoy beside each, as `deploy/gateways/envoy/sidecar.yaml` configures it, before one pdp.

`a` sends messages to `b` (A2A), `b` calls tools of `c` (MCP). What differs from the file that is shipped are addresses,
audiences, and which agent a sidecar stands before.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from ringfence.identity.v1 import identity_pb2
from ringfence.registry.v1 import registry_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import ManualClock, Millis, SystemClock
from ringfence_kit.http import serving as serving_http
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from support.identity.envoy import ENDS_S, ENVOY, LOOPBACK, READY_S, free_port, on_addresses
from support.pdp.mint import Mint
from support.pdp.served import ServedPdp, agent, identity, served_pdp, tool
from support.pdp.world import HASH

SHIPPED = Path(__file__).parents[3] / "deploy/gateways/envoy/sidecar.yaml"
TOOLS = ("ledger.read_invoice", "ledger.pay_invoice", "ledger.delete_invoice")
NAMES = ("a", "b", "c")


def resource_name(name: str) -> str:
    """Return an agent's resource name."""
    return f"namespaces/billing/agents/{name}"


def did_of(name: str) -> str:
    """Return an agent's DID."""
    return f"did:webvh:Qm{name.upper() * 40}:prod.id.ringfence.internal:agents:Qm{name.upper() * 40}"


def audience_of(name: str) -> str:
    """Return what an agent's tokens are made for when it is called."""
    return f"https://{name}.example.com"


GATEWAY = Caller(
    principal="sidecars", roles=frozenset({Role.GATEWAY}), agents=frozenset(resource_name(name) for name in NAMES)
)


class Wire:
    """A TCP connection between gateways and the pdp that a test can cut, or hold up."""

    def __init__(self) -> None:
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self.address = ""

    @asynccontextmanager
    async def to(self, target: str) -> AsyncIterator["Wire"]:
        """Forward to `target` inside the block."""
        host, port = target.rsplit(":", 1)

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self._is_cut:
                writer.close()
                return
            behind, before = await asyncio.open_connection(host, int(port))
            self._open |= {writer, before}
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, before))
                both.create_task(self._pump(behind, writer))

        server = await asyncio.start_server(forward, LOOPBACK, 0)
        self.address = f"{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self.cut()
            server.close()

    def cut(self) -> None:
        """Close every connection, and take none."""
        self._is_cut = True
        self._flows.set()
        for writer in self._open:
            writer.close()
        self._open.clear()

    def mend(self) -> None:
        """Take connections again, and let everything through."""
        self._is_cut = False
        self._flows.set()

    def hold(self) -> None:
        """Let nothing through, and close nothing."""
        self._flows.clear()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            return
        finally:
            writer.close()


@dataclass(slots=True)
class Sidecar:
    """A running Envoy beside one agent."""

    inbound: str
    outbound: str
    admin: str


@dataclass(slots=True, kw_only=True)
class Sidecars:
    """Everything that runs."""

    pdp: ServedPdp
    wire: Wire
    mint: Mint
    beside: Mapping[str, Sidecar]
    client: httpx.AsyncClient
    arrived: list[dict[str, Any]] = field(default_factory=list)
    """What `c` was asked to do, and by whom."""

    def token(self, name: str, audience: str, *on_behalf_of: str) -> str:
        """Return a token of an agent for whom it calls, perhaps on behalf of others."""
        path = (*map(did_of, on_behalf_of), did_of(name))
        return self.mint.token(
            *path,
            now=SystemClock().now(),
            audience=audience_of(audience),
            delegated=bool(on_behalf_of),
            tools=dict.fromkeys(TOOLS, HASH),
            scopes=("ledger:*", "send_message", "read_invoice", "pay_invoice", "delete_invoice"),
        )

    async def call(
        self,
        url: str,
        message: Any,
        *,
        token: str,
        headers: Sequence[tuple[str, str]] = (),
    ) -> httpx.Response:
        """Send a message through a sidecar."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        sent = [("authorization", f"Bearer {token}"), ("content-type", "application/json"), *headers]
        return await self.client.post(f"http://{url}/", content=body, headers=sent)

    async def call_tool(self, name: str, arguments: Any = None, **kwargs: Any) -> httpx.Response:
        """Call a tool of `c` as `b`, past the sidecar of `c` alone."""
        params = {"name": name, "arguments": arguments or {}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return await self.call(self.beside["c"].inbound, message, token=self.token("b", "c"), **kwargs)

    async def mended(self) -> None:
        """Return once the pdp is reached again."""
        self.wire.mend()
        while (await self.call_tool(TOOLS[0])).status_code != 200:
            pass


@asynccontextmanager
async def running_sidecars(folder: Path, policy: bytes, *, port: str) -> AsyncIterator[Sidecars]:
    """Run three agents, three Envoys and the pdp inside the block; Envoy asks at the pdp's `port`."""
    mint, wire = Mint("prod"), Wire()
    async with AsyncExitStack() as stack:
        pdp = await stack.enter_async_context(
            served_pdp(folder / "pdp", known=False, clock=ManualClock(SystemClock().now()))
        )
        await _know_everybody(pdp, mint)
        await pdp.push(policy)
        await stack.enter_async_context(wire.to(pdp.mesh.address(port)))
        keys = await stack.enter_async_context(_listening(_issuer(mint)))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        ports = {name: (free_port(), free_port(), free_port()) for name in NAMES}
        beside = {
            name: Sidecar(*(f"{LOOPBACK}:{port}" for port in (inbound, outbound, admin)))
            for name, (inbound, outbound, admin) in ports.items()
        }
        running = Sidecars(pdp=pdp, wire=wire, mint=mint, beside=beside, client=client)
        apps = {
            "a": await stack.enter_async_context(_listening(_silent())),
            "b": await stack.enter_async_context(_listening(_agent(running))),
            "c": await stack.enter_async_context(_listening(_tool_server(running))),
        }
        peers = {"a": "b", "b": "c", "c": "a"}
        token = pdp.mesh.token(GATEWAY)
        async with asyncio.TaskGroup() as starting:
            for name in NAMES:
                addresses = {
                    "admin": beside[name].admin,
                    "inbound": beside[name].inbound,
                    "outbound": beside[name].outbound,
                    "identity": keys,
                    "pdp": wire.address,
                    "agent": apps[name],
                    "peer": beside[peers[name]].inbound,
                }
                file = folder / f"{name}.json"
                file.write_text(json.dumps(on_addresses(_shipped_for(name, peers[name]), addresses)))
                starting.create_task(stack.enter_async_context(_envoy(file, beside[name].admin, token)))
        yield running


def _shipped_for(name: str, peer: str) -> str:
    text = SHIPPED.read_text()
    for old, new in (
        ("https://orders.example.com", audience_of(name)),
        ("https://ledger.example.com", audience_of(peer)),
        ("namespaces/billing/agents/orders", resource_name(name)),
        ("namespaces/billing/agents/ledger", resource_name(peer)),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


async def _know_everybody(pdp: ServedPdp, mint: Mint) -> None:
    around = pdp.around
    around.identity.mint = mint
    birth = identity_pb2.BirthCertificateContent(
        ring_ceiling=1, approved_tools=[identity_pb2.ApprovedTool(name=name, schema_hash=HASH) for name in TOOLS]
    )
    born: dict[str, Any] = {"birth_certificate": birth, "birth_certificate_hash": "bc", "revocation_epoch": 1}
    for name in NAMES:
        known: dict[str, Any] = {"agent": resource_name(name), "did": did_of(name), "environment": "prod", **born}
        around.identity.agents.say(identity(pdp.clock, **known))
        approved = [registry_pb2.ApprovedTool(name=one, schema_hash=HASH) for one in TOOLS]
        around.registry.agents.say(agent(name=resource_name(name), environments=["prod"], approved_tools=approved))
    for one in TOOLS:
        around.registry.tools.say(tool(name=f"namespaces/billing/tools/{one}"))


@asynccontextmanager
async def _listening(app: Starlette) -> AsyncIterator[str]:
    with socket.create_server((LOOPBACK, 0)) as listening:
        async with serving_http(app, listening, tls=None, grace=Millis(100)):
            yield f"{LOOPBACK}:{listening.getsockname()[1]}"


@asynccontextmanager
async def _envoy(file: Path, admin: str, token: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        str(ENVOY),
        *("--config-path", str(file), "--log-path", str(file.with_suffix(".log")), "--log-level", "warning"),
        *("--concurrency", "1", "--use-dynamic-base-id", "--disable-hot-restart"),
        env={**os.environ, "RINGFENCE_GATEWAY_TOKEN": token},
    )
    try:
        await asyncio.wait_for(_live(admin, process, file.with_suffix(".log")), READY_S)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), ENDS_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _live(admin: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=20)) as client:
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"Envoy ended with {process.returncode}: {_end_of(log)}")
            try:
                if (await client.get(f"http://{admin}/ready")).text.strip() == "LIVE":
                    return
            except httpx.TransportError:
                continue


def _end_of(log: Path) -> str:
    return log.read_text()[-2_000:]


# What stands behind the sidecars


def _issuer(mint: Mint) -> Starlette:
    async def keys(_request: Request) -> JSONResponse:
        return JSONResponse(json.loads(mint.jwks))

    return Starlette(routes=[Route("/prod/.well-known/jwks.json", keys)])


def _silent() -> Starlette:
    return Starlette()


def _agent(running: Sidecars) -> Starlette:
    """Answer A2A messages by calling the tool they name, on behalf of whoever sent them."""

    async def message(request: Request) -> JSONResponse:
        call = await request.json()
        (part,) = call["params"]["message"]["parts"]
        sent = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": part["data"]}
        token = running.token("b", "c", "a")
        answer = await running.call(running.beside["b"].outbound, sent, token=token)
        result = {"status": answer.status_code, **answer.json()}
        return JSONResponse({"jsonrpc": "2.0", "id": call["id"], "result": result})

    return Starlette(routes=[Route("/", message, methods=["POST"])])


def _tool_server(running: Sidecars) -> Starlette:
    """Answer MCP calls, batches included, and remember what arrived."""

    async def rpc(request: Request) -> JSONResponse:
        body = await request.json()
        running.arrived.append({"headers": dict(request.headers), "body": body})
        answers = [
            {"jsonrpc": "2.0", "id": call.get("id"), "result": {"content": [], "isError": False}}
            for call in (body if isinstance(body, list) else [body])
        ]
        return JSONResponse(answers if isinstance(body, list) else answers[0])

    return Starlette(routes=[Route("/", rpc, methods=["POST"])])
