"""What an evaluation event says: known words, everything else open, and nothing a sender writes breaks it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Instant
from ringfence_telemetry.evaluation.said import (
    AGENT_ID,
    ATTRIBUTES,
    LABEL,
    METRIC,
    SCORE,
    TEXT_MAX,
    Said,
    said,
    verdict,
)
from ringfence_telemetry.reporters import Reporter

NOW = Instant(1_800_000_000_000)
SERVICE = Reporter(principal="spiffe://mesh/evaluator", speaks_for_all=True)
AGENT = Reporter(principal="did:web:agents.example:a", agents=("did:web:agents.example:a",))

SCALARS = st.one_of(st.text(), st.floats(), st.integers(), st.booleans())


def read(attributes: dict[str, str | float | bool], reporter: Reporter = SERVICE, nanos: int = 0) -> Said | None:
    return said(
        attributes, trace_id=b"t" * 16, span_id=b"s" * 8, time_unix_nano=nanos, received_at=NOW, reporter=reporter
    )


def test_an_event_says_who_is_judged_by_what_measure_and_how() -> None:
    event = read({METRIC: "Groundedness", SCORE: 0.25, LABEL: "Not Grounded", AGENT_ID: "did:web:agents.example:a"})

    assert event is not None
    assert (event.metric, event.score, event.passed) == ("Groundedness", 0.25, False)
    assert (event.agent, event.trace_id, event.span_id) == ("did:web:agents.example:a", b"t" * 16, b"s" * 8)
    assert (event.trusted, event.at) == (True, NOW)


@pytest.mark.parametrize(
    ("label", "passed"),
    [("pass", True), ("Relevant", True), ("not-relevant", False), ("FAILED", False), ("4 of 5", None), ("", None)],
)
def test_a_label_is_a_verdict_only_where_it_is_a_known_word(label: str, passed: bool | None) -> None:
    assert verdict(label) is passed


@pytest.mark.parametrize("nothing", [{}, {METRIC: "accuracy"}, {SCORE: 1.0}, {METRIC: "accuracy", SCORE: math.nan}])
def test_an_event_that_says_nothing_is_none(nothing: dict[str, str | float | bool]) -> None:
    assert read(nothing) is None


def test_who_is_bound_to_agents_is_not_believed() -> None:
    event = read({METRIC: "accuracy", LABEL: "pass"}, reporter=AGENT)

    assert event is not None
    assert not event.trusted


def test_the_same_event_has_the_same_key_and_another_has_another() -> None:
    one, again = read({METRIC: "accuracy", SCORE: 1.0}), read({METRIC: "accuracy", SCORE: 1.0})
    other = read({METRIC: "accuracy", SCORE: 0.5})

    assert one is not None
    assert again is not None
    assert other is not None
    assert one.key == again.key != other.key


@given(
    st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), SCALARS),
    st.binary(max_size=20),
    st.binary(max_size=12),
    st.integers(min_value=0, max_value=2**64 - 1),
)
def test_nothing_a_sender_writes_breaks_it(
    attributes: dict[str, str | float | bool], trace_id: bytes, span_id: bytes, nanos: int
) -> None:
    event = said(
        attributes, trace_id=trace_id, span_id=span_id, time_unix_nano=nanos, received_at=NOW, reporter=SERVICE
    )

    if event is not None:
        assert event.score is None or math.isfinite(event.score)
        assert max(len(event.metric), len(event.label), len(event.version)) <= TEXT_MAX
        assert "\x00" not in event.metric + event.label + event.agent
        assert len(event.trace_id) in (0, 16)
        assert abs(event.at - NOW) <= 600_000
