"""GetUsage over the wire: what is summed, who may ask, and every bad question."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import MINUTE
from support.serving import OPERATOR, SERVICE
from support.telemetry.mesh import AGENT, AGENT_DID, AUDITOR, GATEWAY, OWNER, PEER, TelemetryMesh, telemetry_mesh
from support.telemetry.spans import SpanSpec
from support.wire import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL, AGENTS = pb.USAGE_GROUP_MODEL, pb.USAGE_GROUP_AGENT


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def telemetry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TelemetryMesh]:
    """One server for all, with three spans of two agents in it."""
    async with telemetry_mesh(tmp_path_factory.mktemp("telemetry")) as running:
        now = running.clock.now()

        def chat(name: int, agent: str, session: str, *, model: str, tokens: int, ago: int) -> SpanSpec:
            attributes: dict[str, str | int | float | bool | bytes | None] = {
                "gen_ai.operation.name": "chat",
                "gen_ai.agent.id": agent,
                "session.id": session,
                "gen_ai.response.model": model,
                "gen_ai.usage.input_tokens": tokens,
                "gen_ai.usage.output_tokens": 1,
                "gen_ai.usage.cache_read.input_tokens": 2,
                "gen_ai.usage.cache_write.input_tokens": 3,
                "gen_ai.usage.reasoning.output_tokens": 1,
            }
            start = now - ago * MINUTE
            return SpanSpec(name, 0, attributes, trace=name, start_ms=start, duration_ms=0, error=name == 3)

        await running.export(
            [
                chat(1, AGENT_DID, "s-1", model="large", tokens=100, ago=0),
                chat(2, AGENT_DID, "s-2", model="small", tokens=10, ago=5),
                chat(3, "namespaces/acme/agents/helper", "s-1", model="small", tokens=50, ago=5),
            ],
            SERVICE,
        )
        await running.everything_counted()
        yield running


async def rows(telemetry: TelemetryMesh, caller: Caller = OPERATOR, **query: Any) -> list[pb.UsageRow]:
    return list((await telemetry.usage(caller).GetUsage(pb.GetUsageRequest(**query))).rows)


async def test_everything_in_one_row(telemetry: TelemetryMesh) -> None:
    (row,) = await rows(telemetry)
    assert row == pb.UsageRow(
        span_count=3,
        error_count=1,
        input_tokens=160,
        output_tokens=3,
        cache_read_tokens=6,
        cache_write_tokens=9,
        reasoning_tokens=3,
        unknown_cost_calls=3,
    )


async def test_groups_and_filters(telemetry: TelemetryMesh) -> None:
    assert [(row.agent, row.input_tokens) for row in await rows(telemetry, group_by=[AGENTS])] == [
        (AGENT_DID, 110),
        ("namespaces/acme/agents/helper", 50),
    ]
    assert [(row.session, row.model) for row in await rows(telemetry, group_by=[pb.USAGE_GROUP_SESSION, MODEL])] == [
        ("s-1", "large"),
        ("s-1", "small"),
        ("s-2", "small"),
    ]
    assert [row.input_tokens for row in await rows(telemetry, session="s-1")] == [150]
    assert [row.input_tokens for row in await rows(telemetry, agent=AGENT_DID, session="s-1")] == [100]
    assert [row.operation for row in await rows(telemetry, group_by=[pb.USAGE_GROUP_OPERATION])] == ["chat"]
    assert await rows(telemetry, agent="nobody") == []


async def test_windows_are_whole_minutes(telemetry: TelemetryMesh) -> None:
    minute = telemetry.clock.now() // MINUTE * MINUTE

    def at(offset_ms: int) -> Timestamp:
        timestamp = Timestamp()
        timestamp.FromMilliseconds(minute + offset_ms)
        return timestamp

    recent = await rows(telemetry, start_time=at(-2 * MINUTE))
    assert [row.input_tokens for row in recent] == [100]
    older = await rows(telemetry, end_time=at(-2 * MINUTE + 59_999))
    assert [row.input_tokens for row in older] == [60]
    assert await rows(telemetry, start_time=at(-3 * MINUTE), end_time=at(-3 * MINUTE)) == []


@pytest.mark.parametrize("caller", [OPERATOR, AUDITOR, SERVICE], ids=lambda caller: caller.principal)
async def test_who_may_ask_about_all(telemetry: TelemetryMesh, caller: Caller) -> None:
    assert len(await rows(telemetry, caller, group_by=[AGENTS])) == 2


async def test_an_agent_may_ask_about_itself(telemetry: TelemetryMesh) -> None:
    assert [row.input_tokens for row in await rows(telemetry, AGENT, agent=AGENT_DID)] == [110]


@pytest.mark.parametrize(
    ("caller", "query"),
    [
        (AGENT, {}),
        (AGENT, {"agent": PEER.principal}),
        (PEER, {"agent": AGENT_DID}),
        (PEER, {"agent": "an agent nobody has"}),
        (GATEWAY, {"agent": AGENT_DID}),
        (OWNER, {}),
        (Caller(principal="test:ann", roles=frozenset({Role.APPROVER})), {}),
    ],
    ids=range(7),
)
async def test_who_may_not_ask(telemetry: TelemetryMesh, caller: Caller, query: dict[str, str]) -> None:
    refused = await refusal(rows(telemetry, caller, **query))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_nobody_in_particular_may_not_ask(telemetry: TelemetryMesh) -> None:
    refused = await refusal(rows(telemetry, ANONYMOUS))
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"group_by": [0]}, {"group_by[0]"}),
        ({"group_by": [1, 99]}, {"group_by[1]"}),
        ({"group_by": [1, 2, 1]}, {"group_by[2]"}),
        ({"group_by": [1, 2, 3, 4, 5, 6, 7, 8, 1]}, {"group_by", "group_by[8]"}),
        ({"agent": "a" * 1_025}, {"agent"}),
        ({"agent": "a\x00b"}, {"agent"}),
        ({"session": "s" * 1_025}, {"session"}),
        ({"session": "e\u0301"}, {"session"}),
        ({"start_time": Timestamp(seconds=2**60)}, {"start_time"}),
        ({"end_time": Timestamp(nanos=-1)}, {"end_time"}),
        ({"start_time": Timestamp(seconds=100), "end_time": Timestamp(seconds=99)}, {"end_time"}),
        ({"group_by": [9], "agent": "\x07", "session": "\x07"}, {"group_by[0]", "agent", "session"}),
        ({"team": "t" * 1_025, "model": "\x07"}, {"team", "model"}),
        ({"inclusive": True}, {"inclusive"}),
        ({"inclusive": True, "group_by": [1, 8]}, {"inclusive"}),
        ({"inclusive": True, "group_by": [1], "team": "red"}, {"inclusive"}),
    ],
    ids=range(16),
)
async def test_a_bad_question_names_its_fields(
    telemetry: TelemetryMesh, query: dict[str, Any], fields: set[str]
) -> None:
    refused = await refusal(rows(telemetry, **query))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == fields


async def test_times_before_1970_are_times(telemetry: TelemetryMesh) -> None:
    assert len(await rows(telemetry, start_time=Timestamp(seconds=-62_135_596_800))) == 1
