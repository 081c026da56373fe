"""The registry as a process of its own, started like an operator starts it, to be killed."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

COMMAND = (sys.executable, "-m", "ringfence_registry", "--dev", "--set", "server.log.calls=none")
ANY_PORT = ("--set", "registry.listen=127.0.0.1:0", "--set", "registry.http_listen=127.0.0.1:0")


@dataclass(frozen=True, slots=True)
class RegistryProcess:
    """A running process."""

    process: asyncio.subprocess.Process
    address: str
    token: str

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """Open a channel to it. Calls carry `self.credentials`."""
        async with grpc.aio.insecure_channel(self.address) as channel:
            yield channel

    @property
    def credentials(self) -> tuple[tuple[str, str], ...]:
        """The operator's, as metadata."""
        return (("authorization", f"Bearer {self.token}"),)

    async def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        await self.process.wait()


async def start_registry(data: Path) -> RegistryProcess:
    """Start the registry on `data` and wait until it serves."""
    process = await asyncio.create_subprocess_exec(*COMMAND, "--data", str(data), *ANY_PORT, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while line := await process.stderr.readline():
        said = json.loads(line)
        if said.get("event") == "serving":
            token = await asyncio.to_thread((data / "dev" / "operator.token").read_text)
            return RegistryProcess(process, said["registry_listen"], token.strip())
    raise AssertionError(f"the registry ended with {await process.wait()}")
