"""The stage of filters in the use case: whose word counts, who is asked, and what the log keeps."""

import json
from dataclasses import replace
from typing import Any

import pytest
from ringfence_kit.callers import Caller, Role
from ringfence_pdp.answer import Answer
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.facts import RegisteredTool
from ringfence_pdp.filters.finding import ArgumentType, Effects, Kind, Origin
from ringfence_pdp.filters.heard import NOBODY_OBJECTS
from ringfence_pdp.filters.remote import failed
from ringfence_pdp.masks import Masks
from ringfence_pdp.model import CheckRequest, Effect
from ringfence_pdp.reckoning import Unsettled
from ringfence_pdp.replay import Evidence, Outcome, read, replay
from ringfence_pdp.rollout.rollout import Mode, Rollout
from support.pdp.desk import ADMIN, Desk
from support.pdp.filtering import DANGEROUS, NOTABLE, PATTERNS, SUSPECT, Finds, filtering, filters, looking
from support.pdp.replays import logged_in
from support.pdp.world import ALLOW_ALL, ask, basis, bundle, facts_of, identity, policy, registered, tool

DID = identity().did
AGENT = Caller(principal=DID, roles=frozenset({Role.AGENT}), environment="prod")
GATEWAY = Caller(principal="gw", roles=frozenset({Role.GATEWAY}), agents=frozenset({DID}))

WHENCE = filters("{name: whence, use: origin}")
REMOTE = "{name: elsewhere, use: remote, classifier: guard}"
SECRET = "AKIAIOSFODNN7EXAMPLE"


def told(answer: Answer) -> str:
    return f"{answer.decision.effect.name} {answer.decision.reason.name}"


def logged(desk: Desk) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(desk.tray.items[-1][1])
    return document


# Origins


@pytest.mark.parametrize(
    ("caller", "origins", "expected"),
    [
        (GATEWAY, {"": Origin.TOOL_OUTPUT, "/body": Origin.USER}, "ALLOW"),
        (ADMIN, {"": Origin.TOOL_OUTPUT, "/body": Origin.AUTHOR}, "ALLOW"),
        (AGENT, {"": Origin.TOOL_OUTPUT, "/body": Origin.USER}, "REQUIRE_APPROVAL"),
        (AGENT, {"": Origin.TOOL_OUTPUT, "/body": Origin.UNKNOWN}, "REQUIRE_APPROVAL"),
        (AGENT, {"/body": Origin.AGENT}, "REQUIRE_APPROVAL"),
        (AGENT, {"/body": Origin.USER}, "ALLOW"),
    ],
)
async def test_an_agent_is_believed_where_it_restricts_itself(
    caller: Caller, origins: dict[str, Origin], expected: str
) -> None:
    desk = Desk()
    desk.let(filtering(WHENCE))
    answer = await desk.ask(ask("send_mail", did=DID, arguments={"body": "hello"}, origins=origins), caller)
    asked = answer.decision.effect.name
    assert asked == ("DENY" if expected == "REQUIRE_APPROVAL" else "ALLOW")  # nobody is there to approve
    explained, _ = await desk.decisions.sitting().explained(
        ask("send_mail", did=DID, arguments={"body": "hello"}, origins=origins), caller
    )
    assert explained.decision.effect.name == expected


async def test_people_decide_what_a_tool_wrote_and_their_yes_lets_it_through() -> None:
    desk = Desk()
    desk.let(filtering(WHENCE))
    request = ask("send_mail", arguments={"body": f"key {SECRET}"}, origins={"/body": Origin.TOOL_OUTPUT})
    answer = await desk.ask(request)
    ((question, shown, _),) = desk.people.heard
    assert (told(answer), question.min_approvals, shown.rules) == ("DENY APPROVALS_UNAVAILABLE", 1, ("guard/whence",))
    assert shown.why.endswith("what a tool returned would leave the mesh with send_mail (origin.mail at /body)")
    assert SECRET not in shown.arguments
    assert json.loads(shown.arguments) == {"body": "key [masked]"}
    assert [finding["id"] for finding in logged(desk)["findings"]] == ["origin.mail"]
    assert logged(desk)["judged"]["reason"] == "ORIGIN_UNTRUSTED"


# Classifiers elsewhere


def remote(*more: str, **made: Finds) -> Any:
    return filtering(filters(*more, REMOTE), **made)


async def test_a_classifier_elsewhere_is_asked_about_what_nothing_here_denies() -> None:
    desk = Desk()
    desk.let(remote(PATTERNS, patterns=Finds(NOTABLE)))
    desk.elsewhere.says["guard"] = []
    answer = await desk.ask(ask(arguments={"q": "x"}))
    assert (told(answer), answer.cache) == ("ALLOW ALLOWED", None)
    ((name, content),) = desk.elsewhere.asked
    assert (name, [argument.text for argument in content.arguments]) == ("guard", ["x"])
    assert [finding.id for finding in answer.decision.findings] == ["sql.comment"]


async def test_it_is_not_told_of_what_is_denied_without_it() -> None:
    desk = Desk()
    for compiled in (
        remote(PATTERNS, patterns=Finds(DANGEROUS)),
        looking(
            bundle(ALLOW_ALL, filters(REMOTE), policy("{name: n, match: {actions: ['*']}, effect: DENY}", name="n"))
        ),
    ):
        desk.let(compiled)
        assert desk.check().decision.effect is Effect.DENY
    assert desk.elsewhere.asked == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([DANGEROUS._replace(kind=Kind.REMOTE)], "DENY CONTENT_DANGEROUS"),
        ([failed("guard", "it is late")], "DENY FILTER_FAILED"),
        ([SUSPECT._replace(kind=Kind.REMOTE)], "DENY APPROVALS_UNAVAILABLE"),
        (None, "DENY FILTER_FAILED"),
    ],
)
async def test_what_it_says_or_does_not_say_lowers(said: Any, expected: str) -> None:
    desk = Desk()
    desk.let(remote())
    if said is not None:
        desk.elsewhere.says["guard"] = said
    assert told(await desk.ask()) == expected
    assert len(desk.elsewhere.asked) == 1


async def test_an_answer_nobody_waited_for_is_closed() -> None:
    desk = Desk()
    desk.let(remote())
    unsettled = desk.decisions.sitting().check(ask(), ADMIN, b"")
    assert isinstance(unsettled, Unsettled)
    assert told(unsettled.answer) == "DENY FILTER_FAILED"


async def test_explaining_asks_it_too_and_says_the_same() -> None:
    desk = Desk()
    desk.let(remote())
    desk.elsewhere.says["guard"] = [DANGEROUS._replace(kind=Kind.REMOTE)]
    answer, explanation = await desk.decisions.sitting().explained(ask(), ADMIN)
    assert told(answer) == told(await desk.ask()) == "DENY CONTENT_DANGEROUS"
    assert explanation.decision.findings == answer.decision.findings
    unasked, _ = desk.decisions.sitting().explain(ask(), ADMIN)
    assert told(unasked) == "DENY FILTER_FAILED"


async def test_a_limit_and_people_come_after_it() -> None:
    desk = Desk()
    limited = (
        "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: l}\nspec:\n  limits: [{rate: 1/1m, per: agent}]\n"
    )
    desk.let(looking(bundle(ALLOW_ALL, filters(REMOTE), limited)))
    desk.elsewhere.says["guard"] = []
    assert [told(await desk.ask()) for _ in range(2)] == ["ALLOW ALLOWED", "DENY RATE_LIMITED"]
    desk.elsewhere.says["guard"] = [SUSPECT]
    assert told(await desk.ask()) == "DENY RATE_LIMITED"
    assert desk.people.heard == []


async def test_what_it_said_is_in_the_log_and_is_decided_on_again() -> None:
    desk = Desk()
    desk.let(remote())
    desk.elsewhere.says["guard"] = [DANGEROUS._replace(kind=Kind.REMOTE, frame={"peer": "spiffe://m/guard"})]
    await desk.ask()
    (said,) = logged(desk)["input"]["classifiers"]
    assert (said["name"], said["findings"][0]["id"]) == ("guard", "sql.stacked-statement")
    assert said["findings"][0]["frame"] == {"peer": "spiffe://m/guard"}


# Using an answer again


async def test_an_answer_that_filters_had_a_say_in_is_good_for_the_same_content_only() -> None:
    desk = Desk()
    finds = Finds(NOTABLE, word="bad")
    desk.let(filtering(filters("{name: content, use: patterns, match: {actions: ['read_*']}}"), patterns=finds))
    looked = {"action.arguments", "action.arguments_digest", "action.argument_origins"}
    told_of = desk.check(ask(arguments={"q": "good"})).cache
    assert told_of is not None
    assert looked < set(told_of.vary_on)
    assert desk.check(ask(arguments={"q": "bad"})).cache is None
    unlooked = desk.check(ask("write_row")).cache
    assert unlooked is not None
    assert not looked & set(unlooked.vary_on)


def test_which_tools_could_be_called_is_said_without_asking_and_depends_on_what_is_sent() -> None:
    desk = Desk()
    filtered = "{name: content, use: patterns, match: {tools: [warehouse.query]}}"
    desk.let(filtering(filters(filtered, REMOTE), patterns=Finds(DANGEROUS, word="bad")))
    page = desk.decisions.tools(ask(), ADMIN, asked=lambda name: ask(tool=name), after="", size=10, show_denied=False)
    assert {one.name: (one.decision.effect, one.depends_on_arguments) for one in page.tools} == {
        "warehouse.export": (Effect.ALLOW, True),
        "warehouse.query": (Effect.ALLOW, True),
    }
    desk.let(filtering(filters(filtered), patterns=Finds()))
    page = desk.decisions.tools(ask(), ADMIN, asked=lambda name: ask(tool=name), after="", size=10, show_denied=False)
    assert [one.depends_on_arguments for one in page.tools] == [False, True]
    assert desk.elsewhere.asked == []


# Trials


async def test_a_shadow_is_judged_by_its_own_filters_and_asks_nobody() -> None:
    desk = Desk()
    candidate = looking(bundle(ALLOW_ALL, filters(PATTERNS, REMOTE)), patterns=Finds(DANGEROUS, word="bad"))
    rollout = Rollout(active="a", candidate="c", mode=Mode.SHADOW, revision=1)
    current = desk.policy.current
    desk.policy.current = replace(current, compiled=filtering(), candidate=candidate, rollout=rollout)
    answers = [await desk.ask(ask(arguments={"q": text})) for text in ("good", "bad")]
    assert [told(answer) for answer in answers] == ["ALLOW ALLOWED"] * 2
    assert [answer.would and answer.would.reason.name for answer in answers] == ["ALLOWED", "CONTENT_DANGEROUS"]
    assert [answer.decision.findings for answer in answers] == [(), ()]
    assert desk.elsewhere.asked == []


# The log


FILES = [
    PolicyFile(path="a.yaml", content=ALLOW_ALL.encode()),
    PolicyFile(path="b.yaml", content=filters("{name: whence, use: origin, actions: {medium: FLAG}}", REMOTE).encode()),
]
MAIL = tool("warehouse.query", external_sink=True, effects=Effects.IRREVERSIBLE)
ORIGINS = {"/body": Origin.TOOL_OUTPUT, "/añb": Origin.USER}


def replayed(request: CheckRequest, *, masks: tuple[str, ...] = (), **known: Any) -> tuple[Outcome, dict[str, Any]]:
    """What becomes of a decision that is decided again from the log alone."""
    facts = facts_of(identity(ring=1), registered(), tools=[known.pop("contract", MAIL)])
    on = basis(compile_files(FILES), facts=facts)
    *entries, body = logged_in(FILES, [request], on=on, masks=Masks.of(masks))
    evidence = Evidence()
    for entry in entries:
        evidence.take(read(entry) or {})
    return replay(body, evidence).outcome, json.loads(body)


def sent(**arguments: object) -> CheckRequest:
    said = {"guard": (NOTABLE._replace(kind=Kind.REMOTE),)}
    request = ask("send_mail", arguments=arguments, tool="warehouse.query", origins=ORIGINS)
    return request._replace(heard=request.heard._replace(said=said))


def test_a_decision_with_findings_is_replayed_to_the_same_bytes() -> None:
    outcome, document = replayed(sent(body="the minutes"))
    assert outcome is Outcome.SAME
    assert document["effect"] == "ALLOW"
    assert [(one["id"], one["action"]) for one in document["findings"]] == [
        ("origin.mail", "flag"),
        ("sql.comment", "flag"),
    ]
    assert document["input"]["argument_origins"] == [["/añb", "user"], ["/body", "tool_output"]]


def test_a_denial_that_no_classifier_was_asked_about_is_replayed_to_the_same_bytes() -> None:
    denying = filters("{name: strict, use: origin, actions: {high: DENY, medium: DENY}}", name="strict")
    files = [*FILES, PolicyFile(path="c.yaml", content=denying.encode())]
    request = sent(body="the minutes")._replace(heard=NOBODY_OBJECTS)
    on = basis(compile_files(files), facts=facts_of(identity(ring=1), registered(), tools=[MAIL]))
    *entries, body = logged_in(files, [request], on=on)
    evidence = Evidence()
    for entry in entries:
        evidence.take(read(entry) or {})
    document = json.loads(body)
    assert (document["reason"], document["rules"]) == ("ORIGIN_UNTRUSTED", ["strict/strict"])
    assert replay(body, evidence).outcome is Outcome.SAME


async def test_what_is_flagged_is_logged_however_few_allowed_calls_are() -> None:
    desk = Desk(allow_rate=0.0)
    desk.let(filtering(filters(PATTERNS), patterns=Finds(NOTABLE, word="bad")))
    for text in ("good", "bad"):
        assert desk.check(ask(arguments={"q": text})).decision.effect is Effect.ALLOW
    ((_, body),) = desk.tray.items
    assert [one["id"] for one in json.loads(body)["findings"]] == ["sql.comment"]


async def test_a_secret_in_the_name_of_a_member_is_no_place_to_tell_of() -> None:
    desk = Desk()
    desk.let(filtering(filters(PATTERNS), patterns=Finds(DANGEROUS._replace(argument=f"/{SECRET}/x"))))
    answer = desk.check(ask(arguments={SECRET: {"x": "bad"}}))
    assert "at /[masked]/x" in answer.decision.verdict.message
    assert SECRET not in json.dumps(logged(desk))


def test_what_the_operator_masks_is_neither_in_arguments_nor_in_findings() -> None:
    outcome, document = replayed(sent(body="the minutes", query="hidden words"), masks=("arguments.query",))
    assert (outcome, document["left_out"]) == (Outcome.INEXACT, ["arguments.query"])
    (remote_finding,) = [one for one in document["findings"] if one["argument"] == "/query"]
    assert remote_finding["snippet"] == "(masked)"
    assert "message" not in remote_finding
    assert "hidden" not in json.dumps(document)
    assert document["input"]["classifiers"][0]["findings"][0]["snippet"] == "(masked)"


def test_secrets_in_what_filters_found_something_in_do_not_enter_the_log() -> None:
    outcome, document = replayed(sent(body=f"use {SECRET}", more=[{SECRET: "x"}, f"password={SECRET}"]))
    assert SECRET not in json.dumps(document)
    assert document["input"]["arguments"]["body"] == "use [masked]"
    assert document["left_out"][0] == "arguments.body"
    assert outcome is Outcome.INEXACT


@pytest.mark.parametrize("pointer", ["/body/key", "/body/*"])
def test_what_a_tool_says_is_a_secret_does_not_enter_the_log(pointer: str) -> None:
    contract: RegisteredTool = tool("warehouse.query", argument_types={pointer: ArgumentType.SECRET})
    _, document = replayed(sent(body={"key": "correct horse"}), contract=contract)
    assert document["input"]["arguments"] == {"body": {"key": "(masked)"}}
    assert document["left_out"] == ["arguments.body.key"]
