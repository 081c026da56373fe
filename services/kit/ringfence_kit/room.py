"""How many calls are in progress in a service, whether more may come, and how long-lived streams are told to end.

The rules:

- calls are refused while the service starts, once it drains, and while too many are in progress: UNAVAILABLE with the
  time to wait, before anything is done for them;
- a drain ends streams at once, since they would never end by themselves; their callers resume elsewhere. Calls that
  are about to be answered are left to finish.
"""

import asyncio

from ringfence_kit.errors import Unavailable


class Room:
    """The calls in progress in one service."""

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self._inside = 0
        self._refusal = "it is starting"
        self._streams: set[asyncio.Timeout] = set()
        self.draining = False

    def open(self) -> None:
        """Let calls in: the service runs."""
        self._refusal = ""

    def enter(self) -> None:
        """Count a call in, or raise Unavailable. `leave` must follow in either case."""
        self._inside += 1
        if self._refusal:
            raise Unavailable(problem=self._refusal)
        if self._inside > self._max_calls:
            raise Unavailable(problem="too many calls are in progress")

    def leave(self) -> None:
        """Count a call out."""
        self._inside -= 1

    def hold(self, stream: asyncio.Timeout) -> None:
        """Remember the timer of a stream, so that a drain can end it."""
        if self.draining:
            raise Unavailable(problem=self._refusal)
        self._streams.add(stream)

    def release(self, stream: asyncio.Timeout) -> None:
        """Forget a stream that has ended."""
        self._streams.discard(stream)

    def drain(self) -> None:
        """Let nobody in any more, and end the streams."""
        self.draining = True
        self._refusal = "it is shutting down; another replica answers"
        now = asyncio.get_running_loop().time()
        for stream in self._streams:
            # One whose token has just expired is ending already; its timer can no longer be set.
            if not stream.expired():
                stream.reschedule(now)
