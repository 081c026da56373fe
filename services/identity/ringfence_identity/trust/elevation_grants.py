"""Elevation: leave for a chain that begins with one agent to be judged at a better ring, for one thing and for a time.

- signed by the environment's registrar, checked by `ringfence.proofs.elevation`, which needs nothing of ours;
- nobody elevates an agent they answer for, as far as the accounts of sponsors and callers can be compared;
- a grant is told to nobody: who is to use it is given it. Its end is told by WatchRevocations, like every other end,
  and remembered until the grant would have expired by itself.
"""

from dataclasses import dataclass, replace

from ringfence.proofs.elevation import LONGEST_ELEVATION, ElevationGrant, sign_elevation
from ringfence.proofs.timestamps import whole_second
from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.events import Change
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import reachable
from ringfence_identity.accounts import Accounts
from ringfence_identity.environments import Environments
from ringfence_identity.errors import ElevationNotFound
from ringfence_identity.issuance import Registrar
from ringfence_identity.model import ELEVATION, AgentIdentity, Elevation, Revocation, RevocationKind
from ringfence_identity.registrars import Registrars
from ringfence_identity.revocation_record import record_revocation
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standing import changeable, require_usable
from ringfence_identity.store import IdentityTx
from ringfence_identity.trust.ring_grants import require_disinterested


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantElevation:
    """What is to be granted."""

    origin: str
    action: str
    resource: str
    ring: int
    approvals: int
    expires_at: Instant
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeElevation:
    """Which grant is to end, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A grant, and its compact JWS."""

    elevation: Elevation
    grant: str


class ElevationGrants:
    """Grants elevation and ends it. That the caller may approve stands in the grants table."""

    def __init__(
        self,
        *,
        environments: Environments,
        registrars: Registrars,
        snapshot: IdentitySnapshot,
        accounts: Accounts,
        writer: Writer[IdentityTx],
        new_id: NewId,
    ) -> None:
        self._environments = environments
        self._registrars = registrars
        self._snapshot = snapshot
        self._accounts = accounts
        self._writer = writer
        self._new_id = new_id

    async def grant(self, wanted: GrantElevation, *, caller: Caller, mutation: Mutation) -> Granted:
        """Store an elevation grant and sign it."""
        action = f"elevate {wanted.origin}"
        known = self._snapshot.identity(wanted.origin)
        origin = reachable(self._environments, wanted.origin, known, caller=caller, action=action)
        registrar = self._registrars.of(self._environments.get(origin.environment))
        name = f"elevations/{self._new_id()}"

        def work(tx: IdentityTx) -> Elevation:
            now = changeable(tx.identity(wanted.origin), wanted.origin)
            require_usable(now, mutation.at)
            require_disinterested(tx, now, self._accounts, mutation, action=action)
            elevation = _elevation(wanted, now, name, mutation)
            tx.put_elevation(elevation)
            tx.record(Change.ADDED, ELEVATION, name, records.encode(elevation))
            return elevation

        elevation = await self._writer.write(work, mutation=mutation, result=Elevation)
        return Granted(elevation=elevation, grant=_signed(elevation, registrar))

    async def revoke(self, wanted: RevokeElevation, *, caller: Caller, mutation: Mutation) -> Elevation:
        """End a grant and return it. One that ended before stays as it is."""

        def work(tx: IdentityTx) -> Elevation:
            before = tx.elevation(wanted.name)
            if before is None or caller.environment not in ("", before.environment):
                raise ElevationNotFound(elevation=wanted.name)
            if before.revoked_at is not None:
                return before
            after = replace(
                before, revoked_at=mutation.at, revoked_by=mutation.principal, revocation_reason=wanted.reason
            )
            tx.put_elevation(after)
            tx.record(Change.MODIFIED, ELEVATION, after.name, records.encode(after))
            record_revocation(tx, _end_of(after, mutation.at))
            return after

        return await self._writer.write(work, mutation=mutation, result=Elevation)


def _elevation(wanted: GrantElevation, origin: AgentIdentity, name: str, mutation: Mutation) -> Elevation:
    expires_at = whole_second(wanted.expires_at)
    if not mutation.at < expires_at <= mutation.at + LONGEST_ELEVATION:
        problem = "must be in the future by a second or more, at most 24 hours from now"
        raise InvalidRequest(Violation("elevation.expire_time", problem))
    return Elevation(
        name=name,
        origin=origin.did,
        environment=origin.environment,
        action=wanted.action,
        resource=wanted.resource,
        ring=wanted.ring,
        approvals=wanted.approvals,
        reason=wanted.reason,
        granted_by=mutation.principal,
        granted_at=mutation.at,
        expires_at=expires_at,
    )


def _signed(elevation: Elevation, registrar: Registrar) -> str:
    grant = ElevationGrant(
        name=elevation.name,
        issuer=str(registrar.did),
        origin=elevation.origin,
        environment=elevation.environment,
        action=elevation.action,
        resource=elevation.resource,
        ring=elevation.ring,
        approvals=elevation.approvals,
        issued_at=whole_second(elevation.granted_at),
        expires_at=elevation.expires_at,
    )
    return sign_elevation(grant, registrar.keys.registrar)


def _end_of(elevation: Elevation, at: Instant) -> Revocation:
    return Revocation(
        kind=RevocationKind.ELEVATION,
        subject=elevation.name,
        environment=elevation.environment,
        reason=elevation.revocation_reason,
        at=at,
        forget_at=elevation.expires_at,
    )
