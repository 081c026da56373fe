"""The catalog: fed by events, walked in pages."""

from dataclasses import replace

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change, Event, Revision
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.compiler import Filter, compile_filter
from ringfence_registry.model import AGENT, Agent
from support.registry.agents import SPEC, an_agent

EVERYTHING: Filter[Agent] = compile_filter("", AGENT_FIELDS)


def event(agent: Agent, revision: int = 1, *, kind: str = AGENT) -> Event:
    return Event(
        revision=Revision(revision),
        change=Change.MODIFIED,
        kind=kind,
        name=str(agent.name),
        record=records.encode(agent),
        at=Instant(0),
        actor="spiffe://mesh/ops",
    )


def names(catalog: AgentCatalog, text: str = "", *, prefix: str = "") -> list[str]:
    page = catalog.page(compile_filter(text, AGENT_FIELDS), prefix=prefix, after="", limit=1_000)
    return [agent.name.agent for agent in page.agents]


def test_events_bring_agents_in_and_keep_them_in_order() -> None:
    catalog = AgentCatalog()
    for revision, name in enumerate(["m", "a", "z", "k"], start=1):
        catalog.apply(event(an_agent(name), revision))
    assert names(catalog) == ["a", "k", "m", "z"]
    assert catalog.agent("namespaces/finance/agents/k") == an_agent("k")
    assert catalog.agent("namespaces/finance/agents/q") is None


def test_events_of_other_kinds_pass_by() -> None:
    catalog = AgentCatalog()
    catalog.apply(event(an_agent(), kind="tool"))
    assert names(catalog) == []


def test_the_index_follows_every_change() -> None:
    catalog = AgentCatalog()
    catalog.fill([an_agent(f"agent-{number}") for number in range(40)], {})
    changed = an_agent("agent-7", spec=replace(SPEC, team="travel", environments=("staging",)))
    catalog.apply(event(changed))
    assert names(catalog, "team = travel") == ["agent-7"]
    assert names(catalog, "environments:staging") == ["agent-7"]
    assert len(names(catalog, "team = finance")) == 39
    catalog.apply(event(an_agent("agent-7")))
    assert names(catalog, "team = travel") == []
    assert len(names(catalog, "team = finance")) == 40


def test_a_namespace_is_not_mistaken_for_one_it_begins_like() -> None:
    catalog = AgentCatalog()
    catalog.fill([an_agent("x", namespace=namespace) for namespace in ("fin", "finance", "fin-ops", "fi")], {})
    page = catalog.page(EVERYTHING, prefix="namespaces/fin/agents/", after="", limit=10)
    assert [agent.name.namespace for agent in page.agents] == ["fin"]
    assert [agent.name.namespace for agent in catalog.agents("namespaces/fin-ops/agents/")] == ["fin-ops"]
    assert len(catalog.agents()) == 4


def test_the_last_page_has_no_cursor_even_when_it_is_full() -> None:
    catalog = AgentCatalog()
    catalog.fill([an_agent(name) for name in "abcd"], {})
    first = catalog.page(EVERYTHING, prefix="", after="", limit=2)
    assert first.cursor == "namespaces/finance/agents/b"
    last = catalog.page(EVERYTHING, prefix="", after=first.cursor, limit=2)
    assert ([agent.name.agent for agent in last.agents], last.cursor) == (["c", "d"], "")


def test_a_page_ends_early_when_its_work_is_used_up() -> None:
    catalog = AgentCatalog(page_work=20)
    catalog.fill([an_agent(f"agent-{number:03}") for number in range(100)], {})
    nobody = compile_filter('purpose = "nobody has this"', AGENT_FIELDS)
    pages, cursor = 0, ""
    while True:
        page = catalog.page(nobody, prefix="", after=cursor, limit=10)
        assert page.agents == ()
        pages, cursor = pages + 1, page.cursor
        if not cursor:
            break
    assert pages == 11


def test_a_page_ends_early_when_it_is_too_large_and_is_never_empty_for_that() -> None:
    catalog = AgentCatalog(page_bytes=1)
    catalog.fill([an_agent(name) for name in "abc"], {})
    page = catalog.page(EVERYTHING, prefix="", after="", limit=10)
    assert ([agent.name.agent for agent in page.agents], page.cursor) == (["a"], "namespaces/finance/agents/a")


def test_a_card_is_held_as_long_as_it_is_the_agents_card() -> None:
    catalog = AgentCatalog()
    agent = an_agent()
    name, digest = str(agent.name), agent.card.sha256
    catalog.fill([agent], {digest: b"card"})
    assert catalog.card(name) == b"card"
    catalog.apply(event(replace(agent, spec=replace(SPEC, team="other"))))
    assert catalog.card(name) == b"card"
    other = replace(agent, card=replace(agent.card, sha256="1" * 64))
    catalog.apply(event(other))
    assert catalog.card(name) is None
    catalog.keep_card(name, digest, b"late, and no longer its card")
    assert catalog.card(name) is None
    catalog.keep_card(name, "1" * 64, b"new card")
    assert catalog.card(name) == b"new card"
    assert catalog.card("namespaces/finance/agents/nobody") is None
