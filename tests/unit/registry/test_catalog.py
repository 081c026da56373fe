"""The catalog: fed by events, asked as a whole, and brought to the moment of each question."""

from dataclasses import replace

import pytest
from ringfence_kit import records
from ringfence_kit.clock import DAY, MINUTE, SECOND, Instant
from ringfence_kit.events import Change, Event, Revision
from ringfence_registry.agents.surroundings import BoundaryFacts, NothingKnown, ToolFacts
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_view import Viewer
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.compiler import compile_filter
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.views import Circuit, Health, Trust
from ringfence_registry.model import AGENT, LEASE, Agent, AgentState, Lease
from ringfence_registry.namespaces.visible import EVERYTHING, Visible
from support.registry.agents import SPEC, an_agent
from support.registry.neighbours import SteeredHealth, SteeredTrust

NOW = Instant(1_767_225_600_000)


def event(agent: Agent, revision: int = 1, *, kind: str = AGENT, change: Change = Change.MODIFIED) -> Event:
    return Event(
        revision=Revision(revision),
        change=change,
        kind=kind,
        name=str(agent.name),
        record=records.encode(agent),
        at=NOW,
        actor="spiffe://mesh/ops",
    )


def renewal(agent: Agent, expires_at: Instant, *, uid: str = "") -> Event:
    lease = Lease(agent=str(agent.name), uid=uid or agent.uid, expires_at=expires_at)
    return replace(event(agent), kind=LEASE, record=records.encode(lease))


def found(
    catalog: AgentCatalog, text: str = "", *, visible: Visible = EVERYTHING, now: Instant = NOW, retired: bool = False
) -> list[str]:
    among = catalog.in_sight(catalog.seen_by(visible), retired=retired)
    matching = catalog.select(compile_filter(text, AGENT_FIELDS), among, now=now)
    return [name.rpartition("/")[2] for name in catalog.by_name(matching)]


def test_events_bring_agents_in_and_keep_them_in_order() -> None:
    catalog = AgentCatalog()
    for revision, name in enumerate(["m", "a", "z", "k"], start=1):
        catalog.apply(event(an_agent(name), revision))
    assert found(catalog) == ["a", "k", "m", "z"]
    assert catalog.agent("namespaces/finance/agents/k") == an_agent("k")
    assert catalog.agent("namespaces/finance/agents/q") is None


def test_events_of_other_kinds_pass_by() -> None:
    catalog = AgentCatalog()
    catalog.apply(event(an_agent(), kind="namespace"))
    assert found(catalog) == []


def test_the_index_follows_every_change() -> None:
    catalog = AgentCatalog()
    catalog.fill([an_agent(f"agent-{number}") for number in range(40)])
    changed = an_agent("agent-7", spec=replace(SPEC, team="travel", environments=("qa",), purpose="Books."))
    catalog.apply(event(changed))
    assert found(catalog, "team = travel") == ["agent-7"]
    assert found(catalog, "environments:qa") == ["agent-7"]
    assert found(catalog, 'purpose = "Books."') == ["agent-7"]
    assert len(found(catalog, "team = finance")) == 39
    assert len(found(catalog, "reconciles")) == 39
    catalog.apply(event(an_agent("agent-7")))
    assert found(catalog, "team = travel") == []
    assert len(found(catalog, "reconciles")) == 40


def test_an_agent_that_is_forgotten_leaves_nothing_and_its_place_to_the_next() -> None:
    catalog = AgentCatalog()
    catalog.fill([an_agent(name) for name in "abc"])
    catalog.apply(event(an_agent("b"), change=Change.DELETED))
    assert found(catalog) == ["a", "c"]
    assert catalog.agent("namespaces/finance/agents/b") is None
    catalog.apply(event(an_agent("z", spec=replace(SPEC, team="travel"))))
    assert found(catalog) == ["a", "c", "z"]
    assert found(catalog, "team = finance") == ["a", "c"]
    assert found(catalog, "NOT team = finance") == ["z"]


def test_a_namespace_is_not_mistaken_for_one_it_begins_like() -> None:
    catalog = AgentCatalog()
    catalog.fill([an_agent("x", namespace=namespace) for namespace in ("fin", "finance", "fin-ops", "fi")])
    assert list(catalog.by_name(catalog.seen_by(EVERYTHING, "fin"))) == ["namespaces/fin/agents/x"]
    assert [agent.name.namespace for agent in catalog.agents("namespaces/fin-ops/agents/")] == ["fin-ops"]
    assert len(catalog.agents()) == 4


def test_what_is_not_seen_is_not_there() -> None:
    catalog = AgentCatalog()
    catalog.fill([an_agent("x", namespace=namespace) for namespace in ("fin", "hr", "ops")])

    def seen(visible: Visible, namespace: str | None = None) -> list[str]:
        return [name.split("/")[1] for name in catalog.by_name(catalog.seen_by(visible, namespace))]

    assert seen(Visible(listed=frozenset({"hr", "nobody"}))) == ["hr"]
    assert seen(Visible(listed=frozenset({"hr"}), all_others=True)) == ["fin", "ops"]
    assert seen(Visible(listed=frozenset({"hr"})), "fin") == []
    assert seen(Visible(listed=frozenset({"fin"})), "fin") == ["fin"]


def test_retired_and_deleted_agents_are_out_of_sight_until_asked_for() -> None:
    catalog = AgentCatalog()
    retired = replace(an_agent("r"), state=AgentState.RETIRED)
    deleted = replace(an_agent("d"), deleted_at=NOW)
    catalog.fill([an_agent("a"), retired, deleted])
    everybody = catalog.seen_by(EVERYTHING)
    assert [name[-1] for name in catalog.by_name(catalog.in_sight(everybody))] == ["a"]
    assert [name[-1] for name in catalog.by_name(catalog.in_sight(everybody, retired=True))] == ["a", "r"]
    assert [name[-1] for name in catalog.by_name(catalog.in_sight(everybody, deleted=True))] == ["a", "d"]
    catalog.apply(event(an_agent("d")))
    assert found(catalog) == ["a", "d"]


def test_a_lease_runs_until_its_instant_and_a_renewal_begins_it_anew() -> None:
    catalog = AgentCatalog()
    end = Instant(NOW + MINUTE)
    catalog.fill([an_agent("a"), replace(an_agent("b"), lease_expires_at=end)], now=NOW)
    assert found(catalog, "liveness = NO_LEASE") == ["a"]
    assert found(catalog, "liveness = LEASED", now=Instant(end - 1)) == ["b"]
    assert found(catalog, "liveness = EXPIRED", now=end) == ["b"]
    catalog.apply(renewal(an_agent("b"), Instant(end + DAY)))
    assert found(catalog, "liveness = LEASED", now=end) == ["b"]
    agent = catalog.agent("namespaces/finance/agents/b")
    assert agent is not None
    assert agent.lease_expires_at == end + DAY


def test_a_lease_of_an_agent_that_had_the_name_before_says_nothing() -> None:
    catalog = AgentCatalog()
    catalog.fill([an_agent("a")], now=NOW)
    catalog.apply(renewal(an_agent("a"), Instant(NOW + DAY), uid="another"))
    catalog.apply(renewal(an_agent("nobody"), Instant(NOW + DAY)))
    assert found(catalog, "liveness = NO_LEASE") == ["a"]


def test_trust_is_judged_at_the_moment_of_the_question() -> None:
    trust = SteeredTrust()
    catalog = AgentCatalog(Viewer(trust=trust))
    did = "did:web:a.example"
    catalog.fill([an_agent("a", spec=replace(SPEC, did=did)), an_agent("b")], now=NOW)
    assert found(catalog, "trust.score >= 0") == []
    fades = Instant(NOW + DAY)
    trust.say(did, Trust(score=700, ring=1, active=True, heard_at=NOW, until=fades), then=699)
    assert found(catalog, "trust.score >= 700") == ["a"]
    assert found(catalog, "trust.score >= 700", now=Instant(fades - 1)) == ["a"]
    assert found(catalog, "trust.score >= 700", now=fades) == []
    assert found(catalog, "trust.score = 699 trust.active = true", now=fades) == ["a"]


def test_a_clock_that_is_set_back_is_believed_when_it_is_set_back_far() -> None:
    catalog = AgentCatalog()
    end = Instant(NOW + DAY)
    catalog.fill([replace(an_agent("a"), lease_expires_at=end)], now=NOW)
    assert found(catalog, "liveness = EXPIRED", now=end) == ["a"]
    assert found(catalog, "liveness = EXPIRED", now=Instant(end - SECOND)) == ["a"]
    assert found(catalog, "liveness = LEASED", now=NOW) == ["a"]


def test_health_is_known_by_name_and_is_forgotten_in_time() -> None:
    health = SteeredHealth()
    catalog = AgentCatalog(Viewer(health=health))
    catalog.fill([an_agent("a"), an_agent("b")], now=NOW)
    ends = Instant(NOW + MINUTE)
    health.say("namespaces/finance/agents/b", Health(circuit=Circuit.OPEN, error_rate=0.5, calls=9, until=ends))
    assert found(catalog, "health.circuit = OPEN health.error_rate > 0.4") == ["b"]
    assert found(catalog, "NOT health:*") == ["a"]
    assert found(catalog, "health:*", now=ends) == []


class World(NothingKnown):
    """Tools and boundaries, steered by the test."""

    def __init__(self) -> None:
        self.tools: dict[str, ToolFacts] = {}
        self.around: tuple[BoundaryFacts, ...] = ()

    def tool(self, name: str, now: Instant, /) -> ToolFacts | None:
        """See `Tools`."""
        return self.tools.get(name)

    def boundaries_of(self, agent: Agent, /) -> tuple[BoundaryFacts, ...]:
        """See `Boundaries`."""
        return self.around


def test_what_a_tool_can_do_is_what_its_agents_can_do() -> None:
    world = World()
    catalog = AgentCatalog(Viewer(tools=world, boundaries=world))
    catalog.fill([an_agent("a"), an_agent("b", spec=replace(SPEC, approved_tools=()))], now=NOW)
    assert found(catalog, "high_risk_edges:*") == []
    facts = ToolFacts(name="ledger.read", schema_hash="", enabled=True, trusted=True, data_classes=("payments",))
    world.tools["ledger.read"] = facts
    catalog.apply(replace(event(an_agent()), kind="tool", name="namespaces/ops/tools/ledger.read"))
    assert found(catalog, "high_risk_edges:MONEY") == ["a"]


def test_a_boundary_that_is_redrawn_is_around_whom_it_is_now() -> None:
    world = World()
    catalog = AgentCatalog(Viewer(tools=world, boundaries=world))
    catalog.fill([an_agent("a"), an_agent("b", namespace="other")], now=NOW)
    name = "namespaces/finance/boundaries/books"
    world.around = (BoundaryFacts(name=name, enabled=True),)
    catalog.apply(replace(event(an_agent()), kind="boundary", name=name))
    assert found(catalog, f'boundaries:"{name}"') == ["a"]


def test_card_bodies_are_at_hand_while_there_is_room() -> None:
    catalog = AgentCatalog(bodies=10)
    catalog.keep_card("1", b"12345")
    catalog.keep_card("2", b"12345")
    assert catalog.card("1") == b"12345"
    catalog.keep_card("3", b"12345")
    assert catalog.card("2") is None
    assert (catalog.card("1"), catalog.card("3")) == (b"12345", b"12345")
    assert catalog.card("nobody's") is None


def test_a_filter_that_would_have_every_agent_read_says_so() -> None:
    catalog = AgentCatalog(max_read=3)
    catalog.fill([an_agent(name) for name in "abcd"])
    want = compile_filter('skills.description:"Reads."', AGENT_FIELDS)
    with pytest.raises(FilterError, match="add a condition"):
        catalog.select(want, catalog.seen_by(EVERYTHING), now=NOW)
    assert found(catalog, 'skills.description:"Reads." name:"agents/b"') == ["b"]
