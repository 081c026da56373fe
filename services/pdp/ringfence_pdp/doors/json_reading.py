"""JSON in one reading: a text that two parsers could take for different values is refused, with what is wrong.

The rules:

- UTF-8 without a byte order mark, one value, nothing after it;
- no member twice in an object, whatever its escapes; no lone surrogates;
- numbers are doubles, exactly: an integer that a double cannot hold, or a number beyond all of them, would be another
  one to whoever reads it differently;
- bounded in bytes, nesting and values before anybody looks at what it says.

Most texts are small and plain, and are read at once (`at_a_glance`); a property test holds that to the whole reading.
"""

import json
import math
from typing import Any, Final, TypeAlias

import msgspec

DEPTH_MAX: Final = 64
"""Nested objects and arrays. Protobuf's own limit for the Struct this becomes is 100."""

VALUES_MAX: Final = 16_384
"""Values in one text: four times what one question may carry as arguments."""

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class UnreadableJsonError(ValueError):
    """The bytes are no JSON, or are JSON that could be read in two ways. The message says which."""


_GLANCE_MAX: Final = 8_192
"""Bytes that hold no more values than may be: each takes two."""
_EXACT: Final = 2**53

_decode = msgspec.json.Decoder().decode


def read_json(raw: bytes) -> Json:
    """Return the value in `raw`, or raise UnreadableJsonError."""
    plain = at_a_glance(raw)
    return read_closely(raw) if plain is None else plain


def at_a_glance(raw: bytes) -> Json:
    """Return an object or a list that no two parsers take for different ones; None for what is to be looked at closely.

    Each member has a colon, so where there are no more colons than members none was there twice.
    """
    if len(raw) > _GLANCE_MAX or b"\\u" in raw or raw.count(b"{") + raw.count(b"[") > DEPTH_MAX:
        return None
    try:
        value: Json = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    members, waiting = 0, list[Any]((value,))
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind is dict:
            members += len(one)
            waiting.extend(one.values())
        elif kind is list:
            waiting.extend(one)
        elif kind is int and not -_EXACT <= one <= _EXACT:
            return None
    return value if members == raw.count(b":") else None


def read_closely(raw: bytes) -> Json:
    """Return what `read_json` returns, or raise what it raises: what is wrong with a text is said here."""
    try:
        value: Json = json.loads(raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except UnreadableJsonError:
        raise
    except UnicodeDecodeError:
        raise UnreadableJsonError("it is not UTF-8") from None
    except RecursionError:
        raise UnreadableJsonError(f"it is nested more than {DEPTH_MAX} levels deep") from None
    except ValueError as error:
        # The json module's own messages say where; integers of thousands of digits end here as well.
        raise UnreadableJsonError(f"it is not JSON: {error}") from None
    _check(value)
    return value


def _object(members: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(members)
    if len(unique) != len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableJsonError(f"the member {_shown(twice)} is there twice")
    return unique


def _no_constant(name: str) -> Json:
    raise UnreadableJsonError(f"{name} is not JSON")


def _check(value: Json) -> None:
    """Walk the value level by level: nothing here nests as deep as what it looks at."""
    level, depth, count = [value], 0, 1
    while level:
        below: list[Json] = []
        for one in level:
            if isinstance(one, dict):
                for name in one:
                    _check_text(name)
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
            elif isinstance(one, str):
                _check_text(one)
            elif isinstance(one, int | float) and not isinstance(one, bool):
                _check_number(one)
        count += len(below)
        if count > VALUES_MAX:
            raise UnreadableJsonError(f"it holds more than {VALUES_MAX} values")
        depth += any(isinstance(one, dict | list) for one in level)
        if depth > DEPTH_MAX:
            raise UnreadableJsonError(f"it is nested more than {DEPTH_MAX} levels deep")
        level = below


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise UnreadableJsonError("a text holds half of a surrogate pair") from None


def _check_number(number: float) -> None:
    try:
        exact = math.isfinite(number) and float(number) == number
    except OverflowError:
        exact = False
    if not exact:
        raise UnreadableJsonError("a number is not exact as a double; send it as a text")


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 40 else f"{name[:40]}...")
