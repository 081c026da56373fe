"""The bytes of one OTLP attribute → its name and plain value, without making objects of what nobody asks for.

Most attributes of most spans say what was said a thousand times before: the same model, operation, host. So they are
left as bytes when a request is parsed, looked up as they are, and read here only when they are new.

Reads the protobuf wire format of opentelemetry.proto.common.v1.KeyValue and AnyValue. The rules:

- the bytes were parsed as a whole before, so they are well formed; what is not is an attribute that says nothing;
- as in any protobuf reader the last value of a field wins, wherever it stands.
"""

import struct
from typing import Final

from ringfence_telemetry.attribute_values import Value

UNREADABLE: Final = b""
"""Stands for a value that is there and of no use: an array, a map, a truth value, bytes, none at all."""

_EXACT = 2**63
_DOUBLE = struct.Struct("<d")
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_KEY_FIELD, _VALUE_FIELD = 1, 2
_STRING, _INT, _DOUBLE_FIELD = 1, 3, 4
_ANY_VALUE_FIELDS = 8
"""AnyValue's alternatives are its fields up to this one."""
_SHORT = 0x80
_KEY_TAG, _VALUE_TAG = 0x0A, 0x12


class _MalformedError(Exception):
    """Not the wire format."""


def name_of(attribute: bytes) -> bytes | None:
    """Return the name when the bytes are laid out as every encoder lays them out; None when that has to be read."""
    if len(attribute) < 2 or attribute[0] != _KEY_TAG or attribute[1] >= _SHORT:
        return None
    end = 2 + attribute[1]
    rest = len(attribute) - end
    if rest and (rest < 2 or attribute[end] != _VALUE_TAG or not _fills(attribute, end + 1)):
        return None
    return attribute[2:end]


def read_attribute(attribute: bytes) -> tuple[str, Value]:
    """Return an attribute's name and value."""
    key, value = b"", b""
    try:
        for field, kind, content in _fields(attribute):
            if kind != _LENGTH or not isinstance(content, bytes):
                continue
            if field == _KEY_FIELD:
                key = content
            elif field == _VALUE_FIELD:
                value += content  # a message that stands there twice is merged
        return key.decode(), read_value(value)
    except (_MalformedError, UnicodeDecodeError):
        return "", UNREADABLE


def read_value(value: bytes) -> Value:
    """Return the plain value of an AnyValue."""
    found: Value = UNREADABLE
    for field, kind, content in _fields(value):
        if field > _ANY_VALUE_FIELDS:
            continue
        found = UNREADABLE
        if field == _STRING and kind == _LENGTH and isinstance(content, bytes):
            found = content.decode()
        elif field == _INT and kind == _VARINT and isinstance(content, int):
            found = content - 2**64 if content >= _EXACT else content
        elif field == _DOUBLE_FIELD and kind == _FIXED64 and isinstance(content, bytes):
            number: float = _DOUBLE.unpack(content)[0]
            # What is remembered by value must not tell 1.0 from 1.
            found = int(number) if number.is_integer() and abs(number) < _EXACT else number
    return found


def read_fields(message: bytes) -> dict[int, int | bytes]:
    """Return the last value of each field of a message that is a varint or has a length; empty when it is none.

    Where a text belongs and something of a fixed size stands, a parser sees a field it does not know, and so do we.
    """
    try:
        return {field: content for field, kind, content in _fields(message) if kind in (_VARINT, _LENGTH)}
    except _MalformedError:
        return {}


def _fields(message: bytes) -> list[tuple[int, int, int | bytes]]:
    found: list[tuple[int, int, int | bytes]] = []
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, kind = tag >> 3, tag & 7
        content: int | bytes
        if kind == _VARINT:
            content, at = _varint(message, at)
        else:
            size, at = _size(message, at, kind)
            content, at = message[at : at + size], at + size
            if at > len(message):
                raise _MalformedError
        found.append((field, kind, content))
    return found


def _size(message: bytes, at: int, kind: int) -> tuple[int, int]:
    if kind == _LENGTH:
        return _varint(message, at)
    if kind == _FIXED64:
        return 8, at
    if kind == _FIXED32:
        return 4, at
    raise _MalformedError  # groups: nothing of OTLP has them


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    for byte in message[at : at + 10]:
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < _SHORT:
            return number & (2**64 - 1), at
        shift += 7
    raise _MalformedError


def _fills(attribute: bytes, at: int) -> bool:
    """Say whether the length that stands at `at` reaches to the very end."""
    try:
        size, at = _varint(attribute, at)
    except _MalformedError:
        return False
    return at + size == len(attribute)
