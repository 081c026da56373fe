"""What agents' lives depend on and others know: tools, boundaries, identities.

Each is a role that another package fills, asked for the moment `now` and answered from memory in a few microseconds.
What nobody knows is `None` or empty, and counts as lacking.
"""

from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName

from ringfence_registry.model import Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFacts:
    """What approvals and gates ask of a tool."""

    name: str
    schema_hash: str
    """Of its present schema."""
    enabled: bool
    trusted: bool
    """Whether every external system it reaches is trusted and enabled at that moment; true when it reaches none."""
    changes: bool = False
    """Whether a call changes something, reversibly or not."""
    irreversible: bool = False
    """Whether a call changes what cannot be changed back."""
    data_classes: tuple[str, ...] = ()
    """Its own, and those of the external systems it reaches."""
    until: Instant | None = None
    """The first instant at which it is not trusted any more though nothing changes; None for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundaryFacts:
    """What gates ask of a boundary."""

    name: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFacts:
    """What gates ask of an identity."""

    did: str
    agent: AgentName
    environment: str
    active: bool
    """Whether identity holds it for active: neither suspended, revoked nor expired at that moment."""


class Tools(Protocol):
    """Knows every tool of the mesh."""

    @property
    def changes(self) -> int:
        """How much has changed: while that is the same, so is every answer, until the instant it names itself."""
        ...

    def tool(self, name: str, now: Instant, /) -> ToolFacts | None:
        """Return what is known of the tool agents call `name`, None when there is none."""
        ...


class Boundaries(Protocol):
    """Knows who is in which boundary."""

    @property
    def changes(self) -> int:
        """How much has changed: while that is the same, so is every answer."""
        ...

    def boundaries_of(self, agent: Agent, /) -> tuple[BoundaryFacts, ...]:
        """Return the boundaries `agent` is in, by name; those that are disabled too."""
        ...


class Identities(Protocol):
    """Knows what identity's stream last said."""

    def identity(self, did: str, now: Instant, /) -> IdentityFacts | None:
        """Return what is known of the identity with this DID, None when identity never named it."""
        ...

    def identity_in(self, agent: AgentName, environment: str, now: Instant, /) -> IdentityFacts | None:
        """Return the identity of the agent called `agent` in `environment`, None when it has none there."""
        ...


class NothingKnown:
    """Surroundings of which nothing is known: no tool, no boundary, no identity."""

    changes = 0
    """See `Tools`."""

    def tool(self, _name: str, _now: Instant, /) -> ToolFacts | None:
        """See `Tools`."""
        return None

    def boundaries_of(self, _agent: Agent, /) -> tuple[BoundaryFacts, ...]:
        """See `Boundaries`."""
        return ()

    def identity(self, _did: str, _now: Instant, /) -> IdentityFacts | None:
        """See `Identities`."""
        return None

    def identity_in(self, _agent: AgentName, _environment: str, _now: Instant, /) -> IdentityFacts | None:
        """See `Identities`."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All three, for who asks them together."""

    tools: Tools
    boundaries: Boundaries
    identities: Identities
