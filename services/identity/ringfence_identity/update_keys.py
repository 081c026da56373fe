"""The keys that sign DID logs: one for every entry of every DID, derived from the environment's registrar secret.

The registrar of an environment controls its DIDs; identity is issuer-managed, and says so. Deriving the keys keeps
pre-rotation honest: the key the next entry will show is in use nowhere else until it is shown, and nothing has to be
stored for it.
"""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from ringfence.proofs.public_keys import SigningKey
from ringfence_kit.clock import EPOCH
from ringfence_kit.sealed_keys import Ed25519Signer

_CONTEXT = "ringfence.dev/identity/v1/update-key"

REGISTRAR = "registrar"
"""The subject under which the registrar's own log is kept; no uid of an agent looks like it."""


@dataclass(frozen=True, slots=True)
class UpdateKeys:
    """The update keys of one environment."""

    environment: str
    secret: bytes = field(repr=False)

    def key(self, subject: str, version: int) -> SigningKey:
        """Return the key for version `version` of the log of `subject` (RFC 5869; versions count from 1)."""
        info = "\0".join((_CONTEXT, self.environment, subject, str(version))).encode()
        return Ed25519Signer(HKDF(SHA256(), length=32, salt=None, info=info).derive(self.secret), EPOCH)
