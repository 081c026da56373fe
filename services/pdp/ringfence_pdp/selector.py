"""Selectors: a name, or the beginning of one followed by `*`.

`*` stands only at the end, so what a selector covers is found by looking up the name's own beginnings: no scan, no
regular expression, and no spelling that looks like a rule and never fires.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

ANYTHING = "*"


def covers(selector: str, name: str) -> bool:
    """Say whether the selector names `name`. `view:*` does not cover `view`."""
    return name.startswith(selector[:-1]) if selector.endswith("*") else name == selector


def overlap(selector: str, other: str) -> bool:
    """Say whether some name is covered by both."""
    if selector.endswith("*") and other.endswith("*"):
        return selector[:-1].startswith(other[:-1]) or other[:-1].startswith(selector[:-1])
    return covers(selector, other) or covers(other, selector)


class SelectorTable(Generic[T]):
    """Values by selector, found by name in as many look-ups as there are different lengths of prefix."""

    __slots__ = ("_anything", "_exact", "_lengths", "_prefixes")

    def __init__(self, entries: Iterable[tuple[str, T]] = ()) -> None:
        self._anything: list[T] = []
        self._exact: dict[str, T] = {}
        self._prefixes: dict[str, T] = {}
        self._lengths: tuple[int, ...] = ()
        for selector, value in entries:
            self.put(selector, value)

    def put(self, selector: str, value: T) -> None:
        """Set the value of one selector."""
        if selector == ANYTHING:
            self._anything = [value]
        elif selector.endswith("*"):
            self._prefixes[selector[:-1]] = value
            self._lengths = tuple(sorted({*self._lengths, len(selector) - 1}))
        else:
            self._exact[selector] = value

    def at(self, selector: str, make: Callable[[], T]) -> T:
        """Return the value of one selector, made now when it had none."""
        if selector == ANYTHING:
            found = next(iter(self._anything), None)
        else:
            found = self._prefixes.get(selector[:-1]) if selector.endswith("*") else self._exact.get(selector)
        if found is None:
            found = make()
            self.put(selector, found)
        return found

    def values(self) -> list[T]:
        """Return the values of all selectors."""
        return [*self._anything, *self._exact.values(), *self._prefixes.values()]

    def covering(self, name: str) -> list[T]:
        """Return the values of all selectors that cover `name`; the list is not to be changed."""
        exact = self._exact.get(name)
        if exact is None and not self._lengths:
            return self._anything
        found = self._anything.copy()
        if exact is not None:
            found.append(exact)
        for length in self._lengths:
            if length > len(name):
                break
            value = self._prefixes.get(name[:length])
            if value is not None:
                found.append(value)
        return found
