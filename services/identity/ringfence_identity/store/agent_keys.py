"""What replacing keys asks of storage: every public key that was ever an agent's, and when it was good."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedKey:
    """A public key, whose it is or was, and when its signatures count. A key is never anybody else's."""

    key: str
    """`z6Mk…`."""
    did: str
    since: Instant
    """When it came into force."""
    until: Instant | None = None
    """When another took its place; None while it is in force."""
    compromised_since: Instant | None = None
    """Since when it is in other hands; None while nobody said so."""

    def good_at(self, at: Instant) -> bool:
        """Say whether a signature made at `at` counts."""
        ended = self.until is not None and at >= self.until
        lost = self.compromised_since is not None and at >= self.compromised_since
        return self.since <= at and not ended and not lost


class AgentKeyTx(Protocol):
    """The part of `IdentityTx` that is about agents' keys."""

    def key_is_used(self, key: str) -> bool:
        """Say whether the public key `key` was ever any agent's, of any environment and status."""
        ...

    def keys_of(self, did: str) -> Sequence[UsedKey]:
        """Return every key the DID has had, in the order in which they were added."""
        ...

    def add_key(self, key: UsedKey) -> None:
        """Store a key that was never used before."""
        ...

    def put_key(self, key: UsedKey) -> None:
        """Store what has become of a key that was added."""
        ...
