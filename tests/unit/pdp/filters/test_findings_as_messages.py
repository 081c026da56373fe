"""Findings and what is said of arguments, as messages: numbers are the contract's, and whatever is sent is judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.pdp.v1 import filter_pb2 as pb
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.validation import Violations
from ringfence_pdp.convert.findings import argument_origins, argument_types, finding_to_proto
from ringfence_pdp.filters.finding import Action, ArgumentType, Finding, Kind, Ngram, Origin, Severity


@pytest.mark.parametrize(
    ("ours", "prefix", "theirs"),
    [
        (ArgumentType, "ARGUMENT_TYPE_", pb.ArgumentType),
        (Kind, "FINDING_KIND_", pb.FindingKind),
        (Severity, "SEVERITY_", pb.Severity),
    ],
)
def test_numbers_are_those_of_the_contract(ours: type, prefix: str, theirs: object) -> None:
    numbers = {name.removeprefix(prefix): number for name, number in theirs.items() if number}  # type: ignore[attr-defined] # generated
    assert {member.name: member.value for member in ours} == numbers  # type: ignore[attr-defined] # an enumeration


def test_numbers_whose_zero_has_a_name_are_too() -> None:
    assert {one.name: one.value for one in Origin if one} == {
        name.removeprefix("ORIGIN_"): number for name, number in pb.Origin.items() if number
    }
    assert {one.name: one.value for one in Action if one} == {
        name.removeprefix("FILTER_ACTION_"): number for name, number in pb.FilterAction.items() if number
    }


def test_every_member_of_a_finding_arrives() -> None:
    told = finding_to_proto(
        Finding(
            kind=Kind.INTENT,
            id="intent.exfiltration",
            category="exfiltration",
            severity=Severity.MEDIUM,
            message="it wants figures out",
            argument="/body",
            argument_type=ArgumentType.FREE_TEXT,
            views=("base64", "url"),
            start=3,
            end=9,
            snippet="figures",
            p_value=0.0,
            ngrams=(Ngram("send all", 0.5),),
            frame={"verb": "send"},
            model="sha256-00",
            origin=Origin.TOOL_OUTPUT,
            action=Action.DENY,
        )
    )
    assert {field.name for field, _ in told.ListFields()} == {field.name for field in pb.Finding.DESCRIPTOR.fields}
    assert told.HasField("p_value")
    assert not finding_to_proto(Finding(Kind.RULE, "a.b", "payload", Severity.LOW, "m")).HasField("p_value")


texts = st.text(st.characters(), max_size=20)


@given(texts, texts, texts, texts)
def test_any_text_can_be_told(message: str, snippet: str, ngram: str, slot: str) -> None:
    found = Finding(
        Kind.RULE,
        "a.b",
        "payload",
        Severity.LOW,
        message,
        snippet=snippet,
        ngrams=(Ngram(ngram, 1.0),),
        frame={slot: slot},
    )
    assert pb.Finding.FromString(finding_to_proto(found).SerializeToString()).id == "a.b"


def test_half_a_surrogate_pair_is_told_as_a_question_mark() -> None:
    assert finding_to_proto(Finding(Kind.RULE, "a.b", "x", Severity.LOW, "m", snippet="a\ud800b")).snippet == "a?b"


def refused(origins: dict[str, int] | None = None, types: dict[str, int] | None = None) -> dict[str, str]:
    found = Violations()
    argument_origins(origins or {}, "argument_origins", found)
    argument_types(types or {}, "argument_types", found)
    try:
        found.raise_if_any()
    except InvalidRequest as invalid:
        return {violation.field: violation.problem for violation in invalid.violations}
    return {}


def test_what_is_said_of_arguments() -> None:
    found = Violations()
    assert argument_origins({"": 3, "/to/0": 1, "/a~1b": 0}, "o", found) == {
        "": Origin.TOOL_OUTPUT,
        "/to/0": Origin.USER,
        "/a~1b": Origin.UNKNOWN,
    }
    assert argument_types({"/query": 2, "/note": 0}, "t", found) == {"/query": ArgumentType.SQL}
    found.raise_if_any()


@pytest.mark.parametrize("pointer", ["to", "/a~2", "/a~", "/" + "x" * 512])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    assert set(refused(origins={pointer: 1})) == {"argument_origins"}
    assert set(refused(types={pointer: 1})) == {"argument_types"}


def test_unknown_numbers_and_too_many_are_refused() -> None:
    assert set(refused(origins={"/to": 9}, types={"/to": 99})) == {"argument_origins[/to]", "argument_types[/to]"}
    assert set(refused(origins={f"/{n}": 1 for n in range(65)})) == {"argument_origins"}


@given(st.dictionaries(st.text(max_size=8), st.integers(-(2**31), 2**31 - 1), max_size=70))
def test_whatever_is_said_is_judged_and_nothing_else(sent: dict[str, int]) -> None:
    found = Violations()
    kept = argument_origins(sent, "argument_origins", found)
    assert set(kept) <= set(sent)
    if len(kept) < len(sent):
        with pytest.raises(InvalidRequest):
            found.raise_if_any()
