"""The contract of what is kept of witnesses, over memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator

import pytest
from ringfence.proofs.merkle import Frontier, leaf_hash
from ringfence_kit.clock import Instant
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.audit import StoredCosignature
from support.backends import Backend
from support.telemetry.heads import note_signer
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import NOW

NAMES = ("a", "b", "c")


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


def head(size: int, *, seed: int = 1) -> StoredCheckpoint:
    frontier, _ = Frontier().grow(leaf_hash(str(n).encode()) for n in range(size))
    return StoredCheckpoint(frontier=frontier, note=note_signer("log.example", seed).sign(f"{size}\n"), at=NOW)


def cosignature(size: int, witness: str, *, line: str = "", at: int = 0) -> StoredCosignature:
    line = line or f"\u2014 {witness} {'AAAA' * 26}"
    return StoredCosignature(size=size, witness=witness, line=line, at=Instant(NOW + at))


async def store_heads(opened: OpenedStore, *heads: StoredCheckpoint) -> None:
    def work(tx: TelemetryTx) -> None:
        for each in heads:
            tx.append_entries((), {}, each)

    await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))


async def keep(opened: OpenedStore, *cosignatures: StoredCosignature) -> None:
    def work(tx: TelemetryTx) -> None:
        for each in cosignatures:
            tx.keep_cosignature(each)

    await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))


async def test_a_head_is_found_by_its_size_or_the_one_before(opened: OpenedStore) -> None:
    await store_heads(opened, head(1), head(3))
    found = [await opened.store.checkpoint_up_to(size) for size in range(5)]
    assert found == [None, head(1), head(1), head(3), head(3)]
    assert await opened.store.checkpoint() == head(3)


async def test_lines_stand_beneath_their_head_in_the_order_they_came(opened: OpenedStore) -> None:
    await store_heads(opened, head(1), head(3))
    await keep(opened, cosignature(3, "c", at=1), cosignature(3, "a", at=2), cosignature(1, "b"))
    await keep(opened, cosignature(3, "b", at=1))
    newest = await opened.store.checkpoint()
    assert newest is not None
    lines = [cosignature(3, witness).line for witness in ("b", "c", "a")]
    assert newest.note == head(3).note + "".join(f"{line}\n" for line in lines)
    older = await opened.store.checkpoint_up_to(1)
    assert older is not None
    assert older.note == f"{head(1).note}{cosignature(1, 'b').line}\n"
    assert await opened.store.with_tiles(lambda _tiles, head_: head_) == newest


async def test_who_writes_sees_the_head_as_the_log_signed_it(opened: OpenedStore) -> None:
    await store_heads(opened, head(3))
    await keep(opened, cosignature(3, "a"))

    def newest(tx: TelemetryTx) -> list[StoredCheckpoint | None]:
        return [tx.checkpoint()]

    read = await opened.writer.write(newest, mutation=BY_TELEMETRY, result=list[StoredCheckpoint | None])
    assert read == [head(3)]


async def test_the_first_of_a_witness_stays(opened: OpenedStore) -> None:
    await store_heads(opened, head(3))
    await keep(opened, cosignature(3, "a"), cosignature(3, "a", line=f"\u2014 a {'BBBB' * 26}", at=5))
    assert list(await opened.store.last_cosignatures()) == [cosignature(3, "a")]


async def test_a_head_that_is_signed_anew_keeps_its_witnesses(opened: OpenedStore) -> None:
    await store_heads(opened, head(3))
    await keep(opened, cosignature(3, "a"))
    await store_heads(opened, head(3, seed=2))
    renewed = await opened.store.checkpoint()
    assert renewed is not None
    assert renewed.note == f"{head(3, seed=2).note}{cosignature(3, 'a').line}\n"


async def test_the_newest_head_with_enough_witnesses(opened: OpenedStore) -> None:
    await store_heads(opened, *[head(size) for size in range(1, 5)])
    behind = {1: "abc", 2: "ab", 3: "bd", 4: "d"}
    await keep(opened, *[cosignature(size, witness) for size, names in behind.items() for witness in names])
    assert await opened.store.cosigned_size(witnesses=NAMES, least=1) == 3
    assert await opened.store.cosigned_size(witnesses=NAMES, least=2) == 2
    assert await opened.store.cosigned_size(witnesses=NAMES, least=3) == 1
    assert await opened.store.cosigned_size(witnesses=NAMES, least=4) is None
    assert await opened.store.cosigned_size(witnesses=(), least=1) is None


async def test_how_far_each_witness_has_come(opened: OpenedStore) -> None:
    assert list(await opened.store.last_cosignatures()) == []
    await keep(opened, cosignature(1, "b"), cosignature(7, "b", at=9), cosignature(3, "b", at=99), cosignature(2, "a"))
    assert list(await opened.store.last_cosignatures()) == [cosignature(2, "a"), cosignature(7, "b", at=9)]
