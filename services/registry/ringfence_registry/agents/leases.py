"""Whether an agent is alive: computed from when its lease ends and the present, no state changed.

- An agent without a lease is never taken for dead: nothing is known, and nothing is held against it.
- A lease ends at its instant, not after it.
- A clock that was set back brings nobody back to life: a lease whose end was told stays ended until the next renewal,
  and one that would last longer than any may is not believed.
"""

from ringfence_kit.clock import DAY, SECOND, Instant, Millis

from ringfence_registry.model import Agent, Liveness

LEASE_MIN = Millis(60 * SECOND)
LEASE_MAX = Millis(7 * DAY)
LEASE_DEFAULT = Millis(DAY)


def lease_ended(expires_at: Instant, now: Instant) -> bool:
    """Say whether a lease until `expires_at` is over at `now`, or cannot be believed."""
    return now >= expires_at or expires_at - now > LEASE_MAX


def liveness_at(agent: Agent, now: Instant) -> Liveness:
    """Return whether `agent` is alive at `now`."""
    if agent.lease_expires_at is None:
        return Liveness.NO_LEASE
    over = agent.lease_expired or lease_ended(agent.lease_expires_at, now)
    return Liveness.EXPIRED if over else Liveness.LEASED
