"""Three agents in processes of their own call each other, instrumented as published: one tree, every token once.

planner → researcher → writer; what their models used is known, because the provider is ours. The mesh runs on a clock
the test moves.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1 import workflow_pb2
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub, WorkflowServiceStub
from ringfence_kit.clock import SECOND, Instant, ManualClock, Millis, SystemClock
from ringfence_kit.dev_tokens import token_path
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.senders.chain import CHAIN, MODELS, Chain, running_chain
from support.senders.model_provider import ModelProvider, model_provider

SETTLED = Millis(31 * SECOND)


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
        for name in CHAIN:
            await story.register(name)
            agents[name] = await story.enrol(name)
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


async def test_one_piece_of_work_is_one_tree_with_every_token_once(stage: Stage, provider: ModelProvider) -> None:
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
        assert [(step.operation, step.what) for step in hop.steps if step.operation == "execute_tool"] == [
            ("execute_tool", f"{name}.tool")
        ]
        assert len(hop.children) == (name != "writer")
        hop = hop.children[0] if hop.children else hop


async def test_usage_of_agents_and_sessions_is_the_providers(stage: Stage, provider: ModelProvider) -> None:
    for session in ("s-1", "s-2"):
        await stage.chain.ask(session=session)
    by_agent = {row.agent: (row.input_tokens, row.output_tokens) for row in await stage.usage(pb.USAGE_GROUP_AGENT)}
    assert by_agent == {stage.agents[name]: said(provider, name) for name in CHAIN}
    sessions = await stage.usage(pb.USAGE_GROUP_SESSION)
    assert {row.session for row in sessions} == {"s-1", "s-2"}
    assert sum(row.input_tokens for row in sessions) == said(provider, *CHAIN)[0]


async def test_the_failing_hop_is_blamed(stage: Stage) -> None:
    await stage.chain.ask(session="s-1", fails="writer")
    (workflow,) = await stage.failed_workflows()
    assert workflow.failed
    assert workflow.blamed_agent == stage.agents["writer"]
    found = await stage.workflow(workflow.trace_id.hex())
    (hop,) = found.hops
    assert [hop.failed, hop.children[0].failed, hop.children[0].children[0].failed] == [True, True, True]
    assert [hop.blamed, hop.children[0].blamed, hop.children[0].children[0].blamed] == [False, False, True]
