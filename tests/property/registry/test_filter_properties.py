"""Filters mean what the oracle says, whatever way they are answered, and no text makes them do anything else."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ringfence_kit.clock import Instant
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.compiler import compile_filter
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.filtering.parser import MAX_LENGTH, MAX_TERMS
from ringfence_registry.finding.filtering.patterns import Pattern
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.visible import EVERYTHING
from support.registry.agents import agents, meshes
from support.registry.filter_oracle import Said, filters, glob

NOW = Instant(1_767_225_600_000)


def seen(agent: Agent) -> AgentView:
    return AgentView(agent=agent, now=NOW)


def fits(said: Said) -> bool:
    return len(said.text.encode()) <= MAX_LENGTH


@given(filters, agents())
def test_a_filter_means_what_the_oracle_says(said: Said, agent: Agent) -> None:
    assume(fits(said))
    assert compile_filter(said.text, AGENT_FIELDS).matches(seen(agent)) == said.means(agent)


@given(meshes(), filters)
def test_an_index_answers_what_a_scan_finds(mesh: list[Agent], said: Said) -> None:
    assume(fits(said))
    catalog = AgentCatalog()
    catalog.fill(mesh)
    everybody = catalog.seen_by(EVERYTHING)
    found = catalog.select(compile_filter(said.text, AGENT_FIELDS), everybody, now=NOW)
    assert list(catalog.by_name(found)) == sorted(str(agent.name) for agent in mesh if said.means(agent))


@given(st.text(max_size=60) | st.text('()"*:=<>!-., ab\\AND ORNOT', max_size=60))
def test_no_text_does_more_than_match_or_be_refused_with_a_place(text: str) -> None:
    assume(not any("\ud800" <= each <= "\udfff" for each in text))
    try:
        compiled = compile_filter(text, AGENT_FIELDS)
    except FilterError as error:
        column, problem = error.column, error.problem
    else:
        assert compiled.terms <= MAX_TERMS * len(AGENT_FIELDS.searched)
        return
    assert 1 <= column <= len(text) + 1
    assert problem


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_a_pattern_matches_like_the_regular_expression_it_stands_for(pattern: str, text: str) -> None:
    stars = tuple(at for at, each in enumerate(pattern) if each == "*")
    assert Pattern.of(pattern, stars).matches(text) == bool(glob(pattern).fullmatch(text))
    assert Pattern.of(pattern, stars).anywhere().matches(text) == bool(glob(f"*{pattern}*").fullmatch(text))


@pytest.mark.parametrize("shape", ["({})", "NOT ({})", "-({})", "team = x AND ({})"])
def test_nesting_ends_in_a_refusal_and_not_in_the_stack(shape: str) -> None:
    text = "team:a"
    while len(shape.replace("{}", text)) <= MAX_LENGTH:
        text = shape.replace("{}", text)
    with pytest.raises(FilterError, match="nest deeper"):
        compile_filter(text, AGENT_FIELDS)
