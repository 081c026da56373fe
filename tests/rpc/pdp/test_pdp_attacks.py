"""What somebody might try to be allowed what nobody allows; each over the wire, on a running pdp."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from grpc_health.v1.health_pb2 import HealthCheckResponse
from ringfence.identity.v1 import identity_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.feeds import HEARTBEAT
from ringfence_pdp.facts import TOKEN_TTL
from support.pdp.served import ANALYST, ANALYST_DID, POLICY, ServedPdp, agent, identity, question, served_pdp, stop
from support.postgres import empty_database
from support.wire import refusal

OPEN = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: open}
spec:
  rules:
    - {name: trusted, match: {actions: ["*"]}, effect: ALLOW, when: "agent.ring <= 1 && environment == 'dev'"}
    - {name: forbidden, match: {actions: ["delete_*"]}, effect: DENY}
"""


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


def denied(answer: pb.CheckResponse) -> "pb.DecisionReason.ValueType":
    assert answer.effect == pb.EFFECT_DENY
    return answer.reason


FORGED: dict[str, Any] = {
    "ring": 0,
    "trust": 1_000,
    "environment": "dev",
    "agent": {"ring": 0, "trust": 1_000, "name": "namespaces/data/agents/admin"},
    "action": {"name": "read_table"},
}


async def test_nothing_in_a_request_stands_in_for_a_fact(pdp: ServedPdp) -> None:
    await pdp.push(OPEN)
    answer = await pdp.check(arguments=FORGED, context=FORGED, labels={"agent.ring": "0", "ring": "0"})
    assert denied(answer) == pb.DECISION_REASON_NO_MATCH
    assert answer.effective_ring == 2


async def test_context_does_not_replace_the_action(pdp: ServedPdp) -> None:
    pdp.around.identity.agents.say(identity(pdp.clock, points=750, ring=1))
    await pdp.knows(lambda answer: answer.facts.identity_revision == 2)
    await pdp.push(OPEN)
    answer = await pdp.check(action="delete_table", context=FORGED, arguments=FORGED)
    assert (denied(answer), list(answer.rules)) == (pb.DECISION_REASON_RULE_DENIED, ["open/forbidden"])


@pytest.mark.parametrize(
    "action",
    ["Delete_table", "DELETE_TABLE", "delete_table ", " delete_table", "dele\u200bte_table", "d\u0435lete_table"],
)
async def test_another_spelling_of_a_denied_action_is_no_action(pdp: ServedPdp, action: str) -> None:
    assert (await refusal(pdp.check(action=action))).reason == "INVALID_REQUEST"


async def test_two_keys_of_one_name_are_one_argument(pdp: ServedPdp) -> None:
    """On the wire a map's key can be sent twice. The last holds, and it is the one that every reader sees."""
    struct, other = Struct(), Struct()
    struct["rows"], other["rows"] = 1, 10**9
    await pdp.push(POLICY.replace(b"resource.labels.secret == 'yes'", b"args.rows > 100"))
    request = question()
    request.action.arguments.CopyFrom(struct)
    body = request.SerializeToString()
    # A second `arguments`, merged into the first by every protobuf parser.
    body += pb.CheckRequest(action=pb.Action(arguments=other)).SerializeToString()
    check: Any = pdp.channel().unary_unary("/ringfence.pdp.v1.DecisionService/Check")
    answer = pb.CheckResponse.FromString(await check(body))
    assert denied(answer) == pb.DECISION_REASON_RULE_DENIED


async def test_an_agent_of_another_environment_gets_nowhere(pdp: ServedPdp) -> None:
    answer = await pdp.check(name="", did=ANALYST_DID, environment="prod")
    assert denied(answer) == pb.DECISION_REASON_ENVIRONMENT_MISMATCH


async def test_somebody_elses_name_beside_ones_own_did_is_a_contradiction(pdp: ServedPdp) -> None:
    other = "namespaces/data/agents/admin"
    pdp.around.identity.agents.say(identity(pdp.clock, agent=other, did="did:webvh:QmAdmin:x", ring=1, points=800))
    pdp.around.registry.agents.say(agent(name=other))
    await pdp.knows(lambda answer: (answer.facts.identity_revision, answer.facts.registry_revision) == (2, 2))
    answer = await pdp.check(name=other, did=ANALYST_DID)
    assert denied(answer) == pb.DECISION_REASON_REQUEST_INVALID


async def test_an_agent_cannot_ask_in_anothers_name(pdp: ServedPdp) -> None:
    itself = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")
    other = "namespaces/data/agents/admin"
    assert (await refusal(pdp.check(itself, name=other))).reason == "NOT_PERMITTED"
    assert (await refusal(pdp.check(itself, name=ANALYST, did="did:webvh:QmAdmin:x"))).reason == "NOT_PERMITTED"
    answer = await pdp.check(itself, name=other, did=ANALYST_DID)
    assert denied(answer) == pb.DECISION_REASON_REQUEST_INVALID


async def test_a_tool_with_another_schema_is_another_tool(pdp: ServedPdp) -> None:
    approved = identity_pb2.ApprovedTool(name="warehouse.query", schema_hash=f"sha256-{'a' * 64}")
    birth = identity_pb2.BirthCertificateContent(ring_ceiling=1, approved_tools=[approved])
    pdp.around.identity.agents.say(identity(pdp.clock, birth_certificate=birth))
    await pdp.knows(lambda answer: answer.facts.identity_revision == 2)
    request = question(tool="warehouse.query")
    request.action.tool_schema_hash = f"sha256-{'b' * 64}"
    assert denied(await pdp.decisions().Check(request)) == pb.DECISION_REASON_TOOL_NOT_APPROVED
    request.action.tool_schema_hash = approved.schema_hash
    assert (await pdp.decisions().Check(request)).effect == pb.EFFECT_ALLOW


# Feeds that fall silent, and clocks that are set back


async def silence(pdp: ServedPdp, length: Millis) -> None:
    """Let time pass in which nobody says anything; each step is seen by whoever sleeps."""
    for _ in range(length // HEARTBEAT):
        pdp.clock.advance(HEARTBEAT)
        await pdp.check()


async def test_a_stale_snapshot_trusts_nobody_more_than_others_and_then_nobody(pdp: ServedPdp) -> None:
    pdp.around.identity.agents.say(identity(pdp.clock, points=800, ring=1))
    await pdp.knows(lambda answer: answer.facts.identity_revision == 2)
    assert (await pdp.check()).effective_ring == 1
    await silence(pdp, Millis(20_000))
    answer = await pdp.check(action="write_table")
    assert (denied(answer), answer.effective_ring) == (pb.DECISION_REASON_RING_INSUFFICIENT, 3)
    await pdp.until(HealthCheckResponse.NOT_SERVING)
    await silence(pdp, TOKEN_TTL)
    assert denied(await pdp.check()) == pb.DECISION_REASON_FACTS_STALE


async def test_a_clock_set_back_makes_no_silence_shorter(pdp: ServedPdp) -> None:
    # Heartbeats slept are counted without the clock, to the last whole one.
    await silence(pdp, Millis(TOKEN_TTL + HEARTBEAT))
    pdp.clock.set(Instant(pdp.clock.now() - 2 * DAY))
    answer = await pdp.check()
    assert denied(answer) == pb.DECISION_REASON_FACTS_STALE


async def test_a_clock_set_back_raises_no_score(pdp: ServedPdp) -> None:
    before = await pdp.check()
    pdp.clock.set(Instant(pdp.clock.now() - 30 * DAY))
    after = await pdp.check()
    assert after.trust_score <= before.trust_score
    assert after.effective_ring >= before.effective_ring


async def test_a_silent_registry_serves_whom_it_named_and_nobody_else(pdp: ServedPdp) -> None:
    for _ in range(100):
        pdp.clock.advance(HEARTBEAT)
        pdp.around.identity.agents.beat()
        pdp.around.identity.revocations.beat()
        # Not merely called: identity's heartbeat has to arrive before the next one is due.
        await pdp.knows(lambda answer: answer.reason != pb.DECISION_REASON_FACTS_STALE)
    assert (await pdp.check()).effect == pb.EFFECT_ALLOW
    assert denied(await pdp.check(name="namespaces/data/agents/new")) == pb.DECISION_REASON_AGENT_UNKNOWN


# The log


async def test_telemetry_that_is_away_loses_no_decision(pdp: ServedPdp) -> None:
    pdp.around.telemetry.failure = Unavailable(problem="it is away")
    answers = [await pdp.check() for _ in range(5)]
    assert not pdp.around.telemetry.entries
    pdp.around.telemetry.failure = None
    for answer in answers:
        pdp.clock.advance(Millis(120_000))
        await pdp.around.telemetry.logged(answer.decision_id)
    entries = [json.loads(body) for body in pdp.around.telemetry.entries.values()]
    assert [entry["decision_id"] for entry in entries if entry["type"] == "decision"] == [
        answer.decision_id for answer in answers
    ]
    # What they stood on is told first, and once.
    facts = [entry["address"] for entry in entries if entry["type"] == "fact"]
    assert [entry["type"] for entry in entries[: len(facts)]] == ["fact"] * len(facts)
    assert len(set(facts)) == len(facts)


# Several pdps on one store


async def test_a_pdp_that_missed_a_stop_still_hears_of_it(tmp_path: Path, postgres_url: str) -> None:
    """As two processes on one PostgreSQL have it; the switch is thrown at the other one."""
    async with AsyncExitStack() as stack:
        database = stack.enter_context(empty_database(postgres_url))
        thrown_at = await stack.enter_async_context(served_pdp(tmp_path / "a", database=database))
        other = await stack.enter_async_context(served_pdp(tmp_path / "b", database=database))
        await thrown_at.push()
        await other.knows(lambda answer: answer.effect == pb.EFFECT_ALLOW)
        await thrown_at.switches().EngageKillSwitch(stop(agent=ANALYST))
        await other.knows(lambda answer: answer.reason == pb.DECISION_REASON_KILLED)
