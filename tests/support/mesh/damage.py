"""Spoils a message in one field, and finds the values that spoil."""

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Way: TypeAlias = tuple[FieldDescriptor, ...]
"""From the message to a field that holds no message, through the messages in between."""

F = FieldDescriptor
_INTEGERS = {
    F.TYPE_INT32: (-(2**31), 2**31 - 1),
    F.TYPE_SINT32: (-(2**31), 2**31 - 1),
    F.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    F.TYPE_INT64: (-(2**63), 2**63 - 1),
    F.TYPE_SINT64: (-(2**63), 2**63 - 1),
    F.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    F.TYPE_UINT32: (0, 2**32 - 1),
    F.TYPE_FIXED32: (0, 2**32 - 1),
    F.TYPE_UINT64: (0, 2**64 - 1),
    F.TYPE_FIXED64: (0, 2**64 - 1),
}

TEXTS = (
    "",
    " ",
    "\0",
    "a\nb",
    "a" * 100_000,
    "../../etc/passwd",
    "namespaces/-/agents/-",
    "' OR 1=1 --",
    "%00%2e%2e",
    "\u202e\ufeff\u0301",
    "\U0001f4a5" * 300,
    "did:web:example.com:..:..:x",
    "00000000-0000-0000-0000-00000000000g",
    "*",
)
NUMBERS = (-1, 0)
UNKNOWN_ENUM_VALUES = (99, -1, 2**31 - 1)
BYTES = (b"", b"\0", b"\xff" * 100_000)
DOUBLES = (math.nan, math.inf, -math.inf, 1e308)

_MARK = "not-utf-8-at-all"
_NOT_UTF8 = b"\xc3\x28\xff\xfe" * 4


def ways_to(descriptor: Descriptor, *types: int, above: Way = ()) -> Iterator[Way]:
    """Give the way to every field of these types; a message within itself is entered once."""
    for field in descriptor.fields:
        way = (*above, field)
        if field.message_type is None:
            if field.type in types:
                yield way
        elif all(field.message_type is not passed.message_type for passed in above):
            yield from ways_to(field.message_type, *types, above=way)


def bad_values(descriptor: Descriptor) -> Iterator[tuple[Way, Any]]:
    """Give every field that holds no message with every value that may spoil it."""
    for way in ways_to(descriptor, F.TYPE_STRING):
        yield from ((way, text) for text in TEXTS)
    for way in ways_to(descriptor, *_INTEGERS):
        lowest, highest = _INTEGERS[way[-1].type]
        yield from ((way, number) for number in (lowest, highest, *NUMBERS) if number >= lowest)
    for way in ways_to(descriptor, F.TYPE_BYTES):
        yield from ((way, content) for content in BYTES)
    for way in ways_to(descriptor, F.TYPE_DOUBLE, F.TYPE_FLOAT):
        yield from ((way, number) for number in DOUBLES)


def spoiled(message: Message, way: Way, value: Any) -> Message:
    """Return a copy of the message with the field at the end of `way` set to `value`."""
    whole = copy.deepcopy(message)
    _set(whole, way, value)
    return whole


def not_utf8(message: Message, way: Way) -> bytes:
    """Return the message's bytes with a text that is not UTF-8 at the end of `way`."""
    return spoiled(message, way, _MARK).SerializeToString().replace(_MARK.encode(), _NOT_UTF8)


def written(way: Way) -> str:
    """Return the way as field paths are written in BadRequest, without indexes."""
    return ".".join(field.name for field in way)


def _set(message: Any, way: Sequence[FieldDescriptor], value: Any) -> None:
    field, *rest = way
    held = getattr(message, field.name)
    if not rest:
        if field.is_repeated:
            held[:] = [value]
        else:
            setattr(message, field.name, value)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        _set_in_map(held, rest, value)
    elif field.is_repeated:
        _set(held[0] if held else held.add(), rest, value)
    else:
        held.SetInParent()
        _set(held, rest, value)


def _set_in_map(held: Any, way: Sequence[FieldDescriptor], value: Any) -> None:
    inside, *rest = way
    entry = inside.containing_type
    values = entry.fields_by_name["value"] if entry is not None else inside
    if inside.name == "key" and values.message_type is not None:
        held[value].SetInParent()
    elif inside.name == "key":
        held[value] = "x" if values.type == F.TYPE_STRING else 1
    elif rest:
        _set(held["x"], rest, value)
    else:
        held["x"] = value
