"""What identity keeps of a delegation grant it has seen: what was granted, what was spent of it, and when it ended."""

from dataclasses import dataclass

from ringfence.proofs.delegation_grant import NAME_PREFIX, Budget
from ringfence_kit.clock import Instant

DELEGATION = "delegation"
"""The kind of a grant's events; they are named `delegations/{hash}`."""


NOTHING = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenGrant:
    """A grant as it was first shown here, once its whole chain held. It never changes."""

    environment: str
    hashes: tuple[str, ...]
    """The grants of its chain, the first one first and itself last."""
    agents: tuple[str, ...]
    """DIDs, from whom the chain begins with to whom this grant is made; one more than `hashes`."""
    namespaces: tuple[str, ...]
    """Those of these agents, each once."""
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    tools: dict[str, str]
    limit: Budget
    issued_at: Instant
    not_before: Instant
    expires_at: Instant
    seen_at: Instant

    @property
    def name(self) -> str:
        """`delegations/{hash}`."""
        return NAME_PREFIX + self.hashes[-1]

    @property
    def ancestors(self) -> tuple[str, ...]:
        """The names of the grants above it, the first of the chain first."""
        return tuple(NAME_PREFIX + above for above in self.hashes[:-1])

    @property
    def delegator(self) -> str:
        """The DID of who hands authority on."""
        return self.agents[-2]

    @property
    def delegatee(self) -> str:
        """The DID of who receives it."""
        return self.agents[-1]

    @property
    def path(self) -> str:
        """The hashes of its chain in one text: whatever is below this grant has a path that starts with it."""
        return "/".join(self.hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """A seen grant as it stands."""

    grant: SeenGrant
    spent: Budget = NOTHING
    """By itself and by all below it."""
    revoked_at: Instant | None = None
    """When it, or one above it, was revoked."""
    revocation_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Onlooker:
    """Whose grants may be seen: everybody's, or those an agent or the agents of some namespaces are part of."""

    everything: bool = False
    did: str = ""
    namespaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A grant's place in the order of listing: by when it was seen, and what was seen at once by path."""

    seen_at: Instant
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationQuery:
    """Which grants to list, oldest first."""

    environment: str
    onlooker: Onlooker
    delegator: str = ""
    delegatee: str = ""
    holding_at: Instant | None = None
    """Only those neither revoked nor expired at this moment; None means those as well."""
    after: Position | None = None
    limit: int
