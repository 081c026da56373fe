"""A registry process for benchmarks, without limits that would measure themselves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from processes import ServiceProcess, service_process
from ringfence.errors import RingfenceError
from ringfence.registry.v1 import registry_pb2, registry_pb2_grpc

LONGEST_START_S = 300.0


@asynccontextmanager
async def registry_process(
    data: Path,
    settings: Mapping[str, str] | None = None,
    *,
    certificates: Path | None = None,
    fast: bool = False,
) -> AsyncIterator[ServiceProcess]:
    """Run the registry with its data in `data`; it answers."""
    async with service_process("registry", data, settings, certificates=certificates, fast=fast) as running:
        await _until_ready(running)
        yield running


async def _until_ready(registry: ServiceProcess) -> None:
    """Ask until it answers: a process that starts has nothing else to say."""
    async with registry.channel() as channel, asyncio.timeout(LONGEST_START_S):
        stub = registry_pb2_grpc.RegistryServiceStub(channel)
        while True:
            try:
                await stub.ListAgents(registry_pb2.ListAgentsRequest(parent="namespaces/-", page_size=1))
            except RingfenceError:
                continue
            return
