"""The table of what an Agent Card may hold is that of A2A 1.0's own messages, as the a2a-sdk carries them."""

from collections.abc import Iterator
from typing import Any

import pytest
from a2a.types import AgentCard
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from ringfence.proofs.card_schema import (
    CARD,
    FLAG,
    LIST,
    MAP,
    MESSAGES,
    ONE,
    OPTIONAL,
    PLAIN,
    REQUIRED,
    STRUCT,
    TEXT,
    Many,
    Member,
    Presence,
)


def messages(descriptor: Any) -> Iterator[Any]:
    """Every message a card is made of, map entries and signatures left out."""
    seen: dict[str, Any] = {}
    pending = [descriptor]
    while pending:
        one = pending.pop()
        if one.name in seen or one.name == "AgentCardSignature" or one.full_name == "google.protobuf.Struct":
            continue
        if not one.GetOptions().map_entry:
            seen[one.name] = one
            yield one
        pending.extend(field.message_type for field in one.fields if field.message_type is not None)


def holds(field: Any) -> str:
    if field.message_type is not None:
        return STRUCT if field.message_type.full_name == "google.protobuf.Struct" else field.message_type.name
    return {FieldDescriptor.TYPE_STRING: TEXT, FieldDescriptor.TYPE_BOOL: FLAG}[field.type]


def presence(field: Any) -> Presence:
    if field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]:
        return REQUIRED
    return OPTIONAL if field.message_type is None and field.has_presence else PLAIN


def row(field: Any) -> Member:
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    held = field.message_type.fields_by_name["value"] if is_map else field
    many: Many = MAP if is_map else LIST if field.is_repeated else ONE
    choice = field.containing_oneof is not None and field.message_type is not None
    return Member(field.json_name, holds(held), presence(field), many, choice)


DESCRIPTORS = {descriptor.name: descriptor for descriptor in messages(AgentCard.DESCRIPTOR)}


def test_every_message_of_a_card_is_in_the_table() -> None:
    assert MESSAGES.keys() == DESCRIPTORS.keys()


@pytest.mark.parametrize("name", sorted(DESCRIPTORS))
def test_every_member_has_its_row_under_both_spellings(name: str) -> None:
    fields = [field for field in DESCRIPTORS[name].fields if (name, field.name) != (CARD, "signatures")]
    expected = {spelling: row(field) for field in fields for spelling in (field.json_name, field.name)}
    assert MESSAGES[name] == expected
