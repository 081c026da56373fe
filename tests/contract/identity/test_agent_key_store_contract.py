"""Agents' keys in memory, SQLite and PostgreSQL: a key that was used once stays used, whatever became of it."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import pytest
import sqlalchemy as sa
from ringfence_identity.store import IdentityTx
from ringfence_identity.store.agent_keys import UsedKey
from ringfence_identity.store_sql import MIGRATIONS
from ringfence_identity.tables import agent_keys
from ringfence_kit.clock import Instant
from ringfence_kit.sql import Database
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.opened import OpenedIdentity, opened_identity

T = TypeVar("T")

FIRST = UsedKey(key="z6MkFirst", did="did:a", since=Instant(1_000))
SECOND = UsedKey(key="z6MkSecond", did="did:a", since=Instant(2_000))
OTHER = UsedKey(key="z6MkOther", did="did:b", since=Instant(500))
MUTATION = Mutation(principal="test", at=Instant(3_000))


async def do(service: OpenedIdentity, work: Callable[[IdentityTx], T], result: object = type(None)) -> T:
    return await service.writer.write(work, mutation=MUTATION, result=cast("type[T]", result))


async def add(service: OpenedIdentity, *keys: UsedKey) -> None:
    def work(tx: IdentityTx) -> None:
        for key in keys:
            tx.add_key(key)

    await do(service, work)


async def keys_of(service: OpenedIdentity, did: str) -> list[UsedKey]:
    return await do(service, lambda tx: list(tx.keys_of(did)), list[UsedKey])


async def test_the_keys_of_a_did_come_in_the_order_they_were_added_and_alone(backend: Backend) -> None:
    later = replace(SECOND, key="z6MkAardvark", since=Instant(1))
    async with opened_identity(backend) as service:
        await add(service, FIRST, OTHER, SECOND)
        await add(service, later)
        assert await keys_of(service, "did:a") == [FIRST, SECOND, later]
        assert await keys_of(service, "did:b") == [OTHER]
        assert await keys_of(service, "did:c") == []


async def test_what_became_of_a_key_is_kept_over_a_restart(backend: Backend) -> None:
    ended = replace(FIRST, until=Instant(2_000), compromised_since=Instant(1_500))
    async with opened_identity(backend) as service:
        await add(service, FIRST, SECOND)
        await do(service, lambda tx: tx.put_key(ended))
    async with opened_identity(backend) as service:
        assert await keys_of(service, "did:a") == [ended, SECOND]


async def test_a_key_that_was_replaced_is_still_used(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, replace(FIRST, until=Instant(2_000)))
        assert await do(service, lambda tx: tx.key_is_used(FIRST.key), bool)
        assert not await do(service, lambda tx: tx.key_is_used("z6MkNobody"), bool)


async def test_a_key_is_added_once_for_all_dids(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, FIRST)
        with pytest.raises(Exception, match=r"z6MkFirst|UNIQUE|duplicate"):
            await add(service, replace(FIRST, did="did:b"))
        assert await keys_of(service, "did:b") == []


async def test_the_size_of_a_log_counts_every_line_of_that_log(backend: Backend) -> None:
    async with opened_identity(backend) as service:

        def add_lines(tx: IdentityTx) -> None:
            for number, line in enumerate(("one", "three", ""), start=1):
                tx.add_log_line("did:a", number, line)
            tx.add_log_line("did:b", 1, "other")

        await do(service, add_lines)
        assert await do(service, lambda tx: tx.log_size("did:a"), int) == len("one\nthree\n\n")
        assert await do(service, lambda tx: tx.log_size("did:c"), int) == 0


async def test_keys_enrolled_by_the_first_release_stay_used(tmp_path: Path) -> None:
    """Its data has keys in `identities` alone; none of them may become free by an upgrade."""
    file, first = tmp_path / "identity.db", tmp_path / "first"
    url = f"sqlite:///{file}"
    first.mkdir()
    shutil.copy(MIGRATIONS / "identity_0001.py", first)
    async with Database(url, service="identity", migrations=first):
        pass
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "INSERT INTO identities (did, agent, environment, public_key, sponsor, debt, record) "
            "VALUES ('did:a', 'a', 'dev', 'z6MkOld', 's', 0, ?)",
            (b'{"content":{"backup_sponsor":"sponsors/grace"},"created_at":1000}',),
        )
    async with Database(url, service="identity", migrations=MIGRATIONS) as database:
        rows = await database.read(lambda connection: connection.execute(sa.select(agent_keys)).mappings().all())
    assert [(row["public_key"], row["did"], row["number"], row["since"]) for row in rows] == [
        ("z6MkOld", "did:a", 1, 1_000)
    ]
