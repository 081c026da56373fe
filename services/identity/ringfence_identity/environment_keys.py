"""The keys of one environment: none is shared with another, and none does two jobs.

Gateways ignore a token's type, so what is signed here is told apart by key: the issuer keys sign access tokens and are
in the JWK Set; the registrar key signs birth certificates and is in the registrar's DID document; update keys sign DID
logs; the challenge key authenticates challenges and leaves this service only as MACs; the key of status places hides in
which order certificates were issued.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import KeyStore, MacKey, Signer

from ringfence_identity.update_keys import UpdateKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentKeys:
    """What one environment signs and authenticates with, beside its issuer keys. Keys of a kind come oldest first."""

    registrar: Signer
    updates: UpdateKeys
    challenge: Sequence[MacKey]
    status_places: MacKey
    """Never replaced: with another one, two certificates would be given the same place."""


def open_keys(store: KeyStore, environment: str, *, now: Instant) -> EnvironmentKeys:
    """Return the keys of `environment`, making those that are missing."""
    updates = store.ensure_mac_keys(f"{environment}/did-updates", at=now)[0]
    return EnvironmentKeys(
        registrar=store.ensure_signers(f"{environment}/registrar", at=now)[-1],
        updates=UpdateKeys(environment, updates.secret),
        challenge=store.ensure_mac_keys(f"{environment}/challenge", at=now),
        status_places=store.ensure_mac_keys(f"{environment}/status-places", at=now)[0],
    )
