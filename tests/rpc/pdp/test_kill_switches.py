"""Kill switches over the wire: what is stopped, who may stop it, and that nothing brings it back but a release."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1 import decision_pb2
from ringfence_kit.callers import Caller, Role
from support.pdp.served import ANALYST, ServedPdp, served_pdp, stop
from support.wire import refusal

REQUEST_ID = "6d7c2b1e-8f5a-4d0c-9b3e-2a1f0c9d8e7f"
OWNER = Caller(principal="olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"data"}))
NOBODYS = "killSwitches/00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


async def engage(pdp: ServedPdp, caller: Caller | None = None, **fields: Any) -> pb.KillSwitch:
    stub = pdp.switches() if caller is None else pdp.switches(caller)
    return (await stub.EngageKillSwitch(stop(**fields))).kill_switch


def release(name: str, reason: str = "it is safe again", **fields: Any) -> pb.ReleaseKillSwitchRequest:
    return pb.ReleaseKillSwitchRequest(name=name, reason=reason, **fields)


@pytest.mark.parametrize(
    "target", [{"everything": True}, {"namespace": "namespaces/data"}, {"agent": ANALYST}, {"tool": "warehouse.query"}]
)
async def test_what_is_stopped_is_denied_from_the_next_decision_until_it_is_released(
    pdp: ServedPdp, target: dict[str, Any]
) -> None:
    switch = await engage(pdp, **target)
    answer = await pdp.check(tool="warehouse.query")
    assert (answer.effect, answer.reason) == (decision_pb2.EFFECT_DENY, decision_pb2.DECISION_REASON_KILLED)
    assert "it misbehaves" in answer.message
    await pdp.switches().ReleaseKillSwitch(release(switch.name))
    assert (await pdp.check(tool="warehouse.query")).effect == decision_pb2.EFFECT_ALLOW


async def test_a_switch_tells_who_engaged_it_and_when(pdp: ServedPdp) -> None:
    switch = await engage(pdp, agent=ANALYST)
    assert (switch.actor, switch.create_time.ToMilliseconds()) == ("dev:operator", pdp.clock.now())
    assert switch.target == pb.KillTarget(agent=ANALYST)


@pytest.mark.parametrize("said", ["delegations/grant-1", "grant-1"])
async def test_a_delegation_is_stopped_by_an_administrator_by_either_of_its_names(pdp: ServedPdp, said: str) -> None:
    switch = await engage(pdp, chain=said)
    assert switch.target == pb.KillTarget(chain="grant-1")
    assert [
        one.target.chain for one in (await pdp.switches().ListKillSwitches(pb.ListKillSwitchesRequest())).kill_switches
    ]
    assert (await refusal(engage(pdp, chain="grant-1"))).reason == "KILL_SWITCH_ALREADY_ENGAGED"
    assert (await refusal(engage(pdp, OWNER, chain="grant-2"))).reason == "NOT_PERMITTED"
    assert (await refusal(engage(pdp, chain="no blanks"))).reason == "INVALID_REQUEST"


async def test_a_switch_survives_a_restart(tmp_path: Path) -> None:
    async with served_pdp(tmp_path) as first:
        await first.push()
        await engage(first, agent=ANALYST)
    async with served_pdp(tmp_path) as second:
        assert (await second.check()).reason == decision_pb2.DECISION_REASON_KILLED


async def test_one_target_is_stopped_once(pdp: ServedPdp) -> None:
    switch = await engage(pdp, agent=ANALYST)
    refused = await refusal(engage(pdp, agent=ANALYST))
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "KILL_SWITCH_ALREADY_ENGAGED")
    assert refused.metadata["name"] == switch.name


async def test_a_repeated_engagement_is_one_and_another_under_its_id_is_refused(pdp: ServedPdp) -> None:
    first = await engage(pdp, agent=ANALYST, request_id=REQUEST_ID)
    assert await engage(pdp, agent=ANALYST, request_id=REQUEST_ID) == first
    refused = await refusal(engage(pdp, tool="a", request_id=REQUEST_ID))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


async def test_a_repeated_release_is_one(pdp: ServedPdp) -> None:
    switch = await engage(pdp, agent=ANALYST)
    for _ in range(2):
        await pdp.switches().ReleaseKillSwitch(release(switch.name, request_id=REQUEST_ID))
    refused = await refusal(pdp.switches().ReleaseKillSwitch(release(switch.name)))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "KILL_SWITCH_NOT_FOUND")


# Who may


async def test_an_owner_stops_what_lies_in_its_namespaces(pdp: ServedPdp) -> None:
    for target in ({"agent": ANALYST}, {"namespace": "namespaces/data"}):
        switch = await engage(pdp, OWNER, **target)
        await pdp.switches(OWNER).ReleaseKillSwitch(release(switch.name))


@pytest.mark.parametrize(
    "target",
    [
        {"everything": True},
        {"tool": "a"},
        {"namespace": "namespaces/finance"},
        {"agent": "namespaces/finance/agents/a"},
    ],
)
async def test_an_owner_stops_nothing_else_and_cannot_release_it(pdp: ServedPdp, target: dict[str, Any]) -> None:
    refused = await refusal(engage(pdp, OWNER, **target))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    switch = await engage(pdp, **target)
    hidden = await refusal(pdp.switches(OWNER).ReleaseKillSwitch(release(switch.name)))
    unknown = await refusal(pdp.switches(OWNER).ReleaseKillSwitch(release(NOBODYS)))
    assert hidden.reason == unknown.reason == "KILL_SWITCH_NOT_FOUND"


# Lists


async def names(pdp: ServedPdp, caller: Caller | None = None, *, size: int = 0) -> list[str]:
    stub = pdp.switches() if caller is None else pdp.switches(caller)
    found: list[str] = []
    request = pb.ListKillSwitchesRequest(page_size=size)
    while True:
        page = await stub.ListKillSwitches(request)
        found += [switch.name for switch in page.kill_switches]
        assert len(page.kill_switches) <= (size or 50)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_every_switch_is_listed_once_in_order_whatever_the_page_size(pdp: ServedPdp) -> None:
    engaged = [(await engage(pdp, tool=f"tool-{place}")).name for place in range(7)]
    for size in (0, 1, 3, 7, 1_000):
        assert await names(pdp, size=size) == sorted(engaged)


async def test_an_owner_sees_its_own_and_what_reaches_beyond_any(pdp: ServedPdp) -> None:
    own = await engage(pdp, agent=ANALYST)
    wide = await engage(pdp, tool="a")
    await engage(pdp, namespace="namespaces/finance")
    assert await names(pdp, OWNER) == sorted([own.name, wide.name])


async def test_a_page_token_is_its_callers_and_its_arguments_own(pdp: ServedPdp) -> None:
    for place in range(3):
        await engage(pdp, tool=f"tool-{place}")
    page = await pdp.switches().ListKillSwitches(pb.ListKillSwitchesRequest(page_size=1))
    token = page.next_page_token
    for stub, asked in (
        (pdp.switches(OWNER), pb.ListKillSwitchesRequest(page_size=1, page_token=token)),
        (pdp.switches(), pb.ListKillSwitchesRequest(page_size=1, page_token=token[:-2] + "AA")),
        (pdp.switches(), pb.ListKillSwitchesRequest(page_size=1, page_token="nonsense")),
    ):
        refused = await refusal(stub.ListKillSwitches(asked))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_a_negative_page_is_refused(pdp: ServedPdp) -> None:
    refused = await refusal(pdp.switches().ListKillSwitches(pb.ListKillSwitchesRequest(page_size=-1)))
    assert (refused.reason, set(refused.violations)) == ("INVALID_REQUEST", {"page_size"})


# Bad input


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.EngageKillSwitchRequest(), {"target", "reason"}),
        (stop(everything=False), {"target.everything"}),
        (stop(namespace="data"), {"target.namespace"}),
        (stop(namespace="namespaces/Data"), {"target.namespace"}),
        (stop(agent="analyst"), {"target.agent"}),
        (stop(tool=""), {"target.tool"}),
        (stop(tool="a b"), {"target.tool"}),
        (stop(reason="r" * 501, tool="a"), {"reason"}),
        (stop(tool="a", request_id="once"), {"request_id"}),
    ],
)
async def test_a_stop_that_is_none_is_refused_by_field(
    pdp: ServedPdp, request_: pb.EngageKillSwitchRequest, fields: set[str]
) -> None:
    refused = await refusal(pdp.switches().EngageKillSwitch(request_))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == fields


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.ReleaseKillSwitchRequest(), {"name", "reason"}),
        (release("killSwitches/1"), {"name"}),
        (release(NOBODYS, reason="r" * 501), {"reason"}),
        (release(NOBODYS, request_id="once"), {"request_id"}),
    ],
)
async def test_a_release_that_is_none_is_refused_by_field(
    pdp: ServedPdp, request_: pb.ReleaseKillSwitchRequest, fields: set[str]
) -> None:
    refused = await refusal(pdp.switches().ReleaseKillSwitch(request_))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == fields
