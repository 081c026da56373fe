"""Laws of the decision, each over random bundles, agents, moments and questions."""

from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import Instant, Millis
from ringfence_pdp.case import Basis
from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.compile import CompiledBundle, compile_files
from ringfence_pdp.decide import decide
from ringfence_pdp.explain import explain
from ringfence_pdp.facts import IdentityStatus
from ringfence_pdp.kill_switch import KillTarget, TargetKind
from ringfence_pdp.model import CheckRequest, Effect, Reason, Resource, Stage
from ringfence_pdp.outcome import Outcome, meet_all
from support.pdp.bundles import World, bundles, files, policies, worlds
from support.pdp.oracle import judged, policies_of
from support.pdp.world import NOW, basis, trust

Drawn = list[dict[str, Any]]


def compiled(drawn: Drawn) -> CompiledBundle:
    return compile_files(files(drawn))


def stands_on(drawn: Drawn, world: World, **changes: Any) -> Basis:
    return moment(compiled(drawn), world, **changes)


def moment(bundle: CompiledBundle, world: World, **changes: Any) -> Basis:
    fields = {
        "facts": world.facts,
        "switches": world.switches,
        "identity_age": world.identity_age,
        "gated": world.gated,
        **changes,
    }
    return basis(bundle, **fields)


@given(drawn=bundles(), world=worlds())
def test_decides_as_an_oracle_without_index_or_compiler(drawn: Drawn, world: World) -> None:
    stood_on = stands_on(drawn, world)
    decision = decide(stood_on, world.request)
    answer = judged(stood_on, policies_of(files(drawn)), world.request)
    approval = decision.verdict.approval
    assert (decision.effect.name, decision.reason.name) == (answer.effect, answer.reason)
    assert decision.verdict.rules == answer.rules
    assert (approval.min_approvals if approval is not None else 0) == answer.people


@given(drawn=bundles(), world=worlds())
def test_explaining_gives_the_same_decision_and_the_meet_of_its_stages(drawn: Drawn, world: World) -> None:
    stood_on = stands_on(drawn, world)
    explanation = explain(stood_on, world.request)
    assert explanation.decision == decide(stood_on, world.request)
    stages = meet_all(Outcome(verdict.effect, approval=verdict.approval) for verdict in explanation.stages)
    assert stages.effect is explanation.decision.effect
    rules = next(verdict for verdict in explanation.stages if verdict.stage is Stage.RULES)
    first = next((verdict for verdict in explanation.stages if verdict.effect is Effect.DENY), rules)
    assert first == explanation.decision.verdict
    assert bool(explanation.nearest_misses) == (explanation.decision.effect is not Effect.ALLOW)


@given(drawn=bundles(), world=worlds(), random=st.randoms())
def test_the_order_of_files_and_rules_leaves_no_trace(drawn: Drawn, world: World, random: Any) -> None:
    listed = files(drawn)
    before = decide(stands_on(drawn, world), world.request)
    random.shuffle(listed)
    assert decide(moment(compile_files(listed), world), world.request) == before


@given(drawn=bundles(), world=worlds(), more=policies())
def test_another_denial_never_grants(drawn: Drawn, world: World, more: dict[str, Any]) -> None:
    denying = {**more, "rules": [rule for rule in more["rules"] if rule["effect"] == "DENY"]}
    assume(denying["rules"])
    before = decide(stands_on(drawn, world), world.request)
    after = decide(stands_on([*drawn, denying], world), world.request)
    assert after.effect <= before.effect


@given(drawn=bundles(), world=worlds())
def test_one_denial_fewer_rules_or_none_a_denial_dominates(drawn: Drawn, world: World) -> None:
    always = {"rules": [{"effect": "DENY", "match": {"actions": ["*"]}}]}
    assert decide(stands_on([*drawn, always], world), world.request).effect is Effect.DENY


@given(drawn=bundles(), world=worlds())
def test_without_a_permission_fewer_nothing_is_gained(drawn: Drawn, world: World) -> None:
    fewer = [{**policy, "rules": [rule for rule in policy["rules"] if rule["effect"] != "ALLOW"]} for policy in drawn]
    fewer = [policy for policy in fewer if policy["rules"]]
    assume(fewer)
    before = decide(stands_on(drawn, world), world.request)
    assert decide(stands_on(fewer, world), world.request).effect <= before.effect


@given(drawn=bundles(), world=worlds())
def test_a_kill_switch_dominates(drawn: Drawn, world: World) -> None:
    stopped = stands_on(drawn, world, switches=[KillTarget(TargetKind.EVERYTHING)])
    decision = decide(stopped, world.request)
    assert (decision.effect, decision.reason) == (Effect.DENY, Reason.KILLED)


@settings(max_examples=200)
@given(drawn=bundles(careless=False), world=worlds(), data=st.data())
def test_leaving_an_attribute_out_never_grants(drawn: Drawn, world: World, data: st.DataObject) -> None:
    stood_on = stands_on(drawn, world)
    assert stood_on.bundle is not None
    assert not [finding for finding in stood_on.bundle.findings if "left out" in finding.problem]
    before = decide(stood_on, world.request)
    less = data.draw(st.sampled_from(list(_with_less(world.request)) or [world.request]))
    assert decide(stood_on, less).effect <= before.effect


def _with_less(request: CheckRequest) -> list[CheckRequest]:
    """The request with one attribute left out, in every way."""
    arguments, context, resource = dict(request.arguments()), dict(request.context()), request.resource
    fewer = [request._replace(arguments=_given(arguments, key)) for key in arguments]
    fewer += [request._replace(context=_given(context, key)) for key in context]
    if resource.data_class is not None:
        fewer.append(request._replace(resource=resource._replace(data_class=None)))
    if resource.labels:
        fewer.append(request._replace(resource=Resource(data_class=resource.data_class)))
    return fewer


def _given(sent: dict[str, object], without: str) -> Any:
    left = {key: value for key, value in sent.items() if key != without}
    return lambda: left


def _failing(_: object) -> bool:
    raise EvaluationError("injected")


@settings(max_examples=200)
@given(drawn=bundles(), world=worlds(), data=st.data())
def test_a_condition_that_fails_instead_never_grants(drawn: Drawn, world: World, data: st.DataObject) -> None:
    stood_on = stands_on(drawn, world)
    assert stood_on.bundle is not None
    rules = stood_on.bundle.rules
    place = data.draw(st.integers(0, len(rules) - 1))
    broken = tuple(replace(rule, evaluate=_failing) if at == place else rule for at, rule in enumerate(rules))
    before = decide(stood_on, world.request)
    after = decide(stood_on._replace(bundle=replace(stood_on.bundle, rules=broken)), world.request)
    assert after.effect <= before.effect


@settings(max_examples=200)
@given(drawn=bundles(), world=worlds(), ring=st.integers(0, 3), score=st.integers(0, 1_000))
def test_trusting_an_agent_less_never_grants(drawn: Drawn, world: World, ring: int, score: int) -> None:
    # Silent feeds are left out: after three missed heartbeats rings 0 and 1 count as 3, and 2 still as 2.
    stood_on = stands_on(drawn, world, identity_age=Millis(100))
    known = stood_on.facts.identity(None, world.request.agent, world.request.environment)
    assume(known is not None)
    assert known is not None
    before = decide(stood_on, world.request)
    lowered = trust(max(ring, before.ring), min(score, before.score))
    stood_on.facts.put_identity(replace(known, trust=lowered))
    after = decide(stood_on, world.request)
    assert after.ring >= before.ring
    assert after.effect <= before.effect


@given(drawn=bundles(), world=worlds(), status=st.sampled_from([IdentityStatus.REVOKED, IdentityStatus.SUSPENDED]))
def test_an_identity_that_may_not_be_used_never_gets_through(
    drawn: Drawn, world: World, status: IdentityStatus
) -> None:
    for known in list(world.facts.by_did.values()):
        world.facts.put_identity(replace(known, status=status))
    assert decide(stands_on(drawn, world), world.request).effect is Effect.DENY


@given(drawn=bundles(), world=worlds(), later=st.integers(0, 400 * 86_400_000))
def test_time_that_passes_never_grants(drawn: Drawn, world: World, later: int) -> None:
    before = decide(stands_on(drawn, world, identity_age=Millis(100)), world.request)
    after = decide(stands_on(drawn, world, identity_age=Millis(100), now=Instant(NOW + later)), world.request)
    assert after.effect <= before.effect


@given(drawn=bundles(), world=worlds())
def test_the_same_question_twice_is_answered_alike(drawn: Drawn, world: World) -> None:
    stood_on = stands_on(drawn, world)
    assert decide(stood_on, world.request) == decide(stood_on, world.request)
