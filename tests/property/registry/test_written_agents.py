"""Agents written as bytes: what is parsed is the message built the plain way, for any agent, view and moment."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit import records
from ringfence_kit.clock import DAY, HOUR, Instant
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.names import AgentName
from ringfence_registry.agents.surroundings import BoundaryFacts, ToolFacts
from ringfence_registry.cards.model import CardFinding, CardReason, CardVerdict, FindingKind
from ringfence_registry.convert.agent_bytes import AgentBytes, agent_list, got
from ringfence_registry.convert.agent_views import agent_message
from ringfence_registry.finding.agent_view import AgentView, Viewer
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.reading import PlaceList
from ringfence_registry.finding.views import Trust
from ringfence_registry.finding.written import WrittenAgents
from ringfence_registry.model import AGENT, LEASE, Agent, ApprovedTool, Deprecation, Evaluation, Lease, Rollout
from support.registry.agents import SPEC, agents, an_agent
from support.registry.neighbours import SteeredTrust
from support.registry.world import HASH, OTHER_HASH, World, a_tool

NOW = Instant(1_767_225_600_000)
NAMES = ("namespaces/a/agents/a", "namespaces/a/agents/b", "namespaces/b/agents/a")
TOOLS = ("sql", "etl", "ledger.read")
DETAILS = tuple(pb.AgentDetail.values())

_moments = st.integers(0, 3 * DAY).map(lambda millis: Instant(NOW + millis))
_maybe = st.none() | _moments
_texts = st.sampled_from(("", "why", "wörtlich", "x" * 200))


@st.composite
def whole_agents(draw: st.DrawFn) -> Agent:
    """An agent of one of a few names, with everything that may be said of one."""
    agent = draw(agents())
    _, namespace, _, name = draw(st.sampled_from(NAMES)).split("/")
    remarks = st.lists(st.builds(CardFinding, pointer=_texts, problem=_texts, kind=st.sampled_from(FindingKind)))
    reasons = st.lists(
        st.builds(CardReason, pointer=_texts, problem=_texts, rule=_texts, verdict=st.sampled_from(CardVerdict))
    )
    evaluation = Evaluation(
        plan="p", passed=True, report="r", card_sha256="0" * 64, evaluated_at=draw(_moments), recorder="ops"
    )
    approved = st.builds(ApprovedTool, name=st.sampled_from(TOOLS), schema_hash=st.sampled_from(("", HASH, OTHER_HASH)))
    return replace(
        agent,
        name=replace(agent.name, namespace=namespace, agent=name),
        uid=draw(_texts),
        number=draw(st.integers(1, 9)),
        spec=replace(
            agent.spec,
            approved_tools=tuple(draw(st.lists(approved, max_size=4))),
            annotations=draw(st.dictionaries(_texts, _texts, max_size=2)),
            did=draw(st.sampled_from(("", "did:web:a"))),
        ),
        card=replace(
            agent.card,
            reasons=tuple(draw(reasons)),
            findings=tuple(draw(remarks)),
            verdict=draw(st.sampled_from(CardVerdict)),
        ),
        remarks=tuple(draw(remarks)),
        evaluations=draw(st.sampled_from(((), (evaluation,)))),
        rollout=draw(
            st.none()
            | st.builds(Rollout, canary=st.just(2), stable=st.just(1), percent=st.integers(0, 100), started_at=_moments)
        ),
        deprecation=draw(st.none() | st.builds(Deprecation, reason=_texts, end_of_life_at=_maybe, replaced_by=_texts)),
        state_reason=draw(_texts),
        deleted_at=draw(_maybe),
        purge_at=draw(_maybe),
        lease_expires_at=draw(_maybe),
        lease_expired=draw(st.booleans()),
    )


class Mesh:
    """A catalog whose agents are asked for as bytes while the world around them goes on."""

    def __init__(self, loaded: list[Agent], *, most: int = 1_000_000) -> None:
        self.world, self.trust = World(), SteeredTrust()
        self.viewer = Viewer(trust=self.trust, tools=self.world, boundaries=self.world)
        self.catalog = AgentCatalog(self.viewer)
        self.catalog.fill(loaded, now=NOW)
        self.written = WrittenAgents(self.catalog, AgentBytes(), most=most)
        self.now = NOW

    def apply(self, name: str, change: Change, record: bytes, kind: str = AGENT) -> None:
        self.catalog.apply(
            Event(revision=Revision(9), change=change, kind=kind, name=name, record=record, at=self.now, actor="ops")
        )

    def plain(self, name: str) -> AgentView:
        """The agent as somebody sees it who keeps nothing."""
        agent = self.catalog.agent(name)
        assert agent is not None
        return Viewer(trust=self.trust, tools=self.world, boundaries=self.world).view(agent, self.now)

    def check(self) -> None:
        """Every agent, alone and listed, is written as it is seen now."""
        here = [name for name in NAMES if self.catalog.agent(name) is not None]
        places = tuple(self.catalog.place(name) for name in here)
        whole = [agent_message(self.plain(name)) for name in here]
        for place, message in zip(places, whole, strict=True):
            answer = got(self.written.written(place, self.now))
            assert pb.GetAgentResponse.FromString(answer) == pb.GetAgentResponse(agent=message)
        for detail in DETAILS:
            page = PlaceList(places=places, next_page_token="next", revision=Revision(7))
            assert pb.ListAgentsResponse.FromString(
                agent_list(page, detail, self.written, self.now)
            ) == pb.ListAgentsResponse(
                agents=[_listed(each, detail) for each in whole], next_page_token="next", revision=7
            )


def _listed(message: pb.Agent, detail: int) -> pb.Agent:
    if detail in {pb.AGENT_DETAIL_BASIC, pb.AGENT_DETAIL_DECISION}:
        basic = pb.Agent(
            name=message.name,
            display_name=message.display_name,
            owner=message.owner,
            risk_tier=message.risk_tier,
            environments=message.environments,
            labels=message.labels,
            state=message.state,
        )
        if detail == pb.AGENT_DETAIL_DECISION:
            tools = [pb.ApprovedTool(name=tool.name, schema_hash=tool.schema_hash) for tool in message.approved_tools]
            basic.MergeFrom(pb.Agent(team=message.team, data_classes=message.data_classes, approved_tools=tools))
        return basic
    listed = pb.Agent()
    listed.CopyFrom(message)
    if detail != pb.AGENT_DETAIL_FULL:
        listed.card.ClearField("reasons")
        listed.card.ClearField("findings")
    return listed


@st.composite
def happenings(draw: st.DrawFn) -> tuple[str, object]:
    """One thing that happens to the mesh."""
    trusts = st.builds(
        Trust,
        score=st.integers(0, 1_000),
        ring=st.integers(0, 3),
        active=st.booleans(),
        heard_at=_moments,
        until=_maybe,
    )
    tools = st.builds(
        a_tool,
        st.sampled_from(TOOLS),
        enabled=st.booleans(),
        trusted=st.booleans(),
        until=_maybe,
        irreversible=st.booleans(),
        schema_hash=st.sampled_from((HASH, OTHER_HASH)),
        data_classes=st.sampled_from(((), ("pii",), ("payments", "prod"))),
    )
    what = draw(
        st.sampled_from(("change", "forget", "renew", "trust", "tool", "no tool", "boundaries", "wait", "back"))
    )
    said = {
        "change": whole_agents(),
        "forget": st.sampled_from(NAMES),
        "renew": st.tuples(st.sampled_from(NAMES), _moments),
        "trust": st.tuples(trusts, st.integers(0, 1_000)),
        "tool": tools,
        "no tool": st.sampled_from(TOOLS),
        "boundaries": st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from("xyz"), unique=True).map(sorted)),
        "wait": st.integers(0, DAY),
        "back": st.integers(0, HOUR),
    }
    return what, draw(said[what])


def _happen(mesh: Mesh, what: str, said: object) -> None:
    match what, said:
        case "change", Agent() as agent:
            mesh.apply(str(agent.name), Change.MODIFIED, records.encode(agent))
        case "forget", str(name):
            mesh.apply(name, Change.DELETED, b"")
        case "renew", (str(name), int(until)):
            known = mesh.catalog.agent(name)
            lease = Lease(agent=name, uid="" if known is None else known.uid, expires_at=Instant(until))
            mesh.apply(name, Change.MODIFIED, records.encode(lease), LEASE)
        case "trust", (Trust() as trust, int(then)):
            mesh.trust.say("did:web:a", trust, then=then)
        case "no tool", str(name):
            mesh.world.tools.pop(name, None)
        case "tool", ToolFacts() as tool:
            mesh.world.tools[tool.name] = tool
        case "boundaries", (str(name), list(boundaries)):
            inside = AgentName.parse(name)
            if inside is not None:
                mesh.world.boundaries[inside] = tuple(BoundaryFacts(name=each, enabled=True) for each in boundaries)
        case "wait", int(millis):
            mesh.now = Instant(mesh.now + millis)
        case "back", int(millis):
            mesh.now = Instant(mesh.now - millis)
        case other:
            raise AssertionError(other)


@settings(deadline=None)
@given(
    st.lists(whole_agents(), max_size=3, unique_by=lambda agent: str(agent.name)),
    st.lists(happenings(), max_size=12),
    st.sampled_from((0, 5_000, 1_000_000)),
)
def test_bytes_say_what_the_message_says_whatever_happened(
    loaded: list[Agent], happened: list[tuple[str, object]], most: int
) -> None:
    mesh = Mesh(loaded, most=most)
    mesh.check()
    for what, said in happened:
        _happen(mesh, what, said)
        mesh.check()
        assert mesh.written.size <= most


@given(whole_agents(), _moments)
def test_a_bare_view_is_written_like_its_message(agent: Agent, now: Instant) -> None:
    view, writing = AgentView(agent=agent, now=now), AgentBytes()
    written = b"".join([*writing.stored(agent), writing.moving(view)])
    assert pb.Agent.FromString(written) == agent_message(view)


def test_what_is_kept_is_bounded_and_goes_with_those_asked_for_least_lately() -> None:
    loaded = [an_agent(f"a{number}", spec=replace(SPEC, purpose="x" * 1_000)) for number in range(50)]
    catalog = AgentCatalog()
    catalog.fill(loaded, now=NOW)
    written = WrittenAgents(catalog, AgentBytes(), most=60_000)
    first = written.written(0, NOW)
    for place in range(1, 50):
        written.written(place, NOW)
        assert written.size <= 60_000
        assert written.written(0, NOW) is first
    assert written.written(49, NOW) is written.written(49, NOW)
    one = written.written(1, NOW)
    assert pb.Agent.FromString(one.stored).name == str(loaded[1].name)


def test_an_approval_ends_with_the_trust_in_what_its_tool_reaches_though_nobody_says_so() -> None:
    approved = (ApprovedTool(name="ledger.read", schema_hash=HASH),)
    mesh = Mesh([replace(an_agent("a"), name=AgentName("a", "a"), spec=replace(SPEC, approved_tools=approved))])
    mesh.world.tools["ledger.read"] = a_tool(until=Instant(NOW + HOUR))
    mesh.check()
    before = mesh.written.written(mesh.catalog.place(NAMES[0]), mesh.now).whole
    mesh.now = Instant(NOW + HOUR - 1)
    assert mesh.written.written(mesh.catalog.place(NAMES[0]), mesh.now).whole is before
    mesh.now = Instant(NOW + HOUR)
    mesh.check()
    assert mesh.written.written(mesh.catalog.place(NAMES[0]), mesh.now).whole != before
