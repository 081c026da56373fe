"""Compromise: an agent's key is in other hands, since a moment.

One transaction ends all that leans on the key: tokens (a new revocation epoch), grants made with it since, and its
standing in the DID document, which says from when on its signatures are void. The identity goes on with a key that is
given, or is suspended until it is reinstated with one. A report never makes things better: it ends no suspension, and
of two reports the earlier moment stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ringfence.proofs.timestamps import whole_second
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import owned_environment
from ringfence_identity.delegation.cascade import end_grants_of
from ringfence_identity.environments import Environments
from ringfence_identity.key_succession import NewKey, key_in_force, require_succession, succeed
from ringfence_identity.model import AgentIdentity, IdentityStatus, Suspension, SuspensionCause
from ringfence_identity.registrars import Registrars
from ringfence_identity.revocation_record import end_permission
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standing import changeable
from ringfence_identity.store import IdentityTx
from ringfence_identity.store.agent_keys import UsedKey
from ringfence_identity.trust.ledger import without_ring_zero


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCompromise:
    """Whose key is lost, since when as far as is known, and the key to go on with, if there is one."""

    did: str
    reason: str
    compromised_since: Instant | None = None
    replacement: NewKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compromised:
    """The identity afterwards, and how many delegation grants ended with its key."""

    identity: AgentIdentity
    delegations_revoked: int


class Compromise:
    """Takes reports of lost keys."""

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

    async def report(self, wanted: ReportCompromise, *, caller: Caller, mutation: Mutation) -> Compromised:
        """End everything that leans on the key of an identity, and return what became of it."""
        known = self._snapshot.identity(wanted.did)
        action = f"report the key of {wanted.did} as compromised"
        environment = owned_environment(self._environments, wanted.did, known, caller=caller, action=action)
        registrar = self._registrars.of(environment)

        def work(tx: IdentityTx) -> Compromised:
            before = changeable(tx.identity(wanted.did), wanted.did)
            lost = _lost(tx.keys_of(before.did), before, wanted.compromised_since, now=mutation.at)
            new = None if wanted.replacement is None else require_succession(tx, before, wanted.replacement)
            for key in lost:
                tx.put_key(key)
            after = replace(
                succeed(tx, registrar, before, key=new, at=mutation.at),
                trust=without_ring_zero(before.trust),
                revocation_epoch=before.revocation_epoch + 1,
                updated_at=mutation.at,
                revision=tx.next_revision,
            )
            if new is None:
                suspension = Suspension(cause=SuspensionCause.COMPROMISE, reason=wanted.reason, at=mutation.at)
                after = replace(after, status=IdentityStatus.SUSPENDED, suspension=suspension)
            end_permission(tx, after, reason=wanted.reason, at=mutation.at)
            since = min(key.compromised_since or mutation.at for key in lost)
            ended = end_grants_of(tx, after.did, since=since, reason=wanted.reason, at=mutation.at)
            return Compromised(identity=after, delegations_revoked=ended)

        return await self._writer.write(work, mutation=mutation, result=Compromised)


def _lost(keys: Sequence[UsedKey], identity: AgentIdentity, said: Instant | None, *, now: Instant) -> list[UsedKey]:
    """Return the keys that are lost: the current one, and those before it that were in force when it began.

    Whoever has stolen a key may rotate it before that is noticed; what the stolen one signed must not count either.
    """
    if said is not None and said > now:
        raise InvalidRequest(Violation("compromised_since", "must not lie in the future"))
    since = key_in_force(keys, identity).since if said is None else whole_second(said)
    return [_lost_since(key, since) for key in keys if key.until is None or key.until > since]


def _lost_since(key: UsedKey, since: Instant) -> UsedKey:
    """Return `key` as lost since the earliest moment that is known, and no earlier than it came into force."""
    at = max(key.since, since)
    known = key.compromised_since
    return replace(key, compromised_since=at if known is None else min(known, at))
