"""Objectives that are exported are read back as they were, and no bytes break the reader."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import DAY, EPOCH, HOUR, MINUTE, Millis
from ringfence_telemetry.convert.slos import draft_of
from ringfence_telemetry.errors import OpenSloInvalid
from ringfence_telemetry.slo.checks import check_draft
from ringfence_telemetry.slo.objective import BurnRule, Dependency, DependencyKind, Fallback, Objective
from ringfence_telemetry.slo.open_slo import export_documents, import_documents
from ringfence_telemetry.slo.ratios import Ratio

shares = st.builds(Fraction, st.integers(1, 999_999), st.just(1_000_000)).map(Ratio.of)
texts = st.text(
    st.characters(categories=["L", "N", "P", "S"], include_characters=" :#'\"{}[]-&*!|>%@`", max_codepoint=0x2FF),
    max_size=30,
)
labels = texts.map(str.strip)
names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
rules = st.builds(
    BurnRule,
    share=shares,
    long=st.integers(2, 360).map(lambda minutes: Millis(minutes * MINUTE)),
    short=st.just(MINUTE),
    page=st.booleans(),
)
dependencies = st.builds(
    Dependency,
    agent=labels.filter(bool),
    target=shares,
    kind=st.sampled_from(DependencyKind),
    calls=st.integers(1, 20),
    retries=st.integers(0, 5),
    fallbacks=st.lists(st.builds(Fallback, agent=labels.filter(bool), target=shares), max_size=4).map(tuple),
)
objectives = st.builds(
    Objective,
    name=names.map(lambda name: f"slos/{name}"),
    display_name=labels,
    agent=labels.filter(bool),
    operation=labels,
    target=shares,
    window=st.integers(6, 90 * 24).map(lambda hours: Millis(hours * HOUR)),
    latency=st.none() | st.integers(1, DAY).map(Millis),
    evaluation=labels,
    dependencies=st.lists(dependencies, max_size=3).map(tuple),
    own_target=shares,
    min_events=st.integers(1, 1_000_000),
    burn_rules=st.lists(rules, min_size=1, max_size=4, unique_by=lambda rule: rule.long).map(tuple),
    created_at=st.just(EPOCH),
    updated_at=st.just(EPOCH),
    counted_from=st.just(EPOCH),
)


@given(st.lists(objectives, min_size=1, max_size=4, unique_by=lambda each: each.name))
@settings(max_examples=80, deadline=None)
def test_what_is_exported_is_read_back(found: list[Objective]) -> None:
    # Sound ones only: what cannot be created cannot be exported.
    sound = [each for each in found if check_draft(each.name, draft_of(each), now=EPOCH)[0] is not None]
    if sound:
        again = import_documents(export_documents(sound))
        assert [*again.objectives] == [replace(each, version=0) for each in sound]
        assert again.remarks == ()


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(deadline=None)
def test_whatever_the_bytes_are_the_answer_is_a_refusal(content: bytes) -> None:
    with pytest.raises(OpenSloInvalid, match="this is no OpenSLO v1 that can be read: "):
        import_documents(content)
