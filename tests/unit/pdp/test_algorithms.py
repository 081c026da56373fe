"""Algorithms for migration: what is overridden inside one policy, and that nothing is beyond it."""

from itertools import permutations

import pytest
from ringfence_pdp.algorithm import prevailing
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import CompiledBundle, compile_files
from ringfence_pdp.compiled import CompiledRule
from ringfence_pdp.decide import decide
from ringfence_pdp.errors import BundleInvalid
from support.pdp.world import ask, basis, facts_of, identity, registered

APPROVAL = "approval: {min_approvals: 1, timeout: 30m}"
ERRS = "when: 'args.missing == 1'"
NEVER_NOW = "when: 'args.rows == 0'"


def compiled(algorithm: str, *rules: str, other: str = "") -> CompiledBundle:
    listed = "".join(f"    - {{{rule}}}\n" for rule in rules)
    head = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n"
    texts = [f"{head}  algorithm: {algorithm}\n  rules:\n{listed}"]
    if other:
        texts.append(f"{head.replace('name: p', 'name: other')}  rules:\n    - {{{other}}}\n")
    return compile_files([PolicyFile(path=f"{n}.yaml", content=text.encode()) for n, text in enumerate(texts)])


def answer(bundle: CompiledBundle, action: str = "read_table", tool: str | None = None) -> str:
    facts = facts_of(identity(ring=1), registered())
    decision = decide(basis(bundle, facts=facts), ask(action, tool=tool, arguments={"rows": 5}))
    return f"{decision.effect.name} {' '.join(decision.verdict.rules)}".strip()


def rule(name: str, effect: str, *more: str, actions: str = "['*']") -> str:
    approval = [APPROVAL] if effect == "REQUIRE_APPROVAL" else []
    return ", ".join([f"name: {name}, match: {{actions: {actions}}}, effect: {effect}", *approval, *more])


ALLOW, DENY, ASK = rule("a", "ALLOW"), rule("d", "DENY"), rule("q", "REQUIRE_APPROVAL")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([ALLOW, DENY], "ALLOW p/a"),
        ([ALLOW, DENY, ASK], "ALLOW p/a"),
        ([DENY, ASK], "DENY p/d"),
        ([rule("a", "ALLOW", NEVER_NOW), DENY], "DENY p/d"),
        ([rule("a", "ALLOW", ERRS), DENY], "DENY p/d"),
        ([rule("d", "DENY", ERRS), ASK], "DENY p/d"),
        ([rule("d", "DENY", ERRS), ALLOW], "ALLOW p/a"),
        ([rule("a", "ALLOW", ERRS)], "DENY"),
    ],
)
def test_allow_overrides(rules: list[str], expected: str) -> None:
    for order in permutations(rules):
        assert answer(compiled("allow_overrides", *order)) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule("a", "ALLOW", "priority: 10"), rule("d", "DENY", "priority: 5")], "ALLOW p/a"),
        ([rule("a", "ALLOW", "priority: 5"), rule("d", "DENY", "priority: 10")], "DENY p/d"),
        ([rule("a", "ALLOW", "priority: 5"), rule("d", "DENY", "priority: 5")], "DENY p/d"),
        ([rule("a", "ALLOW", "priority: 10"), rule("q", "REQUIRE_APPROVAL", "priority: 5")], "ALLOW p/a"),
        ([rule("a", "ALLOW", "priority: 5"), rule("q", "REQUIRE_APPROVAL", "priority: 10")], "REQUIRE_APPROVAL p/q"),
        ([rule("a", "ALLOW"), rule("d", "DENY", "priority: -1")], "ALLOW p/a"),
        ([rule("a", "ALLOW", "priority: 10", NEVER_NOW), rule("d", "DENY", "priority: 5")], "DENY p/d"),
        ([rule("a", "ALLOW", "priority: 10", ERRS), rule("d", "DENY", "priority: 5")], "DENY p/d"),
        ([rule("a", "ALLOW", "priority: 5"), rule("d", "DENY", "priority: 10", ERRS)], "DENY p/d"),
        (
            [rule("a", "ALLOW", "priority: 5"), rule("q", "REQUIRE_APPROVAL", "priority: 10", ERRS)],
            "REQUIRE_APPROVAL p/q",
        ),
        ([rule("d", "DENY", "priority: 5"), rule("q", "REQUIRE_APPROVAL", "priority: 10", ERRS)], "DENY p/d"),
    ],
)
def test_priority_first_match(rules: list[str], expected: str) -> None:
    for order in permutations(rules):
        assert answer(compiled("priority_first_match", *order)) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule("a", "ALLOW", actions="[read_table]"), rule("d", "DENY", actions="['read_*']")], "ALLOW p/a"),
        ([rule("a", "ALLOW", actions="['read_*']"), rule("d", "DENY", actions="['read_t*']")], "DENY p/d"),
        ([rule("a", "ALLOW", actions="['read_t*']"), rule("d", "DENY")], "ALLOW p/a"),
        ([rule("a", "ALLOW", actions="[read_table, 'list_*']"), rule("d", "DENY", actions="[read_table]")], "DENY p/d"),
        ([rule("a", "ALLOW", actions="[list_table]"), rule("d", "DENY")], "DENY p/d"),
        ([rule("a", "ALLOW", ERRS, actions="[read_table]"), rule("d", "DENY")], "DENY p/d"),
    ],
)
def test_most_specific_wins(rules: list[str], expected: str) -> None:
    for order in permutations(rules):
        assert answer(compiled("most_specific_wins", *order)) == expected


def test_a_tool_is_as_specific_as_an_action() -> None:
    tool = "name: a, match: {tools: [warehouse.query]}, effect: ALLOW"
    assert answer(compiled("most_specific_wins", tool, DENY), tool="warehouse.query") == "ALLOW p/a"
    exact = rule("d", "DENY", actions="[read_table]")
    assert answer(compiled("most_specific_wins", tool, exact), tool="warehouse.query") == "DENY p/d"


@pytest.mark.parametrize("algorithm", ["allow_overrides", "priority_first_match", "most_specific_wins"])
def test_no_algorithm_reaches_beyond_its_policy(algorithm: str) -> None:
    specific = rule("a", "ALLOW", actions="[read_table]")
    assert answer(compiled(algorithm, specific, other=rule("wall", "DENY"))) == "DENY other/wall"
    assert answer(compiled(algorithm, specific, other=ASK)) == "REQUIRE_APPROVAL other/q"
    assert answer(compiled(algorithm, rule("d", "DENY"), other=specific)) == "DENY p/d"


def test_an_approval_that_only_restricts_overrides_nothing() -> None:
    asking = rule("q", "REQUIRE_APPROVAL", "priority: 10", "when: 'agent.ring >= 1'")
    assert answer(compiled("priority_first_match", asking, rule("a", "ALLOW"))) == "REQUIRE_APPROVAL p/q"


def test_what_overrides_is_only_asked_where_somebody_said_so() -> None:
    bundle = compiled("deny_overrides", ALLOW, DENY)
    assert not bundle.has_algorithms

    def asked(_: CompiledRule) -> bool:
        raise AssertionError

    assert prevailing(bundle.rules, action="read_table", tool=None, holds=asked) == bundle.rules


def test_a_priority_where_nothing_goes_by_it_is_refused() -> None:
    with pytest.raises(BundleInvalid, match="the order of rules means nothing here"):
        compiled("most_specific_wins", rule("a", "ALLOW", "priority: 5"))
