"""The writer of SQL databases, where it differs from the one in memory: groups, failing commits, housekeeping."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from ringfence_kit.clock import DAY, MINUTE, Instant, ManualClock
from ringfence_kit.errors import RevisionCompacted, Unavailable
from ringfence_kit.events import EMPTY, Change, Event
from ringfence_kit.sql import Database, SqlTx
from ringfence_kit.sql_tables import events, requests, store_state
from ringfence_kit.sql_writer import WAITING_MAX, SqlWriter
from ringfence_kit.store import Mutation, StorageFault
from ringfence_kit.watch import EventHub
from support.backends import Backend
from support.switches.model import SWITCH
from support.switches.mutations import NOW, by, once
from support.switches.store_sql import MIGRATIONS
from support.watching import while_time_passes

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgres"], indirect=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    database: Database
    hub: EventHub
    writer: SqlWriter[SqlTx]
    clock: ManualClock
    commits: list[int]
    """Grows by one with each COMMIT."""


@asynccontextmanager
async def opened(backend: Backend, *, keep_events: int = 1_000, group_max: int = 256) -> AsyncIterator[Opened]:
    clock = ManualClock(Instant(NOW))
    async with Database(backend.url, service="switches", migrations=MIGRATIONS) as database:
        commits: list[int] = []
        sa.event.listen(database.engines.writer, "commit", lambda _: commits.append(1))
        hub = EventHub(database.events, clock=clock, apply=lambda _: None)
        hub.start(await database.events.newest())
        async with SqlWriter(database, SqlTx, hub, clock=clock, keep_events=keep_events, group_max=group_max) as writer:
            yield Opened(database=database, hub=hub, writer=writer, clock=clock, commits=commits)


@pytest.fixture
async def service(backend: Backend) -> AsyncIterator[Opened]:
    async with opened(backend) as opened_service:
        yield opened_service


@asynccontextmanager
async def held(service: Opened) -> AsyncIterator[None]:
    """Keep the writer's thread busy inside the block, so that what is asked for meanwhile makes one group after it."""
    entered, gate = threading.Event(), threading.Event()

    def work(_: SqlTx) -> None:
        entered.set()
        gate.wait()

    holding = asyncio.ensure_future(service.writer.write(work, mutation=by(), result=type(None)))
    await asyncio.to_thread(entered.wait)
    try:
        yield
    finally:
        gate.set()
        await holding


async def under_way(count: int = 3) -> None:
    """Let the tasks made so far reach the queue."""
    for _ in range(count):
        await asyncio.sleep(0)


def add(tx: SqlTx) -> int:
    return tx.record(Change.ADDED, SWITCH, "s", b"{}")


def ask_for(service: Opened, work: Callable[[SqlTx], int], mutation: Mutation | None = None) -> "asyncio.Task[int]":
    return asyncio.ensure_future(service.writer.write(work, mutation=mutation or by(), result=int))


def ask(service: Opened, count: int) -> "list[asyncio.Task[int]]":
    return [ask_for(service, add) for _ in range(count)]


# Groups


async def test_what_waits_is_committed_together(service: Opened) -> None:
    async with held(service):
        asked = ask(service, 100)
        await under_way()
        before = len(service.commits)
    assert await asyncio.gather(*asked) == list(range(1, 101))
    # One for the work that held the thread, and one for the hundred.
    assert len(service.commits) - before == 2


async def test_a_group_is_bounded(backend: Backend) -> None:
    async with opened(backend, group_max=10) as service:
        async with held(service):
            asked = ask(service, 35)
            await under_way()
            before = len(service.commits)
        assert await asyncio.gather(*asked) == list(range(1, 36))
        assert len(service.commits) - before == 5


async def test_a_work_taken_back_before_it_began_never_runs(service: Opened) -> None:
    async with held(service):
        first, second, third = ask(service, 3)
        await under_way()
        second.cancel()
        await under_way()
    assert (await first, await third) == (1, 2)
    assert second.cancelled()


async def test_a_work_cancelled_while_it_runs_is_applied_whole(service: Opened) -> None:
    entered, gate = threading.Event(), threading.Event()

    def work(tx: SqlTx) -> int:
        entered.set()
        gate.wait()
        return add(tx)

    running = ask_for(service, work)
    await asyncio.to_thread(entered.wait)
    running.cancel()
    gate.set()
    await asyncio.wait({running})
    assert running.cancelled()
    assert await service.writer.write(add, mutation=by(), result=int) == 2


async def test_too_many_waiting_are_refused_at_once(service: Opened) -> None:
    async with held(service):
        asked = ask(service, WAITING_MAX)
        await under_way()
        last = asked.pop()
        with pytest.raises(Unavailable):
            await last
    await asyncio.gather(*asked)
    assert await service.writer.write(add, mutation=by(), result=int) == WAITING_MAX


async def test_leaving_waits_for_its_writes_even_when_cancelled(backend: Backend) -> None:
    waiting: list[asyncio.Task[int]] = []
    gate = threading.Event()

    def work(tx: SqlTx) -> int:
        gate.wait()
        return add(tx)

    async def serve() -> None:
        async with opened(backend) as service:
            waiting.append(ask_for(service, work))
            await under_way()

    serving = asyncio.ensure_future(serve())
    while not waiting:
        await asyncio.wait({serving}, timeout=0.01)
    await under_way()
    serving.cancel()
    await under_way()
    assert not serving.done()
    gate.set()
    assert await waiting[0] == 1
    await asyncio.wait({serving})
    assert serving.cancelled()


# Commits that fail


def make_promises(tx: SqlTx) -> None:
    """Tables whose foreign key is checked at COMMIT: what a service must not have, because of what follows."""
    tx.connection.execute(sa.text("CREATE TABLE parents (id INTEGER PRIMARY KEY)"))
    tx.connection.execute(
        sa.text("CREATE TABLE children (id INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)")
    )


def break_promise(tx: SqlTx) -> int:
    tx.connection.execute(sa.text("INSERT INTO children VALUES (1)"))
    return add(tx)


async def test_a_commit_that_fails_fails_everyone_in_its_group_and_keeps_nothing(service: Opened) -> None:
    await service.writer.write(make_promises, mutation=by(), result=type(None))
    async with held(service):
        asked = [*ask(service, 2), ask_for(service, break_promise, once("r1")), *ask(service, 2)]
        await under_way()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    # (The work that held the thread was in the group before.)
    assert [type(answer) for answer in answers] == [Unavailable] * 5
    assert len(set(map(id, answers))) == 5
    assert await service.database.events.newest() == EMPTY
    assert service.hub.newest == EMPTY
    # Nobody's id was used up, and the next group starts where the last good one ended.
    assert await service.writer.write(add, mutation=once("r1"), result=int) == 1


async def test_a_constraint_fails_its_own_work_only(service: Opened) -> None:
    await service.writer.write(make_promises, mutation=by(), result=type(None))

    def insert(tx: SqlTx) -> int:
        tx.connection.execute(sa.text("INSERT INTO parents VALUES (7)"))
        return add(tx)

    async with held(service):
        asked = [*(ask_for(service, insert) for _ in range(2)), *ask(service, 1)]
        await under_way()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers[0] == 1
    assert isinstance(answers[1], sa.exc.IntegrityError)
    assert answers[2] == 2


async def test_a_wrong_statement_reaches_its_caller_as_it_is(service: Opened) -> None:
    def work(tx: SqlTx) -> int:
        tx.connection.execute(sa.text("INSERT INTO nowhere VALUES (1)"))
        return add(tx)

    with pytest.raises(sa.exc.DBAPIError, match="nowhere"):
        await ask_for(service, work)
    assert await ask_for(service, add) == 1


async def test_a_full_disk_is_a_bad_moment_and_passes(service: Opened) -> None:
    def fill(tx: SqlTx) -> int:
        for limited in limit_size(tx.connection):
            tx.connection.execute(limited)
        tx.connection.execute(sa.text("CREATE TABLE heap (junk BYTEA)"))
        tx.connection.execute(sa.text("INSERT INTO heap VALUES (:junk)"), {"junk": b"x" * 1_000_000})
        return add(tx)

    with pytest.raises(Unavailable):
        await ask_for(service, fill)
    await ask_for(service, lambda tx: unlimit_size(tx.connection))
    assert await ask_for(service, add) == 1
    assert await service.database.events.newest() == 1


def limit_size(connection: sa.Connection) -> list[sa.TextClause]:
    """Let the database grow no further; PostgreSQL knows no such limit, and raises what it would raise."""
    if connection.dialect.name == "sqlite":
        return [sa.text("PRAGMA max_page_count = 1")]
    return [sa.text("DO $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$")]


def unlimit_size(connection: sa.Connection) -> int:
    if connection.dialect.name == "sqlite":
        connection.execute(sa.text("PRAGMA max_page_count = 1000000"))
    return 0


async def test_a_work_that_hides_its_failed_statement_does_not_count(service: Opened) -> None:
    def work(tx: SqlTx) -> int:
        revision = add(tx)
        try:
            tx.connection.execute(sa.text("INSERT INTO nowhere VALUES (1)"))
        except sa.exc.DBAPIError:
            return revision
        return 0

    async with held(service):
        hiding = ask_for(service, work, once("r1"))
        asked = ask(service, 2)
        await under_way()
    answers = await asyncio.gather(hiding, *asked, return_exceptions=True)
    # SQLite lets a transaction go on after a failed statement; PostgreSQL does not, and then nothing of it is kept.
    kept = 3 if answers[0] == 1 else 2
    assert answers[1:] == [kept - 1, kept]
    assert [event.revision for event in await service.database.events.read(EMPTY, 10)] == list(range(1, kept + 1))


def go_back(tx: SqlTx) -> None:
    """Do what restoring a backup under a running service does."""
    tx.connection.execute(sa.update(store_state).values(revision=1))


async def test_a_history_that_went_back_ends_the_service(backend: Backend) -> None:
    async def serve() -> None:
        async with opened(backend) as service:
            await asyncio.gather(*ask(service, 3))
            await service.writer.write(go_back, mutation=by(), result=type(None))
            with pytest.raises(Unavailable):
                await service.writer.write(add, mutation=by(), result=int)
            await asyncio.Event().wait()

    with pytest.raises(StorageFault):
        await serve()


async def test_a_history_with_a_hole_is_never_shown(backend: Backend) -> None:
    def make_a_hole(tx: SqlTx) -> None:
        tx.connection.execute(sa.delete(events).where(events.c.revision == 2))

    async with opened(backend) as service:
        await asyncio.gather(*ask(service, 3))
        await service.writer.write(make_a_hole, mutation=by(), result=type(None))

    async def serve() -> None:
        async with opened(backend) as service:
            with pytest.raises(Unavailable):
                await anext(service.hub.watch(EMPTY))
            await asyncio.Event().wait()

    with pytest.raises(StorageFault, match="events between revisions 0 and 3 are missing"):
        await serve()


async def test_a_snapshot_that_cannot_follow_ends_the_service_and_keeps_what_was_committed(backend: Backend) -> None:
    def refuse(event: Event) -> None:
        raise KeyError(event.name)

    async def serve() -> None:
        async with Database(backend.url, service="switches", migrations=MIGRATIONS) as database:
            clock = ManualClock()
            hub = EventHub(database.events, clock=clock, apply=refuse)
            hub.start(EMPTY)
            async with SqlWriter(database, SqlTx, hub, clock=clock) as writer:
                with pytest.raises(Unavailable):
                    await writer.write(add, mutation=by(), result=int)
                await asyncio.Event().wait()

    with pytest.raises(StorageFault):
        await serve()
    async with opened(backend) as service:
        assert service.hub.newest == 1


# Housekeeping


async def test_old_answers_are_forgotten_and_young_ones_kept(service: Opened) -> None:
    for number in range(5):
        await service.writer.write(add, mutation=once(f"old-{number}"), result=int)
    await service.writer.write(add, mutation=once("young", at=NOW + DAY // 2), result=int)

    async def only_the_young_is_left() -> None:
        while await service.database.read(ids) != ["young"]:
            pass

    service.clock.set(Instant(NOW + DAY - MINUTE))
    await while_time_passes(service.clock, only_the_young_is_left(), step=MINUTE)


async def test_more_old_answers_than_one_transaction_forgets_are_forgotten(service: Opened) -> None:
    asked = [service.writer.write(add, mutation=once(f"r{number}"), result=int) for number in range(1_200)]
    await asyncio.gather(*asked)

    async def all_gone() -> None:
        while await service.database.read(ids):
            pass

    service.clock.set(Instant(NOW + DAY))
    await while_time_passes(service.clock, all_gone(), step=MINUTE)


async def test_old_events_are_forgotten(backend: Backend) -> None:
    async with opened(backend, keep_events=3) as service:
        await asyncio.gather(*ask(service, 1_100))

        async def forgotten() -> RevisionCompacted:
            while True:
                try:
                    await service.database.events.read(EMPTY, 1)
                except RevisionCompacted as compacted:
                    if compacted.metadata["oldest_revision"] == "1098":
                        return compacted

        await while_time_passes(service.clock, forgotten(), step=MINUTE)


def ids(connection: sa.Connection) -> list[str]:
    return list(connection.scalars(sa.select(requests.c.request_id)))
