"""Times as signed documents write them: UTC in whole seconds, `2026-01-01T00:00:00Z`, and no other spelling."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from ringfence.instants import SECOND, Instant
from ringfence.proofs.canonical_json import Json

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def whole_second(instant: Instant) -> Instant:
    """Return the last whole second at or before `instant`."""
    return Instant(instant - instant % SECOND)


def timestamp(instant: Instant) -> str:
    """Return `instant`, cut to whole seconds, in RFC 3339 form."""
    return _written(instant // SECOND)


@lru_cache(maxsize=64)
def _written(seconds: int) -> str:
    """Documents that are signed together say the same second many times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> Instant:
    """Return the instant that `text` spells; ValueError when it is not in the one form used here."""
    if _FORM.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a UTC time in whole seconds")
    return Instant(int(datetime.fromisoformat(text).timestamp()) * SECOND)


def is_timestamp(value: Json) -> bool:
    """Say whether `value` is a time in the one form used here."""
    if not isinstance(value, str):
        return False
    try:
        parse_timestamp(value)
    except ValueError:
        return False
    return True
