"""P-256 public keys, for verifiers that take ES256 and no EdDSA: imported strictly, named by their thumbprint.

They sign access tokens and nothing else; agents and registrars have Ed25519 keys (`public_keys.py`). A JWS signature is
r and s, 32 bytes each (RFC 7518 section 3.4), never DER.
"""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from ringfence.proofs.canonical_json import base64url, canonical
from ringfence.proofs.public_keys import PublicKeyError, Thumbprint

COORDINATE_BYTES = 32
SIGNATURE_BYTES = 2 * COORDINATE_BYTES

_ES256 = ec.ECDSA(SHA256())


@dataclass(frozen=True, slots=True)
class P256PublicKey:
    """A P-256 public key that passed the checks at import."""

    x: bytes
    y: bytes

    @property
    def jwk(self) -> dict[str, str]:
        """The required members of its JWK (RFC 7518 section 6.2.1)."""
        return {"crv": "P-256", "kty": "EC", "x": base64url(self.x), "y": base64url(self.y)}

    @property
    def thumbprint(self) -> Thumbprint:
        """The name of this key (RFC 7638 section 3)."""
        # The canonical form of the required members is exactly what RFC 7638 hashes.
        return Thumbprint(base64url(hashlib.sha256(canonical({**self.jwk})).digest()))

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Say whether `signature`, r and s, is this key's over `message`."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        r, s = (int.from_bytes(half) for half in (signature[:COORDINATE_BYTES], signature[COORDINATE_BYTES:]))
        try:
            _point(self.x, self.y).verify(encode_dss_signature(r, s), message, _ES256)
        except InvalidSignature:
            return False
        return True


def import_p256_key(x: bytes, y: bytes) -> P256PublicKey:
    """Return the key with these coordinates, or refuse it: PublicKeyError."""
    if len(x) != COORDINATE_BYTES or len(y) != COORDINATE_BYTES:
        raise PublicKeyError("not a P-256 public key: each coordinate has 32 bytes")
    _point(x, y)
    return P256PublicKey(x, y)


def _point(x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    # P-256 has cofactor 1: a point on the curve that is not at infinity, which these coordinates cannot name, is sound.
    try:
        return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1()).public_key()
    except ValueError as error:
        raise PublicKeyError("not a P-256 public key: the point is not on the curve") from error
