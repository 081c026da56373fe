"""The contract of the rollout's use cases, over memory, SQLite and PostgreSQL: also after a restart."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.errors import EtagMismatch
from ringfence_kit.events import Change, Revision
from ringfence_kit.migrate import migrate
from ringfence_kit.store import Mutation
from ringfence_pdp.bundle import BUNDLE, Bundle, PolicyFile, digest_of
from ringfence_pdp.bundles import BUNDLES_KEPT, push_bundle, upload_bundle
from ringfence_pdp.errors import BundleNotFound, RolloutConflict
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.rollout.rollout import ROLLOUT, AutoAbort, Mode, Rollout
from ringfence_pdp.rollout.rollouts import abort_trial, promote_bundle, roll_back, set_rollout
from ringfence_pdp.store_sql import MIGRATIONS
from support.backends import Backend
from support.pdp.opened import Policies, opened_policies

AT = Instant(1_767_225_600_000)
BY_ADMIN = Mutation(principal="dev:operator", at=AT)


@dataclass(frozen=True)
class Size:
    policy_count: int = 1
    rule_count: int = 1


def compiles(files: Sequence[PolicyFile]) -> Size:
    return Size()


@dataclass
class Desk:
    """The use cases beside the state that follows their events, as `app.py` puts them together."""

    policies: Policies
    state: PolicyState[Size]
    applied: int = 0

    def caught_up(self) -> PolicyState[Size]:
        for event in self.policies.events[self.applied :]:
            self.state.apply(event)
        self.applied = len(self.policies.events)
        return self.state

    async def push(self, text: str) -> str:
        done = await push_bundle(
            self.policies.writer, files=[file(text)], compile_files=compiles, etag="", mutation=BY_ADMIN
        )
        return done.digest

    async def upload(self, text: str) -> Bundle:
        return await upload_bundle(self.policies.writer, files=[file(text)], compile_files=compiles, mutation=BY_ADMIN)

    async def set(self, candidate: str, mode: Mode, *, percent: int = 0, etag: str = "") -> Rollout:
        return await set_rollout(
            self.policies.writer,
            self.caught_up(),
            candidate=candidate,
            mode=mode,
            percent=percent,
            auto_abort=AutoAbort(max_flip_rate=0.5),
            etag=etag,
            mutation=BY_ADMIN,
        )

    async def promote(self, etag: str = "") -> Rollout:
        return await promote_bundle(self.policies.writer, etag=etag, mutation=BY_ADMIN)

    async def roll_back(self, digest: str = "", etag: str = "") -> Rollout:
        state = self.caught_up()
        return await roll_back(
            self.policies.writer, state, digest=digest, reason="it hurts", etag=etag, mutation=BY_ADMIN
        )


def file(text: str) -> PolicyFile:
    return PolicyFile(path="p.yaml", content=text.encode())


@asynccontextmanager
async def desk_on(backend: Backend) -> AsyncIterator[Desk]:
    async with opened_policies(backend) as policies:
        state: PolicyState[Size] = PolicyState(compiles)
        revision, stored = await policies.store.load()
        state.fill(stored, revision)
        yield Desk(policies, state)


async def test_an_uploaded_bundle_is_kept_and_decides_nothing(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        first = await desk.push("one")
        second = await desk.upload("two")
    async with desk_on(backend) as desk:
        state = desk.caught_up()

    assert (state.active().digest, state.rollout.active) == (first, first)
    assert [bundle.digest for bundle in state.bundles] == [second.digest, first]
    assert state.kept(second.digest) == second


async def test_from_shadow_through_canary_to_promotion_also_over_restarts(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        first = await desk.push("one")
        second = (await desk.upload("two")).digest
        shadow = await desk.set(second, Mode.SHADOW)
    async with desk_on(backend) as desk:
        assert desk.state.rollout == shadow
        canary = await desk.set(second, Mode.CANARY, percent=10, etag=shadow.etag)
        assert (canary.active, canary.candidate, canary.percent) == (first, second, 10)
    async with desk_on(backend) as desk:
        promoted = await desk.promote(canary.etag)
    async with desk_on(backend) as desk:
        assert desk.state.rollout == promoted
        assert (promoted.active, promoted.previous, promoted.candidate, promoted.mode) == (second, first, "", Mode.NONE)
        assert (promoted.actor, promoted.changed_at) == ("dev:operator", AT)


async def test_going_back_to_the_one_before_and_to_any_that_is_kept(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        one, two, three = [await desk.push(text) for text in ("one", "two", "three")]
        back = await desk.roll_back()
        assert (back.active, back.previous, back.reason) == (two, three, "it hurts")
        further = await desk.roll_back(one)
        assert (further.active, further.previous) == (one, two)
        assert desk.caught_up().active().digest == one
    async with desk_on(backend) as desk:
        assert desk.state.active().digest == one


async def test_going_back_ends_what_is_tried(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        await desk.push("one")
        await desk.push("two")
        await desk.set((await desk.upload("three")).digest, Mode.SHADOW)
        assert (await desk.roll_back()).mode is Mode.NONE
        assert desk.caught_up().current.candidate is None


async def test_a_push_ends_what_is_tried(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        await desk.push("one")
        await desk.set((await desk.upload("two")).digest, Mode.CANARY, percent=50)
        await desk.push("three")
        assert desk.caught_up().rollout.candidate == ""


async def test_what_cannot_be_done_is_refused_and_changes_nothing(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        with pytest.raises(BundleNotFound):
            await desk.roll_back()
        first = await desk.push("one")
        with pytest.raises(BundleNotFound):
            await desk.roll_back()
        with pytest.raises(RolloutConflict):
            await desk.promote()
        with pytest.raises(RolloutConflict):
            await desk.set(first, Mode.SHADOW)
        with pytest.raises(BundleNotFound):
            await desk.set(digest_of([file("never sent")]), Mode.SHADOW)
        with pytest.raises(BundleNotFound):
            await desk.roll_back(digest_of([file("never sent")]))
        assert desk.caught_up().rollout.revision == 2


async def test_a_stale_etag_is_refused_by_every_change(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        await desk.push("one")
        stale = desk.caught_up().rollout.etag
        await desk.push("two")
        second = (await desk.upload("three")).digest
        for refused in (
            desk.set(second, Mode.SHADOW, etag=stale),
            desk.promote(stale),
            desk.roll_back(etag=stale),
        ):
            with pytest.raises(EtagMismatch):
                await refused


async def test_a_trial_ends_by_itself_once_and_says_why(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        await desk.push("one")
        trial = await desk.set((await desk.upload("two")).digest, Mode.SHADOW)
        for because in ("60 of 100 decisions came out otherwise", "said too late"):
            await abort_trial(desk.policies.writer, trial, because=because, mutation=BY_ADMIN)
    async with desk_on(backend) as desk:
        rollout = desk.state.rollout
        assert (rollout.mode, rollout.candidate) == (Mode.NONE, "")
        assert rollout.aborted_because == "60 of 100 decisions came out otherwise"


async def test_a_trial_that_was_changed_meanwhile_is_not_ended(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        await desk.push("one")
        second = (await desk.upload("two")).digest
        before = await desk.set(second, Mode.SHADOW)
        after = await desk.set(second, Mode.CANARY, percent=1)
        await abort_trial(desk.policies.writer, before, because="flips", mutation=BY_ADMIN)
        assert desk.caught_up().rollout == after


async def test_the_newest_bundles_are_kept_and_those_the_rollout_speaks_of(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        first, second = await desk.push("one"), await desk.push("two")
        uploaded = [(await desk.upload(f"more {number}")).digest for number in range(BUNDLES_KEPT + 2)]
        forgotten = [
            event.name for event in desk.policies.events if event.kind == BUNDLE and event.change is Change.DELETED
        ]
    async with desk_on(backend) as desk:
        kept = [bundle.digest for bundle in desk.state.bundles]

    assert kept == [*reversed(uploaded[2:]), second, first]
    assert forgotten == [f"bundles/{digest}" for digest in uploaded[:2]]


async def test_the_same_files_again_become_the_newest(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        first, second = await desk.push("one"), await desk.push("two")
        again = await desk.upload("one")
        assert [bundle.digest for bundle in desk.caught_up().bundles] == [first, second]
        assert (again.digest, desk.state.active().digest) == (first, second)


async def test_another_replica_comes_to_the_same_state_by_the_events_alone(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        other: PolicyState[Size] = PolicyState(compiles)
        await desk.push("one")
        await desk.set((await desk.upload("two")).digest, Mode.CANARY, percent=30)
        await desk.promote()
        await desk.roll_back()
        for event in desk.policies.events:
            other.apply(event)
        desk.caught_up()
        assert (other.rollout, other.active(), other.bundles) == (
            desk.state.rollout,
            desk.state.active(),
            desk.state.bundles,
        )
        assert other.current.epoch == other.rollout.revision
    async with desk_on(backend) as desk:
        assert desk.state.rollout == other.rollout
        assert desk.state.bundles == other.bundles


async def test_rollouts_are_events_of_their_own_kind(backend: Backend) -> None:
    async with desk_on(backend) as desk:
        await desk.push("one")
        kinds = [(event.kind, event.name, event.revision) for event in desk.policies.events]
    assert kinds[1] == (ROLLOUT, ROLLOUT, Revision(2))


def test_what_was_pushed_before_there_were_rollouts_is_carried_over(tmp_path: Path) -> None:
    """The newest bundle decides as before, and the one before it can be gone back to."""
    old = tmp_path / "versions"
    old.mkdir()
    for name in ("pdp_0001.py", "pdp_0002.py"):
        shutil.copy(MIGRATIONS / name, old)
    pushed = [bundle_of("a", revision=1), bundle_of("b", revision=2), bundle_of("a", revision=3)]
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'pdp.db'}")
    with engine.begin() as connection:
        migrate(connection, service="pdp", migrations=old)
        for bundle in (*pushed, bundle_of("c", revision=4)):
            row = {"revision": bundle.revision, "digest": bundle.digest, "record": records.encode(bundle)}
            connection.execute(sa.text("insert into bundles values (:revision, :digest, :record)"), row)
        migrate(connection, service="pdp", migrations=MIGRATIONS)
        kept = connection.execute(sa.text("select record from kept_bundles order by revision desc")).scalars().all()
        rollout = records.decode(connection.scalar(sa.text("select record from rollouts")), Rollout)
    engine.dispose()

    assert [records.decode(record, Bundle).revision for record in kept] == [4, 3, 2]
    assert (rollout.active, rollout.previous) == (bundle_of("c").digest, bundle_of("a").digest)
    assert (rollout.mode, rollout.actor, rollout.changed_at) == (Mode.NONE, "dev:operator", AT)


def bundle_of(text: str, *, revision: int = 1) -> Bundle:
    files = (file(text),)
    return Bundle(
        digest=digest_of(files),
        files=files,
        policy_count=1,
        rule_count=1,
        author="dev:operator",
        pushed_at=AT,
        revision=revision,
    )
