"""Opening a database: migrated whole or not at all, and refused with a sentence when it must not be opened."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from ringfence_kit.migrate import schema_differences
from ringfence_kit.sql import Database
from ringfence_kit.sql_tables import store_state
from ringfence_kit.store import DatabaseOfAnotherService, DatabaseTooNew, DataInUse, StorageRefused
from support.backends import Backend
from support.switches.store_sql import MIGRATIONS
from support.switches.tables import metadata

on_both = pytest.mark.parametrize("backend", ["sqlite", "postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def database(backend: Backend, *, service: str = "switches", migrations: Path = MIGRATIONS) -> Database:
    return Database(backend.url, service=service, migrations=migrations)


def file_of(backend: Backend) -> Path:
    return Path(backend.url.removeprefix("sqlite:///"))


def tables(connection: sa.Connection) -> set[str]:
    return set(sa.inspect(connection).get_table_names())


def write_migration(folder: Path, name: str, *, after: str | None, body: str) -> None:
    folder.mkdir(exist_ok=True)
    folder.joinpath(f"{name}.py").write_text(
        f'import sqlalchemy as sa\nfrom alembic import op\nrevision = "{name}"\ndown_revision = {after!r}\n'
        f"branch_labels = None\ndepends_on = None\n\n\ndef upgrade():\n    {body}\n"
    )


MAKE = 'op.create_table("{}", sa.Column("id", sa.Integer, primary_key=True))'


# Migrating


@on_both
async def test_the_migrations_make_what_the_tables_say(backend: Backend) -> None:
    async with database(backend) as opened:
        assert await opened.read(lambda connection: schema_differences(connection, metadata)) == []


@on_both
async def test_a_difference_between_migrations_and_tables_is_found(backend: Backend) -> None:
    wider = sa.MetaData()
    metadata.tables["switches"].to_metadata(wider).append_column(sa.Column("owner", sa.Text))
    async with database(backend) as opened:
        assert len(await opened.read(lambda connection: schema_differences(connection, wider))) == 1


@on_both
async def test_a_later_release_applies_what_is_new(backend: Backend, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    write_migration(folder, "late_0001", after=None, body=MAKE.format("first"))
    async with database(backend, migrations=folder) as opened:
        key = opened.mac_key()
    write_migration(folder, "late_0002", after="late_0001", body=MAKE.format("second"))
    async with database(backend, migrations=folder) as opened:
        assert {"first", "second"} < await opened.read(tables)
        assert opened.mac_key() == key


@on_both
async def test_a_migration_that_fails_leaves_everything_as_it_was(backend: Backend, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    write_migration(folder, "late_0001", after=None, body=MAKE.format("first"))
    async with database(backend, migrations=folder) as opened:
        before = await opened.read(tables)
    write_migration(folder, "late_0002", after="late_0001", body=MAKE.format("second"))
    write_migration(folder, "late_0003", after="late_0002", body='op.drop_table("nowhere")')
    with pytest.raises(StorageRefused):
        await database(backend, migrations=folder).__aenter__()
    folder.joinpath("late_0003.py").unlink()
    folder.joinpath("late_0002.py").unlink()
    async with database(backend, migrations=folder) as opened:
        assert await opened.read(tables) == before


@on_both
async def test_a_database_of_a_newer_release_is_refused(backend: Backend, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    write_migration(folder, "late_0001", after=None, body=MAKE.format("first"))
    write_migration(folder, "late_0002", after="late_0001", body=MAKE.format("second"))
    async with database(backend, migrations=folder):
        pass
    folder.joinpath("late_0002.py").unlink()
    with pytest.raises(DatabaseTooNew, match=r"late_0002.*newer release; run that release") as raised:
        await database(backend, migrations=folder).__aenter__()
    assert raised.value.unknown == ("late_0002",)


@on_both
async def test_a_database_of_another_service_is_refused(backend: Backend, tmp_path: Path) -> None:
    async with database(backend):
        pass
    with pytest.raises(DatabaseOfAnotherService, match="belongs to the switches service, not to registry") as raised:
        await database(backend, service="registry", migrations=tmp_path).__aenter__()
    assert (raised.value.service, raised.value.owner) == ("registry", "switches")


@on_sqlite
async def test_a_migration_may_rebuild_a_table_that_others_refer_to(backend: Backend, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    write_migration(
        folder,
        "late_0001",
        after=None,
        body='op.execute("CREATE TABLE owners (id INTEGER PRIMARY KEY)"); '
        'op.execute("CREATE TABLE pets (owner INTEGER REFERENCES owners (id) ON DELETE CASCADE)"); '
        'op.execute("INSERT INTO owners VALUES (1)"); op.execute("INSERT INTO pets VALUES (1)")',
    )
    async with database(backend, migrations=folder):
        pass
    rebuild = 'with op.batch_alter_table("owners", recreate="always") as t: t.add_column(sa.Column("n", sa.Text))'
    write_migration(folder, "late_0002", after="late_0001", body=rebuild)
    async with database(backend, migrations=folder) as opened:
        assert await opened.read(lambda connection: connection.scalar(sa.text("SELECT count(*) FROM pets"))) == 1


@on_sqlite
async def test_a_migration_that_leaves_dangling_references_is_refused(backend: Backend, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    write_migration(
        folder,
        "late_0001",
        after=None,
        body='op.execute("CREATE TABLE owners (id INTEGER PRIMARY KEY)"); '
        'op.execute("CREATE TABLE pets (owner INTEGER REFERENCES owners (id))"); '
        'op.execute("INSERT INTO pets VALUES (1)")',
    )
    with pytest.raises(StorageRefused, match="rows of pets that refer to nothing in owners"):
        await database(backend, migrations=folder).__aenter__()


# One owner


@on_sqlite
async def test_a_second_process_is_refused_and_told_who_holds_the_data(backend: Backend) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from ringfence_kit.sql import Database\n"
        "from ringfence_kit.store import StorageRefused\n"
        "async def main():\n"
        "    async with Database(sys.argv[1], service='switches', migrations=pathlib.Path(sys.argv[2])): pass\n"
        "try:\n    asyncio.run(main())\n"
        "except StorageRefused as refused:\n    sys.exit(str(refused))\n"
    )
    command = [sys.executable, "-c", script, backend.url, str(MIGRATIONS)]
    async with database(backend):
        second = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert second.stderr.strip() == (
        f"{file_of(backend)} is in use by process {os.getpid()}; "
        "stop that process, or give this one its own data directory with --data"
    )
    third = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert (third.returncode, third.stderr) == (0, "")


@on_sqlite
async def test_another_spelling_of_the_file_meets_the_same_lock(backend: Backend, tmp_path: Path) -> None:
    tmp_path.joinpath("alias").symlink_to(tmp_path)
    alias = Database(f"sqlite:///{tmp_path}/alias/store.db", service="switches", migrations=MIGRATIONS)
    async with database(backend):
        with pytest.raises(DataInUse):
            await alias.__aenter__()
    async with alias:
        pass


@on_sqlite
async def test_a_refused_opening_lets_go_of_the_lock(backend: Backend, tmp_path: Path) -> None:
    async with database(backend):
        pass
    with pytest.raises(DatabaseOfAnotherService):
        await database(backend, service="registry", migrations=tmp_path).__aenter__()
    async with database(backend):
        pass


@on_sqlite
async def test_an_opening_that_is_cancelled_lets_go_of_the_lock(backend: Backend) -> None:
    opening = asyncio.ensure_future(database(backend).__aenter__())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    while True:
        try:
            async with database(backend):
                break
        except DataInUse:
            continue


# Files


async def test_data_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "store.db"
    async with Database(f"sqlite:///{path}", service="switches", migrations=MIGRATIONS):
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes.pop("store.db-wal", 0o600) == 0o600
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@on_sqlite
async def test_a_commit_is_synced_and_readers_do_not_wait_for_it(backend: Backend) -> None:
    async with database(backend) as opened:
        with opened.engines.writer.connect() as connection:
            settings = ("journal_mode", "synchronous", "foreign_keys")
            found = [connection.exec_driver_sql(f"PRAGMA {setting}").scalar_one() for setting in settings]
    assert found == ["wal", 2, 1]


@on_both
async def test_a_read_cannot_write(backend: Backend) -> None:
    async with database(backend) as opened:
        with pytest.raises(sa.exc.DBAPIError, match=r"readonly|read-only"):
            await opened.read(lambda connection: connection.execute(sa.update(store_state).values(revision=7)))
        assert await opened.events.newest() == 0


@on_sqlite
async def test_a_closed_database_is_not_read(backend: Backend) -> None:
    closed = database(backend)
    with pytest.raises(RuntimeError):
        closed.mac_key()
    async with closed:
        pass
    with pytest.raises(RuntimeError):
        await closed.events.newest()


# Refusals


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("no url at all", "not a URL; write sqlite:"),
        ("sqlite://", "not a database Ringfence keeps data in"),
        ("sqlite:///:memory:", "not a database Ringfence keeps data in"),
        ("mysql://user:hunter2@host/db", r"mysql://user:\*\*\*@host/db is not a database Ringfence keeps data in"),
        ("sqlite+aiosqlite:///x.db", "not a database Ringfence keeps data in"),
        ("sqlite:////proc/nowhere/x.db", "cannot be opened: No such file or directory"),
        (
            "postgresql://user:hunter2@127.0.0.1:1/db",
            r"postgresql\+psycopg://user:\*\*\*@127.0.0.1:1/db cannot be opened: .*refused",
        ),
    ],
)
async def test_a_database_that_cannot_be_is_refused_with_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(StorageRefused, match=f"(?s){sentence}") as raised:
        await Database(url, service="switches", migrations=MIGRATIONS).__aenter__()
    assert "hunter2" not in str(raised.value)


@on_sqlite
async def test_a_file_that_is_no_database_is_refused(backend: Backend) -> None:
    file_of(backend).write_text("This is a shopping list, and it is long enough to be mistaken for a header. " * 20)
    with pytest.raises(StorageRefused, match="file is not a database"):
        await database(backend).__aenter__()


@on_sqlite
async def test_a_stranger_who_holds_the_write_lock_does_not_stop_reads(backend: Backend) -> None:
    async with database(backend) as opened:
        stranger = sqlite3.connect(file_of(backend), isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        assert await opened.events.newest() == 0
        stranger.close()


@on_both
async def test_a_wrong_statement_is_not_called_a_bad_moment(backend: Backend) -> None:
    async with database(backend) as opened:
        with pytest.raises(sa.exc.DBAPIError, match="nowhere"):
            await opened.read(lambda connection: connection.execute(sa.text("SELECT 1 FROM nowhere")).all())
