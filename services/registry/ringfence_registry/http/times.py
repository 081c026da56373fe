"""Times as JSON documents write them (RFC 3339), and as callers do: a time of day with its offset, or a day."""

import datetime as dt

from ringfence_kit.clock import Instant

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def rfc3339(at: Instant) -> str:
    """Return an instant with its milliseconds, in UTC."""
    return (_EPOCH + dt.timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def normal_time(text: str) -> str | None:
    """Return an ISO 8601 time, or the first moment in UTC of a day, as RFC 3339 writes it; None for anything else."""
    try:
        if len(text) == len("2026-01-31"):
            return f"{dt.date.fromisoformat(text).isoformat()}T00:00:00Z"
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if time.tzinfo is None else time.isoformat()
