"""Writes log lines in batches: one system call for many calls' lines, at once for anything that is wrong.

The rules:

- below WARNING a line may wait for fifty milliseconds while an event loop runs, and then goes out with its neighbours;
- from WARNING up, without a loop, and at the end of the process, everything goes out at once and in order;
- a process that is killed loses the lines of its last fifty milliseconds. What must not be lost is not a log line.
"""

import asyncio
import atexit
from threading import RLock, get_ident
from typing import TextIO

LINGER_SECONDS = 0.05
MOST_LINES = 512


class LineOutput:
    """A logger that writes each event as a line. Safe to use from any thread."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = RLock()
        self._waiting: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """The one that will flush, and its thread."""
        self._thread = 0
        atexit.register(self.flush)

    def msg(self, line: str) -> None:
        """Write a line soon."""
        with self._lock:
            waiting = self._waiting
            waiting.append(line)
            if len(waiting) >= MOST_LINES or not self._will_flush():
                self.flush()

    def now(self, line: str) -> None:
        """Write a line, and all before it, at once."""
        with self._lock:
            self._waiting.append(line)
            self.flush()

    debug = info = msg
    warning = error = critical = exception = fatal = now

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            lines, self._waiting, self._loop = self._waiting, [], None
            if lines and not self._out.closed:
                self._out.write("\n".join(lines) + "\n")
                self._out.flush()

    def _will_flush(self) -> bool:
        """Say whether the running loop will come by; a thread without one, or another loop's, will not."""
        known = self._loop
        if known is not None and self._thread == get_ident() and known.is_running():
            # As nearly always; to ask for the running loop is a system call (Python 3.11).
            return True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if self._loop is None:
            self._loop, self._thread = loop, get_ident()
            loop.call_later(LINGER_SECONDS, self.flush)
        return self._loop is loop
