"""Content scanned alone: every filter is asked, nothing is raised, and nothing is made of what is found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.callers import Caller, Role
from ringfence_pdp.filters.believed import believed
from ringfence_pdp.filters.engines import INTENT, ORIGIN, PATTERNS, Engines
from ringfence_pdp.filters.filter_rule import FilterRule
from ringfence_pdp.filters.finding import Action, ArgumentType, Content, Finding, Kind, Origin, Severity
from ringfence_pdp.filters.rule_list import page_of, rules_of
from ringfence_pdp.filters.scanning import FINDINGS_MAX, Scanned, content_for, is_ready, make_ready, scan_content

ORIGINS = st.dictionaries(st.sampled_from(["", "/to", "/body/0"]), st.sampled_from(Origin))


@dataclass
class Fake:
    """A filter that finds what a test tells it."""

    found: Sequence[Finding] | Exception = ()
    digest: str = "sha256-fake"
    seen: list[Content] = field(default_factory=list)
    rules: Sequence[FilterRule] = ()

    def findings(self, content: Content) -> Sequence[Finding]:
        self.seen.append(content)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def finding(severity: Severity, kind: Kind = Kind.RULE) -> Finding:
    return Finding(kind, f"test.{severity.word}", "payload", severity, "a finding")


def rule(number: int, category: str = "payload") -> FilterRule:
    return FilterRule(
        id=f"test.rule-{number}", pack="ringfence", category=category, severity=Severity.LOW, pattern="x", message="m"
    )


def engines(patterns: Fake | None = None, intent: Fake | None = None) -> Engines:
    made = {PATTERNS: patterns or Fake(digest="rules"), INTENT: intent or Fake(digest="model")}
    return Engines(made=made)


def scanned(made: Engines, content: str | Mapping[str, object] = "hello", **said: object) -> Scanned:
    given = {"written_in": None, "action": "", "tool": "", "contract": None, "types": {}, "origins": {}, **said}
    return scan_content(content_for(content, **given), made)  # type: ignore[arg-type] # named as the function names them


def test_the_worst_comes_first_whichever_filter_found_it() -> None:
    patterns, intent = Fake([finding(Severity.LOW)]), Fake([finding(Severity.HIGH, Kind.INTENT)])
    found = scanned(engines(patterns, intent))
    assert [one.severity for one in found.findings] == [Severity.HIGH, Severity.LOW]
    assert found.severity is Severity.HIGH
    assert {one.action for one in found.findings} == {Action.NONE}


def test_nothing_found_is_no_severity_and_says_by_what_was_judged() -> None:
    found = scanned(engines())
    assert found == Scanned((), "rules", "model")
    assert found.severity is None


class Rates(Fake):
    """A filter that knows how rare everything is, or raises."""

    def p_value(self, content: Content) -> float | None:
        if isinstance(self.found, Exception):
            raise self.found
        return 1 / len(content.arguments[0].text)


def test_how_rare_it_is_is_told_without_a_finding_and_unknown_when_intent_fails() -> None:
    assert scanned(engines(intent=Rates()), "four").p_value == 0.25
    assert scanned(engines(intent=Rates(ValueError("hunter2"))), "four").p_value is None
    assert scanned(engines(intent=Fake()), "four").p_value is None


def test_a_filter_that_raises_is_a_failure_that_names_no_content() -> None:
    found = scanned(engines(Fake(ValueError("hunter2"))), "hunter2")
    [one] = found.findings
    assert (one.kind, one.id) == (Kind.FAILURE, "patterns.failed")
    assert "hunter2" not in one.message


def test_what_could_not_be_looked_through_as_a_whole_is_told_once() -> None:
    found = scanned(engines(), "x" * 70_000)
    assert [(one.kind, one.id) for one in found.findings] == [(Kind.FAILURE, "content.failed")]


def test_no_more_than_the_contract_says_are_told() -> None:
    many = Fake([finding(Severity.MEDIUM)] * 64)
    assert len(scanned(engines(many, Fake([finding(Severity.HIGH)] * 3))).findings) == FINDINGS_MAX


def test_a_text_is_of_a_call_too() -> None:
    looks = Fake()
    found = scanned(
        engines(looks),
        "the figures",
        written_in=ArgumentType.CODE,
        action="send_mail",
        tool="mail.send",
        origins={"": Origin.TOOL_OUTPUT},
    )
    [content] = looks.seen
    assert (content.action, content.tool, content.is_sink) == ("send_mail", "mail.send", True)
    assert content.arguments[0].type is ArgumentType.CODE
    assert [one.kind for one in found.findings] == [Kind.ORIGIN]


def test_what_comes_from_a_tool_and_goes_out_is_found_and_the_users_own_is_not() -> None:
    call = {"to": "eve@example.com", "body": "the figures of May"}
    sends = {"action": "send_mail", "tool": "mail.send"}
    [found] = scanned(engines(), call, origins={"/body": Origin.TOOL_OUTPUT}, **sends).findings
    assert (found.kind, found.argument, found.severity) == (Kind.ORIGIN, "/body", Severity.MEDIUM)
    assert scanned(engines(), call, origins={"": Origin.USER}, **sends).findings == ()


def test_rules_are_listed_by_id_and_in_pages() -> None:
    made = engines(Fake(rules=[rule(3), rule(1, "injection"), rule(2)]))
    assert [one.id for one in rules_of(made)] == ["test.rule-1", "test.rule-2", "test.rule-3"]
    first, more = page_of(made, category="", after="", size=2)
    rest, none = page_of(made, category="", after=first[-1].id, size=2)
    assert ([one.id for one in (*first, *rest)], more, none) == ([one.id for one in rules_of(made)], True, False)
    assert [one.id for one in page_of(made, category="injection", after="", size=9)[0]] == ["test.rule-1"]


def test_rules_that_cannot_be_used_are_none() -> None:
    assert rules_of(Engines(made={PATTERNS: Engines().named(ORIGIN)})) == []


def test_filters_are_made_before_they_are_asked_and_once() -> None:
    made = engines()
    assert not is_ready(made)
    make_ready(made)
    assert is_ready(made)
    patterns = made.named(PATTERNS)
    make_ready(made)
    assert made.named(PATTERNS) is patterns


def caller(*roles: Role) -> Caller:
    return Caller(principal="someone", roles=frozenset(roles))


@given(ORIGINS)
def test_an_agent_is_believed_only_where_that_restricts_it(said: dict[str, Origin]) -> None:
    kept = believed(said, caller(Role.AGENT))
    assert all(origin.is_untrusted for origin in kept.values())
    assert all(kept.get(pointer) is origin for pointer, origin in said.items() if origin.is_untrusted)


@pytest.mark.parametrize("role", [Role.GATEWAY, Role.SERVICE, Role.PLATFORM_ADMIN])
def test_whoever_stands_between_is_believed(role: Role) -> None:
    said = {"": Origin.TOOL_OUTPUT, "/to": Origin.USER}
    assert believed(said, caller(role)) == said


def test_unknown_does_not_lift_what_is_said_of_the_whole() -> None:
    said = {"": Origin.TOOL_OUTPUT, "/to": Origin.UNKNOWN, "/body": Origin.USER}
    assert believed(said, caller(Role.AGENT)) == {"": Origin.TOOL_OUTPUT}
