"""The published keys of each environment, and the issuer they belong to."""

from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject

from ringfence_identity.environments import Environments
from ringfence_identity.jwks import jwk_set
from ringfence_identity.registrars import Registrars


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKeys:
    """A JWK Set and the `iss` of the tokens it verifies."""

    jwks: JsonObject
    issuer: str


class KeySets:
    """Publishes the keys that verify access tokens; each environment's by itself."""

    def __init__(self, environments: Environments, registrars: Registrars) -> None:
        self._environments = environments
        self._registrars = registrars

    def of(self, environment: str) -> PublishedKeys:
        """Return the keys of one environment."""
        registrar = self._registrars.of(self._environments.get(environment))
        return PublishedKeys(jwks=jwk_set(registrar.keys.issuer), issuer=registrar.environment.issuer)
