"""One entry of an Agent Card's `signatures`, opened as strictly as it can be and not yet believed (A2A 1.0 8.4.2).

It is a JWS whose payload is left out (RFC 7515 7.2.2 and appendix F): `protected`, `signature` and perhaps `header`.

- only the protected header says anything; the other one may not name a member of it again, and is read no further;
- `alg` is one of EdDSA, ES256, RS256 and PS256. `none`, HS* and everything else is refused by name;
- `kid` says which key, in words of the verifier. `jku`, `x5u`, `jwk`, `x5c` and thumbprints of certificates would let
  a signer choose whom to trust: they are reported, and neither used nor fetched;
- nothing is understood to be critical, and a payload is base64url: `crit` (RFC 7515 4.1.11) and `b64` (RFC 7797) are
  refused;
- sizes are bounded before anything is decoded.
"""

import json
from dataclasses import dataclass

from ringfence.proofs.canonical_json import Json, JsonObject, base64url, parse_object
from ringfence.proofs.card_keys import ALGORITHM_OF, MAX_KEY_ID, CardAlgorithm
from ringfence.proofs.compact_jws import from_base64url

MAX_PROTECTED = 4_096
"""Characters; what a verifier needs of a header takes some hundred."""

MAX_SIGNATURE = 683
"""Characters: those of an RSA signature of 4,096 bits."""

KEY_HINTS = ("jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256")
"""Members by which a signer offers a key or a certificate of its own (RFC 7515 4.1.2 to 4.1.8)."""

_ENTRY = frozenset({"protected", "signature", "header"})
_SHOWN = 32


class SignatureEntryError(ValueError):
    """An entry that is no signature in the form accepted here, with the problem in words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class AlgorithmRefusedError(SignatureEntryError):
    """An entry of an algorithm that nothing is verified with."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"its alg {algorithm!r} is none of EdDSA, ES256, RS256 and PS256")
        self.algorithm = algorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSignature:
    """What an entry says."""

    algorithm: CardAlgorithm
    key_id: str
    protected: str
    """The protected header, as it was sent."""
    header: JsonObject
    """The same, decoded."""
    signature: bytes
    ignored: tuple[str, ...] = ()
    """Which of `KEY_HINTS` it offers, in either header."""

    def signing_input(self, payload: bytes) -> bytes:
        """Return the bytes a signature of `payload` under this header is over (RFC 7515 5.2)."""
        return f"{self.protected}.{base64url(payload)}".encode("ascii")


def open_card_signature(entry: Json) -> CardSignature:
    """Return what `entry` says, or raise `SignatureEntryError`."""
    if not isinstance(entry, dict):
        raise SignatureEntryError("it is not an object")
    protected = _text(entry, "protected", MAX_PROTECTED)
    signature = _octets(_text(entry, "signature", MAX_SIGNATURE), "signature")
    header = _header(protected)
    unprotected = entry.get("header")
    if unprotected is not None and not isinstance(unprotected, dict):
        raise SignatureEntryError("its header is not an object")
    offered = {**(unprotected or {}), **header}
    if len(offered) != len(header) + len(unprotected or {}):
        raise SignatureEntryError("a member stands in both of its headers")  # RFC 7515 7.2.1
    for member in ("crit", "b64"):
        if member in offered:
            raise SignatureEntryError(f"its header has {member}, which no verifier here understands")
    return CardSignature(
        algorithm=_algorithm(header),
        key_id=_key_id(header),
        protected=protected,
        header=header,
        signature=signature,
        ignored=tuple(hint for hint in KEY_HINTS if offered.get(hint) is not None),
    )


def key_id_said(entry: Json) -> str:
    """Return the `kid` of an entry however malformed, for reports; empty when it says none."""
    try:
        return _key_id(_header(_text(entry, "protected", MAX_PROTECTED))) if isinstance(entry, dict) else ""
    except SignatureEntryError:
        return ""


def _text(entry: JsonObject, member: str, longest: int) -> str:
    text = entry.get(member)
    if not isinstance(text, str) or not text:
        raise SignatureEntryError(f"it has no {member}")
    if len(text) > longest:
        raise SignatureEntryError(f"its {member} is longer than {longest} characters")
    return text


def _octets(text: str, name: str) -> bytes:
    try:
        return from_base64url(text)
    except ValueError as error:
        raise SignatureEntryError(f"its {name} is not base64url: {error}") from error


def _header(protected: str) -> JsonObject:
    octets = _octets(protected, "protected header")
    try:
        header = parse_object(octets.decode("utf-8"))
        # Half a surrogate pair, written as an escape, makes a text that nobody can show or store.
        json.dumps(header, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise SignatureEntryError("its protected header is not a JSON object that names each member once") from error
    return header


def _algorithm(header: JsonObject) -> CardAlgorithm:
    said = header.get("alg")
    if not isinstance(said, str):
        raise SignatureEntryError("its protected header has no alg")
    algorithm = ALGORITHM_OF.get(said)
    if algorithm is None:
        raise AlgorithmRefusedError(said[:_SHOWN])
    return algorithm


def _key_id(header: JsonObject) -> str:
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise SignatureEntryError("its protected header has no kid")
    if len(key_id) > MAX_KEY_ID:
        raise SignatureEntryError(f"its kid is longer than {MAX_KEY_ID} characters")
    return key_id
