"""What holds of composed calls whatever everybody says: P1 to P10 of docs/composition.md, and a second opinion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.names import AgentName
from ringfence_pdp.decide import decide
from ringfence_pdp.explain import explain
from ringfence_pdp.model import Decision, Effect
from ringfence_pdp.outcome import Outcome, meet_all
from support.pdp.chain_worlds import (
    AGENTS,
    NARROWINGS,
    ChainWorld,
    Plainly,
    Wall,
    basis,
    narrowed,
    oracle,
    request,
    walls,
    worlds,
)


def decided(world: ChainWorld) -> Decision:
    return decide(basis(world), request(world))


def plainly(decision: Decision) -> Plainly:
    approval = decision.verdict.approval
    rows = next((one.properties["rows"] for one in decision.obligations), None)
    return Plainly(
        decision.effect.name,
        decision.reason.name,
        people=0 if approval is None else approval.min_approvals,
        groups=frozenset(() if approval is None else approval.approver_groups),
        seconds=0 if approval is None else approval.timeout // 1_000,
        rows=rows if isinstance(rows, int) else None,
    )


@given(world=worlds())
def test_a_call_is_decided_as_the_page_tells_it(world: ChainWorld) -> None:
    assert plainly(decided(world)) == oracle(world)


@pytest.mark.parametrize("how", NARROWINGS)
@given(world=worlds(), agent=st.sampled_from(AGENTS), wall=walls)
def test_nothing_that_may_only_take_away_ever_grants(how: str, world: ChainWorld, agent: AgentName, wall: Wall) -> None:
    """P1, P8, P9 and P10; and what both let through is asked of at least as many, for at most as long, with as much."""
    before, after = decided(world), decided(narrowed(world, how, agent, wall))
    assert after.effect <= before.effect
    if after.effect is Effect.DENY:
        return
    mine, theirs = plainly(before), plainly(after)
    assert theirs.people >= mine.people
    assert theirs.groups >= mine.groups
    assert mine.seconds == 0 or theirs.seconds <= mine.seconds
    assert mine.rows is None or (theirs.rows is not None and theirs.rows <= mine.rows)
    assert {(one.type, one.id) for one in after.obligations} >= {(one.type, one.id) for one in before.obligations}


@given(world=worlds())
def test_the_decision_is_the_meet_of_what_the_sides_said(world: ChainWorld) -> None:
    decision = decided(world)
    if decision.sides:
        said = meet_all(Outcome(one.verdict.effect, approval=one.verdict.approval) for one in decision.sides)
        assert decision.effect <= said.effect
        assert decision.effect is Effect.DENY or decision.verdict.approval == said.approval


@given(world=worlds())
def test_the_ring_of_a_call_is_that_of_its_least_trusted_party(world: ChainWorld) -> None:
    assert decided(world).ring == max(world.rings[one] for one in world.subjects)


@given(world=worlds())
def test_explaining_comes_to_the_same_verdict(world: ChainWorld) -> None:
    stood_on, asked = basis(world), request(world)
    explanation = explain(stood_on, asked)
    assert explanation.decision == decide(stood_on, asked)
    assert min(stage.effect for stage in explanation.stages) is explanation.decision.effect
    assert bool(explanation.nearest_misses) == (explanation.decision.effect is not Effect.ALLOW)
