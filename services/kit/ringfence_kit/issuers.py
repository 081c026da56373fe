"""Token issuers we trust and where their keys come from.

(implementation follows; the names are settled)
"""

from dataclasses import dataclass
from typing import Any, Protocol


class KeySource(Protocol):
    """Where the public keys of an issuer come from."""

    async def jwks(self) -> dict[str, Any]:
        """Return the issuer's current JWK set (RFC 7517)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """An issuer of agent tokens (`agents_of` an environment) or of an operator's own tokens."""

    name: str
    issuer: str
    audience: str
    keys: KeySource
    agents_of: str = ""
