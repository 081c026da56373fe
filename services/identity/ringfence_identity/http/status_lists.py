"""Status lists over HTTP, where birth certificates say they are: public, cacheable, cheap to ask again for."""

from ringfence_kit.clock import SECOND
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ringfence_identity.environments import Environment
from ringfence_identity.errors import StatusListNotFound
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.status.lists import StatusLists

MEDIA_TYPE = "application/vc"
RETRIEVAL_ERROR = "https://www.w3.org/ns/credentials/status-list#STATUS_RETRIEVAL_ERROR"
"""The type of a problem (RFC 9457) with a list that is not there (Bitstring Status List 1.0, section 3.5)."""
_MOST_DIGITS = 9


class HttpStatusLists:
    """Serves `/status/{number}`."""

    def __init__(self, lists: StatusLists, clock: SigningClock) -> None:
        self._lists = lists
        self._clock = clock

    async def serve(self, request: Request, environment: Environment) -> Response:
        """Return a list, or 304 to whoever has it already (RFC 9110 13.1.2)."""
        if "timestamp" in request.query_params:
            # Section 3.2: a list of another time than asked for must not be given. None but the newest is kept.
            return _not_retrieved("status lists of the past are not kept; ask without a timestamp")
        now = self._clock.now()
        try:
            published = self._lists.of(environment.name, _number(request, environment), now=now)
        except StatusListNotFound as missing:
            return _not_retrieved(missing.message)
        headers = {"etag": published.etag, "cache-control": f"public, max-age={(published.refresh_at - now) // SECOND}"}
        if _etags(request) & {published.etag, "*"}:
            return Response(status_code=304, headers=headers)
        return Response(published.credential, media_type=MEDIA_TYPE, headers=headers)


def _number(request: Request, environment: Environment) -> int:
    text = request.path_params["number"]
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise StatusListNotFound(environment=environment.name, number=0)
    return int(text)


def _not_retrieved(title: str) -> Response:
    body = {"type": RETRIEVAL_ERROR, "title": title, "status": 404}
    return JSONResponse(body, status_code=404, media_type="application/problem+json")


def _etags(request: Request) -> set[str]:
    return {etag.strip().removeprefix("W/") for etag in request.headers.get("if-none-match", "").split(",")}
