"""JSON as every other reader will read it: bytes in, one unambiguous value out, or every fault with its place.

Two parsers that disagree about one document are an attack (one checks it, the other acts on it), so whatever RFC 8259
leaves to the implementation is refused here:

- UTF-8 without a byte order mark, no lone surrogates, also none written as escapes (RFC 7493 2.1);
- no object names one member twice (RFC 7493 2.3);
- no NaN or Infinity, and no number that becomes one in a double (RFC 7493 2.2);
- no more bytes and no deeper nesting than the caller's limits.

Places are JSON pointers (RFC 6901). No bytes make this module raise.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

MAX_FAULTS = 16
"""A document of nothing but faults is described by the first few: the answer must fit into a status."""

JsonPath: TypeAlias = "tuple[()] | tuple[JsonPath, str | int]"
"""The way down to a value, innermost name last: cheap to extend, turned into a pointer only for a fault."""

_SYNTAX = "RFC 8259 2"
_ENCODING = "RFC 8259 8.1"
_UNICODE = "RFC 7493 2.1"
_NUMBERS = "RFC 7493 2.2"
_NAMES = "RFC 7493 2.3"
_LIMITS = "RFC 8259 9"

_POINTER_SHOWN = 160
_ALWAYS_FINITE = 300
_LONGEST_NUMBER = 400
"""Longer than any double written out; Python itself refuses to convert a few thousand digits."""


@dataclass(frozen=True, slots=True)
class JsonFault:
    """One reason why a document is refused, and the JSON pointer to where it is; empty for the document itself."""

    pointer: str
    problem: str
    rule: str = ""
    """By its section, e.g. `RFC 7493 2.3`."""


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """The largest document worth reading."""

    size: int
    depth: int


class StrictJsonError(ValueError):
    """The bytes are not a strict JSON document; `faults` says why, at most `MAX_FAULTS` of them."""

    def __init__(self, *faults: JsonFault) -> None:
        super().__init__("; ".join(f"{fault.pointer or 'document'}: {fault.problem}" for fault in faults))
        self.faults = faults


def read_strict_json(document: bytes, limits: JsonLimits) -> JsonValue:
    """Return the value `document` stands for, or raise `StrictJsonError`."""
    text = _text_of(document, limits)
    parts = _Parts()
    try:
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=parts.object_of,
            parse_constant=parts.unreadable,
            parse_int=parts.integer_of,
            parse_float=parts.float_of,
        )
    except json.JSONDecodeError as error:
        raise _refused(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", _SYNTAX) from None
    except RecursionError:
        raise _refused(_too_deep(limits), _LIMITS) from None
    # Surrogates come from escapes alone: UTF-8 has none. Most documents have nothing to look for but their depth.
    if parts.are_sound and "\\u" not in text and not _is_deeper(value, limits.depth):
        return value
    faults = tuple(itertools.islice(_faults_in(value, limits), MAX_FAULTS))
    if faults:
        raise StrictJsonError(*faults)
    return value


def child_pointer(parent: str, member: str | int) -> str:
    """Return the pointer to `member` of the value at `parent`, cut short when an attacker made it endless."""
    escaped = str(member).replace("~", "~0").replace("/", "~1")  # RFC 6901 3
    pointer = f"{parent}/{escaped}".encode("utf-8", "backslashreplace").decode("utf-8")
    return pointer if len(pointer) <= _POINTER_SHOWN else pointer[: _POINTER_SHOWN - 1] + "…"


def pointer_of(path: JsonPath) -> str:
    """Return the pointer a path stands for."""
    names: list[str] = []
    while path:
        path, name = path
        names.append(str(name))
    pointer = ""
    for name in reversed(names):
        pointer = child_pointer(pointer, name)
    return pointer


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands in the parsed value for a number that no double can hold."""

    literal: str


class _RepeatingObject(dict[str, JsonValue]):
    """An object that named members more than once; the faults are found on the way down, where the pointer is known."""

    repeated: tuple[str, ...] = ()


def _text_of(document: bytes, limits: JsonLimits) -> str:
    if not document:
        raise _refused("is empty", _SYNTAX)
    if len(document) > limits.size:
        raise _refused(f"has {len(document)} bytes; at most {limits.size} are read", _LIMITS)
    if document.startswith(b"\xef\xbb\xbf"):
        raise _refused("starts with a byte order mark; remove it", _ENCODING)
    try:
        return document.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(f"is not UTF-8: {error.reason} at byte {error.start}", _ENCODING) from None


class _Parts:
    """Makes the parts of a document as they are parsed, and knows afterwards whether all of them were sound."""

    def __init__(self) -> None:
        self.are_sound = True

    def object_of(self, pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        self.are_sound = False
        repeating = _RepeatingObject(members)
        repeating.repeated = tuple(name for name, uses in Counter(name for name, _ in pairs).items() if uses > 1)
        return repeating

    def integer_of(self, literal: str) -> "int | _Unreadable":
        if len(literal) < _ALWAYS_FINITE or (len(literal) < _LONGEST_NUMBER and math.isfinite(float(literal))):
            return int(literal)
        return self.unreadable(literal)

    def float_of(self, literal: str) -> "float | _Unreadable":
        number = float(literal)
        return number if math.isfinite(number) else self.unreadable(literal)

    def unreadable(self, literal: str) -> _Unreadable:
        self.are_sound = False
        return _Unreadable(literal)


def _is_deeper(value: JsonValue, depth: int) -> bool:
    """Say whether lists and objects nest deeper than `depth` levels, level by level."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _faults_in(document: JsonValue, limits: JsonLimits) -> Iterator[JsonFault]:
    """Yield the faults in document order. A path becomes a pointer only where there is one: most cards have none."""
    pending: list[tuple[object, JsonPath, int]] = [(document, (), 0)]
    while pending:
        value, path, depth = pending.pop()
        match value:
            case dict() | list() if depth == limits.depth:
                yield JsonFault(pointer_of(path), _too_deep(limits), _LIMITS)
            case dict():
                yield from _faults_of_names(value, path)
                pending.extend([(member, (path, name), depth + 1) for name, member in reversed(value.items())])
            case list():
                pending.extend([(value[at], (path, at), depth + 1) for at in range(len(value) - 1, -1, -1)])
            case str() if not _encodable(value):
                yield JsonFault(pointer_of(path), "contains a lone surrogate", _UNICODE)
            case _Unreadable(literal):
                yield JsonFault(pointer_of(path), f"is {literal[:20]}, which is not a finite number", _NUMBERS)


def _faults_of_names(members: "dict[str, JsonValue]", path: JsonPath) -> Iterator[JsonFault]:
    if isinstance(members, _RepeatingObject):
        for name in members.repeated:
            yield JsonFault(pointer_of((path, name)), "is given more than once", _NAMES)
    for name in members:
        if not _encodable(name):
            yield JsonFault(pointer_of((path, name)), "has a name with a lone surrogate", _UNICODE)


def _encodable(text: str) -> bool:
    """Say whether `text` is Unicode: Python strings may hold surrogates, which no UTF-8 document can."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _too_deep(limits: JsonLimits) -> str:
    return f"nests deeper than {limits.depth} levels"


def _refused(problem: str, rule: str) -> StrictJsonError:
    return StrictJsonError(JsonFault("", problem, rule))
