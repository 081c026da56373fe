"""Follows any Watch method of the mesh through every break: each change once, in order.

    watch = AioWatch(stub.WatchAgents, WatchAgentsRequest(parent="namespaces/-"), initial_state=True)
    async for step in watch:
        match step:
            case StateBegins(): agents.clear()
            case Changed(change=Change.DELETED, answer=answer): del agents[answer.agent.name]
            case Changed(answer=answer): agents[answer.agent.name] = answer.agent
            case StateComplete() | Bookmark(): ...

`Watch` is the same for threads. The rules are those of `watch_position`; this module adds the waiting:

- after a break the next stream is opened after a short, jittered wait that grows while nothing is heard, and not before
  the server's RetryInfo;
- leaving the loop cancels the stream; nothing runs in the background.
"""

import asyncio
import copy
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Generic, Protocol, TypeVar

import grpc

from ringfence.backoff import Backoff
from ringfence.errors import RevisionCompactedError, RevisionInFutureError, RingfenceError, from_rpc_error
from ringfence.pace import Pace
from ringfence.watch_position import (
    Bookmark,
    Change,
    Changed,
    StateBegins,
    StateComplete,
    Step,
    UnknownEventError,
    WatchAnswer,
    WatchPosition,
)

__all__ = [
    "AioWatch",
    "Bookmark",
    "Change",
    "Changed",
    "StateBegins",
    "StateComplete",
    "Step",
    "UnknownEventError",
    "Watch",
]


class WatchRequest(Protocol):
    """What the requests of every Watch method have in common."""

    start_revision: int
    send_initial_state: bool


Q = TypeVar("Q", bound=WatchRequest)
Q_contra = TypeVar("Q_contra", bound=WatchRequest, contravariant=True)
A = TypeVar("A", bound=WatchAnswer)
A_co = TypeVar("A_co", bound=WatchAnswer, covariant=True)


class AioStream(Protocol[A_co]):
    """An open stream of answers, asyncio."""

    def __aiter__(self) -> AsyncIterator[A_co]: ...

    def cancel(self) -> bool:
        """End the stream."""
        ...


class SyncStream(Protocol[A_co]):
    """An open stream of answers, threads."""

    def __iter__(self) -> Iterator[A_co]: ...

    def cancel(self) -> object:
        """End the stream."""
        ...


class AioWatchMethod(Protocol[Q_contra, A_co]):
    """A Watch method of a stub made on an asyncio channel."""

    def __call__(self, request: Q_contra, /) -> AioStream[A_co]: ...


class WatchMethod(Protocol[Q_contra, A_co]):
    """A Watch method of a stub made on a channel for threads."""

    def __call__(self, request: Q_contra, /) -> SyncStream[A_co]: ...


class AioWatch(Generic[Q, A]):
    """A watch on the event loop. Iterate over it, once.

    `request` names what to watch; its `start_revision` is where to begin, and `initial_state` asks for the state
    first. `relist` is called when the history is gone and there is no initial state: it reads the resources again
    and returns the revision of that list; without it the iteration raises RevisionCompactedError.
    """

    def __init__(
        self,
        method: AioWatchMethod[Q, A],
        request: Q,
        *,
        initial_state: bool = False,
        relist: Callable[[], Awaitable[int]] | None = None,
        backoff: Backoff | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._method = method
        self._request = request
        self._position = WatchPosition(start_revision=request.start_revision, with_state=initial_state)
        self._relist = relist
        self._backoff = backoff or Backoff()
        self._pace = pace or Pace()
        self._stream: AioStream[A] | None = None
        self._interrupted = False

    def __aiter__(self) -> AsyncIterator[Step[A]]:
        return self.steps()

    def interrupt(self) -> None:
        """Give up the present stream as broken and resume on a new one: for whoever hears nothing and doubts it."""
        if self._stream is not None:
            self._interrupted = True
            self._stream.cancel()

    async def steps(self) -> AsyncGenerator[Step[A], None]:
        """Yield the steps; close it, or leave the `async for`, to end the stream."""
        while True:
            error: RingfenceError | None = None
            if self._position.state_due:
                yield StateBegins()
            try:
                async for step in self._one_stream():
                    yield step
            except grpc.RpcError as raw:
                error = from_rpc_error(raw)
            except RingfenceError as typed:
                error = typed
            await self._prepare(error)

    async def _one_stream(self) -> AsyncIterator[Step[A]]:
        self._position.opened()
        stream = self._stream = self._method(_request_at(self._request, self._position))
        try:
            async for answer in stream:
                self._backoff.reset()
                step = self._position.take(answer)
                if step is not None:
                    yield step
        except asyncio.CancelledError:
            if not self._interrupted or _being_cancelled():
                raise
        finally:
            self._stream, self._interrupted = None, False
            stream.cancel()

    async def _prepare(self, error: RingfenceError | None) -> None:
        if self._relist is not None and isinstance(error, RevisionCompactedError | RevisionInFutureError):
            self._position.relisted(await self._relist())
        else:
            self._position.broke(error)
        await self._pace.sleep_async(self._backoff.next_wait(at_least=_asked(error)))


class Watch(Generic[Q, A]):
    """A watch for threads, as `AioWatch`. `close`, from any thread, ends the iteration."""

    def __init__(
        self,
        method: WatchMethod[Q, A],
        request: Q,
        *,
        initial_state: bool = False,
        relist: Callable[[], int] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._method = method
        self._request = request
        self._position = WatchPosition(start_revision=request.start_revision, with_state=initial_state)
        self._relist = relist
        self._backoff = backoff or Backoff()
        self._stream: SyncStream[A] | None = None
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Step[A]]:
        return self.steps()

    def close(self) -> None:
        """End the iteration."""
        self._closed.set()
        if (stream := self._stream) is not None:
            stream.cancel()

    def steps(self) -> Generator[Step[A], None, None]:
        """Yield the steps; close it, or leave the `for`, to end the stream."""
        while not self._closed.is_set():
            error: RingfenceError | None = None
            if self._position.state_due:
                yield StateBegins()
            try:
                yield from self._one_stream()
            except grpc.RpcError as raw:
                error = from_rpc_error(raw)
            except RingfenceError as typed:
                error = typed
            if not self._closed.is_set():
                self._prepare(error)

    def _one_stream(self) -> Iterator[Step[A]]:
        self._position.opened()
        stream = self._stream = self._method(_request_at(self._request, self._position))
        try:
            if self._closed.is_set():  # closed while the stream was being opened
                return
            for answer in stream:
                self._backoff.reset()
                step = self._position.take(answer)
                if step is not None:
                    yield step
        finally:
            self._stream = None
            stream.cancel()

    def _prepare(self, error: RingfenceError | None) -> None:
        if self._relist is not None and isinstance(error, RevisionCompactedError | RevisionInFutureError):
            self._position.relisted(self._relist())
        else:
            self._position.broke(error)
        self._closed.wait(self._backoff.next_wait(at_least=_asked(error)))


def _request_at(request: Q, position: WatchPosition) -> Q:
    placed = copy.deepcopy(request)
    placed.start_revision = 0 if position.state_due else position.start_revision
    placed.send_initial_state = position.state_due
    return placed


def _asked(error: RingfenceError | None) -> float:
    return error.retry_after.total_seconds() if error is not None and error.retry_after is not None else 0.0


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
