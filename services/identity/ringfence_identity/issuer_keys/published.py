"""The published keys of each environment, and the issuer they belong to."""

from collections.abc import Iterable
from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.jwk_set import JwkSet, VerifyingKey, key_of_jwk
from ringfence_kit.errors import Unavailable

from ringfence_identity.environments import Environments
from ringfence_identity.issuer_keys.schedule import IssuerKey, published_keys
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.snapshot import IdentitySnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKeys:
    """A JWK Set and the `iss` of the tokens it verifies."""

    jwks: JsonObject
    issuer: str


class KeySets:
    """Publishes the keys that verify access tokens; each environment's by itself."""

    def __init__(self, environments: Environments, snapshot: IdentitySnapshot, clock: SigningClock) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._clock = clock
        self._imported: dict[str, VerifyingKey] = {}
        """Keys by thumbprint, each judged once: that takes longer than verifying with it."""

    def of(self, environment: str) -> PublishedKeys:
        """Return the keys of one environment, as they are published now."""
        hosted = self._environments.get(environment)
        keys = published_keys(self._snapshot.issuer_keys(hosted.name), now=self._clock.reading())
        if not keys:
            raise Unavailable(problem="it is starting")  # there is always a key, once the first ones are made
        return PublishedKeys(jwks=jwk_set(keys), issuer=hosted.issuer)

    def verifying(self, environment: str) -> JwkSet:
        """Return the keys of one environment, ready to verify with."""
        keys = published_keys(self._snapshot.issuer_keys(environment), now=self._clock.reading())
        for key in keys:
            if key.key_id not in self._imported:
                self._imported[key.key_id] = key_of_jwk(key.jwk)
        return {key.key_id: self._imported[key.key_id] for key in keys}


def jwk_set(keys: Iterable[IssuerKey]) -> JsonObject:
    """Return `keys` as a JWK Set (RFC 7517).

    Gateways take a whole set down over one key without `kid`, so every key has `kid`, `alg` and `use`.
    """
    return {"keys": [{**key.jwk, "kid": key.key_id, "alg": key.algorithm, "use": "sig"} for key in keys]}
