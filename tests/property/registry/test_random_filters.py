"""Twenty thousand filters, answered from the index, are what a naive scan with the meaning worked out by hand finds."""

import random

import pytest
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_view import AgentView, Viewer
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.compiler import compile_filter
from ringfence_registry.finding.filtering.parser import MAX_LENGTH
from ringfence_registry.namespaces.visible import EVERYTHING
from support.registry.neighbours import SteeredHealth, SteeredTrust
from support.registry.random_filters import NOW, RandomFilters, RandomMesh, random_mesh

FILTERS = 20_000
AGENTS = 40


def opened(mesh: RandomMesh) -> AgentCatalog:
    trust, health = SteeredTrust(), SteeredHealth()
    catalog = AgentCatalog(Viewer(trust=trust, health=health))
    catalog.fill(mesh.agents, now=NOW)
    for did, each in mesh.trust.items():
        trust.say(did, each)
    for name, known in mesh.health.items():
        health.say(name, known)
    return catalog


@pytest.mark.timeout(400)  # the scan is slow on purpose: some 35 s of CPU where nobody else works
def test_twenty_thousand_filters_find_what_a_scan_finds() -> None:
    dice = random.Random(20_000)
    mesh = random_mesh(dice, AGENTS)
    catalog, filters = opened(mesh), RandomFilters(dice, mesh)
    everybody = catalog.seen_by(EVERYTHING)
    asked = found = 0
    while asked < FILTERS:
        said = filters.draw()
        if len(said.text.encode()) > MAX_LENGTH:
            continue
        asked += 1
        answer = set(catalog.by_name(catalog.select(compile_filter(said.text, AGENT_FIELDS), everybody, now=NOW)))
        scanned = {str(agent.name) for agent in mesh.agents if said.means(agent)}
        assert answer == scanned, said.text
        found += bool(scanned) and len(scanned) < AGENTS
    assert found > FILTERS / 2, "most filters should tell some agents from others"


def test_one_agent_is_matched_as_the_index_matches_it() -> None:
    dice = random.Random(7)
    mesh = random_mesh(dice, 20)
    catalog, filters = opened(mesh), RandomFilters(dice, mesh)
    everybody = catalog.seen_by(EVERYTHING)
    for _ in range(1_000):
        want = compile_filter(filters.draw().text, AGENT_FIELDS)
        answer = set(catalog.by_name(catalog.select(want, everybody, now=NOW)))
        views: list[AgentView] = [catalog.view_of(agent, NOW) for agent in mesh.agents]
        assert answer == {str(view.agent.name) for view in views if want.matches(view)}
