"""What is stored of agents, by slot: their records packed, their leases, and those decoded that were looked at last.

- Whatever is stored of an agent changes its `version`, so that what was made of it is known to be out of date.
- A lease is not part of the record; an agent is read with the lease it has now.
"""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from ringfence_kit import records

from ringfence_registry.finding.packing import Packing
from ringfence_registry.model import Agent, AgentOutline, Lease
from ringfence_registry.recorded import digest_of
from ringfence_registry.store import AgentRow

_DECODED = 4_096
"""Agents kept decoded, those looked at last."""

Stored = tuple[bytes, Lease | None]
"""A packed record, and the lease beside it."""


class AgentRecords:
    """The records and leases of agents."""

    def __init__(self) -> None:
        self._packing = Packing()
        self._records: list[bytes] = []
        self._digests: list[bytes] = []
        self._sizes = array("I")
        self._leases: dict[int, Lease] = {}
        self._decoded: OrderedDict[int, Agent] = OrderedDict()
        self._versions: dict[int, int] = {}

    def load(self, rows: Sequence[AgentRow]) -> None:
        """Take the records of the slots that follow, in the first filling."""
        stored = [row.record for row in rows]
        self._packing.learn(stored)
        self._records.extend(map(self._packing.pack, stored))
        self._digests.extend(row.digest for row in rows)
        self._sizes.extend(map(len, stored))

    def held(self) -> tuple[list[bytes], list[bytes], "array[int]", bytes]:
        """Return records, digests, sizes and the dictionary of the packing, as they stand."""
        return list(self._records), list(self._digests), self._sizes[:], self._packing.dictionary

    def restore(self, packed: list[bytes], digests: list[bytes], sizes: "array[int]", dictionary: bytes) -> None:
        """Take what `held` returned, in place of the first filling."""
        self._records, self._digests, self._sizes = packed, digests, sizes
        self._packing.restore(dictionary)

    def put(self, slot: int, agent: Agent, record: bytes) -> None:
        """Store `record`, which is that of `agent`; a lease it had is over."""
        while len(self._records) <= slot:
            self._records.append(b"")
            self._digests.append(b"")
            self._sizes.append(0)
        self._packing.learn([record])
        self._records[slot] = self._packing.pack(record)
        self._digests[slot] = digest_of(record)
        self._sizes[slot] = len(record)
        self._leases.pop(slot, None)
        self._outdate(slot)
        self._keep_decoded(slot, agent)

    def forget(self, slot: int) -> None:
        """Store nothing in that slot any more."""
        self._records[slot] = b""
        self._digests[slot] = b""
        self._leases.pop(slot, None)
        self._outdate(slot)

    def load_lease(self, slot: int, lease: Lease) -> None:
        """Take a lease in the first filling, of an agent that was loaded with it."""
        self._leases[slot] = lease

    def renew(self, slot: int, lease: Lease) -> None:
        """Take a lease that was renewed."""
        self._leases[slot] = lease
        self._outdate(slot)

    def digest(self, slot: int) -> bytes:
        """Return the digest of the record, as it is stored."""
        return self._digests[slot]

    def size(self, slot: int) -> int:
        """Return the size of the record, unpacked."""
        return self._sizes[slot]

    def version(self, slot: int) -> int:
        """Return a number that is another whenever the agent in that slot, or its lease, is another than before."""
        return self._versions.get(slot, 0)

    def agent(self, slot: int) -> Agent:
        """Return the agent in that slot."""
        agent = self._decoded.get(slot)
        if agent is None:
            agent = self.read(self.stored(slot))
            self._keep_decoded(slot, agent)
        return agent

    def as_recorded(self, slot: int) -> Agent:
        """Return the agent in that slot as its record says it, without the lease beside it."""
        return self.read((self._records[slot], None))

    def stored(self, slot: int) -> Stored:
        """Return what is stored in that slot: it stays what it was, whatever happens until it is read."""
        return self._records[slot], self._leases.get(slot)

    def read(self, stored: Stored) -> Agent:
        """Return the agent of which that is stored."""
        record, lease = stored
        agent = records.decode(self._packing.unpack(record), Agent)
        return agent if lease is None else replace(agent, lease_expires_at=lease.expires_at, lease_expired=False)

    def outline(self, stored: Stored) -> AgentOutline:
        """Return the outline of the agent of which that is stored: a third of the time that reading all of it takes."""
        return records.decode(self._packing.unpack(stored[0]), AgentOutline)

    def _outdate(self, slot: int) -> None:
        self._decoded.pop(slot, None)
        self._versions[slot] = self._versions.get(slot, 0) + 1

    def _keep_decoded(self, slot: int, agent: Agent) -> None:
        self._decoded[slot] = agent
        if len(self._decoded) > _DECODED:
            self._decoded.popitem(last=False)
