"""The pdp as it is served, beside neighbours that say what a test lets them know; and requests that are in order."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from ringfence.identity.v1 import identity_pb2, trust_pb2
from ringfence.pdp.v1 import bundle_pb2, decision_pb2
from ringfence.pdp.v1.approval_pb2_grpc import ApprovalServiceStub
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub, KillSwitchServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence.pdp.v1.filter_pb2_grpc import FilterServiceStub
from ringfence.pdp.v1.limit_pb2_grpc import LimitServiceStub
from ringfence.registry.v1 import registry_pb2, tool_pb2
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Clock, ManualClock
from ringfence_kit.config import Secret
from ringfence_kit.ids import counting_ids
from ringfence_kit.peers import PeerConfig
from ringfence_kit.server_config import QuotasConfig
from ringfence_kit.trust_decay import MICRO
from ringfence_pdp.app import build
from ringfence_pdp.classifiers.config import ClassifierConfig, EncoderConfig
from ringfence_pdp.config import DecisionLogConfig, PdpConfig

from support.pdp.neighbours import Neighbours, neighbours
from support.pdp.world import HASH
from support.serving import OPERATOR, Mesh, server_config, serving

if TYPE_CHECKING:
    from ringfence.pdp.v1.approval_pb2_grpc import ApprovalServiceAsyncStub
    from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceAsyncStub, KillSwitchServiceAsyncStub
    from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceAsyncStub
    from ringfence.pdp.v1.filter_pb2_grpc import FilterServiceAsyncStub
    from ringfence.pdp.v1.limit_pb2_grpc import LimitServiceAsyncStub

DECISION_SERVICE = "ringfence.pdp.v1.DecisionService"
BUNDLE_SERVICE = "ringfence.pdp.v1.BundleService"
KILL_SWITCH_SERVICE = "ringfence.pdp.v1.KillSwitchService"
APPROVAL_SERVICE = "ringfence.pdp.v1.ApprovalService"
LIMIT_SERVICE = "ringfence.pdp.v1.LimitService"
FILTER_SERVICE = "ringfence.pdp.v1.FilterService"
SNAPSHOT_SERVICE = "ringfence.pdp.v1.SnapshotService"

ANALYST = "namespaces/data/agents/analyst"
ANALYST_DID = "did:webvh:QmAnalyst:dev.id.ringfence.internal:agents:QmAnalyst"

POLICY = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: read, match: {actions: ["read_*", "write_*"]}, effect: ALLOW}
    - {name: secret, match: {actions: ["*"]}, effect: DENY, when: "resource.labels.secret == 'yes'", reason: SECRET}
    - name: delete
      match: {actions: ["delete_*"]}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 2, approvers: ["group:oncall"], timeout: 30m}
"""


@dataclass(frozen=True)
class ServedPdp:
    """The running pdp, its neighbours, and stubs for it."""

    mesh: Mesh
    clock: ManualClock
    around: Neighbours

    def decisions(self, caller: Caller = OPERATOR, *, port: str = "") -> "DecisionServiceAsyncStub":
        return DecisionServiceStub(self.mesh.channel(caller, port))

    def bundles(self, caller: Caller = OPERATOR) -> "BundleServiceAsyncStub":
        return BundleServiceStub(self.mesh.channel(caller))

    def switches(self, caller: Caller = OPERATOR) -> "KillSwitchServiceAsyncStub":
        return KillSwitchServiceStub(self.mesh.channel(caller))

    def approvals(self, caller: Caller = OPERATOR) -> "ApprovalServiceAsyncStub":
        return ApprovalServiceStub(self.mesh.channel(caller))

    def limits(self, caller: Caller = OPERATOR) -> "LimitServiceAsyncStub":
        return LimitServiceStub(self.mesh.channel(caller))

    def filters(self, caller: Caller = OPERATOR) -> "FilterServiceAsyncStub":
        return FilterServiceStub(self.mesh.channel(caller))

    def channel(self, caller: Caller = OPERATOR) -> grpc.aio.Channel:
        return self.mesh.channel(caller)

    async def push(self, content: bytes = POLICY, **fields: Any) -> bundle_pb2.PushBundleResponse:
        return await self.bundles().PushBundle(push(content, **fields))

    async def check(self, caller: Caller = OPERATOR, **fields: Any) -> decision_pb2.CheckResponse:
        return await self.decisions(caller).Check(question(**fields))

    async def knows(self, told: Callable[[decision_pb2.CheckResponse], bool]) -> None:
        """Return once a decision stands on facts of which `told` holds; each try is one whole call."""
        while not told(await self.check()):
            pass

    async def until(self, status: "HealthCheckResponse.ServingStatus.ValueType") -> None:
        """Return once health says `status`."""
        async for answer in HealthStub(self.mesh.channel()).Watch(HealthCheckRequest()):
            if answer.status == status:
                return

    async def ready(self) -> None:
        """Return once the pdp has heard identity and the registry."""
        await self.until(HealthCheckResponse.SERVING)


@asynccontextmanager
async def served_pdp(
    data: Path,
    *,
    database: str = "",
    known: bool = True,
    log: DecisionLogConfig | None = None,
    clock: ManualClock | None = None,
    identity_at: str = "",
    classifiers: tuple[ClassifierConfig, ...] = (),
    quotas: QuotasConfig | None = None,
    encoder: EncoderConfig | None = None,
) -> AsyncIterator[ServedPdp]:
    """Serve the pdp from `data` on free ports; `known`: whether the analyst is enrolled and registered.

    `identity_at` is where an identity service is that has its data in `data` too; without it, a neighbour is identity.
    """
    clock = clock or ManualClock()
    async with neighbours() as around:
        if known:
            around.identity.agents.say(identity(clock))
            around.registry.agents.say(agent())
            around.registry.tools.say(tool())
        peer = PeerConfig(address=around.address)
        config = PdpConfig(
            database=Secret(database),
            identity=PeerConfig(address=identity_at) if identity_at else peer,
            registry=peer,
            telemetry=peer,
            fast_listen="127.0.0.1:0",
            decision_log=log or DecisionLogConfig(),
            classifiers=classifiers,
            encoder=encoder or EncoderConfig(),
        )
        server = server_config(data, quotas=quotas or QuotasConfig())
        service = build(config, server, clock=clock, new_id=counting_ids())
        async with serving(service, config=server, clock=clock) as mesh:
            served = ServedPdp(mesh, clock, around)
            await served.ready()
            yield served


def identity(clock: Clock, *, points: int = 500, ring: int = 2, **changed: Any) -> identity_pb2.AgentIdentity:
    """Return the analyst's identity in dev."""
    now = Timestamp()
    now.FromMilliseconds(clock.now())
    said: dict[str, Any] = {
        "agent": ANALYST,
        "environment": "dev",
        "did": ANALYST_DID,
        "status": identity_pb2.IDENTITY_STATUS_ACTIVE,
        "birth_certificate": identity_pb2.BirthCertificateContent(
            ring_ceiling=1, approved_tools=[identity_pb2.ApprovedTool(name="warehouse.query")]
        ),
        "trust_state": trust_pb2.TrustState(
            earned_micro_points=(points - 300) * MICRO,
            stored_ring=ring,
            ceiling=1_000,
            last_positive_time=now,
            last_event_time=now,
        ),
    }
    return identity_pb2.AgentIdentity(**{**said, **changed})


def tool(**changed: Any) -> tool_pb2.Tool:
    """Return the analyst's tool as the registry knows it."""
    said: dict[str, Any] = {
        "name": "namespaces/data/tools/warehouse.query",
        "schema_hash": HASH,
        "state": tool_pb2.SWITCH_STATE_ENABLED,
        "external_systems_trusted": True,
    }
    return tool_pb2.Tool(**{**said, **changed})


def agent(**changed: Any) -> registry_pb2.Agent:
    """Return the analyst as the registry knows it."""
    said: dict[str, Any] = {
        "name": ANALYST,
        "owner": registry_pb2.Owner(display_name="Data", contact="data@example.com"),
        "risk_tier": registry_pb2.RISK_TIER_LOW,
        "environments": ["dev"],
        "approved_tools": [registry_pb2.ApprovedTool(name="warehouse.query")],
        "state": registry_pb2.AGENT_STATE_ACTIVE,
    }
    return registry_pb2.Agent(**{**said, **changed})


def question(
    *,
    did: str = "",
    name: str = ANALYST,
    action: str = "read_table",
    tool: str = "",
    labels: dict[str, str] | None = None,
    arguments: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    environment: str = "dev",
    **fields: Any,
) -> decision_pb2.CheckRequest:
    """Return a question about the analyst."""
    return decision_pb2.CheckRequest(
        subject=decision_pb2.Subject(did=did, agent=name),
        action=decision_pb2.Action(name=action, tool=tool, arguments=_struct(arguments)),
        resource=decision_pb2.Resource(type="table", id="orders", labels={"secret": "no", **(labels or {})}),
        environment=environment,
        context=_struct(context),
        **fields,
    )


def _struct(values: dict[str, Any] | None) -> Struct | None:
    if values is None:
        return None
    struct = Struct()
    struct.update(values)
    return struct


def push(content: bytes = POLICY, **fields: Any) -> bundle_pb2.PushBundleRequest:
    """Return a request that pushes one policy file."""
    return bundle_pb2.PushBundleRequest(files=[bundle_pb2.PolicyFile(path="house.yaml", content=content)], **fields)


def stop(reason: str = "it misbehaves", request_id: str = "", **target: Any) -> bundle_pb2.EngageKillSwitchRequest:
    """Return a request that engages a kill switch."""
    return bundle_pb2.EngageKillSwitchRequest(
        target=bundle_pb2.KillTarget(**target), reason=reason, request_id=request_id
    )
