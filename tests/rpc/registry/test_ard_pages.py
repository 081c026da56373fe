"""ARD 0.9 and AI Catalog 1.0 as their clients meet them: every real answer against the specification's shapes."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.registry.v1 import registry_pb2 as pb
from support.registry.ard_schemas import (
    CATALOG,
    ERROR,
    EXPLORE_ANSWER,
    EXPLORE_REQUEST,
    LIST_ANSWER,
    SEARCH_ANSWER,
    SEARCH_REQUEST,
    conforms,
)
from support.registry.over_http import HIDDEN, HttpRegistry, a_card, http_registry
from support.registry.served import LEDGER

CARD = "application/a2a-agent-card+json"
LEDGER_URN = "urn:air:example.com:finance:ledger"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[HttpRegistry]:
    async with http_registry(tmp_path) as running:
        yield running


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["identifier"].rpartition(":")[2] for entry in entries]


class TestSearch:
    async def test_what_is_found_is_an_entry_with_a_score_and_a_source(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        await registry.register(
            "invoices", card=a_card("Invoices", skills=[{"id": "i", "name": "i", "description": "d", "tags": ["pay"]}])
        )
        answer = conforms(await registry.search("books reconcile"), SEARCH_ANSWER)
        assert names(answer["results"])[0] == "ledger"
        entry = answer["results"][0]
        assert entry == {
            "identifier": LEDGER_URN,
            "displayName": "Ledger",
            "type": CARD,
            "mediaType": CARD,
            "url": f"{registry.url}/agents/finance/ledger/agent-card.json",
            "description": "Ledger keeps books.",
            "version": "1.0.0",
            "tags": ["sql", "books"],
            "capabilities": ["reconcile"],
            "representativeQueries": ["Reconcile May.", "What is open?"],
            "updatedAt": entry["updatedAt"],
            "score": 100,
            "source": f"{registry.url}/",
        }
        card = await registry.get(entry["url"])
        assert (card.status_code, card.headers["content-type"]) == (200, CARD)

    async def test_pages_go_on_where_they_ended_and_tokens_are_for_these_words(self, registry: HttpRegistry) -> None:
        for number in range(7):
            await registry.register(f"ledger-{number}", card=a_card(f"Ledger {number}"))
        seen, token = [], ""
        while True:
            more = {"pageToken": token} if token else {}
            answer = conforms(await registry.search("ledger", pageSize=3, **more), SEARCH_ANSWER)
            seen += names(answer["results"])
            token = answer.get("pageToken", "")
            if not token:
                break
            kept = token
        assert sorted(seen) == [f"ledger-{number}" for number in range(7)]
        other = await registry.post("/search", {"query": {"text": "books"}, "pageToken": kept})
        assert other.status_code == 400
        assert "page_token" in conforms(other.json(), ERROR)["message"]

    @pytest.mark.parametrize(
        ("filter_", "found"),
        [
            ({"type": [CARD]}, ["ledger"]),
            ({"type": ["application/mcp-server-card+json"]}, []),
            ({"type": [CARD, "application/mcp-server-card+json"]}, ["ledger"]),
            ({"publisher": "example.com"}, ["ledger"]),
            ({"publisher": ["other.com"]}, []),
            ({"tags": ["sql"]}, ["ledger"]),
            ({"tags": ["sql", "nothing"]}, ["ledger"]),
            ({"tags": ["sql"], "capabilities": ["nothing"]}, []),
            ({"tags": ["sq"]}, []),
            ({"tags": ["s*"]}, []),
            ({"identifier": LEDGER_URN}, ["ledger"]),
            ({"version": "1.0.0"}, ["ledger"]),
            ({"displayName": "Ledger"}, ["ledger"]),
        ],
    )
    async def test_filters(self, registry: HttpRegistry, filter_: Any, found: list[str]) -> None:
        await registry.register("ledger")
        assert names((await registry.search("ledger", filter=filter_))["results"]) == found

    async def test_nobody_is_referred_to_and_only_who_asks_is_told_so(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        assert (await registry.search("ledger", federation="referrals"))["referrals"] == []
        for federation in ("auto", "none"):
            answer = await registry.search("ledger", federation=federation)
            assert "referrals" not in answer
            assert names(answer["results"]) == ["ledger"]

    async def test_a_request_as_the_conformance_tool_sends_it(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        query = {"text": "weather forecast tools", "filter": {"type": ["application/mcp-server-card+json"]}}
        request = conforms({"query": query, "federation": "none", "pageSize": 2}, SEARCH_REQUEST)
        answer = await registry.post("/search", request)
        assert conforms(answer.json(), SEARCH_ANSWER) == {"results": []}

    @pytest.mark.parametrize("text", ["?", "—", "\U0001f600", '"', "''", "\u202e", "\x00"])
    async def test_a_text_without_a_word_finds_nothing_and_is_no_mistake(
        self, registry: HttpRegistry, text: str
    ) -> None:
        await registry.register("ledger")
        answer = await registry.post("/search", {"query": {"text": text}})
        assert answer.status_code == 200
        assert conforms(answer.json(), SEARCH_ANSWER)["results"] == []
        counted = await registry.post(
            "/explore", {"query": {"text": text}, "resultType": {"facets": [{"field": "type"}]}}
        )
        assert counted.json()["facets"]["type"]["buckets"] == []


class TestExplore:
    async def explore(self, registry: HttpRegistry, **body: Any) -> Any:
        answer = await registry.post("/explore", conforms(body, EXPLORE_REQUEST))
        assert answer.status_code == 200, answer.text
        return conforms(answer.json(), EXPLORE_ANSWER)["facets"]

    async def test_types_and_publishers_are_counted_though_all_are_the_same(self, registry: HttpRegistry) -> None:
        facets = [{"field": "type"}, {"field": "publisher"}]
        empty = await self.explore(registry, resultType={"facets": facets})
        assert empty == {field: {"buckets": [], "otherCount": 0} for field in ("type", "publisher")}
        await registry.register("ledger")
        await registry.register("books")
        counted = await self.explore(registry, resultType={"facets": facets})
        assert counted["type"]["buckets"] == [{"value": CARD, "count": 2}]
        assert counted["publisher"]["buckets"] == [{"value": "example.com", "count": 2}]

    async def test_tags_are_counted_over_what_matches(self, registry: HttpRegistry) -> None:
        for number, tags in enumerate((["sql", "a"], ["sql", "b"], ["sql", "b"], ["c"])):
            skill = {"id": "s", "name": "S", "description": "d", "tags": tags}
            await registry.register(f"agent-{number}", card=a_card(f"Agent {number}", skills=[skill]))
        facet = {"field": "tags", "limit": 2}
        counted = (await self.explore(registry, resultType={"facets": [facet]}))["tags"]
        assert counted["buckets"] == [{"value": "sql", "count": 3}, {"value": "b", "count": 2}]
        assert counted["otherCount"] == 2
        narrowed = await self.explore(
            registry, query={"filter": {"tags": "b"}}, resultType={"facets": [{"field": "tags"}]}
        )
        assert narrowed["tags"]["buckets"] == [{"value": "b", "count": 2}, {"value": "sql", "count": 2}]
        often = {"field": "tags", "minCount": 3}
        assert (await self.explore(registry, resultType={"facets": [often]}))["tags"]["buckets"] == [
            {"value": "sql", "count": 3}
        ]

    async def test_every_facet_has_its_own_limit(self, registry: HttpRegistry) -> None:
        skill = {"id": "s", "name": "S", "description": "d", "tags": ["a", "b", "c"]}
        await registry.register("ledger", card=a_card(skills=[skill]))
        facets = [{"field": "tags", "limit": 1}, {"field": "capabilities", "limit": 9}, {"field": "version"}]
        counted = await self.explore(registry, resultType={"facets": facets})
        assert {field: len(facet["buckets"]) for field, facet in counted.items()} == {
            "tags": 1,
            "capabilities": 1,
            "version": 1,
        }

    async def test_words_count_what_a_search_finds(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        await registry.register("weather", card=a_card("Weather", description="Forecasts.", skills=[]))
        for text in ("ledger", "reconcile", "forecasts", "nothing-of-the-kind"):
            found = len((await registry.search(text, pageSize=100))["results"])
            counted = await self.explore(registry, query={"text": text}, resultType={"facets": [{"field": "type"}]})
            assert sum(bucket["count"] for bucket in counted["type"]["buckets"]) == found, text


class TestList:
    async def list_agents(self, registry: HttpRegistry, **parameters: str) -> Any:
        answer = await registry.client.get("/agents", params=parameters)
        assert answer.status_code == 200, answer.text
        return conforms(answer.json(), LIST_ANSWER)

    async def test_a_walk_sees_every_agent_once_while_others_come_and_go(self, registry: HttpRegistry) -> None:
        standing = [f"agent-{number:02}" for number in range(25)]
        for name in standing:
            await registry.register(name)
        seen: list[str] = []
        token, step = "", 0
        while True:
            page = await self.list_agents(registry, pageSize="4", **({"pageToken": token} if token else {}))
            seen += names(page["items"])
            await asyncio.gather(
                registry.register(f"aa-{step}"), registry.register(f"zz-{step}"), registry.register(f"agent-07x{step}")
            )
            step += 1
            token = page.get("pageToken", "")
            if not token or step > 30:
                break
        assert len(seen) == len(set(seen))
        assert set(standing) <= set(seen)

    @pytest.mark.parametrize(
        ("filter_", "found"),
        [
            ("", {"ledger", "books"}),
            ("displayName = 'LEDG'", {"ledger"}),
            (f"type = '{CARD}'", {"ledger", "books"}),
            ("type = 'application/mcp-server-card+json'", set()),
            ("publisherId = 'example.com,other.com'", {"ledger", "books"}),
            ("tags = 'sql' AND displayName = 'books'", {"books"}),
            ("createdAfter > '1970-01-01'", {"ledger", "books"}),
            ("createdAfter > '2999-01-01'", set()),
        ],
    )
    async def test_filters(self, registry: HttpRegistry, filter_: str, found: set[str]) -> None:
        await registry.register("ledger")
        await registry.register("books")
        assert set(names((await self.list_agents(registry, filter=filter_))["items"])) == found

    async def test_orders(self, registry: HttpRegistry) -> None:
        for name in ("b", "a", "c"):
            await registry.register(name)
        assert names((await self.list_agents(registry))["items"]) == ["a", "b", "c"]
        assert names((await self.list_agents(registry, orderBy="displayName DESC"))["items"]) == ["c", "b", "a"]

    @pytest.mark.parametrize(
        "query", ["pageSize=0", "pageSize=x", "orderBy=colour", "filter=x", "limit=3", "pageToken=x"]
    )
    async def test_what_is_wrong_is_said_in_ards_words(self, registry: HttpRegistry, query: str) -> None:
        answer = await registry.get(f"/agents?{query}")
        assert answer.status_code == 400
        assert conforms(answer.json(), ERROR)["errorCode"] == "INVALID_ARGUMENT"


class TestCatalog:
    async def catalog(self, registry: HttpRegistry) -> Any:
        answer = await registry.get("/.well-known/ai-catalog.json")
        assert answer.headers["content-type"] == "application/ai-catalog+json"
        assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
        return conforms(answer.json(), CATALOG)

    async def test_it_says_whose_it_is_where_the_search_is_and_who_is_here(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        catalog = await self.catalog(registry)
        assert catalog["host"] == {"displayName": "example.com", "identifier": "example.com"}
        itself, ledger = catalog["entries"]
        assert (itself["type"], itself["url"]) == ("application/ai-registry+json", f"{registry.url}/")
        assert ledger["identifier"] == LEDGER_URN
        pairs = [(entry["identifier"], entry.get("version")) for entry in catalog["entries"]]
        assert len(set(pairs)) == len(pairs)

    async def test_it_follows_every_change_and_is_not_sent_twice(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        first = await registry.get("/.well-known/ai-catalog.json")
        held = first.headers["etag"]
        assert (await registry.get("/.well-known/ai-catalog.json", if_none_match=held)).status_code == 304
        await registry.served.stub().RetireAgent(pb.RetireAgentRequest(name=LEDGER))
        assert (await registry.get("/.well-known/ai-catalog.json", if_none_match=held)).status_code == 200
        assert len((await self.catalog(registry))["entries"]) == 1


async def test_agents_that_do_not_serve_are_nowhere(registry: HttpRegistry) -> None:
    await registry.register("ledger")
    stub = registry.served.stub()
    await stub.SuspendAgent(pb.SuspendAgentRequest(name=LEDGER, reason="an incident"))
    listed = (await registry.get("/agents")).json()["items"]
    found = (await registry.search("ledger"))["results"]
    catalog = (await registry.get("/.well-known/ai-catalog.json")).json()["entries"][1:]
    assert listed == found == catalog == []
    await stub.ResumeAgent(pb.ResumeAgentRequest(name=LEDGER, reason="over"))
    deprecation = pb.Deprecation(reason="old")
    await stub.DeprecateAgent(pb.DeprecateAgentRequest(name=LEDGER, deprecation=deprecation))
    assert names((await registry.get("/agents")).json()["items"]) == ["ledger"]


async def test_an_operators_word_on_where_we_are_is_in_every_address(tmp_path: Path) -> None:
    async with http_registry(tmp_path, public_url="https://registry.example.com/a2a") as registry:
        await registry.register("ledger")
        entry = (await registry.search("ledger"))["results"][0]
        assert entry["url"] == "https://registry.example.com/a2a/agents/finance/ledger/agent-card.json"
        assert entry["source"] == "https://registry.example.com/a2a/"


async def test_an_operator_may_keep_all_of_it_to_callers_who_are_known(tmp_path: Path) -> None:
    async with http_registry(tmp_path, publish_cards=False) as registry:
        await registry.register("ledger")
        for path in ("/agents", "/.well-known/ai-catalog.json", "/agents/finance/ledger/.well-known/agent-card.json"):
            assert (await registry.get(path)).status_code == 404
        for path in ("/search", "/explore"):
            assert (await registry.post(path, {"query": {"text": "x"}})).status_code == 404
        assert (await registry.get("/.well-known/jwks.json")).status_code == 200


async def test_a_hidden_agent_is_in_none_of_it(registry: HttpRegistry) -> None:
    await registry.register("ledger")
    before = [
        (await registry.get("/agents")).json(),
        await registry.search("ledger books"),
        (await registry.get("/.well-known/ai-catalog.json")).json(),
        (await registry.post("/explore", {"resultType": {"facets": [{"field": "tags"}, {"field": "type"}]}})).json(),
    ]
    await registry.register("ledger-vault", namespace=HIDDEN)
    after = [
        (await registry.get("/agents")).json(),
        await registry.search("ledger books"),
        (await registry.get("/.well-known/ai-catalog.json")).json(),
        (await registry.post("/explore", {"resultType": {"facets": [{"field": "tags"}, {"field": "type"}]}})).json(),
    ]
    assert before == after
