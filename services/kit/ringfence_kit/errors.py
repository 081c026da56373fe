"""Failures as the domain speaks of them: a class with data, a kind and a reason.

A service raises `AgentNotFound(name=...)` and knows nothing of status codes. One interceptor (`status.py`) makes the
gRPC status, and the public client turns it back. The rules:

- `kind` is the canonical category that tells a caller's retry loop what to do (google.rpc.Code).
- `reason` is UPPER_SNAKE_CASE, documented in the service's `errors.proto`, one meaning each (AIP-193).
- `metadata` repeats every dynamic part of the message, so nobody parses sentences.
- a message says what was wrong and, where there is something to do, what to do.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ringfence_kit.clock import Millis


class Kind(enum.Enum):
    """The canonical error categories, by their google.rpc.Code numbers."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with one field. `field` is its path in the request: `agent.owner.email`, `items[3].action`."""

    field: str
    problem: str


class Failure(Exception):  # noqa: N818 - the subclasses are named for what happened: `AgentNotFound`
    """A failure a caller can act on. Subclasses set `kind` and `reason` and build the message from their data."""

    kind: ClassVar[Kind]
    reason: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Iterable[Violation] = (),
        retry_after: Millis | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after


class InvalidRequest(Failure):
    """The request is malformed; every violation is listed at once, each with its field path."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"

    def __init__(self, *violations: Violation) -> None:
        listed = "; ".join(f"{v.field}: {v.problem}" for v in violations)
        super().__init__(f"the request is invalid: {listed}", violations=violations)


class RequestIdReused(Failure):
    """The same request_id came back with another payload, another method or from another caller."""

    kind = Kind.INVALID_ARGUMENT
    reason = "REQUEST_ID_REUSED"

    def __init__(self, *, request_id: str) -> None:
        super().__init__(
            f"request_id {request_id} was already used for a different request; use a new UUID",
            metadata={"request_id": request_id},
            violations=(Violation("request_id", "already used for a different request"),),
        )


class PageTokenInvalid(Failure):
    """A page token that we did not make for this caller and these arguments, or that has expired."""

    kind = Kind.INVALID_ARGUMENT
    reason = "PAGE_TOKEN_INVALID"

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"page_token cannot be used: {problem}; start again with an empty page_token",
            metadata={"problem": problem},
            violations=(Violation("page_token", problem),),
        )


class EtagMismatch(Failure):
    """The resource changed since the caller read it (AIP-154: ABORTED)."""

    kind = Kind.ABORTED
    reason = "ETAG_MISMATCH"

    def __init__(self, *, name: str, expected: str, current: str) -> None:
        super().__init__(
            f"{name} has etag {current}, not {expected}; read it again and repeat your change",
            metadata={"name": name, "expected_etag": expected, "current_etag": current},
        )


class Unauthenticated(Failure):
    """Who is calling could not be established."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"

    def __init__(self, *, problem: str) -> None:
        super().__init__(f"the caller could not be authenticated: {problem}", metadata={"problem": problem})


class NotPermitted(Failure):
    """The caller is known and may not do this. Checked before existence, so it tells nothing about what exists."""

    kind = Kind.PERMISSION_DENIED
    reason = "NOT_PERMITTED"

    def __init__(self, *, principal: str, action: str, needed: str) -> None:
        super().__init__(
            f"{principal} may not {action}: it needs {needed}",
            metadata={"principal": principal, "action": action, "needed": needed},
        )


class QuotaExceeded(Failure):
    """More than a quota allows: mostly, the caller's token bucket for this class of methods is empty."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "QUOTA_EXCEEDED"

    def __init__(self, *, principal: str, method_class: str, retry_after: Millis | None, problem: str = "") -> None:
        """`problem` says what is used up when it is not calls; `retry_after` is None when waiting does not help."""
        used_up = problem or f"has used up its quota of {method_class} calls"
        retry = f"; retry in {retry_after} ms" if retry_after is not None else ""
        super().__init__(
            f"{principal} {used_up}{retry}",
            metadata={"principal": principal, "method_class": method_class},
            retry_after=retry_after,
        )


class RevisionCompacted(Failure):
    """A watch asked for events that are no longer kept, or that lead nowhere for this caller."""

    kind = Kind.OUT_OF_RANGE
    reason = "REVISION_COMPACTED"

    def __init__(self, *, requested: int, oldest: int, why: str = "are no longer kept") -> None:
        """`why` says what is wrong with the events before `oldest`."""
        super().__init__(
            f"events before revision {oldest} {why} and revision {requested} was asked for; "
            "list the resources again and watch from the revision after the one that list was read at",
            metadata={"requested_revision": str(requested), "oldest_revision": str(oldest)},
        )


class RevisionInFuture(Failure):
    """A watch asked to start after the newest revision: a token of another database, or of one restored."""

    kind = Kind.OUT_OF_RANGE
    reason = "REVISION_IN_FUTURE"

    def __init__(self, *, requested: int, newest: int) -> None:
        super().__init__(
            f"revision {requested} does not exist yet, the newest is {newest}; "
            "the store was replaced or the token is another service's: list again and watch from there",
            metadata={"requested_revision": str(requested), "newest_revision": str(newest)},
        )


class WatcherTooSlow(Failure):
    """A watcher did not read fast enough; it is closed and told where to resume, never skipped silently."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "WATCHER_TOO_SLOW"

    def __init__(self, *, resume_revision: int, retry_after: Millis = Millis(100)) -> None:
        super().__init__(
            f"the stream fell too far behind and was closed; watch again with start_revision {resume_revision}",
            metadata={"resume_revision": str(resume_revision)},
            retry_after=retry_after,
        )


class Unavailable(Failure):
    """The service cannot answer now: starting, draining, or a store it needs is away."""

    kind = Kind.UNAVAILABLE
    reason = "UNAVAILABLE"

    def __init__(self, *, problem: str, retry_after: Millis = Millis(500)) -> None:
        super().__init__(
            f"the service cannot answer now: {problem}", metadata={"problem": problem}, retry_after=retry_after
        )


class MalformedMessage(Failure):
    """The bytes are not the method's request message."""

    kind = Kind.INVALID_ARGUMENT
    reason = "MALFORMED_MESSAGE"

    def __init__(self, *, method: str, problem: str) -> None:
        super().__init__(
            f"the request of {method} cannot be read: {problem}", metadata={"method": method, "problem": problem}
        )


class MessageTooLarge(Failure):
    """The request message is over the documented limit."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "MESSAGE_TOO_LARGE"

    def __init__(self, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"the request takes {size_bytes} bytes and at most {limit_bytes} are accepted; send less at a time",
            metadata={"size_bytes": str(size_bytes), "limit_bytes": str(limit_bytes)},
        )


class MethodUnknown(Failure):
    """The server serves no such method."""

    kind = Kind.UNIMPLEMENTED
    reason = "METHOD_UNKNOWN"

    def __init__(self) -> None:
        super().__init__("there is no such method here; server reflection lists what is served")


class DeadlineExceeded(Failure):
    """The answer was not ready in time, by the caller's deadline or by the server's for this class of methods."""

    kind = Kind.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"

    def __init__(self, *, method: str, limit: Millis) -> None:
        super().__init__(
            f"{method} was not done within {limit} ms; a mutation may have happened all the same, "
            "so repeat it with the same request_id",
            metadata={"method": method, "limit_ms": str(limit)},
        )


class InternalError(Failure):
    """A defect of ours. The caller gets a reference; what happened is in the server's log under it."""

    kind = Kind.INTERNAL
    reason = "INTERNAL"

    def __init__(self, *, reference: str) -> None:
        super().__init__(
            f"the server failed; its operator finds the details in the log under reference {reference}",
            metadata={"reference": reference},
        )


COMMON_FAILURES: tuple[type[Failure], ...] = (
    InvalidRequest,
    RequestIdReused,
    PageTokenInvalid,
    EtagMismatch,
    Unauthenticated,
    NotPermitted,
    QuotaExceeded,
    RevisionCompacted,
    RevisionInFuture,
    WatcherTooSlow,
    Unavailable,
    MalformedMessage,
    MessageTooLarge,
    MethodUnknown,
    DeadlineExceeded,
    InternalError,
)
"""The failures any service may raise; each service's `errors.proto` documents them next to its own."""
