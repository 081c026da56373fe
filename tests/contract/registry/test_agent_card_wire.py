"""The mirror message is A2A's own on the wire: the official SDK reads ours as its own, and its own reads the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.types import a2a_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from hypothesis import given
from ringfence.registry.v1 import agent_card_pb2
from ringfence_registry.cards.interfaces import normal_binding, normal_version
from ringfence_registry.cards.model import CardDialect, CardVerdict
from ringfence_registry.cards.reading import read_whole_card
from ringfence_registry.convert.agent_card import MAX_STRUCT_DEPTH, agent_card
from ringfence_registry.errors import CardInvalid
from support.registry.card_shapes import as_cards
from support.registry.generated_cards import cards

CARDS = sorted((Path(__file__).parents[2] / "golden" / "registry" / "cards").glob("*.json"))
CONFORMANT = [
    case
    for case in CARDS
    if (facts := read_whole_card(case.read_bytes()).card.facts).dialect in {CardDialect.V1_0, CardDialect.HYBRID}
    and facts.verdict is not CardVerdict.NONCONFORMANT
]
"""The SDK loads these without converting more than names of members."""
BETTER_READ = {"broker_bindings_of_the_wild", "scopes_as_go_lists_them", "ticket_triage_hybrid"}
"""We normalise bindings and versions, and keep what the SDK drops: interfaces of a hybrid, scopes without `list`."""


def shape_of(message: Any, seen: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Everything that decides how a message looks on the wire and in ProtoJSON, nested messages included."""
    if message.name in seen or message.file.package == "google.protobuf":
        return {"name": message.name}
    return {
        field.name: (
            field.number,
            field.type,
            field.is_repeated,
            field.has_presence,
            field.json_name,
            field.containing_oneof.name if field.containing_oneof else None,
            shape_of(field.message_type, seen | {message.name}) if field.type == FieldDescriptor.TYPE_MESSAGE else None,
        )
        for field in message.fields
    }


def theirs(ours: Message) -> a2a_pb2.AgentCard:
    return a2a_pb2.AgentCard.FromString(ours.SerializeToString())


def test_every_field_has_a2as_number_type_and_presence() -> None:
    assert shape_of(agent_card_pb2.AgentCard.DESCRIPTOR) == shape_of(a2a_pb2.AgentCard.DESCRIPTOR)


@pytest.mark.parametrize(
    "case", [each for each in CONFORMANT if each.stem not in BETTER_READ], ids=lambda case: case.stem
)
def test_the_sdk_reads_from_our_bytes_what_it_reads_from_the_card(case: Path) -> None:
    whole = read_whole_card(case.read_bytes())
    document = json.loads(whole.card.body)
    if whole.card.facts.verdict is CardVerdict.UPCONVERTED:
        assert theirs(agent_card(whole.content)) == parse_agent_card(document)
    else:
        assert theirs(agent_card(whole.content)) == ParseDict(document, a2a_pb2.AgentCard(), ignore_unknown_fields=True)


def test_an_old_card_means_what_the_sdk_makes_of_it_but_for_versions() -> None:
    body = next(case for case in CARDS if case.stem == "currency_converter_0_2").read_bytes()
    converted = parse_agent_card(json.loads(body))
    ours = agent_card(read_whole_card(body).content)
    for interface in converted.supported_interfaces:
        assert interface.protocol_version == "0.3.0"  # the SDK knows no generation before
        interface.protocol_version = "0.2"
    assert theirs(ours) == converted


def test_a_card_the_sdk_cannot_load_for_its_flows_carries_the_preferred_one() -> None:
    content = read_whole_card(next(each for each in CARDS if "several_flows" in each.stem).read_bytes()).content
    flows = theirs(agent_card(content)).security_schemes["oauth"].oauth2_security_scheme.flows
    assert flows.WhichOneof("flow") == "authorization_code"


@given(cards(unknown=False))
def test_a_card_made_from_a2as_own_descriptors_is_what_the_sdk_reads(card: dict[str, Any]) -> None:
    try:
        content = read_whole_card(json.dumps(card).encode()).content
        sdks = ParseDict(card, a2a_pb2.AgentCard())
    except (CardInvalid, ParseError):
        return
    assert MessageToDict(theirs(agent_card(content))) == MessageToDict(normalised(sdks))


def normalised(card: a2a_pb2.AgentCard) -> a2a_pb2.AgentCard:
    """The card with what we make one of: interfaces once and in A2A's spelling, messages that are there and empty."""
    card.capabilities.SetInParent()
    once: dict[tuple[str, str, str], Any] = {}
    for interface in card.supported_interfaces:
        interface.protocol_binding = normal_binding(interface.protocol_binding)
        interface.protocol_version = normal_version(interface.protocol_version)
        if interface.url:
            once.setdefault((interface.url, interface.protocol_binding, interface.protocol_version), interface)
    for scheme in card.security_schemes.values():
        if scheme.HasField("oauth2_security_scheme"):
            scheme.oauth2_security_scheme.flows.SetInParent()
    kept = [a2a_pb2.AgentInterface.FromString(interface.SerializeToString()) for interface in once.values()]
    card.ClearField("supported_interfaces")
    card.supported_interfaces.extend(kept)
    return card


@given(as_cards())
def test_whatever_can_be_read_can_be_said_in_the_message_and_read_by_the_sdk(body: bytes) -> None:
    try:
        content = read_whole_card(body).content
    except CardInvalid:
        return
    ours = agent_card(content)
    assert MessageToDict(theirs(ours)) == MessageToDict(ours)
    assert theirs(ours).SerializeToString(deterministic=True) == ours.SerializeToString(deterministic=True)


@pytest.mark.parametrize(("depth", "carried"), [(MAX_STRUCT_DEPTH - 1, True), (MAX_STRUCT_DEPTH, False), (58, False)])
@pytest.mark.parametrize("wrap", [lambda inner: {"a": inner}, lambda inner: [inner]], ids=["objects", "lists"])
def test_what_nests_deeper_than_parsers_go_is_left_to_the_bytes(wrap: Any, depth: int, carried: bool) -> None:
    params: Any = 1
    for _ in range(depth):
        params = wrap(params)
    card = {"name": "A", "capabilities": {"extensions": [{"uri": "u:x", "params": {"deep": params}}]}}
    ours = agent_card(read_whole_card(json.dumps(card).encode()).content)
    assert ours.capabilities.extensions[0].HasField("params") is carried
    assert theirs(ours).capabilities.extensions[0].uri == "u:x"
