"""SelectAgent: who is chosen, with which weight and why, and what is said of those who are not."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from ringfence_kit.clock import DAY, Instant
from ringfence_registry.cards.model import CardInterface, CardSkill
from ringfence_registry.errors import FilterInvalid
from ringfence_registry.finding.agent_view import AgentView, Viewer
from ringfence_registry.finding.selecting import NAMED, Selected, Selection
from ringfence_registry.finding.selection import better_of_two, factors_of, interface_for, ranked, revision_to_call
from ringfence_registry.finding.views import Circuit, Health, Order, Slo, Trust
from ringfence_registry.model import Agent, AgentState, Deployment, RiskTier, Rollout
from ringfence_registry.namespaces.visible import Visible
from support.registry.agents import an_agent
from support.registry.found import ADMIN, NOW, STRANGER, Finding, Sight
from support.registry.neighbours import SteeredHealth, SteeredTrust

GRPC = CardInterface(url="https://a.example/grpc", protocol_binding="GRPC", protocol_version="1.0")
JSON_RPC = CardInterface(url="https://a.example/rpc", protocol_binding="JSONRPC", protocol_version="1.0")
GOOD = Health(circuit=Circuit.CLOSED, latency_p50_ms=10, latency_p95_ms=40, error_rate=0.0, calls=100, slo=Slo.MET)
TRUSTED = Trust(score=800, ring=1, active=True, heard_at=NOW)


def able(name: str, **changed: object) -> Agent:
    """An agent that can be called for anything."""
    base = an_agent(name, namespace="open")
    facts = replace(
        base.card, skills=(CardSkill(id="export", name="Export", tags=("sql", "csv")),), interfaces=(JSON_RPC, GRPC)
    )
    spec = replace(
        base.spec,
        did=f"did:web:{name}.example",
        risk_tier=RiskTier.MEDIUM,
        environments=("dev", "prod"),
        data_classes=("pii", "logs"),
        deployments=(Deployment(environment="prod", region="eu"), Deployment(environment="dev", region="us")),
    )
    fields = {key: value for key, value in changed.items() if hasattr(spec, key)}
    rest = {key: value for key, value in changed.items() if key not in fields and key != "card"}
    card = replace(facts, **changed["card"]) if "card" in changed else facts  # type: ignore[arg-type] # a test's fields
    return replace(base, card=card, spec=replace(spec, **fields), **rest)  # type: ignore[arg-type] # as above


def seen(agent: Agent, *, health: Health | None = GOOD, trust: Trust | None = TRUSTED) -> AgentView:
    return AgentView(agent=agent, now=NOW, health=health, trust=trust)


def wanted(**said: object) -> Selection:
    asked: dict[str, object] = {"namespace": None, "environment": "prod", "skill": "export", "dice": random.Random(1)}
    return Selection(**{**asked, **said})  # type: ignore[arg-type] # a test's fields


def selected(finding: Finding, **said: object) -> Selected:
    return finding.selection.select_agent(wanted(**said), caller=ADMIN, now=NOW)


def names(answer: Selected) -> list[str]:
    return [each.view.agent.name.agent for each in answer.candidates]


def reasons(answer: Selected) -> dict[str, list[str]]:
    return {each.reason: [name.rpartition("/")[2] for name in each.agents] for each in answer.exclusions}


# Who is left out


def test_each_is_left_out_for_the_first_thing_against_it() -> None:
    trust, health = SteeredTrust(), SteeredHealth()
    agents = [
        able("fine"),
        able("draft", state=AgentState.DRAFT),
        able("retired", state=AgentState.RETIRED),
        able("suspended", state=AgentState.SUSPENDED),
        able("dev-only", environments=("dev",)),
        able("risky", risk_tier=RiskTier.CRITICAL),
        able("elsewhere", deployments=(Deployment(environment="dev", region="eu"),)),
        able("no-pii", data_classes=("logs",)),
        able("json-only", card={"interfaces": (JSON_RPC,)}),
        able("suspended-identity"),
        able("mistrusted"),
        able("unknown"),
        able("dead", lease_expires_at=NOW),
        able("broken"),
        able("other-skill", card={"skills": (CardSkill(id="import", name="Import"),)}),
        able("deleted", deleted_at=NOW),
    ]
    finding = Finding(agents, viewer=Viewer(trust=trust, health=health))
    for agent in agents:
        if agent.name.agent != "unknown":
            trust.say(agent.spec.did, TRUSTED)
    trust.say("did:web:mistrusted.example", replace(TRUSTED, score=100, ring=3))
    trust.say("did:web:suspended-identity.example", replace(TRUSTED, active=False))
    health.say("namespaces/open/agents/broken", replace(GOOD, circuit=Circuit.OPEN))
    answer = selected(
        finding,
        max_risk_tier=RiskTier.HIGH,
        region="eu",
        data_classes=("pii", "logs"),
        bindings=("grpc",),
        min_trust_score=500,
    )
    assert names(answer) == ["fine"]
    assert reasons(answer) == {
        "NOT_SERVING": ["draft", "retired", "suspended"],
        "ENVIRONMENT": ["dev-only"],
        "RISK_TOO_HIGH": ["risky"],
        "REGION": ["elsewhere"],
        "DATA_CLASS": ["no-pii"],
        "PROTOCOL": ["json-only"],
        "IDENTITY_NOT_ACTIVE": ["suspended-identity"],
        "TRUST_TOO_LOW": ["mistrusted", "unknown"],
        "LEASE_EXPIRED": ["dead"],
        "CIRCUIT_OPEN": ["broken"],
    }


def test_without_a_lease_nothing_is_held_against_an_agent() -> None:
    finding = Finding([able("a"), able("b", lease_expires_at=Instant(NOW + DAY))])
    assert names(selected(finding)) == ["a", "b"]


def test_tags_are_all_needed() -> None:
    finding = Finding([able("a"), able("b", card={"skills": (CardSkill(id="x", name="", tags=("sql",)),)})])
    assert names(selected(finding, skill="", tags=("sql", "csv"))) == ["a"]
    assert names(selected(finding, skill="", tags=("sql",))) == ["a", "b"]


def test_a_filter_is_one_more_check_and_is_judged_even_when_nobody_is_left() -> None:
    finding = Finding([able("a"), able("b", team="data")])
    answer = selected(finding, filter="team = data")
    assert (names(answer), reasons(answer)) == (["b"], {"FILTER": ["a"]})
    with pytest.raises(FilterInvalid):
        selected(finding, skill="nobody-has-it", filter="tem = data")


def test_nothing_is_said_of_agents_that_the_caller_does_not_see() -> None:
    hidden = replace(able("x", state=AgentState.SUSPENDED), name=replace(able("x").name, namespace="closed"))
    sight = Sight({STRANGER.principal: Visible(listed=frozenset({"open"}))})
    finding = Finding([able("a"), hidden], sight=sight)
    answer = finding.selection.select_agent(wanted(), caller=STRANGER, now=NOW)
    assert (names(answer), answer.exclusions) == (["a"], ())


def test_an_exclusion_counts_all_and_names_some() -> None:
    finding = Finding([able(f"d{n:02}", state=AgentState.DRAFT) for n in range(25)])
    (exclusion,) = selected(finding).exclusions
    assert (exclusion.count, len(exclusion.agents)) == (25, NAMED)


# Weights


def factor(view: AgentView, name: str, fastest: float | None = 40) -> float:
    return next(each.multiplier for each in factors_of(view, fastest) if each.name == name)


def test_what_is_better_weighs_more() -> None:
    best = seen(able("a"))
    worse = [
        seen(able("a"), health=replace(GOOD, latency_p95_ms=400)),
        seen(able("a"), health=replace(GOOD, error_rate=0.1)),
        seen(able("a"), health=replace(GOOD, slo=Slo.AT_RISK)),
        seen(able("a"), health=replace(GOOD, slo=Slo.BREACHED)),
        seen(able("a"), health=replace(GOOD, circuit=Circuit.HALF_OPEN)),
        seen(able("a"), trust=replace(TRUSTED, score=100)),
        seen(able("a"), trust=None),
        seen(able("a"), health=None),
        seen(able("a", state=AgentState.DEPRECATED)),
    ]
    for view in worse:
        first, second = ranked([view, replace(best, agent=able("b"))], (), random.Random(1))
        assert first.view.agent.name.agent == "b"
        assert first.weight > second.weight > 0


def test_weights_add_up_and_have_reasons() -> None:
    views = [seen(able("a")), seen(able("b"), health=None, trust=None), seen(able("c"), trust=None)]
    candidates = ranked(views, (), random.Random(1))
    assert sum(each.weight for each in candidates) == pytest.approx(1)
    for candidate in candidates:
        assert {each.name for each in candidate.factors} == {"latency", "errors", "slo", "trust"}
        assert all(0 < each.multiplier <= 1 and each.explanation for each in candidate.factors)


def test_a_failing_agent_is_still_tried_now_and_then() -> None:
    assert factor(seen(able("a"), health=replace(GOOD, error_rate=1.0)), "errors") > 0
    assert factor(seen(able("a"), health=replace(GOOD, latency_p95_ms=1e9)), "latency") > 0


def test_ties_go_by_name() -> None:
    views = [seen(able(name)) for name in "cab"]
    assert [each.view.agent.name.agent for each in ranked(views, (), random.Random(1))] == ["a", "b", "c"]


# The draw


def test_two_choices_spread_the_calls_and_prefer_the_better() -> None:
    views = [
        seen(able("good")),
        seen(able("fair"), health=replace(GOOD, slo=Slo.AT_RISK)),
        seen(able("bad"), health=None),
    ]
    candidates, dice = ranked(views, (), random.Random(1)), random.Random(7)
    drawn = Counter(better_of_two(candidates, dice).view.agent.name.agent for _ in range(2_000))
    assert drawn["good"] > drawn["fair"] > drawn["bad"] > 0


def test_the_same_dice_make_the_same_choice() -> None:
    finding = Finding([able(f"a{n}") for n in range(30)])
    picks = [names(selected(finding, two_choices=True, dice=random.Random("x"))) for _ in range(3)]
    assert len(picks[0]) == 1
    assert picks[0] == picks[1] == picks[2]


def test_a_canary_gets_its_share_and_the_stable_one_the_rest() -> None:
    rollout = Rollout(canary=4, stable=2, percent=20, started_at=NOW)
    agent, dice = able("a", rollout=rollout, number=4), random.Random(1)
    drawn = Counter(revision_to_call(agent, dice)[0] for _ in range(5_000))
    assert set(drawn) == {2, 4}
    assert 0.17 < drawn[4] / 5_000 < 0.23
    number, why = revision_to_call(agent, dice)
    assert why is not None
    assert f"this one goes to {number}" in why.explanation
    assert revision_to_call(replace(agent, rollout=None, aliases={"stable": 3}), dice) == (3, None)
    assert revision_to_call(replace(agent, rollout=None), dice) == (4, None)


def test_an_agent_is_called_where_it_speaks_what_the_caller_does() -> None:
    assert interface_for(able("a"), ("gRPC",)) == GRPC
    assert interface_for(able("a"), ()) == JSON_RPC
    assert interface_for(able("a", card={"interfaces": ()}), ()) is None


def test_more_candidates_than_are_weighed_are_the_most_trusted() -> None:
    trust = SteeredTrust()
    agents = [able(f"a{n:03}") for n in range(300)]
    finding = Finding(agents, viewer=Viewer(trust=trust))
    trust.say("did:web:a299.example", replace(TRUSTED, score=1_000))
    assert names(selected(finding, limit=1)) == ["a299"]


def steered(agents: list[Agent], healths: dict[str, Health]) -> Finding:
    trust, health = SteeredTrust(), SteeredHealth()
    for agent in agents:
        trust.say(agent.spec.did, TRUSTED)
    for name, said in healths.items():
        health.say(f"namespaces/open/agents/{name}", said)
    return Finding(agents, viewer=Viewer(trust=trust, health=health))


def test_an_agent_whose_circuit_is_open_for_the_skill_is_left_out_for_it_alone() -> None:
    broken = replace(GOOD, circuits=(("export", Circuit.OPEN), ("import", Circuit.CLOSED)))
    finding = steered([able("broken"), able("fine")], {"broken": broken, "fine": GOOD})
    answer = selected(finding)
    assert (names(answer), reasons(answer)) == (["fine"], {"CIRCUIT_OPEN": ["broken"]})
    assert sorted(names(selected(finding, skill="", tags=("sql",)))) == ["broken", "fine"]


def test_work_goes_to_equals_of_one_that_is_to_be_spared_and_says_why() -> None:
    spared = replace(GOOD, order=Order.PREFER_ALTERNATE)
    finding = steered([able("a-spared"), able("fine")], {"a-spared": spared, "fine": GOOD})
    first, second = selected(finding).candidates
    assert (first.view.agent.name.agent, second.view.agent.name.agent) == ("fine", "a-spared")
    (said,) = [factor for factor in second.factors if factor.name == "order"]
    assert said.multiplier < 1
    assert "PREFER_ALTERNATE" in said.explanation
    assert not [factor for factor in first.factors if factor.name == "order"]


def test_the_graver_the_order_the_less_is_left() -> None:
    weights = []
    for order in Order:
        finding = steered([able("a"), able("b")], {"a": replace(GOOD, order=order), "b": GOOD})
        (candidate,) = [each for each in selected(finding).candidates if each.view.agent.name.agent == "a"]
        weights.append(candidate.weight)
    assert weights == sorted(weights, reverse=True)


def test_a_circuit_that_is_tried_again_gets_probes_only() -> None:
    trying = replace(GOOD, circuits=(("export", Circuit.HALF_OPEN),))
    finding = steered([able("a"), able("b")], {"a": trying, "b": GOOD})
    (candidate,) = [each for each in selected(finding).candidates if each.view.agent.name.agent == "a"]
    assert candidate.weight < 0.03
    assert "its circuit is being tried again" in [factor.explanation for factor in candidate.factors]
