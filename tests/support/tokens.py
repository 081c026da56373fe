"""A token issuer for tests: a real key, real signatures, and any claim a test wants to be wrong."""

from collections.abc import Mapping
from typing import Any

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.issuers import TrustedIssuer
from ringfence_kit.jwks import LocalKeys

AUDIENCE = "https://mesh.example"
ENVIRONMENTS = ("dev", "staging", "prod")

Key = OKPKey | ECKey | RSAKey


def ed25519(kid: str) -> OKPKey:
    """Return a new Ed25519 key."""
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig", "alg": "EdDSA"})


def p256(kid: str) -> ECKey:
    """Return a new P-256 key."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})


def rsa(kid: str, bits: int = 2_048) -> RSAKey:
    """Return a new RSA key."""
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig"})


def jwks(*keys: Key) -> dict[str, Any]:
    """Return the set of the public halves."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def signed(key: Key, claims: Mapping[str, Any] | bytes, algorithm: str = "EdDSA", **header: Any) -> str:
    """Return a compact JWS of these claims with exactly this header, whatever it is."""
    fields = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt", **header}
    kept = {name: value for name, value in fields.items() if value is not None}
    payload = claims if isinstance(claims, bytes) else msgspec.json.encode(claims)
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jws.serialize_compact(kept, payload, key, registry=registry)


def claims(now: Instant, *, seconds: int = 300, **changes: Any) -> dict[str, Any]:
    """Return the claims of a good operator token at `now`; a change to None leaves the claim out."""
    begins = now // 1_000
    usual = {
        "iss": "https://operators.example",
        "sub": "ana",
        "aud": AUDIENCE,
        "iat": begins,
        "exp": begins + seconds,
        **changes,
    }
    return {name: value for name, value in usual.items() if value is not None}


class TestIssuer:
    """Issues tokens for any caller: people through one issuer, the agents of each environment through another."""

    __test__ = False

    def __init__(self) -> None:
        self._key = ed25519("test-key")
        keys = LocalKeys(lambda: jwks(self._key))
        everyone = {role.value: role for role in Role if role is not Role.AGENT}
        self.trusted = [
            TrustedIssuer(
                name="test", issuer="https://operators.example", audience=AUDIENCE, keys=keys, roles=everyone
            ),
            *(
                TrustedIssuer(
                    name=f"agents-{environment}",
                    issuer=f"https://{environment}.agents.example",
                    audience=AUDIENCE,
                    keys=keys,
                    agents_of=environment,
                )
                for environment in ENVIRONMENTS
            ),
        ]

    def token_for(self, caller: Caller, now: Instant, *, seconds: int = 300) -> str:
        """Return a token that makes its bearer `caller`, whose principal gets the prefix `test:` unless an agent's."""
        if caller.environment:
            issuer = f"https://{caller.environment}.agents.example"
            return signed(
                self._key, claims(now, seconds=seconds, iss=issuer, sub=caller.principal, env=caller.environment)
            )
        return signed(
            self._key,
            claims(
                now,
                seconds=seconds,
                sub=caller.principal.removeprefix("test:"),
                roles=[role.value for role in caller.roles],
                namespaces=sorted(caller.namespaces),
                agents=sorted(caller.agents),
                groups=sorted(caller.groups),
            ),
        )
