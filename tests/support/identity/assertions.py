"""Client assertions as an agent makes them, with every part open to spoiling."""

import base64
import json
from typing import Any, Protocol

from ringfence_kit.clock import SECOND, Instant


class Signs(Protocol):
    """A key of either kind."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature as a JWS carries it."""
        ...


def compact(header: Any, claims: Any, key: Signs) -> str:
    """Return a compact JWS over any header and claims, signed with `key`."""
    signed = ".".join(_part(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{_part(key.sign(signed.encode()))}"


def assertion(key: Signs, did: str, issuer: str, now: Instant, **claims: Any) -> str:
    """Return a sound assertion; `claims` replace its own, and None takes one away."""
    sound: dict[str, Any] = {
        "iss": did,
        "sub": did,
        "aud": issuer,
        "iat": now // SECOND,
        "exp": now // SECOND + 60,
        "jti": "assertion-1",
    }
    said = {name: value for name, value in {**sound, **claims}.items() if value is not None}
    return compact({"alg": "EdDSA", "typ": "client-authentication+jwt"}, said, key)


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
