"""What may be filtered: a table from field names to how each is read from a resource and compared.

A service writes one table per resource. Every field has values, none or one or many, and a comparison matches a
resource when one of them passes. Values of fields that are `indexed` are filed, so that a comparison looks at each
distinct value once, or at none; the values of the others are looked at resource by resource.
"""

import difflib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from ringfence_kit.clock import Instant

from ringfence_registry.finding.filtering.errors import FilterError, quoted

T = TypeVar("T")

Value: TypeAlias = Hashable
"""Of a text field the text, of a flag True or False, of a number or time a number, of a map a key, of a group True."""


class Term(NamedTuple):
    """One value of one field: what an index files a resource under."""

    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class TextField(Generic[T]):
    """One text; empty means unset."""

    read: Callable[[T], str]
    indexed: bool = False
    searched: bool = False
    """Whether a bare word is looked for here."""

    def values(self, resource: T) -> tuple[str, ...]:
        """Return what the field holds."""
        text = self.read(resource)
        return (text,) if text else ()


@dataclass(frozen=True, slots=True)
class TextsField(Generic[T]):
    """Any number of texts, also those of a repeated message: `skills.tags` reads the tags of all skills."""

    read: Callable[[T], Iterable[str]]
    indexed: bool = False
    searched: bool = False

    def values(self, resource: T) -> tuple[str, ...]:
        """Return what the field holds."""
        return tuple(self.read(resource))


@dataclass(frozen=True, slots=True)
class ChoiceField(Generic[T]):
    """One of a few names (an enum), or not said."""

    choices: tuple[str, ...]
    read: Callable[[T], str]
    indexed: bool = True

    def values(self, resource: T) -> tuple[str, ...]:
        """Return what the field holds."""
        name = self.read(resource)
        return (name,) if name else ()


@dataclass(frozen=True, slots=True)
class ChoicesField(Generic[T]):
    """Any number of a few names (a repeated enum)."""

    choices: tuple[str, ...]
    read: Callable[[T], Iterable[str]]
    indexed: bool = True

    def values(self, resource: T) -> tuple[str, ...]:
        """Return what the field holds."""
        return tuple(self.read(resource))


@dataclass(frozen=True, slots=True)
class FlagField(Generic[T]):
    """True, false, or not said."""

    read: Callable[[T], bool | None]
    indexed: bool = True

    def values(self, resource: T) -> tuple[bool, ...]:
        """Return what the field holds."""
        flag = self.read(resource)
        return () if flag is None else (flag,)


@dataclass(frozen=True, slots=True)
class NumberField(Generic[T]):
    """A whole or fractional number, or not said."""

    read: Callable[[T], float | None]
    indexed: bool = False

    def values(self, resource: T) -> tuple[float, ...]:
        """Return what the field holds."""
        number = self.read(resource)
        return () if number is None else (number,)


@dataclass(frozen=True, slots=True)
class TimeField(Generic[T]):
    """An instant, or not yet."""

    read: Callable[[T], Instant | None]
    indexed: bool = False

    def values(self, resource: T) -> tuple[Instant, ...]:
        """Return what the field holds."""
        instant = self.read(resource)
        return () if instant is None else (instant,)


@dataclass(frozen=True, slots=True)
class MapField(Generic[T]):
    """Texts under keys the caller chooses. The keys are its values; what is under one is a field of its own."""

    read: Callable[[T], Mapping[str, str]]
    indexed: bool = False

    def values(self, resource: T) -> tuple[str, ...]:
        """Return the keys."""
        return tuple(self.read(resource))


@dataclass(frozen=True, slots=True)
class GroupField(Generic[T]):
    """A message or a list of messages, of which only `:*` (is there any?) can be asked."""

    read: Callable[[T], bool]
    indexed: bool = True

    def values(self, resource: T) -> tuple[bool, ...]:
        """Return True when there is any."""
        return (True,) if self.read(resource) else ()


Field: TypeAlias = (
    TextField[T]
    | TextsField[T]
    | ChoiceField[T]
    | ChoicesField[T]
    | FlagField[T]
    | NumberField[T]
    | TimeField[T]
    | MapField[T]
    | GroupField[T]
)


class FieldTable(Generic[T]):
    """The fields of one resource by their dotted names; other spellings lead to the same field."""

    def __init__(self, fields: Mapping[str, Field[T]], aliases: Mapping[str, str] | None = None) -> None:
        self.fields: Mapping[str, Field[T]] = dict(fields)
        self._aliases = dict(aliases or {})
        self.searched: Mapping[str, TextField[T] | TextsField[T]] = {
            name: field
            for name, field in fields.items()
            if isinstance(field, TextField | TextsField) and field.searched
        }
        self._indexed = tuple((name, field) for name, field in fields.items() if field.indexed)

    def resolve(self, path: tuple[str, ...], column: int) -> tuple[str, Field[T]]:
        """Return the field that `path` names, with its canonical name; one value of a map is a text of its own."""
        dotted = ".".join(path)
        name = self._aliases.get(dotted, dotted)
        if name in self.fields:
            return name, self.fields[name]
        parent = self.fields.get(path[0])
        if isinstance(parent, MapField) and len(path) > 1:
            return name, _value_in(parent, ".".join(path[1:]))
        raise FilterError(column, self._unknown(dotted))

    def terms_of(self, resource: T) -> Iterator[Term]:
        """Yield the terms of every indexed field; a term may come twice."""
        for name, field in self._indexed:
            for value in field.values(resource):
                yield Term(name, value)
            if isinstance(field, MapField):
                for key, text in field.read(resource).items():
                    if text:
                        yield Term(f"{name}.{key}", text)

    def _unknown(self, dotted: str) -> str:
        close = difflib.get_close_matches(dotted[:64], self.fields, n=3)
        advice = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(sorted(self.fields))}"
        return f"unknown field {quoted(dotted)}; {advice}"


def _value_in(field: MapField[T], key: str) -> TextField[T]:
    return TextField(lambda resource: field.read(resource).get(key, ""), indexed=field.indexed)
