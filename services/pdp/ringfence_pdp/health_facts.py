"""How agents do, as telemetry judges them: what conditions may ask about the agent that is called.

What was judged holds until telemetry says it does; after that, and of whomever it never spoke, nothing is known, and a
condition that asks finds nothing (`has()` is false): a policy says by itself what that means to it, nobody is denied by
accident.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ringfence_kit.clock import Instant

ORDERS = ("normal", "prefer_alternate", "hedge", "reduce_scope", "shed", "fail_fast", "escalate_human")
"""What the mesh should do about an agent, the mildest first: the words for telemetry's `DegradeOrder`, from 1 on."""
CIRCUITS = ("closed", "half_open", "open")
SLO_STATES = ("no_data", "met", "at_risk", "burning", "breached")


class AgentHealth(NamedTuple):
    """What telemetry said of one agent; what is None it did not say."""

    agent: str
    """By DID or name, as telemetry calls it."""
    until: Instant
    """When it holds no more."""
    circuit: str | None = None
    slo: str | None = None
    order: str | None = None
    budget_left: float | None = None
    """Share of its error budget; below 0 when more than all is used."""

    @property
    def rank(self) -> int:
        """How grave the order is, 0 when there is none."""
        return 0 if self.order is None else ORDERS.index(self.order)


UNHEARD = AgentHealth("", Instant(0))
"""Nothing is known."""

HealthView = dict[str, AgentHealth]
"""By what telemetry calls each agent."""


def health_of(known: Mapping[str, AgentHealth], names: tuple[str, ...], now: Instant) -> AgentHealth:
    """Return what holds of an agent under any of its names, the gravest; nothing when none does."""
    said = [health for name in names if (health := known.get(name)) is not None and now < health.until]
    return max(said, key=lambda health: health.rank, default=UNHEARD)
