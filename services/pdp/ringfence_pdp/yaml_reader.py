"""YAML to a tree that remembers where everything stood, with nothing of YAML that surprises or explodes.

Anchors, aliases, tags and duplicate keys are refused, so a file says what it seems to say and is as large as it looks.
Scalars stay texts: what a field takes is decided where the field is read, so `no` is never silently
false.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from ringfence_pdp.breathing import nothing_more

DEPTH_MAX = 20
NODES_MAX = 200_000
"""Nodes in one file; a file of 1 MiB has fewer unless it is nothing but punctuation."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file. Lines and columns count from one."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, whatever it looks like."""

    mark: Mark
    text: str
    quoted: bool = False
    """Whether it was written in quotes, or as a block: it is a text then, even where JSON is read."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    mark: Mark
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value."""

    key: str
    mark: Mark
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping; its keys are distinct texts."""

    mark: Mark
    entries: tuple[Entry, ...]


Node: TypeAlias = Scalar | Sequence | Mapping


class YamlInvalid(Exception):  # noqa: N818 - named for what happened
    """A file that cannot be read."""

    def __init__(self, mark: Mark, problem: str, remedy: str = "") -> None:
        super().__init__(f"{mark}: {problem}" + (f"; {remedy}" if remedy else ""))
        self.mark = mark
        self.problem = problem
        self.remedy = remedy


def read(content: bytes, breathe: Callable[[], None] = nothing_more) -> tuple[Node, ...]:
    """Return the root of each document of a file; raise YamlInvalid at the first thing that is wrong."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        raise YamlInvalid(Mark(before.count(b"\n") + 1, 1), "this is not UTF-8") from error
    try:
        return tuple(_Reader(yaml.parse(text, Loader=_LOADER), breathe).documents())
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(1, 1) if place is None else Mark(place.line + 1, place.column + 1)
        raise YamlInvalid(mark, f"this is not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        raise YamlInvalid(Mark(1, 1), f"this is not YAML: {error.reason} at character {error.position}") from error


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Reader:
    """Builds nodes from the parser's events; depth and number are bounded while reading."""

    def __init__(self, events: Iterator[yaml.Event], breathe: Callable[[], None]) -> None:
        self._events = events
        self._breathe = breathe
        self._nodes = 0

    def documents(self) -> Iterator[Node]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                yield self._node(next(self._events), 1)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self._breathe()
        mark = _mark(event)
        self._nodes += 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise YamlInvalid(mark, "anchors and aliases are not allowed in a policy", "write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise YamlInvalid(mark, f"the tag {tag} is not allowed in a policy")
        if depth > DEPTH_MAX or self._nodes > NODES_MAX:
            raise YamlInvalid(mark, "the file is nested too deeply or has too many values", "split it")
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(mark, event.value, quoted=bool(event.style))
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(mark, tuple(self._items(depth)))
        return Mapping(mark, tuple(self._entries(depth)))

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[Entry]:
        seen: set[str] = set()
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar):
                raise YamlInvalid(key.mark, "a key has to be a text")
            if key.text in seen:
                raise YamlInvalid(key.mark, f"the key {key.text!r} is there twice", "keep one of the two")
            seen.add(key.text)
            yield Entry(key.text, key.mark, self._node(next(self._events), depth + 1))


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    return Mark(1, 1) if start is None else Mark(start.line + 1, start.column + 1)
