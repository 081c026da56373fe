"""Boundaries over gRPC: drawn, changed, closed and opened, and who is in them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.registry.v1 import boundary_pb2 as pb
from ringfence.registry.v1 import registry_pb2, tool_pb2
from ringfence_kit.callers import Caller, Role
from support.registry.served import LEDGER, REQUEST_ID, ServedRegistry, agent_message, served_registry
from support.registry.tool_calls import BANK, EXPORT, FINANCE, LEDGERS, OWNER, ToolCalls
from support.registry.tools import OTHER_SCHEMA
from support.wire import refusal

FAY = Caller(principal="fay", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"finance"}))
OTTO = Caller(principal="otto", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"ops"}))
PIA = Caller(principal="pia", roles=frozenset({Role.APPROVER}))


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as registry:
        yield registry


def calls(registry: ServedRegistry, caller: Caller = FAY) -> ToolCalls:
    return ToolCalls(registry.channel(caller))


async def update(registry: ServedRegistry, *, mask: tuple[str, ...] = (), **said: Any) -> pb.Boundary:
    request = pb.UpdateBoundaryRequest(boundary=pb.Boundary(name=LEDGERS, **said))
    request.update_mask.paths.extend(mask)
    return (await calls(registry).boundaries.UpdateBoundary(request)).boundary


async def members(registry: ServedRegistry, **asked: Any) -> list[str]:
    request = pb.ListBoundaryMembersRequest(parent=LEDGERS, **asked)
    answer = await calls(registry).boundaries.ListBoundaryMembers(request)
    return [name.rpartition("/")[2] for name in answer.agents]


async def test_a_boundary_is_drawn_and_read(registry: ServedRegistry) -> None:
    await calls(registry).enter()
    said: dict[str, Any] = {
        "display_name": "Ledgers",
        "description": "Keeps books apart.",
        "selector": pb.BoundarySelector(
            teams=["books", "audit"],
            environments=["dev"],
            data_classes=["pii"],
            risk_tiers=[registry_pb2.RISK_TIER_LOW],
            labels={"tier": "gold"},
        ),
        "agents": [LEDGER],
        "external_systems": [BANK],
        "single_sided_with": ["namespaces/ops/boundaries/wall"],
        "labels": {"a": "b"},
    }
    made = await calls(registry).draw(**said)
    assert sorted(made.selector.teams) == ["audit", "books"]
    made.selector.teams[:] = ["books", "audit"]
    for field, value in said.items():
        assert getattr(made, field) == value
    assert (made.name, made.state) == (LEDGERS, tool_pb2.SWITCH_STATE_ENABLED)
    told = await refusal(calls(registry).draw())
    assert (told.code, told.reason) == ("ALREADY_EXISTS", "BOUNDARY_ALREADY_EXISTS")
    told = await refusal(calls(registry).draw("other", external_systems=[f"{FINANCE}/externalSystems/none"]))
    assert (told.code, told.reason) == ("NOT_FOUND", "EXTERNAL_SYSTEM_NOT_FOUND")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"agents": ["namespaces/ops/agents/spy"]}, "boundary.agents[0]"),
        ({"agents": [LEDGER, LEDGER]}, "boundary.agents[1]"),
        ({"agents": ["ledger"]}, "boundary.agents[0]"),
        ({"single_sided_with": ["wall"]}, "boundary.single_sided_with[0]"),
        ({"external_systems": [EXPORT]}, "boundary.external_systems[0]"),
        ({"selector": pb.BoundarySelector(environments=["Dev"])}, "boundary.selector.environments[0]"),
        ({"selector": pb.BoundarySelector(teams=["a"] * 33)}, "boundary.selector.teams"),
        ({"selector": pb.BoundarySelector(risk_tiers=[99])}, "boundary.selector.risk_tiers[0]"),  # type: ignore[list-item]  # what a newer client might send
        ({"selector": pb.BoundarySelector(labels={f"l{n}": "x" for n in range(17)})}, "boundary.selector.labels"),
        ({"owner": registry_pb2.Owner(display_name="x")}, "boundary.owner.contact"),
    ],
)
async def test_a_field_out_of_bounds_is_named(registry: ServedRegistry, said: dict[str, Any], field: str) -> None:
    told = await refusal(calls(registry).draw(**said))
    assert (told.code, told.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert field in told.violations


async def test_a_boundary_is_changed_and_deleted(registry: ServedRegistry) -> None:
    made = await calls(registry).draw(agents=[LEDGER], description="Old.")
    after = await update(registry, description="New.")
    assert (after.description, list(after.agents)) == ("New.", [LEDGER])
    assert after.etag != made.etag
    emptied = await update(registry, mask=("agents", "description"))
    assert (emptied.description, list(emptied.agents)) == ("", [])
    told = await refusal(update(registry, agents=["namespaces/ops/agents/spy"]))
    assert set(told.violations) == {"boundary.agents[0]"}
    same = pb.CreateBoundaryRequest(
        parent=FINANCE, boundary_id="more", boundary=pb.Boundary(owner=OWNER), request_id=REQUEST_ID
    )
    first = await calls(registry).boundaries.CreateBoundary(same)
    assert await calls(registry).boundaries.CreateBoundary(same) == first
    delete = pb.DeleteBoundaryRequest(name=LEDGERS, etag=made.etag)
    assert (await refusal(calls(registry).boundaries.DeleteBoundary(delete))).reason == "ETAG_MISMATCH"
    await calls(registry).boundaries.DeleteBoundary(pb.DeleteBoundaryRequest(name=LEDGERS, etag=emptied.etag))
    told = await refusal(calls(registry).boundaries.GetBoundary(pb.GetBoundaryRequest(name=LEDGERS)))
    assert (told.code, told.reason) == ("NOT_FOUND", "BOUNDARY_NOT_FOUND")


async def test_closing_takes_less_than_opening(registry: ServedRegistry) -> None:
    await calls(registry).draw()
    close, reopen = (
        pb.DisableBoundaryRequest(name=LEDGERS, reason="x"),
        pb.EnableBoundaryRequest(name=LEDGERS, reason="x"),
    )
    assert (await refusal(calls(registry, OTTO).boundaries.DisableBoundary(close))).reason == "NOT_PERMITTED"
    closed = (await calls(registry).boundaries.DisableBoundary(close)).boundary
    assert (closed.state, closed.last_switch.actor) == (tool_pb2.SWITCH_STATE_DISABLED, "test:fay")
    assert (await refusal(calls(registry).boundaries.EnableBoundary(reopen))).reason == "NOT_PERMITTED"
    opened = (await calls(registry, PIA).boundaries.EnableBoundary(reopen)).boundary
    assert opened.state == tool_pb2.SWITCH_STATE_ENABLED


async def test_members_are_those_named_and_those_that_fit(registry: ServedRegistry) -> None:
    for agent_id, team in (("a", "books"), ("b", "books"), ("c", "sales"), ("d", "sales"), ("e", "books")):
        await registry.register(agent_id, agent=agent_message(team=team))
    await registry.register("f", parent="namespaces/ops", agent=agent_message(team="books"))
    await calls(registry).draw()
    assert await members(registry) == []
    await update(registry, selector=pb.BoundarySelector(teams=["books"]), agents=[f"{FINANCE}/agents/c"])
    assert await members(registry) == ["a", "b", "c", "e"]
    await registry.stub().RetireAgent(registry_pb2.RetireAgentRequest(name=f"{FINANCE}/agents/b"))
    assert await members(registry) == ["a", "c", "e"]
    request = pb.ListBoundaryMembersRequest(parent=LEDGERS, page_size=2)
    page = await calls(registry).boundaries.ListBoundaryMembers(request)
    assert [name.rpartition("/")[2] for name in page.agents] == ["a", "c"]
    assert await members(registry, page_size=2, page_token=page.next_page_token) == ["e"]
    told = await refusal(members(registry, page_token=page.next_page_token + "x"))
    assert told.reason == "PAGE_TOKEN_INVALID"
    told = await refusal(
        calls(registry, OTTO).boundaries.ListBoundaryMembers(pb.ListBoundaryMembersRequest(parent=LEDGERS))
    )
    assert told.reason == "NOT_PERMITTED"


async def test_an_agent_says_which_boundaries_it_is_in(registry: ServedRegistry) -> None:
    await registry.register("ledger", agent=agent_message(team="books"))
    await calls(registry).draw(selector=pb.BoundarySelector(teams=["books"]))
    await calls(registry).draw("by-name", agents=[LEDGER])
    await calls(registry).draw("others", selector=pb.BoundarySelector(teams=["sales"]))
    agent = (await registry.stub().GetAgent(registry_pb2.GetAgentRequest(name=LEDGER))).agent
    assert sorted(agent.boundaries) == [f"{FINANCE}/boundaries/by-name", LEDGERS]


async def test_boundaries_are_listed_and_filtered(registry: ServedRegistry) -> None:
    await calls(registry).draw(agents=[LEDGER], labels={"a": "b"})
    await calls(registry).draw("books", selector=pb.BoundarySelector(teams=["books"]))
    await calls(registry, OTTO).draw("wall", parent="namespaces/ops")

    async def listed(filter_text: str = "", caller: Caller = FAY) -> list[str]:
        request = pb.ListBoundariesRequest(parent="namespaces/-", filter=filter_text)
        answer = await calls(registry, caller).boundaries.ListBoundaries(request)
        return [boundary.name.rpartition("/")[2] for boundary in answer.boundaries]

    assert await listed() == ["books", "ledgers"]
    assert await listed(caller=PIA) == ["books", "ledgers", "wall"]
    assert await listed('selector.teams:"books"') == ["books"]
    assert await listed(f'agents:"{LEDGER}" AND labels.a = b') == ["ledgers"]
    assert (await refusal(listed("teams = x"))).reason == "FILTER_INVALID"


# Watching


async def event_of(watch: Any) -> Any:
    return await asyncio.wait_for(watch.read(), 10)


async def told(watch: Any, field: str) -> tuple[str, str]:
    answer = await event_of(watch)
    kind = registry_pb2.WatchEventType.Name(answer.type).removeprefix("WATCH_EVENT_TYPE_")
    return kind, getattr(answer, field).name.rpartition("/")[2]


async def test_boundaries_are_watched(registry: ServedRegistry) -> None:
    await calls(registry).draw()
    await calls(registry, OTTO).draw("wall", parent="namespaces/ops")
    stub = calls(registry).boundaries
    watch = stub.WatchBoundaries(pb.WatchBoundariesRequest(parent="namespaces/-", send_initial_state=True))
    assert await told(watch, "boundary") == ("ADDED", "ledgers")
    end = await event_of(watch)
    assert end.initial_state_end
    await calls(registry, OTTO).draw("moat", parent="namespaces/ops")
    await calls(registry).draw("books")
    await calls(registry).boundaries.DeleteBoundary(pb.DeleteBoundaryRequest(name=LEDGERS))
    assert await told(watch, "boundary") == ("ADDED", "books")
    assert await told(watch, "boundary") == ("DELETED", "ledgers")
    resumed = stub.WatchBoundaries(pb.WatchBoundariesRequest(parent="namespaces/-", start_revision=end.revision + 1))
    assert await told(resumed, "boundary") == ("ADDED", "books")
    assert await told(resumed, "boundary") == ("DELETED", "ledgers")


async def test_tools_are_watched_and_only_those_that_are_seen(registry: ServedRegistry) -> None:
    await calls(registry).register()
    stub = calls(registry).tools
    watch = stub.WatchTools(tool_pb2.WatchToolsRequest(parent="namespaces/-", send_initial_state=True))
    assert await told(watch, "tool") == ("ADDED", "warehouse.export")
    end = await event_of(watch)
    assert (end.initial_state_end, end.revision) == (True, 1)
    await calls(registry, OTTO).register("ops.x", parent="namespaces/ops")
    await calls(registry).draw()
    await calls(registry).update(input_schema=OTHER_SCHEMA)
    await calls(registry).tools.DisableTool(tool_pb2.DisableToolRequest(name=EXPORT, reason="x"))
    await calls(registry).tools.DeleteTool(tool_pb2.DeleteToolRequest(name=EXPORT))
    events = [await event_of(watch) for _ in range(3)]
    assert [event.revision for event in events] == [4, 5, 6]
    assert events[0].tool.revision.endswith("/revisions/2")
    assert events[1].tool.state == tool_pb2.SWITCH_STATE_DISABLED
    assert events[2].type == registry_pb2.WATCH_EVENT_TYPE_DELETED
    assert events[2].tool == events[1].tool
    refused = calls(registry, OTTO).tools.WatchTools(tool_pb2.WatchToolsRequest(parent=FINANCE))
    assert (await refusal(refused.read())).reason == "NOT_PERMITTED"
    both = tool_pb2.WatchToolsRequest(parent=FINANCE, start_revision=3, send_initial_state=True)
    assert set((await refusal(stub.WatchTools(both).read())).violations) == {"start_revision"}
    future = tool_pb2.WatchToolsRequest(parent=FINANCE, start_revision=99)
    assert (await refusal(stub.WatchTools(future).read())).reason == "REVISION_IN_FUTURE"
