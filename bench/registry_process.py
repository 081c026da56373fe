"""A registry process for benchmarks: on free loopback ports, without limits that would measure themselves."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import token_file
from ringfence.errors import RingfenceError
from ringfence.registry.v1 import registry_pb2, registry_pb2_grpc
from ringfence_kit.dev_tokens import open_dev_tokens, token_path

UNLIMITED = {
    "server.log.calls": "none",
    "server.quotas.read_per_second": "0",
    "server.quotas.write_per_second": "0",
    "server.quotas.stream_per_second": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryProcess:
    """A running process."""

    pid: int
    address: str
    data: Path

    def channel(self) -> grpc.aio.Channel:
        """Open a channel as the operator of development mode."""
        return open_aio_channel(self.address, ChannelOptions(token=token_file(token_path(self.data, "operator"))))

    def own_connection(self) -> grpc.aio.Channel:
        """Open a channel that shares its connection with no other, for calls that bring `credential` themselves."""
        return grpc.aio.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)])

    def credential(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata that makes a call the operator's."""
        return (("authorization", f"Bearer {token_path(self.data, 'operator').read_text().strip()}"),)

    def cpu(self) -> float:
        """Return the CPU seconds used so far, all threads' included (proc(5): utime and stime)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def registry_process(data: Path) -> AsyncIterator[RegistryProcess]:
    """Run the registry with its data in `data`."""
    open_dev_tokens(data)  # the process finds them there, so there is nothing to wait for
    listen, http = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    settings = {"registry.listen": listen, "registry.http_listen": http, **UNLIMITED}
    flags = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = (sys.executable, "-m", "ringfence_registry", "--dev", "--data", str(data), *flags)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        running = RegistryProcess(pid=process.pid, address=listen, data=data)
        await _until_ready(running)
        yield running
    finally:
        process.terminate()
        await process.wait()


async def _until_ready(registry: RegistryProcess) -> None:
    """Ask until it answers: a process that starts has nothing else to say."""
    async with registry.channel() as channel, asyncio.timeout(60):
        stub = registry_pb2_grpc.RegistryServiceStub(channel)
        while True:
            try:
                await stub.ListAgents(registry_pb2.ListAgentsRequest(parent="namespaces/-"))
            except RingfenceError:
                continue
            return


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
