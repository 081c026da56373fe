"""From what a filter says to a predicate, checked against a table of fields.

Every comparison is typed here, once; evaluating only reads and compares. Beside the predicate stands what an index
needs to know: the terms of which every match carries at least one.
"""

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ringfence_registry.finding.filtering import literals
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.filtering.fields import (
    ChoiceField,
    Field,
    FieldTable,
    FlagField,
    GroupField,
    MapField,
    NumberField,
    Term,
    TextField,
    TextsField,
    TimeField,
)
from ringfence_registry.finding.filtering.parser import parse
from ringfence_registry.finding.filtering.patterns import Pattern
from ringfence_registry.finding.filtering.tree import Bare, Both, Either, Node, Not, Restriction, Text

T = TypeVar("T")

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ":": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Filter(Generic[T]):
    """A filter ready to be asked."""

    matches: Callable[[T], bool]
    needs: tuple[frozenset[Term], ...] = ()
    """Whatever matches carries at least one term of each of these sets. Empty: nothing is known without asking."""
    terms: int = 0
    """How many comparisons one question may cost."""


def compile_filter(text: str, table: FieldTable[T]) -> Filter[T]:
    """Return the filter that `text` says, or raise `FilterError`. An empty text matches everything."""
    node = parse(text)
    return Filter(lambda _resource: True) if node is None else _compile(node, table)


def _compile(node: Node, table: FieldTable[T]) -> Filter[T]:
    match node:
        case Restriction():
            return _restriction(node, table)
        case Bare(value):
            return _bare(value, table)
        case Not(term):
            inner = _compile(term, table)
            return Filter(lambda resource: not inner.matches(resource), terms=inner.terms)
        case Both(nodes):
            return _both([_compile(each, table) for each in nodes])
        case Either(nodes):
            return _either([_compile(each, table) for each in nodes])


def _both(parts: list[Filter[T]]) -> Filter[T]:
    tests = [part.matches for part in parts]

    def matches(resource: T) -> bool:
        return all(test(resource) for test in tests)

    return Filter(matches, tuple(need for part in parts for need in part.needs), sum(part.terms for part in parts))


def _either(parts: list[Filter[T]]) -> Filter[T]:
    tests = [part.matches for part in parts]

    def matches(resource: T) -> bool:
        return any(test(resource) for test in tests)

    # One alternative that may match without any known term makes the whole unknown.
    known = all(part.needs for part in parts)
    needs = (frozenset[Term]().union(*(part.needs[0] for part in parts)),) if known else ()
    return Filter(matches, needs, sum(part.terms for part in parts))


def _bare(value: Text, table: FieldTable[T]) -> Filter[T]:
    tests = [
        _contains(field.read, value) if isinstance(field, TextField) else _any_contains(field.read, value)
        for field in table.searched
    ]
    return Filter(lambda resource: any(test(resource) for test in tests), terms=len(tests))


def _restriction(said: Restriction, table: FieldTable[T]) -> Filter[T]:
    name, field = table.resolve(said.path, said.column)
    if said.comparator == ":" and said.value.text == "*" and said.value.stars and not said.value.quoted:
        return Filter(_is_set(field), terms=1)
    match field:
        case TextField():
            return _on_text(name, field, said)
        case TextsField():
            return _on_texts(name, field, said)
        case MapField():
            return _on_map(name, field, said)
        case GroupField():
            raise FilterError(said.column, f"{name} is a message; ask {name}:* or one of its fields")
        case _:
            return _on_value(name, field, said)


def _on_value(
    name: str, field: ChoiceField[T] | FlagField[T] | NumberField[T] | TimeField[T], said: Restriction
) -> Filter[T]:
    match field:
        case ChoiceField():
            return _on_choice(name, field, said)
        case FlagField():
            _refuse_order(name, said)
            return _compared(field.read, said, literals.flag(said.value))
        case NumberField():
            return _compared(field.read, said, literals.number(said.value))
        case TimeField():
            return _on_time(field, said)


def _on_text(name: str, field: TextField[T], said: Restriction) -> Filter[T]:
    read, value = field.read, said.value
    if said.comparator == ":":
        return Filter(_contains(read, value), terms=1)
    if not value.stars:
        indexed = field.indexed and said.comparator == "=" and value.text
        needs = (frozenset({Term(name, value.text)}),) if indexed else ()
        compare = _ORDER[said.comparator]
        return Filter(lambda resource: bool(text := read(resource)) and compare(text, value.text), needs, 1)
    if said.comparator not in {"=", "!="}:
        raise FilterError(value.column, f'"*" has no place in an order; write \\* for the star, or {name} = "…*"')
    pattern, wanted = Pattern.of(value.text, value.stars), said.comparator == "="
    return Filter(lambda resource: bool(text := read(resource)) and pattern.matches(text) is wanted, terms=1)


def _on_texts(name: str, field: TextsField[T], said: Restriction) -> Filter[T]:
    read, wanted = field.read, said.value.text
    if said.comparator != ":":
        raise FilterError(said.column, f'{name} has many values; write {name}:"{wanted[:40]}"')
    if said.value.stars:
        pattern = Pattern.of(wanted, said.value.stars)
        return Filter(lambda resource: any(pattern.matches(each) for each in read(resource)), terms=1)
    needs = (frozenset({Term(name, wanted)}),) if field.indexed else ()
    return Filter(lambda resource: wanted in read(resource), needs, 1)


def _on_map(name: str, field: MapField[T], said: Restriction) -> Filter[T]:
    read, key = field.read, said.value.text
    if said.comparator != ":":
        raise FilterError(said.column, f'{name} is a map; write {name}.key {said.comparator} "value" or {name}:key')
    if said.value.stars:
        pattern = Pattern.of(key, said.value.stars)
        return Filter(lambda resource: any(pattern.matches(each) for each in read(resource)), terms=1)
    return Filter(lambda resource: key in read(resource), terms=1)


def _on_choice(name: str, field: ChoiceField[T], said: Restriction) -> Filter[T]:
    _refuse_order(name, said)
    wanted = literals.choice(said.value, field.choices)
    needs = (frozenset({Term(name, wanted)}),) if field.indexed and said.comparator != "!=" else ()
    compare, read = _ORDER[said.comparator], field.read
    return Filter(lambda resource: bool(value := read(resource)) and compare(value, wanted), needs, 1)


def _on_time(field: TimeField[T], said: Restriction) -> Filter[T]:
    wanted, read = literals.nanos(said.value), field.read

    def in_nanos(resource: T) -> int | None:
        instant = read(resource)
        return None if instant is None else instant * literals.NANOS_PER_MILLI

    return _compared(in_nanos, said, wanted)


def _compared(read: Callable[[T], float | None], said: Restriction, wanted: float) -> Filter[T]:
    compare = _ORDER[said.comparator]
    return Filter(lambda resource: (value := read(resource)) is not None and compare(value, wanted), terms=1)


def _is_set(field: Field[T]) -> Callable[[T], bool]:
    match field:
        case TextsField():
            texts = field.read
            return lambda resource: any(True for _ in texts(resource))
        case FlagField() | NumberField() | TimeField():
            optional: Callable[[T], object] = field.read
            return lambda resource: optional(resource) is not None
        case TextField() | ChoiceField() | MapField() | GroupField():
            present: Callable[[T], object] = field.read
            return lambda resource: bool(present(resource))


def _contains(read: Callable[[T], str], value: Text) -> Callable[[T], bool]:
    inside = _inside(value)
    return lambda resource: bool(text := read(resource)) and inside(text.casefold())


def _any_contains(read: Callable[[T], Iterable[str]], value: Text) -> Callable[[T], bool]:
    inside = _inside(value)
    return lambda resource: any(inside(each.casefold()) for each in read(resource))


def _inside(value: Text) -> Callable[[str], bool]:
    if not value.stars:
        wanted = value.text.casefold()
        return lambda folded: wanted in folded
    return Pattern.of(value.text, value.stars).anywhere().folded().matches


def _refuse_order(name: str, said: Restriction) -> None:
    if said.comparator not in {"=", "!=", ":"}:
        raise FilterError(said.column, f"{name} has no order; compare it with = or !=")
