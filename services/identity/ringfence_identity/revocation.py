"""Revocation: the end of an identity, for good and everywhere within a second.

One transaction ends the tokens (a new revocation epoch), the DID (its log is closed) and tells the watchers.
"""

from dataclasses import dataclass, replace

from ringfence.proofs.did_log import LogEntry
from ringfence.proofs.did_log_check import stored_entry
from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.errors import EtagMismatch
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import environment_of_did, require_owner_of
from ringfence_identity.did_log import deactivate_log
from ringfence_identity.environments import Environments
from ringfence_identity.errors import AgentNotFound, AgentRevoked
from ringfence_identity.issuance import Registrar
from ringfence_identity.model import IDENTITY, AgentIdentity, IdentityStatus
from ringfence_identity.registrars import Registrars
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.store import IdentityTx


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Which identity to revoke, and why."""

    did: str
    reason: str
    etag: str = ""


class Revocation:
    """Revokes identities."""

    def __init__(
        self,
        *,
        environments: Environments,
        registrars: Registrars,
        snapshot: IdentitySnapshot,
        writer: Writer[IdentityTx],
    ) -> None:
        self._environments = environments
        self._registrars = registrars
        self._snapshot = snapshot
        self._writer = writer

    async def revoke(self, wanted: Revoke, *, caller: Caller, mutation: Mutation) -> AgentIdentity:
        """Revoke one identity and return it."""
        registrar = self._registrars.of(environment_of_did(self._environments, wanted.did))
        known = self._snapshot.identity(wanted.did)
        require_owner_of(caller, known.agent if known else None, action=f"revoke {wanted.did}")

        def work(tx: IdentityTx) -> AgentIdentity:
            before = tx.identity(wanted.did)
            if before is None:
                raise AgentNotFound(agent=wanted.did, environment=registrar.environment.name)
            if before.status is IdentityStatus.REVOKED:
                raise AgentRevoked(did=before.did)
            if wanted.etag and wanted.etag != before.etag:
                raise EtagMismatch(name=before.did, expected=wanted.etag, current=before.etag)
            last = _close_log(tx, registrar, before, mutation)
            after = replace(
                before,
                status=IdentityStatus.REVOKED,
                did_version_id=last.version_id,
                revocation_epoch=before.revocation_epoch + 1,
                revocation_reason=wanted.reason,
                updated_at=mutation.at,
                revoked_at=mutation.at,
                revision=tx.next_revision,
            )
            tx.put_identity(after)
            tx.record(Change.MODIFIED, IDENTITY, after.did, records.encode(after))
            return after

        return await self._writer.write(work, mutation=mutation, result=AgentIdentity)


def _close_log(tx: IdentityTx, registrar: Registrar, identity: AgentIdentity, mutation: Mutation) -> LogEntry:
    newest = stored_entry(tx.last_log_line(identity.did) or "")
    key = registrar.keys.updates.key(identity.uid, newest.number + 1)
    last = deactivate_log(newest, key=key, now=mutation.at)
    tx.add_log_line(identity.did, last.number, last.line)
    return last
