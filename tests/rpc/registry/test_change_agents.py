"""UpdateAgent and RetireAgent over gRPC."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.clock import HOUR
from support.registry.agents import CARD
from support.registry.served import FINANCE_OWNER, LEDGER, REQUEST_ID, ServedRegistry, agent_message, served_registry
from support.serving import SERVICE
from support.wire import refusal

NEW_CARD = CARD.replace(b"1.0.0", b"2.0.0")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        yield served


def update(*paths: str, name: str = LEDGER, card: bytes = b"", **said: Any) -> pb.UpdateAgentRequest:
    beside = {key: said.pop(key) for key in ("etag", "request_id", "validate_only") if key in said}
    mask = FieldMask(paths=paths) if paths else None
    return pb.UpdateAgentRequest(agent=pb.Agent(name=name, **said), update_mask=mask, card=card, **beside)


async def test_a_mask_says_what_changes(registry: ServedRegistry) -> None:
    before = await registry.register(agent=agent_message(team="finance", labels={"tier": "gold"}))
    registry.clock.advance(HOUR)
    answer = await registry.stub().UpdateAgent(
        update("team", "owner.contact", team="", purpose="not in the mask", owner=pb.Owner(contact="grace@example.com"))
    )
    after = answer.agent
    assert (after.team, after.owner.contact, after.owner.display_name) == ("", "grace@example.com", "Ada Example")
    assert (after.purpose, after.labels) == (before.purpose, before.labels)
    assert after.etag != before.etag
    assert after.update_time.ToMilliseconds() == before.update_time.ToMilliseconds() + HOUR
    assert (await registry.stub().GetAgent(pb.GetAgentRequest(name=LEDGER))).agent == after


async def test_without_a_mask_what_is_populated_changes(registry: ServedRegistry) -> None:
    before = await registry.register(agent=agent_message(team="finance"))
    after = (
        await registry.stub().UpdateAgent(update(on_call="call Ada", environments=["staging"], card=NEW_CARD))
    ).agent
    assert (after.on_call, list(after.environments), after.card.version) == ("call Ada", ["staging"], "2.0.0")
    assert (after.team, after.purpose, after.owner) == (before.team, before.purpose, before.owner)


async def test_a_star_replaces_everything_that_can_be_set(registry: ServedRegistry) -> None:
    await registry.register(agent=agent_message(team="finance", labels={"tier": "gold"}, did="did:web:a"))
    said = {field.name: value for field, value in agent_message(display_name="New").ListFields()}
    after = (await registry.stub().UpdateAgent(update("*", **said))).agent
    assert (after.team, dict(after.labels), after.did, after.display_name) == ("", {}, "", "New")
    assert after.card.version == "1.0.0"
    refused = await refusal(registry.stub().UpdateAgent(update("*", purpose="only this")))
    assert set(refused.violations) == {
        *("agent.owner.display_name", "agent.owner.contact", "agent.risk_tier", "agent.environments"),
    }


async def test_an_agent_as_it_was_read_can_be_sent_back(registry: ServedRegistry) -> None:
    agent = await registry.register()
    agent.team = "finance"
    after = (await registry.stub().UpdateAgent(pb.UpdateAgentRequest(agent=agent))).agent
    assert after.team == "finance"
    refused = await refusal(registry.stub().UpdateAgent(pb.UpdateAgentRequest(agent=agent)))
    assert (refused.code, refused.reason) == ("ABORTED", "ETAG_MISMATCH")


async def test_a_new_card_replaces_the_old_one(registry: ServedRegistry) -> None:
    await registry.register()
    await registry.stub().UpdateAgent(update("card", card=NEW_CARD))
    assert (await registry.stub().GetCard(pb.GetCardRequest(name=LEDGER))).card == NEW_CARD
    for card in (b"", b"{}", b"\xff"):
        refused = await refusal(registry.stub().UpdateAgent(update("card", card=card)))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "CARD_INVALID")
    assert (await registry.stub().GetCard(pb.GetCardRequest(name=LEDGER))).card == NEW_CARD


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (update("team", name=""), {"agent.name"}),
        (update("team", name="ledger"), {"agent.name"}),
        (pb.UpdateAgentRequest(update_mask=FieldMask(paths=["team"])), {"agent.name"}),
        (update(), {"update_mask"}),
        (update(etag="17"), {"etag", "update_mask"}),
        (update("state"), {"update_mask.paths[0]"}),
        (update("team", "uid", "nothing.like.it"), {"update_mask.paths[1]", "update_mask.paths[2]"}),
        (update("team", "*"), {"update_mask.paths[1]"}),
        (update(""), {"update_mask.paths[0]"}),
        (update("labels.tier"), {"update_mask.paths[0]"}),
        (update("purpose"), {"agent.purpose"}),
        (update("owner"), {"agent.owner.display_name", "agent.owner.contact"}),
        (update("risk_tier", risk_tier=77), {"agent.risk_tier"}),
        (update("environments"), {"agent.environments"}),
        (update("team", etag='W/"1"'), {"etag"}),
        (update("team", etag="1-abc"), {"etag"}),
        (update("team", request_id="once"), {"request_id"}),
    ],
)
async def test_an_update_that_breaks_a_rule_names_the_field(
    registry: ServedRegistry, request_: pb.UpdateAgentRequest, fields: set[str]
) -> None:
    await registry.register()
    refused = await refusal(registry.stub().UpdateAgent(request_))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == fields
    assert (await registry.stub().ListAgents(pb.ListAgentsRequest(parent="namespaces/-"))).revision == 1


async def test_of_two_who_read_the_same_state_one_wins(registry: ServedRegistry) -> None:
    etag = (await registry.register()).etag

    async def attempt(team: str) -> str:
        try:
            return (await registry.stub().UpdateAgent(update("team", team=team, etag=etag))).agent.team
        except grpc.aio.AioRpcError as error:
            return error.code().name

    outcomes = sorted(await asyncio.gather(*(attempt(f"team-{number}") for number in range(8))))
    assert outcomes[:7] == ["ABORTED"] * 7
    assert outcomes[7].startswith("team-")


async def test_a_repeated_update_is_made_once(registry: ServedRegistry) -> None:
    await registry.register()
    request = update("team", team="first", request_id=REQUEST_ID)
    first = await registry.stub().UpdateAgent(request)
    await registry.stub().UpdateAgent(update("team", team="second"))
    assert await registry.stub().UpdateAgent(request) == first
    assert (await registry.stub().GetAgent(pb.GetAgentRequest(name=LEDGER))).agent.team == "second"
    refused = await refusal(registry.stub().UpdateAgent(update("team", team="third", request_id=REQUEST_ID)))
    assert refused.reason == "REQUEST_ID_REUSED"


async def test_a_rehearsed_update_changes_nothing(registry: ServedRegistry) -> None:
    before = await registry.register()
    rehearsed = (await registry.stub().UpdateAgent(update("team", team="x", validate_only=True))).agent
    assert (rehearsed.team, rehearsed.etag, rehearsed.uid) == ("x", "", before.uid)
    assert (await registry.stub().GetAgent(pb.GetAgentRequest(name=LEDGER))).agent == before


async def test_retirement_is_for_good_and_readable(registry: ServedRegistry) -> None:
    before = await registry.register()
    retired = (await registry.stub().RetireAgent(pb.RetireAgentRequest(name=LEDGER, etag=before.etag))).agent
    assert retired.state == pb.AGENT_STATE_RETIRED
    assert retired.HasField("retire_time")
    assert (await registry.stub().GetAgent(pb.GetAgentRequest(name=LEDGER))).agent == retired
    assert (await registry.stub().GetCard(pb.GetCardRequest(name=LEDGER))).card == CARD
    for call in (
        registry.stub().RetireAgent(pb.RetireAgentRequest(name=LEDGER)),
        registry.stub().UpdateAgent(update("team", team="x")),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_RETIRED")


async def test_a_repeated_retirement_gets_the_first_answer(registry: ServedRegistry) -> None:
    await registry.register()
    request = pb.RetireAgentRequest(name=LEDGER, request_id=REQUEST_ID)
    assert await registry.stub().RetireAgent(request) == await registry.stub().RetireAgent(request)


@pytest.mark.parametrize(
    ("said", "field"),
    [({"name": ""}, "name"), ({"name": "x"}, "name"), ({"etag": "x"}, "etag"), ({"request_id": "x"}, "request_id")],
)
async def test_a_retirement_that_breaks_a_rule_names_the_field(
    registry: ServedRegistry, said: dict[str, str], field: str
) -> None:
    refused = await refusal(registry.stub().RetireAgent(pb.RetireAgentRequest(**{"name": LEDGER, **said})))
    assert (refused.code, refused.reason, list(refused.violations)) == ("INVALID_ARGUMENT", "INVALID_REQUEST", [field])


async def test_changes_of_an_agent_nobody_registered(registry: ServedRegistry) -> None:
    for call in (
        registry.stub().RetireAgent(pb.RetireAgentRequest(name=LEDGER)),
        registry.stub().UpdateAgent(update("team", team="x")),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason, refused.metadata) == ("NOT_FOUND", "AGENT_NOT_FOUND", {"name": LEDGER})


async def test_who_may_not_change_an_agent_learns_nothing_about_it(registry: ServedRegistry) -> None:
    await registry.register("there", parent="namespaces/travel")
    told = set()
    for agent in ("there", "nobody"):
        name = f"namespaces/travel/agents/{agent}"
        for caller in (FINANCE_OWNER, SERVICE):
            for call in (
                registry.stub(caller).RetireAgent(pb.RetireAgentRequest(name=name, etag='"1-x"')),
                registry.stub(caller).UpdateAgent(update("team", name=name, etag='"1-x"')),
            ):
                refused = await refusal(call)
                assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
                told.add((caller.principal, refused.message.replace(agent, "…")))
    assert len(told) == 3  # one sentence from the grants table per method, one for the foreign namespace
