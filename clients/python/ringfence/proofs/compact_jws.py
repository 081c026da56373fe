"""A compact JWS (RFC 7515 section 7.1), opened as strictly as it can be: one spelling of one content.

- exactly three parts, each in base64url without padding and without stray bits, so that no two texts decode alike;
- header and payload are JSON objects that name no member twice;
- the size is bounded before anything is decoded, and nothing is believed: verifying is the caller's part.
"""

import base64
import binascii
from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject, base64url, canonical, parse_object
from ringfence.proofs.public_keys import SigningKey


class JwsError(ValueError):
    """Text that is not a compact JWS in the one spelling accepted here, with the problem in words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class CompactJws:
    """A compact JWS that was opened and not yet believed."""

    header: JsonObject
    payload: JsonObject
    signing_input: bytes
    """The bytes the signature is over."""
    signature: bytes


def open_compact_jws(text: str, *, longest: int) -> CompactJws:
    """Return the parts of `text`, at most `longest` characters, or raise `JwsError`."""
    if len(text) > longest:
        raise JwsError(f"it is longer than {longest} characters")
    match text.split("."):
        case [header, payload, signature]:
            pass
        case _:
            raise JwsError("it does not have three parts")
    return CompactJws(
        header=_object(header, "header"),
        payload=_object(payload, "payload"),
        signature=_octets(signature, "signature"),
        signing_input=f"{header}.{payload}".encode("ascii"),
    )


def sign_compact_jws(header: JsonObject, payload: JsonObject, key: SigningKey) -> str:
    """Return the compact JWS over the canonical JSON of `header` and `payload`."""
    signed = f"{base64url(canonical(header))}.{base64url(canonical(payload))}"
    return f"{signed}.{base64url(key.sign(signed.encode('ascii')))}"


def from_base64url(text: str) -> bytes:
    """Return the bytes that `text` spells in base64url without padding; ValueError for any other spelling."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("it is not base64url") from error
    # RFC 4648 3.5: bits beyond the last byte decode to nothing. One content has one spelling.
    if base64url(data) != text:
        raise ValueError("it is not spelled as base64url without padding spells it")
    return data


def _octets(part: str, name: str) -> bytes:
    try:
        return from_base64url(part)
    except ValueError as error:
        raise JwsError(f"its {name} is not base64url: {error}") from error


def _object(part: str, name: str) -> JsonObject:
    try:
        return parse_object(_octets(part, name).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise JwsError(f"its {name} is not a JSON object that names each member once") from error
