"""Which bytes are a decision: one spelling each, and everything wrong is named with its path."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from ringfence_telemetry.decision_document import BODY_MAX, Decision, canonical, read_decision
from ringfence_telemetry.signals import Effect
from support.telemetry.decisions import DID, body, decision_id, document
from support.telemetry.spans import NOW


def problems(content: bytes, number: int = 1) -> dict[str, str]:
    decision, violations = read_decision(content, decision_id=decision_id(number), path="entries[0].body")
    assert decision is None or not violations
    return {violation.field: violation.problem for violation in violations}


def test_a_decision_is_read() -> None:
    decision, violations = read_decision(
        body(1, effect="DENY", reason="NO_MATCH", tool="x"), decision_id=decision_id(1), path="body"
    )
    assert violations == []
    assert decision == Decision(
        decision_id=decision_id(1),
        did=DID,
        environment="prod",
        effect=Effect.DENY,
        reason="NO_MATCH",
        decided_at=NOW,
    )
    assert decision.names_an_agent


def test_both_versions_say_the_same_to_us() -> None:
    first, second = (
        read_decision(body(1, version=version), decision_id=decision_id(1), path="b") for version in (1, 2)
    )
    assert first == second
    assert first[0] is not None


@pytest.mark.parametrize("kind", ["fact", "approval"])
def test_what_belongs_to_decisions_is_kept_and_says_nothing_about_an_agent(kind: str) -> None:
    content = rfc8785.dumps({"type": kind, "version": 1, "decision_id": decision_id(1), "content": "{}"})
    assert read_decision(content, decision_id=decision_id(1), path="body") == (None, [])


@pytest.mark.parametrize(
    ("members", "agent"),
    [
        ({}, True),
        ({"did": ""}, False),
        ({"did": "did:webvh:Qm1:prod.id.ringfence.internal:agents:Qm1"}, True),
        ({"did": "did:web:host%3A8443:a"}, True),
        ({"did": "not a did"}, False),
        ({"did": "did:UPPER:x"}, False),
        ({"did": "did:web:"}, False),
        ({"environment": "Prod!"}, False),
        ({"environment": ""}, False),
    ],
)
def test_what_was_asked_is_logged_as_it_was_but_only_agents_are_judged(members: dict[str, str], agent: bool) -> None:
    decision, violations = read_decision(body(1, **members), decision_id=decision_id(1), path="body")
    assert violations == []
    assert decision is not None
    assert decision.names_an_agent is agent


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"type": "outcome"}, "type"),
        ({"type": None}, "type"),
        ({"version": 3}, "version"),
        ({"version": 0}, "version"),
        ({"type": "fact", "version": 2}, "version"),
        ({"type": "approval", "decision_id": decision_id(2)}, "decision_id"),
        ({"type": ["decision"]}, "type"),
        ({"version": True}, "version"),
        ({"version": "1"}, "version"),
        ({"decision_id": decision_id(2)}, "decision_id"),
        ({"decide_time_ms": "2026"}, "decide_time_ms"),
        ({"decide_time_ms": -1}, "decide_time_ms"),
        ({"decide_time_ms": 253_402_300_800_000}, "decide_time_ms"),
        ({"decide_time_ms": 1.5}, "decide_time_ms"),
        ({"decide_time_ms": True}, "decide_time_ms"),
        ({"environment": 7}, "environment"),
        ({"environment": "e" * 64}, "environment"),
        ({"did": None}, "did"),
        ({"did": "d" * 1_025}, "did"),
        ({"did": "a\x00b"}, "did"),
        ({"reason": ""}, "reason"),
        ({"reason": "lower"}, "reason"),
        ({"reason": "R" * 129}, "reason"),
        ({"effect": "MAYBE"}, "effect"),
        ({"effect": ["DENY"]}, "effect"),
    ],
)
def test_each_member_that_is_judged_by_is_checked(members: dict[str, object], field: str) -> None:
    assert list(problems(body(1, **members))) == [f"entries[0].body.{field}"]


def test_everything_wrong_is_said_at_once() -> None:
    assert len(problems(b"{}")) == 8


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{",
        b"\xff",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e400}',
        b'{"a":9007199254740993}',
        b'{"a":1.0}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        json.dumps(document(1), indent=1).encode(),
    ],
    ids=range(21),
)
def test_bytes_that_are_no_canonical_object(content: bytes) -> None:
    assert set(problems(content)) <= {"entries[0].body"} or len(problems(content)) == 8


def test_a_document_of_64_kib_is_taken_and_one_byte_more_is_not() -> None:
    padding = BODY_MAX - len(body(1, note=""))
    assert problems(body(1, note="x" * padding)) == {}
    assert "longer than 65536 bytes" in problems(body(1, note="x" * (padding + 1)))["entries[0].body"]


def test_our_own_documents_are_canonical() -> None:
    assert canonical({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5).filter(str.isprintable),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3).filter(str.isprintable), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8).filter(str.isprintable), JSON, max_size=4))
def test_any_further_members_are_kept(extra: dict[str, object]) -> None:
    content = rfc8785.dumps({**extra, **document(1)})  # type: ignore[dict-item] # JSON values, as drawn
    decision, violations = read_decision(content, decision_id=decision_id(1), path="body")
    assert decision is not None
    assert violations == []


@given(
    st.binary(max_size=60)
    | st.builds(lambda junk, at: body(1)[:at] + junk + body(1)[at:], st.binary(), st.integers(0, 200))
)
def test_no_bytes_break_the_reading(content: bytes) -> None:
    decision, violations = read_decision(content, decision_id=decision_id(1), path="body")
    assert (decision is None) == bool(violations)


NUMBERS = st.floats(min_value=-(2.0**53) + 1, max_value=2.0**53 - 1)
"""Beyond these RFC 8785 writes what reads back as an integer no double holds; README.md wants them as strings."""


@given(st.dictionaries(st.text(max_size=8), JSON | NUMBERS, max_size=5))
def test_what_is_canonical_is_what_rfc_8785_says(members: dict[str, object]) -> None:
    # Two ways lead to the answer, a quick one for plain documents and the reference; they must not differ.
    content = rfc8785.dumps(members)  # type: ignore[arg-type] # JSON values, as drawn
    _, violations = read_decision(content, decision_id=decision_id(1), path="body")
    assert "body" not in {violation.field for violation in violations}
    for other in (content + b" ", content.replace(b":", b": ", 1), content.replace(b",", b", ", 1)):
        if other != content:
            _, violations = read_decision(other, decision_id=decision_id(1), path="body")
            assert {violation.field for violation in violations} == {"body"} or json.loads(other) != json.loads(content)
