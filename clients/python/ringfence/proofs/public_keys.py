"""Public keys as the mesh knows them: Ed25519, imported strictly, written as multibase, named by their thumbprint.

- a key enters only through `import_key`, `import_signer` or `from_multibase`; there is no other constructor in use;
- refused: another length, a non-canonical encoding, a point of small order;
- the name of a key is its RFC 7638 thumbprint, so it changes when the key does.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ringfence.proofs import base58, edwards25519
from ringfence.proofs.canonical_json import base64url

Thumbprint = NewType("Thumbprint", str)
"""The RFC 7638 SHA-256 thumbprint of a key, base64url without padding."""

KEYS_REMEMBERED = 10_000

_ED25519_MULTICODEC = b"\xed\x01"
_MULTIBASE_BASE58 = "z"


class PublicKeyError(ValueError):
    """Key material that is not safe to trust, with the problem in words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class SigningKey(Protocol):
    """A private key of ours, which signs without showing itself; every signer of a service's key store is one."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of its public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""
        ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key that passed every check at import."""

    raw: bytes

    @property
    def multibase(self) -> str:
        """The `z6Mk…` form that DID documents carry (Multikey, Controlled Identifiers 1.0 section 2.2.2)."""
        return _multibase(self.raw)

    @property
    def jwk(self) -> dict[str, str]:
        """The required members of its JWK (RFC 8037 section 2)."""
        return {"crv": "Ed25519", "kty": "OKP", "x": base64url(self.raw)}

    @property
    def thumbprint(self) -> Thumbprint:
        """The name of this key (RFC 7638 section 3)."""
        return thumbprint(self.raw)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Say whether `signature` is this key's over `message`."""
        return _verifies(self.raw, signature, message)


@lru_cache(maxsize=KEYS_REMEMBERED)
def _multibase(raw: bytes) -> str:
    return _MULTIBASE_BASE58 + base58.encode(_ED25519_MULTICODEC + raw)


@lru_cache(maxsize=KEYS_REMEMBERED)
def thumbprint(raw: bytes) -> Thumbprint:
    """Return the RFC 7638 thumbprint of the Ed25519 public key `raw` (the JWK of RFC 8037, section 2)."""
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{base64url(raw)}"}}'
    return Thumbprint(base64url(hashlib.sha256(jwk.encode()).digest()))


def import_key(raw: bytes) -> PublicKey:
    """Return the key whose 32 bytes are `raw`, or refuse it."""
    try:
        small = edwards25519.has_small_order(raw)
    except edwards25519.PointError as error:
        raise PublicKeyError(f"not an Ed25519 public key: {error}") from error
    if small:
        raise PublicKeyError("a point of small order: one signature would verify under it for every message")
    # Points of mixed order stay allowed: they are honest keys plus torsion, and one verifier answers for all of us.
    return PublicKey(raw)


def import_signer(raw: bytes, signature: bytes, message: bytes) -> PublicKey | None:
    """Return the key whose 32 bytes are `raw` if `signature` is its over `message`, else None; or refuse the key.

    What `import_key` refuses is refused here, for half the work: the verifier decodes the point itself, so a signature
    that verifies shows that there is one. Only where it does not, it is asked whether the key is to blame.
    """
    if edwards25519.spells_no_bad_point(raw) and _verifies(raw, signature, message):
        return PublicKey(raw)
    import_key(raw)
    return None


def _verifies(raw: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=KEYS_REMEMBERED)
def from_multibase(text: str) -> PublicKey:
    """Return the key written as `z6Mk…`. Judging one takes longer than verifying with it: good ones are remembered."""
    if not text.startswith(_MULTIBASE_BASE58):
        raise PublicKeyError("not base58btc multibase: it must start with z")
    try:
        data = base58.decode(text[1:])
    except base58.Base58Error as error:
        raise PublicKeyError(f"not base58btc multibase: {error}") from error
    if not data.startswith(_ED25519_MULTICODEC):
        raise PublicKeyError("not an Ed25519 multikey: it must start with z6Mk")
    return import_key(data[len(_ED25519_MULTICODEC) :])


def public_key_of(key: SigningKey) -> PublicKey:
    """Return the public half of a key of ours."""
    return PublicKey(key.public_key)
