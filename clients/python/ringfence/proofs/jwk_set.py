"""The keys that verify an environment's tokens, as they are read from its JWK Set (RFC 7517).

- a key has one algorithm: `EdDSA` for Ed25519 (or its newer name, RFC 9864), `ES256` for P-256;
- its `kid` is its RFC 7638 thumbprint, so no name can be put on another key;
- a member of the set that is anything else, or weak, is passed over: it verifies nothing here.
"""

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.compact_jws import from_base64url
from ringfence.proofs.p256_keys import P256PublicKey, import_p256_key
from ringfence.proofs.public_keys import PublicKeyError, Thumbprint, import_key

Algorithm: TypeAlias = Literal["EdDSA", "ES256"]
"""How a key of ours signs, in the word that its tokens' headers say."""

ED_DSA: Algorithm = "EdDSA"
ES256: Algorithm = "ES256"

ALGORITHM_OF: Mapping[Json, Algorithm] = {"EdDSA": ED_DSA, "Ed25519": ED_DSA, "ES256": ES256}
"""The algorithm each accepted spelling of `alg` means (RFC 9864 renamed EdDSA with this curve)."""


class VerifyingKey(Protocol):
    """A public key of either kind."""

    @property
    def jwk(self) -> dict[str, str]:
        """The required members of its JWK."""
        ...

    @property
    def thumbprint(self) -> Thumbprint:
        """Its name."""
        ...

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Say whether `signature` is this key's over `message`."""
        ...


JwkSet: TypeAlias = Mapping[str, VerifyingKey]
"""Usable keys by `kid`."""


def algorithm_of(key: VerifyingKey) -> Algorithm:
    """Return the one algorithm of `key`."""
    return ES256 if isinstance(key, P256PublicKey) else ED_DSA


def published_jwk(key: VerifyingKey) -> JsonObject:
    """Return `key` as it stands in a JWK Set; gateways take a whole set down over a member without kid, alg or use."""
    return {**key.jwk, "kid": key.thumbprint, "alg": algorithm_of(key), "use": "sig"}


def read_jwk_set(document: JsonObject) -> JwkSet:
    """Return the usable keys of a JWK Set; ValueError when `document` is none."""
    members = document.get("keys")
    if not isinstance(members, list):
        raise ValueError('not a JWK Set: it has no list "keys"')  # noqa: TRY004 - the document is wrong, not a type
    keys = [key for member in members if (key := _usable(member)) is not None]
    return {key.thumbprint: key for key in keys}


def key_of_jwk(jwk: Mapping[str, Json]) -> VerifyingKey:
    """Return the key in `jwk`, or refuse it: PublicKeyError."""
    kind = (jwk.get("kty"), jwk.get("crv"))
    if kind == ("OKP", "Ed25519"):
        return import_key(_bytes(jwk, "x"))
    if kind == ("EC", "P-256"):
        return import_p256_key(_bytes(jwk, "x"), _bytes(jwk, "y"))
    raise PublicKeyError("neither an Ed25519 nor a P-256 key")


def _usable(member: Json) -> VerifyingKey | None:
    if not isinstance(member, dict) or member.get("use") != "sig" or "d" in member:
        return None
    try:
        key = key_of_jwk(member)
    except PublicKeyError:
        return None
    algorithm = member.get("alg")
    fits = isinstance(algorithm, str) and ALGORITHM_OF.get(algorithm) == algorithm_of(key)
    return key if fits and member.get("kid") == key.thumbprint else None


def _bytes(jwk: Mapping[str, Json], member: str) -> bytes:
    text = jwk.get(member)
    if not isinstance(text, str):
        raise PublicKeyError(f"it has no {member}")
    try:
        return from_base64url(text)
    except ValueError as error:
        raise PublicKeyError(f"{member} is not base64url") from error
