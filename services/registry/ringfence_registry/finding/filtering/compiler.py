"""From what a filter says to a condition, checked against a table of fields: every comparison is typed here, once."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ringfence_registry.finding.filtering import literals
from ringfence_registry.finding.filtering.conditions import (
    Anywhere,
    Bounds,
    Comparison,
    Condition,
    Every,
    Neither,
    Presence,
    Some,
)
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.filtering.fields import (
    ChoiceField,
    ChoicesField,
    FieldTable,
    FlagField,
    GroupField,
    MapField,
    NumberField,
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
    """A filter ready to be asked, of one resource or of an index."""

    condition: Condition[T]

    def matches(self, resource: T) -> bool:
        """Say whether `resource` is what was asked for."""
        return self.condition.matches(resource)

    @property
    def terms(self) -> int:
        """How many comparisons one question may cost."""
        return _terms(self.condition)

    @property
    def fields(self) -> frozenset[str]:
        """The canonical names of the fields it compares; what is looked for anywhere has none."""
        return _fields(self.condition)


def compile_filter(text: str, table: FieldTable[T]) -> Filter[T]:
    """Return the filter that `text` says, or raise `FilterError`. An empty text matches everything."""
    node = parse(text)
    return Filter(Every(()) if node is None else _compile(node, table))


def _compile(node: Node, table: FieldTable[T]) -> Condition[T]:
    match node:
        case Restriction():
            return _restriction(node, table)
        case Bare(value):
            return _bare(value, table)
        case Not(term):
            return Neither(_compile(term, table))
        case Both(nodes):
            return Every(tuple(_compile(each, table) for each in nodes))
        case Either(nodes):
            return Some(tuple(_compile(each, table) for each in nodes))


def _bare(value: Text, table: FieldTable[T]) -> Condition[T]:
    test, within = _inside(value)
    fields = {name: field.values for name, field in table.searched.items()}
    return Anywhere(fields=fields, test=test, within=within, literal=not value.stars)


def _restriction(said: Restriction, table: FieldTable[T]) -> Condition[T]:
    name, field = table.resolve(said.path, said.column)
    if said.comparator == ":" and said.value.text == "*" and said.value.stars and not said.value.quoted:
        return Presence(field=name, values=field.values)
    match field:
        case TextField():
            return _on_text(name, field, said)
        case TextsField():
            return _on_texts(name, field, said, wanted=f'write {name}:"{said.value.text[:40]}"')
        case MapField():
            return _on_texts(name, field, said, wanted=f'write {name}.key {said.comparator} "value" or {name}:key')
        case ChoicesField():
            return _on_choices(name, field, said)
        case GroupField():
            raise FilterError(said.column, f"{name} is a message; ask {name}:* or one of its fields")
        case _:
            return _on_value(name, field, said)


def _on_value(
    name: str, field: ChoiceField[T] | FlagField[T] | NumberField[T] | TimeField[T], said: Restriction
) -> Condition[T]:
    match field:
        case ChoiceField():
            _refuse_order(name, said)
            return _compared(name, field, said, literals.choice(said.value, field.choices))
        case FlagField():
            _refuse_order(name, said)
            return _compared(name, field, said, literals.flag(said.value))
        case NumberField():
            return _compared(name, field, said, literals.number(said.value))
        case TimeField():
            return _on_time(name, field, said)


def _compared(
    name: str, field: ChoiceField[T] | FlagField[T] | NumberField[T], said: Restriction, wanted: str | float
) -> Condition[T]:
    if said.comparator in {"=", ":"}:
        return Comparison(field=name, values=field.values, test=lambda value: bool(value == wanted), exact=wanted)
    compare = _ORDER[said.comparator]
    return Comparison(field=name, values=field.values, test=lambda value: compare(value, wanted))


def _on_time(name: str, field: TimeField[T], said: Restriction) -> Condition[T]:
    wanted, compare = literals.nanos(said.value), _ORDER[said.comparator]
    return Comparison(
        field=name,
        values=field.values,
        test=lambda instant: compare(instant * literals.NANOS_PER_MILLI, wanted),
        bounds=_millis(said.comparator, wanted),
    )


def _millis(comparator: str, nanos: int) -> Bounds | None:
    """Return the milliseconds that pass: what is asked for may lie between two."""
    before, after = nanos // literals.NANOS_PER_MILLI, -(-nanos // literals.NANOS_PER_MILLI)
    match comparator:
        case "<":
            return Bounds(most=after - 1)
        case "<=":
            return Bounds(most=before)
        case ">":
            return Bounds(least=before + 1)
        case ">=":
            return Bounds(least=after)
        case "=" | ":":
            return Bounds(least=after, most=before)
    return None


def _on_text(name: str, field: TextField[T], said: Restriction) -> Condition[T]:
    value = said.value
    if said.comparator == ":":
        inside, within = _inside(value)
        return Comparison(field=name, values=field.values, test=lambda text: inside(text.casefold()), within=within)
    if not value.stars:
        wanted, compare = value.text, _ORDER[said.comparator]
        exact = wanted if said.comparator == "=" else None
        return Comparison(field=name, values=field.values, test=lambda text: compare(text, wanted), exact=exact)
    if said.comparator not in {"=", "!="}:
        raise FilterError(value.column, f'"*" has no place in an order; write \\* for the star, or {name} = "…*"')
    pattern, equal = Pattern.of(value.text, value.stars), said.comparator == "="
    return Comparison(
        field=name,
        values=field.values,
        test=lambda text: pattern.matches(text) is equal,
        within=_longest(pattern) if equal else "",
    )


def _on_texts(name: str, field: TextsField[T] | MapField[T], said: Restriction, *, wanted: str) -> Condition[T]:
    if said.comparator != ":":
        kind = "is a map" if isinstance(field, MapField) else "has many values"
        raise FilterError(said.column, f"{name} {kind}; {wanted}")
    text = said.value.text
    if said.value.stars:
        pattern = Pattern.of(text, said.value.stars)
        return Comparison(field=name, values=field.values, test=pattern.matches, within=_longest(pattern))
    return Comparison(
        field=name, values=field.values, test=lambda value: bool(value == text), exact=text, within=text.casefold()
    )


def _on_choices(name: str, field: ChoicesField[T], said: Restriction) -> Condition[T]:
    if said.comparator != ":":
        raise FilterError(said.column, f"{name} has many values; write {name}:{said.value.text[:40]}")
    wanted = literals.choice(said.value, field.choices)
    return Comparison(field=name, values=field.values, test=lambda value: bool(value == wanted), exact=wanted)


def _inside(value: Text) -> tuple[Callable[[str], bool], str]:
    if not value.stars:
        wanted = value.text.casefold()
        return lambda folded: wanted in folded, wanted
    pattern = Pattern.of(value.text, value.stars).anywhere().folded()
    return pattern.matches, _longest(pattern)


def _longest(pattern: Pattern) -> str:
    """Return what a text that fits contains, case-folded; empty when that says nothing."""
    return max(pattern.pieces, key=len).casefold()


def _refuse_order(name: str, said: Restriction) -> None:
    if said.comparator not in {"=", "!=", ":"}:
        raise FilterError(said.column, f"{name} has no order; compare it with = or !=")


def _fields(condition: Condition[T]) -> frozenset[str]:
    match condition:
        case Comparison(field=name) | Presence(field=name):
            return frozenset({name})
        case Neither(part):
            return _fields(part)
        case Every(parts) | Some(parts):
            return frozenset[str]().union(*(_fields(part) for part in parts))
        case Anywhere():
            return frozenset()


def _terms(condition: Condition[T]) -> int:
    match condition:
        case Comparison() | Presence():
            return 1
        case Neither(part):
            return _terms(part)
        case Every(parts) | Some(parts):
            return sum(_terms(part) for part in parts)
        case Anywhere(fields=fields):
            return len(fields)
