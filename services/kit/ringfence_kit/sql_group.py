"""One transaction of many works: each in its own savepoint, all answered by one COMMIT.

- a work that raises is rolled back to its savepoint; its neighbours never notice;
- a COMMIT that fails answers every work with `Unavailable`: nobody knows what was kept, and a repeated `request_id`
  finds out;
- events and answers to request ids are collected and written once per group, so their cost is shared too;
- a service's own log of the events (`EventLog`) is written with them: no event without its entry, nor the reverse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy as sa
import structlog

from ringfence_kit import records
from ringfence_kit.errors import RevisionCompacted, Unavailable
from ringfence_kit.events import Event, Revision
from ringfence_kit.sql_events import append_events, events_after, lock_revision
from ringfence_kit.sql_faults import is_momentary
from ringfence_kit.sql_requests import AnsweredRequests
from ringfence_kit.sql_statements import raw
from ringfence_kit.store import Mutation, Recorder, StorageFault
from ringfence_kit.work_log import WorkLog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Returned:
    """A work's result."""

    value: Any

    def unwrap(self) -> Any:
        """Return it."""
        return self.value


@dataclass(frozen=True, slots=True)
class Raised:
    """A work's exception."""

    error: BaseException

    def unwrap(self) -> Any:
        """Raise it."""
        raise self.error


Outcome = Returned | Raised


EventLog: TypeAlias = Callable[[sa.Connection, Sequence[Event]], None]
"""Stores what else is kept of the events of a transaction, inside it; called once, with all of them in order."""


def no_log(_connection: sa.Connection, _events: Sequence[Event]) -> None:
    """Keep nothing beside the events."""


class Done(NamedTuple):
    """What a job did inside its savepoint."""

    value: Any
    answer: bytes | None = None
    """The result to remember for the job's request id."""
    undo: bool = False
    """Whether the savepoint is rolled back all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A mutation to apply."""

    make_tx: Callable[[sa.Connection, Recorder], Any]
    work: Callable[[Any], Any]
    mutation: Mutation
    result: Any
    validate_only: bool

    def run(self, group: "Group") -> Done:
        """Apply the work, or find what the same request was answered."""
        remembered = bool(self.mutation.request_id) and not self.validate_only
        if remembered and (answer := group.answered.replayed(self.mutation)) is not None:
            return Done(records.decode(answer, self.result))
        with WorkLog(group.events, after=group.before, mutation=self.mutation) as log:
            value = self.work(self.make_tx(group.connection, log))
        return Done(value, records.encode(value) if remembered else None, undo=self.validate_only)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """A task on the kit's own tables, between the mutations."""

    task: Callable[[sa.Connection], Any]

    def run(self, group: "Group") -> Done:
        """Do it."""
        return Done(self.task(group.connection))


Job = Write | Upkeep


class Group:
    """One open transaction that has locked the revision."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.before = lock_revision(connection)
        self.events: list[Event] = []
        self.answered = AnsweredRequests(connection)
        self._raw = raw(connection)

    def apply(self, job: Job) -> Outcome:
        """Run `job` in a savepoint and return how it ended; raises only when the transaction itself is lost."""
        mark = len(self.events)
        self._raw.execute("SAVEPOINT work")
        try:
            done = job.run(self)
            if not done.undo:
                self._raw.execute("RELEASE SAVEPOINT work")
        except BaseException as error:  # noqa: BLE001 - it is the caller's, who gets it whatever it is
            self._roll_back(mark)
            return Raised(_for_caller(error))
        if done.undo:
            self._roll_back(mark)
        elif done.answer is not None and isinstance(job, Write):
            self.answered.add(job.mutation, done.answer)
        return Returned(done.value)

    def flush(self, log: EventLog) -> None:
        """Write what the works left behind."""
        append_events(self.connection, self.events)
        if self.events:
            log(self.connection, self.events)
        self.answered.store()

    def _roll_back(self, mark: int) -> None:
        del self.events[mark:]
        self._raw.execute("ROLLBACK TO SAVEPOINT work")
        self._raw.execute("RELEASE SAVEPOINT work")


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a group's transaction brought about."""

    events: Sequence[Event]
    """Events to publish: this group's, after those of other replicas that came before them."""
    outcomes: Sequence[Outcome]
    """One per job."""


def commit_group(engine: sa.Engine, jobs: Sequence[Job], *, published: Revision, log: EventLog = no_log) -> Committed:
    """Apply `jobs` in one transaction. `published` is how far the hub has got, or will have by what it was handed.

    Raises `StorageFault` when the events after `published` are not to be had.
    """
    try:
        with engine.connect() as connection, connection.begin():
            group = Group(connection)
            missing = _missing(connection, published, group.before)
            outcomes = [group.apply(job) for job in jobs]
            group.flush(log)
    except StorageFault:
        raise
    except Exception as error:  # noqa: BLE001 - the driver's own classes differ; every caller is answered
        _log.error("group_not_committed", works=len(jobs), error=str(error))
        return Committed(events=(), outcomes=[Raised(_not_committed(error)) for _ in jobs])
    return Committed(events=(*missing, *group.events), outcomes=outcomes)


def _missing(connection: sa.Connection, published: Revision, before: Revision) -> Sequence[Event]:
    """Return what other replicas, or a commit whose answer was lost, have added since `published`."""
    if published > before:
        raise StorageFault(f"the database went back from revision {published} to {before}")
    try:
        return events_after(connection, published) if published < before else ()
    except RevisionCompacted as error:
        raise StorageFault("this replica fell behind the events that are kept") from error


def _for_caller(error: BaseException) -> BaseException:
    """Turn the database's own complaint about the moment (a lock, a lost connection) into one a caller can act on."""
    return _not_committed(error) if is_momentary(error) else error


def _not_committed(error: BaseException) -> Unavailable:
    failure = Unavailable(problem="the change could not be committed; repeat it with the same request_id")
    failure.__cause__ = error
    return failure
