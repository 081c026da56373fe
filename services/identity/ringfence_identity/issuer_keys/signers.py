"""The private halves of issuer keys: made before their public half is stored, destroyed once it is of no use any more.

The key store and the database cannot change in one transaction, so the order is the rule:

- a key is in the key store before the transaction that names it: what the database lets sign can sign. A crash between
  the two leaves a key nobody knows, which is destroyed when it is an hour old;
- a key is revoked in the database before it is destroyed here: what a crash leaves is destroyed at the next upkeep;
- replicas share the key file; one that misses a key which another made looks into the file again.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from ringfence.proofs.jwk_set import ED_DSA, ES256, Algorithm
from ringfence_kit.clock import HOUR, Instant
from ringfence_kit.errors import Unavailable
from ringfence_kit.sealed_keys import JwsSigner, KeyStore, KeyUnknownError

from ringfence_identity.issuer_keys.schedule import IssuerKey

NAMES: Mapping[Algorithm, str] = MappingProxyType({ED_DSA: "issuer", ES256: "issuer-es256"})
"""Under which name of its environment the keys of each algorithm are stored."""

UNKNOWN_KEPT = HOUR
"""How long a key that the database does not know is left alone: the transaction that names it may be under way."""


class IssuerSigners:
    """The signers of every environment hosted here; there are none before they are opened."""

    def __init__(self) -> None:
        self._store: KeyStore | None = None
        self._signers: dict[str, dict[str, JwsSigner]] = {}

    def open(self, store: KeyStore) -> None:
        """Use the keys in `store` from now on."""
        self._store = store

    def signer(self, key: IssuerKey) -> JwsSigner:
        """Return what signs for `key`; Unavailable when the key store does not hold it."""
        if not self.holds(key):
            raise Unavailable(problem=f"the private half of issuer key {key.key_id} is not in the key store")
        return self._signers[_name(key.environment, key.algorithm)][key.key_id]

    def holds(self, key: IssuerKey) -> bool:
        """Say whether the private half of `key` is at hand, here or in what another replica stored."""
        name = _name(key.environment, key.algorithm)
        if key.key_id not in self._signers.get(name, ()):
            self._opened().refresh()
            self.of(key.environment, key.algorithm)
        return key.key_id in self._signers[name]

    def of(self, environment: str, algorithm: Algorithm) -> tuple[JwsSigner, ...]:
        """Return every signer of one algorithm as last seen, oldest first."""
        store, name = self._opened(), _name(environment, algorithm)
        found: tuple[JwsSigner, ...] = store.signers(name) if algorithm == ED_DSA else store.p256_signers(name)
        self._signers[name] = {signer.key_id: signer for signer in found}
        return found

    def make(self, environment: str, algorithm: Algorithm, *, at: Instant) -> JwsSigner:
        """Make a new key and keep it durably before returning it."""
        store, name = self._opened(), _name(environment, algorithm)
        if algorithm == ED_DSA:
            return store.add_signer(name, at=at)
        return store.add_p256_signer(name, at=at)

    def keep(
        self, environment: str, algorithm: Algorithm, *, known: Collection[str], needed: Collection[str], now: Instant
    ) -> None:
        """Destroy the keys that are not `needed`, but those too young to be `known` already."""
        self._opened().refresh()
        for signer in self.of(environment, algorithm):
            young = signer.key_id not in known and now < signer.created_at + UNKNOWN_KEPT
            if signer.key_id not in needed and not young:
                self._destroy(_name(environment, algorithm), signer.key_id)

    def _destroy(self, name: str, key_id: str) -> None:
        self._signers[name].pop(key_id)
        try:
            self._opened().remove(name, key_id)
        except KeyUnknownError:
            return  # another replica was faster

    def _opened(self) -> KeyStore:
        if self._store is None:
            raise Unavailable(problem="it is starting")
        return self._store


def _name(environment: str, algorithm: Algorithm) -> str:
    return f"{environment}/{NAMES[algorithm]}"
