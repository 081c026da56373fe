"""Whether a failed call is made again, and when. Pure: no clock is read, nothing waits, nothing is sent here.

The rules:

- only UNAVAILABLE, and RESOURCE_EXHAUSTED that carries RetryInfo: a size limit does not pass by waiting;
- a call that may have happened is repeated only if repeating it is harmless. Every mutation of the mesh takes a
  `request_id` (AIP-155); the client fills it in when the caller did not, once per call, so all attempts are one call.
  A request that is not a protobuf message says nothing, and is repeated only after a refusal;
- never more than `attempts`, never past the caller's deadline, never when the server asks for a longer wait than
  `longest_wait`;
- retries of one channel draw on one budget, so a server in trouble is not buried by those who would help themselves
  (gRPC A6: each failure costs a token, each success earns a tenth, and below half there are no retries).
"""

import copy
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from ringfence.backoff import Backoff
from ringfence.errors import RingfenceError

REQUEST_ID = "request_id"

Q = TypeVar("Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How hard to try. Times are in seconds."""

    attempts: int = 4
    """The first one included; 1 never retries."""
    first_wait: float = 0.1
    longest_wait: float = 5.0
    timeout: float | None = 30.0
    """The deadline of calls that are made without one, all attempts together; None lets them wait for ever."""
    budget: float = 10.0
    """Tokens of the channel's budget."""
    earned_by_success: float = 0.1


class RetryBudget:
    """Tokens shared by the calls of one channel, from any thread."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._most = self._tokens = policy.budget
        self._earned = policy.earned_by_success
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """Earn a part of a token."""
        with self._lock:
            self._tokens = min(self._most, self._tokens + self._earned)

    def failed(self) -> bool:
        """Pay a token and say whether a retry is affordable."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1.0)
            return self._tokens > self._most / 2


@dataclass(slots=True, kw_only=True)
class Attempts:
    """The attempts of one call. `deadline` is an instant of the caller's steady clock."""

    policy: RetryPolicy
    budget: RetryBudget
    deadline: float | None
    repeatable: bool
    _made: int = field(default=0, init=False)
    _backoff: Backoff = field(init=False)

    def __post_init__(self) -> None:
        self._backoff = Backoff(first=self.policy.first_wait, cap=self.policy.longest_wait)

    def time_left(self, now: float) -> float | None:
        """Return the timeout of the next attempt."""
        return None if self.deadline is None else max(0.0, self.deadline - now)

    def wait_after(self, error: RingfenceError, now: float) -> float | None:
        """Return how long to wait before the next attempt, or None when `error` is the answer."""
        self._made += 1
        if not may_repeat(error, repeatable=self.repeatable):
            return None
        affordable = self.budget.failed()
        asked = error.retry_after.total_seconds() if error.retry_after is not None else 0.0
        if not affordable or self._made >= self.policy.attempts or asked > self.policy.longest_wait:
            return None
        wait = self._backoff.next_wait(at_least=asked)
        if self.deadline is not None and now + wait >= self.deadline:
            return None
        return wait


def may_repeat(error: RingfenceError, *, repeatable: bool) -> bool:
    """Say whether asking again can help and cannot harm."""
    match error.code:
        case grpc.StatusCode.UNAVAILABLE:
            return repeatable
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return error.retry_after is not None  # refused before anything was done
        case _:
            return False


def made_repeatable(request: Q, new_id: Callable[[], str] = lambda: str(uuid.uuid4())) -> tuple[Q, bool]:
    """Return the request to send and whether sending it twice is the same as once.

    A request with an empty `request_id` is copied, never changed, to fill it in.
    """
    if not isinstance(request, Message):
        return request, False
    if REQUEST_ID not in request.DESCRIPTOR.fields_by_name or getattr(request, REQUEST_ID) != "":
        return request, True
    filled = copy.deepcopy(request)
    setattr(filled, REQUEST_ID, new_id())
    return filled, True
