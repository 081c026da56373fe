"""What the attributes of spans say, remembered by their bytes: what was read once is not read again.

The memory is bounded: it forgets everything when it is full, and long attributes (texts of people and models) are not
kept in it. What it remembers follows from the bytes alone, so forgetting changes nothing.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from ringfence_telemetry.attribute_bytes import name_of, read_attribute
from ringfence_telemetry.attribute_values import Value, text_of, tokens_of
from ringfence_telemetry.dialects import ATTRIBUTES, DETAILS_FROM, OPERATIONS, OTHER, Field

FEW_TOKENS, MORE_TOKENS, DETAIL = 1, 2, 4
"""Bits of `Known.sort`: input or output tokens, other counts of tokens, part of a SpanDetail."""

MALFORMED = -1
"""Stands for a count that could not be believed."""

_REMEMBERED = 50_000
_SIZE_MAX = 256

_NAMES = frozenset(name.encode() for name in ATTRIBUTES)
_FIELDS = len(Field)
_FEW = frozenset({int(Field.INPUT_TOKENS), int(Field.OUTPUT_TOKENS)})
_COUNTS = range(int(Field.INPUT_TOKENS), int(Field.TOTAL_TOKENS) + 1)
_AS_SENT = frozenset({int(Field.CALL_STATUS)})


class Known(NamedTuple):
    """An attribute we know. (Unpacked in the hot loop: mind the order.)"""

    field: int
    sort: int
    value: Value
    """A label for a field that is one, a count or MALFORMED for tokens, what was sent for the rest."""
    rank: int
    """Among the names of the field."""


Values: TypeAlias = list[Known | None]
"""What a span states, by field."""

NO_VALUES: Values = [None] * _FIELDS

_UNSEEN = Known(0, 0, None, 0)


class KnownAttributes:
    """Reads attributes."""

    def __init__(self) -> None:
        self._known: dict[bytes, Known | None] = {}

    def values(self, attributes: Iterable[bytes]) -> tuple[Values, int]:
        """Return what attributes say, by field, and the bits of all of them; the best name of a field wins."""
        get, sorts = self._known.get, 0
        values = NO_VALUES.copy()
        for attribute in attributes:
            known = get(attribute, _UNSEEN)
            if known is _UNSEEN:
                known = self._learn(attribute)
            if known is None:
                continue
            field, sort, _, rank = known
            before = values[field]
            if before is None or rank < before[3]:
                values[field] = known
                sorts |= sort
        return values, sorts

    def _learn(self, attribute: bytes) -> Known | None:
        known = _read(attribute)
        if len(attribute) <= _SIZE_MAX:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[attribute] = known
        return known


def value_of(values: Values, field: int) -> Value:
    """Return the value of a field; None when it is not stated."""
    known = values[field]
    return None if known is None else known[2]


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
        sort = FEW_TOKENS if field in _FEW else MORE_TOKENS
        return Known(field, sort, MALFORMED if count is None else count, rank)
    if field >= DETAILS_FROM or field in _AS_SENT:
        return Known(field, DETAIL if field >= DETAILS_FROM else 0, value, rank)
    label = text_of(value)
    if field == Field.OPERATION and label and label not in OPERATIONS:
        label = OTHER
    return Known(field, 0, label, rank)
