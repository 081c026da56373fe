"""An identity process for benchmarks: on free loopback ports, without limits that would measure themselves."""

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
from ringfence.identity.v1 import identity_pb2, identity_pb2_grpc
from ringfence_kit.dev_tokens import open_dev_tokens, token_path

UNLIMITED = {
    "server.log.calls": "none",
    "server.quotas.read_per_second": "0",
    "server.quotas.write_per_second": "0",
    "server.quotas.stream_per_second": "0",
    "identity.sponsors.agents": "0",
    "identity.sponsors.enrolments_per_hour": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProcess:
    """A running process."""

    pid: int
    address: str
    data: Path

    def channel(self, who: str = "operator") -> grpc.aio.Channel:
        """Open a channel as one of the callers of development mode."""
        return open_aio_channel(self.address, ChannelOptions(token=token_file(token_path(self.data, who))))

    def own_connection(self) -> grpc.aio.Channel:
        """Open a channel that shares its connection with no other, for calls that bring `credential` themselves."""
        return grpc.aio.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)])

    def credential(self, who: str) -> tuple[tuple[str, str], ...]:
        """Return the metadata that makes a call one of `who`'s."""
        return (("authorization", f"Bearer {token_path(self.data, who).read_text().strip()}"),)

    def cpu(self) -> float:
        """Return the CPU seconds used so far, all threads' included (proc(5): utime and stime)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def identity_process(data: Path) -> AsyncIterator[IdentityProcess]:
    """Run identity with its data in `data`."""
    open_dev_tokens(data)  # the process finds them there, so there is nothing to wait for
    listen, http = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    settings = {"identity.listen": listen, "identity.http_listen": http, **UNLIMITED}
    flags = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = (sys.executable, "-m", "ringfence_identity", "--dev", "--data", str(data), *flags)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        running = IdentityProcess(pid=process.pid, address=listen, data=data)
        await _until_ready(running)
        yield running
    finally:
        process.terminate()
        await process.wait()


async def _until_ready(identity: IdentityProcess) -> None:
    """Ask until it answers: a process that starts has nothing else to say."""
    async with identity.channel() as channel, asyncio.timeout(60):
        stub = identity_pb2_grpc.CredentialServiceStub(channel)
        while True:
            try:
                await stub.GetJwks(identity_pb2.GetJwksRequest(environment="prod"))
            except RingfenceError:
                continue
            return


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
