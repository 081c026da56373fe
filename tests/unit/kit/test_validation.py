"""The collector finds everything at once, names the path, and never repeats what it was given."""

import re
from dataclasses import dataclass

import pytest
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.names import AgentName
from ringfence_kit.validation import MOST_VIOLATIONS, Violations

AGENT_SHAPE = "namespaces/{namespace}/agents/{agent}"


@dataclass(frozen=True)
class Stamp:
    seconds: int = 0
    nanos: int = 0


def problems(found: Violations) -> dict[str, str]:
    """Return path → problem of everything found so far."""
    try:
        found.raise_if_any()
    except InvalidRequest as refused:
        return {violation.field: violation.problem for violation in refused.violations}
    return {}


def test_nothing_found_raises_nothing() -> None:
    found = Violations()
    assert found.text("a purpose", "purpose", max_bytes=20) == "a purpose"
    found.raise_if_any()
    assert found.ok("value") == "value"


def test_everything_wrong_is_reported_at_once_with_its_path() -> None:
    found = Violations()
    found.text("", "agent.purpose", max_bytes=10)
    found.at("agent").at("owner").text("x" * 11, "email", max_bytes=10)
    found.page_size(-1)
    assert problems(found) == {
        "agent.purpose": "must not be empty",
        "agent.owner.email": "is longer than 10 bytes of UTF-8",
        "page_size": "must not be negative",
    }


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "must not be empty"),
        (" \u00a0", "must not be blank"),
        ("é" * 6, "is longer than 10 bytes of UTF-8"),
        ("a\x00b", "contains control characters"),
        ("a\nb", "contains control characters"),
        ("a\u202eb", "contains control characters"),
        ("\ufeffa", "contains control characters"),
        ("e\u0301", "is not in Unicode normal form C"),
        ("ABC", "must have the form lower case"),
    ],
)
def test_text_that_is_refused(value: str, problem: str) -> None:
    found = Violations()
    found.text(value, "f", max_bytes=10, pattern=re.compile("[a-z]*"), shape="lower case")
    assert problems(found) == {"f": problem}


def test_text_that_is_fine() -> None:
    found = Violations()
    assert found.text("", "f", max_bytes=10, required=False) == ""
    assert found.text("é" * 5, "f", max_bytes=10) == "é" * 5
    assert found.text("a\n\tb", "f", max_bytes=10, multiline=True) == "a\n\tb"
    assert problems(found) == {}


def test_a_carriage_return_is_a_control_character_in_multiline_text_too() -> None:
    found = Violations()
    found.text("a\rb", "f", max_bytes=10, multiline=True)
    assert problems(found) == {"f": "contains control characters"}


def test_a_pattern_must_match_the_whole_text() -> None:
    found = Violations()
    found.text("ab\n", "f", max_bytes=10, pattern=re.compile("ab$"), multiline=True)
    assert problems(found) == {"f": "must have the form ab$"}


def test_resource_name() -> None:
    found = Violations()
    name = found.resource_name("namespaces/a/agents/b", "name", AgentName.parse, shape=AGENT_SHAPE)
    assert found.ok(name) == AgentName("a", "b")


@pytest.mark.parametrize("text", ["", "namespaces/A/agents/b", "namespaces/a/agents/b/", "x" * 10_000])
def test_resource_name_refused(text: str) -> None:
    found = Violations()
    assert found.resource_name(text, "name", AgentName.parse, shape=AGENT_SHAPE) is None
    assert AGENT_SHAPE in problems(found)["name"]
    with pytest.raises(InvalidRequest):
        found.ok(None)


def test_ok_of_nothing_without_a_violation_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        Violations().ok(None)


def test_enum() -> None:
    known = {1: "low", 2: "high"}
    found = Violations()
    assert found.enum(2, "risk", known) == "high"
    assert found.enum(0, "risk", known, default="low") == "low"
    assert problems(found) == {}
    assert found.enum(0, "risk", known) is None
    assert found.enum(7, "other", known, default="low") is None
    assert problems(found) == {"risk": "must be set", "other": "7 is not a value this server knows"}


def test_one_of() -> None:
    found = Violations()
    assert found.one_of("did", "subject", ["did", "name"]) == "did"
    assert found.one_of(None, "subject", ["did", "name"]) is None
    assert problems(found) == {"subject": "exactly one of did, name must be set"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "123e4567e89b42d3a456426614174000",
        "{123e4567-e89b-42d3-a456-426614174000}",
        "0" * 36,
        "٣" * 36,
        "00000000-0000-0000-0000-000000000000",
        "123e4567-e89b-42d3-a456-42661417400\n",
    ],
)
def test_uuid_refused(text: str) -> None:
    found = Violations()
    found.uuid(text, "id")
    assert "id" in problems(found)


def test_request_id_may_be_empty_and_is_lower_cased() -> None:
    found = Violations()
    assert found.request_id("") == ""
    assert found.request_id("123E4567-E89B-42D3-A456-426614174000") == "123e4567-e89b-42d3-a456-426614174000"
    assert problems(found) == {}


def test_etag() -> None:
    found = Violations()
    assert found.etag("") == ""
    assert found.etag('"17-ab"') == '"17-ab"'
    assert problems(found) == {}
    for bad in ("17", 'W/"17"', '"a"b"', '"' + "x" * 127 + '"', '"é"'):
        found.etag(bad)
    with pytest.raises(InvalidRequest) as refused:
        found.raise_if_any()
    assert len(refused.value.violations) == 5


def test_page_size_is_defaulted_and_coerced() -> None:
    found = Violations()
    assert [found.page_size(n) for n in (0, 1, 1_000, 1_001, 2**31 - 1)] == [50, 1, 1_000, 1_000, 1_000]


def test_numbers() -> None:
    found = Violations()
    assert found.integer(5, "a", minimum=0, maximum=5) == 5
    assert found.number(0.5, "b", minimum=0, maximum=1) == 0.5
    assert problems(found) == {}
    found.integer(6, "a", minimum=0, maximum=5)
    for index, value in enumerate((float("nan"), float("inf"), 1.5)):
        found.number(value, f"b{index}", minimum=0, maximum=1)
    assert set(problems(found)) == {"a", "b0", "b1", "b2"}


def test_octets() -> None:
    found = Violations()
    found.octets(b"", "empty", min_bytes=32, max_bytes=32)
    found.octets(b"x", "short", min_bytes=32, max_bytes=32)
    found.octets(b"xxx", "long", max_bytes=2)
    found.octets(b"", "fine", max_bytes=2)
    assert problems(found) == {
        "empty": "must not be empty",
        "short": "must be 32 bytes long",
        "long": "must be 0 to 2 bytes long",
    }


def test_timestamp() -> None:
    found = Violations()
    assert found.timestamp(Stamp(1, 1_999_999), "t") == 1_001
    assert found.timestamp(Stamp(-1, 1_000_000), "t") == -999
    assert found.timestamp(Stamp(-62_135_596_800), "t") == -62_135_596_800_000
    assert problems(found) == {}


@pytest.mark.parametrize("stamp", [Stamp(2**63 - 1), Stamp(-(2**63)), Stamp(0, -1), Stamp(0, 10**9)])
def test_timestamp_out_of_range(stamp: Stamp) -> None:
    found = Violations()
    assert found.timestamp(stamp, "t") is None
    assert "t" in problems(found)


def test_timestamp_bounds() -> None:
    found = Violations()
    found.timestamp(Stamp(1), "early", not_before=Instant(1_001))
    found.timestamp(Stamp(2), "late", not_after=Instant(1_999))
    assert problems(found) == {"early": "lies too far in the past", "late": "lies too far in the future"}


def test_duration() -> None:
    found = Violations()
    hour = Millis(3_600_000)
    assert found.duration(Stamp(1, 500_000_000), "d", minimum=Millis(0), maximum=hour) == 1_500
    assert problems(found) == {}
    for index, bad in enumerate((Stamp(1, -1), Stamp(2**62), Stamp(0, 10**9), Stamp(0, -1), Stamp(3_600, 1))):
        found.duration(bad, f"d{index}", minimum=Millis(0), maximum=hour)
    assert set(problems(found)) == {"d0", "d1", "d2", "d3", "d4"}


def test_items_gives_paths_and_no_surplus() -> None:
    found = Violations()
    assert list(found.items(["a", "b"], "tools", max_items=2)) == [("tools[0]", "a"), ("tools[1]", "b")]
    assert problems(found) == {}
    assert len(list(found.items(["a"] * 5, "tools", max_items=2))) == 2
    assert list(found.items([], "skills", max_items=2, min_items=1)) == []
    assert problems(found) == {
        "tools": "has 5 entries; at most 2 are allowed",
        "skills": "must have at least 1 entry",
    }


def test_distinct() -> None:
    found = Violations()
    found.distinct(["a", "b", "a"], "tools")
    assert problems(found) == {"tools[2]": "repeats tools[0]"}


def labels(found: Violations, values: dict[str, str]) -> dict[str, str]:
    key = re.compile("[a-z]+")
    return found.mapping(values, "labels", max_entries=2, keys=key, keys_shape="[a-z]+", max_value_bytes=3)


def test_mapping() -> None:
    found = Violations()
    assert labels(found, {"team": "red", "none": ""}) == {"team": "red", "none": ""}
    assert problems(found) == {}
    labels(found, {"team": "long", "Evil\n": "x"})
    assert problems(found) == {
        "labels[team]": "is longer than 3 bytes of UTF-8",
        "labels": "keys must have the form [a-z]+, at most 63 bytes",
    }


def test_a_mapping_that_is_too_big_is_not_read() -> None:
    found = Violations()
    assert labels(found, {str(n): "" for n in range(1_000)}) == {}
    assert problems(found) == {"labels": "has 1000 entries; at most 2 are allowed"}


def test_update_mask() -> None:
    found = Violations()
    allowed = {"purpose", "labels"}
    assert found.update_mask([], allowed, when_empty={"labels"}) == {"labels"}
    assert found.update_mask(["*"], allowed, when_empty=()) == allowed
    assert found.update_mask(["purpose"], allowed, when_empty=()) == {"purpose"}
    assert problems(found) == {}
    found.update_mask(["purpose", "uid", "*"], allowed, when_empty=())
    assert set(problems(found)) == {"update_mask.paths[1]", "update_mask.paths[2]"}


def test_violations_are_bounded_and_the_rest_are_counted() -> None:
    found = Violations()
    for index in range(1_000):
        found.at("nested").add(f"items[{index}]", "is wrong")
    with pytest.raises(InvalidRequest) as refused:
        found.raise_if_any()
    assert len(refused.value.violations) == MOST_VIOLATIONS + 1
    assert refused.value.violations[-1].problem == "950 more violations are not listed"


def test_problems_do_not_repeat_the_value() -> None:
    found = Violations()
    found.text("s3cret\x00", "a", max_bytes=10)
    found.uuid("s3cret", "b")
    found.etag("s3cret")
    found.resource_name("s3cret", "d", AgentName.parse, shape=AGENT_SHAPE)
    found.update_mask(["s3cret"], {"purpose"}, when_empty=())
    with pytest.raises(InvalidRequest) as refused:
        found.raise_if_any()
    assert "s3cret" not in str(refused.value)
