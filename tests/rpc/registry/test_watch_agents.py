"""WatchAgents over gRPC: every change once, in order, to any number of watchers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.callers import Caller, Role
from ringfence_kit.watch import BOOKMARK_EVERY
from support.registry.served import FINANCE_OWNER, LEDGER, ServedRegistry, agent_message, served_registry
from support.serving import OPERATOR
from support.watching import while_time_passes
from support.wire import refusal

ADDED, MODIFIED = pb.WATCH_EVENT_TYPE_ADDED, pb.WATCH_EVENT_TYPE_MODIFIED
DELETED = pb.WATCH_EVENT_TYPE_DELETED
BOOKMARK = pb.WATCH_EVENT_TYPE_BOOKMARK
ITSELF = Caller(principal="did:web:id.example.com:agents:x", roles=frozenset({Role.AGENT}), environment="dev")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        yield served


def watch(registry: ServedRegistry, caller: Caller = OPERATOR, **said: Any) -> Any:
    return registry.stub(caller).WatchAgents(pb.WatchAgentsRequest(**{"parent": "namespaces/-", **said}))


async def read(stream: Any, count: int) -> list[pb.WatchAgentsResponse]:
    return [await stream.read() for _ in range(count)]


def told(event: pb.WatchAgentsResponse) -> tuple[int, int, str]:
    return event.type, event.revision, event.agent.name.rpartition("/")[2]


async def test_the_state_then_its_end_then_changes(registry: ServedRegistry) -> None:
    first = await registry.register("a")
    await registry.register("b")
    stream = watch(registry, send_initial_state=True)
    standing = await read(stream, 3)
    assert [told(event) for event in standing] == [(ADDED, 2, "a"), (ADDED, 2, "b"), (BOOKMARK, 2, "")]
    assert [event.initial_state_end for event in standing] == [False, False, True]
    assert standing[0].agent == first
    assert standing[0].event_time == first.update_time
    retired = await registry.stub().RetireAgent(pb.RetireAgentRequest(name=first.name))
    (change,) = await read(stream, 1)
    assert told(change) == (MODIFIED, 3, "a")
    assert change.agent == retired.agent
    assert change.event_time == retired.agent.update_time


async def test_the_state_of_nothing_is_complete_at_once(registry: ServedRegistry) -> None:
    (end,) = await read(watch(registry, send_initial_state=True), 1)
    assert (told(end), end.initial_state_end) == ((BOOKMARK, 0, ""), True)


async def test_a_watch_resumes_after_the_last_revision_seen(registry: ServedRegistry) -> None:
    for name in "abcd":
        await registry.register(name)
    stream = watch(registry, start_revision=1)
    seen = await read(stream, 2)
    stream.cancel()
    resumed = await read(watch(registry, start_revision=seen[-1].revision + 1), 2)
    assert [told(event) for event in [*seen, *resumed]] == [(ADDED, n, name) for n, name in enumerate("abcd", start=1)]


async def test_a_list_and_a_watch_from_the_revision_after_it_miss_nothing(registry: ServedRegistry) -> None:
    await registry.register("a")
    listed = await registry.stub().ListAgents(pb.ListAgentsRequest(parent="namespaces/-"))
    await registry.register("b")
    (event,) = await read(watch(registry, start_revision=listed.revision + 1), 1)
    assert told(event) == (ADDED, 2, "b")


async def test_watchers_hear_of_one_namespace_when_they_ask_for_one(registry: ServedRegistry) -> None:
    stream = watch(registry, FINANCE_OWNER, parent="namespaces/finance", send_initial_state=True)
    await read(stream, 1)
    await registry.register("secret", parent="namespaces/travel")
    await registry.register("ledger")
    assert told((await read(stream, 1))[0]) == (ADDED, 2, "ledger")


async def test_a_quiet_watch_beats(registry: ServedRegistry) -> None:
    await registry.register("a")
    stream = watch(registry, send_initial_state=True)
    await read(stream, 2)
    (beat,) = await while_time_passes(registry.clock, read(stream, 1), step=BOOKMARK_EVERY)
    assert (told(beat), beat.initial_state_end) == ((BOOKMARK, 1, ""), False)


async def test_fifty_watchers_all_hear_everything_in_order(registry: ServedRegistry) -> None:
    streams = [watch(registry, send_initial_state=True) for _ in range(50)]
    for stream in streams:
        await read(stream, 1)
    await asyncio.gather(*(registry.register(f"agent-{number}") for number in range(20)))
    heard = [[told(event) for event in await read(stream, 20)] for stream in streams]
    assert [revision for _, revision, _ in heard[0]] == list(range(1, 21))
    assert all(each == heard[0] for each in heard)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"parent": ""}, "parent"),
        ({"parent": LEDGER}, "parent"),
        ({"start_revision": -1}, "start_revision"),
        ({"start_revision": 1, "send_initial_state": True}, "start_revision"),
        ({"detail": 99}, "detail"),
    ],
)
async def test_a_watch_that_breaks_a_rule(registry: ServedRegistry, said: dict[str, Any], field: str) -> None:
    refused = await refusal(watch(registry, **said).read())
    assert (refused.code, refused.reason, list(refused.violations)) == ("INVALID_ARGUMENT", "INVALID_REQUEST", [field])


@pytest.mark.parametrize("start", [3, 2**62])
async def test_a_revision_that_does_not_exist_yet(registry: ServedRegistry, start: int) -> None:
    await registry.register()
    refused = await refusal(watch(registry, start_revision=start).read())
    assert (refused.code, refused.reason) == ("OUT_OF_RANGE", "REVISION_IN_FUTURE")
    assert refused.metadata == {"requested_revision": str(start), "newest_revision": "1"}


@pytest.mark.parametrize("caller", [ITSELF, FINANCE_OWNER])
async def test_who_may_not_watch(registry: ServedRegistry, caller: Caller) -> None:
    refused = await refusal(watch(registry, caller, parent="namespaces/travel").read())
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_a_watch_of_everything_is_of_what_its_caller_sees(registry: ServedRegistry) -> None:
    await registry.register("secret", parent="namespaces/travel")
    await registry.register("a")
    stream = watch(registry, FINANCE_OWNER, send_initial_state=True)
    assert [told(event) for event in await read(stream, 2)] == [(ADDED, 2, "a"), (BOOKMARK, 2, "")]
    await registry.register("hidden", parent="namespaces/travel")
    await registry.register("b")
    assert [told(event) for event in await read(stream, 1)] == [(ADDED, 4, "b")]


# As much as is wanted, many at once


def decided_on(agent: pb.Agent) -> pb.Agent:
    """Return of an agent what decisions stand on."""
    return pb.Agent(
        name=agent.name,
        display_name=agent.display_name,
        owner=agent.owner,
        risk_tier=agent.risk_tier,
        environments=agent.environments,
        labels=agent.labels,
        state=agent.state,
        team=agent.team,
        data_classes=agent.data_classes,
        approved_tools=[pb.ApprovedTool(name=tool.name, schema_hash=tool.schema_hash) for tool in agent.approved_tools],
    )


async def some_agents(registry: ServedRegistry) -> list[pb.Agent]:
    tools = [
        pb.ApprovedTool(name="ledger.read", schema_hash="sha256-" + "ab" * 32),
        pb.ApprovedTool(name="ledger.write"),
    ]
    said = agent_message(team="data", approved_tools=tools, data_classes=["pii"], labels={"cost": "7"})
    return [await registry.register(name, agent=said) for name in "abc"]


async def test_the_state_comes_many_to_an_answer_to_who_asks_for_that(registry: ServedRegistry) -> None:
    agents = await some_agents(registry)
    stream = watch(registry, send_initial_state=True, batch_initial_state=True)
    state, end = await read(stream, 2)
    assert (list(state.agents), told(state), state.HasField("event_time")) == (agents, (ADDED, 3, ""), False)
    assert (told(end), end.initial_state_end) == ((BOOKMARK, 3, ""), True)
    await registry.register("d")
    (change,) = await read(stream, 1)
    assert (told(change), list(change.agents)) == ((ADDED, 4, "d"), [])


async def test_an_empty_state_in_batches_is_complete_at_once(registry: ServedRegistry) -> None:
    (end,) = await read(watch(registry, send_initial_state=True, batch_initial_state=True), 1)
    assert end.initial_state_end


async def test_what_decisions_stand_on_is_told_without_the_card(registry: ServedRegistry) -> None:
    agents = await some_agents(registry)
    wanted: dict[str, Any] = {"detail": pb.AGENT_DETAIL_DECISION, "send_initial_state": True}
    batched, single = watch(registry, batch_initial_state=True, **wanted), watch(registry, **wanted)
    state = await read(batched, 2)
    each = await read(single, 4)
    assert list(state[0].agents) == [decided_on(agent) for agent in agents] == [event.agent for event in each[:3]]
    assert [event.event_time for event in each[:3]] == [agent.update_time for agent in agents]
    changed = await registry.stub().RetireAgent(pb.RetireAgentRequest(name=agents[0].name))
    whole = watch(registry, start_revision=4)
    for stream in (batched, single):
        assert (await read(stream, 1))[0].agent == decided_on(changed.agent)
    assert (await read(whole, 1))[0].agent == changed.agent


async def test_a_little_of_each_agent_is_what_a_list_shows_of_it(registry: ServedRegistry) -> None:
    await some_agents(registry)
    for detail in (pb.AGENT_DETAIL_BASIC, pb.AGENT_DETAIL_DECISION):
        listed = await registry.stub().ListAgents(pb.ListAgentsRequest(parent="namespaces/-", detail=detail))
        (state,) = await read(watch(registry, detail=detail, send_initial_state=True, batch_initial_state=True), 1)
        assert list(state.agents) == list(listed.agents)


# Filters


async def test_an_agent_that_begins_to_match_is_added_and_one_that_ceases_is_deleted(registry: ServedRegistry) -> None:
    await registry.register("a", agent=agent_message(team="data"))
    await registry.register("b")
    stream = watch(registry, send_initial_state=True, filter="team = data")
    assert [told(event) for event in await read(stream, 2)] == [(ADDED, 2, "a"), (BOOKMARK, 2, "")]
    for name, team in [("a", "sales"), ("b", "data"), ("b", "data"), ("b", "other"), ("a", "data")]:
        wanted = pb.Agent(name=f"namespaces/finance/agents/{name}", team=team)
        await registry.stub().UpdateAgent(pb.UpdateAgentRequest(agent=wanted))
    await registry.register("c")
    await registry.register("d", agent=agent_message(team="data"))
    events = [told(event) for event in await read(stream, 5)]
    assert events == [(DELETED, 3, "a"), (ADDED, 4, "b"), (DELETED, 5, "b"), (ADDED, 6, "a"), (ADDED, 8, "d")]


async def test_a_resumed_watch_with_a_filter_says_what_is_right_for_whoever_had_it(registry: ServedRegistry) -> None:
    for name, team in [("a", "data"), ("b", "data"), ("c", "sales")]:
        await registry.register(name, agent=agent_message(team=team))
    for name, team in [("a", "sales"), ("c", "data"), ("b", "data")]:
        wanted = pb.Agent(name=f"namespaces/finance/agents/{name}", team=team, purpose="Something else.")
        await registry.stub().UpdateAgent(pb.UpdateAgentRequest(agent=wanted))
    stream = watch(registry, start_revision=4, filter="team = data")
    assert [told(event) for event in await read(stream, 3)] == [
        (DELETED, 4, "a"),
        (MODIFIED, 5, "c"),
        (MODIFIED, 6, "b"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [("team =", "expected a value"), ("trust.score > 3", "without an event"), ("health.slo = MET", "without an event")],
)
async def test_a_watch_cannot_be_filtered_by_what_nobody_tells(registry: ServedRegistry, text: str, says: str) -> None:
    refused = await refusal(watch(registry, filter=text).read())
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "FILTER_INVALID")
    assert says in refused.message


async def test_watches_go_on_over_a_restart(tmp_path: Path) -> None:
    async with served_registry(tmp_path) as registry:
        await registry.register("a")
    async with served_registry(tmp_path) as registry:
        await registry.register("b")
        stream = watch(registry, start_revision=1)
        assert [told(event) for event in await read(stream, 2)] == [(ADDED, 1, "a"), (ADDED, 2, "b")]


# Deleted agents


async def test_an_agent_leaves_sight_once_and_comes_back(registry: ServedRegistry) -> None:
    await registry.register("a")
    stub, name = registry.stub(), "namespaces/finance/agents/a"
    stream = watch(registry, start_revision=2)
    await stub.RetireAgent(pb.RetireAgentRequest(name=name))
    await stub.DeleteAgent(pb.DeleteAgentRequest(name=name))
    assert [told(event) for event in await read(stream, 2)] == [(MODIFIED, 2, "a"), (DELETED, 3, "a")]
    (state,) = await read(watch(registry, send_initial_state=True), 1)
    assert state.initial_state_end
    await stub.UndeleteAgent(pb.UndeleteAgentRequest(name=name))
    assert [told(event) for event in await read(stream, 1)] == [(ADDED, 4, "a")]
