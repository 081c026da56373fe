"""What a mesh is for: an agent is registered, enrolled, governed, asked about, traced, proven and revoked."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from ringfence.backoff import Backoff
from ringfence.errors import AlreadyExistsError
from ringfence.identity.v1 import identity_pb2, trust_pb2
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ringfence.identity.v1.trust_pb2_grpc import TrustServiceStub
from ringfence.pace import Pace
from ringfence.pdp.v1 import bundle_pb2, decision_pb2
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence.registry.v1 import registry_pb2, tool_pb2
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub
from ringfence.telemetry.v1 import telemetry_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub
from ringfence_kit.clock import Instant, SystemClock
from ringfence_kit.wire import to_timestamp

from support.mesh.audit import logged, verify_inclusion_of
from support.mesh.birth import TOOLS, birth_certificate, enrol, register_sponsors
from support.mesh.spans import INPUT_TOKENS, OUTPUT_TOKENS, one_trace

NAMESPACE = "namespaces/sales"
EXAMPLE_CARD = Path(__file__).parents[3] / "services/registry/examples/analyst.json"
POLICY = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: sales-analytics}
spec:
  governs: {agents: ["namespaces/sales/agents/*"]}
  rules:
    - {name: read, match: {actions: ["read_*"]}, effect: ALLOW}
    - {name: write, match: {actions: ["write_*"]}, effect: ALLOW}
"""

READ, WRITE, ELEVATED = ("read_table", TOOLS[0]), ("write_table", TOOLS[1]), ("write_production_table", TOOLS[1])
"""Action and tool: one that ring 3 may, one that needs ring 2, one that needs ring 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The steps, on channels to the four services: `registry`, `identity`, `pdp`, `telemetry` and `otlp`."""

    channels: Mapping[str, grpc.aio.Channel]

    async def register_tools(self) -> None:
        """Register the tools every agent of the story may use, unless somebody has."""
        for tool_id in TOOLS:
            request = tool_pb2.RegisterToolRequest(parent=NAMESPACE, tool_id=tool_id, tool=example_tool())
            with suppress(AlreadyExistsError):
                await ToolServiceStub(self.channels["registry"]).RegisterTool(request, wait_for_ready=True)

    async def register(self, agent_id: str) -> str:
        """Register an agent from an example card, and its tools; return its name."""
        await self.register_tools()
        request = registry_pb2.RegisterAgentRequest(
            parent=NAMESPACE,
            agent_id=agent_id,
            agent=registry_pb2.Agent(
                purpose="Answers questions about the sales figures.",
                owner=registry_pb2.Owner(display_name="Sales analytics", contact="https://example.com/sales"),
                risk_tier=registry_pb2.RISK_TIER_LOW,
                environments=["dev"],
                approved_tools=[registry_pb2.ApprovedTool(name=name) for name in TOOLS],
            ),
            card=EXAMPLE_CARD.read_bytes(),
        )
        registered = await RegistryServiceStub(self.channels["registry"]).RegisterAgent(request, wait_for_ready=True)
        return registered.agent.name

    async def enrol(self, agent_id: str) -> str:
        """Enrol an agent with two sponsors of its own; return its DID."""
        identity = self.channels["identity"]
        first, second = await register_sponsors(identity, f"ada-{agent_id}", f"grace-{agent_id}")
        content = birth_certificate(sponsor=first, backup=second)
        return (await enrol(identity, parent=NAMESPACE, agent_id=agent_id, content=content)).did

    async def push_policy(self) -> None:
        """Put a policy in force that lets every agent of the namespace read and write."""
        files = [bundle_pb2.PolicyFile(path="sales.yaml", content=POLICY)]
        await BundleServiceStub(self.channels["pdp"]).PushBundle(bundle_pb2.PushBundleRequest(files=files))

    async def ask(self, agent: str, what: tuple[str, str] = READ) -> decision_pb2.CheckResponse:
        """Ask the pdp."""
        action, tool = what
        request = decision_pb2.CheckRequest(
            subject=decision_pb2.Subject(agent=agent),
            action=decision_pb2.Action(name=action, tool=tool),
            environment="dev",
        )
        return await DecisionServiceStub(self.channels["pdp"]).Check(request, wait_for_ready=True)

    async def told(
        self, agent: str, wanted: "Callable[[decision_pb2.CheckResponse], bool]", *, what: tuple[str, str] = READ
    ) -> tuple[decision_pb2.CheckResponse, float]:
        """Ask until the answer is as wanted; return it, and how many seconds after the first question it came."""
        started, backoff = time.monotonic(), Backoff(first=0.005, cap=0.05)
        while not wanted(answer := await self.ask(agent, what)):
            await Pace().sleep_async(backoff.next_wait())
        return answer, time.monotonic() - started

    async def evaluate(self, did: str, *, at: Instant, times: int) -> None:
        """Let the agent pass evaluations, as an administrator vouches for them."""
        passed = trust_pb2.SIGNAL_KIND_EVALUATION_PASSED
        await self._record(_signal(did, passed, at=at, number=number) for number in range(times))

    async def report_incident(self, did: str) -> None:
        """Report that an incident was confirmed."""
        await self._record([_signal(did, trust_pb2.SIGNAL_KIND_INCIDENT_CONFIRMED, at=SystemClock().now())])

    async def _record(self, signals: Iterable[trust_pb2.Signal]) -> None:
        request = trust_pb2.RecordSignalsRequest(signals=signals)
        await TrustServiceStub(self.channels["identity"]).RecordSignals(request, wait_for_ready=True)

    async def score(self, did: str) -> trust_pb2.Trust:
        """Return how far identity trusts the agent now."""
        question = trust_pb2.GetTrustRequest(did=did)
        return (await TrustServiceStub(self.channels["identity"]).GetTrust(question, wait_for_ready=True)).trust

    async def trace(self, did: str) -> None:
        """Send a trace of the agent's work, and see that what it used is counted."""
        await TraceServiceStub(self.channels["otlp"]).Export(one_trace(did, calls=1))  # type: ignore[no-untyped-call] # its package has no types
        question = telemetry_pb2.GetUsageRequest(agent=did)
        (row,) = (await UsageServiceStub(self.channels["telemetry"]).GetUsage(question)).rows
        assert (row.input_tokens, row.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)

    async def prove(self, decision_id: str) -> None:
        """See that a decision is in the audit log, and that the proof of it holds."""
        audit = AuditServiceStub(self.channels["telemetry"])
        entry = await logged(audit, decision_id)
        assert await verify_inclusion_of(audit, decision_id) == entry.index

    async def revoke(self, did: str) -> None:
        """End the identity for good."""
        request = identity_pb2.RevokeRequest(did=did, reason="the story is over")
        await IdentityServiceStub(self.channels["identity"]).Revoke(request)


def example_tool() -> tool_pb2.Tool:
    """Return what is said of a tool, complete."""
    return tool_pb2.Tool(
        protocol=tool_pb2.TOOL_PROTOCOL_MCP,
        side_effect=tool_pb2.SIDE_EFFECT_READ,
        input_schema='{"type": "object", "properties": {"table": {"type": "string"}}}',
        owner=registry_pb2.Owner(display_name="Warehouse", contact="https://example.com/warehouse"),
    )


def _signal(did: str, kind: trust_pb2.SignalKind.ValueType, *, at: Instant, number: int = 0) -> trust_pb2.Signal:
    return trust_pb2.Signal(
        signal_id=f"{did[-24:]}-{at}-{number}",
        did=did,
        environment="dev",
        kind=kind,
        evidence_hash=bytes(32),
        occur_time=to_timestamp(at),
    )


def effect_is(effect: decision_pb2.Effect.ValueType) -> "Callable[[decision_pb2.CheckResponse], bool]":
    """Return the question whether an answer is that."""
    return lambda answer: answer.effect == effect


def reason_is(reason: decision_pb2.DecisionReason.ValueType) -> "Callable[[decision_pb2.CheckResponse], bool]":
    """Return the question whether an answer has that reason."""
    return lambda answer: answer.reason == reason
