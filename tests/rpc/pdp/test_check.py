"""Check, BatchCheck and Explain over the wire: what is answered, what is logged, what is refused and how."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from ringfence.identity.v1 import identity_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.registry.v1 import registry_pb2
from ringfence_kit.callers import Caller, Role
from support.pdp.served import (
    ANALYST,
    ANALYST_DID,
    ServedPdp,
    agent,
    identity,
    question,
    served_pdp,
    stop,
)
from support.wire import refusal

ITSELF = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")
GATEWAY = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))
UNBOUND = Caller(principal="gateway-2", roles=frozenset({Role.GATEWAY}))
STRANGER = Caller(principal="did:webvh:QmOther:x:agents:QmOther", roles=frozenset({Role.AGENT}), environment="dev")


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


async def test_a_permitted_action_is_allowed_with_everything_it_stands_on(pdp: ServedPdp) -> None:
    answer = await pdp.check()
    assert (answer.effect, answer.reason) == (pb.EFFECT_ALLOW, pb.DECISION_REASON_ALLOWED)
    assert (answer.effective_ring, answer.trust_score) == (2, 500)
    assert list(answer.rules) == ["house/read"]
    assert answer.bundle_digest.startswith("sha256-")
    assert (answer.facts.identity_revision, answer.facts.registry_revision, answer.facts.policy_revision) == (1, 1, 2)
    assert answer.decide_time.ToMilliseconds() == pdp.clock.now()


async def test_a_denial_is_an_answer_with_its_authors_reason(pdp: ServedPdp) -> None:
    answer = await pdp.check(labels={"secret": "yes"})
    assert (answer.effect, answer.reason) == (pb.EFFECT_DENY, pb.DECISION_REASON_RULE_DENIED)
    assert (answer.rule_reason, list(answer.rules)) == ("SECRET", ["house/secret"])
    assert "rule house/secret denies it (SECRET)" in answer.message


async def test_an_approval_says_how_many_of_whom_and_how_long(pdp: ServedPdp) -> None:
    answer = await pdp.check(action="delete_table")
    assert (answer.effect, answer.reason) == (pb.EFFECT_REQUIRE_APPROVAL, pb.DECISION_REASON_APPROVAL_REQUIRED)
    approval = answer.approval
    assert (approval.min_approvals, list(approval.approver_groups), approval.timeout_seconds) == (
        2,
        ["group:oncall"],
        1800,
    )


async def test_an_unknown_agent_has_no_ring_and_no_score(pdp: ServedPdp) -> None:
    answer = await pdp.check(name="namespaces/data/agents/nobody")
    assert (answer.reason, answer.effective_ring, answer.trust_score) == (pb.DECISION_REASON_AGENT_UNKNOWN, -1, -1)


async def test_a_decision_is_logged_with_its_question_and_without_what_is_masked(pdp: ServedPdp) -> None:
    arguments = {"rows": 3, "login": {"Password": "hunter2"}}
    answer = await pdp.check(arguments=arguments, session="s-1", trace_id=b"\x01" * 16)
    document = json.loads(await pdp.around.telemetry.logged(answer.decision_id))
    assert (document["effect"], document["agent"], document["did"]) == ("ALLOW", ANALYST, ANALYST_DID)
    asked = document["input"]
    assert (asked["session"], asked["trace_id"]) == ("s-1", "01" * 16)
    assert asked["arguments"] == {"rows": 3, "login": {"Password": "(masked)"}}
    assert document["left_out"] == ["arguments.login.Password"]
    assert "hunter2" not in json.dumps(document)


async def test_what_identity_says_reaches_the_next_decision(pdp: ServedPdp) -> None:
    pdp.around.identity.agents.say(identity(pdp.clock, status=identity_pb2.IDENTITY_STATUS_REVOKED))
    await pdp.knows(lambda answer: answer.facts.identity_revision == 2)
    assert (await pdp.check()).reason == pb.DECISION_REASON_AGENT_REVOKED


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (registry_pb2.AGENT_STATE_RETIRED, pb.DECISION_REASON_AGENT_RETIRED),
        (registry_pb2.AGENT_STATE_DRAFT, pb.DECISION_REASON_AGENT_NOT_SERVING),
        (registry_pb2.AGENT_STATE_PENDING_REVIEW, pb.DECISION_REASON_AGENT_NOT_SERVING),
        (registry_pb2.AGENT_STATE_SUSPENDED, pb.DECISION_REASON_AGENT_NOT_SERVING),
        (registry_pb2.AGENT_STATE_DEPRECATED, pb.DECISION_REASON_ALLOWED),
    ],
)
async def test_what_the_registry_says_reaches_the_next_decision(
    pdp: ServedPdp, state: registry_pb2.AgentState, reason: "pb.DecisionReason.ValueType"
) -> None:
    pdp.around.registry.agents.say(agent(state=state))
    await pdp.knows(lambda answer: answer.facts.registry_revision == 2)
    assert (await pdp.check()).reason == reason


@pytest.mark.parametrize(("name", "did"), [(ANALYST, ""), ("", ANALYST_DID), (ANALYST, ANALYST_DID)])
async def test_an_agent_is_named_by_did_or_name_or_both(pdp: ServedPdp, name: str, did: str) -> None:
    assert (await pdp.check(name=name, did=did)).effect == pb.EFFECT_ALLOW


# Who may ask


@pytest.mark.parametrize("caller", [ITSELF, GATEWAY], ids=["itself", "its gateway"])
@pytest.mark.parametrize(("name", "did"), [(ANALYST, ""), ("", ANALYST_DID)], ids=["by name", "by did"])
async def test_an_agent_and_its_gateway_may_ask_about_it_however_it_is_named(
    pdp: ServedPdp, caller: Caller, name: str, did: str
) -> None:
    assert (await pdp.check(caller, name=name, did=did)).effect == pb.EFFECT_ALLOW


@pytest.mark.parametrize("caller", [STRANGER, UNBOUND], ids=["another agent", "an unbound gateway"])
@pytest.mark.parametrize("name", [ANALYST, "namespaces/data/agents/nobody"], ids=["known", "unknown"])
async def test_nobody_else_may_and_learns_nothing_of_who_exists(pdp: ServedPdp, caller: Caller, name: str) -> None:
    refused = await refusal(pdp.check(caller, name=name))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    assert name in refused.metadata["action"]


async def test_an_auditor_may_ask_why_but_not_whether(pdp: ServedPdp) -> None:
    auditor = Caller(principal="ada", roles=frozenset({Role.AUDITOR}))
    assert (
        await pdp.decisions(auditor).Explain(pb.ExplainRequest(request=question()))
    ).response.effect == pb.EFFECT_ALLOW
    assert (await refusal(pdp.check(auditor))).reason == "NOT_PERMITTED"


async def test_an_agent_may_ask_why_about_itself_only(pdp: ServedPdp) -> None:
    asked = pb.ExplainRequest(request=question())
    assert (await pdp.decisions(ITSELF).Explain(asked)).stages
    assert (await refusal(pdp.decisions(STRANGER).Explain(asked))).reason == "NOT_PERMITTED"


# Bad input: every violation at once, each with its path


def broken(change: Callable[[pb.CheckRequest], object]) -> pb.CheckRequest:
    request = question()
    change(request)
    return request


def big(size: int) -> Struct:
    struct = Struct()
    struct["text"] = "x" * size
    return struct


def many(count: int) -> Struct:
    struct = Struct()
    struct.get_or_create_list("list").values.extend([Value()] * count)
    return struct


SPOILED: dict[str, tuple[Callable[[pb.CheckRequest], object], set[str]]] = {
    "nothing at all": (lambda r: r.Clear(), {"subject", "action.name", "environment"}),
    "no subject": (lambda r: r.ClearField("subject"), {"subject"}),
    "no action": (lambda r: r.ClearField("action"), {"action.name"}),
    "no environment": (lambda r: r.ClearField("environment"), {"environment"}),
    "an agent's name that is none": (lambda r: setattr(r.subject, "agent", "analyst"), {"subject.agent"}),
    "an agent's name in capitals": (lambda r: setattr(r.subject, "agent", ANALYST.upper()), {"subject.agent"}),
    "a DID that is none": (lambda r: setattr(r.subject, "did", "analyst"), {"subject.did"}),
    "a DID that is too long": (lambda r: setattr(r.subject, "did", "did:key:" + "z" * 600), {"subject.did"}),
    "an action in capitals": (lambda r: setattr(r.action, "name", "Read_table"), {"action.name"}),
    "an action that looks like one": (lambda r: setattr(r.action, "name", "r\u0435ad_table"), {"action.name"}),
    "an action that is too long": (lambda r: setattr(r.action, "name", "r" * 129), {"action.name"}),
    "an action that ends in a newline": (lambda r: setattr(r.action, "name", "read_table\n"), {"action.name"}),
    "a tool with a space": (lambda r: setattr(r.action, "tool", "warehouse query"), {"action.tool"}),
    "a hash that is none": (
        lambda r: r.action.MergeFrom(pb.Action(tool="a", tool_schema_hash="md5-1")),
        {"action.tool_schema_hash"},
    ),
    "a hash of no tool": (lambda r: setattr(r.action, "tool_schema_hash", f"sha256-{'0' * 64}"), {"action.tool"}),
    "side effects nobody knows": (lambda r: setattr(r.action, "side_effects", 99), {"action.side_effects"}),
    "a side nobody knows": (lambda r: setattr(r, "side", 99), {"side"}),
    "an environment that is none": (lambda r: setattr(r, "environment", "Prod!"), {"environment"}),
    "arguments that are too large": (lambda r: r.action.arguments.CopyFrom(big(70_000)), {"action.arguments"}),
    "arguments of too many values": (lambda r: r.action.arguments.CopyFrom(many(5_000)), {"action.arguments"}),
    "a context that is too large": (lambda r: r.context.CopyFrom(big(70_000)), {"context"}),
    "a context of too many values": (lambda r: r.context.CopyFrom(many(5_000)), {"context"}),
    "a resource's type that is too long": (lambda r: setattr(r.resource, "type", "t" * 129), {"resource.type"}),
    "a resource's id that is too long": (lambda r: setattr(r.resource, "id", "t" * 513), {"resource.id"}),
    "a data class that is too long": (lambda r: setattr(r.resource, "data_class", "t" * 64), {"resource.data_class"}),
    "too many labels": (
        lambda r: r.resource.labels.update({f"l{place}": "" for place in range(65)}),
        {"resource.labels"},
    ),
    "a label's key that is none": (lambda r: r.resource.labels.update({"": "x"}), {"resource.labels"}),
    "a session that is too long": (lambda r: setattr(r, "session", "s" * 257), {"session"}),
    "a trace id of 8 bytes": (lambda r: setattr(r, "trace_id", b"12345678"), {"trace_id"}),
}


@pytest.mark.parametrize("spoiled", sorted(SPOILED))
async def test_a_request_that_cannot_be_asked_is_refused_by_field(pdp: ServedPdp, spoiled: str) -> None:
    change, fields = SPOILED[spoiled]
    request = broken(change)
    refused = await refusal(pdp.decisions().Check(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert {field.split("[")[0] for field in refused.violations} == fields
    batched = await pdp.decisions().BatchCheck(pb.BatchCheckRequest(requests=[request, question()]))
    assert [result.WhichOneof("result") for result in batched.results] == ["error", "response"]
    explained = await refusal(pdp.decisions().Explain(pb.ExplainRequest(request=request)))
    assert (explained.code, explained.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert {field.split("[")[0] for field in explained.violations} == {f"request.{field}" for field in fields}


async def test_arguments_at_their_limits_are_taken(pdp: ServedPdp) -> None:
    request = question()
    request.action.arguments.CopyFrom(many(4_095))
    assert (await pdp.decisions().Check(request)).effect == pb.EFFECT_ALLOW


# Batches


async def test_a_batch_is_answered_in_order_with_errors_in_place(pdp: ServedPdp) -> None:
    asked = [question(), question(action="delete_table"), question(action="Bad"), question(environment="prod")]
    answer = await pdp.decisions().BatchCheck(pb.BatchCheckRequest(requests=asked))
    first, second, third, fourth = answer.results
    assert first.response.effect == pb.EFFECT_ALLOW
    assert second.response.effect == pb.EFFECT_REQUIRE_APPROVAL
    assert third.error.code == 3
    assert fourth.response.reason == pb.DECISION_REASON_AGENT_UNKNOWN


async def test_a_batch_is_what_its_items_are_alone_on_one_moment(pdp: ServedPdp) -> None:
    asked = [question(), question(labels={"secret": "yes"}), question(action="delete_table")]
    batched = (await pdp.decisions().BatchCheck(pb.BatchCheckRequest(requests=asked))).results
    for request, result in zip(asked, batched, strict=True):
        alone = await pdp.decisions().Check(request)
        assert result.response.decision_id != alone.decision_id
        alone.decision_id = result.response.decision_id
        assert result.response == alone
    assert (
        len({(result.response.decide_time.seconds, result.response.facts.policy_revision) for result in batched}) == 1
    )


async def test_an_item_about_somebody_elses_agent_is_an_error_in_place(pdp: ServedPdp) -> None:
    asked = [question(), question(name="namespaces/data/agents/other")]
    answer = await pdp.decisions(GATEWAY).BatchCheck(pb.BatchCheckRequest(requests=asked))
    assert answer.results[0].response.effect == pb.EFFECT_ALLOW
    assert answer.results[1].error.code == 7


@pytest.mark.parametrize("count", [0, 257])
async def test_a_batch_of_none_or_too_many_is_refused(pdp: ServedPdp, count: int) -> None:
    refused = await refusal(pdp.decisions().BatchCheck(pb.BatchCheckRequest(requests=[question()] * count)))
    assert (refused.code, refused.reason, set(refused.violations)) == (
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        {"requests"},
    )


async def test_a_batch_of_the_most_is_answered(pdp: ServedPdp) -> None:
    answer = await pdp.decisions().BatchCheck(pb.BatchCheckRequest(requests=[question()] * 256))
    assert {result.response.effect for result in answer.results} == {pb.EFFECT_ALLOW}


# Explaining


async def test_explaining_shows_every_stage_rule_and_clause(pdp: ServedPdp) -> None:
    asked = pb.ExplainRequest(request=question(action="write_table", labels={"secret": "yes"}))
    told = await pdp.decisions().Explain(asked)
    assert [stage.stage for stage in told.stages] == [
        "kill",
        "validity",
        "identity",
        "ring",
        "environment",
        "tools",
        "rules",
        "filters",
        "obligations",
        "limits",
        "approval",
    ]
    assert [(rule.rule, rule.result) for rule in told.rules] == [
        ("house/secret", pb.CONDITION_RESULT_TRUE),
        ("house/read", pb.CONDITION_RESULT_TRUE),
    ]
    (clause,) = told.rules[0].clauses
    assert (clause.expression, clause.result) == ("resource.labels.secret == 'yes'", pb.CONDITION_RESULT_TRUE)
    assert clause.detail == "resource.labels.secret is 'yes'"
    assert told.nearest_misses[0].startswith("rules: house/secret denies it because of")


async def test_explaining_answers_as_check_does_and_logs_nothing(pdp: ServedPdp) -> None:
    for request in (question(), question(action="delete_table"), question(name="namespaces/data/agents/nobody")):
        answered = await pdp.decisions().Check(request)
        told = (await pdp.decisions().Explain(pb.ExplainRequest(request=request))).response
        await pdp.around.telemetry.logged(answered.decision_id)
        assert told.decision_id not in pdp.around.telemetry.entries
        told.decision_id = answered.decision_id
        assert told == answered


async def test_a_stop_is_explained_like_any_denial(pdp: ServedPdp) -> None:
    await pdp.switches().EngageKillSwitch(stop(agent=ANALYST))
    told = await pdp.decisions().Explain(pb.ExplainRequest(request=question()))
    assert told.stages[0].reason == pb.DECISION_REASON_KILLED
    assert "it misbehaves" in told.nearest_misses[0]
