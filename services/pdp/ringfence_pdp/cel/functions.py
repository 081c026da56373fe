"""The functions of the subset: how they may be called, and what they give.

A row's `implementation` names a function of `runtime.py`. Functions that take one type only are handed values of that
type; those that take several look for themselves.
"""

from dataclasses import dataclass

from ringfence_pdp.cel.types import BOOL, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT, Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One way to call one function."""

    name: str
    implementation: str
    parameters: tuple[frozenset[str], ...]
    """Kinds of type each operand may have; of a member function, the target is the first."""
    result: Type
    fails: bool = False
    """Whether it can end in an error although its operands are of the right types."""
    literal: bool = False
    """Whether its last argument must be a text written in the condition."""


def _kinds(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))


def _function(
    signature: str, result: Type, implementation: str, *, fails: bool = False, literal: bool = False
) -> Function:
    name, _, operands = signature.partition("(")
    kinds = tuple(_kinds(part) for part in operands.rstrip(")").split(", "))
    return Function(
        name=name, implementation=implementation, parameters=kinds, result=result, fails=fails, literal=literal
    )


_ACCESSORS = {
    "getFullYear": "full_year",
    "getMonth": "month",
    "getDayOfYear": "day_of_year",
    "getDayOfMonth": "day_of_month",
    "getDate": "date",
    "getDayOfWeek": "day_of_week",
    "getHours": "hours",
    "getMinutes": "minutes",
    "getSeconds": "seconds",
    "getMilliseconds": "milliseconds",
}
_OF_DURATIONS = {"getHours", "getMinutes", "getSeconds"}

MEMBERS: dict[tuple[str, int], Function] = {
    (row.name, len(row.parameters) - 1): row
    for row in (
        _function("startsWith(string, string)", BOOL, "starts_with"),
        _function("endsWith(string, string)", BOOL, "ends_with"),
        _function("contains(string, string)", BOOL, "contains"),
        _function("matches(string, string)", BOOL, "matches", literal=True),
        _function("lowerAscii(string)", STRING, "lower_ascii"),
        _function("upperAscii(string)", STRING, "upper_ascii"),
        _function("size(string|bytes|list|map)", INT, "size"),
        _function("formerly(session, string, duration)", BOOL, "formerly", fails=True),
        _function("count_within(session, string, duration)", INT, "count_within", fails=True),
        _function("sum_within(session, string, string, duration)", DOUBLE, "sum_within", fails=True),
        _function("distinct_within(session, string, string, duration)", INT, "distinct_within", fails=True),
        *(
            _function(f"{name}({'timestamp|duration' if name in _OF_DURATIONS else 'timestamp'})", INT, implementation)
            for name, implementation in _ACCESSORS.items()
        ),
        *(
            _function(f"{name}(timestamp, string)", INT, implementation, fails=True)
            for name, implementation in _ACCESSORS.items()
        ),
    )
}
"""Functions written `target.name(arguments)`, by name and number of arguments."""

GLOBALS: dict[tuple[str, int], Function] = {
    (row.name, len(row.parameters)): row
    for row in (
        _function("size(string|bytes|list|map)", INT, "size"),
        _function("int(int|uint|double|string|timestamp)", INT, "to_int", fails=True),
        _function("uint(int|uint|double|string)", UINT, "to_uint", fails=True),
        _function("double(int|uint|double|string)", DOUBLE, "to_double", fails=True),
        _function("string(string|bool|int|uint)", STRING, "to_string"),
        _function("timestamp(string|timestamp)", TIMESTAMP, "to_timestamp", fails=True),
        _function("duration(string|duration)", DURATION, "to_duration", fails=True),
    )
}
"""Functions written `name(arguments)`, by name and number of arguments."""

NAMES = frozenset(name for name, _ in MEMBERS) | frozenset(name for name, _ in GLOBALS)


def find(name: str, *, member: bool, arguments: int) -> Function | None:
    """Return the row for a call of this shape."""
    return (MEMBERS if member else GLOBALS).get((name, arguments))
