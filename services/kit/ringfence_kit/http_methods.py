"""A path of the HTTP port that needs a caller, what its behaviour is given, and what its failures look like."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from starlette.responses import JSONResponse, Response

from ringfence_kit.callers import Caller
from ringfence_kit.errors import Failure, Kind, MessageTooLarge
from ringfence_kit.grants import Grant

_STATUS: Final[Mapping[Kind, int]] = {
    Kind.INVALID_ARGUMENT: 400,
    Kind.OUT_OF_RANGE: 400,
    Kind.FAILED_PRECONDITION: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.PERMISSION_DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.ALREADY_EXISTS: 409,
    Kind.ABORTED: 409,
    Kind.RESOURCE_EXHAUSTED: 429,
    Kind.UNIMPLEMENTED: 501,
    Kind.UNAVAILABLE: 503,
    Kind.DEADLINE_EXCEEDED: 504,
    Kind.INTERNAL: 500,
}


def http_status_of(failure: Failure) -> int:
    """Return the status code a failure has over HTTP."""
    return 413 if isinstance(failure, MessageTooLarge) else _STATUS[failure.kind]


def headers_of(failure: Failure) -> dict[str, str]:
    """Return what a failure says in headers: how to be known, and when to come back, in whole seconds."""
    headers = {}
    if failure.kind is Kind.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    if failure.retry_after is not None:
        headers["retry-after"] = str(max(1, -(-failure.retry_after // 1_000)))
    return headers


def refusal(failure: Failure, _content_type: str = "") -> Response:
    """Return a failure as one JSON object: its reason, and what is wrong with which field."""
    status = http_status_of(failure)
    error: dict[str, Any] = {"status": status, "reason": failure.reason, "message": failure.message}
    if failure.violations:
        error["violations"] = [{"field": one.field, "problem": one.problem} for one in failure.violations]
    return JSONResponse({"error": error}, status_code=status, headers=headers_of(failure))


class HttpCall(NamedTuple):
    """What the behaviour of a method gets: who asks, and what."""

    caller: Caller
    body: bytes
    content_type: str
    path: Mapping[str, Any]
    """The parts of the path that are named in it."""


class HttpMethod(NamedTuple):
    """One path of the HTTP port that needs a caller; POST."""

    path: str
    """As Starlette writes paths: `/access/v1/evaluation`, `/{environment}/…`."""
    name: str
    """What logs and metrics call it."""
    grant: Grant
    answer: Callable[[HttpCall], Awaitable[Response]]
    max_body_bytes: int
    """After decompression."""
    takes_gzip: bool = False
    refused: Callable[[Failure, str], Response] = refusal
    """What a failure looks like to who sent a body of this content type."""
