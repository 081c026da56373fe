"""Evidence becomes trust: decisions logged at telemetry move the score at identity, over the wire, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ringfence.identity.v1 import identity_pb2, trust_pb2
from ringfence.telemetry.v1 import slo_pb2
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1.slo_pb2_grpc import SloServiceStub
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import MINUTE, SECOND, ManualClock, Millis
from ringfence_kit.peers import PeerConfig
from support.identity.mesh import IdentityMesh, identity_mesh
from support.serving import OPERATOR
from support.telemetry.decisions import body, denied
from support.telemetry.mesh import TelemetryMesh, quiet, telemetry_mesh
from support.telemetry.spans import SpanSpec

PATIENCE_S = 20
LONGEST_WAIT = Millis(10 * SECOND)
"""Between two deliveries of one signal."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Both services, and an agent enrolled."""

    identity: IdentityMesh
    telemetry: TelemetryMesh
    agent: identity_pb2.AgentIdentity
    clock: ManualClock
    """Telemetry's. Identity has its own, which stands still: what is owed does not shrink while a test waits."""

    @property
    def did(self) -> str:
        return self.agent.did

    async def state(self) -> trust_pb2.TrustState:
        response = await self.identity.trust().GetTrust(trust_pb2.GetTrustRequest(did=self.did))
        return response.trust.state

    async def delivered(self, signals: int) -> None:
        """Wait until identity has answered for so many signals; telemetry's clock moves when a delivery is put off."""
        put_off = 0.0
        async with asyncio.timeout(PATIENCE_S):
            while (said := await self.telemetry.metrics())["signals_delivered_total"] < signals:
                if said["signals_put_off_total"] > put_off:
                    put_off = said["signals_put_off_total"]
                    self.clock.advance(LONGEST_WAIT)


def token_in(data: Path, identity: IdentityMesh) -> Path:
    """Write a service's token for `identity` into a file."""
    data.mkdir(exist_ok=True)
    token = data / "token"
    token.write_text(identity.mesh.token(_SERVICE))
    return token


@asynccontextmanager
async def telemetry_beside(identity: IdentityMesh, data: Path, clock: ManualClock) -> AsyncIterator[TelemetryMesh]:
    """Run telemetry that sends its signals to `identity`, as the service of development mode."""
    peer = PeerConfig(address=identity.mesh.address("identity.listen"), token_file=token_in(data, identity))
    async with telemetry_mesh(data, config=quiet(identity=peer), clock=clock) as telemetry:
        yield telemetry


_SERVICE = Caller(principal="telemetry", roles=frozenset({Role.SERVICE}))


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[Loop]:
    clock = ManualClock()
    async with identity_mesh(tmp_path / "identity", clock=ManualClock()) as identity:
        await identity.with_sponsors()
        agent = (await identity.enrol()).identity
        async with telemetry_beside(identity, tmp_path / "telemetry", clock) as telemetry:
            yield Loop(identity, telemetry, agent, clock)


async def test_a_denial_costs_five_points_once(loop: Loop) -> None:
    for _ in range(3):
        await loop.telemetry.append(denied(1, did=loop.did))
    await loop.delivered(1)
    assert (await loop.state()).debt_micro_points == 5_000_000


async def test_work_accepted_by_somebody_else_earns_two(loop: Loop) -> None:
    await loop.telemetry.append(body(1, did=loop.did))
    person = Caller(principal="test:gate", roles=frozenset({Role.GATEWAY}))
    await loop.telemetry.workflow(person).ReportOutcome(
        pb.ReportOutcomeRequest(
            did=loop.did, environment="prod", outcome=pb.OUTCOME_ACCEPTED, work_id="task-1", on_behalf_of="ana"
        )
    )
    await loop.delivered(1)
    state = await loop.state()
    assert 0 < state.earned_micro_points <= 2_000_000
    assert state.debt_micro_points == 0


async def test_probing_costs_fifty_on_top(loop: Loop) -> None:
    await loop.telemetry.append(*[denied(number, did=loop.did) for number in range(1, 6)])
    await loop.delivered(6)
    assert (await loop.state()).debt_micro_points == (5 * 5 + 50) * 1_000_000


async def test_an_exhausted_budget_costs_the_agent_to_blame_trust_once(loop: Loop) -> None:
    await loop.telemetry.append(body(1, did=loop.did))  # a decision: where the agent is at work is known
    slos = SloServiceStub(loop.telemetry.channel(OPERATOR))
    await slos.CreateSlo(slo_pb2.CreateSloRequest(slo_id="checkout", slo=slo_pb2.Slo(agent=loop.did, target="0.99")))
    said = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": loop.did}
    calls = [SpanSpec(number, 0, dict(said), trace=number, error=True) for number in range(1, 31)]
    gateway = Caller(principal="test:gate", roles=frozenset({Role.GATEWAY}), agents=frozenset({loop.did}))
    await loop.telemetry.export(calls, gateway)
    async with asyncio.timeout(PATIENCE_S):
        while (await loop.telemetry.metrics())["signals_delivered_total"] < 1:
            loop.clock.advance(Millis(SECOND))
    owed = (await loop.state()).debt_micro_points
    assert owed > 0
    loop.clock.advance(Millis(3 * MINUTE))
    await slos.GetSlo(slo_pb2.GetSloRequest(name="slos/checkout"))
    assert (await loop.telemetry.metrics())["signals_delivered_total"] == 1
    assert (await loop.state()).debt_micro_points <= owed


async def test_signals_wait_while_identity_is_away(tmp_path: Path) -> None:
    clock = ManualClock()
    async with telemetry_mesh(tmp_path / "telemetry", clock=clock) as telemetry:
        await telemetry.append(denied(1, did="did:web:agents.example:unknown"))
        async with asyncio.timeout(PATIENCE_S):
            while (await telemetry.metrics())["signals_pending"] != 1:
                continue
    async with identity_mesh(tmp_path / "identity", clock=ManualClock()) as identity:
        await identity.with_sponsors()
        agent = (await identity.enrol()).identity
        async with telemetry_beside(identity, tmp_path / "telemetry", clock) as telemetry:
            await telemetry.append(denied(2, did=agent.did), first=2)
            loop = Loop(identity, telemetry, agent, clock)
            await loop.delivered(2)  # the unknown agent's was refused, and did not hold up the other
            assert (await loop.state()).debt_micro_points == 5_000_000
