"""Processes for benchmarks: a service as it is shipped, on free loopback ports, and what it takes of the machine.

The rules:

- ports are below 32768: above, the system hands them to outgoing connections, and a server could not have its own;
- limits that would measure themselves are off, and so is the line for each call: who measures asks all the time;
- a process is ended by its id, whatever happened, and killed when it does not end;
- CPU is that of the process and of all it has started, memory that of the process.
"""

import asyncio
import base64
import contextlib
import math
import os
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import Tls, token_file
from ringfence_kit.dev_tokens import open_dev_tokens, token_path

UNLIMITED = {
    "server.log.calls": "none",
    "server.quotas.decide_per_second": "0",
    "server.quotas.read_per_second": "0",
    "server.quotas.write_per_second": "0",
    "server.quotas.stream_per_second": "0",
}
SECURED = Path(__file__).resolve().parent.parent / "deploy/four-processes"
"""The deployment with mutual TLS, as it is shipped."""

_SEALS = {
    f"RINGFENCE_{name}_SEAL": base64.b64encode(bytes(32)).decode() for name in ("IDENTITY", "REGISTRY", "TELEMETRY")
}
"""What private keys are kept under by a deployment that lasts as long as a bench."""

_PORTS = range(20_000, 32_768)
IDLE_CPU_S = 0.05
"""What an idle process may take in a second."""

ENDS_S = 60.0
"""A registry with many cards writes its checkpoint at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProcess:
    """A running service."""

    pid: int
    address: str
    http: str
    data: Path
    fast: str = ""
    """Where libnghttp2 serves it, if it does."""
    certificates: Path | None = None
    """The folder of everybody's certificates; without one it runs in development mode."""

    def options(self, who: str = "operator") -> ChannelOptions:
        """Return what makes a channel that of `operator` or of a service."""
        if self.certificates is None:
            return ChannelOptions(token=token_file(token_path(self.data, who)))
        return ChannelOptions(tls=self.tls(who))

    def tls(self, who: str) -> Tls:
        """Return the certificate of `who`, in a deployment with certificates."""
        folder = self.certificates
        if folder is None:
            raise ValueError("development mode has no certificates")
        return Tls(ca_file=folder / "ca.pem", cert_file=folder / f"{who}.pem", key_file=folder / f"{who}.key")

    def channel(self, who: str = "operator") -> grpc.aio.Channel:
        """Open a channel as one of its callers."""
        return open_aio_channel(self.address, self.options(who))

    def own_connection(self) -> grpc.aio.Channel:
        """Open a channel that shares its connection with no other, for calls that bring `credential` themselves."""
        return grpc.aio.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)])

    def credential(self, who: str = "operator") -> tuple[tuple[str, str], ...]:
        """Return the metadata that makes a call one of `who`'s, in development mode."""
        return (("authorization", f"Bearer {token_path(self.data, who).read_text().strip()}"),)

    def cpu(self) -> float:
        """Return the CPU seconds used so far."""
        return cpu_of(self.pid)


@asynccontextmanager
async def service_process(
    service: str,
    data: Path,
    settings: Mapping[str, str] | None = None,
    *,
    certificates: Path | None = None,
    fast: bool = False,
    arguments: Sequence[str] = (),
) -> AsyncIterator[ServiceProcess]:
    """Run a service; whether it is ready is for others to see. With `fast`, by libnghttp2 as well."""
    listen, http, quick = free_address(), free_address(), free_address() if fast else ""
    every = {f"{service}.listen": listen, f"{service}.http_listen": http, **UNLIMITED, **(settings or {})}
    if quick:
        every[f"{service}.fast_listen"] = quick
    flags = [part for key, value in every.items() for part in ("--set", f"{key}={value}")]
    if certificates is None:
        open_dev_tokens(data)  # the process finds them there, so there is nothing to wait for
        mode: Sequence[str] = ("--dev", "--data", str(data))
    else:
        # Its paths are relative; what is made here is not.
        mode = ("--config", str(SECURED / "ringfence.toml"), "--data", str(data))
    command = (sys.executable, "-m", f"ringfence_{service}", *mode, *flags, *arguments)
    where = None if certificates is None else certificates.parent
    seals = {} if certificates is None else _SEALS
    async with running(command, folder=where, variables=seals, log=data / f"{service}.log") as pid:
        yield ServiceProcess(pid=pid, address=listen, http=http, data=data, fast=quick, certificates=certificates)


@asynccontextmanager
async def running(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    log: Path = Path(os.devnull),
) -> AsyncIterator[int]:
    """Run a program and yield its id; it ends with the block. What it says goes to `log`."""
    with log.open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=said, stderr=said, cwd=folder, env={**os.environ, **(variables or {})}
        )
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), ENDS_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def accepts(address: str, *, within: float = 60.0) -> None:
    """Return once somebody takes connections there."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(within):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return


async def idles(pid: int, *, within: float = 120.0) -> None:
    """Return once a process has nothing to do: what a start leaves to be done afterwards is no part of what follows."""
    async with asyncio.timeout(within):
        used = -math.inf
        while cpu_of(pid) - used > IDLE_CPU_S:
            used = cpu_of(pid)
            await asyncio.sleep(1)


def make_certificates(folder: Path) -> Path:
    """Make everybody's certificates by the script that is shipped; return their folder, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    script = str(SECURED / "make-certificates.sh")
    subprocess.run(["bash", script, "certificates"], cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return folder / "certificates"


def cpu_of(pid: int) -> float:
    """Return the CPU seconds a process and those it started have used, all threads' (proc(5): utime and stime)."""
    ticks = 0
    for each in tree_of(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def tree_of(pid: int) -> Iterator[int]:
    """Yield a process and those it started that are still there."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree_of(int(child))


def memory_of(pid: int, kind: str = "Rss") -> int:
    """Return the bytes a process has in memory: `Rss`, all of it, or `Pss`, what it shares counted in parts."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, amount = line.partition(":")
        if name == kind:
            return int(amount.split()[0]) * 1_024
    raise ValueError(f"the system says no {kind} of a process")


def free_address() -> str:
    """Return a loopback address nobody listens on."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as bound, contextlib.suppress(OSError):
            bound.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"
    raise RuntimeError("every port from 20000 to 32767 is taken")
