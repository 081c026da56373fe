"""What the pdp knows of agents, as its feeds tell it, and what it says when they fall silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.errors import UnavailableError
from ringfence.identity.v1 import identity_pb2, revocation_pb2, trust_pb2
from ringfence.registry.v1 import boundary_pb2, registry_pb2, tool_pb2
from ringfence.telemetry.v1 import budget_pb2
from ringfence.watch import Bookmark, Change, Changed, StateBegins, StateComplete
from ringfence_kit import records
from ringfence_kit.clock import EPOCH, ManualClock, Millis
from ringfence_kit.feeds import HEARTBEAT
from ringfence_kit.readiness import Readiness
from ringfence_kit.trust_decay import TrustState
from ringfence_pdp.chains.issuers import Issuer
from ringfence_pdp.convert.agents import (
    identity_from_proto,
    registered_from_proto,
    take_identity,
    take_registered,
    take_tool,
    tool_from_proto,
    trust_from_proto,
)
from ringfence_pdp.convert.boundaries import take_boundary
from ringfence_pdp.convert.budgets import take_budget
from ringfence_pdp.convert.revocations import take_revocation
from ringfence_pdp.fact_feeds import (
    IDENTITY_FEED,
    REGISTRY_FEED,
    REVOCATION_FEED,
    TOOL_FEED,
    FactFeeds,
    Told,
)
from ringfence_pdp.facts import IdentityStatus, RegisteredTool
from ringfence_pdp.filters.finding import ArgumentType, Effects
from support.scripted_source import ScriptedSource

NAME = "namespaces/sales/agents/analyst"
DID = "did:webvh:QmExample:dev.id.ringfence.internal:agents:QmExample"

IDENTITY = identity_pb2.AgentIdentity(
    agent=NAME,
    environment="dev",
    did=DID,
    status=identity_pb2.IDENTITY_STATUS_ACTIVE,
    birth_certificate=identity_pb2.BirthCertificateContent(
        ring_ceiling=1, approved_tools=[identity_pb2.ApprovedTool(name="warehouse.query", schema_hash="sha256-aa")]
    ),
    trust_state=trust_pb2.TrustState(
        earned_micro_points=5_000_000, stored_ring=2, ceiling=699, last_event_time=Timestamp(seconds=7, nanos=5_000_000)
    ),
)
AGENT = registry_pb2.Agent(
    name=NAME,
    owner=registry_pb2.Owner(display_name="Sales", contact="sales@example.com"),
    risk_tier=registry_pb2.RISK_TIER_HIGH,
    environments=["dev", "prod"],
    approved_tools=[registry_pb2.ApprovedTool(name="warehouse.query")],
    state=registry_pb2.AGENT_STATE_ACTIVE,
    labels={"team": "sales"},
)

TOOL = tool_pb2.Tool(
    name="namespaces/data/tools/warehouse.query",
    schema_hash="sha256-aa",
    state=tool_pb2.SWITCH_STATE_ENABLED,
    external_systems_trusted=True,
    trust_expire_time=Timestamp(seconds=9, nanos=5_000_000),
)


class Mesh:
    """The feeds, with sources that say what a test tells them."""

    def __init__(self) -> None:
        self.identity = ScriptedSource[identity_pb2.WatchAgentsResponse]()
        self.registry = ScriptedSource[registry_pb2.WatchAgentsResponse]()
        self.tools = ScriptedSource[tool_pb2.WatchToolsResponse]()
        self.boundaries = ScriptedSource[boundary_pb2.WatchBoundariesResponse]()
        self.revocations = ScriptedSource[revocation_pb2.WatchRevocationsResponse]()
        self.budgets = ScriptedSource[budget_pb2.WatchBudgetsResponse]()
        self.fetched: list[tuple[str, str]] = []
        self.keys_are_away = False
        self.clock = ManualClock()
        self.readiness = Readiness()
        self.feeds = FactFeeds(
            identity=Told(source=lambda: self.identity, take=take_identity),
            registry=Told(source=lambda: self.registry, take=take_registered),
            tools=Told(source=lambda: self.tools, take=take_tool),
            boundaries=Told(source=lambda: self.boundaries, take=take_boundary),
            revocations=Told(source=lambda: self.revocations, take=take_revocation),
            budgets=Told(source=lambda: self.budgets, take=take_budget),
            budgets_believed_for=Millis(3 * HEARTBEAT),
            fetch_issuer=self.fetch_issuer,
            clock=self.clock,
            readiness=self.readiness,
        )

    async def fetch_issuer(self, environment: str, agent: str) -> Issuer:
        self.fetched.append((environment, agent))
        if self.keys_are_away:
            raise UnavailableError("identity is away")
        return Issuer(environment=environment, name=f"https://{environment}.id.example", keys={})

    async def say_identity(self, *identities: identity_pb2.AgentIdentity, revision: int = 3) -> None:
        if self.feeds.identity_age(self.clock.now()) is None:
            await self.say_revoked()
        told = [
            Changed(revision, Change.ADDED, identity_pb2.WatchAgentsResponse(identity=identity))
            for identity in identities
        ]
        await self.identity.say(StateBegins(), *told, StateComplete(revision))

    async def say_registry(self, *agents: registry_pb2.Agent, revision: int = 4) -> None:
        told = [Changed(revision, Change.ADDED, registry_pb2.WatchAgentsResponse(agent=agent)) for agent in agents]
        await self.registry.say(StateBegins(), *told, StateComplete(revision))
        if not self.feeds.facts.tools:
            await self.say_tools(TOOL, revision=revision)
            await self.say_boundaries()

    async def say_revoked(self, *revoked: revocation_pb2.Revocation, revision: int = 3) -> None:
        told = [
            Changed(revision, Change.ADDED, revocation_pb2.WatchRevocationsResponse(revocation=each))
            for each in revoked
        ]
        await self.revocations.say(StateBegins(), *told, StateComplete(revision))

    async def say_boundaries(self, *boundaries: boundary_pb2.Boundary, revision: int = 4) -> None:
        told = [
            Changed(revision, Change.ADDED, boundary_pb2.WatchBoundariesResponse(boundary=each)) for each in boundaries
        ]
        await self.boundaries.say(StateBegins(), *told, StateComplete(revision))

    async def say_tools(self, *tools: tool_pb2.Tool, revision: int = 4) -> None:
        told = [Changed(revision, Change.ADDED, tool_pb2.WatchToolsResponse(tool=tool)) for tool in tools]
        await self.tools.say(StateBegins(), *told, StateComplete(revision))

    async def beats(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(HEARTBEAT)
            for _ in range(5):
                await asyncio.sleep(0)

    def has_budgets_to_look_at(self) -> bool:
        """Say whether a decision has to ask about budgets."""
        return bool(self.feeds.facts.spending.to_look_at)

    def telemetry_silent_for(self) -> Millis | None:
        """Return how long nothing was heard of budgets; None while they are believed."""
        return self.feeds.facts.spending.silent_for


@asynccontextmanager
async def followed() -> AsyncIterator[Mesh]:
    mesh = Mesh()
    async with mesh.feeds.following():
        yield mesh


async def test_what_both_say_is_known() -> None:
    async with followed() as mesh:
        await mesh.say_identity(IDENTITY)
        await mesh.say_registry(AGENT)
        facts = mesh.feeds.facts
        assert facts.by_did[DID].approved_tools == {"warehouse.query": "sha256-aa"}
        assert facts.by_name["dev", NAME] == facts.by_did[DID]
        assert facts.registered[NAME].risk_tier == "high"
        assert (facts.identity_revision, facts.registry_revision) == (3, 4)
        assert mesh.readiness.ready


async def test_registered_agents_that_are_told_together_are_known_like_others() -> None:
    async with followed() as mesh:
        await mesh.say_registry(AGENT)
        one_by_one = mesh.feeds.facts.registered
        strange = registry_pb2.Agent(name="namespaces/sales/agents/strange", risk_tier=99)  # type: ignore[arg-type]  # what a newer release might send
        part = registry_pb2.WatchAgentsResponse(agents=[AGENT, strange])
        await mesh.registry.say(StateBegins(), Changed(5, Change.ADDED, part), StateComplete(5))
        assert mesh.feeds.facts.registered == one_by_one
        assert mesh.feeds.facts.registered is not one_by_one


async def test_nobody_is_known_before_identity_has_spoken() -> None:
    async with followed() as mesh:
        await mesh.say_registry(AGENT)
        assert mesh.feeds.facts.by_did == {}
        assert mesh.feeds.identity_age(mesh.clock.now()) is None
        assert set(mesh.readiness.unmet) == {IDENTITY_FEED, REVOCATION_FEED}


async def test_a_revocation_is_known_with_its_event() -> None:
    async with followed() as mesh:
        await mesh.say_identity(IDENTITY)
        revoked = identity_pb2.AgentIdentity()
        revoked.CopyFrom(IDENTITY)
        revoked.status = identity_pb2.IDENTITY_STATUS_REVOKED
        answer = identity_pb2.WatchAgentsResponse(identity=revoked)
        await mesh.identity.say(Changed(5, Change.MODIFIED, answer))
        assert mesh.feeds.facts.by_did[DID].status is IdentityStatus.REVOKED


async def test_an_agent_that_is_gone_is_unknown() -> None:
    async with followed() as mesh:
        await mesh.say_identity(IDENTITY)
        await mesh.say_registry(AGENT)
        await mesh.identity.say(Changed(5, Change.DELETED, identity_pb2.WatchAgentsResponse(identity=IDENTITY)))
        await mesh.registry.say(Changed(5, Change.DELETED, registry_pb2.WatchAgentsResponse(agent=AGENT)))
        assert (mesh.feeds.facts.by_did, mesh.feeds.facts.registered) == ({}, {})


async def test_a_silent_identity_ages_and_is_named() -> None:
    async with followed() as mesh:
        await mesh.say_identity(IDENTITY)
        await mesh.say_registry(AGENT)
        for _ in range(4):
            await mesh.registry.say(Bookmark(4))
            await mesh.beats(1)
        assert mesh.feeds.identity_age(mesh.clock.now()) == 4 * HEARTBEAT
        assert "identity is cut" in mesh.readiness.unmet[IDENTITY_FEED]
        assert REGISTRY_FEED not in mesh.readiness.unmet
        assert DID in mesh.feeds.facts.by_did


async def test_a_silent_registry_is_named_and_its_last_word_serves() -> None:
    async with followed() as mesh:
        await mesh.say_identity(IDENTITY)
        await mesh.say_registry(AGENT)
        for _ in range(4):
            await mesh.identity.say(Bookmark(3))
            await mesh.beats(1)
        assert "registry is cut" in mesh.readiness.unmet[REGISTRY_FEED]
        assert NAME in mesh.feeds.facts.registered


async def test_tools_are_known_as_the_registry_last_said() -> None:
    async with followed() as mesh:
        await mesh.say_identity(IDENTITY)
        await mesh.say_registry(AGENT)
        known = mesh.feeds.facts.tools["warehouse.query"]
        assert (known.schema_hash, known.enabled, known.systems_trusted) == ("sha256-aa", True, True)
        assert known.trust_expires_at == 9_005
        disabled = tool_pb2.Tool()
        disabled.CopyFrom(TOOL)
        disabled.state = tool_pb2.SWITCH_STATE_DISABLED
        disabled.ClearField("trust_expire_time")
        await mesh.tools.say(Changed(5, Change.MODIFIED, tool_pb2.WatchToolsResponse(tool=disabled)))
        known = mesh.feeds.facts.tools["warehouse.query"]
        assert (known.enabled, known.trust_expires_at) == (False, None)
        await mesh.tools.say(Changed(6, Change.DELETED, tool_pb2.WatchToolsResponse(tool=disabled)))
        assert mesh.feeds.facts.tools == {}


async def test_a_silent_tool_feed_is_named_and_its_last_word_serves() -> None:
    async with followed() as mesh:
        await mesh.say_identity(IDENTITY)
        await mesh.say_registry(AGENT)
        for _ in range(4):
            await mesh.identity.say(Bookmark(3))
            await mesh.registry.say(Bookmark(4))
            await mesh.boundaries.say(Bookmark(4))
            await mesh.revocations.say(Bookmark(3))
            await mesh.beats(1)
        assert set(mesh.readiness.unmet) == {TOOL_FEED}
        assert "registry tools is cut" in mesh.readiness.unmet[TOOL_FEED]
        assert "warehouse.query" in mesh.feeds.facts.tools
        assert [report.name for report in mesh.feeds.reports(mesh.clock.now())] == [
            "identity",
            "registry",
            "registry tools",
            "registry boundaries",
            "identity revocations",
            "telemetry budgets",
        ]


def test_a_tool_in_no_known_state_is_not_enabled() -> None:
    strange = tool_pb2.Tool()
    strange.CopyFrom(TOOL)
    strange.state = 99  # type: ignore[assignment]  # what a newer release might send
    assert not tool_from_proto(strange).enabled
    assert not tool_from_proto(tool_pb2.Tool(name="namespaces/a/tools/b")).systems_trusted


def test_what_a_contract_says_of_its_arguments_is_a_fact() -> None:
    told = tool_pb2.Tool()
    told.CopyFrom(TOOL)
    told.side_effect = tool_pb2.SIDE_EFFECT_IRREVERSIBLE
    told.external_sink = True
    told.argument_types["/query"] = tool_pb2.ARGUMENT_TYPE_SQL
    told.argument_types["/paths/*"] = tool_pb2.ARGUMENT_TYPE_PATH
    told.argument_types["/later"] = 99  # type: ignore[assignment]  # what a newer release might send
    known = tool_from_proto(told)
    assert known.argument_types == {"/query": ArgumentType.SQL, "/paths/*": ArgumentType.PATH}
    assert (known.external_sink, known.effects) == (True, Effects.IRREVERSIBLE)
    assert records.decode(records.encode(known), RegisteredTool) == known


def test_a_contract_that_says_nothing_of_its_arguments_leaves_them_unknown() -> None:
    known = tool_from_proto(TOOL)
    assert (known.argument_types, known.external_sink, known.effects) == ({}, False, Effects.UNKNOWN)


def test_tools_in_older_logs_are_read_without_what_was_not_said_then() -> None:
    logged = b'{"name":"a.b","schema_hash":"x","enabled":true,"systems_trusted":true}'
    assert records.decode(logged, RegisteredTool).argument_types == {}


async def test_an_identity_that_cannot_be_read_is_no_longer_known() -> None:
    """A status of a newer release is not taken for the old one."""
    async with followed() as mesh:
        await mesh.say_identity(IDENTITY)
        strange = identity_pb2.AgentIdentity()
        strange.CopyFrom(IDENTITY)
        strange.status = 99  # type: ignore[assignment]  # what a newer release might send
        await mesh.identity.say(Changed(5, Change.MODIFIED, identity_pb2.WatchAgentsResponse(identity=strange)))
        assert mesh.feeds.facts.by_did == {}


def test_stored_trust_is_taken_as_it_is() -> None:
    identity = identity_from_proto(IDENTITY)
    assert identity is not None
    assert identity.trust == TrustState(earned=5_000_000, stored_ring=2, ceiling=699, last_event_at=type(EPOCH)(7_005))
    assert identity.ring_ceiling == 1


def test_the_end_of_a_granted_ring_is_taken_over() -> None:
    state = trust_pb2.TrustState(stored_ring=0, ring_zero_until_time=Timestamp(seconds=9))
    assert trust_from_proto(state).ring_zero_until == 9_000
    assert trust_from_proto(trust_pb2.TrustState()).ring_zero_until == EPOCH


def test_when_an_identity_ends_by_itself_is_taken_over() -> None:
    ephemeral = identity_pb2.AgentIdentity()
    ephemeral.CopyFrom(IDENTITY)
    ephemeral.expire_time.CopyFrom(Timestamp(seconds=9, nanos=250_000_000))
    fact = identity_from_proto(ephemeral)
    assert fact is not None
    assert fact.expires_at == 9_250
    lasting = identity_from_proto(IDENTITY)
    assert lasting is not None
    assert lasting.expires_at is None


def test_names_that_are_none_make_no_facts() -> None:
    assert identity_from_proto(identity_pb2.AgentIdentity(agent="analyst", status=1)) is None  # type: ignore[arg-type]  # an enum's number
    assert registered_from_proto(registry_pb2.Agent(name="analyst")) is None


def test_what_agents_have_in_common_is_kept_once() -> None:
    said = AGENT.SerializeToString()
    one, other = (registered_from_proto(registry_pb2.Agent.FromString(said)) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one == other
    assert one.environments is other.environments
    assert one.owner is other.owner
    assert all(a is b for a, b in zip(one.approved_tools, other.approved_tools, strict=True))


def test_an_agent_in_no_known_state_does_not_serve() -> None:
    agent = registered_from_proto(registry_pb2.Agent(name=NAME, risk_tier=registry_pb2.RISK_TIER_LOW))
    assert agent is not None
    assert agent.halted


@pytest.mark.parametrize("state", registry_pb2.AgentState.values())
def test_an_agent_serves_while_it_is_active_or_deprecated_and_in_no_other_state(state: int) -> None:
    said = registry_pb2.Agent(name=NAME, risk_tier=registry_pb2.RISK_TIER_LOW)
    said.state = state  # type: ignore[assignment]  # a state as it stands on the wire
    agent = registered_from_proto(said)
    assert agent is not None
    serving = {registry_pb2.AGENT_STATE_ACTIVE, registry_pb2.AGENT_STATE_DEPRECATED}
    assert (not agent.retired and not agent.halted) is (state in serving)


def test_a_risk_of_a_newer_release_makes_no_fact() -> None:
    strange = registry_pb2.Agent()
    strange.CopyFrom(AGENT)
    strange.risk_tier = 99  # type: ignore[assignment]  # what a newer release might send
    assert registered_from_proto(strange) is None


async def test_budgets_are_in_doubt_when_telemetry_is_silent_and_nothing_else_is() -> None:
    budget = budget_pb2.Budget(name="budgets/b", scope=budget_pb2.BUDGET_SCOPE_EVERYTHING, hard=True)
    async with followed() as mesh:
        await mesh.say_identity(IDENTITY)
        await mesh.say_registry(AGENT)
        assert mesh.readiness.ready
        assert not mesh.feeds.facts.spending.hard
        answer = budget_pb2.WatchBudgetsResponse(budget=budget)
        await mesh.budgets.say(StateBegins(), Changed(3, Change.ADDED, answer), StateComplete(3))
        assert list(mesh.feeds.facts.spending.hard) == ["budgets/b"]
        assert not mesh.feeds.facts.spending.to_look_at
        for _ in range(4):
            await mesh.identity.say(Bookmark(3))
            await mesh.revocations.say(Bookmark(3))
            await mesh.registry.say(Bookmark(4))
            await mesh.tools.say(Bookmark(4))
            await mesh.boundaries.say(Bookmark(4))
            await mesh.beats(1)
        assert mesh.readiness.ready
        assert mesh.telemetry_silent_for() is not None
        assert mesh.has_budgets_to_look_at()
        await mesh.budgets.say(Bookmark(4))
        assert mesh.telemetry_silent_for() is None
