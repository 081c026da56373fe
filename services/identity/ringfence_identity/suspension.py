"""Suspension: an identity that may not be used until a person has looked; and the end of that, reinstatement.

- who suspends is asked for a reason, and the cause stands beside it; the rules of the way back follow the cause;
- a confirmed incident and a compromise are lifted by the platform alone, never by whoever owns the agent;
- what is wrong with the agent is judged as it stands then, not by the cause it was suspended for: a key in other hands
  must be replaced in the same call, and somebody must answer for the agent;
- both directions raise the revocation epoch: nothing that was issued before is good after.
"""

from dataclasses import dataclass, replace

from ringfence.proofs.public_keys import PublicKey
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, NotPermitted, Violation
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import owned_environment
from ringfence_identity.environments import Environments
from ringfence_identity.errors import (
    AgentExpired,
    AgentNotSuspended,
    AgentSuspended,
    NewKeyRequired,
    SponsorOffboarded,
)
from ringfence_identity.issuance import Registrar
from ringfence_identity.key_succession import NewKey, key_in_force, require_succession, succeed
from ringfence_identity.model import AgentIdentity, IdentityStatus, Suspension, SuspensionCause
from ringfence_identity.registrars import Registrars
from ringfence_identity.revocation_record import end_permission
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standing import changeable
from ringfence_identity.store import IdentityTx
from ringfence_identity.trust.ledger import without_ring_zero

FOR_THE_PLATFORM = frozenset({SuspensionCause.INCIDENT, SuspensionCause.COMPROMISE})
"""Suspensions that only a platform-admin ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend:
    """Which identity to suspend, and why."""

    did: str
    reason: str
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstate:
    """Which identity is good again, what was found and done, and the key that replaces a lost one."""

    did: str
    reason: str
    replacement: NewKey | None = None
    etag: str = ""


class Suspensions:
    """Suspends and reinstates identities."""

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

    async def suspend(self, wanted: Suspend, *, caller: Caller, mutation: Mutation) -> AgentIdentity:
        """Suspend an identity in good standing and return it."""
        self._owned(wanted.did, caller, action=f"suspend {wanted.did}")

        def work(tx: IdentityTx) -> AgentIdentity:
            before = changeable(tx.identity(wanted.did), wanted.did, etag=wanted.etag)
            if before.suspension is not None:
                raise AgentSuspended(did=before.did, cause=before.suspension.cause.value)
            suspension = Suspension(cause=SuspensionCause.OPERATOR, reason=wanted.reason, at=mutation.at)
            after = suspended(before, suspension, revision=tx.next_revision)
            end_permission(tx, after, reason=wanted.reason, at=mutation.at)
            return after

        return await self._writer.write(work, mutation=mutation, result=AgentIdentity)

    async def reinstate(self, wanted: Reinstate, *, caller: Caller, mutation: Mutation) -> AgentIdentity:
        """End a suspension and return the identity."""
        registrar = self._owned(wanted.did, caller, action=f"reinstate {wanted.did}")

        def work(tx: IdentityTx) -> AgentIdentity:
            before = changeable(tx.identity(wanted.did), wanted.did, etag=wanted.etag)
            _require_liftable(before, caller, now=mutation.at)
            _require_sponsor(tx, before)
            key = _replacement(tx, before, wanted.replacement)
            current = before if key is None else succeed(tx, registrar, before, key=key, at=mutation.at)
            after = replace(
                current,
                status=IdentityStatus.ACTIVE,
                suspension=None,
                revocation_epoch=before.revocation_epoch + 1,
                updated_at=mutation.at,
                revision=tx.next_revision,
            )
            end_permission(tx, after, reason=wanted.reason, at=mutation.at)
            return after

        return await self._writer.write(work, mutation=mutation, result=AgentIdentity)

    def _owned(self, did: str, caller: Caller, *, action: str) -> Registrar:
        known = self._snapshot.identity(did)
        return self._registrars.of(owned_environment(self._environments, did, known, caller=caller, action=action))


def suspended(identity: AgentIdentity, suspension: Suspension, *, revision: int) -> AgentIdentity:
    """Return `identity`, suspended at the time of `suspension`, with a new epoch."""
    return replace(
        identity,
        status=IdentityStatus.SUSPENDED,
        suspension=suspension,
        trust=without_ring_zero(identity.trust),
        revocation_epoch=identity.revocation_epoch + 1,
        updated_at=suspension.at,
        revision=revision,
    )


def _require_liftable(identity: AgentIdentity, caller: Caller, *, now: Instant) -> None:
    if identity.expires_at is not None and identity.expired(now):
        raise AgentExpired(did=identity.did, expired_at=identity.expires_at)
    if identity.status is not IdentityStatus.SUSPENDED:
        raise AgentNotSuspended(did=identity.did)
    # A release that did not write causes down yet suspended for confirmed incidents only.
    cause = SuspensionCause.INCIDENT if identity.suspension is None else identity.suspension.cause
    if cause in FOR_THE_PLATFORM and not caller.has(Role.PLATFORM_ADMIN):
        action = f"reinstate {identity.did}, suspended for {cause.value}"
        raise NotPermitted(principal=caller.principal, action=action, needed="platform-admin")


def _require_sponsor(tx: IdentityTx, identity: AgentIdentity) -> None:
    sponsor = tx.sponsor(identity.content.sponsor)
    if sponsor is None or sponsor.offboarded_at is not None:
        raise SponsorOffboarded(sponsor=identity.content.sponsor)


def _replacement(tx: IdentityTx, identity: AgentIdentity, wanted: NewKey | None) -> PublicKey | None:
    """Return the key to go on with when the one there is in other hands, and None when it is not."""
    lost = key_in_force(tx.keys_of(identity.did), identity).compromised_since is not None
    if not lost and wanted is not None:
        problem = "the key was not reported as compromised; report that, or let the agent rotate its key"
        raise InvalidRequest(Violation("replacement", problem))
    if lost and wanted is None:
        raise NewKeyRequired(did=identity.did)
    return None if wanted is None else require_succession(tx, identity, wanted)
