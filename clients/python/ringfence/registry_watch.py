"""Follows agents, tools or boundaries across restarts of the registry and of one's own process.

    async for step in mesh.follow_agents(PositionFile(Path("agents.position"))):
        match step:
            case StateBegins(): agents.clear()
            case Changed(change=Change.DELETED, answer=answer): agents.pop(answer.agent.name, None)
            case Changed(answer=answer): agents[answer.agent.name] = answer.agent

The rules, beside those of `ringfence.watch`:

- the first time, and whenever the history from the position on is gone, the state comes first, after `StateBegins`;
- a step counts as handled when the next one is asked for, and its revision is stored then. Who crashes in between is
  told that one step again, and none is left out. Who stores the revision together with what it did, in one
  transaction, is told nothing twice: give a `Position` whose `load` reads it there and whose `save` does nothing;
- a state that was not told to its end is not a position: it is told again.
"""

import copy
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from ringfence.backoff import Backoff
from ringfence.errors import RevisionCompactedError, RevisionInFutureError
from ringfence.pace import Pace
from ringfence.watch import AioWatch, AioWatchMethod, Watch, WatchMethod, WatchRequest
from ringfence.watch_position import Bookmark, Changed, StateBegins, StateComplete, Step, WatchAnswer

Q = TypeVar("Q", bound=WatchRequest)
A = TypeVar("A", bound=WatchAnswer)


class Position(Protocol):
    """Where a watch stands, kept somewhere that outlives the process."""

    def load(self) -> int:
        """Return the last revision that was handled; 0 when none was, or that is not known any more."""
        ...

    def save(self, revision: int) -> None:
        """Keep the last revision that was handled."""
        ...


class PositionError(ValueError):
    """A position file holds something else."""


class PositionFile:
    """A position in a file. It changes in one step: whoever reads it sees a revision, the old one or the new one."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def load(self) -> int:
        """Return the revision; 0 without a file. Raises PositionError, OSError."""
        try:
            text = self._file.read_text("ascii").strip()
        except FileNotFoundError:
            return 0
        except UnicodeDecodeError:
            text = ""
        if not text.isdigit() or len(text) > len(str(2**63)):
            raise PositionError(f"{self._file} is no position; delete it to begin with the state")
        return int(text)

    def save(self, revision: int) -> None:
        """Write the revision. Raises OSError."""
        # Not flushed to the disk: after a power cut an older position is read, and some steps are told again.
        fresh = self._file.with_name(f"{self._file.name}.new")
        fresh.write_text(f"{revision}\n", "ascii")
        os.replace(fresh, self._file)  # noqa: PTH105 - the plain call, which is atomic


class _Progress(Generic[A]):
    """Which revision to store once a step was handled."""

    def __init__(self, position: Position) -> None:
        self._position = position
        self._in_state = False
        self.start = position.load()
        """The revision to go on after; 0 begins with the state."""

    def handled(self, step: "Step[A]") -> None:
        """Store how far the reader is."""
        match step:
            case StateBegins():
                self._in_state = True
                return
            case StateComplete():
                self._in_state = False
            case Changed() | Bookmark() if self._in_state:
                return
        self._position.save(step.revision)

    def request(self, wanted: Q) -> Q:
        """Return the request for the next watch."""
        placed = copy.deepcopy(wanted)
        placed.start_revision = self.start + 1 if self.start else 0
        return placed

    def begin_anew(self) -> None:
        """Go on with the state: what follows the position is gone."""
        self.start = 0


class AioResumingWatch(Generic[Q, A]):
    """A watch on the event loop that goes on where the last one ended. Iterate over it, once."""

    def __init__(
        self,
        method: AioWatchMethod[Q, A],
        request: Q,
        position: Position,
        *,
        backoff: Backoff | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._method = method
        self._request = request
        self._position = position
        self._backoff = backoff
        self._pace = pace

    def __aiter__(self) -> AsyncIterator[Step[A]]:
        return self.steps()

    async def steps(self) -> AsyncGenerator[Step[A], None]:
        """Yield the steps; close it, or leave the `async for`, to end the stream. The last step is told again then."""
        progress = _Progress[A](self._position)
        while True:
            request, state = progress.request(self._request), not progress.start
            watch = AioWatch(self._method, request, initial_state=state, backoff=self._backoff, pace=self._pace)
            steps = watch.steps()
            try:
                async for step in steps:
                    yield step
                    progress.handled(step)
            except (RevisionCompactedError, RevisionInFutureError):
                progress.begin_anew()
            finally:
                await steps.aclose()


class ResumingWatch(Generic[Q, A]):
    """As `AioResumingWatch`, for threads. `close`, from any thread, ends the iteration."""

    def __init__(
        self, method: WatchMethod[Q, A], request: Q, position: Position, *, backoff: Backoff | None = None
    ) -> None:
        self._method = method
        self._request = request
        self._position = position
        self._backoff = backoff
        self._closed = threading.Event()
        self._watch: Watch[Q, A] | None = None

    def __iter__(self) -> Iterator[Step[A]]:
        return self.steps()

    def close(self) -> None:
        """End the iteration."""
        self._closed.set()
        if (watch := self._watch) is not None:
            watch.close()

    def steps(self) -> Generator[Step[A], None, None]:
        """Yield the steps; close it, or leave the `for`, to end the stream. The last step is told again then."""
        progress = _Progress[A](self._position)
        while not self._closed.is_set():
            request, state = progress.request(self._request), not progress.start
            watch = self._watch = Watch(self._method, request, initial_state=state, backoff=self._backoff)
            if self._closed.is_set():  # closed while the watch was being made
                return
            try:
                for step in watch:
                    yield step
                    progress.handled(step)
            except (RevisionCompactedError, RevisionInFutureError):
                progress.begin_anew()
            finally:
                watch.close()
