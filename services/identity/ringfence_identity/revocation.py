"""Revocation: the end of an identity, for good and everywhere within a second.

One transaction ends the tokens (a new revocation epoch), every delegation grant by the agent and to it, and the DID
(its log is closed), and tells the watchers.
"""

from dataclasses import dataclass, replace

from ringfence.proofs.did_log_check import stored_entry
from ringfence_kit.callers import Caller
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import owned_environment
from ringfence_identity.delegation.cascade import end_grants_of
from ringfence_identity.did_log import deactivate_log
from ringfence_identity.environments import Environments
from ringfence_identity.issuance import Registrar
from ringfence_identity.key_succession import has_history
from ringfence_identity.model import AgentIdentity, IdentityStatus
from ringfence_identity.registrars import Registrars
from ringfence_identity.revocation_record import end_permission
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standing import changeable
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
        known = self._snapshot.identity(wanted.did)
        action = f"revoke {wanted.did}"
        environment = owned_environment(self._environments, wanted.did, known, caller=caller, action=action)
        registrar = self._registrars.of(environment)

        def work(tx: IdentityTx) -> AgentIdentity:
            before = changeable(tx.identity(wanted.did), wanted.did, etag=wanted.etag)
            after = replace(
                before,
                status=IdentityStatus.REVOKED,
                suspension=None,
                did_version_id=_close_log(tx, registrar, before, mutation),
                revocation_epoch=before.revocation_epoch + 1,
                revocation_reason=wanted.reason,
                updated_at=mutation.at,
                revoked_at=mutation.at,
                revision=tx.next_revision,
            )
            end_permission(tx, after, reason=wanted.reason, at=mutation.at)
            end_grants_of(tx, after.did, reason=wanted.reason, at=mutation.at)
            return after

        return await self._writer.write(work, mutation=mutation, result=AgentIdentity)


def _close_log(tx: IdentityTx, registrar: Registrar, identity: AgentIdentity, mutation: Mutation) -> str:
    """End the history of a DID and return its last version; a did:key has none and is merely not used any more."""
    if not has_history(identity):
        return identity.did_version_id
    newest = stored_entry(tx.last_log_line(identity.did) or "")
    key = registrar.keys.updates.key(identity.uid, newest.number + 1)
    last = deactivate_log(newest, key=key, now=mutation.at)
    tx.add_log_line(identity.did, last.number, last.line)
    return last.version_id
