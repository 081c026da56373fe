"""What ARD clients ask for, as values; and everything that is wrong with a request, at once."""

from typing import Any

import pytest
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.validation import Violations
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.facets import countable
from ringfence_registry.finding.filtering.compiler import compile_filter
from ringfence_registry.finding.orders import Order
from ringfence_registry.http import ard_requests
from ringfence_registry.http.ard_filters import (
    FIELDS,
    SERVING,
    Narrowed,
    counted_field,
    narrowed_by_object,
    narrowed_by_text,
    quoted,
)
from ringfence_registry.http.places import Places

PLACES = Places(publisher="example.com")
CARD = "application/a2a-agent-card+json"


def by_object(value: Any) -> Narrowed:
    found = Violations()
    narrowed = narrowed_by_object(found, value, PLACES, at="query.filter")
    found.raise_if_any()
    return narrowed


def by_text(text: str) -> Narrowed:
    found = Violations()
    narrowed = narrowed_by_text(found, text, PLACES)
    found.raise_if_any()
    return narrowed


def fields_of(refused: pytest.ExceptionInfo[InvalidRequest]) -> list[str]:
    return [violation.field for violation in refused.value.violations]


class TestFilterObjects:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({}, ""),
            ({"tags": "sql"}, ' AND (skills.tags:"sql")'),
            ({"tags": ["sql", "bi"]}, ' AND (skills.tags:"sql" OR skills.tags:"bi")'),
            ({"tags": ["sql", "sql"]}, ' AND (skills.tags:"sql")'),
            ({"capabilities": ["convert"]}, ' AND (skills.id:"convert")'),
            ({"tags": "a", "version": ["1", "2"]}, ' AND (skills.tags:"a") AND (version = "1" OR version = "2")'),
            ({"displayName": 'A "B" *\\'}, ' AND (display_name = "A \\"B\\" \\*\\\\")'),
            ({"identifier": "urn:air:example.com:a:b"}, ' AND (name = "namespaces/a/agents/b")'),
            ({"type": CARD}, ""),
            ({"mediaType": [CARD.upper(), "x"]}, ""),
            ({"publisher": ["Example.COM"]}, ""),
        ],
    )
    def test_any_value_of_a_key_and_all_keys(self, given: Any, said: str) -> None:
        assert by_object(given) == Narrowed(filter=SERVING + said)
        compile_filter(SERVING + said, AGENT_FIELDS)

    @pytest.mark.parametrize(
        "given",
        [
            {"type": ["application/mcp-server-card+json"]},
            {"publisher": "other.com"},
            {"identifier": ["urn:air:other.com:a:b", "nonsense"]},
            {"tags": "sql", "type": "x"},
        ],
    )
    def test_what_no_entry_has_is_known_without_looking(self, given: Any) -> None:
        assert not by_object(given).possible

    @pytest.mark.parametrize(
        "given",
        [
            None,
            [],
            "tags",
            {"tags": []},
            {"tags": [1]},
            {"tags": {"a": "b"}},
            {"tags": None},
            {"tags": "a" * 257},
            {"tags": [str(number) for number in range(33)]},
            {"trustManifest.attestations.type": ["SOC2-Type2"]},
            {"metadata.x": "y"},
            {"": "x"},
            {"skills.tags": "x"},
            {"state": "RETIRED"},
            {"labels.team": "x"},
            {"owner": "x"},
        ],
    )
    def test_what_is_not_understood_is_refused_and_not_left_out(self, given: Any) -> None:
        with pytest.raises(InvalidRequest):
            by_object(given)


class TestFilterTexts:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", ""),
            ("  ", ""),
            ("displayName = 'ledger'", ' AND display_name:"ledger"'),
            ('displayName="a b"', ' AND display_name:"a b"'),
            (f"type = '{CARD}, other'", ""),
            ("tags = 'a,b' AND version=1.0", ' AND (skills.tags:"a" OR skills.tags:"b") AND (version = "1.0")'),
            ("createdAfter > '2026-01-01'", ' AND create_time > "2026-01-01T00:00:00Z"'),
            ("updatedAfter='2026-01-01T08:00:00+01:00'", ' AND update_time > "2026-01-01T08:00:00+01:00"'),
            ("createdAt <= 2026-01-01T00:00:00Z", ' AND create_time <= "2026-01-01T00:00:00+00:00"'),
            ("publisherId = 'x.com,example.com' and tags = 'and'", ' AND (skills.tags:"and")'),
            (r"displayName = 'it\'s \\ *'", ' AND display_name:"it\'s \\\\ \\*"'),
        ],
    )
    def test_terms_are_joined_with_and(self, text: str, said: str) -> None:
        assert by_text(text) == Narrowed(filter=SERVING + said)
        compile_filter(SERVING + said, AGENT_FIELDS)

    @pytest.mark.parametrize("text", ["type = 'application/mcp-server-card+json'", "publisherId = 'x'", "tags = ','"])
    def test_what_no_entry_has_is_known_without_looking(self, text: str) -> None:
        assert not by_text(text).possible

    @pytest.mark.parametrize(
        "text",
        [
            "displayName",
            "displayName = ",
            "displayName = 'open",
            "displayName != 'a'",
            "displayName > 'a'",
            "= 'a'",
            "tags = 'a' OR tags = 'b'",
            "tags = 'a' tags = 'b'",
            "tags = 'a' AND",
            "AND tags = 'a'",
            "(tags = 'a')",
            "NOT tags = 'a'",
            "state = 'RETIRED'",
            "labels.team = 'x'",
            "createdAfter > 'yesterday'",
            "createdAfter > '2026-13-01'",
            "createdAfter < '2026-01-01'",
            "createdAfter > '2026-01-01T00:00:00'",
            "displayName = 'a'; DROP TABLE agents",
            "tags = 'a' AND " * 40 + "tags = 'a'",
            "x" * 2_001,
        ],
    )
    def test_everything_else_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            by_text(text)
        assert set(fields_of(refused)) == {"filter"}


class TestSearch:
    def test_the_least_there_is(self) -> None:
        asked = ard_requests.search({"query": {"text": "sql"}}, PLACES)
        assert (asked.text, asked.page_size, asked.page_token, asked.referrals) == ("sql", 10, "", False)
        assert asked.narrowed == Narrowed(filter=SERVING)

    def test_everything(self) -> None:
        body: Any = {"query": {"text": "t", "filter": {}}, "federation": "referrals", "pageSize": 500, "pageToken": "x"}
        asked = ard_requests.search(body, PLACES)
        assert (asked.page_size, asked.page_token, asked.referrals) == (100, "x", True)

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, ["query"]),
            ({"query": "sql"}, ["query"]),
            ({"query": {}}, ["query.text"]),
            ({"query": {"text": " "}}, ["query.text"]),
            ({"query": {"text": 7}}, ["query.text"]),
            ({"query": {"text": "é" * 251}}, ["query.text"]),
            ({"query": {"text": "a", "filters": {}}}, ["query.filters"]),
            ({"query": {"text": "a"}, "federation": "all"}, ["federation"]),
            ({"query": {"text": "a"}, "federation": None}, ["federation"]),
            ({"query": {"text": "a"}, "pageSize": 0}, ["pageSize"]),
            ({"query": {"text": "a"}, "pageSize": -1}, ["pageSize"]),
            ({"query": {"text": "a"}, "pageSize": True}, ["pageSize"]),
            ({"query": {"text": "a"}, "pageSize": 1.0}, ["pageSize"]),
            ({"query": {"text": "a"}, "pageSize": "5"}, ["pageSize"]),
            ({"query": {"text": "a"}, "pageToken": 5}, ["pageToken"]),
            ({"query": {"text": "a"}, "pageToken": "x" * 4_097}, ["pageToken"]),
            ({"text": "a", "page_size": 3}, ["text", "page_size", "query"]),
            (
                {"query": {"text": "", "x": 1}, "federation": 1, "pageSize": 0},
                ["query.x", "query.text", "federation", "pageSize"],
            ),
        ],
    )
    def test_everything_wrong_is_said_at_once(self, body: Any, fields: list[str]) -> None:
        with pytest.raises(InvalidRequest) as refused:
            ard_requests.search(body, PLACES)
        assert fields_of(refused) == fields


class TestExplore:
    def test_the_least_there_is(self) -> None:
        asked = ard_requests.exploration({"resultType": {"facets": [{"field": "tags"}]}}, PLACES)
        assert asked.text == ""
        assert [(wish.field, wish.limit, wish.least) for wish in asked.facets] == [("tags", 20, 1)]

    @pytest.mark.parametrize(
        "result_type",
        [
            None,
            [],
            {},
            {"facets": {}},
            {"facets": []},
            {"facets": [{"field": "tags"}] * 17},
            {"facets": [{"field": "tags"}, {"field": "tags"}]},
            {"facets": ["tags"]},
            {"facets": [{}]},
            {"facets": [{"field": "displayName"}]},
            {"facets": [{"field": "identifier"}]},
            {"facets": [{"field": "owner"}]},
            {"facets": [{"field": "tags", "limit": 0}]},
            {"facets": [{"field": "tags", "minCount": -1}]},
            {"facets": [{"field": "tags", "max": 1}]},
            {"facets": [{"field": "tags"}], "sample": 3},
        ],
    )
    def test_what_cannot_be_counted_is_refused(self, result_type: Any) -> None:
        with pytest.raises(InvalidRequest):
            ard_requests.exploration({"resultType": result_type}, PLACES)


class TestList:
    @pytest.mark.parametrize(
        ("text", "order"),
        [
            ("", Order()),
            ("name", Order()),
            ("displayName", Order("display_name")),
            ("updatedAt DESC", Order("update_time", descending=True)),
            ("created_at desc", Order("create_time", descending=True)),
            ("  createdAt   ASC ", Order("create_time")),
        ],
    )
    def test_orders(self, text: str, order: Order) -> None:
        assert ard_requests.listing([("orderBy", text)], PLACES).order == order

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ([("pagesize", "1")], "pagesize"),
            ([("pageSize", "1"), ("pageSize", "2")], "pageSize"),
            ([("pageSize", "")], "pageSize"),
            ([("pageSize", "-1")], "pageSize"),
            ([("pageSize", "٣")], "pageSize"),
            ([("pageSize", "9" * 5_000)], "pageSize"),
            ([("orderBy", "trust.score")], "orderBy"),
            ([("orderBy", "displayName, name")], "orderBy"),
            ([("orderBy", "displayName sideways")], "orderBy"),
            ([("pageToken", "x" * 5_000)], "pageToken"),
        ],
    )
    def test_what_is_no_parameter_is_refused(self, given: list[tuple[str, str]], field: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            ard_requests.listing(given, PLACES)
        assert fields_of(refused) == [field]


def test_every_field_of_entries_is_one_of_agents() -> None:
    for field in FIELDS.values():
        compile_filter(f"{field}:*", AGENT_FIELDS)
    for field in ("tags", "capabilities", "version"):
        assert countable(counted_field(field) or "") == counted_field(field)


@pytest.mark.parametrize("text", ["", "*", '"', "\\", '\\"', "\\*", "a\nb", "\u202e", "AND", '" OR state = RETIRED'])
def test_a_quoted_text_means_itself(text: str) -> None:
    compile_filter(f"display_name = {quoted(text)}", AGENT_FIELDS)
