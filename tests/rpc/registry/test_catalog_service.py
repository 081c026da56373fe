"""CatalogService over gRPC: what is found, how it is refused, and what nobody may learn from it."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ringfence.registry.v1 import catalog_pb2 as pb
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1.catalog_pb2_grpc import CatalogServiceStub
from ringfence_kit.callers import Caller, Role
from support.registry.agents import CARD
from support.registry.served import FINANCE_OWNER, LEDGER, ServedRegistry, agent_message, served_registry
from support.serving import OPERATOR
from support.wire import refusal

if TYPE_CHECKING:
    from ringfence.registry.v1.catalog_pb2_grpc import CatalogServiceAsyncStub  # only its types exist

EVERYWHERE = "namespaces/-"
AGENT = Caller(principal="did:web:id.example.com:agents:x", roles=frozenset({Role.AGENT}), environment="dev")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        await served.register(agent=agent_message(purpose="Reconciles the ledger.", labels={"tier": "gold"}))
        await served.register("other", agent=agent_message(purpose="Translates letters."))
        await served.register("secret", parent="namespaces/travel", agent=agent_message(purpose="Ledger of journeys."))
        yield served


def catalog(registry: ServedRegistry, caller: Caller = OPERATOR) -> "CatalogServiceAsyncStub":
    stub: CatalogServiceAsyncStub = CatalogServiceStub(registry.channel(caller))
    return stub


async def test_a_search_finds_the_best_first_and_says_where(registry: ServedRegistry) -> None:
    page = await catalog(registry).SearchAgents(pb.SearchAgentsRequest(parent=EVERYWHERE, query="reconcile ledgers"))
    names = [result.agent.name for result in page.results]
    assert names[0] == LEDGER
    assert page.total_size == len(names)
    assert page.results[0].relevance == 1
    match = next(match for match in page.results[0].matches if match.field == "purpose")
    assert match.snippet == "Reconciles the ledger."
    assert [match.snippet[span.start : span.end] for span in match.highlights] == ["Reconciles", "ledger"]


async def test_what_is_registered_is_found_at_once_and_what_changed_is_not(registry: ServedRegistry) -> None:
    async def found(query: str) -> list[str]:
        page = await catalog(registry).SearchAgents(pb.SearchAgentsRequest(parent=EVERYWHERE, query=query))
        return [result.agent.name.rpartition("/")[2] for result in page.results]

    assert await found("zeppelin") == []
    await registry.register("airship", agent=agent_message(purpose="Steers a zeppelin."))
    assert await found("zeppelins") == ["airship"]
    changed = registry_pb2.Agent(name="namespaces/finance/agents/airship", purpose="Steers a balloon.")
    await registry.stub().UpdateAgent(registry_pb2.UpdateAgentRequest(agent=changed))
    assert await found("zeppelin") == []
    await registry.stub().RetireAgent(registry_pb2.RetireAgentRequest(name=changed.name))
    assert await found("balloon") == []


async def test_pages_of_a_search_are_the_callers_own(registry: ServedRegistry) -> None:
    request = pb.SearchAgentsRequest(parent=EVERYWHERE, query="ledger", page_size=1)
    first = await catalog(registry).SearchAgents(request)
    assert first.next_page_token
    request.page_token = first.next_page_token
    second = await catalog(registry).SearchAgents(request)
    assert second.results[0].agent.name != first.results[0].agent.name
    for caller, changed in [(FINANCE_OWNER, {}), (OPERATOR, {"query": "letters"}), (OPERATOR, {"filter": "did:*"})]:
        other = pb.SearchAgentsRequest()
        other.CopyFrom(request)
        for field, value in changed.items():
            setattr(other, field, value)
        refused = await refusal(catalog(registry, caller).SearchAgents(other))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_likeness_by_agent_by_card_and_by_purpose(registry: ServedRegistry) -> None:
    stub = catalog(registry)
    for like in ({"agent": LEDGER}, {"card": CARD}, {"purpose": "Reconciles ledgers"}):
        request = pb.FindSimilarAgentsRequest(parent=EVERYWHERE, **like)
        answer = await stub.FindSimilarAgents(request)
        assert answer.similar_agents
        assert all(0 < each.score <= 1 for each in answer.similar_agents)
    names = [each.name for each in (await stub.FindSimilarAgents(request)).similar_agents]
    assert LEDGER in names


async def test_registering_the_same_again_is_warned_of(registry: ServedRegistry) -> None:
    request = registry_pb2.RegisterAgentRequest(
        parent="namespaces/finance", agent_id="twin", agent=agent_message(purpose="Reconciles the ledger."), card=CARD
    )
    answer = await registry.stub().RegisterAgent(request)
    assert LEDGER in [each.name for each in answer.similar_agents]
    own = await registry.stub(FINANCE_OWNER).RegisterAgent(
        registry_pb2.RegisterAgentRequest(
            parent="namespaces/finance", agent_id="third", agent=agent_message(purpose="Ledger of journeys."), card=CARD
        )
    )
    assert "namespaces/travel/agents/secret" not in [each.name for each in own.similar_agents]


async def test_facets_count_what_matches(registry: ServedRegistry) -> None:
    request = pb.GetFacetsRequest(parent=EVERYWHERE, fields=["risk_tier", "labels.tier"], filter="NOT name:travel")
    answer = await catalog(registry).GetFacets(request)
    risk, tier = answer.facets
    assert answer.total_size == 2
    assert [(value.value, value.count) for value in risk.values] == [("MEDIUM", 2)]
    assert ([(value.value, value.count) for value in tier.values], tier.unset_count) == ([("gold", 1)], 1)


async def test_a_selection_says_where_to_call_and_why(registry: ServedRegistry) -> None:
    request = pb.SelectAgentRequest(parent="namespaces/finance", tags=["sql"], environment="dev", affinity_key="me")
    answer = await catalog(registry).SelectAgent(request)
    assert {each.agent.rpartition("/")[2] for each in answer.candidates} == {"ledger", "other"}
    first = answer.candidates[0]
    assert first.revision == f"{first.agent}/revisions/1"
    assert first.interface.url == "https://ledger.example.com"
    assert {reason.factor for reason in first.reasons} == {"latency", "errors", "slo", "trust"}
    assert sum(each.weight for each in answer.candidates) == pytest.approx(1)
    request.min_trust_score = 1
    refused = await catalog(registry).SelectAgent(request)
    assert [(each.reason, each.count) for each in refused.exclusions] == [("TRUST_TOO_LOW", 2)]


async def test_the_inventory_of_whoever_asks(registry: ServedRegistry) -> None:
    request = pb.ExportInventoryRequest(parent=EVERYWHERE, format=pb.INVENTORY_FORMAT_CSV)
    parts = [part.data async for part in catalog(registry, FINANCE_OWNER).ExportInventory(request)]
    rows = list(csv.DictReader(io.StringIO(b"".join(parts).decode(), newline="")))
    assert [row["name"].rpartition("/")[2] for row in rows] == ["ledger", "other"]


async def test_nothing_tells_of_a_namespace_that_is_not_seen(registry: ServedRegistry) -> None:
    stub = catalog(registry, FINANCE_OWNER)

    async def told() -> list[Any]:
        search = await stub.SearchAgents(pb.SearchAgentsRequest(parent=EVERYWHERE, query="ledger journeys letters"))
        facets = await stub.GetFacets(pb.GetFacetsRequest(parent=EVERYWHERE, fields=["environments", "owner"]))
        select = await stub.SelectAgent(pb.SelectAgentRequest(parent=EVERYWHERE, tags=["sql"], environment="prod"))
        similar = await stub.FindSimilarAgents(pb.FindSimilarAgentsRequest(parent=EVERYWHERE, purpose="Journeys"))
        found = [(result.agent.name, result.relevance) for result in search.results]
        return [found, search.total_size, facets, select, similar]

    before = await told()
    for name in ("more", "and-more"):
        await registry.register(name, parent="namespaces/travel", agent=agent_message(purpose="Ledger, journeys."))
    assert await told() == before
    calls: list[tuple[Any, Any]] = [
        (stub.SearchAgents, pb.SearchAgentsRequest(parent="namespaces/travel", query="x")),
        (stub.SearchAgents, pb.SearchAgentsRequest(parent="namespaces/nobody", query="x")),
        (stub.GetFacets, pb.GetFacetsRequest(parent="namespaces/travel", fields=["state"])),
        (stub.SelectAgent, pb.SelectAgentRequest(parent="namespaces/nobody", tags=["x"], environment="dev")),
        (stub.FindSimilarAgents, pb.FindSimilarAgentsRequest(parent="namespaces/travel", purpose="x")),
    ]
    for method, request in calls:
        refused = await refusal(method(request))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("SearchAgents", pb.SearchAgentsRequest(parent="x", page_size=-1), {"parent", "query", "page_size"}),
        ("SearchAgents", pb.SearchAgentsRequest(parent=EVERYWHERE, query="…!"), {"query"}),
        ("SearchAgents", pb.SearchAgentsRequest(parent=EVERYWHERE, query=" ".join(map(str, range(40)))), {"query"}),
        ("SearchAgents", pb.SearchAgentsRequest(parent=EVERYWHERE, query="x" * 501), {"query"}),
        ("FindSimilarAgents", pb.FindSimilarAgentsRequest(parent=EVERYWHERE, min_score=2), {"like", "min_score"}),
        ("FindSimilarAgents", pb.FindSimilarAgentsRequest(parent=EVERYWHERE, agent="ledger"), {"agent"}),
        ("GetFacets", pb.GetFacetsRequest(parent=EVERYWHERE, max_values=-1), {"fields", "max_values"}),
        (
            "GetFacets",
            pb.GetFacetsRequest(parent=EVERYWHERE, fields=["purpose", "nonsense"]),
            {"fields[0]", "fields[1]"},
        ),
        (
            "SelectAgent",
            pb.SelectAgentRequest(parent=EVERYWHERE, min_trust_score=1_001, max_candidates=-1),
            {"skill", "environment", "min_trust_score", "max_candidates"},
        ),
    ],
)
async def test_all_that_is_wrong_is_said_at_once(
    registry: ServedRegistry, method: str, request_: Any, fields: set[str]
) -> None:
    refused = await refusal(getattr(catalog(registry), method)(request_))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == fields


async def test_an_agent_exports_no_inventory(registry: ServedRegistry) -> None:
    request = pb.ExportInventoryRequest(parent=EVERYWHERE, format=pb.INVENTORY_FORMAT_CSV)
    refused = await refusal(catalog(registry, AGENT).ExportInventory(request).read())
    assert refused.code == "PERMISSION_DENIED"
