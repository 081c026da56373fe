"""What goes out as a message comes back in as the same value, and whatever comes in is judged whole."""

import unicodedata
from dataclasses import replace

from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.names import AgentName
from ringfence_registry.agents.amendment import AgentPatch, patched
from ringfence_registry.cards.display_name import MAX_BYTES, default_display_name
from ringfence_registry.convert import agent_views, requests, responses
from ringfence_registry.errors import CardInvalid
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.model import Agent, AgentSpec, AgentState, ApprovedTool, Owner, RiskTier
from support.registry.agents import CARD, an_agent
from support.registry.served import registration

ids = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
lines = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=40).map(
    lambda text: unicodedata.normalize("NFC", text)
)
said_lines = lines.filter(str.strip)
annotation_keys = st.from_regex(r"[a-z0-9]([a-z0-9._/-]{0,9}[a-z0-9])?", fullmatch=True)
hashes = st.sampled_from(["", "sha256-" + "0" * 64, "sha256-" + "f0" * 32])

specs = st.builds(
    AgentSpec,
    purpose=said_lines,
    owner=st.builds(
        Owner, display_name=said_lines, contact=st.sampled_from(["ada@example.com", "https://example.com/ada"])
    ),
    risk_tier=st.sampled_from(RiskTier),
    environments=st.lists(ids, min_size=1, max_size=8, unique=True).map(tuple),
    display_name=lines,
    team=lines,
    on_call=lines,
    data_classes=st.lists(ids, max_size=5, unique=True).map(tuple),
    approved_tools=st.lists(
        st.builds(ApprovedTool, name=st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True), schema_hash=hashes),
        max_size=4,
        unique_by=lambda tool: tool.name,
    ).map(tuple),
    did=st.sampled_from(["", "did:web:id.example.com%3A8443:agents:x", "did:key:z6Mk"]),
    labels=st.dictionaries(ids, lines, max_size=4),
    annotations=st.dictionaries(annotation_keys, lines, max_size=4),
)


def message_of(agent: Agent) -> pb.Agent:
    return agent_views.agent_message(AgentView(agent=agent, now=agent.updated_at))


@given(specs)
def test_an_agent_sent_back_as_it_came_is_the_same(spec: AgentSpec) -> None:
    message = message_of(replace(an_agent(), spec=spec))
    wanted, _ = requests.register_agent(registration(agent=message))
    assert (wanted.name, wanted.spec) == (AgentName("finance", "ledger"), spec)
    assert wanted.card.body == CARD


@given(specs, specs)
def test_a_star_makes_one_agent_what_the_other_is(before: AgentSpec, after: AgentSpec) -> None:
    agent = an_agent(spec=before)
    message = message_of(an_agent(spec=after))
    message.etag = ""
    asked = requests.update_agent(pb.UpdateAgentRequest(agent=message, update_mask=FieldMask(paths=["*"])))
    shown = after.display_name or default_display_name(agent.name, agent.card)
    assert patched(agent, asked.patch).spec == replace(after, display_name=shown)


@given(specs, specs)
def test_an_absent_mask_changes_what_is_populated(before: AgentSpec, after: AgentSpec) -> None:
    agent = an_agent(spec=before)
    asked = requests.update_agent(pb.UpdateAgentRequest(agent=message_of(an_agent(spec=after))))
    result = patched(agent, asked.patch).spec
    for field in ("display_name", "team", "data_classes", "approved_tools", "did", "labels", "annotations"):
        assert getattr(result, field) == (getattr(after, field) or getattr(before, field)), field
    assert (result.purpose, result.owner, result.risk_tier) == (after.purpose, after.owner, after.risk_tier)


@given(specs)
def test_an_empty_patch_changes_nothing(spec: AgentSpec) -> None:
    agent = an_agent(spec=spec)
    assert patched(agent, AgentPatch()) == agent


@given(
    st.sampled_from(["", "namespaces/finance/agents/x", "\x00", "namespaces/-"]),
    st.lists(st.sampled_from(["*", "team", "owner", "owner.contact", "state", "card", ""]), max_size=3),
    specs,
    st.binary(max_size=8),
    st.sampled_from(["", '"1-a"', "1", '"']),
)
def test_an_update_is_judged_and_never_a_surprise(
    name: str, paths: list[str], spec: AgentSpec, card: bytes, etag: str
) -> None:
    agent = message_of(an_agent(spec=spec))
    agent.name = name
    request = pb.UpdateAgentRequest(agent=agent, update_mask=FieldMask(paths=paths), card=card, etag=etag)
    try:
        requests.update_agent(request)
    except (InvalidRequest, CardInvalid) as refusal:
        told = refusal
    else:
        return
    assert told.violations


@given(st.text(min_size=1).filter(lambda text: bool(text.strip())))
def test_a_default_display_name_is_always_fit_to_be_shown(card_name: str) -> None:
    agent = an_agent()
    shown = default_display_name(agent.name, replace(agent.card, name=card_name))
    assert 0 < len(shown.encode()) <= MAX_BYTES
    wanted, _ = requests.register_agent(registration(agent=_named(shown)))
    assert wanted.spec.display_name == shown


def _named(display_name: str) -> pb.Agent:
    message = message_of(an_agent())
    message.display_name = display_name
    return message


def test_every_value_of_every_enum_has_its_counterpart() -> None:
    assert set(requests.RISK_TIERS) == set(pb.RiskTier.values()) - {pb.RISK_TIER_UNSPECIFIED}
    assert {requests.RISK_TIERS[number]: number for number in requests.RISK_TIERS} == agent_views.RISK_TIERS
    assert set(agent_views.STATES) == set(AgentState)
    assert set(agent_views.STATES.values()) == set(pb.AgentState.values()) - {pb.AGENT_STATE_UNSPECIFIED}
    told = set(responses.CHANGES.values()) | {pb.WATCH_EVENT_TYPE_BOOKMARK}
    assert told == set(pb.WatchEventType.values()) - {pb.WATCH_EVENT_TYPE_UNSPECIFIED}
