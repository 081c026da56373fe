"""A pdp process for benchmarks, fed by an identity and a registry process, with its decision log going to a third.

It decides about one agent, which may do what the policies it was given let it. A `Mesh` holds the processes; more than
one pdp can stand in it, each with a data directory of its own.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
from enrolling import begin, newcomers, register_sponsors
from identity_process import identity_process
from processes import ServiceProcess, free_address, service_process
from registry_process import registry_process
from ringfence.errors import RingfenceError
from ringfence.identity.v1 import identity_pb2_grpc
from ringfence.pdp.v1 import bundle_pb2, bundle_pb2_grpc, decision_pb2, decision_pb2_grpc
from ringfence.registry.v1 import registry_pb2, registry_pb2_grpc
from ringfence.telemetry.v1 import audit_pb2, audit_pb2_grpc

ENVIRONMENT = "dev"
AGENT = "namespaces/bench/agents/agent0"
CARD = Path(__file__).resolve().parent.parent / "services/launcher/ringfence_launcher/examples/analyst.card.json"
DELIVERED_EVERY_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class PdpProcess:
    """A running pdp that knows `AGENT` and decides by a bundle."""

    service: ServiceProcess
    telemetry: ServiceProcess

    async def has_told_its_log(self) -> None:
        """Return once every decision answered so far is in telemetry's log: that is part of what it costs.

        Telemetry is asked, and not the process that is measured: showing its metrics costs it milliseconds.
        """
        stub: audit_pb2_grpc.AuditServiceAsyncStub
        async with self.telemetry.channel() as channel, asyncio.timeout(120):
            stub = audit_pb2_grpc.AuditServiceStub(channel)
            sizes = [-1, -2]
            while len(set(sizes[-3:])) > 1:
                await asyncio.sleep(DELIVERED_EVERY_S)
                sizes.append((await stub.GetCheckpoint(audit_pb2.GetCheckpointRequest())).checkpoint.tree_size)

    @property
    def credential(self) -> tuple[tuple[str, str], ...]:
        """The header that makes a call a service's; none where that is said by a certificate."""
        return () if self.service.certificates is not None else self.service.credential("service")


@dataclass(slots=True, kw_only=True)
class Mesh:
    """Identity, registry and telemetry, with one agent that is enrolled and registered."""

    identity: ServiceProcess
    registry: ServiceProcess
    telemetry: ServiceProcess
    otlp: str
    """Where telemetry takes spans."""
    did: str = ""
    """The agent's."""
    certificates: Path | None = None
    _pdps: int = field(default=0, init=False)

    @asynccontextmanager
    async def pdp(
        self,
        files: Sequence[bundle_pb2.PolicyFile],
        settings: Mapping[str, str] | None = None,
        *,
        arguments: Sequence[str] = (),
    ) -> AsyncIterator[PdpProcess]:
        """Run a pdp that decides by `files`, and answers."""
        self._pdps += 1
        data = self.identity.data.parent / f"pdp-{self._pdps}"
        data.mkdir()
        if self.certificates is None:
            shutil.copytree(self.identity.data / "dev", data / "dev")
        every = {
            "pdp.identity.address": self.identity.address,
            "pdp.registry.address": self.registry.address,
            "pdp.telemetry.address": self.telemetry.address,
            **(settings or {}),
        }
        process = service_process("pdp", data, every, certificates=self.certificates, fast=True, arguments=arguments)
        async with process as service:
            pdp = PdpProcess(service=service, telemetry=self.telemetry)
            async with service.channel() as channel:
                await pushed(channel, files)
                await _knows_the_agent(channel)
            yield pdp


@asynccontextmanager
async def mesh(folder: Path, *, certificates: Path | None = None) -> AsyncIterator[Mesh]:
    """Run what a pdp stands between, with one agent in it."""
    data = folder / "data"
    data.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        identity = await stack.enter_async_context(identity_process(data, certificates=certificates))
        feeds = {"registry.identity.address": identity.address} if certificates is not None else {}
        registry = await stack.enter_async_context(registry_process(data, feeds, certificates=certificates))
        otlp = free_address()
        settings = {"telemetry.otlp_listen": otlp, "telemetry.identity.address": identity.address}
        telemetry = await stack.enter_async_context(
            service_process("telemetry", data, settings, certificates=certificates)
        )
        did = await _enrolled(identity)
        await _registered(registry)
        yield Mesh(
            identity=identity,
            registry=registry,
            telemetry=telemetry,
            otlp=otlp,
            did=did,
            certificates=certificates,
        )


async def _enrolled(identity: ServiceProcess) -> str:
    stub: identity_pb2_grpc.IdentityServiceAsyncStub
    async with identity.channel() as channel:
        stub = identity_pb2_grpc.IdentityServiceStub(channel)
        await register_sponsors(stub)
        (agent,) = newcomers(1)
        enrolled = await stub.CompleteRegistration(await begin(stub, agent, environment=ENVIRONMENT))
        return enrolled.identity.did


async def _registered(registry: ServiceProcess) -> None:
    registered = registry_pb2.Agent(
        purpose="Reads what there is.",
        owner=registry_pb2.Owner(display_name="Bench", contact="bench@example.com"),
        risk_tier=registry_pb2.RISK_TIER_LOW,
        environments=[ENVIRONMENT],
    )
    parent, _, name = AGENT.partition("/agents/")
    request = registry_pb2.RegisterAgentRequest(parent=parent, agent_id=name, agent=registered, card=CARD.read_bytes())
    async with registry.channel() as channel:
        await registry_pb2_grpc.RegistryServiceStub(channel).RegisterAgent(request)


async def pushed(channel: grpc.aio.Channel, files: Sequence[bundle_pb2.PolicyFile]) -> None:
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
