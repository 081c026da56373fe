"""A pdp with workers beside scripted neighbours: the leader in the test's process, its workers in their own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client.parser import text_string_to_metric_families
from ringfence.pdp.v1 import bundle_pb2
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub, KillSwitchServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence_kit.clock import SystemClock
from ringfence_kit.ids import random_ids
from ringfence_kit.peers import PeerConfig
from ringfence_kit.workers.processes import WorkerProcesses
from ringfence_pdp.app import build
from ringfence_pdp.config import PdpConfig

from support.pdp.neighbours import Neighbours, neighbours
from support.pdp.served import POLICY, agent, identity, push, tool
from support.serving import OPERATOR, Mesh, server_config, serving

if TYPE_CHECKING:
    from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceAsyncStub, KillSwitchServiceAsyncStub
    from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceAsyncStub

WORKERS = 2
CONNECTIONS = 200
"""More than enough to meet each worker, whom the kernel chooses by a hash of the connection."""


@dataclass(slots=True, kw_only=True)
class PdpWorkers:
    """What runs, and a connection to each worker."""

    mesh: Mesh
    around: Neighbours
    workers: WorkerProcesses
    connections: AsyncExitStack
    own: dict[str, grpc.aio.Channel] = field(default_factory=dict)
    """Worker → a connection that is to it."""

    def channel(self, port: str = "pdp.listen") -> grpc.aio.Channel:
        """Open a connection to whoever takes it, as an operator."""
        options = (("grpc.use_local_subchannel_pool", 1),)
        return self.mesh.channel(OPERATOR, port, options=options)

    def decisions(self, worker: str) -> "DecisionServiceAsyncStub":
        """Return the service as that worker serves it."""
        return DecisionServiceStub(self.own[worker])

    @property
    def bundles(self) -> "BundleServiceAsyncStub":
        """Return the service, whoever serves it."""
        return BundleServiceStub(self.own["0"])

    @property
    def switches(self) -> "KillSwitchServiceAsyncStub":
        """Return the service, whoever serves it."""
        return KillSwitchServiceStub(self.own["1"])

    async def push(self, content: bytes = POLICY) -> bundle_pb2.PushBundleResponse:
        """Let these policies decide."""
        return await self.bundles.PushBundle(push(content))

    async def count(self, name: str) -> dict[str, float]:
        """Return what each worker counts under one name, all labels together."""
        return {worker: _count(text, name) for worker, text in (await self.workers.scraped()).items()}

    async def meet(self) -> None:
        """Open a connection to each worker."""
        self.own.clear()
        for _ in range(CONNECTIONS):
            before, channel = await self.count("ringfence_calls_total"), self.channel()
            await HealthStub(channel).Check(HealthCheckRequest(), wait_for_ready=True)
            after = await self.count("ringfence_calls_total")
            for worker, count in after.items():
                if count > before.get(worker, 0):
                    self.own.setdefault(worker, channel)
            if len(self.own) == WORKERS:
                return


@asynccontextmanager
async def pdp_workers(data: Path) -> AsyncIterator[PdpWorkers]:
    """Serve a pdp with two workers that knows the analyst."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        around = await stack.enter_async_context(neighbours())
        around.identity.agents.say(identity(clock))
        around.registry.agents.say(agent())
        around.registry.tools.say(tool())
        peer = PeerConfig(address=around.address)
        config = PdpConfig(identity=peer, registry=peer, telemetry=peer, fast_listen="127.0.0.1:0", workers=WORKERS)
        server = server_config(data)
        service = build(config, server, clock=clock, new_id=random_ids)
        mesh = await stack.enter_async_context(serving(service, config=server, clock=clock, new_id=random_ids))
        await service.readiness.all_met()
        assert isinstance(service.workers, WorkerProcesses)
        pdp = PdpWorkers(mesh=mesh, around=around, workers=service.workers, connections=stack)
        await pdp.meet()
        yield pdp


def _count(text: str, name: str) -> float:
    samples = (sample for metric in text_string_to_metric_families(text) for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name == name)
