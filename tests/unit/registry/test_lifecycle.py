"""The steps between states."""

import pytest
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_registry.agents.lifecycle import INITIAL, STEPS, Step, require_changeable, take_step
from ringfence_registry.errors import AgentRetired
from ringfence_registry.model import AgentState
from support.registry.agents import an_agent


def test_an_agent_begins_active_and_ends_retired() -> None:
    agent = an_agent()
    assert agent.state is INITIAL is AgentState.ACTIVE
    retired = take_step(agent, Step.RETIRE, revision=Revision(9), now=Instant(5_000))
    assert (retired.state, retired.revision, retired.updated_at, retired.retired_at) == (
        AgentState.RETIRED,
        9,
        5_000,
        5_000,
    )
    assert (retired.spec, retired.card, retired.uid, retired.created_at) == (
        agent.spec,
        agent.card,
        agent.uid,
        agent.created_at,
    )


def test_retirement_is_for_good() -> None:
    retired = take_step(an_agent(), Step.RETIRE, revision=Revision(2), now=Instant(2_000))
    with pytest.raises(AgentRetired) as caught:
        take_step(retired, Step.RETIRE, revision=Revision(3), now=Instant(3_000))
    assert caught.value.metadata == {"name": "namespaces/finance/agents/ledger"}
    with pytest.raises(AgentRetired):
        require_changeable(retired)
    require_changeable(an_agent())


def test_no_step_leads_out_of_retirement() -> None:
    assert not [step for (state, step) in STEPS if state is AgentState.RETIRED]


def test_the_etag_tells_changes_and_incarnations_apart() -> None:
    agent = an_agent(revision=17)
    assert agent.etag.startswith('"17-')
    assert agent.etag.endswith('"')
    assert agent.etag == an_agent(revision=17).etag
    others = [an_agent(revision=18), an_agent("other", revision=17)]
    assert agent.etag not in {other.etag for other in others}
