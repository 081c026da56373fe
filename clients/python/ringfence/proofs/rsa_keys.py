"""RSA public keys, for Agent Cards that others sign with RS256 or PS256; imported strictly, named by their thumbprint.

Nothing of the mesh itself signs with RSA. Refused: a modulus below 2,048 bits (RFC 7518 3.3) or above 4,096, which
costs verifiers more than it protects, an even one, one whose primes can be found from their form (ROCA,
CVE-2017-15361), and an exponent that is even, below 65,537 or above 32 bits.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from ringfence.proofs.canonical_json import base64url, canonical
from ringfence.proofs.public_keys import PublicKeyError, Thumbprint

LEAST_BITS = 2_048
MOST_BITS = 4_096
_LEAST_EXPONENT = 65_537
_MOST_EXPONENT_BITS = 32

_GENERATOR = 65_537
_SMALL_PRIMES = tuple(p for p in range(3, 168) if all(p % divisor for divisor in range(2, p)))
_POWERS = {p: frozenset(pow(_GENERATOR, exponent, p) for exponent in range(p)) for p in _SMALL_PRIMES}
"""What the modulus of a ROCA key leaves over each of the first primes: a power of 65,537 (Nemec et al., 2017)."""

RsaScheme = Literal["RS256", "PS256"]
"""How a signature is padded: PKCS #1 v1.5, or PSS with the hash's length as salt (RFC 7518 3.3 and 3.5)."""


@dataclass(frozen=True, slots=True)
class RsaPublicKey:
    """An RSA public key that passed the checks at import."""

    modulus: int
    exponent: int

    @property
    def jwk(self) -> dict[str, str]:
        """The required members of its JWK (RFC 7518 section 6.3.1)."""
        return {"e": _octets(self.exponent), "kty": "RSA", "n": _octets(self.modulus)}

    @property
    def thumbprint(self) -> Thumbprint:
        """The name of this key (RFC 7638 section 3)."""
        return Thumbprint(base64url(hashlib.sha256(canonical({**self.jwk})).digest()))

    def verifies(self, signature: bytes, message: bytes, scheme: RsaScheme) -> bool:
        """Say whether `signature` is this key's over `message`."""
        key = rsa.RSAPublicNumbers(self.exponent, self.modulus).public_key()
        try:
            key.verify(signature, message, _PADDINGS[scheme], SHA256())
        except InvalidSignature:
            return False
        return True


_PADDINGS: dict[RsaScheme, padding.AsymmetricPadding] = {
    "RS256": padding.PKCS1v15(),
    "PS256": padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=padding.PSS.DIGEST_LENGTH),
}


def import_rsa_key(modulus: bytes, exponent: bytes) -> RsaPublicKey:
    """Return the key of these numbers, most significant byte first, or refuse it: PublicKeyError."""
    if modulus.startswith(b"\0") or exponent.startswith(b"\0") or len(modulus) > MOST_BITS // 8:
        raise PublicKeyError(f"not an RSA key of {LEAST_BITS} to {MOST_BITS} bits in its shortest form")
    n, e = int.from_bytes(modulus), int.from_bytes(exponent)
    if n.bit_length() < LEAST_BITS or n % 2 == 0:
        raise PublicKeyError(f"its modulus is even or shorter than {LEAST_BITS} bits")
    if is_roca(n):
        raise PublicKeyError("its private key can be found from the public one (ROCA, CVE-2017-15361); make a new pair")
    if e < _LEAST_EXPONENT or e % 2 == 0 or e.bit_length() > _MOST_EXPONENT_BITS:
        raise PublicKeyError(f"its exponent is even, below {_LEAST_EXPONENT} or longer than {_MOST_EXPONENT_BITS} bits")
    return RsaPublicKey(n, e)


def is_roca(modulus: int) -> bool:
    """Say whether a modulus looks as those of the faulty generator do; not one in a hundred million sound ones does."""
    return all(modulus % prime in powers for prime, powers in _POWERS.items())


def _octets(number: int) -> str:
    return base64url(number.to_bytes((number.bit_length() + 7) // 8))
