"""Cards of every live generation with nothing but grpcurl: registered from a file, returned bit for bit, and found."""

import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.registry.process import RegistryProcess, running_registry

GRPCURL = Path(sys.executable).parent / "grpcurl"
SERVICE = "ringfence.registry.v1.RegistryService"


def skill(*tags: str) -> dict[str, Any]:
    return {"id": "convert", "name": "Convert", "description": "Converts amounts.", "tags": list(tags)}


V0_2 = {
    "name": "Old Converter",
    "description": "Converts amounts.",
    "url": "https://old.example.com/a2a",
    "version": "0.9.0",
    "capabilities": {"stateTransitionHistory": True},
    "defaultInputModes": ["text"],
    "defaultOutputModes": ["text"],
    "skills": [skill("money", "v0-2")],
}
V0_3 = {
    **V0_2,
    "name": "Middle Converter",
    "protocolVersion": "0.3.0",
    "preferredTransport": "GRPC",
    "additionalInterfaces": [{"url": "https://middle.example.com/rest", "transport": "HTTP+JSON"}],
    "skills": [skill("money", "v0-3")],
}
V1_0 = {
    "name": "New Converter",
    "description": "Converts amounts.",
    "version": "2.0.0",
    "supportedInterfaces": [
        {"url": "https://new.example.com/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ],
    "capabilities": {"streaming": False},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [skill("money", "v1-0")],
}
HYBRID = {**V0_3, **V1_0, "name": "Both Converter", "skills": [skill("money", "hybrid")]}
GENERATIONS = {
    "v0-2": (V0_2, "CARD_DIALECT_V0_2"),
    "v0-3": (V0_3, "CARD_DIALECT_V0_3"),
    "v1-0": (V1_0, "CARD_DIALECT_V1_0"),
    "hybrid": (HYBRID, "CARD_DIALECT_HYBRID"),
}


def compact(card: dict[str, Any]) -> bytes:
    return json.dumps(card, separators=(",", ":")).encode()


def wide(card: dict[str, Any]) -> bytes:
    """Members backwards, tabs, and line ends of Windows."""
    return json.dumps(dict(reversed(card.items())), indent="\t").replace("\n", "\r\n").encode()


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RegistryProcess]:
    async with running_registry(tmp_path / "data") as running:
        yield running


async def grpcurl(registry: RegistryProcess, method: str, request: dict[str, Any]) -> Any:
    """Call a method as somebody who has read nothing but its name."""
    process = await asyncio.create_subprocess_exec(
        *(GRPCURL, "-plaintext", "-H", f"authorization: Bearer {registry.token}", "-d", "@", registry.address),
        f"{SERVICE}/{method}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await process.communicate(json.dumps(request).encode())
    assert process.returncode == 0, wrong.decode()
    return in_camel_case(json.loads(said))


def in_camel_case(value: Any) -> Any:
    """Some grpcurls write names as the proto does."""
    match value:
        case dict():
            return {
                name if "-" in name else "".join([first, *map(str.capitalize, rest)]): in_camel_case(member)
                for name, member in value.items()
                for first, *rest in [name.split("_")]
            }
        case list():
            return [in_camel_case(each) for each in value]
    return value


async def test_every_generation_is_registered_returned_and_found(registry: RegistryProcess, tmp_path: Path) -> None:
    for spelling, written in enumerate((compact, wide)):
        for generation, (card, dialect) in GENERATIONS.items():
            file = tmp_path / f"{generation}-{spelling}.json"
            file.write_bytes(written(card))
            answer = await grpcurl(
                registry,
                "RegisterAgent",
                {
                    "parent": f"namespaces/s{spelling}",
                    "agentId": generation,
                    "card": base64.b64encode(file.read_bytes()).decode(),
                    "agent": {
                        "purpose": "Converts amounts.",
                        "owner": {"displayName": "Treasury", "contact": "treasury@example.com"},
                        "riskTier": "RISK_TIER_LOW",
                        "environments": ["dev"],
                    },
                },
            )
            view = answer["agent"]["card"]
            assert answer["agent"]["state"] == "AGENT_STATE_ACTIVE"
            assert view["dialect"] == dialect
            digest = hashlib.sha256(file.read_bytes()).digest()
            assert base64.b64decode(view["sha256"]) == digest

            got = await grpcurl(registry, "GetCard", {"name": answer["agent"]["name"]})
            assert base64.b64decode(got["card"]) == file.read_bytes()
            assert base64.b64decode(got["sha256"]) == digest
            assert got["agentCard"]["supportedInterfaces"]

            wanted = f'skills.tags:"{generation}" AND skills.tags:"money"'
            found = await grpcurl(registry, "ListAgents", {"parent": f"namespaces/s{spelling}", "filter": wanted})
            assert [agent["name"] for agent in found["agents"]] == [answer["agent"]["name"]]


async def test_the_registry_describes_itself(registry: RegistryProcess) -> None:
    process = await asyncio.create_subprocess_exec(
        *(GRPCURL, "-plaintext", registry.address, "list"), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    services = set(said.decode().split())
    names = ("Registry", "Catalog", "Tool", "ExternalSystem", "Boundary", "Namespace")
    assert {f"ringfence.registry.v1.{name}Service" for name in names} <= services
