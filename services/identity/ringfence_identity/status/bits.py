"""Which certificates are revoked and whose agents are suspended, by their places in the status lists; in memory.

Derived from identities alone, event by event: nothing can revoke or suspend an agent and forget its status.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ringfence_identity.model import AgentIdentity, IdentityStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SupersededPlace:
    """The place of a certificate that was followed by a newer one."""

    environment: str
    pair: int
    index: int


class StatusBits:
    """Answers what a status list must say."""

    def __init__(self, identities: Iterable[AgentIdentity] = (), superseded: Iterable[SupersededPlace] = ()) -> None:
        self._revoked: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        self._suspended: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        self._pairs: defaultdict[str, int] = defaultdict(lambda: 1)
        self._changes: defaultdict[str, int] = defaultdict(int)
        for place in superseded:
            self._revoked[place.environment, place.pair].add(place.index)
        for identity in identities:
            self.put(None, identity)

    def pairs(self, environment: str) -> int:
        """Return how many pairs of lists an environment has; it always has the first."""
        return self._pairs[environment]

    def changes(self, environment: str) -> int:
        """Return a number that differs whenever a list of `environment` may."""
        return self._changes[environment]

    def revoked(self, environment: str, pair: int) -> AbstractSet[int]:
        """Return the indices whose certificates are revoked: superseded, or their agent is revoked."""
        return self._revoked.get((environment, pair), frozenset())

    def suspended(self, environment: str, pair: int) -> AbstractSet[int]:
        """Return the indices of certificates in force whose agents are suspended."""
        return self._suspended.get((environment, pair), frozenset())

    def put(self, before: AgentIdentity | None, after: AgentIdentity) -> None:
        """Take what an identity became; `before` is what it was, None for a new one."""
        if before is not None and _same_standing(before, after):
            return
        if before is not None and before.status_place != after.status_place:
            self._set(before, revoked=True, suspended=False)
        self._set(
            after,
            revoked=after.status is IdentityStatus.REVOKED,
            suspended=after.status is IdentityStatus.SUSPENDED,
        )
        self._changes[after.environment] += 1

    def _set(self, identity: AgentIdentity, *, revoked: bool, suspended: bool) -> None:
        place = identity.status_place
        if place is None:
            return
        name = (identity.environment, place.pair)
        self._pairs[identity.environment] = max(self._pairs[identity.environment], place.pair)
        if revoked:
            self._revoked[name].add(place.index)
        if suspended:
            self._suspended[name].add(place.index)
        else:
            self._suspended[name].discard(place.index)


def _same_standing(before: AgentIdentity, after: AgentIdentity) -> bool:
    return (before.status, before.status_place) == (after.status, after.status_place)
