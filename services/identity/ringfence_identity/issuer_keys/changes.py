"""Changing issuer keys in a transaction: every way a key comes in, moves forward or ends is a function here.

Each takes what it needs as arguments and looks at the keys as the transaction sees them, so that of two replicas which
do the same at once one finds it done. A signer is always made before; one that turns out not to be needed is left for
the upkeep to destroy.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from ringfence.proofs.jwk_set import Algorithm
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change
from ringfence_kit.sealed_keys import JwsSigner

from ringfence_identity.issuer_keys.schedule import (
    ISSUER_KEY,
    IssuerKey,
    KeySchedule,
    coming_key,
    next_activation,
    signing_key,
)
from ringfence_identity.store import IdentityTx


def found_line(tx: IdentityTx, environment: str, signers: Sequence[JwsSigner], *, at: Instant) -> None:
    """Make `signers`, all of one algorithm, the first keys of it, when the environment never had any."""
    algorithms = {key.algorithm for key in tx.issuer_keys(environment)}
    for signer in signers:
        if signer.algorithm not in algorithms:
            made_at = Instant(min(signer.created_at, at))
            add_next(tx, environment, signer, created_at=made_at, at=made_at)


def add_when_due(tx: IdentityTx, environment: str, signer: JwsSigner, schedule: KeySchedule, *, at: Instant) -> None:
    """Publish `signer` as the next key of its algorithm, if the schedule still wants one."""
    activates_at = next_activation(tx.issuer_keys(environment), signer.algorithm, schedule, now=at)
    if activates_at is not None:
        add_next(tx, environment, signer, created_at=at, at=activates_at)


def add_next(tx: IdentityTx, environment: str, signer: JwsSigner, *, created_at: Instant, at: Instant) -> IssuerKey:
    """Return `signer` as the key that will sign from `at` on, published from now on."""
    new = replace(_public(environment, signer), created_at=created_at, activates_at=at)
    _put(tx, new, Change.ADDED)
    return new


def take_over(
    tx: IdentityTx,
    environment: str,
    algorithm: Algorithm,
    *,
    held: Collection[str],
    signer: JwsSigner | None,
    at: Instant,
) -> IssuerKey | None:
    """Let another key than before sign from now on: the one published next, if it is `held`, else `signer`.

    Caches of the key set that have not seen it refuse what it signs until they look again: that is the price of a kill.
    """
    coming = coming_key(tx.issuer_keys(environment), algorithm, now=at)
    if coming is not None and coming.key_id in held:
        successor = replace(coming, activates_at=at)
        _put(tx, successor, Change.MODIFIED)
        return successor
    return None if signer is None else add_next(tx, environment, signer, created_at=at, at=at)


def revoke(tx: IdentityTx, key: IssuerKey, *, reason: str, at: Instant) -> IssuerKey:
    """Return `key`, revoked."""
    revoked = replace(key, revoked_at=at, revocation_reason=reason)
    _put(tx, revoked, Change.MODIFIED)
    return revoked


def signing_now(tx: IdentityTx, environment: str, algorithm: Algorithm, *, at: Instant) -> IssuerKey | None:
    """Return the key that signs, as the transaction sees it."""
    return signing_key(tx.issuer_keys(environment), algorithm, now=at)


def _public(environment: str, signer: JwsSigner) -> IssuerKey:
    return IssuerKey(
        environment=environment,
        key_id=signer.key_id,
        algorithm=signer.algorithm,
        jwk=signer.jwk,
        created_at=signer.created_at,
        activates_at=signer.created_at,
    )


def _put(tx: IdentityTx, key: IssuerKey, change: Change) -> None:
    tx.put_issuer_key(key)
    tx.record(change, ISSUER_KEY, key.key_id, records.encode(key))
