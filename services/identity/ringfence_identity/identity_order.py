"""Identities in the order they are listed in: by agent name, then environment, found from any place in that order.

The agents of a namespace stand together, since their names begin alike. An identity never leaves: the revoked are
listed as well.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """Where an identity stands: its agent's name and its environment, which together are never another's."""

    agent: str
    environment: str


FIRST = Place("", "")
"""Before every identity."""


class IdentityOrder:
    """Every place that is taken, in order."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._places = sorted(places)

    def add(self, place: Place) -> None:
        """Take in a place; one that is there already is not taken twice."""
        index = bisect_left(self._places, place)
        if index == len(self._places) or self._places[index] != place:
            insort(self._places, place)

    def after(self, place: Place, namespaces: Sequence[str] | None = None) -> Iterator[Place]:
        """Yield the places after `place`, of the agents of `namespaces` (ids) or, for None, of all. Read it at once."""
        for begin, end in self._runs(namespaces):
            for index in range(max(begin, bisect_right(self._places, place)), end):
                yield self._places[index]

    def _runs(self, namespaces: Sequence[str] | None) -> Iterator[tuple[int, int]]:
        if namespaces is None:
            yield 0, len(self._places)
            return
        # Sorted as the names are, in which a namespace's "/" comes after another's "-".
        for prefix in sorted(f"namespaces/{namespace}/agents/" for namespace in namespaces):
            beyond = prefix[:-1] + chr(ord(prefix[-1]) + 1)
            yield bisect_left(self._places, Place(prefix, "")), bisect_left(self._places, Place(beyond, ""))
