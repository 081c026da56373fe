"""JSON Pointers (RFC 6901) into the arguments of a call, and what is said of the places they name.

What is said of a place holds for everything below it, until something is said of a place further down. `*` stands for
any one member or item; a place that is named exactly comes before it.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Generic, TypeVar

from ringfence_pdp.filters.masking import masked

T = TypeVar("T")

ANY: Final = "*"


def below(pointer: str, name: str) -> str:
    """Return the pointer of the member or item `name` of what is at `pointer`."""
    if "~" in name or "/" in name:
        name = name.replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{name}"


def tokens_of(pointer: str) -> Sequence[str]:
    """Return the names a pointer consists of."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def shown(pointer: str) -> str:
    """Return a pointer as it may be told: names of members are the agent's choice, and may be secrets."""
    if pointer.count("/") == 1 and len(pointer) < _SHORT:
        return pointer
    # Name by name: a long way down, slashes and places in lists look as random as a key does.
    return "/".join(masked(name) if len(name) >= _SHORT else name for name in pointer.split("/"))


_SHORT: Final = 16
"""No secret that can be told by its looks is shorter."""


class _Place(Generic[T]):
    __slots__ = ("inner", "said")

    def __init__(self) -> None:
        self.said: T | None = None
        self.inner: dict[str, _Place[T]] = {}


class Said(Generic[T]):
    """What is said at one place while arguments are walked: the places that fit, and what holds so far."""

    __slots__ = ("_places", "value")

    def __init__(self, places: Sequence[_Place[T]], value: T | None) -> None:
        self._places = places
        self.value = value
        """None while nothing is said."""

    @classmethod
    def of(cls, by_pointer: Mapping[str, T]) -> "Said[T]":
        """Return what is said of the whole, to go down from."""
        root: _Place[T] = _Place()
        for pointer, value in by_pointer.items():
            place = root
            for token in tokens_of(pointer):
                place = place.inner.setdefault(token, _Place())
            place.said = value
        return cls([root] if by_pointer else [], root.said)

    def at(self, name: str) -> "Said[T]":
        """Return what is said one step further down."""
        if not self._places:
            return self
        fitting = [found for place in self._places for key in (name, ANY) if (found := place.inner.get(key))]
        value = next((place.said for place in fitting if place.said is not None), self.value)
        return Said(fitting, value)
