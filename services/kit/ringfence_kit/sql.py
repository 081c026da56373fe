"""A service's database: SQLite or PostgreSQL, opened once, migrated, and read from threads.

- one process owns a SQLite file: a second one is refused with a sentence (`DataInUse`);
- a PostgreSQL database may be shared by replicas of one service, and by no other service;
- reads run in a few threads on their own connections, each in one read-only snapshot transaction;
- writes go through `SqlWriter`, and nowhere else.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

import sqlalchemy as sa

from ringfence_kit.data_lock import DataLock
from ringfence_kit.errors import Unavailable
from ringfence_kit.events import Change, Revision
from ringfence_kit.heap import loading
from ringfence_kit.migrate import migrate
from ringfence_kit.sql_engines import READERS, Engines, create_file, make_engines, parse_url, sqlite_path
from ringfence_kit.sql_events import SqlEvents, newest_revision
from ringfence_kit.sql_faults import is_momentary
from ringfence_kit.sql_tables import store_state
from ringfence_kit.store import Recorder, StorageRefused

T = TypeVar("T")


class Database:
    """A database, open and migrated inside `async with`.

    `url` is `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`; the SQLite file and its folder are
    made when missing, readable by the owner only. `migrations` is the service's `migrations/versions` folder.

    Entering raises `StorageRefused` with a sentence when the data is in use, newer than the code, or another
    service's. Constructing opens nothing, so a composition root can build on a database that is not there yet.
    """

    def __init__(self, url: str, *, service: str, migrations: Path) -> None:
        self._url = url
        self._service = service
        self._migrations = migrations
        self._opened: _Opened | None = None
        self.events = SqlEvents(self.read)
        """The stored events."""

    async def __aenter__(self) -> Self:
        opening = asyncio.ensure_future(asyncio.to_thread(_open, self._url, self._service, self._migrations))
        try:
            self._opened = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread cannot be stopped; what it opens after all is closed, or the lock would stay taken.
            opening.add_done_callback(_close_abandoned)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        opened, self._opened = self._open(), None
        await asyncio.to_thread(opened.stack.close)

    @property
    def engines(self) -> Engines:
        """The engines, for the writer and the listener."""
        return self._open().engines

    def mac_key(self) -> bytes:
        """Return the key of what this service makes and has to know again; the same on all replicas.

        Page tokens, digests of what is not logged, files beside the database. Each is made over bytes that begin as
        nothing else does, so that none passes for another.
        """
        return self._open().mac_key

    async def read(self, look: Callable[[sa.Connection], T]) -> T:
        """Run `look` in a thread on a read-only connection that sees one committed state, and return its result.

        For what the snapshot does not hold (history, listings past it). `look` returns plain values, no live result.
        """
        opened = self._open()

        def run() -> T:
            with opened.engines.reader.connect() as connection, connection.begin():
                return look(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(opened.readers, run)
        except sa.exc.SQLAlchemyError as error:
            if is_momentary(error):
                raise Unavailable(problem="the database does not answer") from error
            raise

    async def load(self, look: Callable[[sa.Connection], T]) -> tuple[Revision, T]:
        """Like `read`, with the revision of the state that `look` saw: where a snapshot starts."""

        def whole(connection: sa.Connection) -> tuple[Revision, T]:
            with loading():
                return newest_revision(connection), look(connection)

        return await self.read(whole)

    def _open(self) -> "_Opened":
        if self._opened is None:
            raise RuntimeError("the database is used outside its `async with` block")
        return self._opened


class SqlTx:
    """What a service's SQL transaction is built on: `class SqlAgentTx(SqlTx)` adds the reads and writes of its rows."""

    def __init__(self, connection: sa.Connection, log: Recorder) -> None:
        self.connection = connection
        self._log = log

    @property
    def next_revision(self) -> Revision:
        """The revision the next `record` will get."""
        return self._log.next_revision

    def record(self, change: Change, kind: str, name: str, record: bytes) -> Revision:
        """Append an event to this transaction and return its revision."""
        return self._log.record(change, kind, name, record)


class _Opened:
    """What is held while a database is open; `stack` gives it back."""

    def __init__(self, stack: ExitStack, engines: Engines, mac_key: bytes) -> None:
        self.stack = stack
        self.engines = engines
        self.mac_key = mac_key
        self.readers = ThreadPoolExecutor(READERS, thread_name_prefix="ringfence-read")
        stack.callback(self.readers.shutdown)


def _open(text: str, service: str, migrations: Path) -> _Opened:
    url = parse_url(text)
    with ExitStack() as stack:
        try:
            if path := sqlite_path(url):
                create_file(path)
                stack.enter_context(DataLock(path))
            engines = make_engines(url)
            stack.callback(engines.dispose)
            mac_key = _prepare(engines, service, migrations)
        except ModuleNotFoundError as error:
            raise StorageRefused(
                "PostgreSQL needs a driver; install it with: pip install 'ringfence[postgres]'"
            ) from error
        except OSError as error:
            raise StorageRefused(f"{url.render_as_string()} cannot be opened: {error.strerror}") from error
        except sa.exc.DBAPIError as error:
            raise StorageRefused(f"{url.render_as_string()} cannot be opened: {error.orig}") from error
        return _Opened(stack.pop_all(), engines, mac_key)


def _close_abandoned(opening: "asyncio.Future[_Opened]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().stack.close()


def _prepare(engines: Engines, service: str, migrations: Path) -> bytes:
    """Migrate, and return the key for page tokens."""
    with engines.migrator.connect() as connection:
        _use_wal(connection)
        with connection.begin():
            migrate(connection, service=service, migrations=migrations)
            key: bytes = connection.execute(sa.select(store_state.c.page_key)).scalar_one()
    engines.migrator.dispose()
    return key


def _use_wal(connection: sa.Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    cursor = connection.connection.cursor()
    mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise StorageRefused(
            f"SQLite cannot keep a write-ahead log there (it offers {mode}); put the data on a local disk"
        )
