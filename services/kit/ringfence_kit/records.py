"""Records as stored: frozen dataclasses to JSON bytes and back.

- the same value always gives the same bytes, so bytes may be compared, hashed and signed;
- a field added later needs a default: old records are read with it; a field taken away is ignored when read;
- bytes that are not such a record raise `RecordUnreadable`: they are never guessed at.
"""

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="deterministic")


class RecordUnreadable(Exception):  # noqa: N818 - named for what happened, like every failure
    """Stored bytes that do not hold what the code expects: damage, or a record of a newer version."""

    def __init__(self, *, wanted: str, problem: str) -> None:
        super().__init__(f"a stored record cannot be read as {wanted}: {problem}")
        self.wanted = wanted
        self.problem = problem


def encode(value: object) -> bytes:
    """Return `value` (a dataclass, or what msgspec knows: str, int, tuple, enum, bytes, None …) as JSON bytes."""
    return _encoder.encode(value)


def decode(record: bytes, cls: type[T]) -> T:
    """Return the value of type `cls` that `encode` made `record` of."""
    try:
        return cast("T", _decoder(cast("Hashable", cls)).decode(record))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordUnreadable(wanted=getattr(cls, "__name__", str(cls)), problem=str(error)) from error


@cache
def _decoder(cls: Hashable) -> "msgspec.json.Decoder[Any]":
    """Return the decoder for the type `cls`; building one costs far more than using it."""
    return msgspec.json.Decoder(cast("Any", cls))
