"""What identity asks of storage. One suite proves it for memory, SQLite and PostgreSQL (`tests/contract/identity`)."""

import enum
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.store import Recorder

from ringfence_identity.issuer_keys.schedule import IssuerKey
from ringfence_identity.model import AgentIdentity, Revocation, Sponsor
from ringfence_identity.status.bits import SupersededPlace
from ringfence_identity.store.agent_keys import AgentKeyTx
from ringfence_identity.store.delegations import DelegationStore, DelegationTx
from ringfence_identity.store.issuer_keys import IssuerKeyTx
from ringfence_identity.store.sponsorships import SponsorshipTx
from ringfence_identity.store.statuses import StatusStore, StatusTx
from ringfence_identity.store.transparency import LogStore, LogTx
from ringfence_identity.store.trust import TrustStore, TrustTx


class Purpose(enum.Enum):
    """What a one-time value was good for. The values are stored; they never change."""

    CHALLENGE = "challenge"
    ASSERTION = "assertion"
    PEER_CHALLENGE = "peer_challenge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Everything the snapshot holds."""

    identities: tuple[AgentIdentity, ...]
    sponsors: tuple[Sponsor, ...]
    revocations: tuple[Revocation, ...] = ()
    superseded: tuple[SupersededPlace, ...] = ()
    issuer_keys: tuple[IssuerKey, ...] = ()


class IdentityTx(TrustTx, LogTx, DelegationTx, SponsorshipTx, StatusTx, AgentKeyTx, IssuerKeyTx, Recorder, Protocol):
    """Reads and writes of one transaction. Reads see the transaction's own writes; nothing is recorded by itself."""

    def identity(self, did: str) -> AgentIdentity | None:
        """Return the identity with this DID, or None."""
        ...

    def identity_of_agent(self, agent: str, environment: str) -> AgentIdentity | None:
        """Return the identity of the agent called `agent` in `environment`, or None."""
        ...

    def add_identity(self, identity: AgentIdentity) -> None:
        """Store an identity with a new DID and key, of an agent that has none in its environment; raise for another."""
        ...

    def put_identity(self, identity: AgentIdentity) -> None:
        """Store `identity`, in place of the one with its DID. Agent and environment never change for a DID."""
        ...

    def registrar(self, host: str) -> str | None:
        """Return the DID of the registrar on `host`, or None when none was made."""
        ...

    def add_registrar(self, host: str, did: str) -> None:
        """Store the DID of the registrar of a host that has none."""
        ...

    def last_log_line(self, did: str) -> str | None:
        """Return the newest line of the DID's log, or None when it has none."""
        ...

    def log_size(self, did: str) -> int:
        """Return how many characters the DID's log has, the line feed after each line included."""
        ...

    def add_log_line(self, did: str, number: int, line: str) -> None:
        """Append line `number` (1, 2, 3 …) to the DID's log."""
        ...

    def spend(self, purpose: Purpose, key: str, *, until: Instant) -> bool:
        """Use up `key` for `purpose`; False when it was used up before. Remembered at least until `until`."""
        ...

    def forget_spent(self, *, before: Instant, limit: int) -> int:
        """Forget up to `limit` keys that had to be remembered until before `before`; return how many."""
        ...

    def put_revocation(self, revocation: Revocation) -> None:
        """Store `revocation`, in place of the one about its subject."""
        ...

    def forget_revocations(self, *, before: Instant, limit: int) -> int:
        """Forget up to `limit` revocations that had to be remembered until before `before`; return how many."""
        ...


class IdentityStore(TrustStore, LogStore, DelegationStore, StatusStore, Protocol):
    """Reads outside a mutation."""

    async def load(self) -> tuple[Revision, Loaded]:
        """Return what the snapshot holds, and the revision it stands at."""
        ...

    async def log_lines(self, did: str) -> tuple[str, ...]:
        """Return the DID's log, oldest line first; empty when there is none."""
        ...
