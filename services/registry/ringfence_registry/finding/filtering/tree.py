"""What a filter says, before anybody asked whether its fields exist."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """A value as written. Without quotes it may also be read as a number, a choice or true and false."""

    text: str
    column: int
    quoted: bool = False
    stars: tuple[int, ...] = ()
    """Where in `text` a star stands for any characters."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """`path comparator value`: `labels.team = "data"` has the path ("labels", "team")."""

    path: tuple[str, ...]
    comparator: str
    value: Text
    column: int


@dataclass(frozen=True, slots=True)
class Bare:
    """A text standing alone: it is looked for in whatever the table of fields says is searched."""

    value: Text


@dataclass(frozen=True, slots=True)
class Not:
    """Matches what `term` does not match."""

    term: "Node"


@dataclass(frozen=True, slots=True)
class Both:
    """Matches what every one of `terms` matches."""

    terms: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """Matches what at least one of `terms` matches."""

    terms: "tuple[Node, ...]"


Node: TypeAlias = Restriction | Bare | Not | Both | Either
