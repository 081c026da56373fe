"""What telemetry judges of the agent that is called: in conditions, as an obligation, and never by accident."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import health_pb2
from ringfence.watch import Change
from ringfence_kit.clock import Instant
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.convert.health import take_health
from ringfence_pdp.decide import decide
from ringfence_pdp.facts import Facts
from ringfence_pdp.health_facts import UNHEARD, AgentHealth, HealthView, health_of
from ringfence_pdp.model import Decision, Obligation
from ringfence_pdp.replay import Evidence, Outcome, is_decision, is_fact, read, replay
from support.pdp.links import A, B, C, call, did, known, sides, stands
from support.pdp.replays import logged_in
from support.pdp.world import NOW, basis, policy

LATER = Instant(NOW + 60_000)
BURNING = AgentHealth(agent=did(C), until=LATER, circuit="closed", slo="burning", order="shed", budget_left=-0.5)
MAY_DEGRADE = frozenset({"log", "redact", "degrade"})


def gave(decision: Decision) -> str:
    return f"{decision.effect.name} {decision.reason.name}"


def doing(*healths: AgentHealth) -> Facts:
    return known({A: 1, B: 1, C: 1}, health={health.agent: health for health in healths})


def judged(when: str, *healths: AgentHealth) -> str:
    rule = policy(f"{{name: some, match: {{actions: [\"*\"]}}, effect: ALLOW, when: '{when}'}}")
    return gave(decide(stands(rule, facts=doing(*healths)), call()))


# Conditions


@pytest.mark.parametrize(
    "when",
    [
        'target.health.order == "shed"',
        'target.health.circuit == "closed" && target.health.slo == "burning"',
        "target.health.budget_left < 0.1",
        'target.health.order in ["shed", "fail_fast"]',
        "has(target.health.order)",
    ],
)
def test_a_condition_sees_what_is_judged(when: str) -> None:
    assert judged(when, BURNING) == "ALLOW ALLOWED"


@pytest.mark.parametrize(
    "health",
    [
        BURNING._replace(until=NOW),
        BURNING._replace(agent=did(B)),
        AgentHealth(agent=did(C), until=LATER, circuit="open"),
    ],
    ids=["stale", "of another", "without an order"],
)
def test_what_is_stale_or_was_never_said_is_absent_and_the_policy_says_what_that_means(health: AgentHealth) -> None:
    assert judged("has(target.health.order)", health) == "DENY NO_MATCH"
    assert judged('!has(target.health.order) || target.health.order == "normal"', health) == "ALLOW ALLOWED"
    assert judged('!(has(target.health.order) && target.health.order == "shed")', health) == "ALLOW ALLOWED"


def test_an_order_that_does_not_exist_is_refused_when_the_policy_is_pushed() -> None:
    with pytest.raises(Exception, match="shedd"):
        judged('target.health.order == "shedd"', BURNING)


def test_the_graver_of_two_names_counts() -> None:
    mild = AgentHealth(agent=str(C), until=LATER, order="hedge")
    assert judged('target.health.order == "shed"', mild, BURNING) == "ALLOW ALLOWED"
    assert health_of({did(C): BURNING, str(C): mild}, (did(C), str(C)), LATER) is UNHEARD


# The obligation


def decided(order: str, **changed: object) -> Decision:
    facts = doing(BURNING._replace(order=order))
    asked = {"supported_obligations": MAY_DEGRADE} | changed
    return decide(stands(*sides("A/A", "A/A"), facts=facts), call(**asked))


def test_an_order_above_normal_obliges_whoever_can_degrade() -> None:
    decision = decided("shed")
    assert gave(decision) == "ALLOW ALLOWED"
    assert decision.composed.obligations == (Obligation("degrade", "target", {"agent": str(C), "order": "shed"}),)


def test_nobody_is_obliged_by_an_order_that_is_normal_or_to_what_it_does_not_know() -> None:
    assert decided("normal").composed.obligations == ()
    decision = decided("escalate_human", supported_obligations=frozenset())
    assert (gave(decision), decision.composed.obligations) == ("ALLOW ALLOWED", ())


def test_failing_fast_denies_only_when_a_policy_says_so() -> None:
    assert gave(decided("fail_fast")) == "ALLOW ALLOWED"
    deny = policy(
        '{name: no, match: {actions: ["*"]}, effect: DENY, '
        "when: 'has(target.health.order) && target.health.order == \"fail_fast\"'}",
        name="fast",
    )
    facts = doing(BURNING._replace(order="fail_fast"))
    decision = decide(stands(*sides("A/A", "A/A"), deny, facts=facts), call(supported_obligations=MAY_DEGRADE))
    assert gave(decision) == "DENY RULE_DENIED"
    assert decision.composed.obligations == ()


def test_a_policy_that_obliges_to_degrade_has_the_word() -> None:
    obliging = policy(
        '{name: all, match: {actions: ["*"]}, effect: ALLOW, '
        "obligations: [{type: degrade, id: ours, properties: {order: hedge}}]}"
    )
    decision = decide(stands(obliging, facts=doing(BURNING)), call(supported_obligations=MAY_DEGRADE))
    assert [each.id for each in decision.composed.obligations] == ["ours"]


# The log


def test_a_decision_that_stood_on_it_is_decided_again_from_the_log() -> None:
    text = policy('{name: some, match: {actions: ["*"]}, effect: ALLOW, when: \'target.health.order == "shed"\'}')
    files = [PolicyFile(path="p.yaml", content=text.encode())]
    on = basis(compile_files(files), facts=doing(BURNING))
    bodies = logged_in(files, [call(supported_obligations=MAY_DEGRADE)], on=on)
    evidence = Evidence()
    for body in bodies:
        entry = read(body)
        assert entry is not None
        if is_fact(entry):
            evidence.take(entry)
    (decision,) = [body for body in bodies if (entry := read(body)) is not None and is_decision(entry)]
    assert b'"type":"degrade"' in decision
    replayed = replay(decision, evidence)
    assert (replayed.outcome, replayed.after) == (Outcome.SAME, "ALLOW ALLOWED")


# What telemetry says


def message(**changes: object) -> health_pb2.WatchHealthResponse:
    fields: dict[str, object] = {
        "agent": did(C),
        "circuit": health_pb2.CIRCUIT_STATE_HALF_OPEN,
        "slo": health_pb2.SLO_STATE_BREACHED,
        "order": 7,
        "budget_left": "-1.25",
        "expire_time": Timestamp(seconds=LATER // 1_000),
    }
    health = health_pb2.AgentHealth(**(fields | changes))  # type: ignore[arg-type] # a test names its fields
    return health_pb2.WatchHealthResponse(health=health)


def taken(*told: tuple[Change, health_pb2.WatchHealthResponse]) -> HealthView:
    view: HealthView = {}
    for change, answer in told:
        take_health(view, change, answer)
    return view


def test_what_telemetry_says_is_known() -> None:
    health = AgentHealth(
        agent=did(C), until=LATER, circuit="half_open", slo="breached", order="escalate_human", budget_left=-1.25
    )
    assert taken((Change.ADDED, message())) == {did(C): health}


def test_what_it_no_longer_says_is_unknown() -> None:
    assert taken((Change.ADDED, message()), (Change.DELETED, message())) == {}
    unjudged = message()
    unjudged.health.ClearField("expire_time")
    assert taken((Change.ADDED, message()), (Change.MODIFIED, unjudged)) == {}


def test_single_skills_and_revisions_are_not_the_agent() -> None:
    assert taken((Change.ADDED, message(skill="quote")), (Change.ADDED, message(revision="7"))) == {}


@pytest.mark.parametrize("share", ["", "nan", "1e999", "0x1", "1.2.3", "\u0661", "9" * 50])
def test_a_share_that_is_none_is_not_known(share: str) -> None:
    assert taken((Change.ADDED, message(budget_left=share)))[did(C)].budget_left is None


@pytest.mark.parametrize("order", [0, 8, -1])
def test_an_order_of_a_newer_release_is_not_known(order: int) -> None:
    assert taken((Change.ADDED, message(order=order)))[did(C)].order is None
