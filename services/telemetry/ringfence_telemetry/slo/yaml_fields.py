"""YAML documents as fields that know their line and path, with nothing of YAML that surprises or explodes.

Anchors, aliases, tags and keys that are there twice are refused; scalars stay texts, so `1.0` and `no` are what was
written.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from ringfence_kit.errors import Violation

DEPTH_MAX = 20
FIELDS_MAX = 50_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FieldsUnreadable(Exception):  # noqa: N818 - named for what happened, like the failures of the kit
    """The bytes are no such documents."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Field:
    """A value, and where it stands."""

    line: int
    path: str
    value: "str | tuple[Field, ...] | dict[str, Field]"

    def get(self, key: str) -> "Field | None":
        """Return the field beneath `key`; None when there is none, or this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def at(self, *keys: str) -> "Field | None":
        """Return the field a way of keys leads to, or None."""
        found: Field | None = self
        for key in keys:
            found = None if found is None else found.get(key)
        return found

    def items(self) -> "tuple[Field, ...]":
        """Return the entries of a list; of anything else none."""
        return self.value if isinstance(self.value, tuple) else ()

    def keys(self) -> Iterator[tuple[str, "Field"]]:
        """Yield what a mapping holds; of anything else nothing."""
        if isinstance(self.value, dict):
            yield from self.value.items()

    @property
    def text(self) -> str:
        """The text; empty when this is a list or a mapping."""
        return self.value if isinstance(self.value, str) else ""

    def wrong(self, problem: str) -> Violation:
        """Return what is wrong with it, with its line."""
        return Violation(self.path or "document", f"line {self.line}: {problem}")


def read_fields(content: bytes) -> tuple[Field, ...]:
    """Return the root of each document. Raises FieldsUnreadable at the first thing that is wrong."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FieldsUnreadable(content[: error.start].count(b"\n") + 1, "this is not UTF-8") from error
    try:
        return tuple(_Reader(yaml.parse(text, Loader=_LOADER)).documents())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FieldsUnreadable(
            1 if mark is None else mark.line + 1, f"this is not YAML: {error.problem or error.context}"
        ) from error
    except yaml.reader.ReaderError as error:
        raise FieldsUnreadable(1, f"this is not YAML: {error.reason} at character {error.position}") from error


class _Reader:
    """Builds fields from the parser's events; depth and number are bounded while reading."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._fields = 0

    def documents(self) -> Iterator[Field]:
        """Yield the roots; an empty document is no document."""
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                root = self._field(next(self._events), "", 1)
                if root.value:
                    yield root

    def _field(self, event: yaml.Event, path: str, depth: int) -> Field:
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        self._fields += 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise FieldsUnreadable(line, "anchors and aliases are not read; write the value out")
        if getattr(event, "tag", None) is not None:
            raise FieldsUnreadable(line, "tags are not read")
        if depth > DEPTH_MAX or self._fields > FIELDS_MAX:
            raise FieldsUnreadable(line, "this is nested too deeply, or holds too many values; split it")
        if isinstance(event, yaml.ScalarEvent):
            return Field(line, path, event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return Field(line, path, tuple(self._list(path, depth)))
        return Field(line, path, self._mapping(path, depth))

    def _list(self, path: str, depth: int) -> Iterator[Field]:
        number = 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._field(event, f"{path}[{number}]", depth + 1)
            number += 1

    def _mapping(self, path: str, depth: int) -> dict[str, Field]:
        found: dict[str, Field] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._field(event, path, depth + 1)
            if not isinstance(key.value, str):
                raise FieldsUnreadable(key.line, "a key has to be a text")
            if key.value in found:
                raise FieldsUnreadable(key.line, f"the key {key.value!r} is there twice")
            beneath = f"{path}.{key.value}" if path else key.value
            found[key.value] = self._field(next(self._events), beneath, depth + 1)
        return found
