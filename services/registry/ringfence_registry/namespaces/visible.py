"""The namespaces one caller sees: a value, made once for a call and asked as often as needed.

What is hidden is left out of lists, searches, facets, totals and watches as if it had never been there; naming it is
refused before anybody looks whether it exists.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.callers import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """The namespaces called `listed`, or every namespace but those."""

    listed: frozenset[str] = frozenset()
    """Ids."""
    all_others: bool = False
    """Whether `listed` are those that are hidden, and every other one, used or not, is seen."""

    def sees(self, namespace: str) -> bool:
        """Say whether the namespace with this id is seen."""
        return (namespace in self.listed) is not self.all_others

    @property
    def everything(self) -> bool:
        """Whether nothing is hidden."""
        return self.all_others and not self.listed

    def among(self, namespaces: Iterable[str]) -> list[str]:
        """Return those of `namespaces` that are seen, in their order."""
        return [namespace for namespace in namespaces if self.sees(namespace)]


EVERYTHING = Visible(all_others=True)
"""What who oversees everything sees."""


class VisibilityReader(Protocol):
    """Knows who sees what, as of this moment."""

    def visible(self, caller: Caller) -> Visible:
        """Return what `caller` sees. Some dictionary look-ups; the answer is of the moment, so it is not kept."""
        ...

    def published(self) -> Visible:
        """Return what everybody sees, who does not say who they are included: the namespaces that are PUBLIC."""
        ...
