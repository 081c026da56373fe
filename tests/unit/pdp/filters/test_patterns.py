import base64
from collections.abc import Sequence

from ringfence_pdp.filters.filter_rule import ALL_BUT_SECRET, PLAIN_AND_DECODED, FilterRule, ViewKind
from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Finding, Kind, Origin, Severity
from ringfence_pdp.filters.masking import MASK
from ringfence_pdp.filters.patterns import FINDINGS_MAX, Patterns


def rule(
    id_: str,
    pattern: str,
    severity: Severity = Severity.HIGH,
    *,
    types: frozenset[ArgumentType] = ALL_BUT_SECRET,
    views: frozenset[ViewKind] = PLAIN_AND_DECODED,
    message: str = "",
) -> FilterRule:
    return FilterRule(
        id=id_,
        pack="test",
        category="injection",
        severity=severity,
        types=types,
        pattern=pattern,
        views=views,
        message=message or f"{id_} was found",
    )


IGNORE = rule("ignore", r"(?i)\bignore\s+all\b", types=frozenset({ArgumentType.FREE_TEXT}))
DROP = rule("drop", r"(?i)\bdrop\s+table\b", Severity.MEDIUM)


def found(text: str, *rules: FilterRule, written_in: ArgumentType = ArgumentType.FREE_TEXT) -> Sequence[Finding]:
    argument = Argument("/body", text, written_in, origin=Origin.TOOL_OUTPUT)
    return Patterns(rules or (IGNORE, DROP)).findings(Content((argument,)))


def test_a_finding_tells_what_where_and_how_it_was_read() -> None:
    encoded = base64.b64encode(b"please ignore all of it").decode()

    (finding,) = found(encoded)

    assert finding.kind is Kind.RULE
    assert (finding.id, finding.severity, finding.message) == ("ignore", Severity.HIGH, "ignore was found")
    assert (finding.argument, finding.argument_type) == ("/body", ArgumentType.FREE_TEXT)
    assert (finding.views, finding.start, finding.end) == (("base64",), 7, 17)
    assert finding.snippet == "please ignore all of it"
    assert finding.origin is Origin.TOOL_OUTPUT
    assert finding.model.startswith("sha256-")


def test_a_rule_tells_once_of_an_argument_in_its_plainest_reading() -> None:
    (finding,) = found("ignore all, 1gnore all, ignore%20all, i\u200bgnore all")

    assert finding.views == ()


def test_the_worst_come_first() -> None:
    assert [finding.id for finding in found("drop table x; ignore all")] == ["ignore", "drop"]


def test_a_rule_looks_only_where_it_is_for() -> None:
    assert [finding.id for finding in found("drop table x; ignore all", written_in=ArgumentType.SQL)] == ["drop"]


def test_leetspeak_and_letters_apart_are_for_rules_that_ask() -> None:
    asking = rule("asking", IGNORE.pattern, views=frozenset(ViewKind))
    plain = rule("plain", IGNORE.pattern)

    assert [finding.id for finding in found("the 1gn0r3 all rules of this house", asking, plain)] == ["asking"]
    assert [finding.id for finding in found("i g n o r e a l l", asking, plain)] == ["asking"]
    assert [finding.id for finding in found("i-g-n-o-r-e a-l-l", asking, plain)] == ["asking", "plain"]


def test_what_is_at_most_so_many() -> None:
    rules = [rule(f"r{number}", "x") for number in range(FINDINGS_MAX + 10)]

    assert len(found("x", *rules)) == FINDINGS_MAX


def test_every_argument_is_looked_at() -> None:
    arguments = (Argument("/a", "drop table x"), Argument("/b", "nothing"), Argument("/c", "ignore all"))

    findings = Patterns((IGNORE, DROP)).findings(Content(arguments))

    assert [(finding.argument, finding.id) for finding in findings] == [("/c", "ignore"), ("/a", "drop")]


def test_secrets_are_masked_in_what_is_shown() -> None:
    (finding,) = found("password=hunter2; ignore all")

    assert finding.snippet == f"password={MASK}; ignore all"


def test_nothing_of_a_secret_in_its_place_is_shown() -> None:
    looking = rule("looking", "x", types=frozenset({ArgumentType.SECRET}))

    (finding,) = found("xyz", looking, written_in=ArgumentType.SECRET)

    assert finding.snippet == ""


def test_a_hidden_message_is_a_finding_whatever_it_says() -> None:
    (finding,) = found("hello" + "".join(chr(0xE0000 + ord(char)) for char in "how are you"))

    assert (finding.id, finding.kind, finding.severity) == ("hidden.text", Kind.ANALYSIS, Severity.MEDIUM)
    assert finding.views == ("hidden", "invisible")
    assert finding.snippet == "hello how are you"


def test_flags_of_countries_hide_nothing() -> None:
    assert found("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f") == []


def test_what_cannot_be_looked_through_is_a_failure_beside_what_was_found() -> None:
    failure, hit = sorted(found("ignore all " * 6_000), key=lambda finding: finding.kind is Kind.RULE)

    assert (failure.kind, failure.severity) == (Kind.FAILURE, Severity.MEDIUM)
    assert failure.message == "this could not be looked through: it has 66000 characters; 65536 are looked at"
    assert hit.id == "ignore"


def test_an_analyser_that_raises_is_a_failure_and_rules_are_asked_all_the_same() -> None:
    def raises(argument: Argument, text: str) -> Sequence[Finding]:
        raise RecursionError(argument.text + text)

    content = Content((Argument("/q", "ignore all secrets"),))

    findings = Patterns((IGNORE,), raises).findings(content)

    assert [(finding.kind, finding.id) for finding in findings] == [
        (Kind.RULE, "ignore"),
        (Kind.FAILURE, "patterns.failed"),
    ]
    assert findings[1].message == "patterns failed over this (RecursionError)"


def test_analysers_read_what_a_program_would() -> None:
    read: list[str] = []

    def reads(argument: Argument, text: str) -> Sequence[Finding]:
        read.append(text)
        return [Finding(Kind.ANALYSIS, "sql.stacked", "payload", Severity.HIGH, "stacked", start=0, end=4)]

    content = Content((Argument("/q", "drop%20table x/**/y", ArgumentType.SQL),))

    (finding,) = Patterns((), reads).findings(content)

    assert read == ["drop%20table x/**/y", "drop table x/**/y"]
    assert (finding.argument, finding.argument_type, finding.snippet) == ("/q", ArgumentType.SQL, "drop%20table x/**/y")


def test_the_digest_is_of_what_rules_look_for_and_of_nothing_else() -> None:
    renamed = rule("drop", DROP.pattern, Severity.MEDIUM, message="said otherwise")
    stricter = rule("drop", DROP.pattern, Severity.HIGH)

    assert Patterns((IGNORE, DROP)).digest == Patterns((renamed, IGNORE)).digest
    assert Patterns((IGNORE, DROP)).digest != Patterns((IGNORE, stricter)).digest
    assert Patterns((DROP,)).digest != Patterns((DROP,), analysed_by="2").digest
