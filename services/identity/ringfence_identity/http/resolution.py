"""DID Resolution over HTTP: `GET /1.0/identifiers/{did}`, as the HTTP binding of DID Resolution has it.

- the answer is a resolution result, or the bare document for whoever asks for that;
- a DID that is out of use is gone (410): no document, and metadata that says so. A version of it that is asked for by
  name or moment is still there;
- nothing is ever fetched for an answer, whatever host the DID names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.timestamps import parse_timestamp, timestamp
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Failure
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringfence_identity.did_history import Wanted
from ringfence_identity.http.problems import Problem, invalid_option, problem_of, unacceptable
from ringfence_identity.resolution import Resolution, Resolver

PATH = "/1.0/identifiers/"
CACHE = "public, max-age=60"
GONE = 410

RESULT = "application/did-resolution"
FORMER_RESULT = 'application/ld+json;profile="https://w3id.org/did-resolution"'
"""How a result was called before: there, an error is a string and its details stand beside it."""

DOCUMENT = "application/did"
_RESULTS = (RESULT, FORMER_RESULT, "application/json")
_DOCUMENTS = (DOCUMENT, "application/did+json", "application/did+ld+json")
_PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class _Answer:
    """A resolution, or why there is none."""

    resolution: Resolution | None
    problem: Problem | None

    @property
    def status(self) -> int:
        if self.problem is not None:
            return self.problem.kind.status
        return 200 if self.resolution is not None and self.resolution.document is not None else GONE


class HttpResolution:
    """Resolves DIDs for whoever asks over HTTP."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def route(self) -> Route:
        """Return the route; `did` holds everything behind the path's start, for `_did_of` to read."""
        return Route(PATH + "{did:path}", self._serve)

    async def _serve(self, request: Request) -> Response:
        media_type = _acceptable(request.headers.get("accept", ""))
        if media_type is None:
            problem = unacceptable(request.headers["accept"])
            return JSONResponse(problem.details, status_code=problem.kind.status, media_type=_PROBLEM)
        answer = await self._answer(request)
        headers = {"cache-control": CACHE, "vary": "accept"} if answer.problem is None else {"vary": "accept"}
        if media_type in _RESULTS:
            body = _result(answer, former=media_type == FORMER_RESULT)
            return JSONResponse(body, status_code=answer.status, media_type=media_type, headers=headers)
        if answer.problem is not None:
            return JSONResponse(answer.problem.details, status_code=answer.status, media_type=_PROBLEM)
        if answer.resolution is None or answer.resolution.document is None:
            return Response(status_code=GONE, headers=headers)
        return JSONResponse(answer.resolution.document, media_type=media_type, headers=headers)

    async def _answer(self, request: Request) -> _Answer:
        did = _did_of(request)
        try:
            return _Answer(await self._resolver.resolve(did, wanted_version(request)), None)
        except Failure as failure:
            return _Answer(None, problem_of(failure, did=did))


def wanted_version(request: Request) -> Wanted:
    """Return the version that `?versionId=` or `?versionTime=` asks for, or raise `InvalidRequest`."""
    options = {name: request.query_params.getlist(name) for name in ("versionId", "versionTime")}
    for name, values in options.items():
        if len(values) > 1 or "" in values:
            raise invalid_option(name, "must be given once, and not empty")
    if all(options.values()):
        raise invalid_option("versionTime", "and versionId are alternatives: give one of them at most")
    version_id, version_time = (next(iter(values), "") for values in options.values())
    return Wanted(version_id=version_id, version_time=_moment(version_time) if version_time else None)


def _moment(text: str) -> Instant:
    try:
        return parse_timestamp(text)
    except ValueError as error:
        # DID Resolution: UTC in whole seconds.
        raise invalid_option("versionTime", "must be a UTC time in whole seconds: 2026-01-01T00:00:00Z") from error


def _did_of(request: Request) -> str:
    """Return the DID in the path: percent-encoded as a whole, or put there as it is, with the `%3A` of a port."""
    raw = bytes(request.scope["raw_path"]).decode("latin-1").partition("?")[0]
    text = raw.partition(PATH)[2]
    spelled_out = text.startswith("did:") and "%25" not in text
    return text if spelled_out else unquote(text)


def _acceptable(accept: str) -> str | None:
    """Return the media type to answer with: the first served one among those accepted, the most wanted first."""
    if not accept.strip():
        return RESULT
    for wanted, _ in sorted(_accepted(accept), key=lambda entry: -entry[1]):
        if wanted in ("*/*", "application/*"):
            return RESULT
        for served in (*_RESULTS, *_DOCUMENTS):
            if wanted == served:
                return served
    return None


def _accepted(accept: str) -> Iterator[tuple[str, float]]:
    """Yield the media types of an Accept header with their weights (RFC 9110 12.5.1); those of weight 0 are refused."""
    for entry in accept.split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        weight, kept = 1.0, [media_type.lower()]
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                weight = _weight(value)
            else:
                kept.append(parameter)
        if weight > 0:
            yield ";".join(kept), weight


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


def _result(answer: _Answer, *, former: bool) -> JsonObject:
    metadata: JsonObject = {"contentType": DOCUMENT}
    if answer.problem is not None:
        details = answer.problem.details
        metadata = {"error": details["error"], "problemDetails": details} if former else {"error": details}
    resolution = answer.resolution
    body: JsonObject = {
        "didDocument": None if resolution is None else resolution.document,
        "didResolutionMetadata": metadata,
        "didDocumentMetadata": {} if resolution is None else document_metadata(resolution),
    }
    return {"@context": "https://w3id.org/did-resolution/v1", **body} if former else body


def document_metadata(resolution: Resolution) -> JsonObject:
    """Return what DID Resolution calls didDocumentMetadata; what is not known is left out."""
    times = {
        "created": resolution.created_at,
        "updated": resolution.updated_at,
        "versionTime": resolution.version_time,
        "nextUpdate": resolution.next_update,
    }
    texts = {
        "versionId": resolution.version_id,
        "nextVersionId": resolution.next_version_id,
        "canonicalId": resolution.canonical_id,
        "scid": resolution.scid,
    }
    metadata: JsonObject = {name: timestamp(at) for name, at in times.items() if at is not None}
    metadata |= {name: text for name, text in texts.items() if text}
    if resolution.equivalent_ids:
        equivalent: list[Json] = list(resolution.equivalent_ids)
        metadata["equivalentId"] = equivalent
    return {**metadata, "deactivated": resolution.deactivated}
