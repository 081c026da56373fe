"""Where a watch stands, and how it goes on after a break. Pure: no stream is opened and nothing waits here.

The rules, for every Watch method of the mesh:

- a change is handed on once, in revision order. A watch resumes at the last revision it was told of plus one, an
  event's or a bookmark's, so a quiet or filtered watch does not fall behind what is kept; what comes again is dropped;
- the initial state counts only when it is complete. A stream cut before that begins anew, and `StateBegins` tells the
  reader to forget what it was given since the last one;
- history that is no longer kept, or that belongs to a store that was replaced, cannot be resumed: a watch with initial
  state begins anew, any other one raises;
- breaks that a new stream can mend are mended. An UNAUTHENTICATED is, once: the token may have expired on the way.
"""

import enum
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

import grpc

from ringfence.errors import (
    RevisionCompactedError,
    RevisionInFutureError,
    RingfenceError,
    UnauthenticatedError,
    WatcherTooSlowError,
)

_MENDED_BY_A_NEW_STREAM = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,  # by the server or something between; a reader that cancels never gets here
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,  # what a reset stream looks like
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
    }
)


class WatchAnswer(Protocol):
    """What the answers of every Watch method have in common; the resource itself differs."""

    @property
    def type(self) -> int:
        """A WatchEventType: the numbers are the same in every service."""
        ...

    @property
    def revision(self) -> int:
        """The revision of the change, or the one up to which there is none."""
        ...

    @property
    def initial_state_end(self) -> bool:
        """Set on the bookmark that ends the initial state."""
        ...


A_co = TypeVar("A_co", bound=WatchAnswer, covariant=True)
A = TypeVar("A", bound=WatchAnswer)


class Change(enum.IntEnum):
    """What happened to a resource. The numbers are those of WatchEventType in every service."""

    ADDED = 1
    MODIFIED = 2
    DELETED = 3


_BOOKMARK = 4


@dataclass(frozen=True, slots=True)
class StateBegins:
    """Forget what this watch has told so far: the whole state follows as ADDED."""


@dataclass(frozen=True, slots=True)
class Changed(Generic[A_co]):
    """One resource changed, or is part of the state. `answer` has it, in the field named for its kind."""

    revision: int
    change: Change
    answer: A_co


@dataclass(frozen=True, slots=True)
class StateComplete:
    """The state up to `revision` has been told; changes follow."""

    revision: int


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing more happened up to `revision`: a heartbeat."""

    revision: int


Step: TypeAlias = StateBegins | Changed[A] | StateComplete | Bookmark


class UnknownEventError(RingfenceError):
    """The server sent an event this client has no name for; going on would be skipping it. Upgrade the client."""

    code = grpc.StatusCode.UNIMPLEMENTED


@dataclass(slots=True, kw_only=True)
class WatchPosition:
    """The position of one watch. `start_revision` is the first revision wanted; 0 is only what happens from now on."""

    start_revision: int = 0
    with_state: bool = False
    """Whether the watch begins with the state, and may begin anew when its history is gone."""
    _state_due: bool = field(init=False)
    _heard: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.start_revision < 0 or (self.with_state and self.start_revision):
            raise ValueError("start_revision is positive, and 0 with initial state")
        self._state_due = self.with_state

    @property
    def state_due(self) -> bool:
        """Whether the next stream, or the present one, begins with the state."""
        return self._state_due

    def opened(self) -> None:
        """Note that a new stream was opened at this position."""
        self._heard = False

    def take(self, answer: A) -> "Step[A] | None":
        """Move by one answer and return what to tell the reader; None for what it was told before."""
        self._heard = True
        if answer.type == _BOOKMARK:
            return self._take_bookmark(answer)
        try:
            change = Change(answer.type)
        except ValueError:
            raise UnknownEventError(f"the watch sent an event of the unknown type {answer.type}") from None
        if not self._state_due:
            if answer.revision < self.start_revision:
                return None
            self.start_revision = answer.revision + 1
        return Changed(answer.revision, change, answer)

    def broke(self, error: RingfenceError | None) -> None:
        """Prepare the position for the next stream, or raise `error` when no stream would be better.

        None is a stream that ended without an error: the server is draining.
        """
        match error:
            case None:
                return
            case RevisionCompactedError() | RevisionInFutureError() if self.with_state:
                self._state_due, self.start_revision = True, 0
            case WatcherTooSlowError() if not self._state_due and not self.start_revision:
                self.start_revision = error.resume_revision or 0
            case UnauthenticatedError() if self._heard:
                return
            case _ if error.code not in _MENDED_BY_A_NEW_STREAM:
                raise error

    def relisted(self, revision: int) -> None:
        """Go on from a list that was read at `revision`."""
        self.start_revision = revision + 1

    def _take_bookmark(self, answer: A) -> StateComplete | Bookmark:
        if self._state_due and not answer.initial_state_end:
            return Bookmark(answer.revision)
        self.start_revision = max(self.start_revision, answer.revision + 1)
        if self._state_due:
            self._state_due = False
            return StateComplete(answer.revision)
        return Bookmark(self.start_revision - 1)
