"""Which operators take which types, and what they give (cel-spec langdef, "Standard definitions").

Each answer is a type or a yes or no; `checker.py` turns a no into a sentence.
"""

from ringfence_pdp.cel.types import (
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    JSON,
    NEVER_JSON,
    NUMBERS,
    ORDERED,
    STRING,
    TIMESTAMP,
    UINT,
    UNKNOWN,
    ListOf,
    MapOf,
    Type,
    comparable,
    joined,
)

_SAME_KIND: dict[str, frozenset[Type]] = {
    "+": frozenset({INT, UINT, DOUBLE, STRING, BYTES, DURATION}),
    "-": frozenset({INT, UINT, DOUBLE, DURATION}),
    "*": frozenset({INT, UINT, DOUBLE}),
    "/": frozenset({INT, UINT, DOUBLE}),
    "%": frozenset({INT, UINT}),
}
"""Operators whose operands and result are of one type."""

_MIXED: dict[tuple[str, Type, Type], Type] = {
    ("+", TIMESTAMP, DURATION): TIMESTAMP,
    ("+", DURATION, TIMESTAMP): TIMESTAMP,
    ("-", TIMESTAMP, DURATION): TIMESTAMP,
    ("-", TIMESTAMP, TIMESTAMP): DURATION,
}


def membership(left: Type, right: Type) -> bool:
    """Say whether `left in right` can be asked."""
    match right:
        case ListOf():
            return comparable(left, right.element)
        case MapOf():
            return left == STRING or left in UNKNOWN
        case _:
            return right in UNKNOWN


def ordered(left: Type, right: Type) -> bool:
    """Say whether `<` and its kin take the two."""
    if left in UNKNOWN or right in UNKNOWN:
        unknown, other = (left, right) if left in UNKNOWN else (right, left)
        return other in UNKNOWN or (other in ORDERED and not (unknown == JSON and other in NEVER_JSON))
    return (left == right and left in ORDERED) or (left in NUMBERS and right in NUMBERS)


def arithmetic(operator: str, left: Type, right: Type) -> Type | None:
    """Return the type of `left operator right`; None when the operator does not take the two."""
    if left in UNKNOWN or right in UNKNOWN:
        known, unknown = (right, left) if left in UNKNOWN else (left, right)
        return joined(left, right) if known in UNKNOWN else _with_unknown(operator, known, unknown)
    if isinstance(left, ListOf) and isinstance(right, ListOf):
        return ListOf(joined(left.element, right.element)) if operator == "+" else None
    if left == right and left in _SAME_KIND[operator]:
        return left
    return _MIXED.get((operator, left, right))


def _with_unknown(operator: str, known: Type, unknown: Type) -> Type | None:
    # JSON has no ints, so adding one to an argument could only ever fail.
    if isinstance(known, ListOf):
        return ListOf(DYN) if operator == "+" else None
    takes = _SAME_KIND[operator] | (frozenset({TIMESTAMP}) if operator in "+-" else frozenset())
    if unknown == JSON:
        takes -= {INT, UINT} | NEVER_JSON
    return DYN if known in takes else None
