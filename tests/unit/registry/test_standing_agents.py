"""Agents as they stood when somebody began to watch, in parts."""

from dataclasses import replace

import pytest
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change, Event, Revision
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.standing import ONE_BY_ONE, standing_agents
from ringfence_registry.model import AGENT, Agent
from support.registry.agents import an_agent

NOW = Instant(1_767_225_600_000)


@pytest.fixture
def agents() -> list[Agent]:
    few = [an_agent(f"agent-{number:02}") for number in range(20)]
    large = replace(few[7], spec=replace(few[7].spec, purpose="x" * 20_000))
    return [*few[:7], large, *few[8:]]


@pytest.fixture
def catalog(agents: list[Agent]) -> AgentCatalog:
    catalog = AgentCatalog()
    catalog.fill(agents, now=NOW)
    return catalog


def everybody(catalog: AgentCatalog) -> int:
    return (1 << len(catalog)) - 1


@pytest.mark.parametrize("part_bytes", [ONE_BY_ONE, 1, 1_000, 5_000, 10**6])
def test_every_agent_is_in_one_part_by_name(catalog: AgentCatalog, agents: list[Agent], part_bytes: int) -> None:
    parts = list(standing_agents(catalog, everybody(catalog), NOW, part_bytes=part_bytes))
    assert [view.agent for part in parts for view in part.views()] == agents
    assert all(len(part) for part in parts)
    outlines = [outline for part in parts for outline in part.outlines()]
    assert [(each.name, each.spec, each.state, each.updated_at) for each in outlines] == [
        (each.name, each.spec, each.state, each.updated_at) for each in agents
    ]


@pytest.mark.parametrize("part_bytes", [ONE_BY_ONE, 1_000, 5_000])
def test_a_part_is_no_larger_than_was_said_but_for_one_agent(catalog: AgentCatalog, part_bytes: int) -> None:
    for part in standing_agents(catalog, everybody(catalog), NOW, part_bytes=part_bytes):
        sizes = [len(records.encode(view.agent)) for view in part.views()]
        assert sum(sizes) <= part_bytes or len(sizes) == 1


def test_an_agent_that_changes_meanwhile_is_told_as_it_stood(catalog: AgentCatalog, agents: list[Agent]) -> None:
    parts = standing_agents(catalog, everybody(catalog), NOW, part_bytes=ONE_BY_ONE)
    next(parts)
    changed = replace(agents[1], state_reason="it changed")
    catalog.apply(
        Event(
            revision=Revision(99),
            change=Change.MODIFIED,
            kind=AGENT,
            name=str(changed.name),
            record=records.encode(changed),
            at=NOW,
            actor="somebody",
        )
    )
    (view,) = next(parts).views()
    assert view.agent == agents[1]
