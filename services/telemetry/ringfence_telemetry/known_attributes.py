"""What the attributes of spans say, remembered by their bytes: what was read once is not read again.

The memory is bounded: it forgets everything when it is full, and long attributes (texts of people and models) are not
kept in it. What it remembers follows from the bytes alone, so forgetting changes nothing.
"""

import enum
from collections.abc import Iterable
from typing import TypeAlias

from ringfence_telemetry.attribute_bytes import name_of, read_attribute
from ringfence_telemetry.attribute_values import Value, text_of, tokens_of
from ringfence_telemetry.dialects import ATTRIBUTES, DETAILS_FROM, OPERATIONS, OPERATIONS_BEFORE, OTHER, Field

MALFORMED = -1
"""Stands for a count that could not be believed."""

_REMEMBERED = 50_000
_SIZE_MAX = 256

_NAMES = frozenset(name.encode() for name in ATTRIBUTES)
_COUNTS = range(int(Field.INPUT_TOKENS), int(Field.TOTAL_TOKENS) + 1)


class Sort(enum.IntEnum):
    """How an attribute is dealt with."""

    STEADY = 0
    """The same on many spans: what it makes of a span together with its like is remembered."""
    INPUT = 1
    OUTPUT = 2
    SESSION = 3
    FLEETING = 4
    """Another on every span, or rare."""


_SORTS = {
    Field.INPUT_TOKENS: Sort.INPUT,
    Field.OUTPUT_TOKENS: Sort.OUTPUT,
    Field.SESSION: Sort.SESSION,
    **dict.fromkeys(
        (
            *(Field.CACHE_READ_TOKENS, Field.CACHE_WRITE_TOKENS, Field.REASONING_TOKENS, Field.TOTAL_TOKENS),
            *(Field.USAGE_DETAILS, Field.AGENT_REVISION, Field.USER, Field.ATTEMPT, Field.COST, Field.CURRENCY),
            *(Field.FIRST_CHUNK_SECONDS, Field.FIRST_CHUNK_MILLIS, Field.WAITED_MILLIS),
        ),
        Sort.FLEETING,
    ),
}


class Known:
    """An attribute we know. Equal only to itself, so that many together are looked up quickly."""

    __slots__ = ("field", "rank", "sort", "value")

    def __init__(self, field: int, rank: int, value: Value) -> None:
        self.field = field
        self.rank = rank
        """Among the names of the field: the first wins."""
        self.sort = int(_SORTS.get(Field(field), Sort.STEADY))
        self.value = value
        """A label for a field that is one, a count or MALFORMED for tokens, what was sent for the rest."""


Values: TypeAlias = list[Value]
"""What a span states, by field."""

_NOTHING: Values = [None] * len(Field)

SAYS_NOTHING = Known(0, 0, None)
"""The shape of an attribute that is none of ours."""

_SHAPES = {sort: Known(field, 0, None) for field, sort in _SORTS.items()}


class KnownAttributes:
    """Reads attributes.

    The shape of an attribute is what it has in common with all that are dealt with alike: of a steady one what it says,
    of the others only their sort. Spans whose attributes have the same shapes are read in the same way.
    """

    def __init__(self) -> None:
        self._shapes: dict[bytes, Known] = {}
        self._others: dict[bytes, Known] = {}
        """Those that say something and are not their own shape."""
        self.shape = self._shapes.get
        """Return the shape that is remembered of an attribute, None when it is new."""

    def learn(self, attribute: bytes) -> Known:
        """Return the shape of an attribute that is not remembered."""
        return _shape(self._learn(attribute))

    def said(self, attribute: bytes) -> Known | None:
        """Return what an attribute says, None when it is none of ours."""
        found = self._others.get(attribute)
        if found is None:
            found = self._shapes.get(attribute)
            if found is None:
                return self._learn(attribute)
        return None if found is SAYS_NOTHING else found

    def all(self, attributes: Iterable[bytes]) -> list[Known]:
        """Return what attributes say, as far as we know them."""
        return [known for known in map(self.said, attributes) if known is not None]

    def _learn(self, attribute: bytes) -> Known | None:
        known = _read(attribute)
        if len(attribute) <= _SIZE_MAX:
            if len(self._shapes) >= _REMEMBERED:
                self._shapes.clear()
                self._others.clear()
            shape = self._shapes[attribute] = _shape(known)
            if known is not None and shape is not known:
                self._others[attribute] = known
        return known


def _shape(known: Known | None) -> Known:
    if known is None:
        return SAYS_NOTHING
    return known if known.sort == Sort.STEADY else _SHAPES[Sort(known.sort)]


def values_of(knowns: Iterable[Known]) -> Values:
    """Return what is said by field: the best name of each wins, wherever it stands."""
    values, best = _NOTHING.copy(), dict[int, int]()
    for known in knowns:
        if known.rank < best.get(known.field, len(ATTRIBUTES)):
            values[known.field] = known.value
            best[known.field] = known.rank
    return values


def _read(attribute: bytes) -> Known | None:
    name = name_of(attribute)
    if name is not None and name not in _NAMES:
        return None
    key, value = read_attribute(attribute)
    place = ATTRIBUTES.get(key)
    if place is None:
        return None
    field, rank = place
    if field in _COUNTS:
        count = tokens_of(value)
        return Known(field, rank, MALFORMED if count is None else count)
    if field >= DETAILS_FROM or field in (Field.CALL_STATUS, Field.USAGE_DETAILS):
        return Known(field, rank, value)
    label = text_of(value)
    if field == Field.OPERATION and label and label not in OPERATIONS:
        label = OPERATIONS_BEFORE.get(label, OTHER)
    return Known(field, rank, label)
