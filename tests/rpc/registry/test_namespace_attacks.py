"""What somebody tries who wants to see, or to be let into, more than is his: each attack by its name."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from ringfence.registry.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    namespace_pb2,
    namespace_pb2_grpc,
    registry_pb2,
    tool_pb2,
    tool_pb2_grpc,
)
from ringfence_kit.callers import Caller, Role
from ringfence_registry.config import DefaultVisibility
from support.registry.agents import CARD
from support.registry.served import FINANCE_OWNER, LEDGER, ServedRegistry, agent_message, served_registry
from support.serving import OPERATOR
from support.wire import read_refusal, refusal

MALLORY = Caller(principal="mallory", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"evil"}))
VICTIM = "did:web:dev.id.example.com:agents:ledger"
AGENT_OF_FINANCE = Caller(principal=VICTIM, roles=frozenset({Role.AGENT}), environment="dev")
APPROVER_OF_TRAVEL = Caller(principal="aldo", roles=frozenset({Role.APPROVER}), namespaces=frozenset({"travel"}))
EVERYWHERE = "namespaces/-"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        yield served


def namespaces(registry: ServedRegistry, caller: Caller = OPERATOR) -> Any:
    return namespace_pb2_grpc.NamespaceServiceStub(registry.channel(caller))


async def show(
    registry: ServedRegistry, visibility: "namespace_pb2.Visibility.ValueType", name: str = "finance"
) -> None:
    said = namespace_pb2.Namespace(name=f"namespaces/{name}", visibility=visibility)
    await namespaces(registry).UpdateNamespace(namespace_pb2.UpdateNamespaceRequest(namespace=said))


async def seen(registry: ServedRegistry, caller: Caller) -> set[str]:
    answer = await registry.stub(caller).ListAgents(registry_pb2.ListAgentsRequest(parent=EVERYWHERE))
    return {agent.name for agent in answer.agents}


async def test_a_page_token_of_who_sees_more_opens_nothing(registry: ServedRegistry) -> None:
    for agent in ("a", "b", "c"):
        await registry.register(agent)
    request = registry_pb2.ListAgentsRequest(parent=EVERYWHERE, page_size=1)
    stolen = (await registry.stub().ListAgents(request)).next_page_token
    request.page_token = stolen
    refused = await refusal(registry.stub(MALLORY).ListAgents(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
    search = catalog_pb2.SearchAgentsRequest(parent=EVERYWHERE, query="ledger", page_token=stolen)
    refused = await refusal(catalog_pb2_grpc.CatalogServiceStub(registry.channel(MALLORY)).SearchAgents(search))
    assert refused.reason == "PAGE_TOKEN_INVALID"


async def test_a_page_token_does_not_outlast_the_sight_it_was_given_with(registry: ServedRegistry) -> None:
    for agent in ("a", "b"):
        await registry.register(agent)
    await show(registry, namespace_pb2.VISIBILITY_PUBLIC)
    request = registry_pb2.ListAgentsRequest(parent="namespaces/finance", page_size=1)
    request.page_token = (await registry.stub(MALLORY).ListAgents(request)).next_page_token
    await show(registry, namespace_pb2.VISIBILITY_PRIVATE)
    assert (await refusal(registry.stub(MALLORY).ListAgents(request))).reason == "NOT_PERMITTED"


async def test_registering_somebody_elses_did_shows_the_thief_nothing(registry: ServedRegistry) -> None:
    await registry.register(agent=agent_message(did=VICTIM))
    stolen = registry_pb2.RegisterAgentRequest(
        parent="namespaces/evil", agent_id="trap", agent=agent_message(did=VICTIM), card=CARD
    )
    await registry.stub(MALLORY).RegisterAgent(stolen)
    assert await seen(registry, MALLORY) == {"namespaces/evil/agents/trap"}
    # The agent is shown one namespace more, and never one that its owner did not mean to show.
    assert await seen(registry, AGENT_OF_FINANCE) == {LEDGER, "namespaces/evil/agents/trap"}


async def test_entitling_oneself_is_not_being_entitled(registry: ServedRegistry) -> None:
    await registry.register()
    mine = namespace_pb2.Namespace(
        name="namespaces/evil",
        visibility=namespace_pb2.VISIBILITY_ENTITLED,
        entitled_namespaces=["namespaces/finance"],
    )
    await namespaces(registry, MALLORY).UpdateNamespace(namespace_pb2.UpdateNamespaceRequest(namespace=mine))
    assert await seen(registry, MALLORY) == set()


async def test_seeing_a_public_namespace_gives_no_say_in_it(registry: ServedRegistry) -> None:
    await registry.register(as_draft=True)
    await registry.stub().SubmitAgent(registry_pb2.SubmitAgentRequest(name=LEDGER))
    await show(registry, namespace_pb2.VISIBILITY_PUBLIC)
    stub = registry.stub(APPROVER_OF_TRAVEL)
    assert (await stub.GetAgent(registry_pb2.GetAgentRequest(name=LEDGER))).agent.name == LEDGER
    for call in (
        stub.ApproveAgent(registry_pb2.ApproveAgentRequest(name=LEDGER)),
        stub.SuspendAgent(registry_pb2.SuspendAgentRequest(name=LEDGER, reason="x")),
    ):
        assert (await refusal(call)).reason == "NOT_PERMITTED"


@pytest.mark.parametrize("agent", ["ledger", "nobody"])
async def test_no_code_tells_a_hidden_agent_from_none(registry: ServedRegistry, agent: str) -> None:
    await registry.register()
    name = f"namespaces/finance/agents/{agent}"
    stub = registry.stub(MALLORY)
    catalog = catalog_pb2_grpc.CatalogServiceStub(registry.channel(MALLORY))
    calls: list[Any] = [
        stub.GetAgent(registry_pb2.GetAgentRequest(name=name)),
        stub.GetCard(registry_pb2.GetCardRequest(name=name)),
        stub.GetCardAttestation(registry_pb2.GetCardAttestationRequest(name=name)),
        stub.ListAgentRevisions(registry_pb2.ListAgentRevisionsRequest(parent=name)),
        stub.CheckReadiness(registry_pb2.CheckReadinessRequest(name=name)),
        stub.UpdateAgent(registry_pb2.UpdateAgentRequest(agent=registry_pb2.Agent(name=name, team="t"))),
        stub.RetireAgent(registry_pb2.RetireAgentRequest(name=name)),
        stub.DeleteAgent(registry_pb2.DeleteAgentRequest(name=name)),
        stub.SubmitAgent(registry_pb2.SubmitAgentRequest(name=name)),
        stub.RenewLease(registry_pb2.RenewLeaseRequest(name=name)),
        stub.SetRollout(registry_pb2.SetRolloutRequest(name=name, canary_revision="1", canary_percent=5)),
        stub.TagRevision(registry_pb2.TagRevisionRequest(name=f"{name}/revisions/1", alias="stable")),
        stub.CompareRevisions(registry_pb2.CompareRevisionsRequest(name=name, before="1", after="2")),
        catalog.FindSimilarAgents(catalog_pb2.FindSimilarAgentsRequest(parent=EVERYWHERE, agent=name)),
    ]
    for call in calls:
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED"), refused.message


async def test_an_etag_that_was_guessed_tells_nothing(registry: ServedRegistry) -> None:
    agent = await registry.register()
    for etag in (agent.etag, '"0-guess"'):
        change = registry_pb2.UpdateAgentRequest(agent=registry_pb2.Agent(name=LEDGER, team="t"), etag=etag)
        assert (await refusal(registry.stub(MALLORY).UpdateAgent(change))).reason == "NOT_PERMITTED"


async def test_a_watch_opened_while_it_was_public_shows_nothing_once_it_is_not(registry: ServedRegistry) -> None:
    await show(registry, namespace_pb2.VISIBILITY_PUBLIC)
    await registry.register()
    stream = registry.stub(MALLORY).WatchAgents(
        registry_pb2.WatchAgentsRequest(parent=EVERYWHERE, send_initial_state=True)
    )
    answers = aiter(stream)
    assert (await anext(answers)).agent.name == LEDGER
    assert (await anext(answers)).initial_state_end
    await show(registry, namespace_pb2.VISIBILITY_PRIVATE)
    await registry.register("later")
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await anext(answers)
    assert read_refusal(ended.value).reason == "REVISION_COMPACTED"
    assert "later" not in str(ended.value)


async def test_a_watch_of_who_sees_nothing_is_told_of_no_change(registry: ServedRegistry) -> None:
    stream = registry.stub(MALLORY).WatchAgents(registry_pb2.WatchAgentsRequest(parent=EVERYWHERE))
    answers = aiter(stream)
    assert (await anext(answers)).type == registry_pb2.WATCH_EVENT_TYPE_BOOKMARK
    await registry.register()
    await registry.stub().RetireAgent(registry_pb2.RetireAgentRequest(name=LEDGER))
    await registry.stub(MALLORY).RegisterAgent(
        registry_pb2.RegisterAgentRequest(parent="namespaces/evil", agent_id="mine", agent=agent_message(), card=CARD)
    )
    assert (await anext(answers)).agent.name == "namespaces/evil/agents/mine"
    with suppress(grpc.aio.AioRpcError):
        stream.cancel()


async def test_a_tool_in_a_hidden_namespace_is_as_hidden_as_an_agent(registry: ServedRegistry) -> None:
    tools = tool_pb2_grpc.ToolServiceStub(registry.channel(MALLORY))
    for name in ("namespaces/finance/tools/warehouse.export", "namespaces/finance/tools/none"):
        assert (await refusal(tools.GetTool(tool_pb2.GetToolRequest(name=name)))).reason == "NOT_PERMITTED"
    everything = await tools.ListTools(tool_pb2.ListToolsRequest(parent=EVERYWHERE))
    assert list(everything.tools) == []


async def test_trust_and_health_in_a_request_are_not_taken(registry: ServedRegistry) -> None:
    forged = agent_message()
    forged.trust.score, forged.trust.ring, forged.trust.active = 1_000, 0, True
    made = await registry.register(agent=forged)
    assert not made.HasField("trust")
    change = registry_pb2.UpdateAgentRequest(agent=registry_pb2.Agent(name=LEDGER))
    change.agent.trust.score = 1_000
    change.update_mask.paths.append("trust")
    assert "update_mask.paths[0]" in (await refusal(registry.stub().UpdateAgent(change))).violations


async def test_a_public_default_shows_nobody_what_was_made_private(tmp_path: Path) -> None:
    async with served_registry(tmp_path, default_visibility=DefaultVisibility.PUBLIC) as registry:
        await registry.register()
        await registry.register("open", parent="namespaces/travel")
        assert len(await seen(registry, MALLORY)) == 2
        await show(registry, namespace_pb2.VISIBILITY_PRIVATE)
        assert await seen(registry, MALLORY) == {"namespaces/travel/agents/open"}
        assert await seen(registry, FINANCE_OWNER) == {LEDGER, "namespaces/travel/agents/open"}
