"""What went wrong while resolving a DID, as HTTP says it: RFC 9457 problems with the types of DID Resolution.

Each carries beside its type the error string of older resolvers, so that both generations of clients know what to do.
"""

import re
from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.did import DidError, parse_did
from ringfence_kit.errors import Failure, InvalidRequest, Kind, Violation

from ringfence_identity.errors import DidInvalid

TYPES = "https://www.w3.org/ns/did#"

_METHOD = re.compile(r"did:([a-z0-9]+):.+")
_METHODS = frozenset({"webvh", "web", "key"})


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem: its type, its status, and its name before there were types."""

    name: str
    status: int
    former: str


INVALID_DID = ProblemKind("INVALID_DID", 400, "invalidDid")
INVALID_OPTIONS = ProblemKind("INVALID_OPTIONS", 400, "invalidOptions")
NOT_FOUND = ProblemKind("NOT_FOUND", 404, "notFound")
REPRESENTATION_NOT_SUPPORTED = ProblemKind("REPRESENTATION_NOT_SUPPORTED", 406, "representationNotSupported")
METHOD_NOT_SUPPORTED = ProblemKind("METHOD_NOT_SUPPORTED", 501, "methodNotSupported")
INTERNAL_ERROR = ProblemKind("INTERNAL_ERROR", 500, "internalError")
AWAY = ProblemKind("INTERNAL_ERROR", 503, "internalError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem, in words."""

    kind: ProblemKind
    detail: str

    @property
    def details(self) -> JsonObject:
        """The problem details (RFC 9457); `error` is the string of older resolvers."""
        return {
            "type": TYPES + self.kind.name,
            "title": self.kind.name.replace("_", " ").capitalize(),
            "status": self.kind.status,
            "detail": self.detail,
            "error": self.kind.former,
        }


def problem_of(failure: Failure, *, did: str = "") -> Problem:
    """Return what `failure` is to whoever resolves `did`, or fetches a document when that is empty."""
    return Problem(kind=_kind_of(failure, did), detail=failure.message)


def unacceptable(accept: str) -> Problem:
    """Return the problem of a caller who takes nothing that is served here."""
    return Problem(kind=REPRESENTATION_NOT_SUPPORTED, detail=f"nothing here is served as {accept[:200]}")


def invalid_option(option: str, problem: str) -> InvalidRequest:
    """Return the refusal of a resolution option."""
    return InvalidRequest(Violation(option, problem))


def _kind_of(failure: Failure, did: str) -> ProblemKind:
    if isinstance(failure, DidInvalid) and did:
        return _what_is_wrong_with(did)
    if isinstance(failure, InvalidRequest):
        return INVALID_OPTIONS
    match failure.kind:
        # A path that names no host, environment or DID of ours leads nowhere.
        case Kind.NOT_FOUND | Kind.INVALID_ARGUMENT:
            return NOT_FOUND
        case Kind.UNAVAILABLE:
            return AWAY
        case _:
            return INTERNAL_ERROR


def _what_is_wrong_with(did: str) -> ProblemKind:
    method = _METHOD.fullmatch(did)
    if method is not None and method[1] not in _METHODS:
        return METHOD_NOT_SUPPORTED
    try:
        parse_did(did)
    except DidError:
        return INVALID_DID
    return NOT_FOUND  # well formed, and of a host that is not ours: it is not looked for anywhere else
