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


@asynccontextmanager
async def running_registry(data: Path) -> AsyncIterator[RegistryProcess]:
    """Start the registry on `data` and wait until it serves; kill it if the block leaves it running."""
    process = await asyncio.create_subprocess_exec(*COMMAND, "--data", str(data), *ANY_PORT, stderr=subprocess.PIPE)
    try:
        address = await _serving_at(process)
        token = await asyncio.to_thread((data / "dev" / "operator.token").read_text)
        yield RegistryProcess(process, address, token.strip())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _serving_at(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        said = json.loads(line)
        if said["event"] == "serving":
            address: str = said["registry_listen"]
            return address
    raise AssertionError(f"the registry ended with {await process.wait()}")
