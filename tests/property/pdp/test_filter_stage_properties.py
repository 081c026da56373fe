"""Laws of filters in a decision: they only lower it, their faults lower it most, and taint never opens anything."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.decide import decide
from ringfence_pdp.explain import explain
from ringfence_pdp.filters.engines import Broken, Engines
from ringfence_pdp.filters.finding import Finding, Kind, Origin, Severity
from ringfence_pdp.filters.heard import Heard
from ringfence_pdp.model import CheckRequest, Decision, Effect
from ringfence_pdp.outcome import Outcome, meet_all
from support.pdp.bundles import World, bundles, files, worlds
from support.pdp.filtering import DANGEROUS, INTENT, NOTABLE, SUSPECT, Finds
from support.pdp.world import basis

Drawn = list[dict[str, Any]]

_ACTIONS = ["DENY", "REQUIRE_APPROVAL", "FLAG", "IGNORE"]
_GOVERNS: list[dict[str, Any]] = [{}, {"agents": ["ns/data/agents/*"]}, {"environments": ["prod"]}, {"side": "callee"}]


@st.composite
def filter_policies(draw: st.DrawFn) -> dict[str, Any]:
    """Policies that filter, without names."""
    uses = draw(st.lists(st.sampled_from(["patterns", "intent", "origin", "remote"]), min_size=1, max_size=3))
    return {"governs": draw(st.sampled_from(_GOVERNS)), "filters": [_filter(draw, use) for use in uses]}


def _filter(draw: st.DrawFn, use: str) -> dict[str, Any]:
    actions = sorted(draw(st.lists(st.sampled_from(_ACTIONS), min_size=3, max_size=3)), key=_ACTIONS.index)
    written: dict[str, Any] = {"use": use, "actions": dict(zip(("high", "medium", "low"), actions, strict=True))}
    if draw(st.booleans()):
        written["on_error"] = draw(st.sampled_from(_ACTIONS[:3]))
    if draw(st.booleans()):
        written["match"] = {"actions": [draw(st.sampled_from(["*", "read_*", "write_table"]))]}
    if draw(st.booleans()):
        written["ignore"] = draw(st.sampled_from([["sql.comment"], ["category:injection"], ["category:payload"]]))
    if use == "remote":
        written["classifier"] = "guard"
    if use == "origin" and draw(st.booleans()):
        written["unknown"] = "untrusted"
    return written


found = st.lists(
    st.sampled_from(
        [DANGEROUS, SUSPECT, NOTABLE, INTENT, INTENT._replace(p_value=0.0001), DANGEROUS._replace(kind=Kind.FAILURE)]
    ),
    max_size=3,
)


def with_filters(drawn: Drawn, filters: list[dict[str, Any]]) -> CompiledBundle:
    listed = files(drawn)
    for place, policy in enumerate(filters):
        named = [{"name": f"f{number}", **one} for number, one in enumerate(policy["filters"])]
        head = {"apiVersion": "ringfence.dev/v1", "kind": "Policy", "metadata": {"name": f"filters{place}"}}
        document = {**head, "spec": {**policy, "filters": named}}
        listed.append(PolicyFile(path=f"filters{place}.yaml", content=json.dumps(document).encode()))
    return compile_files(listed)


def finding(compiled: CompiledBundle, findings: list[Finding]) -> CompiledBundle:
    finds = Finds(*findings)
    return replace(compiled, engines=Engines(made={"patterns": finds, "intent": finds}))


def decided(compiled: CompiledBundle, world: World, request: CheckRequest | None = None) -> Decision:
    on = basis(compiled, facts=world.facts, switches=world.switches, identity_age=world.identity_age, gated=world.gated)
    return decide(on, request or world.request)


def hearing(request: CheckRequest, findings: list[Finding]) -> CheckRequest:
    return request._replace(heard=Heard({"guard": tuple(findings)}))


@settings(max_examples=60)
@given(drawn=bundles(), world=worlds(), first=filter_policies(), more=filter_policies(), findings=found)
def test_another_filter_never_grants(
    drawn: Drawn, world: World, first: dict[str, Any], more: dict[str, Any], findings: list[Finding]
) -> None:
    request = hearing(world.request, findings)
    without, one, both = (
        decided(finding(with_filters(drawn, filters), findings), world, request)
        for filters in ([], [first], [first, more])
    )
    assert both.effect <= one.effect <= without.effect
    if both.effect is Effect.REQUIRE_APPROVAL is one.effect and one.verdict.approval and both.verdict.approval:
        assert both.verdict.approval.min_approvals >= one.verdict.approval.min_approvals
        assert {*both.verdict.approval.approver_groups} >= {*one.verdict.approval.approver_groups}


@settings(max_examples=60)
@given(drawn=bundles(), world=worlds(), filters=filter_policies(), findings=found, more=found)
def test_finding_more_never_grants(
    drawn: Drawn, world: World, filters: dict[str, Any], findings: list[Finding], more: list[Finding]
) -> None:
    compiled = with_filters(drawn, [filters])
    less = decided(finding(compiled, findings), world, hearing(world.request, findings))
    both = [*findings, *more]
    assert decided(finding(compiled, both), world, hearing(world.request, both)).effect <= less.effect


@settings(max_examples=60)
@given(drawn=bundles(), world=worlds(), filters=filter_policies(), findings=found)
def test_a_filter_that_errs_never_grants(
    drawn: Drawn, world: World, filters: dict[str, Any], findings: list[Finding]
) -> None:
    compiled, without = with_filters(drawn, [filters]), decided(with_filters(drawn, []), world)
    raising = Finds(raising=lambda: RuntimeError("injected"))
    broken = Broken("patterns", "it does not compile")
    closed = all(one.get("on_error", "DENY") == "DENY" for one in filters["filters"])
    working = decided(finding(compiled, findings), world, hearing(world.request, findings))
    for fault in (raising, broken):
        erring = replace(compiled, engines=Engines(made={"patterns": fault, "intent": fault, "origin": fault}))
        decision = decided(erring, world)  # and of the classifier elsewhere nobody heard
        assert decision.effect <= without.effect
        if closed and not any(one["use"] == "origin" for one in filters["filters"]):
            assert decision.effect <= working.effect


@settings(max_examples=60)
@given(drawn=bundles(), world=worlds(), filters=filter_policies(), pointer=st.sampled_from(["", "/kind", "/rows"]))
def test_saying_that_something_is_untrusted_never_grants(
    drawn: Drawn, world: World, filters: dict[str, Any], pointer: str
) -> None:
    compiled = finding(with_filters(drawn, [filters]), [])
    request = hearing(world.request._replace(action="write_table"), [])
    before = decided(compiled, world, request)
    for origin in (Origin.TOOL_OUTPUT, Origin.AGENT):
        assert decided(compiled, world, request._replace(origins={pointer: origin})).effect <= before.effect


@settings(max_examples=60)
@given(drawn=bundles(), world=worlds(), filters=filter_policies(), findings=found)
def test_explaining_gives_the_same_decision_and_the_meet_of_its_stages(
    drawn: Drawn, world: World, filters: dict[str, Any], findings: list[Finding]
) -> None:
    compiled, request = finding(with_filters(drawn, [filters]), findings), hearing(world.request, findings)
    on = basis(compiled, facts=world.facts, switches=world.switches, identity_age=world.identity_age, gated=world.gated)
    explanation = explain(on, request)
    assert explanation.decision == decide(on, request)
    stages = meet_all(Outcome(verdict.effect, approval=verdict.approval) for verdict in explanation.stages)
    assert stages.effect is explanation.decision.effect
    denying = next((verdict for verdict in explanation.stages if verdict.effect is Effect.DENY), None)
    assert denying is None or denying == explanation.decision.verdict


@settings(max_examples=40)
@given(
    world=worlds(),
    drawn=bundles(),
    filters=filter_policies(),
    findings=found,
    most=st.sampled_from([Severity.LOW, Severity.MEDIUM]),
)
def test_what_is_less_severe_is_never_made_more_of(
    world: World, drawn: Drawn, filters: dict[str, Any], findings: list[Finding], most: Severity
) -> None:
    compiled, lighter = (
        with_filters(drawn, [filters]),
        [one._replace(severity=min(one.severity, most)) for one in findings],
    )
    before = decided(finding(compiled, findings), world, hearing(world.request, findings))
    assert decided(finding(compiled, lighter), world, hearing(world.request, lighter)).effect >= before.effect
