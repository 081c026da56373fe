"""A pdp process for benchmarks, fed by an identity and a registry process, with its decision log going to a third."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc.aio
from enrolling import begin, newcomers, register_sponsors
from identity_process import identity_process
from registry_process import registry_process
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import token_file
from ringfence.errors import RingfenceError
from ringfence.identity.v1 import identity_pb2_grpc
from ringfence.pdp.v1 import bundle_pb2, bundle_pb2_grpc, decision_pb2, decision_pb2_grpc
from ringfence.registry.v1 import registry_pb2, registry_pb2_grpc
from ringfence.telemetry.v1 import audit_pb2, audit_pb2_grpc
from ringfence_kit.dev_tokens import token_path

ENVIRONMENT = "dev"
AGENT = "namespaces/bench/agents/agent0"
CARD = Path(__file__).resolve().parent.parent / "services/launcher/ringfence_launcher/examples/analyst.card.json"
_UNLIMITED = {"server.log.calls": "none", "server.quotas.decide_per_second": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PdpProcess:
    """A running process."""

    pid: int
    address: str
    http: str
    data: Path
    fast: str = ""
    """Where libnghttp2 serves it."""
    telemetry: str = ""
    """Where its decision log goes."""

    async def has_told_its_log(self) -> None:
        """Return once every decision answered so far is in telemetry's log: that is part of what it costs.

        Telemetry is asked, and not the process that is measured: showing its metrics costs it milliseconds.
        """
        stub: audit_pb2_grpc.AuditServiceAsyncStub
        async with open_aio_channel(self.telemetry, self._operator()) as channel, asyncio.timeout(60):
            stub = audit_pb2_grpc.AuditServiceStub(channel)
            sizes = [-1, -2]
            while len(set(sizes[-3:])) > 1:
                await asyncio.sleep(0.3)
                sizes.append((await stub.GetCheckpoint(audit_pb2.GetCheckpointRequest())).checkpoint.tree_size)

    def channel(self) -> grpc.aio.Channel:
        """Open a channel as the operator of development mode."""
        return open_aio_channel(self.address, self._operator())

    def _operator(self) -> ChannelOptions:
        return ChannelOptions(token=token_file(token_path(self.data, "operator")))

    @property
    def credential(self) -> str:
        """The header `authorization` that makes a call a service's."""
        return f"Bearer {token_path(self.data, 'service').read_text().strip()}"


@asynccontextmanager
async def pdp_process(data: Path, files: Sequence[bundle_pb2.PolicyFile]) -> AsyncIterator[PdpProcess]:
    """Run a pdp that knows one agent, `AGENT`, and decides by `files`."""
    async with AsyncExitStack() as stack:
        identity = await stack.enter_async_context(identity_process(data))
        registry = await stack.enter_async_context(registry_process(data))
        telemetry = await stack.enter_async_context(_process(data, "telemetry", {"telemetry.otlp_listen": _address()}))
        settings = {
            "pdp.identity.address": identity.address,
            "pdp.registry.address": registry.address,
            "pdp.telemetry.address": telemetry.address,
        }
        pdp = await stack.enter_async_context(_process(data, "pdp", settings))
        pdp = replace(pdp, telemetry=telemetry.address)
        async with identity.channel() as channel:
            stub: identity_pb2_grpc.IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(channel)
            await register_sponsors(stub)
            (agent,) = newcomers(1)
            await stub.CompleteRegistration(await begin(stub, agent, environment=ENVIRONMENT))
        async with registry.channel() as channel:
            registered = registry_pb2.Agent(
                purpose="Reads what there is.",
                owner=registry_pb2.Owner(display_name="Bench", contact="bench@example.com"),
                risk_tier=registry_pb2.RISK_TIER_LOW,
                environments=[ENVIRONMENT],
            )
            request = registry_pb2.RegisterAgentRequest(
                parent="namespaces/bench", agent_id=agent.name, agent=registered, card=CARD.read_bytes()
            )
            await registry_pb2_grpc.RegistryServiceStub(channel).RegisterAgent(request)
        async with pdp.channel() as channel:
            await _pushed(channel, files)
            await _knows_the_agent(channel)
        yield pdp


@asynccontextmanager
async def _process(data: Path, service: str, settings: Mapping[str, str]) -> AsyncIterator[PdpProcess]:
    listen, http, fast = _address(), _address(), _address() if service == "pdp" else ""
    every = {f"{service}.listen": listen, f"{service}.http_listen": http, **_UNLIMITED, **settings}
    if fast:
        every[f"{service}.fast_listen"] = fast
    flags = [part for key, value in every.items() for part in ("--set", f"{key}={value}")]
    command = (sys.executable, "-m", f"ringfence_{service}", "--dev", "--data", str(data), *flags)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield PdpProcess(pid=process.pid, address=listen, http=http, data=data, fast=fast)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _pushed(channel: grpc.aio.Channel, files: Sequence[bundle_pb2.PolicyFile]) -> None:
    """Push the bundle, as soon as the process answers."""
    stub: bundle_pb2_grpc.BundleServiceAsyncStub = bundle_pb2_grpc.BundleServiceStub(channel)
    async with asyncio.timeout(120):
        while True:
            try:
                await stub.PushBundle(bundle_pb2.PushBundleRequest(files=files))
            except RingfenceError as error:
                if error.reason == "BUNDLE_INVALID":
                    raise
                continue
            return


async def _knows_the_agent(channel: grpc.aio.Channel) -> None:
    """Ask until the feeds have told of the agent."""
    stub: decision_pb2_grpc.DecisionServiceAsyncStub = decision_pb2_grpc.DecisionServiceStub(channel)
    async with asyncio.timeout(60):
        while (await stub.Check(question())).effect != decision_pb2.EFFECT_ALLOW:
            pass


def question(number: int = 1) -> decision_pb2.CheckRequest:
    """Return what is asked: the agent reads something internal, in each question something else in another session."""
    return decision_pb2.CheckRequest(
        subject=decision_pb2.Subject(agent=AGENT),
        action=decision_pb2.Action(name="read_1_orders"),
        resource=decision_pb2.Resource(type="table", id=f"warehouse/orders/{number}", data_class="internal"),
        environment=ENVIRONMENT,
        session=f"session-{number}",
    )


def cpu_of(pid: int) -> float:
    """Return the CPU seconds a process used so far, all threads' included (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> int:
    """Return the bytes a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _address() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return f"127.0.0.1:{port}"
