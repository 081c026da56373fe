"""The states of an agent: what the table names happens, everything else is refused."""

from dataclasses import replace

import pytest
from ringfence_kit.clock import Instant
from ringfence_registry.agents.lifecycle import STEPS, Step, initial_state, require_changeable, take_step, target_of
from ringfence_registry.errors import AgentRetired, IllegalStateTransition
from ringfence_registry.model import Agent, AgentState
from support.registry.agents import an_agent

NOW = Instant(5_000)
D, P, A, S, X, R = (
    *(AgentState.DRAFT, AgentState.PENDING_REVIEW, AgentState.ACTIVE),
    *(AgentState.SUSPENDED, AgentState.DEPRECATED, AgentState.RETIRED),
)
ALLOWED = {
    Step.SUBMIT: {D: P},
    Step.APPROVE: {P: A},
    Step.REJECT: {P: D},
    Step.SUSPEND: {A: S, X: S},
    Step.RESUME: {S: A},
    Step.DEPRECATE: {A: X},
    Step.RETIRE: {D: R, P: R, A: R, S: R, X: R},
    Step.DELETE: {D: D, R: R},
}
"""Written out by hand: the steps the contract promises (registry.proto)."""


def in_state(state: AgentState) -> Agent:
    return replace(an_agent(), state=state, suspended_from=A if state is S else None)


@pytest.mark.parametrize("state", AgentState)
@pytest.mark.parametrize("step", Step)
def test_a_step_is_taken_where_the_contract_says_and_nowhere_else(step: Step, state: AgentState) -> None:
    agent = in_state(state)
    if state in ALLOWED[step]:
        assert target_of(agent, step) is ALLOWED[step][state]
        return
    with pytest.raises((IllegalStateTransition, AgentRetired)) as refused:
        take_step(agent, step, now=NOW)
    if isinstance(refused.value, IllegalStateTransition):
        assert refused.value.metadata["allowed"] == ",".join(each.value for each in ALLOWED[step])
        assert (refused.value.metadata["state"], refused.value.metadata["step"]) == (state.value, step.value)
    else:
        assert (step, state) == (Step.RETIRE, R)


def test_the_table_names_every_step_once() -> None:
    assert set(STEPS) == set(Step) == set(ALLOWED)


@pytest.mark.parametrize("before", [A, X])
def test_a_resumed_agent_is_where_it_was(before: AgentState) -> None:
    suspended = take_step(in_state(before), Step.SUSPEND, reason="looks wrong", now=NOW)
    assert (suspended.state, suspended.suspended_from, suspended.state_reason) == (S, before, "looks wrong")
    resumed = take_step(suspended, Step.RESUME, reason="was right", now=NOW)
    assert (resumed.state, resumed.suspended_from, resumed.state_reason) == (before, None, "was right")


def test_retiring_is_for_good_and_remembers_when() -> None:
    retired = take_step(an_agent(), Step.RETIRE, now=NOW)
    assert (retired.state, retired.retired_at) == (R, NOW)
    deleted = take_step(retired, Step.DELETE, now=Instant(9_000))
    assert (deleted.state, deleted.retired_at) == (R, NOW)


def test_a_step_changes_the_state_and_nothing_people_said() -> None:
    agent = an_agent()
    suspended = take_step(agent, Step.SUSPEND, reason="stop", now=NOW)
    assert replace(suspended, state=A, state_reason="", suspended_from=None) == agent


@pytest.mark.parametrize("state", AgentState)
def test_only_a_retired_agent_cannot_be_changed(state: AgentState) -> None:
    if state is R:
        with pytest.raises(AgentRetired):
            require_changeable(in_state(state))
    else:
        require_changeable(in_state(state))


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("review_required", [False, True])
@pytest.mark.parametrize("as_draft", [False, True])
def test_an_agent_serves_at_once_only_where_nothing_asks_for_more(
    gated: bool, review_required: bool, as_draft: bool
) -> None:
    state = initial_state(gated=gated, review_required=review_required, as_draft=as_draft)
    assert state is (D if gated or review_required or as_draft else A)


def test_two_states_serve() -> None:
    assert {state for state in AgentState if state.serves} == {A, X}
