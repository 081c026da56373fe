"""Who, beside its own people and who oversees everything, sees what is in a namespace.

Audiences are ordered: one is within another when everybody it lets see is let see by the other too. That order is what
"wider" means wherever it says that an owner may not show a namespace to more people than a platform-admin allowed.
"""

import enum
from collections.abc import Set as AbstractSet
from dataclasses import dataclass


class Visibility(enum.Enum):
    """Who sees what is in a namespace, the fewest first."""

    PRIVATE = "PRIVATE"
    """Its own owners and agents, and who oversees everything."""
    ENTITLED = "ENTITLED"
    """Those, and callers of the entitled namespaces."""
    PUBLIC = "PUBLIC"
    """Every caller, and the HTTP face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """A visibility, with the namespaces that it means."""

    visibility: Visibility
    entitled: frozenset[str] = frozenset()
    """Ids of the namespaces whose callers see it too, while it is ENTITLED; kept, and without effect, otherwise."""

    def admits(self, own: AbstractSet[str]) -> bool:
        """Say whether a caller at home in the namespaces `own` belongs to it."""
        match self.visibility:
            case Visibility.PUBLIC:
                return True
            case Visibility.ENTITLED:
                return not self.entitled.isdisjoint(own)
            case Visibility.PRIVATE:
                return False

    def within(self, other: "Audience") -> bool:
        """Say whether whoever belongs to this one belongs to `other`."""
        if other.visibility is Visibility.PUBLIC:
            return True
        return self.visibility is not Visibility.PUBLIC and self.guests <= other.guests

    @property
    def guests(self) -> frozenset[str]:
        """The namespaces it lets in by name."""
        return self.entitled if self.visibility is Visibility.ENTITLED else frozenset()


NOBODY_ELSE = Audience(visibility=Visibility.PRIVATE)
