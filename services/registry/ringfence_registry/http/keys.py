"""The keys the registry attests cards with, as a JWK Set (RFC 7517), for whoever verifies what it signed."""

import hashlib
import json
from typing import Protocol

from ringfence.proofs.canonical_json import JsonObject
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringfence_registry.http.answers import document

MAX_AGE_SECONDS = 60


class KeySet(Protocol):
    """Has keys to publish."""

    @property
    def jwks(self) -> JsonObject:
        """The JWK Set."""
        ...


class KeyPages:
    """Serves them."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def routes(self) -> list[Route]:
        """Return what the HTTP face has to serve."""
        return [Route("/.well-known/jwks.json", self.jwks)]

    async def jwks(self, request: Request) -> Response:
        """Answer with the key set."""
        body = json.dumps(self._keys.jwks, separators=(",", ":")).encode()
        return document(
            request,
            body,
            media_type="application/jwk-set+json",
            digest=hashlib.sha256(body).hexdigest(),
            max_age_seconds=MAX_AGE_SECONDS,
        )
