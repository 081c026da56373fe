"""Filters in calls with several parties: whoever has a say brings its filters, and none of them opens anything."""

from dataclasses import replace
from typing import Any

import pytest
from ringfence_pdp.boundaries import Boundary
from ringfence_pdp.case import Basis
from ringfence_pdp.decide import decide
from ringfence_pdp.explain import explain
from ringfence_pdp.filters.engines import Engines
from ringfence_pdp.filters.finding import Finding, Origin
from ringfence_pdp.model import CheckRequest, Decision, Reason
from support.pdp.filtering import DANGEROUS, NOTABLE, PATTERNS, SUSPECT, Finds, filters
from support.pdp.links import A, B, C, call, known, says, sides, stands

CONTENT = {"query": "whatever"}


def decided(*documents: str, findings: tuple[Finding, ...] = (DANGEROUS,), **world: Any) -> Decision:
    return decide(standing(*documents, findings=findings, **world), asked())


def standing(*documents: str, findings: tuple[Finding, ...] = (DANGEROUS,), **world: Any) -> Basis:
    on = stands(*documents, **world)
    assert on.bundle is not None
    return on._replace(bundle=replace(on.bundle, engines=Engines(made={"patterns": Finds(*findings)})))


def asked(**changed: Any) -> CheckRequest:
    return call(arguments=CONTENT, **changed)


def gave(decision: Decision) -> str:
    return f"{decision.effect.name} {decision.reason.name}"


def guard(agent: object, side: str = "") -> str:
    governs = f"{{agents: ['{agent}']{f', side: {side}' if side else ''}}}"
    return filters(PATTERNS, governs=governs)


@pytest.mark.parametrize(
    ("agent", "side", "expected"),
    [
        (A, "", "DENY CONTENT_DANGEROUS"),
        (A, "caller", "DENY CONTENT_DANGEROUS"),
        (A, "callee", "ALLOW ALLOWED"),
        (B, "caller", "DENY CONTENT_DANGEROUS"),
        (B, "callee", "DENY CONTENT_DANGEROUS"),
        (C, "callee", "DENY CONTENT_DANGEROUS"),
        (C, "caller", "ALLOW ALLOWED"),
        ("namespaces/mesh/agents/z", "", "ALLOW ALLOWED"),
    ],
)
def test_whoever_has_a_say_on_a_side_brings_the_filters_of_that_side(agent: object, side: str, expected: str) -> None:
    assert gave(decided(*sides("A/A", "A/A"), guard(agent, side))) == expected


def test_each_looks_once_and_the_strictest_action_holds() -> None:
    lenient = filters("{name: f, use: patterns, actions: {high: FLAG, medium: FLAG}}", name="lenient")
    on = standing(*sides("A/A", "A/A"), lenient, guard(C))
    decision = decide(on, asked())
    assert (gave(decision), decision.verdict.rules) == ("DENY CONTENT_DANGEROUS", ("guard/content",))
    assert on.bundle is not None
    looked = on.bundle.engines.named("patterns")
    assert isinstance(looked, Finds)
    assert len(looked.looked) == 1
    assert len(decision.sides) == 4


def test_approvals_of_sides_and_of_filters_become_one() -> None:
    asking = filters("{name: f, use: patterns, approval: {min_approvals: 2, approvers: ['group:security']}}")
    decision = decided(*sides("R1/A", "A/A"), asking, findings=(SUSPECT,))
    assert gave(decision) == "REQUIRE_APPROVAL CONTENT_SUSPECT"
    approval = decision.verdict.approval
    assert approval is not None
    assert (approval.min_approvals, approval.approver_groups) == (2, ("group:one", "group:security"))
    assert decision.verdict.rules == ("a-caller/ask", "guard/f")


def test_what_is_obliged_to_is_asked_after_filters() -> None:
    obliging = [says(A, "caller", "A", "{type: sing, id: song}"), *sides("-/A", "A/A")]
    assert gave(decided(*obliging, guard(A))) == "DENY CONTENT_DANGEROUS"
    flagged = decided(*obliging, guard(A), findings=(NOTABLE,))
    assert gave(flagged) == "DENY OBLIGATION_UNSUPPORTED"
    assert [finding.id for finding in flagged.findings] == ["sql.comment"]
    assert flagged.obligations == ()


def test_a_side_that_denies_gives_the_reason_and_nobody_looks() -> None:
    decision = decided(*sides("A/A", "A/D"), guard(A))
    assert (decision.reason, decision.findings) == (Reason.RULE_DENIED, ())


def test_a_policy_that_only_filters_has_no_say_where_a_side_is_missing() -> None:
    missing = decided(*sides("A/-", "A/A"), findings=())
    assert gave(missing) == "DENY MISSING_SIDE"
    assert decided(*sides("A/-", "A/A"), filters(PATTERNS), findings=()) == missing


EAST = Boundary(
    name="namespaces/mesh/boundaries/east",
    agents=frozenset({str(A), str(B)}),
    single_sided_with=frozenset({"namespaces/mesh/boundaries/west"}),
)
WEST = Boundary(
    name="namespaces/mesh/boundaries/west",
    agents=frozenset({str(C)}),
    single_sided_with=frozenset({"namespaces/mesh/boundaries/east"}),
)


def crossing(*documents: str, walls: tuple[Boundary, ...] = (EAST, WEST), **world: Any) -> Decision:
    facts = known({A: 1, B: 1, C: 1}, boundaries=walls)
    return decided(*documents, facts=facts, **world)


def wall(boundary: str) -> str:
    return filters(PATTERNS, governs=f"{{boundaries: ['{boundary}']}}")


def test_a_boundary_filters_what_crosses_it() -> None:
    allowing = sides("A/A", "A/A")
    for boundary in (EAST.name, WEST.name):
        assert gave(crossing(*allowing, wall(boundary))) == "DENY CONTENT_DANGEROUS"
        assert gave(crossing(*allowing, wall(boundary), findings=())) == "ALLOW ALLOWED"
    assert gave(crossing(*allowing, wall(EAST.name), walls=())) == "ALLOW ALLOWED"
    around = Boundary(name=EAST.name, agents=frozenset(map(str, (A, B, C))))
    assert gave(crossing(*allowing, wall(EAST.name), walls=(around,))) == "ALLOW ALLOWED"


def test_where_one_side_is_enough_filters_of_all_ask_for_no_other() -> None:
    one_sided = sides("A/A", "A/-")
    assert gave(crossing(*one_sided, filters(PATTERNS), findings=())) == "ALLOW ALLOWED"
    assert gave(crossing(*one_sided, filters(PATTERNS))) == "DENY CONTENT_DANGEROUS"


def test_explaining_a_call_says_the_same() -> None:
    on = standing(*sides("A/A", "R2/A"), guard(C), findings=(SUSPECT,))
    assert explain(on, asked()).decision == decide(on, asked())


WHENCE = filters("{name: whence, use: origin}", name="whence")


def sending(request: CheckRequest) -> CheckRequest:
    poisoned = {"text": "hello"}
    return request._replace(action="send_message", arguments=lambda: poisoned, origins={"": Origin.TOOL_OUTPUT})


def test_a_message_to_an_agent_of_the_mesh_leaves_nothing() -> None:
    message = sending(call(tool=None))
    on = standing(*sides("A/A", "A/A"), WHENCE)
    assert gave(decide(on, message)) == "ALLOW ALLOWED"
    alone = message._replace(target=None, chain=())
    assert gave(decide(on, alone)) == "REQUIRE_APPROVAL ORIGIN_UNTRUSTED"
    by_tool = sending(call())
    assert gave(decide(on, by_tool)) == "REQUIRE_APPROVAL ORIGIN_UNTRUSTED"
