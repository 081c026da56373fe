"""Every text of a card, names of members included: what the scanners look through.

Most cards have nothing to find, so the texts come without their places at first. A scanner looks at `Texts.joined`, all
texts in one, and goes through them one by one, each with the way to it, only when something is there.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from ringfence_registry.cards.strict_json import JsonPath, JsonValue

_LARGEST_EXACT = 2**53


class CardText(NamedTuple):
    """One text of a card."""

    path: JsonPath
    """To the value; for the name of a member, to the object that has it."""
    text: str
    is_name: bool = False

    @property
    def member(self) -> str | int:
        """The name of the member whose value this is; in a list, the place in it."""
        return self.path[1] if self.path else ""


class Texts:
    """All texts of a card but its signatures, which are random by nature, and judged elsewhere."""

    def __init__(self, document: dict[str, JsonValue]) -> None:
        self._card: dict[str, JsonValue] = {name: each for name, each in document.items() if name != "signatures"}
        self.values: list[str] = []
        self.names: list[str] = []
        self.members: list[tuple[str, str]] = []
        """Those whose value is a text."""
        self._numbers_are_exact = True
        self._names_are_distinct = True
        self._collect(self._card)
        self.joined = "\n".join([*self.values, *self.names])

    def __iter__(self) -> Iterator[CardText]:
        """Yield every text with its place, in document order."""
        return iter(self._placed)

    def inexact(self) -> Iterator[JsonPath]:
        """Yield the ways to integers that no double holds exactly (RFC 7493 2.2)."""
        if not self._numbers_are_exact:
            yield from (path for path, value in _walk(self._card) if isinstance(value, int) and not _is_exact(value))

    def told_apart_by_case(self) -> Iterator[JsonPath]:
        """Yield the ways to members whose name is that of one before them but for its case."""
        if self._names_are_distinct:
            return
        for path, value in _walk(self._card):
            if isinstance(value, dict):
                uses = Counter[str]()
                for name in value:
                    uses[name.lower()] += 1
                    if uses[name.lower()] > 1:
                        yield path, name

    @cached_property
    def _placed(self) -> list[CardText]:
        placed: list[CardText] = []
        for path, value in _walk(self._card):
            if isinstance(value, str):
                placed.append(CardText(path, value))
            elif isinstance(value, dict):
                placed.extend([CardText(path, name, is_name=True) for name in value])
        return placed

    def _collect(self, value: JsonValue) -> None:
        # No deeper than a card may nest.
        if isinstance(value, dict):
            self.names += value
            self._names_are_distinct &= len({name.lower() for name in value}) == len(value)
            for name, member in value.items():
                if isinstance(member, str):
                    self.members.append((name, member))
                    self.values.append(member)
                else:
                    self._collect(member)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, str):
                    self.values.append(each)
                else:
                    self._collect(each)
        elif isinstance(value, int) and not _is_exact(value):
            self._numbers_are_exact = False


def _walk(card: dict[str, JsonValue]) -> Iterator[tuple[JsonPath, JsonValue]]:
    pending: list[tuple[JsonPath, JsonValue]] = [((), card)]
    while pending:
        path, value = pending.pop()
        yield path, value
        if isinstance(value, dict):
            pending.extend([((path, name), member) for name, member in reversed(value.items())])
        elif isinstance(value, list):
            pending.extend([((path, index), value[index]) for index in range(len(value) - 1, -1, -1)])


def _is_exact(number: int) -> bool:
    return -_LARGEST_EXACT <= number <= _LARGEST_EXACT
