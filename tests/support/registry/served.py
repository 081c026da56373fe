"""The registry as it is served, and requests that are in order until a test spoils them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Clock, ManualClock
from ringfence_kit.config import Secret
from ringfence_kit.ids import counting_ids
from ringfence_registry.app import build
from ringfence_registry.config import RegistryConfig

from support.registry.agents import CARD
from support.serving import OPERATOR, Mesh, server_config, serving

if TYPE_CHECKING:
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub

SERVICE_NAME = "ringfence.registry.v1.RegistryService"
FINANCE_OWNER = Caller(principal="fay", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"finance"}))
LEDGER = "namespaces/finance/agents/ledger"
REQUEST_ID = "6d7c2b1e-8f5a-4d0c-9b3e-2a1f0c9d8e7f"


@dataclass(frozen=True, slots=True)
class ServedRegistry:
    """The running registry, and stubs for it."""

    mesh: Mesh
    clock: ManualClock

    def stub(self, caller: Caller = OPERATOR) -> "RegistryServiceAsyncStub":
        """Return a stub whose calls are made as `caller`."""
        return RegistryServiceStub(self.mesh.channel(caller))

    def channel(self, caller: Caller = OPERATOR) -> grpc.aio.Channel:
        """Return a bare channel as `caller`."""
        return self.mesh.channel(caller)

    async def register(self, agent_id: str = "ledger", caller: Caller = OPERATOR, **changed: Any) -> pb.Agent:
        """Register an agent and return it."""
        answer = await self.stub(caller).RegisterAgent(registration(agent_id, **changed))
        return answer.agent


@asynccontextmanager
async def served_registry(
    data: Path, *, database: str = "", clock: Clock | None = None, **settings: Any
) -> AsyncIterator[ServedRegistry]:
    """Serve the registry from `data` on free ports, with other `settings` than the default ones."""
    clock = clock or ManualClock()
    assert isinstance(clock, ManualClock)
    config, server = RegistryConfig(database=Secret(database), **settings), server_config(data)
    service = build(config, server, clock=clock, new_id=counting_ids())
    async with serving(service, config=server, clock=clock) as mesh:
        yield ServedRegistry(mesh, clock)


def agent_message(**changed: Any) -> pb.Agent:
    """Return what is said about an agent, complete."""
    said: dict[str, Any] = {
        "purpose": "Reconciles the ledger every night.",
        "owner": pb.Owner(display_name="Ada Example", contact="ada@example.com"),
        "risk_tier": pb.RISK_TIER_MEDIUM,
        "environments": ["dev"],
    }
    return pb.Agent(**{**said, **changed})


def registration(agent_id: str = "ledger", **changed: Any) -> pb.RegisterAgentRequest:
    """Return a request that registers an agent."""
    said: dict[str, Any] = {
        "parent": "namespaces/finance",
        "agent_id": agent_id,
        "agent": agent_message(),
        "card": CARD,
    }
    return pb.RegisterAgentRequest(**{**said, **changed})
