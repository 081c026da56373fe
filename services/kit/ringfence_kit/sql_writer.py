"""The one writer of a database: a thread that commits waiting mutations as a group.

One transaction per group, one COMMIT, one fsync; then the hub hears the events and every caller its answer. While a
commit runs the next group gathers by itself, so nobody waits for a timer.

A caller cancelled before its work began takes the work back; later the work is applied, whole. Leaving the block stops
new writes, applies those that wait, and only then ends the thread, whatever cancels the leaving.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import sqlalchemy as sa
import structlog

from ringfence_kit.background import background
from ringfence_kit.clock import MINUTE, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.events import EMPTY, Revision
from ringfence_kit.sql import Database
from ringfence_kit.sql_events import compact_events
from ringfence_kit.sql_group import Committed, EventLog, Job, Outcome, Raised, Upkeep, Write, commit_group, no_log
from ringfence_kit.sql_requests import purge_requests
from ringfence_kit.store import Mutation, Recorder, StorageFault
from ringfence_kit.watch import STARTING, EventHub

T = TypeVar("T")
Tx = TypeVar("Tx")

GROUP_MAX = 256
"""The most works one transaction takes."""

WAITING_MAX = 16 * GROUP_MAX
"""The most works that may wait; more are refused at once, which is kinder than a deadline."""

EVENTS_KEPT = 100_000
"""How many events housekeeping keeps unless told otherwise."""

HOUSEKEEPING_EVERY = Millis(MINUTE)

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A job in the queue, and who waits for it."""

    job: Job
    answer: "asyncio.Future[Outcome]"
    abandoned: bool = False

    def settle(self, outcome: Outcome) -> None:
        if not self.answer.done():
            self.answer.set_result(outcome)


class SqlWriter(Generic[Tx]):
    """The `Writer` over an open `Database`, at work inside `async with`.

    Entering starts the writer thread, the hub's heartbeat, housekeeping and (PostgreSQL) the listener; `hub.start` has
    been called. Leaving applies what waits, then ends them. A `StorageFault` in any of them cancels the block and is
    raised from it: the service ends rather than serve a snapshot that no longer follows its data.
    """

    def __init__(
        self,
        database: Database,
        make_tx: Callable[[sa.Connection, Recorder], Tx],
        hub: EventHub,
        *,
        clock: Clock,
        keep_events: int = EVENTS_KEPT,
        group_max: int = GROUP_MAX,
        log: EventLog = no_log,
    ) -> None:
        """`log` keeps what else is kept of the events, in their transaction."""
        self._database = database
        self._make_tx = make_tx
        self._hub = hub
        self._clock = clock
        self._keep_events = keep_events
        self._group_max = group_max
        self._log = log
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._waiting = 0
        self._refusing: str | None = STARTING
        self._handed = EMPTY
        self._ended = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if not self._hub.started:
            raise RuntimeError("start the hub at the revision the snapshot was loaded at, then open the writer")
        await self._stack.enter_async_context(background(*self._tasks()))
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._commit_groups, args=(loop,), name="ringfence-write", daemon=True).start()
        self._stack.push_async_callback(self._drain)
        self._refusing = None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)

    async def write(
        self, work: Callable[[Tx], T], *, mutation: Mutation, result: type[T], validate_only: bool = False
    ) -> T:
        """Apply `work`, see `store.Writer.write`."""
        job = Write(make_tx=self._make_tx, work=work, mutation=mutation, result=result, validate_only=validate_only)
        return cast("T", await self._submit(job))

    async def compact(self, keep: int) -> Revision:
        """Forget old events, see `store.Writer.compact`."""
        done = False
        while not done:
            compacted, done = await self._submit(Upkeep(lambda connection: compact_events(connection, keep)))
        return cast("Revision", compacted)

    async def _submit(self, job: Job) -> Any:
        if self._refusing is not None:
            raise Unavailable(problem=self._refusing)
        if self._waiting >= WAITING_MAX:
            raise Unavailable(problem="too many writes are waiting")
        waiting = _Waiting(job, asyncio.get_running_loop().create_future())
        self._queue.put(waiting)
        self._waiting += 1
        try:
            return (await waiting.answer).unwrap()
        finally:
            waiting.abandoned = True
            self._waiting -= 1

    # The event loop's side.

    def _tasks(self) -> "Sequence[Coroutine[Any, Any, None]]":
        tasks = [self._hub.beat(), self._hub.until_broken(), self._keep_house()]
        if self._database.engines.url.get_backend_name() == "postgresql":
            from ringfence_kit.sql_listener import listen  # noqa: PLC0415 - psycopg is an extra: SQLite does without

            tasks.append(listen(self._database.engines.url, self._hub, self._clock))
        return tasks

    async def _keep_house(self) -> None:
        while True:
            await self._clock.sleep(HOUSEKEEPING_EVERY)
            try:
                await self._purge(self._clock.now())
                await self.compact(self._keep_events)
            except Unavailable as error:
                _log.warning("housekeeping_put_off", problem=error.message)

    async def _purge(self, now: Instant) -> None:
        done = False
        while not done:
            done = await self._submit(Upkeep(lambda connection: purge_requests(connection, now)))

    def _deliver(self, group: Sequence[_Waiting], committed: Committed) -> None:
        outcomes = committed.outcomes
        try:
            self._hub.publish(committed.events)
        except StorageFault as fault:
            _log.error("events_not_shown", problem=str(fault))
            outcomes = [_unavailable("the change is stored and cannot be shown", fault) for _ in group]
        for waiting, outcome in zip(group, outcomes, strict=True):
            waiting.settle(outcome)

    def _give_up(self, group: Sequence[_Waiting], error: BaseException) -> None:
        """The thread has ended and took no more from the queue: answer everyone."""
        fault = self._hub.fail(f"the writer stopped: {error}")
        self._refusing = "it is ending"
        while (left := self._take()) is not None:
            group = [*group, left]
        for waiting in group:
            waiting.settle(_unavailable(fault.args[0], error))

    async def _drain(self) -> None:
        self._refusing = "it is ending"
        self._queue.put(None)
        ended = asyncio.ensure_future(self._ended.wait())
        cancelled: asyncio.CancelledError | None = None
        while not ended.done():
            try:
                await asyncio.shield(ended)
            except asyncio.CancelledError as error:
                cancelled = error
        self._hub.close()
        if cancelled is not None:
            raise cancelled

    # The thread's side.

    def _commit_groups(self, loop: asyncio.AbstractEventLoop) -> None:
        group: Sequence[_Waiting] = ()
        try:
            while group := self._next_group():
                started = [waiting for waiting in group if not waiting.abandoned]
                if not started:
                    continue
                published = max(self._handed, self._hub.newest)
                jobs = [waiting.job for waiting in started]
                committed = commit_group(self._database.engines.writer, jobs, published=published, log=self._log)
                if committed.events:
                    self._handed = committed.events[-1].revision
                loop.call_soon_threadsafe(self._deliver, started, committed)
        except BaseException as error:  # noqa: BLE001 - a thread has no caller; the hub ends the service
            loop.call_soon_threadsafe(self._give_up, group, error)
        finally:
            loop.call_soon_threadsafe(self._ended.set)

    def _next_group(self) -> Sequence[_Waiting]:
        """Wait for work; return what waits, and nothing at the end."""
        first = self._queue.get()
        if first is None:
            return ()
        group = [first]
        while len(group) < self._group_max and (following := self._take()) is not None:
            group.append(following)
        return group

    def _take(self) -> _Waiting | None:
        """Return the next in the queue, None when nobody waits or at the end, which stays in the queue."""
        try:
            waiting = self._queue.get_nowait()
        except Empty:
            return None
        if waiting is None:
            self._queue.put(None)
        return waiting


def _unavailable(problem: str, error: BaseException) -> Outcome:
    failure = Unavailable(problem=problem)
    failure.__cause__ = error
    return Raised(failure)
