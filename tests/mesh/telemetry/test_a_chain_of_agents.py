"""Three agents in processes of their own call each other, instrumented as published: one tree, every token once.

planner → researcher → writer; what their models used is known, because the provider is ours. The mesh runs on a clock
the test moves.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from ringfence.identity.v1 import trust_pb2
from ringfence.identity.v1.trust_pb2_grpc import TrustServiceStub
from ringfence.pdp.v1 import decision_pb2
from ringfence.pdp.v1.decision_pb2 import EFFECT_ALLOW
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence.registry.v1 import catalog_pb2, registry_pb2
from ringfence.registry.v1.catalog_pb2_grpc import CatalogServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.telemetry.v1 import audit_pb2, slo_pb2, workflow_pb2
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from ringfence.telemetry.v1.health_pb2 import SLO_STATE_BREACHED
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub, SloServiceStub
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub, WorkflowServiceStub
from ringfence_kit.clock import SECOND, Instant, ManualClock, Millis, SystemClock
from ringfence_kit.dev_tokens import token_path
from support.mesh.birth import TOOLS
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.story import NAMESPACE, effect_is
from support.senders.chain import CHAIN, MODELS, TEAMS, Chain, running_chain
from support.senders.model_provider import ModelProvider, model_provider

SETTLED = Millis(31 * SECOND)
PATIENCE_S = 30.0
ENOUGH = 25
"""Pieces of work after which a share says something."""


class Stage:
    """A mesh on a clock, three agents enrolled in it, and their processes."""

    def __init__(self, mesh: InProcessMesh, clock: ManualClock, chain: Chain, agents: Mapping[str, str]) -> None:
        self.mesh = mesh
        self.clock = clock
        self.chain = chain
        self.agents = agents
        """Name → DID."""

    async def usage(self, *groups: pb.UsageGroup.ValueType, inclusive: bool = False) -> list[pb.UsageRow]:
        """Return usage, once everything is counted."""
        stub = UsageServiceStub(self.mesh.kept_channel("telemetry"))
        request = pb.GetUsageRequest(group_by=groups, inclusive=inclusive)
        while (answer := await stub.GetUsage(request)).pending_spans:
            continue
        return list(answer.rows)

    async def workflow(self, trace_id: str) -> workflow_pb2.GetWorkflowResponse:
        """Return one piece of work."""
        stub = WorkflowServiceStub(self.mesh.kept_channel("telemetry"))
        await self.usage()
        request = workflow_pb2.GetWorkflowRequest(trace_id=bytes.fromhex(trace_id))
        answer: workflow_pb2.GetWorkflowResponse = await stub.GetWorkflow(request)
        return answer

    async def promise(self, name: str, *, target: str) -> str:
        """Define an objective for an agent, with windows of an hour at the longest; return its name."""
        rule = slo_pb2.BurnRule(share="0.02", page=True)
        rule.long_window.FromSeconds(3_600)
        wanted = slo_pb2.Slo(agent=self.agents[name], target=target, burn_rules=[rule])
        request = slo_pb2.CreateSloRequest(slo_id=name, slo=wanted)
        created = await SloServiceStub(self.mesh.kept_channel("telemetry")).CreateSlo(request)
        return str(created.slo.name)

    async def standing(self, slo: str, *, events: int) -> slo_pb2.SloStatus:
        """Return how an objective stands once so many events are counted for it."""
        stub = SloServiceStub(self.mesh.kept_channel("telemetry"))
        async with asyncio.timeout(PATIENCE_S):
            while (status := (await stub.GetSlo(slo_pb2.GetSloRequest(name=slo))).status).total < events:
                self.clock.advance(SETTLED)
                await asyncio.sleep(0)
        return status

    async def breakers_stay_closed(self) -> None:
        """Say by hand that no breaker of the chain opens: what is left is the order."""
        stub = BreakerServiceStub(self.mesh.kept_channel("telemetry"))
        for did in self.agents.values():
            request = slo_pb2.OverrideBreakerRequest(
                agent=did, override=slo_pb2.BREAKER_OVERRIDE_DISABLED, reason="the order is what is looked at"
            )
            await stub.OverrideBreaker(request)

    async def factors(self, name: str) -> set[str]:
        """Return what the registry weighs an agent by, when somebody is selected for what it does."""
        registry = RegistryServiceStub(self.mesh.kept_channel("registry"))
        agent = f"{NAMESPACE}/agents/{name}"
        skill = (await registry.GetAgent(registry_pb2.GetAgentRequest(name=agent))).agent.card.skills[0].id
        request = catalog_pb2.SelectAgentRequest(parent=NAMESPACE, environment="dev", skill=skill)
        candidates = (await CatalogServiceStub(self.mesh.kept_channel("registry")).SelectAgent(request)).candidates
        return {reason.factor for each in candidates if each.agent == agent for reason in each.reasons}

    async def obligations(self, name: str) -> dict[str, dict[str, Any]]:
        """Return what the pdp obliges whoever lets a call of an agent through to."""
        request = decision_pb2.CheckRequest(
            subject=decision_pb2.Subject(agent=f"{NAMESPACE}/agents/researcher"),
            target=decision_pb2.Subject(agent=f"{NAMESPACE}/agents/{name}"),
            action=decision_pb2.Action(name="read_table", tool=TOOLS[0]),
            environment="dev",
            supported_obligations=["degrade"],
        )
        answer = await DecisionServiceStub(self.mesh.kept_channel("pdp")).Check(request)
        assert answer.effect == EFFECT_ALLOW, answer
        return {each.type: json_format.MessageToDict(each.properties) for each in answer.obligations}

    async def debt(self, name: str) -> int:
        """Return what an agent has lost of its trust, in millionths of points."""
        request = trust_pb2.GetTrustRequest(did=self.agents[name])
        trust = (await TrustServiceStub(self.mesh.kept_channel("identity")).GetTrust(request)).trust
        return int(trust.state.debt_micro_points)

    async def loses_trust(self, name: str) -> int:
        """Wait until an agent has lost some; return how much."""
        async with asyncio.timeout(PATIENCE_S):
            while not (lost := await self.debt(name)):
                self.clock.advance(SETTLED)
                await asyncio.sleep(0)
        return lost

    async def noted(self, kind: str) -> list[dict[str, Any]]:
        """Return the notes of a kind in the audit log."""
        audit = AuditServiceStub(self.mesh.kept_channel("telemetry"))
        listed = await audit.ListEntries(audit_pb2.ListEntriesRequest(page_size=1_000))
        return [one for one in (json.loads(each.body) for each in listed.entries) if one.get("kind") == kind]

    async def failed_workflows(self) -> list[workflow_pb2.Workflow]:
        """Return the failed ones, once there are any."""
        stub = WorkflowServiceStub(self.mesh.kept_channel("telemetry"))
        await self.usage()
        request = workflow_pb2.ListWorkflowsRequest(failed_only=True)
        while not (answer := await stub.ListWorkflows(request)).workflows:
            self.clock.advance(SETTLED)
        return list(answer.workflows)


@pytest.fixture
def provider() -> Iterator[ModelProvider]:
    with model_provider() as running:
        yield running


@pytest.fixture
async def stage(tmp_path: Path, provider: ModelProvider) -> AsyncIterator[Stage]:
    clock = ManualClock(Instant(SystemClock().now()))
    async with in_process_mesh(tmp_path, clock=clock) as mesh:
        story = mesh.story()
        agents = {}
        await story.push_policy()
        for name in CHAIN:
            registered = await story.register(name)
            agents[name] = await story.enrol(name)
            await story.told(registered, effect_is(EFFECT_ALLOW))  # a decision tells telemetry where it works
        async with running_chain(
            agents,
            otlp=mesh.layout.addresses["telemetry.otlp_listen"],
            token_file=token_path(mesh.layout.data, "service"),
            provider=provider,
        ) as chain:
            yield Stage(mesh, clock, chain, agents)


def tokens(used: workflow_pb2.WorkflowUsage) -> tuple[int, int]:
    return used.input_tokens, used.output_tokens


def said(provider: ModelProvider, *names: str) -> tuple[int, int]:
    totals = [provider.total(MODELS[name]) for name in names]
    return sum(one.input for one in totals), sum(one.output for one in totals)


async def test_one_tree_and_every_token_once(stage: Stage, provider: ModelProvider) -> None:
    trace_id = await stage.chain.ask(session="s-1")
    found = await stage.workflow(trace_id)
    assert found.workflow.session == "s-1"
    assert not found.workflow.failed
    assert found.workflow.blamed_agent == ""
    assert tokens(found.workflow.usage) == said(provider, *CHAIN)
    (hop,) = found.hops
    for at, name in enumerate(CHAIN):
        assert hop.agent == stage.agents[name]
        assert tokens(hop.exclusive) == said(provider, name)
        assert tokens(hop.inclusive) == said(provider, *CHAIN[at:])
        assert [step.what for step in hop.steps if step.operation == "execute_tool"] == [f"{name}.tool"]
        assert len(hop.children) == (name != "writer")
        hop = hop.children[0] if hop.children else hop

    await stage.chain.ask(session="s-2")
    by_agent = {row.agent: (row.input_tokens, row.output_tokens) for row in await stage.usage(pb.USAGE_GROUP_AGENT)}
    assert by_agent == {stage.agents[name]: said(provider, name) for name in CHAIN}
    by_team = {row.team: (row.input_tokens, row.output_tokens) for row in await stage.usage(pb.USAGE_GROUP_TEAM)}
    assert by_team == {TEAMS[name]: said(provider, name) for name in CHAIN}
    whole = await stage.usage(pb.USAGE_GROUP_AGENT, inclusive=True)
    assert {row.agent: (row.input_tokens, row.output_tokens) for row in whole} == {
        stage.agents[name]: said(provider, *CHAIN[at:]) for at, name in enumerate(CHAIN)
    }
    sessions = await stage.usage(pb.USAGE_GROUP_SESSION)
    assert {row.session for row in sessions} == {"s-1", "s-2"}
    assert sum(row.input_tokens for row in sessions) == said(provider, *CHAIN)[0]


async def test_the_failing_hop_is_blamed_and_pays_for_it_and_nobody_else(stage: Stage) -> None:
    await stage.breakers_stay_closed()
    slo = await stage.promise("planner", target="0.99")
    for _ in range(ENOUGH):
        await stage.chain.ask(fails="writer")

    status = await stage.standing(slo, events=ENOUGH)
    assert (status.good, status.total, status.state) == (0, ENOUGH, SLO_STATE_BREACHED)
    assert [(blame.agent, blame.bad, blame.errors) for blame in status.blame] == [
        (stage.agents["writer"], ENOUGH, ENOUGH)
    ]
    workflows = await stage.failed_workflows()
    assert {workflow.blamed_agent for workflow in workflows} == {stage.agents["writer"]}
    found = await stage.workflow(workflows[0].trace_id.hex())
    planner, researcher, writer = (hops := [*found.hops, *found.hops[0].children, *found.hops[0].children[0].children])
    assert [hop.failed for hop in hops] == [True, True, True]
    assert (planner.blamed, researcher.blamed, writer.blamed) == (False, False, True)

    async with asyncio.timeout(PATIENCE_S):
        while "order" not in await stage.factors("planner"):
            await stage.chain.ask(fails="writer")  # of whom nothing is heard for five minutes, nothing is known
            stage.clock.advance(Millis(SECOND))
    assert "order" not in await stage.factors("writer")
    assert (await stage.obligations("planner"))["degrade"]["order"] in {"shed", "escalate_human", "reduce_scope"}
    assert "degrade" not in await stage.obligations("writer")

    assert await stage.loses_trust("writer") > 0
    assert [await stage.debt(name) for name in ("planner", "researcher")] == [0, 0]
    (note,) = await stage.noted("slo-budget-exhausted")
    assert note["subject"] == stage.agents["writer"]
