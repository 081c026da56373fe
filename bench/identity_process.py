"""An identity process for benchmarks, without limits that would measure themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from processes import ServiceProcess, service_process
from ringfence.errors import RingfenceError
from ringfence.identity.v1 import identity_pb2, identity_pb2_grpc

_UNLIMITED = {"identity.sponsors.agents": "0", "identity.sponsors.enrolments_per_hour": "0"}


@asynccontextmanager
async def identity_process(data: Path, *, certificates: Path | None = None) -> AsyncIterator[ServiceProcess]:
    """Run identity with its data in `data`; it answers."""
    async with service_process("identity", data, _UNLIMITED, certificates=certificates) as running:
        await _until_ready(running)
        yield running


async def _until_ready(identity: ServiceProcess) -> None:
    """Ask until it answers: a process that starts has nothing else to say."""
    async with identity.channel() as channel, asyncio.timeout(60):
        stub = identity_pb2_grpc.CredentialServiceStub(channel)
        while True:
            try:
                await stub.GetJwks(identity_pb2.GetJwksRequest(environment="prod"))
            except RingfenceError:
                continue
            return
