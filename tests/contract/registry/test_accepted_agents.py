"""Agents and what telemetry says of their versions: asked when one begins to serve in prod, and never in vain."""

from collections.abc import AsyncIterator

import pytest
from ringfence_kit.clock import SECOND
from ringfence_registry.agents.acceptance import Version
from ringfence_registry.agents.amendment import AgentPatch
from ringfence_registry.cards.reading import read_card
from ringfence_registry.errors import ReadinessNotMet
from ringfence_registry.model import AgentState
from support.backends import Backend
from support.registry.agent_steps import DID, IN_PROD, LEDGER, Life
from support.registry.agents import CARD
from support.registry.opened import ADMIN, FINANCE, Registry, opened_registry

pytestmark = pytest.mark.parametrize("backend", ["memory"], indirect=True)

BELOW = "12 of 30 judgements passed, surely 24.6 % of them; at least 90 % are asked for"
SECOND_CARD = CARD.replace(b'"1.0.0"', b'"2.0.0"')


@pytest.fixture
async def registry(backend: Backend) -> AsyncIterator[Registry]:
    async with opened_registry(backend) as opened:
        yield opened


async def handed_in(registry: Registry) -> Life:
    """Return the life of an agent that is complete and waits for approval."""
    life = Life(registry)
    await life.begun()
    await life.submit()
    return life


async def test_a_version_below_its_gate_does_not_serve_and_is_told_why(registry: Registry) -> None:
    life = await handed_in(registry)
    registry.world.not_accepted = [BELOW, "12 pieces of work in 30 days; at least 30 are needed"]

    with pytest.raises(ReadinessNotMet) as refused:
        await life.approve()
    assert refused.value.metadata["unmet"] == "EVALUATION_RESULT"
    assert BELOW in str(refused.value.violations)
    assert "at least 30 are needed" in str(refused.value.violations)
    gates = await registry.lives.readiness_check.check_readiness(LEDGER, "", caller=ADMIN, now=registry.clock.now())
    assert [gate.kind.value for gate in gates if not gate.met] == ["EVALUATION_RESULT"]

    registry.world.not_accepted = []
    assert (await life.approve()).state is AgentState.ACTIVE


async def test_it_is_asked_by_its_names_and_the_version_of_its_card(registry: Registry) -> None:
    life = await handed_in(registry)
    await life.approve()
    assert registry.world.asked_about == [Version(agent=str(LEDGER), version="1.0.0", dids=(DID,))]


async def test_nobody_is_asked_before_the_plan_was_run(registry: Registry) -> None:
    life = Life(registry)
    await registry.register(spec=IN_PROD, caller=FINANCE)
    await life.submit()
    with pytest.raises(ReadinessNotMet):
        await life.approve()
    assert registry.world.asked_about == []


async def test_who_was_stopped_is_asked_about_again(registry: Registry) -> None:
    life = await handed_in(registry)
    await life.approve()
    await life.suspend()
    registry.world.not_accepted = [BELOW]
    with pytest.raises(ReadinessNotMet):
        await life.resume()
    registry.world.not_accepted = []
    assert (await life.resume()).state is AgentState.ACTIVE


async def test_another_card_of_a_serving_agent_has_to_reach_it_too(registry: Registry) -> None:
    life = await handed_in(registry)
    await life.approve()
    registry.world.not_accepted = [BELOW]
    assert (
        await life.update(AgentPatch(purpose="Says it in other words."))
    ).number > 1  # the same card: nobody is asked
    registry.clock.advance(SECOND)
    await life.evaluate(card_sha256=read_card(SECOND_CARD).facts.sha256)

    with pytest.raises(ReadinessNotMet) as refused:
        await life.new_card(SECOND_CARD)
    assert refused.value.metadata["unmet"] == "EVALUATION_RESULT"
    assert registry.world.asked_about[-1].version == "2.0.0"
    registry.world.not_accepted = []
    assert (await life.new_card(SECOND_CARD)).card.version == "2.0.0"
