"""YAML to a tree that remembers where everything stood, with nothing of YAML that surprises or explodes.

Anchors, aliases, tags and duplicate keys are refused, so a file says what it seems to say and is as large as it looks.
Scalars stay texts: what a field takes is decided where the field is read, so `no` is never silently
false.

A large bundle is some hundred thousand nodes, made while decisions wait for their turn. So nodes are structs, which
take a sixth of the time of frozen dataclasses and are no business of the garbage collector's: a tree has no cycles.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec
import yaml

from ringfence_pdp.breathing import nothing_more

DEPTH_MAX = 20
NODES_MAX = 200_000
"""Nodes in one file; a file of 1 MiB has fewer unless it is nothing but punctuation."""


class Mark(msgspec.Struct, frozen=True, order=True, gc=False):
    """A place in a file. Lines and columns count from one."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class Scalar(msgspec.Struct, frozen=True, gc=False):
    """A text, whatever it looks like."""

    mark: Mark
    text: str
    quoted: bool = False
    """Whether it was written in quotes, or as a block: it is a text then, even where JSON is read."""


class Sequence(msgspec.Struct, frozen=True, gc=False):
    """A list."""

    mark: Mark
    items: "tuple[Node, ...]"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A key and its value."""

    key: str
    mark: Mark
    value: "Node"


class Mapping(msgspec.Struct, frozen=True, gc=False):
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
        return tuple(_Reader(_LOADER(text).get_event, breathe).documents())
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(1, 1) if place is None else Mark(place.line + 1, place.column + 1)
        raise YamlInvalid(mark, f"this is not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        raise YamlInvalid(Mark(1, 1), f"this is not YAML: {error.reason} at character {error.position}") from error


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Reader:
    """Builds nodes from the parser's events; depth and number are bounded while reading."""

    def __init__(self, following: Callable[[], Any], breathe: Callable[[], None]) -> None:
        """`following` returns the next event, and None after the last."""
        self._next = following
        self._breathe = breathe
        self._nodes = 0

    def documents(self) -> Iterator[Node]:
        while (event := self._next()) is not None:
            if type(event) is yaml.DocumentStartEvent:
                yield self._node(self._next(), 1)

    def _node(self, event: Any, depth: int) -> Node:
        self._breathe()
        self._nodes += 1
        start = event.start_mark
        mark = Mark(start.line + 1, start.column + 1)
        kind = type(event)
        if kind is yaml.AliasEvent or event.anchor is not None:
            raise YamlInvalid(mark, "anchors and aliases are not allowed in a policy", "write the value out")
        if event.tag is not None:
            raise YamlInvalid(mark, f"the tag {event.tag} is not allowed in a policy")
        if depth > DEPTH_MAX or self._nodes > NODES_MAX:
            raise YamlInvalid(mark, "the file is nested too deeply or has too many values", "split it")
        if kind is yaml.ScalarEvent:
            return Scalar(mark, event.value, bool(event.style))
        if kind is yaml.SequenceStartEvent:
            return Sequence(mark, tuple(self._items(depth + 1)))
        return Mapping(mark, tuple(self._entries(depth + 1)))

    def _items(self, depth: int) -> list[Node]:
        items: list[Node] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            items.append(self._node(event, depth))
        return items

    def _entries(self, depth: int) -> list[Entry]:
        entries: list[Entry] = []
        seen: set[str] = set()
        while type(event := self._next()) is not yaml.MappingEndEvent:
            key = self._node(event, depth)
            if type(key) is not Scalar:
                raise YamlInvalid(key.mark, "a key has to be a text")
            if key.text in seen:
                raise YamlInvalid(key.mark, f"the key {key.text!r} is there twice", "keep one of the two")
            seen.add(key.text)
            entries.append(Entry(key.text, key.mark, self._node(self._next(), depth)))
        return entries
