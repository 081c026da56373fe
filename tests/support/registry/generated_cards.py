"""Agent Cards of A2A 1.0 as JSON, made from the descriptors of the a2a-sdk and so from nothing of ours.

Members are left out, empty, null, spelled as in the proto, or accompanied by ones A2A does not know: whatever a parser
of ProtoJSON takes.
"""

import logging
from typing import Any, TypeAlias

from a2a.types import AgentCard
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

Json: TypeAlias = Any

# It warns of every card that lacks what is REQUIRED, which most of these do.
logging.getLogger("a2a").setLevel(logging.ERROR)

CARD_DESCRIPTOR: Any = AgentCard.DESCRIPTOR

UNKNOWN = ("x-evil", "secretInstructions", "url2", "__proto__", "€", "\U0001f600")
"""Names no message of A2A has, and that do not read as a proto extension's."""

_TEXTS = st.sampled_from(["", "a", "é", "\U0001f600", "\u2028", '"\\', "1.0"]) | st.text(max_size=8)
_NUMBERS = (
    st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1e21, -0.0])
)
_FREE: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def cards(draw: st.DrawFn, *, unknown: bool = True) -> dict[str, Json]:
    """A card without signatures; with members A2A does not know when `unknown`."""
    card = draw(_messages(CARD_DESCRIPTOR, unknown=unknown))
    card.pop("signatures", None)
    return {**card, "name": "Example"}


@st.composite
def _messages(draw: st.DrawFn, descriptor: Any, *, unknown: bool) -> dict[str, Json]:
    given: dict[str, Json] = {}
    chosen = {oneof.name: draw(st.sampled_from([field.name for field in oneof.fields])) for oneof in descriptor.oneofs}
    for field in descriptor.fields:
        if field.name == "signatures" or not draw(st.booleans()):
            continue
        if field.containing_oneof is not None and chosen[field.containing_oneof.name] != field.name:
            continue
        spelling = field.name if draw(st.integers(0, 9)) == 0 else field.json_name
        null = field.name != "skills" and draw(st.integers(0, 19)) == 0  # the SDK cannot read null skills
        given[spelling] = None if null else draw(_fields(field, unknown=unknown))
    if unknown and draw(st.integers(0, 5)) == 0:
        given[draw(st.sampled_from(UNKNOWN))] = draw(_FREE)
    return given


def _fields(field: Any, *, unknown: bool) -> st.SearchStrategy[Json]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return st.dictionaries(_TEXTS, _single(field.message_type.fields_by_name["value"], unknown=unknown), max_size=3)
    single = _single(field, unknown=unknown)
    return st.lists(single, max_size=3) if field.is_repeated else single


def _single(field: Any, *, unknown: bool) -> st.SearchStrategy[Json]:
    if field.message_type is None:
        return st.booleans() if field.type == FieldDescriptor.TYPE_BOOL else _TEXTS
    if field.message_type.full_name == "google.protobuf.Struct":
        return st.dictionaries(_TEXTS, _FREE, max_size=3)
    return _messages(field.message_type, unknown=unknown)
