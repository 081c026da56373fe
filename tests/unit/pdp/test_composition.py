"""Whose policy wins: the worked table of docs/composition.md row by row, and what else holds of composed calls."""

from dataclasses import replace

import pytest
from ringfence_pdp.boundaries import Boundaries, Boundary
from ringfence_pdp.decide import decide
from ringfence_pdp.kill_switch import KillTarget, TargetKind
from ringfence_pdp.model import Decision, Effect, Resource, Side, Target
from support.pdp.links import TOOL, A, B, C, call, did, elevation, known, says, sides, stands
from support.pdp.world import ALLOW_ALL, ask, facts_of, identity, policy, registered, tool

MINUTES = 60_000


def gave(decision: Decision) -> str:
    return f"{decision.effect.name} {decision.reason.name}"


# The worked table


def test_row_1_a_chain_is_judged_at_its_least_trusted_ring() -> None:
    decision = decide(stands(*sides("A/A", "A/A", needs=1), rings=(3, 2, 0)), call())
    assert gave(decision) == "DENY RING_INSUFFICIENT"
    assert decision.ring == 3
    assert str(C) in decision.verdict.message


def test_row_2_an_elevation_raises_it_and_asks_for_people() -> None:
    decision = decide(
        stands(*sides("A/A", "A/A", needs=1), rings=(3, 2, 0)), call(elevation_grants=(elevation(approvals=2),))
    )
    assert gave(decision) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"
    approval = decision.verdict.approval
    assert approval is not None
    assert (approval.min_approvals, approval.approver_groups, approval.timeout) == (2, (), 5 * MINUTES)
    assert decision.ring == 1


def test_row_5_one_denying_side_denies() -> None:
    decision = decide(stands(*sides("A/A", "A/D"), rings=(1, 1, 1)), call())
    assert gave(decision) == "DENY RULE_DENIED"
    assert decision.verdict.rules == ("c-callee/no",)
    assert decision.verdict.rule_reason == "NOT_HERE"


def test_row_6_a_side_that_nobody_speaks_for_is_missing() -> None:
    decision = decide(stands(*sides("A/-", "A/A")), call())
    assert gave(decision) == "DENY MISSING_SIDE"
    assert f"hop 1, callee {B}" in decision.verdict.message


def test_row_7_approvals_add_up_to_what_satisfies_both() -> None:
    decision = decide(stands(*sides("R1/R3", "A/A")), call())
    assert gave(decision) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"
    approval = decision.verdict.approval
    assert approval is not None
    assert approval.min_approvals == 3
    assert approval.approver_groups == ("group:one", "group:three")
    assert approval.timeout == 10 * MINUTES
    assert decision.verdict.rules == ("a-caller/ask", "b-callee/ask")


@pytest.mark.parametrize("without", [A, B, C])
def test_row_8_everybody_has_to_hold_what_is_used(without: object) -> None:
    facts = known({A: 1, B: 1, C: 1}, tools={without: {}})  # type: ignore[dict-item]  # one of the three
    decision = decide(stands(*sides("A/A", "A/A"), facts=facts), call())
    assert gave(decision) == "DENY CAPABILITY_NOT_DELEGATED"


OBLIGING = [
    says(A, "caller", "A", "{type: log, id: trail}"),
    says(B, "callee", "A", "{type: redact, id: pii}"),
    says(B, "caller", "A"),
    says(C, "callee", "A"),
]


def test_row_9_obligations_add_up() -> None:
    decision = decide(stands(*OBLIGING), call())
    assert gave(decision) == "ALLOW ALLOWED"
    assert [(one.type, one.id) for one in decision.obligations] == [("log", "trail"), ("redact", "pii")]


def test_row_10_an_obligation_that_nobody_fulfils_denies() -> None:
    decision = decide(stands(*OBLIGING), call(supported_obligations=frozenset({"log"})))
    assert gave(decision) == "DENY OBLIGATION_UNSUPPORTED"
    assert "redact" in decision.verdict.message
    assert decision.obligations == ()


def test_row_11_nobody_is_in_a_chain_twice() -> None:
    decision = decide(stands(*sides("A/A", "A/A", agents=(A, B, A))), call(target=Target(agent=A)))
    assert gave(decision) == "DENY CHAIN_CYCLE"


@pytest.mark.parametrize("stopped", [A, B, C])
def test_row_12_a_kill_switch_on_anybody_stops_the_call(stopped: object) -> None:
    for target in (KillTarget(TargetKind.AGENT, str(stopped)), KillTarget(TargetKind.EVERYTHING)):
        decision = decide(stands(*sides("A/A", "A/A"), switches=[target]), call())
        assert gave(decision) == "DENY KILLED"


def test_row_13_nothing_crosses_the_wall_between_environments() -> None:
    facts = facts_of(
        identity(A, environment="dev", tools={TOOL: ""}),
        registered(A, tools={TOOL: ""}),
        identity(B, tools={TOOL: ""}),
        registered(B, tools={TOOL: ""}),
        tools=[tool()],
    )
    asked = call(chain=(did(A, "dev"),), target=None)
    assert gave(decide(stands(*sides("A/A"), facts=facts), asked)) == "DENY ENVIRONMENT_MISMATCH"
    alone = ask("read_table", did=did(A, "dev"), tool=TOOL)
    assert gave(decide(stands(ALLOW_ALL, facts=facts), alone)) == "DENY ENVIRONMENT_MISMATCH"


ERRING = "1 / int(args.nothing) == 0"


def test_row_14_a_rule_that_errs_never_opens() -> None:
    allowing = policy(f"{{name: yes, match: {{actions: ['*']}}, effect: ALLOW, when: '{ERRING}'}}", name="p")
    assert gave(decide(stands(allowing), ask("read_table", agent=A))) == "DENY NO_MATCH"
    denying = policy(f"{{name: no, match: {{actions: ['*']}}, effect: DENY, when: '{ERRING}'}}", name="q")
    assert gave(decide(stands(*sides("A/A", "A/A"), denying), call())) == "DENY RULE_ERROR"


# Sides and hops


def test_without_anybody_else_the_agent_is_judged_as_it_always_was() -> None:
    decision = decide(stands(says(A, "caller", "A")), ask("read_table", agent=A))
    assert gave(decision) == "ALLOW ALLOWED"
    assert (decision.sides, decision.chain, decision.obligations) == ((), (), ())


def test_every_side_of_every_hop_says_what_it_says() -> None:
    decision = decide(stands(*sides("A/R1", "A/A")), call())
    assert [(one.hop, one.side, one.party, one.verdict.effect) for one in decision.sides] == [
        (1, Side.CALLER, str(A), Effect.ALLOW),
        (1, Side.CALLEE, str(B), Effect.REQUIRE_APPROVAL),
        (2, Side.CALLER, str(B), Effect.ALLOW),
        (2, Side.CALLEE, str(C), Effect.ALLOW),
    ]
    assert decision.chain == (did(A), did(B))


def test_a_policy_without_a_side_speaks_for_both() -> None:
    assert gave(decide(stands(ALLOW_ALL), call())) == "ALLOW ALLOWED"


def test_a_chain_without_a_target_ends_with_the_agents_own_call() -> None:
    """The last hop is decided on the side that asks, and a side that no policy governs matches nothing, as ever."""
    asked = call(target=None)
    assert gave(decide(stands(*sides("A/A", "A/A")), asked)) == "ALLOW ALLOWED"
    assert gave(decide(stands(*sides("A/A", "-/A")), asked)) == "DENY NO_MATCH"


def test_the_target_alone_is_asked_as_callee() -> None:
    asked = call(chain=(), target=Target(agent=C))
    assert gave(decide(stands(says(B, "caller", "A"), says(C, "callee", "A")), asked)) == "ALLOW ALLOWED"
    assert gave(decide(stands(says(B, "caller", "A"), says(C, "callee", "D")), asked)) == "DENY RULE_DENIED"
    assert gave(decide(stands(says(B, "caller", "A")), asked)) == "DENY MISSING_SIDE"


def test_the_targets_own_ring_lends_nothing_and_asks_nothing() -> None:
    decision = decide(stands(*sides("A/A", "A/A"), rings=(2, 2, 0)), call())
    assert decision.ring == 2
    assert gave(decide(stands(*sides("A/A", "A/A"), rings=(1, 1, 3)), call())) == "ALLOW ALLOWED"


def test_what_is_asked_of_callers_is_asked_of_those_before_the_callee() -> None:
    """B asks ring 2 of who calls it, which A has; that B itself is in ring 3 is for C to mind."""
    asks = says(B, "callee", "A").replace("spec:\n", "spec:\n  min_caller_ring: 2\n")
    others = [says(A, "caller", "A"), says(B, "caller", "A"), says(C, "callee", "A")]
    assert gave(decide(stands(asks, *others, rings=(2, 3, 1)), call())) == "ALLOW ALLOWED"
    assert gave(decide(stands(asks, *others, rings=(3, 1, 1)), call())) == "DENY RING_INSUFFICIENT"


def test_the_ring_of_callers_is_asked_where_only_the_callees_side_asks() -> None:
    asks = ALLOW_ALL.replace("spec:\n", "spec:\n  min_caller_ring: 1\n")
    for side, gives in ((Side.CALLEE, "DENY RING_INSUFFICIENT"), (Side.CALLER, "ALLOW ALLOWED")):
        assert gave(decide(stands(asks, rings=(2, 2, 2)), ask("read_table", agent=A, side=side))) == gives


def test_seven_agents_are_too_many() -> None:
    names = [replace(A, agent=f"agent-{number}") for number in range(7)]
    facts = known(dict.fromkeys([*names, C], 1))
    for count, gives in ((6, "ALLOW ALLOWED"), (7, "DENY CHAIN_TOO_LONG")):
        asked = call(agent=names[count - 1], chain=tuple(map(str, names[: count - 1])))
        assert gave(decide(stands(ALLOW_ALL, facts=facts), asked)) == gives


# Conditions


@pytest.mark.parametrize(
    ("when", "gives"),
    [
        ("agent.ring <= 2", "ALLOW ALLOWED"),
        ("agent.ring <= 1", "DENY NO_MATCH"),
        ("agent.trust >= 500", "ALLOW ALLOWED"),
        ("agent.trust >= 600", "DENY NO_MATCH"),
        ("agent.name.endsWith('/b')", "ALLOW ALLOWED"),
        ("origin.name.endsWith('/a') && origin.ring <= 2", "ALLOW ALLOWED"),
        ("target.name.endsWith('/c') && target.ring <= 0", "ALLOW ALLOWED"),
        ("chain.exists(one, one.endsWith('/a')) && size(chain) == 2", "ALLOW ALLOWED"),
        ("action.protocol == 'a2a'", "DENY NO_MATCH"),
        ("resource.owner == 'sales'", "ALLOW ALLOWED"),
        ("resource.environment == 'prod'", "ALLOW ALLOWED"),
        ("side == 'callee' || side == 'caller'", "ALLOW ALLOWED"),
        ("side == 'callee'", "DENY NO_MATCH"),
    ],
)
def test_conditions_see_the_call_as_it_is_judged(when: str, gives: str) -> None:
    """B is in ring 1 itself; A, who is behind it, is in ring 2 with a score of 500."""
    rule = policy(f'{{name: some, match: {{actions: ["*"]}}, effect: ALLOW, when: "{when}"}}')
    asked = call(resource=Resource(type="orders", id="orders", owner="sales", environment="prod"))
    assert gave(decide(stands(rule, rings=(2, 1, 0)), asked)) == gives


def test_alone_an_agent_is_its_own_origin_and_calls_nobody() -> None:
    when = "origin.name == agent.name && chain == [agent.name] && !has(target.name)"
    rule = policy(f'{{name: some, match: {{actions: ["*"]}}, effect: ALLOW, when: "{when}"}}')
    assert gave(decide(stands(rule), ask("read_table", agent=A))) == "ALLOW ALLOWED"


def test_asking_something_of_a_target_that_is_not_there_is_an_error() -> None:
    rule = policy("{name: no, match: {actions: ['*']}, effect: DENY, when: 'target.ring >= 2'}")
    assert gave(decide(stands(ALLOW_ALL.replace("{name: p}", "{name: q}"), rule), ask("read_table", agent=A))) == (
        "DENY RULE_ERROR"
    )


# Boundaries

EAST = Boundary(name="namespaces/mesh/boundaries/east", agents=frozenset({str(A), str(B)}))
WEST = Boundary(name="namespaces/mesh/boundaries/west", agents=frozenset({str(C)}))
ALL_ALLOW = sides("A/A", "A/A")


def of_boundary(boundary: Boundary, effect: str) -> str:
    name = boundary.name.rpartition("/")[2]
    return policy(
        f"{{name: rule, match: {{actions: ['*']}}, effect: {effect}}}",
        name=f"wall-{name}",
        governs=f"{{boundaries: ['{boundary.name}'], side: boundary}}",
    )


def across(*boundaries: Boundary, documents: tuple[str, ...] = ()) -> Decision:
    facts = known({A: 1, B: 1, C: 1}, boundaries=boundaries)
    return decide(stands(*ALL_ALLOW, *documents, facts=facts), call())


def test_a_boundary_that_nobody_governs_adds_nothing() -> None:
    assert gave(across(EAST, WEST)) == "ALLOW ALLOWED"
    assert [one.side for one in across(EAST, WEST).sides].count(Side.BOUNDARY) == 0


def test_a_closed_boundary_denies_only_what_crosses_it() -> None:
    assert gave(across(EAST, replace(WEST, open=False))) == "DENY BOUNDARY_CLOSED"
    assert gave(across(replace(EAST, open=False))) == "DENY BOUNDARY_CLOSED"
    everybody = replace(EAST, agents=frozenset(map(str, (A, B, C))), open=False)
    assert gave(across(everybody)) == "ALLOW ALLOWED"


def test_a_boundary_decides_by_its_own_policies() -> None:
    assert gave(across(EAST, WEST, documents=(of_boundary(WEST, "ALLOW"),))) == "ALLOW ALLOWED"
    denied = across(EAST, WEST, documents=(of_boundary(WEST, "DENY"), of_boundary(EAST, "ALLOW")))
    assert gave(denied) == "DENY RULE_DENIED"
    assert denied.sides[-1].party == WEST.name
    assert [one.hop for one in denied.sides if one.side is Side.BOUNDARY] == [2, 2]


def test_one_side_is_enough_only_where_both_boundaries_say_so() -> None:
    for mine, theirs, gives in (
        ({WEST.name}, {EAST.name}, "ALLOW ALLOWED"),
        ({WEST.name}, set[str](), "DENY MISSING_SIDE"),
        (set[str](), {EAST.name}, "DENY MISSING_SIDE"),
    ):
        east = replace(EAST, single_sided_with=frozenset(mine))
        west = replace(WEST, single_sided_with=frozenset(theirs))
        facts = known({A: 1, B: 1, C: 1}, boundaries=(east, west))
        assert gave(decide(stands(*sides("A/A", "A/-"), facts=facts), call())) == gives
        assert gave(decide(stands(*sides("A/A", "-/-"), facts=facts), call())) == "DENY MISSING_SIDE"


def test_another_boundary_that_is_not_single_sided_asks_for_both_again() -> None:
    east = replace(EAST, single_sided_with=frozenset({WEST.name}))
    west = replace(WEST, single_sided_with=frozenset({EAST.name}))
    third = Boundary(name="namespaces/mesh/boundaries/third", agents=frozenset({str(C)}))
    facts = known({A: 1, B: 1, C: 1}, boundaries=(east, west, third))
    assert gave(decide(stands(*sides("A/A", "A/-"), facts=facts), call())) == "DENY MISSING_SIDE"


def test_before_boundaries_were_heard_of_nothing_passes_between_agents() -> None:
    facts = known({A: 1, B: 1, C: 1})
    facts.boundaries = Boundaries(heard=False)
    assert gave(decide(stands(*ALL_ALLOW, facts=facts), call())) == "DENY FACTS_STALE"
    assert gave(decide(stands(*ALL_ALLOW, facts=facts), ask("read_table", agent=A))) == "ALLOW ALLOWED"


def test_a_tool_that_reaches_into_a_closed_boundary_is_not_called() -> None:
    system = "namespaces/mesh/externalSystems/bank"
    bank = Boundary(name="namespaces/mesh/boundaries/bank", external_systems=frozenset({system}))
    facts = known({A: 1, B: 1, C: 1}, boundaries=(bank,))
    facts.tools[TOOL] = replace(facts.tools[TOOL], external_systems=(system,))
    alone = ask("read_table", agent=A, tool=TOOL)
    assert gave(decide(stands(ALLOW_ALL, facts=facts), alone)) == "ALLOW ALLOWED"
    facts.boundaries.put(replace(bank, open=False))
    assert gave(decide(stands(ALLOW_ALL, facts=facts), alone)) == "DENY BOUNDARY_CLOSED"
    facts.boundaries.put(replace(bank, agents=frozenset({str(A)}), open=False))
    assert gave(decide(stands(ALLOW_ALL, facts=facts), alone)) == "ALLOW ALLOWED"


# Resources of another environment


def test_a_resource_of_another_environment_is_not_touched() -> None:
    for environment, gives in (("dev", "DENY ENVIRONMENT_MISMATCH"), ("prod", "ALLOW ALLOWED")):
        asked = ask("read_table", agent=A, resource=Resource(environment=environment))
        assert gave(decide(stands(ALLOW_ALL), asked)) == gives


def test_a_conflict_between_obligations_denies() -> None:
    documents = [
        says(A, "caller", "A", "{type: watermark, id: w, properties: {text: ours}}"),
        says(B, "callee", "A", "{type: watermark, id: w, properties: {text: theirs}}"),
        says(B, "caller", "A"),
        says(C, "callee", "A"),
    ]
    decision = decide(stands(*documents), call(supported_obligations=frozenset({"watermark"})))
    assert gave(decision) == "DENY OBLIGATION_CONFLICT"


def test_the_stricter_of_two_obligations_holds_where_a_comparator_knows() -> None:
    documents = [
        says(A, "caller", "A", "{type: max_rows, id: m, properties: {rows: 100}}"),
        says(B, "callee", "A", "{type: max_rows, id: m, properties: {rows: 10}}"),
        says(B, "caller", "A"),
        says(C, "callee", "A"),
    ]
    decision = decide(stands(*documents), call(supported_obligations=frozenset({"max_rows"})))
    assert [one.properties for one in decision.obligations] == [{"rows": 10}]


def test_an_agent_that_is_alone_is_obliged_too() -> None:
    document = says(A, "caller", "A", "{type: log, id: trail}")
    allowed = decide(stands(document), ask("read_table", agent=A, supported_obligations=frozenset({"log"})))
    assert gave(allowed) == "ALLOW ALLOWED"
    assert [one.type for one in allowed.obligations] == ["log"]
    assert gave(decide(stands(document), ask("read_table", agent=A))) == "DENY OBLIGATION_UNSUPPORTED"


def test_a_rule_that_errs_obliges_all_the_same() -> None:
    """What could not be read may be what would have obliged."""
    rules = policy(
        "{name: yes, match: {actions: ['*']}, effect: ALLOW}",
        "{name: logged, match: {actions: ['*']}, effect: ALLOW, when: 'args.kind == 1', "
        "obligations: [{type: log, id: trail}]}",
    )
    asked = ask("read_table", agent=A, supported_obligations=frozenset({"log"}))
    assert [one.type for one in decide(stands(rules), asked).obligations] == ["log"]
    asked = ask("read_table", agent=A, arguments={"kind": 2}, supported_obligations=frozenset({"log"}))
    assert decide(stands(rules), asked).obligations == ()
