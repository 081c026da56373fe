"""The log of mutations at work, over memory, SQLite and PostgreSQL: it grows with the data, and is what was signed."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from ringfence.proofs.canonical_json import canonical
from ringfence.proofs.merkle import EMPTY_ROOT, Frontier, ProofInvalid, leaf_hash
from ringfence.proofs.signed_note import Checkpoint
from ringfence_identity.errors import LogEntryNotFound, TreeSizeOutOfRange
from ringfence_identity.model import SPONSOR, Sponsor
from ringfence_identity.store import IdentityTx
from ringfence_identity.transparency.log import LogDoesNotFit
from ringfence_identity.transparency.reading import TransparencyReader
from ringfence_kit import records
from ringfence_kit.background import background
from ringfence_kit.clock import SECOND, Instant, ManualClock, Millis
from ringfence_kit.events import Change
from ringfence_kit.log_keys import LogKeys
from ringfence_kit.log_tiles import TileId
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.logged import (
    checkpoints_of,
    drop_checkpoint,
    drop_last_entry,
    entries_of,
    open_log_keys,
    overwrite_entry,
    overwrite_tile,
    prove_everything,
    prove_extension,
    signed,
)
from support.identity.opened import OpenedIdentity, opened_identity
from support.postgres import empty_database

NOW = Instant(1_767_225_600_123)
EVERY = Millis(SECOND)

Opened = tuple[OpenedIdentity, LogKeys]


@pytest.fixture
async def opened(backend: Backend, tmp_path: Path) -> AsyncIterator[Opened]:
    keys = open_log_keys(tmp_path)
    async with opened_identity(backend, log=keys) as service:
        yield service, keys


def sponsor(number: int, *, revision: int = 1) -> Sponsor:
    return Sponsor(
        name=f"sponsors/s{number}",
        display_name="Ada Example",
        contact="ada@example.com",
        verified_by="dev:operator",
        created_at=NOW,
        revision=revision,
    )


def add_sponsors(*numbers: int) -> Callable[[IdentityTx], None]:
    def work(tx: IdentityTx) -> None:
        for number in numbers:
            added = sponsor(number, revision=tx.next_revision)
            tx.add_sponsor(added)
            tx.record(Change.ADDED, SPONSOR, added.name, records.encode(added))

    return work


async def do(service: OpenedIdentity, work: Callable[[IdentityTx], None], *, principal: str = "dev:operator") -> None:
    await service.writer.write(work, mutation=Mutation(principal=principal, at=NOW), result=type(None))


async def tamper(service: OpenedIdentity, work: Callable[[IdentityTx], None]) -> None:
    """Change rows without an event."""
    await do(service, work)


class TestGrowing:
    async def test_a_mutation_is_an_entry(self, opened: Opened) -> None:
        service, _ = opened
        await do(service, add_sponsors(1))
        (entry,) = await entries_of(service)
        assert (entry.index, entry.subject, entry.appended_at) == (0, "sponsors/s1", NOW)
        assert json.loads(entry.body) == {
            "type": "ringfence-identity-mutation/1",
            "at": "2026-01-01T00:00:00.123Z",
            "actor": "dev:operator",
            "change": "added",
            "kind": "sponsor",
            "name": "sponsors/s1",
            "environment": "",
            "revision": 1,
            "record_hash": hashlib.sha256(records.encode(sponsor(1))).hexdigest(),
        }
        assert canonical(json.loads(entry.body)) == entry.body

    async def test_nothing_of_a_person_but_names_is_in_it(self, opened: Opened) -> None:
        service, _ = opened
        await do(service, add_sponsors(1), principal="corp:hypatia@example.com")
        await do(service, add_sponsors(2), principal="corp:hypatia@example.com")
        first, second = [json.loads(entry.body) for entry in await entries_of(service)]
        assert b"hypatia" not in b"".join(entry.body for entry in await entries_of(service)).lower()
        assert first["actor"] == second["actor"]
        assert first["actor"].startswith("person:")

    async def test_what_was_refused_leaves_no_entry(self, opened: Opened) -> None:
        service, _ = opened

        def fails(tx: IdentityTx) -> None:
            add_sponsors(1)(tx)
            raise ValueError("refused")

        with pytest.raises(ValueError, match="refused"):
            await do(service, fails)
        await do(service, add_sponsors(2))
        assert [entry.subject for entry in await entries_of(service)] == ["sponsors/s2"]

    async def test_mutations_that_share_a_transaction_have_no_gap(self, opened: Opened) -> None:
        service, keys = opened
        await asyncio.gather(*(do(service, add_sponsors(n, n + 1)) for n in range(0, 300, 2)))
        entries = await entries_of(service)
        assert [entry.index for entry in entries] == list(range(300))
        assert [json.loads(entry.body)["revision"] for entry in entries] == list(range(1, 301))
        await prove_everything(service, keys, indexes=range(240, 270))

    async def test_entries_are_found_by_what_they_are_about(self, opened: Opened) -> None:
        service, _ = opened
        await do(service, add_sponsors(1, 2, 3))

        def again(tx: IdentityTx) -> None:
            tx.record(Change.MODIFIED, SPONSOR, "sponsors/s2", records.encode(sponsor(2)))

        await do(service, again)
        about = await service.store.log_entries(start=0, limit=10, subject="sponsors/s2")
        assert [entry.index for entry in about] == [1, 3]
        assert [entry.index for entry in await service.store.log_entries(start=2, limit=1)] == [2]
        assert await service.store.log_entries(start=2, limit=5, subject="sponsors/s") == []


class TestCheckpoints:
    async def test_an_empty_log_is_signed_when_it_is_opened(self, opened: Opened) -> None:
        service, keys = opened
        checkpoints = checkpoints_of(service, keys)
        await checkpoints.open()
        assert signed(await checkpoints.newest(), keys) == Checkpoint(keys.origin, 0, EMPTY_ROOT)

    async def test_the_newest_covers_what_was_acknowledged(self, opened: Opened) -> None:
        service, keys = opened
        checkpoints = checkpoints_of(service, keys)
        for size in range(1, 6):
            await do(service, add_sponsors(size))
            assert (await checkpoints.newest()).frontier.size == size

    async def test_who_asks_together_gets_the_same(self, opened: Opened) -> None:
        service, keys = opened
        checkpoints = checkpoints_of(service, keys)
        await do(service, add_sponsors(1))
        many = await asyncio.gather(*(checkpoints.newest() for _ in range(20)))
        assert len({checkpoint.note for checkpoint in many}) == 1

    async def test_nobody_needs_to_ask(self, backend: Backend, tmp_path: Path) -> None:
        clock, keys = ManualClock(NOW), open_log_keys(tmp_path)
        async with opened_identity(backend, log=keys) as service:
            checkpoints = checkpoints_of(service, keys, clock=clock)
            async with background(checkpoints.run(every=EVERY)):
                await do(service, add_sponsors(1))
                while await service.store.with_log(lambda log: log.log_checkpoint()) is None:
                    clock.advance(EVERY)
                    await asyncio.sleep(0)
        async with opened_identity(backend, log=keys) as service:
            kept = await service.store.with_log(lambda log: log.log_checkpoint())
            assert kept is not None
            assert signed(kept, keys).size == 1

    async def test_every_entry_is_proven_in_every_log_that_holds_it(self, opened: Opened) -> None:
        service, keys = opened
        reader = TransparencyReader(service.store, checkpoints_of(service, keys))
        heads = []
        for number in range(12):
            await do(service, add_sponsors(number))
            heads.append(await prove_everything(service, keys))
        for head in heads:
            await prove_extension(service, keys, head)
        with pytest.raises(LogEntryNotFound):
            await reader.prove_inclusion(12, tree_size=0)
        for size in (5, 13):
            with pytest.raises(TreeSizeOutOfRange):
                await reader.prove_inclusion(5, tree_size=size)
        for first, second in ((1, 13), (13, 0)):
            with pytest.raises(TreeSizeOutOfRange):
                await reader.prove_consistency(first, second)


class TestRestarts:
    async def test_the_log_goes_on(self, backend: Backend, tmp_path: Path) -> None:
        keys = open_log_keys(tmp_path)
        async with opened_identity(backend, log=keys) as service:
            await do(service, add_sponsors(*range(300)))
            before = signed(await checkpoints_of(service, keys).newest(), keys)
        keys = open_log_keys(tmp_path)
        async with opened_identity(backend, log=keys) as service:
            await checkpoints_of(service, keys).open()
            await do(service, add_sponsors(*range(300, 530)))
            assert (await prove_extension(service, keys, before)).size == 530

    async def test_what_was_not_signed_before_the_end_is_signed_at_the_start(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        keys = open_log_keys(tmp_path)
        async with opened_identity(backend, log=keys) as service:
            await checkpoints_of(service, keys).open()
            await do(service, add_sponsors(1, 2))
        async with opened_identity(backend, log=keys) as service:
            await checkpoints_of(service, keys).open()
            kept = await service.store.with_log(lambda log: log.log_checkpoint())
            assert kept is not None
            assert kept.frontier.size == 2

    async def test_a_new_key_signs_the_same_log(self, backend: Backend, tmp_path: Path) -> None:
        old = open_log_keys(tmp_path)
        async with opened_identity(backend, log=old) as service:
            await do(service, add_sponsors(1))
            before = await checkpoints_of(service, old).newest()
        new = open_log_keys(tmp_path, rotate=True)
        async with opened_identity(backend, log=new) as service:
            checkpoints = checkpoints_of(service, new)
            await checkpoints.open()
            after = await checkpoints.newest()
        assert (after.frontier, after.note != before.note) == (before.frontier, True)
        signed(after, new)

    async def test_data_from_before_the_log_begins_it_with_the_next_mutation(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        async with opened_identity(backend) as service:
            await do(service, add_sponsors(1, 2))
        keys = open_log_keys(tmp_path)
        async with opened_identity(backend, log=keys) as service:
            await checkpoints_of(service, keys).open()
            await do(service, add_sponsors(3))
            (entry,) = await entries_of(service)
            assert json.loads(entry.body)["revision"] == 3
        async with opened_identity(backend, log=keys) as service:
            await checkpoints_of(service, keys).open()


class TestRefusedAtTheStart:
    """A log that is not the one that was signed is not opened, and nothing is signed over it."""

    @pytest.fixture
    async def filled(self, opened: Opened) -> Opened:
        service, keys = opened
        await do(service, add_sponsors(*range(300)))
        await checkpoints_of(service, keys).newest()
        return service, keys

    async def refused(self, opened: Opened, sentence: str) -> None:
        service, keys = opened
        before = await service.store.with_log(lambda log: log.log_checkpoint())
        with pytest.raises(LogDoesNotFit, match=sentence):
            await checkpoints_of(service, keys).open()
        assert await service.store.with_log(lambda log: log.log_checkpoint()) == before

    async def test_a_log_as_it_was_before(self, filled: Opened) -> None:
        """The database is a backup from before the checkpoint that was shown."""
        service, keys = filled
        more, _ = Frontier().grow(leaf_hash(f"{n}".encode()) for n in range(400))
        await tamper(service, lambda tx: tx.put_log_checkpoint(keys.head(more, NOW)))
        await self.refused(filled, "holds 300 entries, and 400 were signed")

    async def test_a_log_with_another_history(self, filled: Opened) -> None:
        service, keys = filled
        other, _ = Frontier().grow(leaf_hash(f"{n}".encode()) for n in range(200))
        await tamper(service, lambda tx: tx.put_log_checkpoint(keys.head(other, NOW)))
        await self.refused(filled, "does not begin with the 200 entries that were signed")
        await do(service, add_sponsors(300))
        with pytest.raises(LogDoesNotFit):
            await checkpoints_of(service, keys).newest()

    async def test_a_checkpoint_of_another_key(self, filled: Opened, tmp_path: Path) -> None:
        service, _ = filled
        (tmp_path / "other").mkdir()
        foreign = open_log_keys(tmp_path / "other")
        await self.refused((service, foreign), "signed by a key that is not in the key file")

    async def test_a_log_of_another_name(self, filled: Opened, tmp_path: Path) -> None:
        service, _ = filled
        await self.refused((service, open_log_keys(tmp_path, origin="log.example/other")), "not in the key file")

    async def test_a_checkpoint_that_says_something_else_than_it_signs(self, filled: Opened) -> None:
        service, keys = filled
        newest = await checkpoints_of(service, keys).newest()
        smaller = replace(newest, note=keys.head(Frontier(), NOW).note)
        await tamper(service, lambda tx: tx.put_log_checkpoint(smaller))
        await self.refused(filled, "with 0 entries, which is not this one")

    async def test_a_damaged_checkpoint(self, filled: Opened) -> None:
        service, keys = filled
        newest = await checkpoints_of(service, keys).newest()
        await tamper(service, lambda tx: tx.put_log_checkpoint(replace(newest, note="nothing")))
        await self.refused(filled, "damaged checkpoint")

    @pytest.mark.parametrize("tile", [TileId(0, 1), TileId(1, 0)])
    @pytest.mark.parametrize("spoilt", [b"", b"\x00" * 32, b"short"])
    async def test_a_tile_at_the_edge(self, filled: Opened, tile: TileId, spoilt: bytes) -> None:
        await tamper(filled[0], lambda tx: overwrite_tile(tx, tile, spoilt))
        await self.refused(filled, "has other hashes|does not begin")

    async def test_a_lost_entry(self, filled: Opened) -> None:
        await tamper(filled[0], drop_last_entry)
        await self.refused(filled, "another last entry")

    async def test_another_last_entry(self, filled: Opened) -> None:
        service, _ = filled
        last = (await entries_of(service))[-1]
        other = replace(last, body=last.body.replace(b"s299", b"s999"))
        await tamper(service, lambda tx: overwrite_entry(tx, other))
        await self.refused(filled, "another last entry")

    async def test_data_that_went_on_without_the_log(self, backend: Backend, tmp_path: Path) -> None:
        keys = open_log_keys(tmp_path)
        async with opened_identity(backend, log=keys) as service:
            await do(service, add_sponsors(1))
        async with opened_identity(backend) as service:
            await do(service, add_sponsors(2))
        async with opened_identity(backend, log=keys) as service:
            await self.refused((service, keys), "ends at revision 1, and the data at 2")


class TestTampering:
    """What the start cannot see, for it does not read a million entries, whoever verifies does."""

    async def test_any_entry(self, opened: Opened) -> None:
        service, keys = opened
        await do(service, add_sponsors(*range(20)))
        entry = (await entries_of(service))[7]
        await tamper(service, lambda tx: overwrite_entry(tx, replace(entry, body=entry.body + b" ")))
        with pytest.raises(ProofInvalid):
            await prove_everything(service, keys)

    async def test_any_leaf_in_a_tile(self, opened: Opened) -> None:
        service, keys = opened
        await do(service, add_sponsors(*range(300)))
        tile = await service.store.with_log(lambda log: log.log_tile(TileId(0, 0)))
        spoilt = tile[:320] + bytes(32) + tile[352:]
        await tamper(service, lambda tx: overwrite_tile(tx, TileId(0, 0), spoilt))
        with pytest.raises(ProofInvalid):
            await prove_everything(service, keys, indexes=range(8, 14))

    async def test_a_lost_checkpoint_is_made_again_and_only_over_what_is_there(self, opened: Opened) -> None:
        service, keys = opened
        await do(service, add_sponsors(1, 2, 3))
        before = signed(await checkpoints_of(service, keys).newest(), keys)
        await tamper(service, drop_checkpoint)
        await checkpoints_of(service, keys).open()
        assert await prove_extension(service, keys, before) == before


class TestReplicas:
    async def test_two_replicas_keep_one_log(self, postgres_url: str, tmp_path: Path) -> None:
        keys = open_log_keys(tmp_path)
        async with AsyncExitStack() as stack:
            backend = Backend(kind="postgres", url=stack.enter_context(empty_database(postgres_url)))
            one = await stack.enter_async_context(opened_identity(backend, log=keys))
            other = await stack.enter_async_context(opened_identity(backend, log=keys))
            both = [(replica, checkpoints_of(replica, keys)) for replica in (one, other)]

            async def write_and_sign(number: int) -> Checkpoint:
                replica, checkpoints = both[number % 2]
                await do(replica, add_sponsors(number))
                return signed(await checkpoints.newest(), keys)

            heads = await asyncio.gather(*(write_and_sign(number) for number in range(60)))
            assert [entry.index for entry in await entries_of(one)] == list(range(60))
            for head in sorted(set(heads), key=lambda head: head.size):
                await prove_extension(one, keys, head)
                await prove_extension(other, keys, head)
            assert await prove_everything(one, keys) == await prove_everything(other, keys)
