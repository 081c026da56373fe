"""What finding asks of others: who sees which namespaces, how far an agent is trusted, and how it did lately.

Each is a role that another package fills. The rules they keep, so that an index over what they say is never stale:

- an answer is about the instant `now` that is handed in, never about the time of the call;
- an answer says until when it holds if nothing more is heard (`until`): trust fades and health is forgotten;
- whoever `follow`s is told at once, on the event loop, each time more was heard of somebody.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant

from ringfence_registry.namespaces.visible import Visible

Followed = Callable[[str], None]
"""Is told of whom more was heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far an agent is trusted at an instant, as identity's stream last said, faded to that instant."""

    score: int
    """0 to 1000."""
    ring: int
    """0 (most) to 3 (least trusted)."""
    active: bool
    """Whether identity holds the agent for active: neither suspended, revoked nor expired."""
    heard_at: Instant
    until: Instant | None = None
    """The first instant at which the answer is another though nothing more is heard; None for never."""


class TrustView(Protocol):
    """What identity's stream last said of agents."""

    @property
    def changes(self) -> int:
        """How often anything was heard, or ceased to be: while that is the same, every answer holds until it ends."""
        ...

    def trust(self, agent: str, did: str, now: Instant) -> Trust | None:
        """Return how far the agent with this name is trusted at `now`, some µs later.

        `did` is what its registration says: of several identities it means that one; empty means the only one. None
        when identity knows none, or says that it is another agent's: a registration borrows nobody's trust.
        """
        ...

    def follow(self, changed: Followed) -> None:
        """Call `changed` with the agent's name each time something is heard of it. Registered before anything is."""
        ...


class Circuit(enum.Enum):
    """The circuit between callers and an agent."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Slo(enum.Enum):
    """Whether an agent keeps its service level objective."""

    MET = "MET"
    AT_RISK = "AT_RISK"
    BREACHED = "BREACHED"


class Order(enum.IntEnum):
    """What the mesh should do about an agent, the mildest first: the numbers of telemetry's `DegradeOrder`."""

    NORMAL = 1
    PREFER_ALTERNATE = 2
    HEDGE = 3
    REDUCE_SCOPE = 4
    SHED = 5
    FAIL_FAST = 6
    ESCALATE_HUMAN = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How an agent did lately, as telemetry's stream last said."""

    circuit: Circuit | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    error_rate: float | None = None
    """0 to 1."""
    calls: int = 0
    """How many calls the figures are about."""
    slo: Slo | None = None
    order: Order | None = None
    """What telemetry asks the mesh to do about it."""
    circuits: tuple[tuple[str, Circuit], ...] = ()
    """Of single skills, by skill, where telemetry knows them."""
    until: Instant | None = None
    """The first instant at which this has aged out and nothing is known any more."""
    judged_until: Instant | None = None
    """The first instant at which nothing is known any more of circuit, objective and order; None for as long as the
    rest."""

    def circuit_of(self, skill: str) -> Circuit | None:
        """Return the circuit of one skill, None where it is not known."""
        return dict(self.circuits).get(skill)


class HealthView(Protocol):
    """What telemetry's stream last said of agents, by `namespaces/{namespace}/agents/{agent}` or DID."""

    def health(self, agent: str, now: Instant) -> Health | None:
        """Return how `agent` did lately; None when telemetry says nothing of it, or what it said has aged out."""
        ...

    def follow(self, changed: Followed) -> None:
        """Call `changed` with the agent's name or DID each time something is heard of it. Registered once."""
        ...


class Visibility(Protocol):
    """Who sees which namespaces."""

    def visible(self, caller: Caller) -> Visible:
        """Return the namespaces the caller sees, as of this moment."""
        ...


class NothingHeard:
    """Trust and health of a registry without neighbours: nothing is known of anybody."""

    changes = 0
    """See `TrustView`."""

    def trust(self, agent: str, did: str, now: Instant) -> Trust | None:  # noqa: ARG002 - the same for everybody
        """See `TrustView`."""
        return None

    def health(self, agent: str, now: Instant) -> Health | None:  # noqa: ARG002 - the same for everybody
        """See `HealthView`."""
        return None

    def follow(self, changed: Followed) -> None:
        """See `TrustView`: there is never anything to tell."""
