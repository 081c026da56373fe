"""The one serialisation that is ever signed or hashed here: the JSON Canonicalization Scheme (RFC 8785).

Two parties who agree on a JSON value agree on these bytes, whatever library wrote it. What JCS cannot express exactly
(integers beyond 2^53, NaN, lone surrogates) is refused rather than rounded.

Most of what is signed here is texts, whole numbers and member names in ASCII. For just those the sorted output of
msgspec is the canonical form, in a tenth of the time: names in ASCII sort alike in every encoding, there is no float
to spell, and both escape the same characters. Everything else goes to `rfc8785`.
"""

import base64
import hashlib
import json
from typing import TypeAlias

import msgspec
import rfc8785

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, Json]

_LARGEST = 2**53 - 1
_write = msgspec.json.Encoder(order="sorted").encode


class CanonicalFormError(ValueError):
    """A value that has no canonical form, so nothing may be signed over it."""


def canonical(value: Json) -> bytes:
    """Return the canonical bytes of `value`."""
    try:
        return _written(value) or rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise CanonicalFormError(str(error)) from error


def _written(value: Json) -> bytes | None:
    """Return the canonical bytes as msgspec writes them, or None when that is not certain to be right."""
    try:
        written = _write(value)  # first: it refuses a value that holds itself, and names that are no texts
    except (ValueError, TypeError, RecursionError):
        return None
    return written if _is_plain(value) else None


def _is_plain(value: Json) -> bool:
    """Say whether `value` holds nothing that the two ways of writing it could differ in."""
    found: list[Json] = [value]
    while found:
        one = found.pop()
        kind = type(one)
        if kind is str or kind is bool or one is None:
            continue
        if kind is dict and isinstance(one, dict):
            if not "".join(one).isascii():
                return False
            found.extend(one.values())
        elif kind is list and isinstance(one, list):
            found.extend(one)
        elif not (kind is int and isinstance(one, int) and -_LARGEST <= one <= _LARGEST):
            return False
    return True


def digest(value: Json) -> bytes:
    """Return the SHA-256 of the canonical bytes of `value`."""
    return hashlib.sha256(canonical(value)).digest()


def parse_object(text: str | bytes) -> JsonObject:
    """Return the JSON object in `text`; ValueError when it is not one, or names a member twice."""
    value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the text is wrong, not a caller's type
    return value


def _without_duplicates(members: list[tuple[str, Json]]) -> JsonObject:
    unique = dict(members)
    if len(unique) != len(members):
        raise ValueError("a member is named twice")
    return unique


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def base64url(data: bytes) -> str:
    """Return `data` in base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
