"""What holds of tools, external systems and boundaries whatever is said of them."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.canonical_json import digest
from ringfence.registry.v1 import registry_pb2, tool_pb2
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Failure
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.names import AgentName
from ringfence_registry.boundaries.membership import boundaries_of, contains, fits, members, single_sided
from ringfence_registry.boundaries.model import Boundary, BoundarySelector
from ringfence_registry.convert import tools as convert
from ringfence_registry.errors import ToolSchemaInvalid
from ringfence_registry.external_systems.model import ExternalSystem, TrustDecision, TrustVerdict
from ringfence_registry.external_systems.trust import reach_of, why_not_trusted
from ringfence_registry.model import Agent, ApprovedTool, RiskTier
from ringfence_registry.resources.names import BoundaryName, ToolName
from ringfence_registry.resources.snapshot import ResourceSnapshot
from ringfence_registry.resources.switches import Switch, SwitchChange, SwitchState
from ringfence_registry.tools.approvals import Approvals
from ringfence_registry.tools.model import TOOL, Reach, Tool
from ringfence_registry.tools.schemas import read_schemas
from support.registry.agents import SPEC, an_agent
from support.registry.tools import a_boundary, a_system, a_tool

WORDS = ("books", "sales", "dev", "prod", "pii", "gold")
_words = st.frozensets(st.sampled_from(WORDS), max_size=2)
_labels = st.dictionaries(st.sampled_from(("tier", "team")), st.sampled_from(WORDS), max_size=2)

selectors = st.builds(
    BoundarySelector,
    teams=_words,
    environments=_words,
    data_classes=_words,
    risk_tiers=st.frozensets(st.sampled_from(RiskTier), max_size=2),
    labels=_labels,
)


@st.composite
def agents(draw: st.DrawFn) -> Agent:
    spec = replace(
        SPEC,
        team=draw(st.sampled_from(("", *WORDS))),
        environments=tuple(sorted(draw(_words))),
        data_classes=tuple(sorted(draw(_words))),
        risk_tier=draw(st.sampled_from(RiskTier)),
        labels=draw(_labels),
        approved_tools=tuple(
            ApprovedTool(name=name, schema_hash=draw(st.sampled_from(("", "h1", "h2"))))
            for name in sorted(draw(_words))
        ),
        did=draw(st.sampled_from(("", "did:a", "did:b"))),
    )
    return an_agent(draw(st.sampled_from("abcd")), namespace=draw(st.sampled_from(("x", "y"))), spec=spec)


@st.composite
def boundaries(draw: st.DrawFn) -> Boundary:
    name = BoundaryName(draw(st.sampled_from(("x", "y"))), draw(st.sampled_from(("one", "two", "three"))))
    named = draw(st.lists(st.sampled_from([str(AgentName("x", agent)) for agent in "abcd"]), max_size=2, unique=True))
    others = [str(BoundaryName(space, each)) for space in ("x", "y") for each in ("one", "two", "three")]
    return a_boundary(
        name,
        selector=draw(selectors),
        agents=tuple(named),
        single_sided_with=tuple(draw(st.lists(st.sampled_from(others), max_size=3, unique=True))),
    )


# Membership


@given(boundary=boundaries(), agent=agents())
def test_who_is_in_a_boundary_is_what_the_contract_says(boundary: Boundary, agent: Agent) -> None:
    selector, spec = boundary.spec.selector, agent.spec
    lists: list[tuple[Any, Any]] = [
        (selector.teams, {spec.team}),
        (selector.environments, spec.environments),
        (selector.data_classes, spec.data_classes),
        (selector.risk_tiers, {spec.risk_tier}),
    ]
    said = [(wanted, had) for wanted, had in lists if wanted]
    by_selector = (
        bool(said or selector.labels)
        and all(any(value in wanted for value in had) for wanted, had in said)
        and selector.labels.items() <= spec.labels.items()
    )
    own = agent.name.namespace == boundary.name.namespace
    assert contains(boundary, agent) == (own and (by_selector or str(agent.name) in boundary.spec.agents))


@given(agent=agents())
def test_an_empty_selector_fits_nobody(agent: Agent) -> None:
    assert not fits(BoundarySelector(), agent.spec)


@given(selector=selectors, more=selectors, agent=agents())
def test_asking_for_more_never_lets_somebody_in(
    selector: BoundarySelector, more: BoundarySelector, agent: Agent
) -> None:
    """Another kind of thing asked for narrows what a selector that says something fits."""
    if selector == BoundarySelector() or not fits(selector, agent.spec):
        return
    for kind in ("teams", "environments", "data_classes", "risk_tiers"):
        if not getattr(selector, kind):
            wider = fits(replace(selector, **{kind: getattr(more, kind)}), agent.spec)
            assert wider <= fits(selector, agent.spec)


@given(drawn=st.lists(boundaries(), max_size=5), everybody=st.lists(agents(), max_size=6))
def test_both_ways_to_ask_about_membership_agree(drawn: list[Boundary], everybody: list[Agent]) -> None:
    for agent in everybody:
        around = boundaries_of(agent, drawn)
        assert around == tuple(boundary for boundary in drawn if agent in list(members(boundary, everybody)))


@given(one=boundaries(), other=boundaries())
def test_one_side_is_enough_only_when_both_say_so(one: Boundary, other: Boundary) -> None:
    assert single_sided(one, other) == single_sided(other, one)
    if single_sided(one, other):
        assert str(other.name) in one.spec.single_sided_with
        assert str(one.name) in other.spec.single_sided_with


# Trust in external systems

_instants = st.integers(0, 20).map(Instant)
_decisions = st.none() | st.builds(
    TrustDecision,
    verdict=st.sampled_from(TrustVerdict),
    reason=st.just("r"),
    expires_at=_instants,
    actor=st.just("a"),
    decided_at=st.just(Instant(0)),
    ended_at=st.none() | _instants,
)
systems = st.builds(
    lambda decision, state: a_system(decision=decision, switch=Switch(state=state)),
    _decisions,
    st.sampled_from(SwitchState),
)


@given(reached=st.lists(systems, max_size=4), now=_instants, later=_instants)
def test_a_tool_is_trusted_as_long_as_each_system_it_reaches(
    reached: list[ExternalSystem], now: Instant, later: Instant
) -> None:
    reach = reach_of(reached, now)
    assert reach.trusted == all(not why_not_trusted(system, now) for system in reached)
    if later >= now:
        still = reach.trusted and all(not why_not_trusted(system, later) for system in reached)
        assert reach.trusted_at(later) == still


@given(system=systems, now=_instants, later=_instants)
def test_trust_never_comes_back_by_itself(system: ExternalSystem, now: Instant, later: Instant) -> None:
    if later >= now and why_not_trusted(system, now):
        assert why_not_trusted(system, later)


@given(reached=st.lists(systems, max_size=3), now=_instants)
def test_a_system_there_is_not_is_not_trusted(reached: list[ExternalSystem], now: Instant) -> None:
    assert reach_of([*reached, None], now) == Reach(trusted=False)


# Schemas

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_extra = st.dictionaries(st.sampled_from(("x-a", "x-b", "default", "examples-x")), _json, max_size=3)


@given(extra=_extra, random=st.randoms())
def test_the_hash_is_that_of_the_canonical_form_however_it_is_written(extra: dict[str, Any], random: Any) -> None:
    schema = {"type": "object", **extra}
    shuffled = list(schema.items())
    random.shuffle(shuffled)
    written = [json.dumps(schema), json.dumps(dict(shuffled), indent=random.choice((None, 1, 4)), ensure_ascii=False)]
    hashes = {read_schemas(text, "").hash for text in written}
    assert hashes == {f"sha256-{digest({'input': schema, 'output': None}).hex()}"}


@given(one=_extra, other=_extra)
def test_schemas_that_differ_have_different_hashes(one: dict[str, Any], other: dict[str, Any]) -> None:
    hashes = {read_schemas(json.dumps(each), "").hash for each in (one, other)}
    canonical = {digest(copy.deepcopy(each)) for each in (one, other)}
    assert len(hashes) == len(canonical)


@given(text=st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | _json.map(json.dumps))
def test_no_text_makes_reading_a_schema_fail_in_another_way(text: str) -> None:
    refused = refusal_of(lambda: read_schemas(text, ""), ToolSchemaInvalid)
    assert refused is None or refused.violations


def refusal_of(work: Callable[[], object], kind: type[Failure] = Failure) -> Failure | None:
    """Return the failure `work` is refused with, None when it is not."""
    try:
        work()
    except kind as refused:
        return refused
    return None


# In memory

_tool_ids = st.sampled_from(("a", "a.b", "b", "c_d"))


@given(
    steps=st.lists(st.tuples(st.sampled_from(("x", "y")), _tool_ids, st.sampled_from(Change)), max_size=20),
    size=st.integers(1, 4),
    work=st.integers(1, 4),
)
def test_a_snapshot_is_what_its_events_say_and_pages_show_each_once(
    steps: list[tuple[str, str, Change]], size: int, work: int
) -> None:
    snapshot, expected = ResourceSnapshot(TOOL, Tool, page_work=work), {}
    for number, (namespace, tool_id, change) in enumerate(steps, 1):
        tool = a_tool(ToolName(namespace, tool_id), revision=number)
        snapshot.apply(an_event(tool, change, number))
        snapshot.apply(an_event(tool, change, number, kind="other"))
        expected[str(tool.name)] = tool
        if change is Change.DELETED:
            del expected[str(tool.name)]
    assert snapshot.within() == tuple(expected[name] for name in sorted(expected))
    reloaded = ResourceSnapshot(TOOL, Tool)
    reloaded.fill(expected.values())
    assert reloaded.within() == snapshot.within()
    seen, after = [], ""
    while True:
        page = snapshot.page(lambda _: True, prefix="namespaces/x/", after=after, limit=size)
        assert len(page.resources) <= size
        seen += [str(tool.name) for tool in page.resources]
        after = page.cursor
        if not after:
            break
    assert seen == sorted(name for name in expected if name.startswith("namespaces/x/"))


def an_event(tool: Tool, change: Change, number: int, *, kind: str = TOOL) -> Event:
    return Event(
        revision=Revision(number),
        change=change,
        kind=kind,
        name=str(tool.name),
        record=records.encode(tool),
        at=Instant(0),
        actor="a",
    )


@given(steps=st.lists(st.tuples(agents(), st.sampled_from(Change)), max_size=12))
def test_approvals_are_those_of_the_agents_as_they_are(steps: list[tuple[Agent, Change]]) -> None:
    approvals, expected = Approvals(), {}
    for number, (agent, change) in enumerate(steps, 1):
        event = Event(
            revision=Revision(number),
            change=change,
            kind="agent",
            name=str(agent.name),
            record=records.encode(agent),
            at=Instant(0),
            actor="a",
        )
        approvals.apply(event)
        expected[str(agent.name)] = agent
        if change is Change.DELETED:
            del expected[str(agent.name)]
    reloaded = Approvals()
    reloaded.fill(expected.values())
    for word in WORDS:
        pins = {
            name: tool.schema_hash
            for name, agent in expected.items()
            for tool in agent.spec.approved_tools
            if tool.name == word
        }
        assert approvals.pins(word) == reloaded.pins(word) == pins


# Messages

_text = st.sampled_from(("", "a", "Käse"))


@given(
    said=st.fixed_dictionaries(
        {
            "display_name": _text,
            "description": _text,
            "version": _text,
            "protocol": st.integers(0, 5),
            "side_effect": st.integers(0, 5),
            "failure_behaviour": st.integers(0, 4),
            "input_schema": st.sampled_from(("{}", "true", "", "{")),
            "output_schema": st.sampled_from(("", "{}", "[]")),
            "data_classes": st.lists(st.sampled_from(("pii", "x", "X")), max_size=2),
            "required_permissions": st.lists(_text, max_size=2),
            "timeout": st.none()
            | st.builds(Duration, seconds=st.integers(-1, 4_000), nanos=st.sampled_from((0, 5_000_000))),
            "labels": st.dictionaries(st.sampled_from(("a", "B")), _text, max_size=2),
            "argument_types": st.dictionaries(
                st.sampled_from(("/a", "/b/*", "/~0", "a", "/~")), st.integers(0, 9), max_size=2
            ),
            "external_sink": st.booleans(),
        }
    )
)
def test_a_tool_comes_out_as_it_went_in_or_is_refused_in_our_words(said: dict[str, Any]) -> None:
    owner = registry_pb2.Owner(display_name="Ada", contact="ada@example.com")
    request = tool_pb2.RegisterToolRequest(parent="namespaces/x", tool_id="t", tool=tool_pb2.Tool(owner=owner, **said))
    refused = refusal_of(lambda: convert.register_tool(request))
    if refused is not None:
        assert refused.violations
        return
    wanted = convert.register_tool(request).tool
    message = convert.tool_message(replace(a_tool(wanted.name), spec=wanted.spec))
    for field, value in said.items():
        if field == "failure_behaviour" and not value:
            continue  # its default is filled in
        assert getattr(message, field) == getattr(request.tool, field)


@pytest.mark.parametrize("state", SwitchState)
def test_switching_to_what_it_is_changes_nothing(state: SwitchState) -> None:
    before = Switch(state=state)
    change = SwitchChange(reason="r", actor="a", at=Instant(1))
    assert before.turned(state, change) is before
    other = next(each for each in SwitchState if each is not state)
    assert before.turned(other, change) == Switch(state=other, last=change)
