"""Leases as they are renewed and run out.

- A renewal is durable and writes one number; watchers hear of an agent when it comes to life or dies, not in between.
- An end is told within a second by the registry's clock, by a sweep that looks at what is due. It is decided inside the
  transaction on the lease as it is stored, so a renewal that was faster wins, and of several replicas one tells.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import structlog
from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.errors import NotPermitted, Unavailable
from ringfence_kit.events import Change, Event
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.agents.changes import existing
from ringfence_registry.agents.leases import LEASE_MAX, lease_ended, liveness_at
from ringfence_registry.agents.lifecycle import require_changeable
from ringfence_registry.agents.surroundings import Identities
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import AGENT, LEASE, Agent, AgentState, Lease, Liveness
from ringfence_registry.store import AgentTx

SWEEP_EVERY = Millis(SECOND // 2)
SWEPT_AT_ONCE = 128
"""How many ends are told before others get their turn."""

BY_ITSELF = "service:registry"
"""Who tells of an end, in the history."""

_log = structlog.get_logger(__name__)


class Leases:
    """Renews leases."""

    def __init__(self, writer: Writer[AgentTx], catalog: AgentCatalog, identities: Identities) -> None:
        self._writer = writer
        self._catalog = catalog
        self._identities = identities

    async def renew_lease(self, name: AgentName, ttl: Millis, *, caller: Caller, mutation: Mutation) -> Lease:
        """Let the agent be alive for another `ttl` from now. The last word counts, a shorter one too.

        Raises `NotPermitted`, `AgentNotFound`, `AgentRetired`.
        """
        self._require_speaker(caller, name, mutation.at)

        def work(tx: AgentTx) -> Lease:
            agent = existing(tx, name)
            require_changeable(agent)
            return _renewed(tx, agent, Instant(mutation.at + ttl), mutation.at)

        return await self._writer.write(work, mutation=mutation, result=Lease)

    def _require_speaker(self, caller: Caller, name: AgentName, now: Instant) -> None:
        if caller.has(Role.SERVICE) or caller.owns(name.namespace) or caller.speaks_for(str(name)):
            return
        did = self._did_spoken_for(caller, name)
        # Which DID is whose, identity says; what the agent's owner noted counts only while identity does not know.
        known = self._identities.identity(did, now) if did else None
        if did and (known is None or known.agent == name):
            return
        known = self._identities.identity(caller.principal, now) if caller.has(Role.AGENT) else None
        if known is not None and known.agent == name:
            return
        raise NotPermitted(
            principal=caller.principal,
            action=f"renew the lease of {name}",
            needed=f"to be that agent, its gateway, a service, or namespace-owner of {name.namespace}",
        )

    def _did_spoken_for(self, caller: Caller, name: AgentName) -> str:
        agent = self._catalog.agent(str(name))
        did = "" if agent is None else agent.spec.did
        return did if did and caller.speaks_for(did) else ""


class DueLeases:
    """Which leases run out when, in memory; changed by nothing but events."""

    def __init__(self) -> None:
        self._ends: dict[str, Instant] = {}
        self._order: list[tuple[Instant, str]] = []
        self._looked_at = Instant(0)

    def fill(self, agents: Iterable[Agent]) -> None:
        """Take what the store was loaded with. Once, first."""
        for agent in agents:
            if agent.lease_expires_at is not None and not agent.lease_expired:
                self.expect(str(agent.name), agent.lease_expires_at)

    def apply(self, event: Event) -> None:
        """Take one committed event."""
        if event.kind == LEASE:
            lease = records.decode(event.record, Lease)
            self.expect(lease.agent, lease.expires_at)
        elif event.kind == AGENT and event.change is Change.DELETED:
            self._ends.pop(event.name, None)

    def expect(self, agent: str, end: Instant) -> None:
        """Know that the lease of `agent` runs until `end`, and no other time."""
        self._ends[agent] = end
        heapq.heappush(self._order, (end, agent))

    def due(self, now: Instant) -> Sequence[str]:
        """Return the agents whose lease is over at `now`, each once, the first over first."""
        due = []
        while self._order and self._order[0][0] <= now:
            end, agent = heapq.heappop(self._order)
            if self._ends.get(agent) == end:
                del self._ends[agent]
                due.append(agent)
        if now < self._looked_at:  # a clock set back: some leases may be longer now than any may be
            due += [agent for agent, end in self._ends.items() if end - now > LEASE_MAX]
        self._looked_at = now
        return due


class LeaseSweep:
    """Tells of ends, until cancelled."""

    def __init__(self, writer: Writer[AgentTx], due: DueLeases, clock: Clock) -> None:
        self._writer = writer
        self._due = due
        self._clock = clock

    async def run(self) -> None:
        """Sweep for as long as the service runs."""
        while True:
            await self._clock.sleep(SWEEP_EVERY)
            await self.sweep(self._clock.now())

    async def sweep(self, now: Instant) -> None:
        """Tell of every lease that is over at `now`."""
        due = self._due.due(now)
        for start in range(0, len(due), SWEPT_AT_ONCE):
            await asyncio.gather(*(self._tell(agent, now) for agent in due[start : start + SWEPT_AT_ONCE]))

    async def _tell(self, agent: str, now: Instant) -> None:
        name = AgentName.parse(agent)
        if name is None:
            return
        try:
            await self._writer.write(_ending(name, now), mutation=Mutation(principal=BY_ITSELF, at=now), result=bool)
        except Unavailable as error:
            self._due.expect(agent, now)  # and is tried again at the next sweep
            _log.warning("lease_end_not_told", agent=agent, problem=error.message)


def _renewed(tx: AgentTx, agent: Agent, expires_at: Instant, now: Instant) -> Lease:
    comes_to_life = liveness_at(agent, now) is not Liveness.LEASED
    lease = Lease(agent=str(agent.name), uid=agent.uid, expires_at=expires_at)
    if comes_to_life:
        alive = replace(agent, lease_expires_at=expires_at, lease_expired=False)
        tx.record(Change.MODIFIED, AGENT, lease.agent, tx.put(alive))
    else:
        tx.put_lease(agent.name, expires_at)
    tx.record(Change.MODIFIED, LEASE, lease.agent, records.encode(lease))
    return lease


def _ending(name: AgentName, now: Instant) -> Callable[[AgentTx], bool]:
    def work(tx: AgentTx) -> bool:
        agent = tx.agent(name)
        if agent is None or agent.deleted or agent.state is AgentState.RETIRED:
            return False
        if agent.lease_expires_at is None or agent.lease_expired or not lease_ended(agent.lease_expires_at, now):
            return False
        dead = replace(agent, lease_expired=True)
        tx.record(Change.MODIFIED, AGENT, str(name), tx.put(dead))
        return True

    return work
