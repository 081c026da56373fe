"""Filters mean what the oracle says, whatever way they are answered, and no text makes them do anything else."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.compiler import compile_filter
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.filtering.parser import MAX_LENGTH, MAX_TERMS
from ringfence_registry.finding.filtering.patterns import Pattern
from ringfence_registry.model import Agent
from support.registry.agents import agents, meshes
from support.registry.filter_oracle import Said, filters, glob


def fits(said: Said) -> bool:
    return len(said.text.encode()) <= MAX_LENGTH


@given(filters, agents())
def test_a_filter_means_what_the_oracle_says(said: Said, agent: Agent) -> None:
    assume(fits(said))
    assert compile_filter(said.text, AGENT_FIELDS).matches(agent) == said.means(agent)


@given(filters, agents())
def test_a_match_carries_a_term_of_each_need(said: Said, agent: Agent) -> None:
    assume(fits(said))
    compiled = compile_filter(said.text, AGENT_FIELDS)
    assert not said.means(agent) or all(need & set(AGENT_FIELDS.terms_of(agent)) for need in compiled.needs)
    assert compiled.terms >= 1


@given(meshes(), filters, st.sampled_from(["", "namespaces/a/agents/", "namespaces/a-b/agents/"]), st.integers(1, 5))
def test_a_walk_over_pages_equals_a_scan(mesh: list[Agent], said: Said, prefix: str, limit: int) -> None:
    assume(fits(said))
    catalog = AgentCatalog(page_work=40, page_bytes=6_000)
    catalog.fill(mesh, {})
    compiled = compile_filter(said.text, AGENT_FIELDS)
    walked: list[Agent] = []
    cursor = ""
    while True:
        page = catalog.page(compiled, prefix=prefix, after=cursor, limit=limit)
        assert len(page.agents) <= limit
        assert page.cursor > cursor or not page.cursor
        walked.extend(page.agents)
        cursor = page.cursor
        if not cursor:
            break
    scanned = sorted(str(agent.name) for agent in mesh if said.means(agent) and str(agent.name).startswith(prefix))
    assert [str(agent.name) for agent in walked] == scanned


@given(st.text(max_size=60) | st.text('()"*:=<>!-., ab\\AND ORNOT', max_size=60))
def test_no_text_does_more_than_match_or_be_refused_with_a_place(text: str) -> None:
    assume(not any("\ud800" <= each <= "\udfff" for each in text))
    try:
        compiled = compile_filter(text, AGENT_FIELDS)
    except FilterError as error:
        column, problem = error.column, error.problem
    else:
        assert compiled.terms <= MAX_TERMS * 12
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
