"""How many parts an OTLP request is made of, counted on its bytes before a parser makes objects of them.

A part that says nothing takes two bytes on the wire, a hundred times less under gzip, and fifty to two hundred in
memory; the limit on a request's size bounds none of that. The rules:

- a part costs two bytes at least, so a request of a usual size is not looked at;
- whatever is a part begins with one of few tags: so many such bytes there are, so many parts there may be. That is
  counted quickly, and settles nearly every large request. The others are walked through, in turns with what else runs;
- what is walked is the wire format as any parser reads it; where it is none the walk leaves that part, and the parser
  will say so.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from ringfence_telemetry.errors import TooManyParts
from ringfence_telemetry.otlp_signal import OtlpSignal

ITEMS_MAX: Final = 500_000
"""Spans, log records, metrics and data points, with the resources and scopes they stand under, in one request: 64 MiB
of spans that say three things each hold as many."""

FIELDS_MAX: Final = 4_000_000
"""Fields in one request: attributes and what they say among them. 64 MiB hold as many that say 16 bytes each."""

TURN = 10_000
"""Fields walked before others get a turn: a few milliseconds."""

_Parts: TypeAlias = "Mapping[int, _Parts]"
"""Field number → what of the message that stands in it is a message again."""

_LEAF: _Parts = {}


def _any_value() -> _Parts:
    """Return AnyValue: it holds itself, in an ArrayValue or as the value of a KeyValue of a KeyValueList."""
    value: dict[int, _Parts] = {}
    value[5] = {1: value}
    value[6] = {1: {2: value}}
    return value


_VALUE = _any_value()
_ATTRIBUTE: _Parts = {2: _VALUE}
_ENTITY: _Parts = {3: _LEAF, 4: _LEAF}
_RESOURCE: _Parts = {1: _ATTRIBUTE, 3: _ENTITY}
_SCOPE: _Parts = {3: _ATTRIBUTE}
_SPAN: _Parts = {9: _ATTRIBUTE, 11: {3: _ATTRIBUTE}, 13: {4: _ATTRIBUTE}, 15: _LEAF}
_LOG_RECORD: _Parts = {5: _VALUE, 6: _ATTRIBUTE}
_EXEMPLAR: _Parts = {7: _ATTRIBUTE}
_NUMBER: _Parts = {7: _ATTRIBUTE, 5: _EXEMPLAR}
_HISTOGRAM: _Parts = {9: _ATTRIBUTE, 8: _EXEMPLAR}
_EXPONENTIAL: _Parts = {1: _ATTRIBUTE, 8: _LEAF, 9: _LEAF, 11: _EXEMPLAR}
_SUMMARY: _Parts = {7: _ATTRIBUTE, 6: _LEAF}


def _metric(number: _Parts, histogram: _Parts, exponential: _Parts, summary: _Parts, more: _Parts) -> _Parts:
    return {5: {1: number}, 7: {1: number}, 9: {1: histogram}, 10: {1: exponential}, 11: {1: summary}, **more}


def _request(item: _Parts, resource: _Parts, scope: _Parts) -> _Parts:
    """Return a request of any signal: resources, scopes in them, items in those (opentelemetry/proto/collector)."""
    return {1: {1: resource, 2: {1: scope, 2: item}}}


_ITEMS: Mapping[OtlpSignal, _Parts] = {
    OtlpSignal.SPANS: _request(_LEAF, _LEAF, _LEAF),
    OtlpSignal.LOGS: _request(_LEAF, _LEAF, _LEAF),
    OtlpSignal.METRICS: _request(_metric(_LEAF, _LEAF, _LEAF, _LEAF, {}), _LEAF, _LEAF),
}
_FIELDS: Mapping[OtlpSignal, _Parts] = {
    OtlpSignal.SPANS: _request(_SPAN, _RESOURCE, _SCOPE),
    OtlpSignal.LOGS: _request(_LOG_RECORD, _RESOURCE, _SCOPE),
    OtlpSignal.METRICS: _request(
        _metric(_NUMBER, _HISTOGRAM, _EXPONENTIAL, _SUMMARY, {12: _ATTRIBUTE}), _RESOURCE, _SCOPE
    ),
}

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SIZES: Mapping[int, int] = {_FIXED64: 8, _FIXED32: 4, 3: 0, 4: 0}
"""What follows a tag: of a group's begin and end, nothing."""
_MORE = 0x80
_SMALLEST = 2
_VARINT_MAX = 10
_DEPTH_MAX = 200
"""Parsers refuse what is a hundred deep."""


def _numbers(parts: _Parts) -> set[int]:
    """Return the numbers of all fields that may hold a part."""
    found, seen, left = set[int](), set[int](), [parts]
    while left:
        inner = left.pop()
        if id(inner) not in seen:
            seen.add(id(inner))
            found.update(inner)
            left += inner.values()
    return found


def _tags(parts: _Parts) -> bytes:
    """Return the bytes one of which begins any part, also where its tag is spelled longer than it need be."""
    tags = {number << 3 | _LENGTH for number in _numbers(parts)}
    return bytes(sorted(tags | {tag | _MORE for tag in tags}))


_TAGS: Mapping[OtlpSignal, bytes] = {signal: _tags(parts) for signal, parts in _FIELDS.items()}


async def check_parts(
    payload: bytes, signal: OtlpSignal, *, items_max: int = ITEMS_MAX, fields_max: int = FIELDS_MAX
) -> None:
    """Return when a parser may have the request. Raises TooManyParts."""
    if len(payload) <= _SMALLEST * items_max:
        return
    parts_at_most = len(payload) - len(payload.translate(None, _TAGS[signal]))
    if parts_at_most > items_max:
        await _walk_through(payload, _ITEMS[signal], items_max=items_max, fields_max=fields_max)
    if parts_at_most > fields_max:  # no part is no field: items need no bound of their own
        await _walk_through(payload, _FIELDS[signal], items_max=len(payload), fields_max=fields_max)


async def _walk_through(payload: bytes, parts: _Parts, *, items_max: int, fields_max: int) -> None:
    for fields, items in _walk(payload, parts):
        if items > items_max:
            raise TooManyParts(what="items", most=items_max)
        if fields > fields_max:
            raise TooManyParts(what="fields", most=fields_max)
        await asyncio.sleep(0)


def _walk(payload: bytes, parts: _Parts) -> Iterator[tuple[int, int]]:
    """Give how many fields, and how many parts among them, there were so far: at every turn, and at the end."""
    fields = found = 0
    at, end, within = 0, len(payload), parts
    left: list[tuple[int, int, _Parts]] = []
    while True:
        while at >= end:
            if not left:
                yield fields, found
                return
            at, end, within = left.pop()
        fields += 1
        if not fields % TURN:
            yield fields, found
        tag, at = _varint(payload, at, end)
        kind = tag & 7
        if kind == _LENGTH:
            size, at = _varint(payload, at, end)
            child = within.get(tag >> 3)
            found += child is not None
            if child and len(left) < _DEPTH_MAX:
                left.append((at + size, end, within))
                end, within = min(at + size, end), child
            else:
                at += size
        elif kind == _VARINT:
            _, at = _varint(payload, at, end)
        else:
            at += _SIZES.get(kind, end)


def _varint(payload: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number and where it ends; one that does not end here ends with the part."""
    byte = payload[at] if at < end else _MORE
    if byte < _MORE:
        return byte, at + 1
    number = shift = 0
    for place in range(at, min(at + _VARINT_MAX, end)):
        byte = payload[place]
        number |= (byte & 0x7F) << shift
        if byte < _MORE:
            return number, place + 1
        shift += 7
    return 0, end
