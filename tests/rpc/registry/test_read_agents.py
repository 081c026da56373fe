"""GetAgent, GetCard and ListAgents over gRPC."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, Millis
from support.registry.agents import CARD
from support.registry.served import FINANCE_OWNER, LEDGER, ServedRegistry, agent_message, served_registry
from support.serving import OPERATOR, SERVICE
from support.wire import refusal

AUDITOR = Caller(principal="audrey", roles=frozenset({Role.AUDITOR}))
ITSELF = Caller(principal="did:web:dev.id.example.com:agents:ledger", roles=frozenset({Role.AGENT}), environment="dev")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def untouched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedRegistry]:
    """One registry for all tests that are refused, and so leave it as it was."""
    async with served_registry(tmp_path_factory.mktemp("untouched")) as served:
        yield served


async def listed(registry: ServedRegistry, caller: Caller = OPERATOR, **said: Any) -> pb.ListAgentsResponse:
    request = pb.ListAgentsRequest(**{"parent": "namespaces/-", **said})
    return await registry.stub(caller).ListAgents(request)


# Get


async def test_an_agent_and_its_card_are_read(registry: ServedRegistry) -> None:
    agent = await registry.register()
    assert (await registry.stub().GetAgent(pb.GetAgentRequest(name=LEDGER))).agent == agent
    card = await registry.stub().GetCard(pb.GetCardRequest(name=LEDGER))
    assert (card.card, card.sha256) == (CARD, hashlib.sha256(CARD).digest())
    assert agent.card.sha256 == card.sha256
    assert agent.card.size_bytes == len(CARD)


@pytest.mark.parametrize("method", ["GetAgent", "GetCard"])
async def test_an_agent_that_is_not_there(registry: ServedRegistry, method: str) -> None:
    request = {"GetAgent": pb.GetAgentRequest, "GetCard": pb.GetCardRequest}[method](name=LEDGER)
    refused = await refusal(getattr(registry.stub(), method)(request))
    assert (refused.code, refused.reason, refused.metadata) == ("NOT_FOUND", "AGENT_NOT_FOUND", {"name": LEDGER})


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", ["GetAgent", "GetCard"])
@pytest.mark.parametrize(
    "name",
    [
        "",
        "ledger",
        "namespaces/-/agents/ledger",
        "namespaces/finance/agents/",
        LEDGER + "/",
        LEDGER.upper(),
        "x" * 9_999,
    ],
)
async def test_a_name_that_is_none(untouched: ServedRegistry, method: str, name: str) -> None:
    request = {"GetAgent": pb.GetAgentRequest, "GetCard": pb.GetCardRequest}[method](name=name)
    refused = await refusal(getattr(untouched.stub(), method)(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert "namespaces/{namespace}/agents/{agent}" in refused.violations["name"]


async def test_an_agent_sees_its_namespace_and_learns_nothing_of_others(registry: ServedRegistry) -> None:
    await registry.register(agent=agent_message(did=ITSELF.principal))
    await registry.register("secret", parent="namespaces/travel")
    stub = registry.stub(ITSELF)
    assert (await stub.GetAgent(pb.GetAgentRequest(name=LEDGER))).agent.name == LEDGER
    told = set()
    for other in ("secret", "nobody"):
        refused = await refusal(stub.GetAgent(pb.GetAgentRequest(name=f"namespaces/travel/agents/{other}")))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        told.add(refused.message.replace(other, "…"))
    assert len(told) == 1
    seen = await stub.ListAgents(pb.ListAgentsRequest(parent="namespaces/-"))
    assert [agent.name for agent in seen.agents] == [LEDGER]


# List


async def test_a_list_is_ordered_filtered_and_says_its_revision(registry: ServedRegistry) -> None:
    for name, tier in [("c", "gold"), ("a", "gold"), ("b", "silver")]:
        await registry.register(name, agent=agent_message(labels={"tier": tier}))
    await registry.register("a", parent="namespaces/travel")
    everything = await listed(registry)
    assert [agent.name for agent in everything.agents] == [
        "namespaces/finance/agents/a",
        "namespaces/finance/agents/b",
        "namespaces/finance/agents/c",
        "namespaces/travel/agents/a",
    ]
    assert (everything.revision, everything.next_page_token) == (4, "")
    gold = await listed(registry, parent="namespaces/finance", filter="labels.tier = gold -card.version:2")
    assert [agent.name[-1] for agent in gold.agents] == ["a", "c"]


async def test_retired_agents_are_listed_on_demand(registry: ServedRegistry) -> None:
    await registry.register()
    await registry.stub().RetireAgent(pb.RetireAgentRequest(name=LEDGER))
    assert list((await listed(registry)).agents) == []
    assert [agent.state for agent in (await listed(registry, show_retired=True)).agents] == [pb.AGENT_STATE_RETIRED]


async def test_pages_of_any_size_hold_every_agent_once(registry: ServedRegistry) -> None:
    names = [f"agent-{number:02}" for number in range(25)]
    await asyncio.gather(*(registry.register(name) for name in names))
    seen: list[str] = []
    token, size = "", 1
    while True:
        page = await listed(registry, page_size=size, page_token=token)  # the size may change from page to page
        assert len(page.agents) <= size
        seen += [agent.name.rpartition("/")[2] for agent in page.agents]
        token, size = page.next_page_token, size + 3
        if not token:
            break
    assert seen == names


@pytest.mark.parametrize(("page_size", "given"), [(0, 50), (1_000, 60), (2_147_483_647, 60), (50, 50)])
async def test_page_sizes_have_a_default_and_a_maximum(registry: ServedRegistry, page_size: int, given: int) -> None:
    await asyncio.gather(*(registry.register(f"agent-{number:02}") for number in range(60)))
    assert len((await listed(registry, page_size=page_size)).agents) == given


async def test_a_page_of_large_agents_stays_under_what_clients_take(registry: ServedRegistry) -> None:
    large = agent_message(annotations={f"a{number}": "x" * 4_096 for number in range(64)})
    await asyncio.gather(*(registry.register(f"agent-{number:02}", agent=large) for number in range(20)))
    seen, token, pages = 0, "", 0
    while True:
        page = await listed(registry, page_size=1_000, page_token=token)
        assert page.ByteSize() < 4 << 20
        seen, pages, token = seen + len(page.agents), pages + 1, page.next_page_token
        if not token:
            break
    assert seen == 20
    assert pages == 3


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("said", "reason", "field"),
    [
        ({"parent": ""}, "INVALID_REQUEST", "parent"),
        ({"parent": "namespaces/"}, "INVALID_REQUEST", "parent"),
        ({"parent": "namespaces/*"}, "INVALID_REQUEST", "parent"),
        ({"page_size": -1}, "INVALID_REQUEST", "page_size"),
        ({"filter": "colour = red"}, "FILTER_INVALID", "filter"),
        ({"filter": "state = SLEEPING"}, "FILTER_INVALID", "filter"),
        ({"filter": "("}, "FILTER_INVALID", "filter"),
        ({"filter": "create_time > 7"}, "FILTER_INVALID", "filter"),
        ({"filter": "skills.tags = sql"}, "FILTER_INVALID", "filter"),
        ({"filter": "annotations:x"}, "FILTER_INVALID", "filter"),
        ({"filter": "a " * 65}, "FILTER_INVALID", "filter"),
        ({"filter": "a" * 2_001}, "FILTER_INVALID", "filter"),
        ({"filter": "(" * 900 + "a" + ")" * 900}, "FILTER_INVALID", "filter"),
        ({"page_token": "made up"}, "PAGE_TOKEN_INVALID", "page_token"),
        ({"page_token": "AAAA"}, "PAGE_TOKEN_INVALID", "page_token"),
        ({"page_token": "é" * 1_000}, "PAGE_TOKEN_INVALID", "page_token"),
    ],
)
async def test_a_list_that_cannot_be_made(
    untouched: ServedRegistry, said: dict[str, Any], reason: str, field: str
) -> None:
    refused = await refusal(listed(untouched, **said))
    assert (refused.code, refused.reason, list(refused.violations)) == ("INVALID_ARGUMENT", reason, [field])


async def test_a_page_token_is_bound_to_caller_and_question(registry: ServedRegistry) -> None:
    for name in "abc":
        await registry.register(name)
    token = (await listed(registry, page_size=1)).next_page_token
    assert len((await listed(registry, page_size=2, page_token=token)).agents) == 2
    others: list[tuple[Caller, dict[str, Any]]] = [
        (SERVICE, {}),
        (AUDITOR, {}),
        (OPERATOR, {"filter": "team:x"}),
        (OPERATOR, {"parent": "namespaces/finance"}),
        (OPERATOR, {"show_retired": True}),
    ]
    for caller, said in others:
        refused = await refusal(listed(registry, caller, page_token=token, **said))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
    registry.clock.advance(Millis(3 * DAY))
    assert (await refusal(listed(registry, page_token=token))).metadata == {"problem": "it has expired"}


async def test_a_namespace_owner_lists_its_own(registry: ServedRegistry) -> None:
    await registry.register()
    await registry.register("secret", parent="namespaces/travel")
    own = await listed(registry, FINANCE_OWNER, parent="namespaces/finance")
    assert [agent.name for agent in own.agents] == [LEDGER]
    everywhere = await listed(registry, FINANCE_OWNER, parent="namespaces/-")
    assert [agent.name for agent in everywhere.agents] == [LEDGER]
    for parent in ("namespaces/travel", "namespaces/empty"):
        refused = await refusal(listed(registry, FINANCE_OWNER, parent=parent))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
