"""The readiness gates: facts in, gates out."""

from dataclasses import replace

import pytest
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName
from ringfence_registry.agents.approvals import ApprovalState, approval_state
from ringfence_registry.agents.gates import EnvironmentFacts, Gate, GateKind, gates, together, unmet
from ringfence_registry.agents.readiness import ReadinessGates
from ringfence_registry.agents.surroundings import BoundaryFacts, IdentityFacts, Surroundings, ToolFacts
from ringfence_registry.errors import ReadinessNotMet
from ringfence_registry.model import Agent, AgentState, ApprovedTool, EscalationStep, Evaluation
from support.registry.agents import SPEC, an_agent
from support.registry.world import HASH, OTHER_HASH, World, a_tool

NAME = AgentName("finance", "ledger")
DID = "did:webvh:QmA:prod.id.example.com:agents:QmA"
NOW = Instant(10_000)
ENROLLED = IdentityFacts(did=DID, agent=NAME, environment="prod", active=True)
FACTS = EnvironmentFacts(
    environment="prod",
    identity=ENROLLED,
    tools={"ledger.read": a_tool()},
    boundaries=(BoundaryFacts(name="namespaces/finance/boundaries/books", enabled=True),),
)
"""What is around an agent that lacks nothing."""


def ready(**spec: object) -> Agent:
    """An agent that lacks nothing, but for what the test takes from it."""
    agent = an_agent()
    said: dict[str, object] = {
        "environments": ("dev", "prod"),
        "approved_tools": (ApprovedTool(name="ledger.read", schema_hash=HASH),),
        "on_call": "#ledger",
        "evaluation_plan": "suite-7",
        "slo": "ledger-99",
        "did": DID,
    }
    result = Evaluation(
        plan="suite-7", passed=True, card_sha256=agent.card.sha256, evaluated_at=Instant(1), recorder="ci"
    )
    return replace(
        agent,
        spec=replace(SPEC, **{**said, **spec}),  # type: ignore[arg-type]  # the test says what differs
        evaluations=(result,),
        aliases={"stable": 1},
    )


def lacking(agent: Agent, facts: EnvironmentFacts = FACTS) -> dict[GateKind, str]:
    return {gate.kind: gate.problem for gate in unmet(gates(agent, facts))}


def test_an_agent_that_lacks_nothing_meets_every_gate_and_each_is_shown() -> None:
    found = gates(ready(), FACTS)
    assert [gate.kind for gate in found] == list(GateKind)
    assert all(gate.met and not gate.remedy for gate in found)


def test_an_agent_of_which_only_the_least_is_said_lacks_the_rest() -> None:
    bare = replace(an_agent(), spec=replace(SPEC, on_call="", approved_tools=()))
    nothing = replace(FACTS, identity=None, tools={}, boundaries=())
    assert set(lacking(bare, nothing)) == {
        GateKind.IDENTITY,
        GateKind.ON_CALL,
        GateKind.BOUNDARIES,
        GateKind.EVALUATION_PLAN,
        GateKind.EVALUATION_RESULT,
        GateKind.SLO,
        GateKind.ROLLBACK_TARGET,
    }


def test_what_is_not_met_says_what_lacks_and_what_to_do() -> None:
    for gate in unmet(gates(an_agent(), replace(FACTS, identity=None, boundaries=()))):
        assert gate.problem
        assert gate.remedy.endswith(".")


IDENTITIES = {
    "none": (None, "identity knows no"),
    "of another agent": (replace(ENROLLED, agent=AgentName("finance", "other")), "is namespaces/finance/agents/other"),
    "of another environment": (replace(ENROLLED, environment="dev"), "in dev"),
    "suspended or revoked": (replace(ENROLLED, active=False), "is not active"),
}


@pytest.mark.parametrize(("identity", "says"), IDENTITIES.values(), ids=IDENTITIES)
def test_only_an_active_identity_of_this_agent_here_counts(identity: IdentityFacts | None, says: str) -> None:
    assert says in lacking(ready(), replace(FACTS, identity=identity))[GateKind.IDENTITY]


def test_an_agent_without_a_did_is_told_that_it_has_none() -> None:
    found = lacking(ready(did=""), replace(FACTS, identity=None))
    assert found == {GateKind.IDENTITY: "it has no DID in prod"}


@pytest.mark.parametrize(
    "said", [{"on_call": "", "escalation_path": (EscalationStep(contact="a@example.com"),)}, {"on_call": "#ledger"}]
)
def test_either_way_of_naming_whom_to_reach_will_do(said: dict[str, object]) -> None:
    assert not lacking(ready(**said))


TOOLS = {
    "unknown": (None, ApprovalState.TOOL_UNKNOWN, "there is no tool ledger.read"),
    "disabled": (a_tool(enabled=False), ApprovalState.TOOL_DISABLED, "is disabled"),
    "changed since": (a_tool(schema_hash=OTHER_HASH), ApprovalState.SCHEMA_CHANGED, "changed since"),
    "reaching whom nobody trusts": (
        a_tool(trusted=False),
        ApprovalState.EXTERNAL_SYSTEM_NOT_TRUSTED,
        "nobody trusts",
    ),
}


@pytest.mark.parametrize(("tool", "state", "says"), TOOLS.values(), ids=TOOLS)
def test_every_approved_tool_has_to_be_callable_as_approved(
    tool: ToolFacts | None, state: ApprovalState, says: str
) -> None:
    assert approval_state(ApprovedTool(name="ledger.read", schema_hash=HASH), tool) is state
    found = lacking(ready(), replace(FACTS, tools={} if tool is None else {"ledger.read": tool}))
    assert says in found[GateKind.APPROVED_TOOLS]


def test_an_approval_of_whatever_schema_is_in_force_and_not_enough_here() -> None:
    unpinned = ApprovedTool(name="ledger.read")
    assert approval_state(unpinned, a_tool(schema_hash=OTHER_HASH)) is ApprovalState.IN_FORCE
    assert "whatever its schema" in lacking(ready(approved_tools=(unpinned,)))[GateKind.APPROVED_TOOLS]


def test_a_problem_with_hundreds_of_tools_is_still_a_sentence() -> None:
    many = tuple(ApprovedTool(name=f"t{number}") for number in range(256))
    problem = lacking(ready(approved_tools=many))[GateKind.APPROVED_TOOLS]
    assert problem.endswith("and 248 more")
    assert len(problem) < 500


def test_an_agent_without_tools_has_nothing_to_have_approved() -> None:
    assert not lacking(ready(approved_tools=()), replace(FACTS, tools={}))


def test_a_boundary_counts_while_it_is_enabled() -> None:
    shut = BoundaryFacts(name="namespaces/finance/boundaries/shut", enabled=False)
    assert "disabled" in lacking(ready(), replace(FACTS, boundaries=(shut,)))[GateKind.BOUNDARIES]
    assert not lacking(ready(), replace(FACTS, boundaries=(shut, *FACTS.boundaries)))


RESULTS = {
    "of another card": {"card_sha256": "0" * 64},
    "of another plan": {"plan": "suite-6"},
    "not passed": {"passed": False},
}


@pytest.mark.parametrize("changed", RESULTS.values(), ids=RESULTS)
def test_evidence_counts_for_its_card_and_plan_and_when_it_is_good(changed: dict[str, object]) -> None:
    agent = ready()
    result = replace(agent.evaluations[0], **changed)  # type: ignore[arg-type]  # the test says what differs
    assert set(lacking(replace(agent, evaluations=(result,)))) == {GateKind.EVALUATION_RESULT}


def test_without_a_plan_no_result_is_one() -> None:
    assert set(lacking(ready(evaluation_plan=""))) == {GateKind.EVALUATION_PLAN, GateKind.EVALUATION_RESULT}


def test_gates_of_several_environments_are_met_together_or_say_what_lacks_in_each() -> None:
    one = (Gate(kind=GateKind.IDENTITY), Gate(kind=GateKind.SLO, problem="none named", remedy="Set slo."))
    two = (
        Gate(kind=GateKind.IDENTITY, problem="it has no DID in eu", remedy="Enrol it in eu."),
        Gate(kind=GateKind.SLO, problem="none named", remedy="Set slo."),
    )
    merged = {gate.kind: gate for gate in together([one, two])}
    assert merged[GateKind.IDENTITY].problem == "it has no DID in eu"
    assert merged[GateKind.SLO].problem == "none named"
    third = (Gate(kind=GateKind.IDENTITY, problem="it has no DID in us", remedy="Enrol it in us."),)
    both = together([one, two, third])[0]
    assert (both.problem, both.remedy) == (
        "it has no DID in eu; it has no DID in us",
        "Enrol it in eu. Enrol it in us.",
    )
    assert together([]) == ()


# Asking them


def around(world: World) -> ReadinessGates:
    return ReadinessGates(Surroundings(tools=world, boundaries=world, identities=world), ["prod", "eu"])


def full_world() -> World:
    world = World(tools={"ledger.read": a_tool()}, boundaries={NAME: FACTS.boundaries})
    world.enrol(DID, NAME)
    return world


def test_gates_are_asked_only_where_some_are_kept() -> None:
    readiness = around(World())
    assert readiness.unmet(replace(an_agent(), spec=SPEC), NOW) == ()
    assert readiness.check(an_agent(), NOW, "dev") != ()
    assert around(full_world()).unmet(ready(), NOW) == ()
    around(full_world()).require_ready(ready(), NOW)


def test_a_refusal_names_every_gate_with_what_to_do() -> None:
    with pytest.raises(ReadinessNotMet) as refused:
        around(World()).require_ready(ready(slo=""), NOW)
    fields = [violation.field for violation in refused.value.violations]
    assert fields == ["IDENTITY", "APPROVED_TOOLS", "BOUNDARIES", "SLO"]
    assert refused.value.metadata["unmet"] == "IDENTITY,APPROVED_TOOLS,BOUNDARIES,SLO"
    assert "Set slo with UpdateAgent." in refused.value.message


def test_an_agent_of_two_environments_names_one_did_and_has_one_in_each() -> None:
    world, readiness_did = full_world(), "did:webvh:QmB:eu.id.example.com:agents:QmB"
    agent = ready(environments=("prod", "eu"))
    assert [gate.kind for gate in around(world).unmet(agent, NOW)] == [GateKind.IDENTITY]
    world.enrol(readiness_did, NAME, "eu")
    assert around(world).unmet(agent, NOW) == ()


def test_the_did_of_somebody_else_is_not_made_good_by_an_own_one() -> None:
    world, other = full_world(), "did:webvh:QmC:prod.id.example.com:agents:QmC"
    world.enrol(other, AgentName("finance", "other"))
    assert [gate.kind for gate in around(world).unmet(ready(did=other), NOW)] == [GateKind.IDENTITY]


SERVING = replace(ready(), state=AgentState.ACTIVE)


def test_a_serving_agent_may_not_lose_what_it_needs() -> None:
    readiness = around(full_world())
    readiness.require_still_ready(SERVING, replace(SERVING, spec=replace(SERVING.spec, team="x")), NOW)
    with pytest.raises(ReadinessNotMet) as refused:
        readiness.require_still_ready(SERVING, replace(SERVING, spec=replace(SERVING.spec, slo="")), NOW)
    assert refused.value.metadata["unmet"] == "SLO"


def test_what_others_broke_does_not_keep_anybody_from_mending_one_thing_at_a_time() -> None:
    world = full_world()
    world.tools["ledger.read"] = a_tool(enabled=False)
    world.boundaries = {}
    readiness = around(world)
    no_tools = replace(SERVING, spec=replace(SERVING.spec, approved_tools=()))
    readiness.require_still_ready(SERVING, no_tools, NOW)
    with pytest.raises(ReadinessNotMet) as refused:
        readiness.require_still_ready(SERVING, replace(no_tools, aliases={}), NOW)
    assert refused.value.metadata["unmet"] == "ROLLBACK_TARGET"


def test_where_a_serving_agent_is_new_it_needs_everything() -> None:
    readiness = around(full_world())
    wider = replace(SERVING, spec=replace(SERVING.spec, environments=("prod", "eu")))
    with pytest.raises(ReadinessNotMet) as refused:
        readiness.require_still_ready(SERVING, wider, NOW)
    assert refused.value.metadata["unmet"] == "IDENTITY"
    from_dev = replace(SERVING, spec=replace(SERVING.spec, environments=("dev",), slo=""))
    with pytest.raises(ReadinessNotMet):
        readiness.require_still_ready(from_dev, replace(SERVING, spec=replace(SERVING.spec, slo="")), NOW)


@pytest.mark.parametrize("state", [AgentState.DRAFT, AgentState.PENDING_REVIEW, AgentState.SUSPENDED])
def test_who_does_not_serve_may_lack_anything(state: AgentState) -> None:
    idle = replace(SERVING, state=state)
    around(World()).require_still_ready(idle, replace(idle, spec=replace(idle.spec, slo="")), NOW)
