"""External systems over gRPC: entered, trusted for a time, and what that means for the tools that reach them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.registry.v1 import external_system_pb2 as pb
from ringfence.registry.v1 import registry_pb2, tool_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, HOUR, SECOND, Instant, Millis
from ringfence_kit.wire import to_timestamp
from support.registry.served import REQUEST_ID, ServedRegistry, served_registry
from support.registry.tool_calls import BANK, EXPORT, FINANCE, ToolCalls
from support.serving import OPERATOR
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


def at(registry: ServedRegistry, later: int) -> Timestamp:
    return to_timestamp(Instant(registry.clock.now() + later))


async def trusted_tool(registry: ServedRegistry, **decision: Any) -> tool_pb2.Tool:
    """Return a tool that reaches a system somebody trusts."""
    await calls(registry).enter(data_classes=["payments"])
    await calls(registry, PIA).decide(**decision)
    return await calls(registry).register(external_systems=[BANK])


async def switch(registry: ServedRegistry, on: bool, caller: Caller = PIA) -> pb.ExternalSystem:
    systems = calls(registry, caller).systems
    if on:
        enable = pb.EnableExternalSystemRequest(name=BANK, reason="It is well again.")
        return (await systems.EnableExternalSystem(enable)).external_system
    disable = pb.DisableExternalSystemRequest(name=BANK, reason="It was broken into.")
    return (await systems.DisableExternalSystem(disable)).external_system


async def update(registry: ServedRegistry, *, mask: tuple[str, ...] = (), **said: Any) -> pb.ExternalSystem:
    request = pb.UpdateExternalSystemRequest(external_system=pb.ExternalSystem(name=BANK, **said))
    request.update_mask.paths.extend(mask)
    return (await calls(registry).systems.UpdateExternalSystem(request)).external_system


async def test_a_system_is_entered_and_nobody_trusts_it(registry: ServedRegistry) -> None:
    said: dict[str, Any] = {
        "description": "Takes payments.",
        "operator": "Example Bank",
        "data_classes": ["payments"],
        "risk_tier": registry_pb2.RISK_TIER_HIGH,
        "labels": {"tier": "gold"},
    }
    made = await calls(registry).enter(**said)
    for field, value in said.items():
        assert getattr(made, field) == value
    assert (made.name, made.display_name, made.trusted) == (BANK, "bank", False)
    assert not made.HasField("trust_decision")
    assert await calls(registry).system() == made
    told = await refusal(calls(registry).enter())
    assert (told.code, told.reason) == ("ALREADY_EXISTS", "EXTERNAL_SYSTEM_ALREADY_EXISTS")


async def test_a_tool_may_not_name_what_nobody_trusts(registry: ServedRegistry) -> None:
    told = await refusal(calls(registry).register(external_systems=[BANK]))
    assert (told.code, told.reason) == ("NOT_FOUND", "EXTERNAL_SYSTEM_NOT_FOUND")
    await calls(registry).enter()
    for decide, why in ((None, "nobody has decided"), ("REFUSED", "not to trust it")):
        if decide is not None:
            await calls(registry, PIA).decide(verdict=decide)
        told = await refusal(calls(registry).register(external_systems=[BANK]))
        assert (told.code, told.reason) == ("FAILED_PRECONDITION", "EXTERNAL_SYSTEM_NOT_TRUSTED")
        assert why in told.message
    await calls(registry, PIA).decide()
    await switch(registry, on=False)
    told = await refusal(calls(registry).register(external_systems=[BANK]))
    assert "it is disabled" in told.message
    await switch(registry, on=True)
    assert (await calls(registry).register(external_systems=[BANK])).external_systems_trusted


async def test_a_decision_says_who_when_why_and_until(registry: ServedRegistry) -> None:
    await calls(registry).enter()
    decided = await calls(registry, PIA).decide(expire_time=at(registry, HOUR))
    decision = decided.trust_decision
    assert (decision.actor, decision.reason) == ("test:pia", "We looked at it.")
    assert (decision.decide_time, decision.expire_time) == (at(registry, 0), at(registry, HOUR))
    assert decided.trusted
    lasting = await calls(registry, PIA).decide()
    assert lasting.trust_decision.expire_time == at(registry, 365 * DAY)


@pytest.mark.parametrize("later", [0, -HOUR, 365 * DAY + 1])
async def test_a_decision_ends_after_it_begins_and_within_a_year(registry: ServedRegistry, later: int) -> None:
    await calls(registry).enter()
    told = await refusal(calls(registry, PIA).decide(expire_time=at(registry, later)))
    assert (told.reason, set(told.violations)) == ("INVALID_REQUEST", {"trust_decision.expire_time"})


async def test_a_repeated_decision_gets_its_answer_also_when_it_has_ended(registry: ServedRegistry) -> None:
    await calls(registry).enter()
    request = pb.DecideTrustRequest(
        name=BANK,
        trust_decision=pb.TrustDecision(
            verdict=pb.TRUST_VERDICT_TRUSTED, reason="For an hour.", expire_time=at(registry, HOUR)
        ),
        request_id=REQUEST_ID,
    )
    first = await calls(registry, PIA).systems.DecideTrust(request)
    registry.clock.advance(Millis(2 * HOUR))
    again = await calls(registry, PIA).systems.DecideTrust(request)
    assert again.external_system.etag == first.external_system.etag
    assert not again.external_system.trusted


async def test_an_owner_does_not_decide_about_what_is_his(registry: ServedRegistry) -> None:
    await calls(registry).enter()
    for caller in (FAY, OTTO):
        assert (await refusal(calls(registry, caller).decide())).reason == "NOT_PERMITTED"
        assert (await refusal(switch(registry, on=True, caller=caller))).reason == "NOT_PERMITTED"
    assert (await switch(registry, on=False, caller=FAY)).state == tool_pb2.SWITCH_STATE_DISABLED
    assert (await refusal(switch(registry, on=False, caller=OTTO))).reason == "NOT_PERMITTED"


# What it means for tools


async def test_a_tool_says_until_when_what_it_reaches_is_trusted(registry: ServedRegistry) -> None:
    await calls(registry).enter("mint")
    await calls(registry, PIA).decide(f"{FINANCE}/externalSystems/mint", expire_time=at(registry, HOUR))
    tool = await trusted_tool(registry, expire_time=at(registry, 2 * HOUR))
    assert tool.trust_expire_time == at(registry, 2 * HOUR)
    both = [BANK, f"{FINANCE}/externalSystems/mint"]
    tool = (await calls(registry).update(external_systems=both)).tool
    assert tool.trust_expire_time == at(registry, HOUR)


@pytest.mark.parametrize("ended_by", ["refusal", "switch", "url", "data classes"])
async def test_a_decision_that_ends_takes_its_tools_along(registry: ServedRegistry, ended_by: str) -> None:
    before = await trusted_tool(registry)
    match ended_by:
        case "refusal":
            system = await calls(registry, PIA).decide(verdict="REFUSED")
        case "switch":
            system = await switch(registry, on=False)
        case "url":
            system = await update(registry, url="https://elsewhere.example.com")
        case _:
            system = await update(registry, data_classes=["payments", "pii"])
    assert not system.trusted
    after = await calls(registry).tool()
    assert not after.external_systems_trusted
    assert not after.HasField("trust_expire_time")
    assert after.etag != before.etag
    assert (after.schema_hash, after.revision) == (before.schema_hash, before.revision)
    if ended_by == "switch":
        await switch(registry, on=True)
    else:
        await calls(registry, PIA).decide()
    assert (await calls(registry).tool()).external_systems_trusted


async def test_a_change_of_words_ends_no_decision(registry: ServedRegistry) -> None:
    await trusted_tool(registry)
    system = await update(registry, description="Takes payments and gives receipts.", labels={"a": "b"})
    assert system.trusted
    assert (await calls(registry).tool()).external_systems_trusted


async def test_a_tool_whose_trust_ended_can_still_be_described(registry: ServedRegistry) -> None:
    await trusted_tool(registry)
    await calls(registry, PIA).decide(verdict="REFUSED")
    tool = (await calls(registry).update(mask=("description", "external_systems"), external_systems=[BANK])).tool
    assert not tool.external_systems_trusted
    await calls(registry).update(mask=("external_systems",))
    told = await refusal(calls(registry).update(external_systems=[BANK]))
    assert told.reason == "EXTERNAL_SYSTEM_NOT_TRUSTED"


async def next_tool_event(watch: Any) -> tool_pb2.WatchToolsResponse:
    while True:
        answer: tool_pb2.WatchToolsResponse = await asyncio.wait_for(watch.read(), 10)
        if answer.type != registry_pb2.WATCH_EVENT_TYPE_BOOKMARK:
            return answer


async def test_attack_a_tool_used_past_the_end_of_a_decision(registry: ServedRegistry) -> None:
    await trusted_tool(registry, expire_time=at(registry, HOUR))
    watch = calls(registry).tools.WatchTools(tool_pb2.WatchToolsRequest(parent=FINANCE))
    await watch.read()
    registry.clock.advance(Millis(HOUR - 1))
    assert (await calls(registry).tool()).external_systems_trusted
    registry.clock.advance(Millis(1))
    assert not (await calls(registry).system()).trusted
    assert not (await calls(registry).tool()).external_systems_trusted
    registry.clock.advance(SECOND)
    event = await next_tool_event(watch)
    assert event.type == registry_pb2.WATCH_EVENT_TYPE_MODIFIED
    assert not event.tool.external_systems_trusted
    assert await calls(registry).listed("external_systems_trusted = false") == ["warehouse.export"]


async def test_attack_the_clock_is_set_back_after_a_decision_ended(registry: ServedRegistry) -> None:
    await trusted_tool(registry, expire_time=at(registry, HOUR))
    watch = calls(registry).tools.WatchTools(tool_pb2.WatchToolsRequest(parent=FINANCE))
    await watch.read()
    registry.clock.advance(Millis(HOUR + SECOND))
    await next_tool_event(watch)
    registry.clock.set(Instant(registry.clock.now() - 30 * DAY))
    fresh = calls(registry, OPERATOR)
    assert not (await fresh.system()).trusted
    assert not (await fresh.tool()).external_systems_trusted
    told = await refusal(fresh.register("another.tool", external_systems=[BANK]))
    assert told.reason == "EXTERNAL_SYSTEM_NOT_TRUSTED"


async def test_a_decision_made_anew_in_time_is_not_ended(registry: ServedRegistry) -> None:
    await trusted_tool(registry, expire_time=at(registry, HOUR))
    await calls(registry, PIA).decide(expire_time=at(registry, 3 * HOUR))
    registry.clock.advance(Millis(2 * HOUR))
    assert (await calls(registry, OPERATOR).tool()).external_systems_trusted
    assert (await calls(registry, OPERATOR).tool()).trust_expire_time == at(registry, HOUR)


# Deleting, finding, seeing


async def test_what_is_named_is_not_deleted(registry: ServedRegistry) -> None:
    await trusted_tool(registry)
    await calls(registry).draw(external_systems=[BANK])
    await calls(registry, OPERATOR).register("ops.pay", parent="namespaces/ops", external_systems=[BANK])
    delete = pb.DeleteExternalSystemRequest(name=BANK)
    told = await refusal(calls(registry).systems.DeleteExternalSystem(delete))
    assert (told.code, told.reason) == ("FAILED_PRECONDITION", "EXTERNAL_SYSTEM_IN_USE")
    assert told.metadata["used_by"] == f"{FINANCE}/boundaries/ledgers, {EXPORT}, others"
    told = await refusal(calls(registry, OPERATOR).systems.DeleteExternalSystem(delete))
    assert "namespaces/ops/tools/ops.pay" in told.metadata["used_by"]


async def test_a_deleted_system_is_gone_and_may_come_again_untrusted(registry: ServedRegistry) -> None:
    await trusted_tool(registry)
    await calls(registry).tools.DeleteTool(tool_pb2.DeleteToolRequest(name=EXPORT))
    await calls(registry).systems.DeleteExternalSystem(pb.DeleteExternalSystemRequest(name=BANK))
    assert (await refusal(calls(registry).system())).reason == "EXTERNAL_SYSTEM_NOT_FOUND"
    assert not (await calls(registry).enter()).trusted


async def test_systems_are_listed_and_filtered(registry: ServedRegistry) -> None:
    await calls(registry).enter(data_classes=["payments"])
    await calls(registry).enter("mint", risk_tier=registry_pb2.RISK_TIER_CRITICAL)
    await calls(registry, OTTO).enter("pager", parent="namespaces/ops")
    await calls(registry, PIA).decide(expire_time=at(registry, HOUR))

    async def listed(filter_text: str = "", caller: Caller = FAY) -> list[str]:
        request = pb.ListExternalSystemsRequest(parent="namespaces/-", filter=filter_text)
        answer = await calls(registry, caller).systems.ListExternalSystems(request)
        return [system.name.rpartition("/")[2] for system in answer.external_systems]

    assert await listed() == ["bank", "mint"]
    assert await listed('trusted = true AND data_classes:"payments"') == ["bank"]
    assert await listed("risk_tier = CRITICAL OR trust_decision.verdict = TRUSTED") == ["bank", "mint"]
    assert await listed("NOT risk_tier:*") == ["bank"]
    assert await listed(caller=PIA) == ["bank", "mint", "pager"]
    registry.clock.advance(HOUR)
    assert await listed("trusted = true", caller=OPERATOR) == []


async def test_what_is_hidden_is_refused_whether_it_exists_or_not(registry: ServedRegistry) -> None:
    await calls(registry).enter()
    for name in (BANK, f"{FINANCE}/externalSystems/nothing"):
        assert (await refusal(calls(registry, OTTO).system(name))).reason == "NOT_PERMITTED"
        told = await refusal(calls(registry, OTTO).register(parent="namespaces/ops", external_systems=[name]))
        assert (told.code, told.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_many_decisions_at_once_leave_tools_that_agree_with_the_last(registry: ServedRegistry) -> None:
    await trusted_tool(registry)
    verdicts = ["TRUSTED", "REFUSED"] * 10
    await asyncio.gather(*(calls(registry, PIA).decide(verdict=verdict) for verdict in verdicts))
    assert (await calls(registry).tool()).external_systems_trusted is (await calls(registry).system()).trusted


async def test_trust_outlives_a_restart(tmp_path: Path) -> None:
    async with served_registry(tmp_path) as registry:
        await trusted_tool(registry)
        before = await calls(registry).tool(), await calls(registry).system()
    async with served_registry(tmp_path) as registry:
        assert (await calls(registry).tool(), await calls(registry).system()) == before
        with pytest.raises(grpc.aio.AioRpcError):
            await calls(registry).register(external_systems=[f"{FINANCE}/externalSystems/mint"])
