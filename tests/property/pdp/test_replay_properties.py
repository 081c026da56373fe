"""Whatever is decided can be decided again from the log alone, to the last byte; and what is read back is what was
asked.
"""

import json
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.names import AgentName
from ringfence_pdp.asked_document import asked_document, question
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.filters.finding import Action, ArgumentType, Finding, Kind, Ngram, Origin, Severity
from ringfence_pdp.filters.heard import NOBODY_ASKED, NOBODY_OBJECTS, Heard
from ringfence_pdp.filters.remote import failed
from ringfence_pdp.finding_document import finding_document, finding_of
from ringfence_pdp.masks import DEFAULT_MASKS, NO_MASKS, Masks, is_mask
from ringfence_pdp.model import CheckRequest, Protocol, Resource, Side, SideEffects, Target, Usage, nothing
from ringfence_pdp.replay import Evidence, Outcome, read, replay, what_if
from support.pdp.bundles import World, bundles, worlds
from support.pdp.bundles import files as files_of
from support.pdp.replays import logged_in
from support.pdp.world import ANALYST, ask, basis

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
doubles = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1).map(float), st.floats(allow_nan=False, allow_infinity=False)
).filter(lambda number: str(number) != "-0.0" and not 2**53 <= abs(number) < 1e21)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), doubles, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
objects = st.dictionaries(texts, json_values, max_size=4)


def sent(value: dict[str, Any]) -> Any:
    return lambda: value


def questions() -> st.SearchStrategy[CheckRequest]:
    maybe = st.none() | texts.filter(bool)
    return st.builds(
        CheckRequest,
        action=texts.filter(bool),
        environment=texts.filter(bool),
        did=maybe,
        agent=st.sampled_from([None, ANALYST, AgentName("sales", "b")]),
        tool=maybe,
        tool_schema_hash=maybe,
        side_effects=st.sampled_from(SideEffects),
        arguments=objects.map(sent),
        resource=st.builds(
            Resource, maybe, maybe, maybe, st.dictionaries(texts, texts, max_size=2), environment=maybe, owner=maybe
        ),
        side=st.sampled_from([Side.CALLER, Side.CALLEE]),
        session=maybe,
        context=objects.map(sent),
        trace_id=st.sampled_from([b"", b"\x01" * 16]),
        target=st.none() | st.builds(Target, maybe, st.sampled_from([None, ANALYST])),
        chain=st.lists(texts, max_size=2).map(tuple),
        supported_obligations=st.frozensets(texts, max_size=2),
        approval=maybe,
        usage=st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**12)),
        protocol=st.sampled_from(Protocol),
        arguments_digest=maybe,
        delegation_token=st.none(),
        elevation_grants=st.just(()),
        history=st.none(),
        origins=st.dictionaries(texts, st.sampled_from(Origin), max_size=2),
        heard=st.sampled_from(
            [NOBODY_ASKED, NOBODY_OBJECTS, Heard({"guard": ()}), Heard({"a": (failed("a", "late"),), "b": ()})]
        ),
    )


def findings() -> st.SearchStrategy[Finding]:
    """What may come of a filter, as far as the log keeps it: millionths and thousandths."""
    ascii_names = st.text("abcxyz_", min_size=1, max_size=6)
    weights = st.integers(-9_999, 9_999).map(lambda whole: whole / 1_000)
    return st.builds(
        Finding,
        kind=st.sampled_from(Kind),
        id=texts.filter(bool),
        category=texts.filter(bool),
        severity=st.sampled_from(Severity),
        message=texts,
        argument=texts,
        argument_type=st.none() | st.sampled_from(ArgumentType),
        views=st.lists(texts, max_size=3).map(tuple),
        start=st.integers(0, 70_000),
        end=st.integers(0, 70_000),
        snippet=texts,
        p_value=st.none() | st.integers(0, 1_000_000).map(lambda whole: whole / 1_000_000),
        ngrams=st.lists(st.builds(Ngram, texts, weights), max_size=2).map(tuple),
        frame=st.dictionaries(ascii_names, texts, max_size=2),
        model=texts,
        origin=st.sampled_from(Origin),
        action=st.sampled_from(Action),
    )


def same(one: CheckRequest, other: CheckRequest) -> bool:
    """Questions are the same when all they say is, and what they read is."""
    return (
        one._replace(arguments=nothing, context=nothing) == other._replace(arguments=nothing, context=nothing)
        and one.arguments() == other.arguments()
        and one.context() == other.context()
    )


@given(questions())
def test_a_question_is_read_back_as_it_was_asked(request: CheckRequest) -> None:
    left_out: list[str] = []
    written = rfc8785.dumps(json.loads(_json(asked_document(request, NO_MASKS, left_out, whole=True))))
    again = question(json.loads(written), action=request.action, tool=request.tool, environment=request.environment)
    assert left_out == []
    assert same(again, request)


@given(findings())
def test_a_finding_is_read_back_as_it_was_found(finding: Finding) -> None:
    written = _json(finding_document(finding, lambda _: False))
    assert rfc8785.dumps(json.loads(written)) == written
    assert finding_of(json.loads(written)) == finding


@given(st.sampled_from([float("nan"), float("inf"), -0.0, 2.0**53, -1e20, 2.0**60]))
def test_a_number_that_json_does_not_carry_is_named_and_stands_as_a_text(number: float) -> None:
    left_out: list[str] = []
    request = ask(arguments={"n": [number]})
    written = _json(asked_document(request, NO_MASKS, left_out, whole=True))
    assert left_out == ["arguments.n.0"]
    assert rfc8785.dumps(json.loads(written)) == written


@pytest.mark.parametrize(
    ("mask", "path", "said"),
    [
        ("**.b", "arguments.x.0.B", {"arguments": {"x": [{"B": "5ecret"}]}}),
        ("**.b", "context.b", {"context": {"b": {"c": "5ecret"}}}),
        ("arguments.*", "arguments.a", {"arguments": {"a": ["5ecret"]}}),
        ("arguments.a.*.c", "arguments.a.0.c", {"arguments": {"a": [{"c": "5ecret"}]}}),
        ("context", "context", {"context": {"a": "5ecret"}}),
        ("labels.owner", "labels.owner", {"resource": Resource(labels={"owner": "5ecret"})}),
    ],
)
def test_what_is_masked_is_named_and_gone(mask: str, path: str, said: dict[str, Any]) -> None:
    left_out: list[str] = []
    written = _json(asked_document(ask(**said), Masks.of([mask]), left_out, whole=True))
    assert b"5ecret" not in written
    assert left_out == [path]


def test_a_label_says_what_kind_of_thing_it_is_and_is_masked_by_its_path_alone() -> None:
    left_out: list[str] = []
    asked_document(ask(resource=Resource(labels={"b": "yes"})), Masks.of(["**.b"]), left_out, whole=True)
    assert left_out == []


@pytest.mark.parametrize("text", ["**", "password", "arguments..a", "labels.", "a.b", "**.a.b", "**.*", ""])
def test_what_is_no_path_is_no_mask(text: str) -> None:
    assert not is_mask(text)
    assert all(map(is_mask, DEFAULT_MASKS))


def _json(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document, order="sorted")


def logged(world: World, files: list[PolicyFile]) -> tuple[bytes, Evidence]:
    """Decide in `world` as the pdp does, and return what the log then holds."""
    on = basis(
        compile_files(files),
        facts=world.facts,
        switches=world.switches,
        identity_age=world.identity_age,
        gated=world.gated,
    )
    *facts, body = logged_in(files, [world.request], on=on)
    evidence = Evidence()
    for fact in facts:
        evidence.take(read(fact) or {})
    return body, evidence


@settings(max_examples=60)
@given(bundles(careless=False).map(files_of), worlds())
def test_a_replay_gives_the_same_bytes(files: list[PolicyFile], world: World) -> None:
    body, evidence = logged(world, files)
    again = replay(body, evidence)
    assert again.outcome is Outcome.SAME, again.why


@settings(max_examples=25)
@given(bundles(careless=False).map(files_of), worlds())
def test_the_same_bundle_changes_nothing_and_what_if_judges_as_deciding_would(
    files: list[PolicyFile], world: World
) -> None:
    body, evidence = logged(world, files)
    assert what_if(body, evidence, compile_files(files)).outcome is Outcome.SAME
    none = compile_files([PolicyFile(path="none.yaml", content=NOTHING_ALLOWED)])
    changed = what_if(body, evidence, none)
    assert (changed.outcome is Outcome.CHANGED) == (json.loads(body)["effect"] != "DENY")


NOTHING_ALLOWED = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: none}
spec: {rules: [{name: none, match: {actions: ["*"]}, effect: DENY}]}
"""
