"""The one serialisation that is ever signed or hashed here: the JSON Canonicalization Scheme (RFC 8785).

Two parties who agree on a JSON value agree on these bytes, whatever library wrote it. What JCS cannot express exactly
(integers beyond 2^53, NaN, lone surrogates) is refused rather than rounded.
"""

import base64
import hashlib
import json
from typing import TypeAlias

import rfc8785

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, Json]


class CanonicalFormError(ValueError):
    """A value that has no canonical form, so nothing may be signed over it."""


def canonical(value: Json) -> bytes:
    """Return the canonical bytes of `value`."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise CanonicalFormError(str(error)) from error


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
