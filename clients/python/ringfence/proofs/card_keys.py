"""The keys that Agent Cards are verified with: which algorithms each may be used for, and how a JWK Set pins some.

- a key has algorithms of its own, and an `alg` in a header never makes it another's: Ed25519 verifies EdDSA, P-256
  ES256, RSA what its JWK says or else RS256 and PS256;
- a pinned set is somebody's own choice, so it is read whole or refused with every problem: a member that is private,
  weak, of another use, without a `kid` or with one used twice was a mistake to be told.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.compact_jws import from_base64url
from ringfence.proofs.jwk_set import key_of_jwk
from ringfence.proofs.p256_keys import P256PublicKey
from ringfence.proofs.public_keys import PublicKey, PublicKeyError, Thumbprint
from ringfence.proofs.rsa_keys import RsaPublicKey, import_rsa_key

MAX_PINNED_KEYS = 32
MAX_KEY_ID = 1_024
"""The longest `kid`, in characters."""


class CardAlgorithm(enum.Enum):
    """How an Agent Card may be signed; whatever is not here is refused."""

    ED_DSA = "EdDSA"
    ES256 = "ES256"
    RS256 = "RS256"
    PS256 = "PS256"


ALGORITHM_OF: Mapping[Json, CardAlgorithm] = {
    **{algorithm.value: algorithm for algorithm in CardAlgorithm},
    "Ed25519": CardAlgorithm.ED_DSA,  # RFC 9864 renamed EdDSA with this curve
}
"""The algorithm each accepted spelling of `alg` means."""


@dataclass(frozen=True, slots=True)
class CardKey:
    """A public key, and what it may verify."""

    key: PublicKey | P256PublicKey | RsaPublicKey
    algorithms: frozenset[CardAlgorithm]

    @property
    def thumbprint(self) -> Thumbprint:
        """The RFC 7638 name of the key."""
        return self.key.thumbprint

    def verifies(self, algorithm: CardAlgorithm, signature: bytes, message: bytes) -> bool:
        """Say whether `signature` is this key's over `message`; never for an algorithm that is not the key's."""
        if algorithm not in self.algorithms:
            return False
        if isinstance(self.key, RsaPublicKey):
            return self.key.verifies(signature, message, "PS256" if algorithm is CardAlgorithm.PS256 else "RS256")
        return self.key.verifies(signature, message)


PinnedKeys: TypeAlias = Mapping[str, CardKey]
"""Keys by `kid`."""


class PinnedKeysError(ValueError):
    """A JWK Set that cannot be pinned, with every problem and the member it is in."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def card_key(key: PublicKey | P256PublicKey | RsaPublicKey) -> CardKey:
    """Return `key` with every algorithm of its kind."""
    return CardKey(key, _ALGORITHMS[type(key)])


def read_pinned_keys(document: JsonObject) -> PinnedKeys:
    """Return the keys of a JWK Set (RFC 7517) by `kid`, or raise `PinnedKeysError`."""
    members = document.get("keys")
    if not isinstance(members, list) or not members:
        raise PinnedKeysError(('it is not a JWK Set: it has no list "keys" with a key in it',))
    if len(members) > MAX_PINNED_KEYS:
        raise PinnedKeysError((f"it has {len(members)} keys; at most {MAX_PINNED_KEYS} can be pinned",))
    keys: dict[str, CardKey] = {}
    problems: list[str] = []
    for index, member in enumerate(members):
        try:
            key_id, key = _pinned(member)
        except PublicKeyError as error:
            problems.append(f"keys[{index}]: {error.problem}")
            continue
        if keys.setdefault(key_id, key) is not key:
            problems.append(f"keys[{index}]: its kid is another key's as well")
    if problems:
        raise PinnedKeysError(tuple(problems))
    return keys


_ALGORITHMS: Mapping[type, frozenset[CardAlgorithm]] = {
    PublicKey: frozenset({CardAlgorithm.ED_DSA}),
    P256PublicKey: frozenset({CardAlgorithm.ES256}),
    RsaPublicKey: frozenset({CardAlgorithm.RS256, CardAlgorithm.PS256}),
}


def _pinned(member: Json) -> tuple[str, CardKey]:
    if not isinstance(member, dict):
        raise PublicKeyError("it is not a JSON object")
    if member.keys() & {"d", "k", "p", "q"}:
        raise PublicKeyError("it is a private or symmetric key; pin the public one, and make a new pair")
    if member.get("use", "sig") != "sig":
        raise PublicKeyError('its use is not "sig"')
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise PublicKeyError('its key_ops do not name "verify"')
    key_id = member.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID:
        raise PublicKeyError(f"it has no kid of 1 to {MAX_KEY_ID} characters")
    return key_id, _for_its_algorithm(member)


def _for_its_algorithm(member: JsonObject) -> CardKey:
    key = card_key(_rsa_key(member) if member.get("kty") == "RSA" else _other_key(member))
    if "alg" not in member:
        return key
    algorithm = ALGORITHM_OF.get(member["alg"]) if isinstance(member["alg"], str) else None
    if algorithm not in key.algorithms:
        raise PublicKeyError("its alg is not one of EdDSA, ES256, RS256 and PS256 that fits its kty")
    return CardKey(key.key, frozenset({algorithm}))


def _rsa_key(member: JsonObject) -> RsaPublicKey:
    n, e = member.get("n"), member.get("e")
    if not isinstance(n, str) or not isinstance(e, str):
        raise PublicKeyError("it has no n or no e")
    try:
        return import_rsa_key(from_base64url(n), from_base64url(e))
    except PublicKeyError:
        raise
    except ValueError as error:
        raise PublicKeyError("n or e is not base64url") from error


def _other_key(member: JsonObject) -> PublicKey | P256PublicKey:
    key = key_of_jwk(member)
    if not isinstance(key, PublicKey | P256PublicKey):
        raise PublicKeyError("neither an Ed25519, a P-256 nor an RSA key")
    return key
