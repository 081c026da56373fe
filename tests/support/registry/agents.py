"""Agents to test with: invented, complete, and from a small vocabulary so that random filters find some."""

from dataclasses import replace

from hypothesis import strategies as st
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.names import AgentName
from ringfence_registry.cards.model import (
    CardCapabilities,
    CardDialect,
    CardFacts,
    CardInterface,
    CardSkill,
    CardVerdict,
)
from ringfence_registry.cards.reading import read_card
from ringfence_registry.model import Agent, AgentSpec, AgentState, ApprovedTool, Deployment, Owner, RiskTier

CARD = (
    b'{"name": "Ledger", "description": "Keeps books.", "version": "1.0.0", "url": "https://ledger.example.com",'
    b' "capabilities": {}, "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],'
    b' "skills": [{"id": "read", "name": "Read", "description": "Reads.", "tags": ["sql"]}]}'
)
SPEC = AgentSpec(
    purpose="Reconciles the ledger every night.",
    owner=Owner(display_name="Ada Example", contact="ada@example.com"),
    risk_tier=RiskTier.MEDIUM,
    environments=("dev", "staging"),
    display_name="Ledger",
    team="finance",
    approved_tools=(ApprovedTool(name="ledger.read"),),
    labels={"tier": "gold"},
)


def an_agent(name: str = "ledger", *, namespace: str = "finance", revision: int = 1, spec: AgentSpec = SPEC) -> Agent:
    """A registered agent."""
    return Agent(
        name=AgentName(namespace, name),
        uid=f"uid-of-{namespace}-{name}",
        revision=Revision(revision),
        spec=spec,
        card=read_card(CARD).facts,
        state=AgentState.ACTIVE,
        created_at=Instant(1_000),
        updated_at=Instant(1_000),
    )


WORDS = ("sql", "SQL", "etl", "pii", "gold", "a*b", "Ledger of the house", "ledger", "dev", "prod", 'say "hi"')
TIMES = (0, 1, 999, 1_767_225_600_000, 1_767_225_600_001, -1)

_word = st.sampled_from(WORDS)
_words = st.lists(_word, max_size=3, unique=True).map(tuple)
_maybe_word = st.sampled_from(("", *WORDS))

_facts = st.builds(
    CardFacts,
    sha256=st.just("0" * 64),
    size=st.just(1),
    dialect=st.sampled_from(CardDialect),
    name=_word,
    description=_maybe_word,
    version=_word,
    provider=_maybe_word,
    protocol_versions=st.just(("1.0",)) | st.just(()),
    interfaces=st.lists(
        st.builds(
            CardInterface,
            url=_word,
            protocol_binding=st.sampled_from(("GRPC", "JSONRPC", "")),
            protocol_version=st.sampled_from(("1.0", "")),
        ),
        max_size=2,
    ).map(tuple),
    skills=st.lists(
        st.builds(CardSkill, id=_maybe_word, name=_maybe_word, tags=_words, description=_maybe_word, examples=_words),
        max_size=3,
    ).map(tuple),
    verdict=st.sampled_from(CardVerdict),
    capabilities=st.builds(CardCapabilities, streaming=st.sampled_from((None, True, False))),
)
_specs = st.builds(
    AgentSpec,
    purpose=_word,
    owner=st.builds(Owner, display_name=_word, contact=_word),
    risk_tier=st.sampled_from(RiskTier),
    environments=_words,
    display_name=_maybe_word,
    team=_maybe_word,
    data_classes=_words,
    approved_tools=st.lists(st.builds(ApprovedTool, name=_word, schema_hash=_maybe_word), max_size=2).map(tuple),
    did=_maybe_word,
    labels=st.dictionaries(st.sampled_from(("tier", "team", "a-b")), _maybe_word, max_size=3),
    deployments=st.lists(st.builds(Deployment, environment=_word, region=_maybe_word), max_size=2).map(tuple),
)
_times = st.sampled_from(TIMES).map(Instant)


@st.composite
def agents(draw: st.DrawFn) -> Agent:
    """One agent of the vocabulary."""
    state = draw(st.sampled_from(AgentState))
    agent = an_agent(draw(st.sampled_from("abcdefgh")), namespace=draw(st.sampled_from(("a", "a-b", "b"))))
    return replace(
        agent,
        spec=draw(_specs),
        card=draw(_facts),
        state=state,
        aliases=draw(st.dictionaries(st.sampled_from(("stable", "canary")), st.just(1), max_size=2)),
        created_at=draw(_times),
        retired_at=draw(_times) if state is AgentState.RETIRED else None,
    )


def meshes() -> st.SearchStrategy[list[Agent]]:
    """Some agents, each name once."""
    return st.lists(agents(), max_size=14, unique_by=lambda agent: agent.name)
