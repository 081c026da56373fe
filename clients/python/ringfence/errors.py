"""What went wrong with a call, as an exception with data: the kind tells a retry loop what to do, the reason an `if`.

The rules (AIP-193):

- one subclass per canonical status code; `except NotFoundError` catches every reason of that kind;
- `reason` is a name of the service's `ErrorReason` without its prefix, empty when the error came from the transport or
  a proxy and not from Ringfence;
- details that cannot be read are left out: a damaged trailer never hides the status it came with;
- the three failures of a watch have classes of their own, because the way on from each is different.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DOMAIN = "ringfence.dev"
"""ErrorInfo.domain of every error that Ringfence made."""

_DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with one field: `agent.owner.contact` and what is wrong with it."""

    field: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What the standard error details of a status say."""

    reason: str = ""
    domain: str = ""
    metadata: Mapping[str, str] | None = None
    violations: tuple[Violation, ...] = ()
    retry_after: timedelta | None = None


class RingfenceError(Exception):
    """A call that failed. `str()` is the server's sentence; everything dynamic in it is in `metadata` too."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN

    def __init__(self, message: str, *, details: Details | None = None, code: grpc.StatusCode | None = None) -> None:
        super().__init__(message)
        details = details or Details()
        self.message = message
        self.code = code or type(self).code
        self.reason = details.reason
        """A name of the service's ErrorReason, e.g. `AGENT_NOT_FOUND`; empty when Ringfence did not make the error."""
        self.domain = details.domain
        self.metadata: Mapping[str, str] = dict(details.metadata or {})
        self.violations = details.violations
        self.retry_after = details.retry_after
        """How long the server asks to wait; set only when asking again can help."""

    def __str__(self) -> str:
        return f"{self.reason or self.code.name}: {self.message}"


class CallCancelledError(RingfenceError):
    """The call was cancelled, by this side or the other."""

    code = grpc.StatusCode.CANCELLED


class InvalidArgumentError(RingfenceError):
    """The request is wrong whatever the state of the system; `violations` says where."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class DeadlineExceededError(RingfenceError):
    """No answer in time. A mutation may have happened: repeat it with the same request_id."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class NotFoundError(RingfenceError):
    """What was named does not exist."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExistsError(RingfenceError):
    """What was to be made exists."""

    code = grpc.StatusCode.ALREADY_EXISTS


class PermissionDeniedError(RingfenceError):
    """The caller is known and may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class ResourceExhaustedError(RingfenceError):
    """A quota or a size limit; with `retry_after` it passes."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class FailedPreconditionError(RingfenceError):
    """The system must be changed before this can work."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class AbortedError(RingfenceError):
    """Somebody else was faster: read again and repeat the change."""

    code = grpc.StatusCode.ABORTED


class OutOfRangeError(RingfenceError):
    """Past what exists or is kept."""

    code = grpc.StatusCode.OUT_OF_RANGE


class UnimplementedError(RingfenceError):
    """The server has no such method."""

    code = grpc.StatusCode.UNIMPLEMENTED


class InternalError(RingfenceError):
    """A defect of the server; `metadata["reference"]` finds it in its log."""

    code = grpc.StatusCode.INTERNAL


class UnavailableError(RingfenceError):
    """The server cannot be reached or cannot answer now."""

    code = grpc.StatusCode.UNAVAILABLE


class DataLossError(RingfenceError):
    """Data is damaged beyond repair."""

    code = grpc.StatusCode.DATA_LOSS


class UnauthenticatedError(RingfenceError):
    """Who is calling could not be established."""

    code = grpc.StatusCode.UNAUTHENTICATED


class RevisionCompactedError(OutOfRangeError):
    """A watch asked for events that are no longer kept. List again, or watch with initial state."""


class RevisionInFutureError(OutOfRangeError):
    """A watch asked for events that do not exist: the store was replaced. List again, or watch with initial state."""


class WatcherTooSlowError(ResourceExhaustedError):
    """The watch was closed because it was not read fast enough; `resume_revision` is where to go on."""

    @property
    def resume_revision(self) -> int | None:
        """The start_revision to go on with, when the server said one."""
        text = self.metadata.get("resume_revision", "")
        return int(text) if text.isascii() and text.isdecimal() else None


_BY_CODE: Mapping[grpc.StatusCode, type[RingfenceError]] = {
    kind.code: kind
    for kind in (
        CallCancelledError,
        InvalidArgumentError,
        DeadlineExceededError,
        NotFoundError,
        AlreadyExistsError,
        PermissionDeniedError,
        ResourceExhaustedError,
        FailedPreconditionError,
        AbortedError,
        OutOfRangeError,
        UnimplementedError,
        InternalError,
        UnavailableError,
        DataLossError,
        UnauthenticatedError,
    )
}

_BY_REASON: Mapping[str, type[RingfenceError]] = {
    "REVISION_COMPACTED": RevisionCompactedError,
    "REVISION_IN_FUTURE": RevisionInFutureError,
    "WATCHER_TOO_SLOW": WatcherTooSlowError,
}

Trailers: TypeAlias = Iterable[tuple[str, str | bytes]]


def error_of(code: grpc.StatusCode, message: str, trailers: Trailers | None) -> RingfenceError:
    """Return the typed error of a status and its trailing metadata."""
    details = read_details(trailers)
    kind = _BY_CODE.get(code, RingfenceError)
    narrower = _BY_REASON.get(details.reason) if details.domain == DOMAIN else None
    if narrower is not None and issubclass(narrower, kind):
        kind = narrower
    return kind(message, details=details, code=code)


def from_rpc_error(error: grpc.RpcError) -> RingfenceError:
    """Return the typed error of what a synchronous or asynchronous stub raised; a typed one is returned as it is."""
    if not hasattr(error, "code"):  # the base class, which promises nothing at run time
        return RingfenceError(str(error))
    return error_of(error.code(), error.details() or "", _trailers_of(error))


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn what plain stubs raise inside the block into typed errors; works around awaited calls too."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


def read_details(trailers: Trailers | None) -> Details:
    """Return what the `google.rpc.Status` in the trailers says; nothing when there is none or it cannot be read."""
    raw = next((value for key, value in trailers or () if key == _DETAILS_KEY), None)
    details = Details()
    if isinstance(raw, bytes):
        with suppress(DecodeError):
            for detail in Status.FromString(raw).details:
                details = _with(details, detail)
    return details


def _trailers_of(error: grpc.RpcError) -> Trailers:
    if isinstance(error, grpc.aio.AioRpcError):
        return error.trailing_metadata() or ()
    return ((entry.key, entry.value) for entry in error.trailing_metadata() or ())


def _with(known: Details, detail: AnyMessage) -> Details:
    """Return `known` and what one more detail says; details of other kinds, and unreadable ones, say nothing."""
    info, bad_request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    with suppress(DecodeError, OverflowError, ValueError):  # the latter two: a duration that is no duration
        if detail.Unpack(info) and not known.reason:
            return replace(known, reason=info.reason, domain=info.domain, metadata=dict(info.metadata))
        if detail.Unpack(bad_request):
            found = (Violation(violation.field, violation.description) for violation in bad_request.field_violations)
            return replace(known, violations=(*known.violations, *found))
        if detail.Unpack(retry):
            return replace(known, retry_after=max(timedelta(), retry.retry_delay.ToTimedelta()))
    return known
