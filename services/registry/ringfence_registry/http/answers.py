"""How answers go out over HTTP: conditional, never guessed at by a browser, and refusals as ARD words them.

A refusal is `{"errorCode": …, "message": …}` (ARD 0.9 Appendix B) whatever is refused, so that a client of any of the
documents reads one form. What we do not answer for, a defect, is left to the server to log.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from ringfence_kit.clock import Instant
from ringfence_kit.errors import Failure, Kind
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

NOT_GUESSED = {"x-content-type-options": "nosniff"}

_REFUSALS: Mapping[Kind, tuple[int, str]] = {
    Kind.INVALID_ARGUMENT: (400, "INVALID_ARGUMENT"),
    Kind.NOT_FOUND: (404, "NOT_FOUND"),
    Kind.RESOURCE_EXHAUSTED: (429, "RATE_LIMIT_EXCEEDED"),
    Kind.UNAVAILABLE: (503, "UNAVAILABLE"),
}
"""Kinds a caller can meet here. Nobody is asked who they are, so nobody is refused for it."""

Endpoint = Callable[[Request], Awaitable[Response]]


def refusal(status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal."""
    body = {"errorCode": code, "message": message}
    return JSONResponse(
        body, status_code=status, headers={**NOT_GUESSED, "cache-control": "no-store", **(headers or {})}
    )


def refusing(endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with its failures told as refusals."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Failure as failure:
            if failure.kind not in _REFUSALS:
                raise
            status, code = _REFUSALS[failure.kind]
            wait = failure.retry_after
            headers = {"retry-after": str(-(-wait // 1_000))} if wait else {}  # RFC 9110 10.2.3: whole seconds
            return refusal(status, code, failure.message, headers=headers)

    return answer


def nothing_there() -> Response:
    """Return the one answer for everything that is not to be seen here, whatever the reason."""
    return refusal(404, "NOT_FOUND", "nothing is published under this address")


def document(
    request: Request,
    body: bytes,
    *,
    media_type: str,
    digest: str,
    max_age_seconds: int,
    changed_at: Instant | None = None,
    now: Instant | None = None,
) -> Response:
    """Return a document with its strong ETag, or 304 to who holds it (RFC 9110 13.1).

    `digest` stands for the bytes. With `changed_at` and `now` it has a date too, unless it changed within this second:
    another change could follow in it, and the date would be the same.
    """
    headers = {
        "etag": f'"{digest}"',
        "cache-control": f"public, max-age={max_age_seconds}",
        "content-type": media_type,
        **NOT_GUESSED,
    }
    changed = None
    if changed_at is not None and now is not None and changed_at // 1_000 < now // 1_000:
        changed = dt.datetime.fromtimestamp(changed_at // 1_000, dt.UTC)
        headers["last-modified"] = format_datetime(changed, usegmt=True)
    if _holds(request, digest, changed):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers)


def _holds(request: Request, digest: str, changed: dt.datetime | None) -> bool:
    """Say whether the client has these bytes already. With tags, dates are not looked at (RFC 9110 13.2.2)."""
    lines = request.headers.getlist("if-none-match")
    if lines:
        held = {tag.strip().removeprefix("W/") for line in lines for tag in line.split(",")}  # compared weakly: 13.1.2
        return "*" in held or f'"{digest}"' in held
    since = _date(request.headers.get("if-modified-since"))
    return changed is not None and since is not None and changed <= since


def _date(text: Any) -> dt.datetime | None:
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None  # RFC 9110 13.1.3: one that is no date is as if it were not there
    return date if date.tzinfo is not None else None
