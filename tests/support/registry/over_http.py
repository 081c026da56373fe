"""The registry's HTTP face as a client of any language meets it: over a socket, with plain requests."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.registry.v1 import namespace_pb2
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence_registry.config import DefaultVisibility

from support.registry.served import ServedRegistry, agent_message, served_registry

PUBLISHER = "example.com"
HOST_SUFFIX = "agents.example.com"
HIDDEN = "secrets"
"""A namespace nobody sees who is not of it."""


def a_card(name: str = "Ledger", **members: Any) -> bytes:
    """A card of A2A 1.0 that says everything it should, and nothing on which canonical forms differ."""
    card = {
        "name": name,
        "description": f"{name} keeps books.",
        "version": "1.0.0",
        "supportedInterfaces": [
            {"url": "https://ledger.example.com/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        ],
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [
            {
                "id": "reconcile",
                "name": "Reconcile",
                "description": "Reconciles accounts.",
                "tags": ["sql", "books"],
                "examples": ["Reconcile May.", "What is open?"],
            }
        ],
    }
    return json.dumps(card | members, indent=1).encode()


class HttpRegistry:
    """A running registry, most of which is public, and a client of its HTTP face."""

    def __init__(self, served: ServedRegistry, client: httpx.AsyncClient) -> None:
        self.served = served
        self.client = client

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self.client.base_url).rstrip("/")

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """GET, with headers whose names are written with `_`."""
        return await self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def post(self, path: str, body: Any) -> httpx.Response:
        """POST a JSON value, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(path, content=content, headers={"content-type": "application/json"})

    async def search(self, text: str, **more: Any) -> Any:
        """Return the answer to a search that is in order."""
        query = {"text": text} | ({"filter": more.pop("filter")} if "filter" in more else {})
        answer = await self.post("/search", {"query": query, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def register(self, agent_id: str, *, namespace: str = "finance", card: bytes | None = None) -> None:
        """Register an agent, named like its id in title case."""
        await self.served.register(
            agent_id,
            parent=f"namespaces/{namespace}",
            card=a_card(agent_id.title()) if card is None else card,
            agent=agent_message(display_name=agent_id.title()),
        )

    async def hide(self, namespace: str) -> None:
        """Make a namespace private."""
        hidden = namespace_pb2.Namespace(name=f"namespaces/{namespace}", visibility=namespace_pb2.VISIBILITY_PRIVATE)
        request = namespace_pb2.UpdateNamespaceRequest(namespace=hidden, update_mask=FieldMask(paths=["visibility"]))
        await NamespaceServiceStub(self.served.channel()).UpdateNamespace(request)


@asynccontextmanager
async def http_registry(data: Path, **settings: Any) -> AsyncIterator[HttpRegistry]:
    """Serve a registry whose namespaces are public but HIDDEN, which is private."""
    wanted = {
        "default_visibility": DefaultVisibility.PUBLIC,
        "publisher": PUBLISHER,
        "host_suffix": HOST_SUFFIX,
        "http_per_second": 0,
    }
    async with served_registry(data, **{**wanted, **settings}) as served:
        base = f"http://{served.mesh.address('registry.http_listen')}"
        async with httpx.AsyncClient(base_url=base) as client:
            registry = HttpRegistry(served, client)
            await registry.hide(HIDDEN)
            yield registry
