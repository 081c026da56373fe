"""Issuer keys in an operator's hands: which there are, making the next one early, and killing one.

Killing is for a key that may be in other hands: from the commit on it is in no key set, every watcher of revocations
hears of it, and another key signs, published or not. Rotating in good time loses nothing and is the better choice
whenever there is time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.jwk_set import Algorithm
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Unavailable
from ringfence_kit.sealed_keys import JwsSigner
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import require_environment
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import IssuerKeyNotFound
from ringfence_identity.issuer_keys import changes
from ringfence_identity.issuer_keys.schedule import (
    KILL_REMEMBERED,
    IssuerKey,
    KeyStanding,
    KeyState,
    coming_key,
    signing_key,
    standing_of_key,
)
from ringfence_identity.issuer_keys.signers import IssuerSigners
from ringfence_identity.model import Revocation, RevocationKind
from ringfence_identity.revocation_record import record_revocation
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.store import IdentityTx

CHANGED = "the issuer keys changed at the same moment; ask again"


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateIssuerKey:
    """Of which kind the next key is wanted."""

    environment: str
    algorithm: Algorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeIssuerKey:
    """Which key is to be killed, and why."""

    environment: str
    key_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedIssuerKey:
    """A killed key, and the one that signs instead."""

    key: KeyStanding
    successor: KeyStanding


class IssuerKeys:
    """Lists, rotates and revokes issuer keys."""

    def __init__(
        self,
        *,
        environments: Environments,
        snapshot: IdentitySnapshot,
        signers: IssuerSigners,
        writer: Writer[IdentityTx],
    ) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._signers = signers
        self._writer = writer

    def list(self, environment: str, *, caller: Caller, now: Instant) -> tuple[KeyStanding, ...]:
        """Return the keys that are good for anything at `now`, and those lately revoked, oldest first."""
        hosted = self._environment(environment, caller, "list the issuer keys")
        known = self._snapshot.issuer_keys(hosted.name)
        keys = sorted(known, key=lambda key: (key.created_at, key.activates_at, key.key_id))
        standings = (standing_of_key(key, keys, now=now) for key in keys)
        return tuple(standing for standing in standings if standing.state is not KeyState.GONE)

    async def rotate(self, wanted: RotateIssuerKey, *, caller: Caller, mutation: Mutation) -> KeyStanding:
        """Return the key that will sign next, made now unless it is published already."""
        hosted = self._environment(wanted.environment, caller, "rotate an issuer key")
        lead = hosted.key_schedule.lead
        known = self._snapshot.issuer_keys(hosted.name)
        waiting = coming_key(known, wanted.algorithm, now=mutation.at) is not None
        signer = None if waiting else self._signers.make(hosted.name, wanted.algorithm, at=mutation.at)

        def work(tx: IdentityTx) -> KeyStanding:
            coming = coming_key(tx.issuer_keys(hosted.name), wanted.algorithm, now=mutation.at)
            if coming is None and signer is not None:
                coming = changes.add_next(
                    tx, hosted.name, signer, created_at=mutation.at, at=Instant(mutation.at + lead)
                )
            if coming is None:
                raise Unavailable(problem=CHANGED)
            return standing_of_key(coming, tx.issuer_keys(hosted.name), now=mutation.at)

        return await self._writer.write(work, mutation=mutation, result=KeyStanding)

    async def revoke(self, wanted: RevokeIssuerKey, *, caller: Caller, mutation: Mutation) -> RevokedIssuerKey:
        """Kill one key and return it with the one that signs from now on. A key is killed once."""
        hosted = self._environment(wanted.environment, caller, "revoke an issuer key")
        key = _of(self._snapshot.issuer_keys(hosted.name), hosted, wanted.key_id)
        signer = self._successor(key, mutation.at)
        held = {signer.key_id for signer in self._signers.of(hosted.name, key.algorithm)}

        def work(tx: IdentityTx) -> RevokedIssuerKey:
            before = _of(tx.issuer_keys(hosted.name), hosted, wanted.key_id)
            if before.revoked_at is None:
                before = changes.revoke(tx, before, reason=wanted.reason, at=mutation.at)
                record_revocation(tx, _killed(before, reason=wanted.reason, at=mutation.at))
            signing = changes.signing_now(tx, hosted.name, before.algorithm, at=mutation.at)
            successor = signing or changes.take_over(
                tx, hosted.name, before.algorithm, held=held, signer=signer, at=mutation.at
            )
            if successor is None:
                raise Unavailable(problem=CHANGED)
            keys = tx.issuer_keys(hosted.name)
            return RevokedIssuerKey(
                key=standing_of_key(before, keys, now=mutation.at),
                successor=standing_of_key(successor, keys, now=mutation.at),
            )

        return await self._writer.write(work, mutation=mutation, result=RevokedIssuerKey)

    def _environment(self, name: str, caller: Caller, action: str) -> Environment:
        hosted = self._environments.get(name)
        require_environment(caller, hosted, action=f"{action} of {name}")
        return hosted

    def _successor(self, key: IssuerKey, at: Instant) -> JwsSigner | None:
        """Return a new signer if `key` signs and nothing is published that could follow it."""
        keys = self._snapshot.issuer_keys(key.environment)
        signs = key == signing_key(keys, key.algorithm, now=at)
        if not signs or coming_key(keys, key.algorithm, now=at) is not None:
            return None
        return self._signers.make(key.environment, key.algorithm, at=at)


def _of(keys: Sequence[IssuerKey], environment: Environment, key_id: str) -> IssuerKey:
    for key in keys:
        if key.key_id == key_id:
            return key
    raise IssuerKeyNotFound(environment=environment.name, key_id=key_id)


def _killed(key: IssuerKey, *, reason: str, at: Instant) -> Revocation:
    return Revocation(
        kind=RevocationKind.ISSUER_KEY,
        subject=key.key_id,
        environment=key.environment,
        reason=reason,
        at=at,
        forget_at=Instant(at + KILL_REMEMBERED),
    )
