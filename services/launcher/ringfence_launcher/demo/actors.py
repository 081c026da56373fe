"""What the demo's people and agents do: one call of the public API each, nothing a stranger could not do."""

import asyncio
import http.client
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import yaml
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from ringfence.agent_key import AgentKey
from ringfence.enrolment import answer
from ringfence.errors import NotFoundError
from ringfence.identity.v1 import identity_pb2, trust_pb2
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ringfence.identity.v1.trust_pb2_grpc import TrustServiceStub
from ringfence.pdp.v1 import bundle_pb2, decision_pb2
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub, KillSwitchServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence.registry.v1 import registry_pb2, tool_pb2
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub
from ringfence.telemetry.v1 import audit_pb2, telemetry_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub, WorkflowServiceStub

from ringfence_launcher.demo.mesh import DemoMesh
from ringfence_launcher.demo.spans import conversation
from ringfence_launcher.examples import example

ENVIRONMENT = "dev"
NAMESPACE = "namespaces/demo"
TOOLS = ("warehouse.query", "warehouse.update")
SETTLES_WITHIN = 5.0
"""Seconds on the wall clock in which what one service learned must have reached the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent of the demo once it is enrolled."""

    name: str
    did: str


async def register_tool(mesh: DemoMesh, tool_id: str) -> tool_pb2.Tool:
    """Register a tool from its file."""
    members = yaml.safe_load(example(f"{tool_id}.tool.yaml"))
    members["inputSchema"] = json.dumps(members["inputSchema"])
    request = tool_pb2.RegisterToolRequest(parent=NAMESPACE, tool_id=tool_id, tool=ParseDict(members, tool_pb2.Tool()))
    return (await ToolServiceStub(mesh.channel("registry.listen")).RegisterTool(request)).tool


async def register(mesh: DemoMesh, agent_id: str) -> registry_pb2.Agent:
    """Register an agent from its card file."""
    request = registry_pb2.RegisterAgentRequest(
        parent=NAMESPACE,
        agent_id=agent_id,
        card=example(f"{agent_id}.card.json"),
        agent=registry_pb2.Agent(
            purpose="Answers questions about the sales figures.",
            owner=registry_pb2.Owner(display_name="Sales analytics", contact="https://example.com/teams/sales"),
            risk_tier=registry_pb2.RISK_TIER_LOW,
            environments=[ENVIRONMENT],
            approved_tools=[registry_pb2.ApprovedTool(name=name) for name in TOOLS],
        ),
    )
    return (await RegistryServiceStub(mesh.channel("registry.listen")).RegisterAgent(request)).agent


async def register_sponsor(mesh: DemoMesh, sponsor_id: str) -> str:
    """Register a person who answers for agents."""
    request = identity_pb2.RegisterSponsorRequest(
        sponsor_id=sponsor_id,
        sponsor=identity_pb2.Sponsor(
            display_name=f"{sponsor_id.capitalize()} sponsor", contact=f"{sponsor_id}@example.com"
        ),
    )
    return (await IdentityServiceStub(mesh.channel("identity.listen")).RegisterSponsor(request)).sponsor.name


async def enrol(mesh: DemoMesh, agent_id: str) -> Agent:
    """Enrol an agent: it makes its key, and proves that it holds it."""
    identities, key = IdentityServiceStub(mesh.channel("identity.listen")), AgentKey.generate()
    content = ParseDict(yaml.safe_load(example("analyst.birth.yaml")), identity_pb2.BirthCertificateContent())
    begun = await identities.BeginRegistration(
        identity_pb2.BeginRegistrationRequest(
            parent=NAMESPACE, agent_id=agent_id, environment=ENVIRONMENT, sponsor=content.sponsor
        )
    )
    completed = await identities.CompleteRegistration(answer(begun, key, content))
    return Agent(name=completed.identity.agent, did=completed.identity.did)


async def push_policy(mesh: DemoMesh, path: str, content: bytes) -> bundle_pb2.Bundle:
    """Make a policy file the active bundle."""
    request = bundle_pb2.PushBundleRequest(files=[bundle_pb2.PolicyFile(path=path, content=content)])
    return (await BundleServiceStub(mesh.channel("pdp.listen")).PushBundle(request)).bundle


async def check(mesh: DemoMesh, agent: Agent, action: str, tool: str) -> decision_pb2.CheckResponse:
    """Ask for a decision as a gateway does, once the pdp knows what it must know."""
    request = _question(agent, action, tool)
    decisions = DecisionServiceStub(mesh.channel("pdp.listen", caller="service"))
    waiting_for = {
        decision_pb2.DECISION_REASON_FACTS_STALE,
        decision_pb2.DECISION_REASON_AGENT_UNKNOWN,
        decision_pb2.DECISION_REASON_TOOL_UNKNOWN,
    }

    async def known() -> bool:
        explained = await decisions.Explain(decision_pb2.ExplainRequest(request=request))
        return explained.response.reason not in waiting_for

    await until(known)
    return await decisions.Check(request)


async def read_at_once(mesh: DemoMesh, agent: Agent) -> decision_pb2.CheckResponse:
    """Ask whether an agent may read, and take the answer as it comes."""
    decisions = DecisionServiceStub(mesh.channel("pdp.listen", caller="service"))
    return await decisions.Check(_question(agent, "read_table", "warehouse.query"))


def _question(agent: Agent, action: str, tool: str) -> decision_pb2.CheckRequest:
    request = decision_pb2.CheckRequest(
        subject=decision_pb2.Subject(did=agent.did, agent=agent.name),
        action=decision_pb2.Action(name=action, tool=tool),
        environment=ENVIRONMENT,
    )
    request.action.arguments.update({"rows": 20})
    return request


async def export_spans(mesh: DemoMesh, agent: Agent) -> None:
    """Send the spans of one conversation over plain OTLP, as an SDK does."""
    traces = TraceServiceStub(mesh.channel("telemetry.otlp_listen"))  # type: ignore[no-untyped-call]  # generated without types
    await traces.Export(conversation(agent.did, at_nanos=mesh.clock.now() * 1_000_000))


async def usage(mesh: DemoMesh, agent: Agent) -> telemetry_pb2.UsageRow:
    """Return what an agent used, once everything acknowledged is in."""
    stub = UsageServiceStub(mesh.channel("telemetry.listen"))
    request = telemetry_pb2.GetUsageRequest(agent=agent.did, group_by=[telemetry_pb2.USAGE_GROUP_AGENT])
    rows: list[telemetry_pb2.UsageRow] = []

    async def counted() -> bool:
        response = await stub.GetUsage(request)
        rows[:] = response.rows
        return response.pending_spans == 0 and bool(rows)

    await until(counted)
    return rows[0]


async def accept_work(mesh: DemoMesh, agent: Agent, *, people: range, works: int) -> trust_pb2.Trust:
    """Let several people accept pieces of an agent's work, and return its trust once identity has weighed them all.

    A service of the mesh reports for the people; telemetry makes a trust signal of each report and delivers it.
    """
    stub = WorkflowServiceStub(mesh.channel("telemetry.listen", caller="service"))
    reports = [
        telemetry_pb2.ReportOutcomeRequest(
            did=agent.did,
            environment=ENVIRONMENT,
            outcome=telemetry_pb2.OUTCOME_ACCEPTED,
            work_id=f"task-{uuid.uuid4()}",
            on_behalf_of=f"https://idp.example.com#person-{person}",
        )
        for person in people
        for _ in range(works)
    ]
    before = await signals_delivered(mesh)
    await asyncio.gather(*(stub.ReportOutcome(report) for report in reports))

    async def weighed() -> bool:
        return await signals_delivered(mesh) >= before + len(reports)

    await until(weighed)
    return await trust(mesh, agent)


async def signals_delivered(mesh: DemoMesh) -> int:
    """Return how many trust signals identity has answered for, as telemetry's metrics say."""
    metrics = await asyncio.to_thread(_scrape, mesh.addresses["telemetry.http_listen"])
    return int(metrics["ringfence_telemetry_signals_delivered_total"])


def _scrape(address: str) -> dict[str, float]:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=SETTLES_WITHIN)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


async def is_logged(mesh: DemoMesh, decision_id: str) -> bool:
    """Say whether a decision has reached the audit log."""
    stub = AuditServiceStub(mesh.channel("telemetry.listen"))
    try:
        await stub.GetEntry(audit_pb2.GetEntryRequest(decision_id=decision_id))
    except NotFoundError:
        return False
    return True


async def trust(mesh: DemoMesh, agent: Agent) -> trust_pb2.Trust:
    """Return an agent's score and ring now."""
    request = trust_pb2.GetTrustRequest(did=agent.did)
    return (await TrustServiceStub(mesh.channel("identity.listen")).GetTrust(request)).trust


async def revoke(mesh: DemoMesh, agent: Agent, reason: str) -> None:
    """Revoke an agent's identity for good."""
    request = identity_pb2.RevokeRequest(did=agent.did, reason=reason)
    await IdentityServiceStub(mesh.channel("identity.listen")).Revoke(request)


async def engage(mesh: DemoMesh, agent: Agent, reason: str) -> str:
    """Stop an agent; returns the kill switch's name."""
    request = bundle_pb2.EngageKillSwitchRequest(target=bundle_pb2.KillTarget(agent=agent.name), reason=reason)
    return (await KillSwitchServiceStub(mesh.channel("pdp.listen")).EngageKillSwitch(request)).kill_switch.name


async def release(mesh: DemoMesh, name: str, reason: str) -> None:
    """Let go of a kill switch."""
    request = bundle_pb2.ReleaseKillSwitchRequest(name=name, reason=reason)
    await KillSwitchServiceStub(mesh.channel("pdp.listen")).ReleaseKillSwitch(request)


async def until(holds: Callable[[], Awaitable[bool]], *, within: float = SETTLES_WITHIN) -> None:
    """Return once `holds`; TimeoutError when it does not within so many seconds on the wall clock."""
    deadline = time.monotonic() + within
    while not await holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing changed within {within:g} s")
        await asyncio.sleep(0.01)
