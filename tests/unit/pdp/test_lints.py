"""What is told of a bundle because of what its rules say together: allows in a shadow, and allowing nothing."""

import pytest
from support.pdp.world import bundle, policy

ALL = "{name: wall, match: {actions: ['*']}, effect: DENY}"


def told(*texts: str) -> list[str]:
    return [finding.problem for finding in bundle(*texts).findings]


def allow(match: str) -> str:
    return f"{{name: a, match: {match}, effect: ALLOW}}"


SHADOWED = "the rule never lets anything through: w/wall denies all that it selects"


@pytest.mark.parametrize(
    ("wall", "governed", "match", "governs"),
    [
        ("{actions: ['*']}", "{}", "{actions: ['*']}", "{}"),
        ("{actions: ['read_*']}", "{}", "{actions: ['read_*', 'read_t*', read_x]}", "{}"),
        ("{actions: ['*']}", "{agents: [ns/data/agents/*]}", "{actions: ['*']}", "{agents: [ns/data/agents/a*]}"),
        ("{actions: ['*']}", "{environments: [prod, dev]}", "{actions: ['*']}", "{environments: [dev]}"),
        ("{actions: ['*']}", "{}", "{tools: [warehouse.query]}", "{side: callee}"),
        ("{tools: ['warehouse.*']}", "{}", "{tools: [warehouse.query, 'warehouse.r*']}", "{}"),
        ("{actions: ['*']}", "{side: callee}", "{actions: ['*']}", "{side: callee}"),
    ],
)
def test_an_allow_in_the_shadow_of_a_denial_is_told(wall: str, governed: str, match: str, governs: str) -> None:
    denying = policy(f"{{name: wall, match: {wall}, effect: DENY}}", name="w", governs=governed)
    assert SHADOWED in told(denying, policy(allow(match), name="p", governs=governs))


@pytest.mark.parametrize(
    ("wall", "governed", "match", "governs"),
    [
        ("{actions: ['read_*']}", "{}", "{actions: ['read_*', list_x]}", "{}"),
        ("{actions: ['read_t*']}", "{}", "{actions: ['read_*']}", "{}"),
        ("{actions: ['*']}", "{agents: [ns/data/agents/a]}", "{actions: ['*']}", "{agents: [ns/data/agents/a*]}"),
        ("{actions: ['*']}", "{environments: [prod]}", "{actions: ['*']}", "{}"),
        ("{actions: ['*']}", "{side: callee}", "{actions: ['*']}", "{}"),
        ("{tools: ['*']}", "{}", "{actions: ['*']}", "{}"),
        ("{tools: [warehouse.query]}", "{}", "{tools: ['warehouse.*']}", "{}"),
    ],
)
def test_an_allow_that_reaches_out_of_the_shadow_is_not_told(
    wall: str, governed: str, match: str, governs: str
) -> None:
    denying = policy(f"{{name: wall, match: {wall}, effect: DENY}}", name="w", governs=governed)
    assert told(denying, policy(allow(match), name="p", governs=governs)) == []


def test_a_denial_with_a_condition_casts_no_shadow() -> None:
    denying = policy("{name: wall, match: {actions: ['*']}, effect: DENY, when: 'args.rows > 5'}", name="w")
    assert told(denying, policy(allow("{actions: ['*']}"))) == []


def test_a_denial_that_may_be_overridden_casts_no_shadow() -> None:
    overridden = policy(ALL, allow("{actions: ['*']}")).replace("  rules:", "  algorithm: allow_overrides\n  rules:")
    assert told(overridden) == []


def test_a_boundary_is_no_agent() -> None:
    boundary = policy(allow("{actions: ['*']}"), name="b", governs="{boundaries: [ns/data/boundaries/x]}")
    assert told(policy(ALL, name="w"), boundary) == []


def test_two_denials_that_shadow_together_are_not_found() -> None:
    """What is told is certain; what is not told may still be so."""
    halves = [
        policy("{name: wall, match: {actions: ['*']}, effect: DENY}", name=name, governs=f"{{environments: [{name}]}}")
        for name in ("dev", "prod")
    ]
    assert told(*halves, policy(allow("{actions: ['*']}"), governs="{environments: [dev, prod]}")) == []


def test_a_bundle_that_lets_nothing_through_is_told() -> None:
    assert told(policy(ALL)) == ["no rule of the bundle lets anything through, so every answer is DENY"]
    assert told(policy(ALL, allow("{actions: [x]}")))[0] != told(policy(ALL))[0]


def test_a_bundle_of_very_many_combinations_is_not_looked_through() -> None:
    many = ", ".join(f"t{place}" for place in range(64))
    rules = [f"{{name: r{n}, match: {{actions: [{many}], tools: [{many}]}}, effect: ALLOW}}" for n in range(14)]
    shadowed = [problem for problem in told(policy(ALL, name="w"), policy(*rules)) if problem == SHADOWED]
    assert len(shadowed) == 12
