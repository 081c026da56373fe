"""A Cerbos process for benchmarks: the published binary, with as many rules and conditions as ours on disk.

The binary comes from npm (`@cerbos/cerbos-linux-x64`), once, below `.build/`. Audit, telemetry and tracing are off and
it logs errors only, which is less than ours does: ours keeps every decision. Its messages are read from the server
itself, by reflection.
"""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

VERSION = "0.55.0"
METHOD = "/cerbos.svc.v1.CerbosService/CheckResources"
BATCH = 50
"""As many resources as it takes in one request by default."""

RULES_PER_POLICY = 10
_BUILD = Path(__file__).resolve().parent.parent / ".build" / "cerbos"


@dataclass(frozen=True, slots=True, kw_only=True)
class CerbosProcess:
    """A running process."""

    pid: int
    address: str
    one: bytes
    """A request with one resource and one action, which is allowed."""
    batch: bytes
    """One with `BATCH` of them."""

    def allows(self, count: int) -> Any:
        """Return what says whether a response allows `count` resources."""
        response = _message(self.address, "cerbos.response.v1.CheckResourcesResponse")

        def right(body: bytes) -> bool:
            results = response.FromString(body).results
            return len(results) == count and all(set(each.actions.values()) == {1} for each in results)

        return right


def binary() -> Path:
    """Return the binary, fetched when it is not there yet. Raises FileNotFoundError without npm."""
    found = _BUILD / "node_modules" / "@cerbos" / "cerbos-linux-x64" / "cerbos-linux-x64"
    if not found.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError("npm is needed to fetch Cerbos; install Node.js, or leave Cerbos out")
        _BUILD.mkdir(parents=True, exist_ok=True)
        package = f"@cerbos/cerbos-linux-x64@{VERSION}"
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--prefix", str(_BUILD), package], check=True)
    return found


def write_policies(folder: Path, rules: int) -> None:
    """Write as many rules as ours has, ten to a policy, with the same three comparisons each."""
    folder.mkdir(parents=True)
    for group in range(max(1, rules // RULES_PER_POLICY)):
        lines = [
            f"    - actions: ['read_{rule}']\n      effect: EFFECT_ALLOW\n      roles: [agent]\n      condition:\n"
            f'        match:\n          expr: "P.attr.ring <= 3 && P.attr.trust >= {group % 300} && '
            f"R.attr.data_class in ['public', 'internal']\"\n"
            for rule in range(min(rules, RULES_PER_POLICY))
        ]
        head = (
            f"apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: table{group}\n  version: default\n  rules:\n"
        )
        (folder / f"p{group}.yaml").write_text(head + "".join(lines))


@asynccontextmanager
async def cerbos_process(folder: Path, rules: int) -> AsyncIterator[CerbosProcess]:
    """Run Cerbos over so many rules; ready when it answers."""
    write_policies(folder / "policies", rules)
    address, http = _address(), _address()
    config = folder / "cerbos.yaml"
    config.write_text(
        f"server: {{grpcListenAddr: '{address}', httpListenAddr: '{http}'}}\n"
        f"storage: {{driver: disk, disk: {{directory: {folder / 'policies'}, watchForChanges: false}}}}\n"
        "audit: {enabled: false}\ntelemetry: {disabled: true}\n"
    )
    process = await asyncio.create_subprocess_exec(
        str(binary()),
        "server",
        f"--config={config}",
        "--log-level=ERROR",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        request = await asyncio.to_thread(_when_ready, address)
        yield CerbosProcess(pid=process.pid, address=address, one=_request(request, 1), batch=_request(request, BATCH))
    finally:
        process.terminate()
        await process.wait()


def _request(request: Any, count: int) -> bytes:
    resource = {"kind": "table0", "id": "warehouse/orders", "attr": {"data_class": "internal"}}
    question = {
        "requestId": "bench",
        "principal": {"id": "agent0", "roles": ["agent"], "attr": {"ring": 3, "trust": 500}},
        "resources": [{"actions": ["read_1"], "resource": resource}] * count,
    }
    built: bytes = json_format.ParseDict(question, request()).SerializeToString()
    return built


def _when_ready(address: str) -> Any:
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=180)
    return _message(address, "cerbos.request.v1.CheckResourcesRequest")


def _message(address: str, name: str) -> Any:
    with grpc.insecure_channel(address) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        return GetMessageClass(pool.FindMessageTypeByName(name))


def _address() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return f"127.0.0.1:{port}"
