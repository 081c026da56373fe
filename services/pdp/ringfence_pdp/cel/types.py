"""The types of the condition language, and the schema that says which attributes a condition may read.

A type is known now, or only when the request comes: `json` for what callers send along (arguments, context), `dyn` for
mixtures such as `[1, 'a']`. Records have named fields, each either always there or optional; reading an optional one
that is absent is an error, which `has()` can ask about first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Simple:
    """A type without parameters."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    element: "Type"

    def __str__(self) -> str:
        return f"list({self.element})"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map; keys are strings in this subset."""

    value: "Type"

    def __str__(self) -> str:
        return f"map(string, {self.value})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One attribute of a record, and where the compiled code finds it."""

    type: "Type"
    attribute: str
    """Path of Python attributes below the record's object: `facts.did`. An optional field holds None when absent."""
    optional: bool = False
    values: frozenset[str] | None = None
    """All the values a string may take, when they are known: comparing with another can never be true."""
    minimum: int | None = None
    maximum: int | None = None
    rank: int = 0
    """+1 when a larger number means less trusted (a ring), -1 when it means more trusted (a score)."""
    size_max: int = 512
    """The most characters, elements or entries it holds; requests are checked against it before rules run."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A group of attributes: `agent`, `resource`. It can only be selected from, never compared or passed on."""

    name: str
    fields: Mapping[str, Field] = field(hash=False)

    def __str__(self) -> str:
        return self.name


Type: TypeAlias = Simple | ListOf | MapOf | Record

BOOL = Simple("bool")
INT = Simple("int")
UINT = Simple("uint")
DOUBLE = Simple("double")
STRING = Simple("string")
BYTES = Simple("bytes")
NULL = Simple("null")
TIMESTAMP = Simple("timestamp")
DURATION = Simple("duration")
JSON = Simple("json")
"""A JSON value: null, bool, double, string, list or map. Its numbers are doubles, never ints (langdef, "JSON")."""
DYN = Simple("dyn")
SESSION = Simple("session")
"""What happened before in a session. It can only be asked by its functions, never compared or passed on."""

UNKNOWN = frozenset({JSON, DYN})
"""Types that leave the kind of a value open until run time."""

NUMBERS = frozenset({INT, UINT, DOUBLE})
ORDERED = frozenset({BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION})
"""Types that < and its kin compare."""

Schema: TypeAlias = Record
"""The roots a condition may name are the fields of one record, the request itself."""

NEVER_JSON = frozenset({BYTES, TIMESTAMP, DURATION})


def comparable(left: Type, right: Type) -> bool:
    """Say whether values of the two types could ever be equal (langdef, "Equality"): numbers of any kind may."""
    match left, right:
        case (Record(), _) | (_, Record()) | (Simple("session"), _) | (_, Simple("session")):
            return False
        case (Simple(), _) if left in UNKNOWN:
            return left == DYN or right not in NEVER_JSON
        case (_, Simple()) if right in UNKNOWN:
            return comparable(right, left)
        case ListOf(), ListOf():
            return comparable(left.element, right.element)
        case MapOf(), MapOf():
            return comparable(left.value, right.value)
        case _:
            return left == right or (left in NUMBERS and right in NUMBERS)


def kind(type_: Type) -> str:
    """Return the type's name without its parameters."""
    match type_:
        case ListOf():
            return "list"
        case MapOf():
            return "map"
        case _:
            return type_.name


def joined(left: Type, right: Type) -> Type:
    """Return the type of a value that is of one type or the other."""
    return left if left == right else DYN


def may_hold_map(type_: Type) -> bool:
    """Say whether a value of this type may contain a map, whose entries can be present or absent."""
    match type_:
        case ListOf():
            return may_hold_map(type_.element)
        case Simple():
            return type_ in UNKNOWN
        case _:
            return True
