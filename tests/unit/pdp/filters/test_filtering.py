"""What policies make of what filters find: actions, the strictest of them, and what nothing can ignore."""

from dataclasses import replace
from typing import Any

import pytest
from ringfence_kit.clock import Millis
from ringfence_pdp.approvals.binding import arguments_digest
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.decide import decide
from ringfence_pdp.filters.engines import Broken, Engines
from ringfence_pdp.filters.filtering import FINDINGS_MAX
from ringfence_pdp.filters.finding import (
    Action,
    Argument,
    Content,
    Effects,
    Finding,
    Kind,
    Ngram,
    Origin,
    Severity,
)
from ringfence_pdp.filters.heard import NOBODY_OBJECTS, Heard
from ringfence_pdp.filters.origins import Origins
from ringfence_pdp.filters.remote import failed
from ringfence_pdp.model import Approval, CheckRequest, Decision, Effect, Reason, Stage
from support.pdp.filtering import (
    DANGEROUS,
    INTENT,
    NOTABLE,
    PATTERNS,
    SUSPECT,
    Finds,
    filtering,
    filters,
)
from support.pdp.world import ask, basis, facts_of, identity, policy, registered, tool


def decided(compiled: CompiledBundle, request: CheckRequest | None = None) -> Decision:
    return decide(basis(compiled), request or ask())


def answer(decision: Decision) -> str:
    return f"{decision.effect.name} {decision.reason.name}"


@pytest.mark.parametrize(
    ("written", "findings", "expected"),
    [
        ("use: patterns", [], "ALLOW ALLOWED"),
        ("use: patterns", [NOTABLE], "ALLOW ALLOWED"),
        ("use: patterns", [SUSPECT], "REQUIRE_APPROVAL CONTENT_SUSPECT"),
        ("use: patterns", [DANGEROUS], "DENY CONTENT_DANGEROUS"),
        ("use: patterns", [NOTABLE, SUSPECT, DANGEROUS], "DENY CONTENT_DANGEROUS"),
        ("use: patterns, actions: {high: REQUIRE_APPROVAL}", [DANGEROUS], "REQUIRE_APPROVAL CONTENT_SUSPECT"),
        ("use: patterns, actions: {high: FLAG, medium: FLAG}", [DANGEROUS, SUSPECT], "ALLOW ALLOWED"),
        ("use: patterns, actions: {low: DENY, medium: DENY}", [NOTABLE], "DENY CONTENT_DANGEROUS"),
        ("use: patterns, ignore: [sql.stacked-statement]", [DANGEROUS], "ALLOW ALLOWED"),
        ("use: patterns, ignore: ['category:injection']", [DANGEROUS, NOTABLE], "ALLOW ALLOWED"),
        ("use: patterns, ignore: ['category:injection']", [DANGEROUS, SUSPECT], "REQUIRE_APPROVAL CONTENT_SUSPECT"),
        ("use: patterns, match: {actions: ['write_*']}", [DANGEROUS], "ALLOW ALLOWED"),
        ("use: patterns, match: {tools: ['mail.*']}", [DANGEROUS], "ALLOW ALLOWED"),
    ],
)
def test_what_a_policy_makes_of_findings(written: str, findings: list[Finding], expected: str) -> None:
    compiled = filtering(filters(f"{{name: content, {written}}}"), patterns=Finds(*findings))
    assert answer(decided(compiled)) == expected


def test_the_answer_says_what_was_found_the_worst_first_with_what_is_made_of_it() -> None:
    decision = decided(filtering(filters(PATTERNS), patterns=Finds(NOTABLE, SUSPECT, DANGEROUS)))
    assert [(finding.id, finding.action) for finding in decision.findings] == [
        ("sql.stacked-statement", Action.DENY),
        ("shell.pipe", Action.REQUIRE_APPROVAL),
        ("sql.comment", Action.FLAG),
    ]
    verdict = decision.verdict
    assert (verdict.stage, verdict.rules) == (Stage.FILTERS, ("guard/content",))
    told = "filter guard/content denies it: two statements in one (sql.stacked-statement at /query)"
    assert verdict.message == told


def test_a_message_names_the_worst_few_and_never_what_stands_there() -> None:
    many = [DANGEROUS._replace(id=f"rule.{place}", snippet="hunter2") for place in range(20)]
    decision = decided(filtering(filters(PATTERNS), patterns=Finds(*many)))
    assert len(decision.findings) == FINDINGS_MAX
    assert decision.verdict.message.endswith("; and 17 more")
    assert "hunter2" not in decision.verdict.message


def test_what_is_only_flagged_is_told_though_the_call_goes_on() -> None:
    decision = decided(filtering(filters(PATTERNS), patterns=Finds(NOTABLE)))
    assert (answer(decision), [finding.id for finding in decision.findings]) == ("ALLOW ALLOWED", ["sql.comment"])
    assert decision.verdict.rules == ("p/all",)


def test_the_strictest_of_several_policies_wins_and_the_filter_looks_once() -> None:
    finds = Finds(DANGEROUS)
    lenient = filters("{name: content, use: patterns, actions: {high: FLAG, medium: FLAG}}", name="lenient")
    ignoring = filters("{name: content, use: patterns, ignore: [sql.stacked-statement]}", name="ignoring")
    assert answer(decided(filtering(lenient, ignoring, patterns=finds))) == "ALLOW ALLOWED"
    finds.looked.clear()
    decision = decided(filtering(lenient, ignoring, filters(PATTERNS, name="strict"), patterns=finds))
    assert (answer(decision), decision.verdict.rules) == ("DENY CONTENT_DANGEROUS", ("strict/content",))
    assert len(finds.looked) == 1


def test_a_filter_does_not_look_at_what_is_denied_already() -> None:
    finds = Finds(DANGEROUS)
    denying = policy("{name: no, match: {actions: ['*']}, effect: DENY}", name="no")
    decision = decided(filtering(filters(PATTERNS), denying, patterns=finds))
    assert (answer(decision), finds.looked, decision.findings) == ("DENY RULE_DENIED", [], ())


def test_approvals_of_a_rule_and_of_filters_become_one_that_satisfies_each() -> None:
    asking = policy(
        "{name: ask, match: {actions: ['*']}, effect: REQUIRE_APPROVAL, reason: BIG,"
        " approval: {min_approvals: 2, approvers: ['group:data'], timeout: 1h}}",
        name="ask",
    )
    security = filters("{name: content, use: patterns, approval: {approvers: ['group:security']}}")
    decision = decided(filtering(asking, security, patterns=Finds(SUSPECT)))
    assert decision.verdict.approval == Approval(
        min_approvals=2, approver_groups=("group:data", "group:security"), timeout=Millis(1_800_000)
    )
    assert decision.verdict.rules == ("ask/ask", "guard/content")
    assert (decision.reason, decision.verdict.rule_reason) == (Reason.CONTENT_SUSPECT, "BIG")


def test_what_is_asked_for_when_a_policy_says_nothing_is_one_person() -> None:
    decision = decided(filtering(filters(PATTERNS), patterns=Finds(SUSPECT)))
    assert decision.verdict.approval == Approval(min_approvals=1, approver_groups=(), timeout=Millis(1_800_000))


@pytest.mark.parametrize(
    ("on_error", "expected"),
    [
        ("", "DENY FILTER_FAILED"),
        ("on_error: REQUIRE_APPROVAL", "REQUIRE_APPROVAL FILTER_FAILED"),
        ("on_error: FLAG", "ALLOW ALLOWED"),
    ],
)
def test_a_filter_that_fails_does_what_on_error_says(on_error: str, expected: str) -> None:
    ignoring = "actions: {high: FLAG, medium: FLAG}, ignore: [patterns.failed]"
    written = f"{{name: content, use: patterns, {ignoring}, {on_error}}}"
    erring = filtering(filters(written), patterns=Finds(raising=lambda: RecursionError("SECRET in the stack")))
    decision = decided(erring)
    assert answer(decision) == expected
    (finding,) = decision.findings
    assert (finding.kind, finding.id) == (Kind.FAILURE, "patterns.failed")
    assert finding.message == "the filter patterns failed over this content (RecursionError)"


@pytest.mark.parametrize(
    ("on_error", "expected"),
    [
        ("", "REQUIRE_APPROVAL FILTER_FAILED"),
        ("on_error: REQUIRE_APPROVAL", "REQUIRE_APPROVAL FILTER_FAILED"),
        ("on_error: FLAG", "ALLOW ALLOWED"),
    ],
)
def test_people_are_asked_about_content_that_could_not_be_looked_through_to_its_end(
    on_error: str, expected: str
) -> None:
    deep: object = "x"
    for _ in range(70):
        deep = [deep]
    compiled = filtering(filters(f"{{name: content, use: patterns, {on_error}}}"), patterns=Finds())
    decision = decided(compiled, ask(arguments={"a": deep, "b": "seen"}))
    assert answer(decision) == expected
    assert "nested more than 64 deep" in decision.findings[0].message


def test_arguments_that_are_kept_back_are_content_nobody_looked_through() -> None:
    compiled = filtering(filters(PATTERNS), patterns=Finds())
    hidden = decided(compiled, ask(arguments_digest=arguments_digest({"q": "DROP TABLE"})))
    assert answer(hidden) == "DENY FILTER_FAILED"
    assert "the arguments were not sent, only their digest" in hidden.verdict.message
    for shown in (
        ask(arguments={"q": "x"}, arguments_digest=arguments_digest({"q": "x"})),
        ask(arguments_digest=arguments_digest({})),
    ):
        assert answer(decided(compiled, shown)) == "ALLOW ALLOWED"
    asking = filtering(filters("{name: f, use: patterns, on_error: REQUIRE_APPROVAL}"), patterns=Finds())
    assert answer(decided(asking, ask(arguments_digest=f"sha256-{'0' * 64}"))) == "REQUIRE_APPROVAL FILTER_FAILED"


def test_a_finding_beside_a_failure_gives_the_reason() -> None:
    several = Finds(failed("x", "y"), DANGEROUS)
    assert answer(decided(filtering(filters(PATTERNS), patterns=several))) == "DENY CONTENT_DANGEROUS"


def test_thresholds_of_a_policy_say_how_bad_what_is_rare_is() -> None:
    def with_thresholds(text: str) -> Decision:
        written = f"{{name: wants, use: intent, thresholds: {{{text}}}}}"
        return decided(filtering(filters(written), intent=Finds(INTENT, DANGEROUS._replace(severity=Severity.LOW))))

    assert answer(with_thresholds("high: 0.001")) == "REQUIRE_APPROVAL CONTENT_SUSPECT"
    assert answer(with_thresholds("high: 0.005")) == "DENY CONTENT_DANGEROUS"
    assert answer(with_thresholds("high: 0.0001, medium: 0.004")) == "ALLOW ALLOWED"
    # What is rarer than the lowest threshold is told; what is more common is not. Without a p-value nothing changes.
    told = with_thresholds("high: 0.0001, medium: 0.001, low: 0.002").findings
    assert [finding.id for finding in told] == ["sql.stacked-statement"]


def test_a_filter_that_cannot_be_made_closes_what_it_would_look_at_and_says_why() -> None:
    broken = Broken("intent", "the filter intent cannot be loaded: heads.npz is not what its hash says")
    compiled = filtering(filters("{name: wants, use: intent}"))
    decision = decided(replace(compiled, engines=Engines(made={"intent": broken})))
    assert answer(decision) == "DENY FILTER_FAILED"
    assert "heads.npz is not what its hash says" in decision.verdict.message
    assert Engines(made={"intent": broken}).problems() == [broken.problem]


REMOTE = filters("{name: elsewhere, use: remote, classifier: guard}")


def test_a_classifier_nobody_asked_did_not_say_that_all_is_well() -> None:
    assert answer(decided(filtering(REMOTE))) == "DENY FILTER_FAILED"
    assert answer(decided(filtering(REMOTE), ask(heard=NOBODY_OBJECTS))) == "ALLOW ALLOWED"


def test_what_a_classifier_elsewhere_said_only_raises() -> None:
    both = filters(PATTERNS, "{name: elsewhere, use: remote, classifier: guard}")
    said = DANGEROUS._replace(kind=Kind.REMOTE, id="remote.guard.exfiltration")
    quiet = ask(heard=Heard({"guard": ()}))
    assert answer(decided(filtering(both, patterns=Finds(SUSPECT)), quiet)) == "REQUIRE_APPROVAL CONTENT_SUSPECT"
    loud = ask(heard=Heard({"guard": (said,)}))
    assert answer(decided(filtering(both, patterns=Finds(SUSPECT)), loud)) == "DENY CONTENT_DANGEROUS"
    away = ask(heard=Heard({"guard": (failed("guard", "it is late"),)}))
    assert answer(decided(filtering(both, patterns=Finds()), away)) == "DENY FILTER_FAILED"


def test_texts_that_cannot_be_written_are_made_so() -> None:
    half = DANGEROUS._replace(
        snippet="a\ud800", argument="/\udfff", frame={"verb": "\ud83d"}, ngrams=(Ngram("\udc00", 0.5),)
    )
    (finding,) = decided(filtering(filters(PATTERNS), patterns=Finds(half))).findings
    assert (finding.snippet, finding.argument) == ("a?", "/?")
    assert (finding.frame, finding.ngrams) == ({"verb": "?"}, (Ngram("?", 0.5),))


POISONED = Argument("/body", "the quarterly numbers, as asked", origin=Origin.TOOL_OUTPUT)


def sending(*arguments: Argument, action: str = "send_mail", is_sink: bool = True) -> Content:
    return Content(arguments, action, "mail.send", is_sink=is_sink)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (sending(POISONED), ["origin.mail"]),
        (sending(POISONED, POISONED._replace(pointer="/cc", origin=Origin.AGENT)), ["origin.mail", "origin.mail"]),
        (sending(POISONED, POISONED), ["origin.mail"]),
        (sending(POISONED, action="pay_invoice"), ["origin.payment"]),
        (Content((POISONED,), "do", "x.y", is_sink=True), ["origin.external"]),
        (sending(POISONED, is_sink=False), []),
        (sending(POISONED._replace(origin=Origin.USER)), []),
        (sending(POISONED._replace(origin=Origin.UNKNOWN)), []),
        (sending(), []),
    ],
)
def test_what_is_untrusted_does_not_leave_unseen(content: Content, expected: list[str]) -> None:
    assert [finding.id for finding in Origins().findings(content)] == expected


def test_what_nobody_vouches_for_is_untrusted_where_a_policy_says_so() -> None:
    strict = Origins(unknown_is_untrusted=True)
    (finding,) = strict.findings(sending(POISONED._replace(origin=Origin.UNKNOWN)))
    assert finding.message == "something nobody vouches for would leave the mesh with mail.send"
    assert strict.digest != Origins().digest


def test_harmless_text_of_a_tool_asks_people_and_the_same_of_the_user_passes() -> None:
    compiled = filtering(filters("{name: whence, use: origin}"))
    request = ask("send_message", arguments={"to": "alice@example.org", "body": "the minutes"})
    poisoned = decided(compiled, request._replace(origins={"/body": Origin.TOOL_OUTPUT}))
    assert answer(poisoned) == "REQUIRE_APPROVAL ORIGIN_UNTRUSTED"
    assert "what a tool returned would leave the mesh with send_message" in poisoned.verdict.message
    assert answer(decided(compiled, request._replace(origins={"": Origin.USER}))) == "ALLOW ALLOWED"
    strict = filtering(filters("{name: whence, use: origin, unknown: untrusted}"))
    assert answer(decided(strict, request)) == "REQUIRE_APPROVAL ORIGIN_UNTRUSTED"


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        ({"external_sink": True}, "REQUIRE_APPROVAL ORIGIN_UNTRUSTED"),
        ({"effects": Effects.READ}, "ALLOW ALLOWED"),
        ({"effects": Effects.READ, "external_sink": True}, "REQUIRE_APPROVAL ORIGIN_UNTRUSTED"),
        ({"effects": Effects.REVERSIBLE, "external_systems": ("mail",)}, "REQUIRE_APPROVAL ORIGIN_UNTRUSTED"),
        ({"effects": Effects.READ, "external_systems": ("web",)}, "ALLOW ALLOWED"),
        # A contract that says nothing of it is none.
        ({}, "REQUIRE_APPROVAL ORIGIN_UNTRUSTED"),
    ],
)
def test_what_a_tool_says_of_itself_decides_whether_it_is_a_way_out(contract: dict[str, Any], expected: str) -> None:
    compiled = filtering(filters("{name: whence, use: origin}"))
    known = facts_of(identity(), registered(), tools=[tool("warehouse.export", **contract)])
    request = ask(
        "write_mail", tool="warehouse.export", arguments={"body": "x"}, origins={"": Origin.TOOL_OUTPUT}
    )._replace(tool_schema_hash=None)
    assert answer(decide(basis(compiled, facts=known), request)) == expected


def test_an_amount_that_comes_from_a_tool_is_seen_though_it_is_no_text() -> None:
    compiled = filtering(filters("{name: whence, use: origin}"))
    request = ask("pay_invoice", arguments={"amount": 9_500.0, "to": "DE00"}, origins={"/amount": Origin.TOOL_OUTPUT})
    decision = decided(compiled, request)
    assert (answer(decision), [finding.argument for finding in decision.findings]) == (
        "REQUIRE_APPROVAL ORIGIN_UNTRUSTED",
        ["/amount"],
    )


def test_a_reason_is_the_content_where_content_and_origin_settle_it_together() -> None:
    compiled = filtering(filters(PATTERNS, "{name: whence, use: origin}"), patterns=Finds(SUSPECT))
    request = ask("send_mail", arguments={"body": "x"}, origins={"/body": Origin.AGENT})
    decision = decided(compiled, request)
    assert answer(decision) == "REQUIRE_APPROVAL CONTENT_SUSPECT"
    assert decision.verdict.rules == ("guard/content", "guard/whence")
    assert decision.effect is Effect.REQUIRE_APPROVAL
