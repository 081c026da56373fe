"""Identity in memory, with the contract of the SQL store: for the contract suite and for tests of use cases."""

from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.memory import MemoryRows, MemoryTable

from ringfence_identity.model import AgentIdentity, Revocation
from ringfence_identity.store import Loaded, Purpose
from ringfence_identity.store_memory.agent_keys import MemoryAgentKeys
from ringfence_identity.store_memory.delegations import MemoryDelegations, MemoryDelegationStore
from ringfence_identity.store_memory.issuer_keys import MemoryIssuerKeys, every_issuer_key
from ringfence_identity.store_memory.sponsorships import IDENTITIES, SPONSORS, MemorySponsorships
from ringfence_identity.store_memory.statuses import MemoryStatusStore, MemoryStatusTx, superseded
from ringfence_identity.store_memory.transparency import MemoryLogStore, MemoryLogTx
from ringfence_identity.store_memory.trust import MemoryTrustStore, MemoryTrustTx

REGISTRARS: MemoryTable[str, str] = MemoryTable("registrars")
DID_LOG: MemoryTable[tuple[str, int], str] = MemoryTable("did_log")
SPENT: MemoryTable[tuple[str, str], Instant] = MemoryTable("spent")
REVOCATIONS: MemoryTable[tuple[str, str, str], Revocation] = MemoryTable("revocations")


class MemoryIdentityTx(
    MemoryTrustTx, MemoryLogTx, MemoryDelegations, MemorySponsorships, MemoryStatusTx, MemoryAgentKeys, MemoryIssuerKeys
):
    """An `IdentityTx` on rows in memory; each method's contract stands there."""

    def identity(self, did: str) -> AgentIdentity | None:
        """See `IdentityTx`."""
        return self.rows.table(IDENTITIES).get(did)

    def identity_of_agent(self, agent: str, environment: str) -> AgentIdentity | None:
        """See `IdentityTx`."""
        known = self.rows.table(IDENTITIES).values()
        return next((one for one in known if (one.agent, one.environment) == (agent, environment)), None)

    def add_identity(self, identity: AgentIdentity) -> None:
        """See `IdentityTx`."""
        known = self.rows.table(IDENTITIES)
        taken = {one.key for one in known.values()}
        if (
            identity.did in known
            or identity.key in taken
            or self.identity_of_agent(identity.agent, identity.environment)
        ):
            raise KeyError(identity.did)
        known[identity.did] = identity

    def put_identity(self, identity: AgentIdentity) -> None:
        """See `IdentityTx`."""
        self.rows.table(IDENTITIES)[identity.did] = identity

    def registrar(self, host: str) -> str | None:
        """See `IdentityTx`."""
        return self.rows.table(REGISTRARS).get(host)

    def add_registrar(self, host: str, did: str) -> None:
        """See `IdentityTx`."""
        self.rows.table(REGISTRARS)[host] = did

    def last_log_line(self, did: str) -> str | None:
        """See `IdentityTx`."""
        lines = _log_lines(self.rows, did)
        return lines[-1] if lines else None

    def log_size(self, did: str) -> int:
        """See `IdentityTx`."""
        return sum(len(line) + 1 for line in _log_lines(self.rows, did))

    def add_log_line(self, did: str, number: int, line: str) -> None:
        """See `IdentityTx`."""
        self.rows.table(DID_LOG)[did, number] = line

    def spend(self, purpose: Purpose, key: str, *, until: Instant) -> bool:
        """See `IdentityTx`."""
        known = self.rows.table(SPENT)
        if (purpose.value, key) in known:
            return False
        known[purpose.value, key] = until
        return True

    def forget_spent(self, *, before: Instant, limit: int) -> int:
        """See `IdentityTx`."""
        known = self.rows.table(SPENT)
        old = sorted((until, key) for key, until in known.items() if until < before)[:limit]
        for _, key in old:
            del known[key]
        return len(old)

    def put_revocation(self, revocation: Revocation) -> None:
        """See `IdentityTx`."""
        key = (revocation.environment, revocation.kind.value, revocation.subject)
        self.rows.table(REVOCATIONS)[key] = revocation

    def forget_revocations(self, *, before: Instant, limit: int) -> int:
        """See `IdentityTx`."""
        known = self.rows.table(REVOCATIONS)
        expired = [(one.forget_at, key) for key, one in known.items() if one.forget_at is not None]
        old = sorted((until, key) for until, key in expired if until < before)[:limit]
        for _, key in old:
            del known[key]
        return len(old)


class MemoryIdentityStore(MemoryTrustStore, MemoryLogStore, MemoryDelegationStore, MemoryStatusStore):
    """An `IdentityStore` on a database in memory."""

    async def load(self) -> tuple[Revision, Loaded]:
        """See `IdentityStore`."""
        return await self._database.load(_load)

    async def log_lines(self, did: str) -> tuple[str, ...]:
        """See `IdentityStore`."""
        return await self._database.read(lambda rows: _log_lines(rows, did))


def _log_lines(rows: MemoryRows, did: str) -> tuple[str, ...]:
    lines = sorted((key, line) for key, line in rows.table(DID_LOG).items() if key[0] == did)
    return tuple(line for _, line in lines)


def _load(rows: MemoryRows) -> Loaded:
    return Loaded(
        identities=tuple(identity for _, identity in sorted(rows.table(IDENTITIES).items())),
        sponsors=tuple(sponsor for _, sponsor in sorted(rows.table(SPONSORS).items())),
        revocations=tuple(revocation for _, revocation in sorted(rows.table(REVOCATIONS).items())),
        superseded=superseded(rows),
        issuer_keys=every_issuer_key(rows),
    )
