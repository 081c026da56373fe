"""What compiling a bundle finds out besides how to decide."""

import pytest
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.model import Effect
from support.pdp.world import bundle, policy

ASK = "{min_approvals: 1, approvers: ['group:oncall'], timeout: 30m}"

OPEN = policy("{name: all, match: {actions: ['*']}, effect: ALLOW}", name="open")


def rule(effect: str, when: str, name: str = "r") -> str:
    approval = f", approval: {ASK}" if effect == "REQUIRE_APPROVAL" else ""
    return f"{{name: {name}, match: {{actions: ['*']}}, effect: {effect}, when: \"{when}\"{approval}}}"


@pytest.mark.parametrize(
    ("effect", "when", "told"),
    [
        ("ALLOW", "!has(args.force) || args.force == false", "allow when that is left out"),
        ("DENY", "has(args.rows) && args.rows > 5", "stop denying when that is left out"),
        ("REQUIRE_APPROVAL", "has(args.rows)", "stop asking for approval when that is left out"),
        ("DENY", "size(resource.labels) > 3", "stop denying when that is left out"),
    ],
)
def test_a_rule_that_leaving_something_out_gets_around_is_accepted_and_told(effect: str, when: str, told: str) -> None:
    (finding,) = bundle(policy(rule(effect, when)), OPEN).findings
    assert told in str(finding)
    assert str(finding.place).startswith("0.yaml:7:")


@pytest.mark.parametrize(
    ("effect", "when"),
    [
        ("ALLOW", "has(args.ticket)"),
        ("DENY", "!has(args.ticket)"),
        ("DENY", "args.rows > 5"),
        ("REQUIRE_APPROVAL", "!has(args.ticket)"),
    ],
)
def test_a_rule_that_leaving_something_out_does_not_get_around_is_not_told(effect: str, when: str) -> None:
    assert bundle(policy(rule(effect, when)), OPEN).findings == ()


@pytest.mark.parametrize(
    ("effect", "when", "grants"),
    [
        ("ALLOW", "args.rows < 5", True),
        ("DENY", "args.rows < 5", False),
        ("REQUIRE_APPROVAL", "args.rows < 5", True),
        ("REQUIRE_APPROVAL", "agent.ring >= 2", False),
        ("REQUIRE_APPROVAL", "!has(args.ticket)", False),
    ],
)
def test_what_permits_something_by_itself(effect: str, when: str, grants: bool) -> None:
    (compiled,) = bundle(policy(rule(effect, when))).rules
    assert compiled.grants is grants


def test_rules_stand_in_the_order_they_are_asked() -> None:
    compiled = bundle(
        policy(rule("ALLOW", "args.a == 1"), rule("DENY", "args.b == 1", "s"), name="z"),
        policy(rule("REQUIRE_APPROVAL", "args.c == 1"), rule("DENY", "args.d == 1", "s"), name="a"),
    )
    assert [rule.id for rule in compiled.rules] == ["a/s", "z/s", "a/r", "z/r"]
    assert (compiled.policy_count, compiled.rule_count) == (2, 4)
    assert compiled.rules[0].effect is Effect.DENY


def test_a_condition_said_twice_is_compiled_once() -> None:
    first, second = bundle(policy(rule("ALLOW", "args.a == 1"), rule("ALLOW", "args.a == 1", "s"))).rules
    assert first.evaluate is second.evaluate


def test_all_conditions_together_have_a_bound_too() -> None:
    costly = "args.a.exists(x, " + " || ".join(f"x.contains('{letter}')" for letter in "abcdefgh") + ")"
    rules = [rule("DENY", f"args.n != {place} && {costly}", f"r{place}") for place in range(200)]
    with pytest.raises(BundleInvalid, match="units its conditions can cost"):
        compile_files([PolicyFile(path="a.yaml", content=policy(*rules).encode())])


def test_a_bundle_has_a_bound_on_its_regular_expressions() -> None:
    rules = [rule("DENY", f"args.text.matches('a{place}')", f"r{place}") for place in range(1_001)]
    with pytest.raises(BundleInvalid, match="1001 regular expressions, 1000 are allowed"):
        compile_files([PolicyFile(path="a.yaml", content=policy(*rules).encode())])
