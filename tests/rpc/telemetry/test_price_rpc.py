"""Prices over the wire, what usage costs by them, and who is told when one is missing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import alert_pb2, alert_pb2_grpc, budget_pb2, budget_pb2_grpc
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence_kit.callers import Caller
from ringfence_kit.clock import MINUTE
from support.serving import OPERATOR, SERVICE
from support.telemetry.mesh import AGENT, AGENT_DID, AUDITOR, GATEWAY, OWNER, PEER_DID, TelemetryMesh, telemetry_mesh
from support.telemetry.spans import AttributeValue, SpanSpec
from support.wire import refusal

if TYPE_CHECKING:
    from ringfence.telemetry.v1.alert_pb2_grpc import AlertServiceAsyncStub
    from ringfence.telemetry.v1.budget_pb2_grpc import PriceServiceAsyncStub

REQUEST_ID = "7b1c4b6d-2ddf-4ace-84a2-102f02d00b84"
MILLION = 1_000_000


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path) as running:
        yield running


def prices(telemetry: TelemetryMesh, caller: Caller = OPERATOR) -> "PriceServiceAsyncStub":
    stub: PriceServiceAsyncStub = budget_pb2_grpc.PriceServiceStub(telemetry.channel(caller))
    return stub


def price(model: str = "large", since: int = 0, **changes: Any) -> budget_pb2.Price:
    """Return a price: 3 dollars for a million tokens of input, 15 of output."""
    fields: dict[str, Any] = {
        "currency": "USD",
        "input_nanos_per_million": 3 * 10**9,
        "output_nanos_per_million": 15 * 10**9,
        "effective_time": Timestamp(seconds=since),
        "source": "the tests",
    }
    return budget_pb2.Price(model=model, **(fields | changes))


async def put(
    telemetry: TelemetryMesh, *each: budget_pb2.Price, caller: Caller = OPERATOR, request_id: str = ""
) -> int:
    request = budget_pb2.PutPricesRequest(prices=each, request_id=request_id)
    return (await prices(telemetry, caller).PutPrices(request)).added


def chat(
    telemetry: TelemetryMesh,
    name: int,
    *,
    agent: str = AGENT_DID,
    parent: int = 0,
    ago: int = 0,
    **stated: AttributeValue,
) -> SpanSpec:
    """Return a call of a model: 1,000 tokens in, 100 out, on trace 1."""
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.agent.id": agent,
        "gen_ai.response.model": "large",
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 100,
        "ringfence.team": "red",
    }
    given = {key.replace("__", "."): value for key, value in stated.items()}
    start = telemetry.clock.now() - ago * MINUTE
    return SpanSpec(name, parent, attributes | given, start_ms=start, duration_ms=100)


async def usage(telemetry: TelemetryMesh, caller: Caller = OPERATOR, **query: Any) -> list[pb.UsageRow]:
    await telemetry.everything_counted()
    return list((await telemetry.usage(caller).GetUsage(pb.GetUsageRequest(**query))).rows)


async def test_usage_costs_what_its_price_says(telemetry: TelemetryMesh) -> None:
    assert await put(telemetry, price()) == 1
    await telemetry.export([chat(telemetry, 1), chat(telemetry, 2)], SERVICE)
    (row,) = await usage(telemetry, group_by=[pb.USAGE_GROUP_TEAM])
    assert (row.team, row.currency, row.cost_nanos) == ("red", "USD", 2 * (3_000_000 + 1_500_000))
    assert (row.stated_cost_nanos, row.unknown_cost_calls) == (0, 0)


async def test_a_price_that_changes_in_mid_session_leaves_the_past_as_it_was(telemetry: TelemetryMesh) -> None:
    switch = telemetry.clock.now() // 1_000 - 120
    await put(telemetry, price(), price(since=switch, input_nanos_per_million=1_000_000_000))
    spans = [chat(telemetry, name, ago=ago, session__id="s") for name, ago in ((1, 9), (2, 5), (3, 0))]
    await telemetry.export(spans, SERVICE)
    (row,) = await usage(telemetry, session="s")
    assert row.cost_nanos == 2 * 4_500_000 + 2_500_000


async def test_a_late_parent_takes_back_what_was_charged_by_the_old_price(telemetry: TelemetryMesh) -> None:
    await put(telemetry, price())
    await telemetry.export([chat(telemetry, 2, parent=1, agent=PEER_DID)], SERVICE)
    await telemetry.everything_counted()
    now = telemetry.clock.now() // 1_000 - 3_600
    await put(telemetry, price(since=now, currency="EUR", input_nanos_per_million=7))
    # The wrapper repeats its child and states a hundred tokens more, which are charged by what is known by now.
    wrapper = chat(telemetry, 1, gen_ai__usage__input_tokens=1_100)
    await telemetry.export([wrapper], SERVICE)
    by_agent = {row.agent: row for row in await usage(telemetry, group_by=[pb.USAGE_GROUP_AGENT])}
    assert (by_agent[PEER_DID].currency, by_agent[PEER_DID].cost_nanos) == ("USD", 4_500_000)
    assert (by_agent[AGENT_DID].currency, by_agent[AGENT_DID].cost_nanos) == ("EUR", 0)
    assert by_agent[AGENT_DID].input_tokens == 100


async def test_what_a_sender_states_wins_and_is_marked(telemetry: TelemetryMesh) -> None:
    await put(telemetry, price())
    stated = chat(telemetry, 1, gen_ai__usage__cost__amount=0.25, gen_ai__usage__cost__currency="EUR")
    await telemetry.export([stated, chat(telemetry, 2)], SERVICE)
    first, second = await usage(telemetry)
    assert (first.currency, first.cost_nanos, first.stated_cost_nanos) == ("EUR", 250_000_000, 250_000_000)
    assert (second.currency, second.cost_nanos, second.stated_cost_nanos) == ("USD", 4_500_000, 0)
    assert (first.span_count, second.span_count) == (2, 0)


async def test_an_unknown_price_is_unknown_and_told_until_it_is_there(telemetry: TelemetryMesh) -> None:
    stub: AlertServiceAsyncStub = alert_pb2_grpc.AlertServiceStub(telemetry.channel())
    await telemetry.export([chat(telemetry, 1), chat(telemetry, 2, gen_ai__response__model="other")], SERVICE)
    (row,) = await usage(telemetry)
    assert (row.currency, row.cost_nanos, row.unknown_cost_calls) == ("", 0, 2)

    async def models() -> list[str]:
        found = await stub.ListAlerts(alert_pb2.ListAlertsRequest(firing_only=True))
        return sorted(alert.evidence["model"] for alert in found.alerts)

    assert await models() == ["large", "other"]
    await put(telemetry, price("lar*"))
    assert await models() == ["other"]
    await telemetry.export([chat(telemetry, 3)], SERVICE)
    (row,) = await usage(telemetry)
    assert (row.cost_nanos, row.unknown_cost_calls) == (4_500_000, 2)


async def test_money_is_known_again_after_a_restart(tmp_path: Path) -> None:
    async with telemetry_mesh(tmp_path) as telemetry:
        await put(telemetry, price())
        await telemetry.export([chat(telemetry, 2, parent=1, agent=PEER_DID)], SERVICE)
        await telemetry.everything_counted()
        await put(telemetry, price(since=1, input_nanos_per_million=0, output_nanos_per_million=0))
    async with telemetry_mesh(tmp_path) as telemetry:
        # The same span by another name of its trace's session: what was posted is taken back to the billionth.
        parent = SpanSpec(1, 0, {"session.id": "late"}, start_ms=telemetry.clock.now())
        await telemetry.export([parent], SERVICE)
        found = {row.session: row.cost_nanos for row in await usage(telemetry, group_by=[pb.USAGE_GROUP_SESSION])}
        assert found == {"late": 4_500_000}


async def test_inclusive_usage_is_told_to_every_agent_of_the_chain(telemetry: TelemetryMesh) -> None:
    await put(telemetry, price())
    third = "did:web:agents.example:c"
    await telemetry.export(
        [
            SpanSpec(1, 0, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": AGENT_DID}),
            SpanSpec(2, 1, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": PEER_DID}),
            chat(telemetry, 3, parent=2, agent=third),
            chat(telemetry, 4, parent=1),
        ],
        SERVICE,
    )
    own = {row.agent: row.cost_nanos for row in await usage(telemetry, group_by=[pb.USAGE_GROUP_AGENT])}
    assert own == {AGENT_DID: 4_500_000, PEER_DID: 0, third: 4_500_000}
    rows = await usage(telemetry, group_by=[pb.USAGE_GROUP_AGENT], inclusive=True)
    assert {row.agent: (row.span_count, row.input_tokens, row.cost_nanos) for row in rows} == {
        AGENT_DID: (4, 2_000, 9_000_000),
        PEER_DID: (2, 1_000, 4_500_000),
        third: (1, 1_000, 4_500_000),
    }


async def test_usage_by_tool_outcome_and_time_with_how_long_it_took(telemetry: TelemetryMesh) -> None:
    now = telemetry.clock.now()
    tool: dict[str, AttributeValue] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    await telemetry.export(
        [
            *[SpanSpec(name, 0, tool, start_ms=now, duration_ms=name) for name in range(1, 101)],
            SpanSpec(101, 0, tool, start_ms=now - 5 * MINUTE, duration_ms=1, error=True),
        ],
        SERVICE,
    )
    by_outcome = await usage(telemetry, group_by=[pb.USAGE_GROUP_TOOL, pb.USAGE_GROUP_OUTCOME], percentiles=True)
    assert [(row.tool, row.outcome, row.span_count) for row in by_outcome] == [
        ("search", "error", 1),
        ("search", "ok", 100),
    ]
    took = by_outcome[1]
    for micros, exact in ((took.duration_p50_micros, 50_000), (took.duration_p95_micros, 95_000)):
        assert micros == pytest.approx(exact, rel=0.011)
    start = Timestamp(seconds=now // 1_000 - 600)
    by_time = await usage(telemetry, group_by=[pb.USAGE_GROUP_TIME], start_time=start)
    assert all(row.start_time.seconds % 60 == 0 for row in by_time)
    assert sum(row.span_count for row in by_time) == 101
    assert all(not row.duration_p50_micros for row in by_time)


async def test_numbers_at_the_edge_of_64_bits_stay_exact(telemetry: TelemetryMesh) -> None:
    dear = price(input_nanos_per_million=10**15, output_nanos_per_million=10**15)
    await put(telemetry, dear)
    most: dict[str, Any] = {"gen_ai__usage__input_tokens": 10**9, "gen_ai__usage__output_tokens": 10**9}
    await telemetry.export([chat(telemetry, name, **most) for name in range(1, 4)], SERVICE)
    (row,) = await usage(telemetry)
    assert row.cost_nanos == 3 * 2 * 10**18
    await telemetry.export([chat(telemetry, name, **most) for name in range(4, 8)], SERVICE)
    (row,) = await usage(telemetry)
    assert row.cost_nanos == 2**63 - 1
    assert row.input_tokens == 7 * 10**9


async def test_a_price_that_is_known_stays(telemetry: TelemetryMesh) -> None:
    assert await put(telemetry, price(), price("small")) == 2
    assert await put(telemetry, price(source="said again"), price("tiny")) == 1
    refused = await refusal(put(telemetry, price("new"), price(input_nanos_per_million=4)))
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "PRICE_CONFLICT")
    listed = await prices(telemetry).ListPrices(budget_pb2.ListPricesRequest())
    assert [each.model for each in listed.prices] == ["large", "small", "tiny"]


async def test_prices_are_listed_page_by_page_and_by_model(telemetry: TelemetryMesh) -> None:
    later = price("gpt-4*", since=60, provider="openai", cache_read_nanos_per_million=0)
    await put(telemetry, price("gpt-4*"), later, price("gpt-4o"), price("other"))
    found, token = list[budget_pb2.Price](), ""
    while True:
        request = budget_pb2.ListPricesRequest(page_size=3, page_token=token)
        page = await prices(telemetry, AGENT).ListPrices(request)
        found += page.prices
        token = page.next_page_token
        if not token:
            break
    assert [each.model for each in found] == ["gpt-4*", "gpt-4*", "gpt-4o", "other"]
    assert found[1] == later
    of_one = await prices(telemetry).ListPrices(budget_pb2.ListPricesRequest(model="gpt-4o"))
    assert [each.model for each in of_one.prices] == ["gpt-4*", "gpt-4*", "gpt-4o"]
    refused = await refusal(prices(telemetry).ListPrices(budget_pb2.ListPricesRequest(page_token="made up")))
    assert refused.reason == "PAGE_TOKEN_INVALID"


async def test_the_same_request_again_gives_the_same_answer(telemetry: TelemetryMesh) -> None:
    assert await put(telemetry, price(), request_id=REQUEST_ID) == 1
    assert await put(telemetry, price(), request_id=REQUEST_ID) == 1
    refused = await refusal(put(telemetry, price("other"), request_id=REQUEST_ID))
    assert refused.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("caller", [SERVICE, AGENT, AUDITOR, GATEWAY, OWNER], ids=lambda caller: caller.principal)
async def test_who_may_not_put_prices(telemetry: TelemetryMesh, caller: Caller) -> None:
    refused = await refusal(put(telemetry, price(), caller=caller))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_every_bad_price_names_its_fields(telemetry: TelemetryMesh) -> None:
    bad: dict[str, budget_pb2.Price] = {
        "model": price(""),
        "model ": price("a*b"),
        "provider": price(provider="\x07"),
        "currency": price(currency="usd"),
        "input_nanos_per_million": price(input_nanos_per_million=-1),
        "cache_read_nanos_per_million": price(cache_read_nanos_per_million=10**15 + 1),
        "cache_write_nanos_per_million": price(cache_write_nanos_per_million=-1),
        "output_nanos_per_million": price(output_nanos_per_million=2**62),
        "source": price(source="s" * 201),
        "effective_time": price(effective_time=Timestamp(seconds=-1)),
    }
    unset = budget_pb2.Price(model="x", currency="USD")
    refused = await refusal(put(telemetry, *bad.values(), unset))
    expected = {f"prices[{place}].{field.strip()}" for place, field in enumerate(bad)} | {"prices[10].effective_time"}
    assert (refused.reason, set(refused.violations) >= expected) == ("INVALID_REQUEST", True)
    for request in ([], [price()] * 1_001, [price(), price(source="twice")]):
        assert (await refusal(put(telemetry, *request))).reason == "INVALID_REQUEST"


async def test_two_who_put_the_same_price_at_once_agree(telemetry: TelemetryMesh) -> None:
    assert sum(await asyncio.gather(*[put(telemetry, price()) for _ in range(8)])) == 1
