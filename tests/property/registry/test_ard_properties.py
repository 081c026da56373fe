"""Whatever is asked over HTTP gets an answer of the right shape; and what is counted is what is there."""

import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ringfence_kit.errors import InvalidRequest
from ringfence_registry.http import ard_requests
from ringfence_registry.http.ard_filters import SERVING
from ringfence_registry.http.places import Places
from support.registry.ard_schemas import ERROR, EXPLORE_ANSWER, LIST_ANSWER, SEARCH_ANSWER, conforms
from support.registry.over_http import HIDDEN, HttpRegistry, a_card, http_registry

T = TypeVar("T")
TAGS = ("sql", "etl", "books", "pay", 'say "hi"', "a*b", "SQL", "é")

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["query", "text", "filter", "tags", "type", "pageSize", "resultType", "facets", "field"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_near = st.fixed_dictionaries(
    {"query": st.fixed_dictionaries({"text": st.text(max_size=30) | _json}, optional={"filter": _json})},
    optional={
        "federation": st.sampled_from(["auto", "none", "x"]) | _json,
        "pageSize": st.integers(-3, 300) | _json,
        "pageToken": st.text(max_size=20),
        "resultType": _json,
    },
)


def over_http(scenario: Callable[[HttpRegistry], Awaitable[T]]) -> T:
    """Run a scenario against a registry of its own."""

    async def run() -> T:
        with tempfile.TemporaryDirectory() as data:
            async with http_registry(Path(data)) as registry:
                return await scenario(registry)

    return asyncio.run(run())


_pairs = st.tuples(st.sampled_from(["filter", "orderBy", "pageSize", "pageToken"]), st.text())


@given(body=st.dictionaries(st.text(max_size=5), _json, max_size=3) | _near)
@settings(max_examples=300, deadline=None)
def test_a_request_is_understood_or_refused(body: Any) -> None:
    with suppress(InvalidRequest):
        asked = ard_requests.search(body, Places())
        assert 1 <= asked.page_size <= 100
        assert asked.narrowed.filter.startswith(SERVING)
    with suppress(InvalidRequest):
        assert ard_requests.exploration(body, Places()).facets


@given(pairs=st.lists(_pairs, max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_list_is_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    with suppress(InvalidRequest):
        asked = ard_requests.listing(pairs, Places())
        assert 1 <= asked.page_size <= 100
        assert asked.narrowed.filter.startswith(SERVING)


def test_no_body_and_no_query_is_ever_answered_with_a_defect() -> None:
    """The same over a socket, with bodies that are understood as far as the filter and the page token."""

    async def scenario(registry: HttpRegistry) -> None:
        await registry.register("ledger")

        async def ask(body: Any, query: str) -> None:
            for path, schema in (("/search", SEARCH_ANSWER), ("/explore", EXPLORE_ANSWER)):
                answer = await registry.post(path, json.dumps(body).encode())
                assert answer.status_code in {200, 400}, (path, body, answer.text)
                conforms(answer.json(), schema if answer.status_code == 200 else ERROR)
            listed = await registry.client.get("/agents", params={"filter": query})
            assert listed.status_code in {200, 400}, (query, listed.text)
            conforms(listed.json(), LIST_ANSWER if listed.status_code == 200 else ERROR)

        for body, query in drawn:
            await ask(body, query)

    drawn: list[tuple[Any, str]] = []
    terms = st.builds(
        "{} {} {}".format,
        st.sampled_from(["displayName", "tags", "type", "createdAfter", "updatedAt", "publisherId", "x"]),
        st.sampled_from(["=", ">", "<=", "!="]),
        st.sampled_from(["'a'", '"é*"', "2026-01-01", "'2026-01-01T00:00:00Z'", "''", r"'\\'", "9"]),
    )

    @given(body=_near, query=st.lists(terms, max_size=3).map(" AND ".join))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    def draw(body: Any, query: str) -> None:
        drawn.append((body, query))

    draw()
    over_http(scenario)


def test_facets_are_what_somebody_who_reads_every_entry_counts() -> None:
    async def scenario(registry: HttpRegistry) -> None:
        chance = random.Random(17)
        for namespace, agents in (("finance", 20), (HIDDEN, 5)):
            for number in range(agents):
                tags = chance.sample(TAGS, chance.randint(1, 4))
                skill = {"id": f"s{number % 3}", "name": "S", "description": "d", "tags": tags}
                card = a_card(f"Agent {number}", skills=[skill])
                await registry.register(f"agent-{number}", namespace=namespace, card=card)
        entries = await everything(registry)
        assert len(entries) == 20
        for _ in range(25):
            wanted, limit = chance.sample(TAGS, chance.randint(0, 2)), chance.randint(1, 9)
            matching = [entry for entry in entries if not wanted or set(wanted) & set(entry["tags"])]
            query = {"filter": {"tags": wanted}} if wanted else {}
            facets = [{"field": field, "limit": limit} for field in ("tags", "capabilities", "type")]
            answer = await registry.post("/explore", {"query": query, "resultType": {"facets": facets}})
            counted = conforms(answer.json(), EXPLORE_ANSWER)["facets"]
            for field in ("tags", "capabilities"):
                assert_counted(counted[field], [set(entry[field]) for entry in matching], limit)
            assert sum(bucket["count"] for bucket in counted["type"]["buckets"]) == len(matching)

    over_http(scenario)


def assert_counted(facet: Any, sets: list[set[str]], limit: int) -> None:
    """Compare a facet with a count by hand: the commonest first, ties by value, an entry once for a value."""
    counts = Counter(value for values in sets for value in values)
    best = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = [(bucket["value"], bucket["count"]) for bucket in facet["buckets"]]
    assert listed == best[:limit]
    beyond = {value for value, _ in best[limit:]}
    assert facet["otherCount"] == sum(1 for values in sets if values & beyond)


async def everything(registry: HttpRegistry) -> list[Any]:
    """Walk all pages of the list."""
    entries: list[Any] = []
    token = ""
    while True:
        parameters = {"pageSize": "5"} | ({"pageToken": token} if token else {})
        page = conforms((await registry.client.get("/agents", params=parameters)).json(), LIST_ANSWER)
        entries += page["items"]
        token = page.get("pageToken", "")
        if not token:
            return entries
