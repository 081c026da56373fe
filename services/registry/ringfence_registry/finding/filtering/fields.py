"""What may be filtered: a table from field names to how each is read from a resource and compared.

A service writes one table per resource. A field that is `indexed` also gives the terms under which `terms_of` files a
resource, so that a filter which needs a term is answered from an index instead of a scan.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from ringfence_kit.clock import Instant

from ringfence_registry.finding.filtering.errors import FilterError, quoted

T = TypeVar("T")


class Term(NamedTuple):
    """One exact value of one field: what an index files a resource under."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class TextField(Generic[T]):
    """One text; empty means unset."""

    read: Callable[[T], str]
    indexed: bool = False
    searched: bool = False
    """Whether a bare word is looked for here."""


@dataclass(frozen=True, slots=True)
class TextsField(Generic[T]):
    """Any number of texts, also those of a repeated message: `skills.tags` reads the tags of all skills."""

    read: Callable[[T], Iterable[str]]
    indexed: bool = False
    searched: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceField(Generic[T]):
    """One of a few names (an enum)."""

    choices: tuple[str, ...]
    read: Callable[[T], str]
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class FlagField(Generic[T]):
    """True, false, or not said."""

    read: Callable[[T], bool | None]


@dataclass(frozen=True, slots=True)
class NumberField(Generic[T]):
    """A whole or fractional number, or not said."""

    read: Callable[[T], float | None]


@dataclass(frozen=True, slots=True)
class TimeField(Generic[T]):
    """An instant, or not yet."""

    read: Callable[[T], Instant | None]


@dataclass(frozen=True, slots=True)
class MapField(Generic[T]):
    """Texts under keys the caller chooses."""

    read: Callable[[T], Mapping[str, str]]
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class GroupField(Generic[T]):
    """A message or a list of messages, of which only `:*` (is there any?) can be asked."""

    read: Callable[[T], bool]


Field: TypeAlias = (
    TextField[T]
    | TextsField[T]
    | ChoiceField[T]
    | FlagField[T]
    | NumberField[T]
    | TimeField[T]
    | MapField[T]
    | GroupField[T]
)


class FieldTable(Generic[T]):
    """The fields of one resource by their dotted names; other spellings lead to the same field."""

    def __init__(self, fields: Mapping[str, Field[T]], aliases: Mapping[str, str] | None = None) -> None:
        self._fields = dict(fields)
        self._aliases = dict(aliases or {})
        self.searched = tuple(
            field for field in fields.values() if isinstance(field, TextField | TextsField) and field.searched
        )
        self._indexed = tuple(
            read_terms for name, field in fields.items() if (read_terms := _term_reader(name, field)) is not None
        )

    def resolve(self, path: tuple[str, ...], column: int) -> tuple[str, Field[T]]:
        """Return the field that `path` names, with its canonical name; one value of a map is a text of its own."""
        dotted = ".".join(path)
        name = self._aliases.get(dotted, dotted)
        if name in self._fields:
            return name, self._fields[name]
        parent = self._fields.get(path[0])
        if isinstance(parent, MapField) and len(path) > 1:
            return name, _value_in(parent, ".".join(path[1:]))
        raise FilterError(column, self._unknown(dotted))

    def terms_of(self, resource: T) -> Iterator[Term]:
        """Yield the terms of every indexed field; a term may come twice."""
        for read_terms in self._indexed:
            yield from read_terms(resource)

    def _unknown(self, dotted: str) -> str:
        close = difflib.get_close_matches(dotted[:64], self._fields, n=3)
        advice = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(sorted(self._fields))}"
        return f"unknown field {quoted(dotted)}; {advice}"


def _term_reader(name: str, field: Field[T]) -> Callable[[T], Iterable[Term]] | None:
    match field:
        case TextField(read=read_text, indexed=True) | ChoiceField(read=read_text, indexed=True):
            return lambda resource: (Term(name, value),) if (value := read_text(resource)) else ()
        case TextsField(read=read_texts, indexed=True):
            return lambda resource: [Term(name, value) for value in read_texts(resource)]
        case MapField(read=read_map, indexed=True):
            return lambda resource: [Term(f"{name}.{key}", value) for key, value in read_map(resource).items()]
        case _:
            return None


def _value_in(field: MapField[T], key: str) -> TextField[T]:
    return TextField(lambda resource: field.read(resource).get(key, ""), indexed=field.indexed)
