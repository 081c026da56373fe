"""Issuer keys in two places, a sealed file and a database, on every store: crashes between them, and replicas."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ringfence.proofs.access_token import check_access_token
from ringfence.proofs.jwk_set import ED_DSA, ES256
from ringfence_identity.config import EnvironmentConfig, IdentityConfig
from ringfence_identity.environments import Environments
from ringfence_identity.issuer_keys.published import KeySets
from ringfence_identity.issuer_keys.rotation import IssuerKeys, RevokedIssuerKey, RevokeIssuerKey, RotateIssuerKey
from ringfence_identity.issuer_keys.schedule import IssuerKey, KeyStanding, KeyState
from ringfence_identity.issuer_keys.signers import UNKNOWN_KEPT, IssuerSigners
from ringfence_identity.issuer_keys.upkeep import IssuerKeyUpkeep
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.token_signing import TokenSigning
from ringfence_kit.background import background
from ringfence_kit.callers import Caller
from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant, ManualClock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.sealed_keys import FileKeyStore
from ringfence_kit.sealing import Seal
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.issuer_tokens import TOKEN
from support.identity.opened import OpenedIdentity, opened_identity
from support.serving import OPERATOR
from support.stepped_clock import SteppedClock

PROD = IdentityConfig(environments=(EnvironmentConfig(name="prod", host="prod.id.ringfence.internal"),)).hosted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One identity process, as far as issuer keys go, wired as its composition root wires it."""

    opened: OpenedIdentity
    file: FileKeyStore
    signers: IssuerSigners
    keys: IssuerKeys
    upkeep: IssuerKeyUpkeep
    key_sets: KeySets
    signing: TokenSigning
    clock: ManualClock

    def listed(self) -> dict[str, KeyState]:
        """Return the states of the Ed25519 keys."""
        standings = self.keys.list("prod", caller=OPERATOR, now=self.clock.now())
        return {one.key.key_id: one.state for one in standings if one.key.algorithm == ED_DSA}

    def in_file(self) -> list[str]:
        """Return the ids of the Ed25519 keys in the sealed file."""
        self.file.refresh()
        return [signer.key_id for signer in self.file.signers("prod/issuer")]

    def published(self) -> set[str]:
        """Return the ids of every key of the key set."""
        return set(self.key_sets.verifying("prod"))

    def signs_with(self) -> str:
        """Sign a token, check it as its audience does, and return the key that signed it."""
        now = self.clock.now()
        token = replace(TOKEN, issued_at=Instant(now), expires_at=Instant(now + MINUTE))
        text = self.signing.sign(token, now=now)
        keys = self.key_sets.verifying("prod")
        return check_access_token(text, keys=keys, issuer=token.issuer, audience=token.audience, now=now).key_id

    async def rotate(self) -> KeyStanding:
        """Publish the next key."""
        wanted = RotateIssuerKey(environment="prod", algorithm=ED_DSA)
        return await self.keys.rotate(wanted, caller=OPERATOR, mutation=self.mutation())

    async def kill(self, key_id: str) -> RevokedIssuerKey:
        """Kill a key."""
        wanted = RevokeIssuerKey(environment="prod", key_id=key_id, reason="it leaked")
        return await self.keys.revoke(wanted, caller=OPERATOR, mutation=self.mutation())

    def mutation(self, caller: Caller = OPERATOR) -> Mutation:
        """Return a mutation of now."""
        return Mutation(principal=caller.principal, at=self.clock.now())


@asynccontextmanager
async def replica(
    backend: Backend, folder: Path, clock: ManualClock, *, environments: Environments = PROD, start: bool = True
) -> AsyncIterator[Replica]:
    """Run one; again on the same store and folder is a restart, or another replica."""
    async with opened_identity(backend, clock=clock) as opened:
        snapshot, signers = opened.snapshot, IssuerSigners()
        signing_clock = SigningClock(clock, lambda: snapshot.newest_at)
        file = FileKeyStore(folder / "identity.keys", Seal.unsealed())
        signers.open(file)
        running = Replica(
            opened=opened,
            file=file,
            signers=signers,
            keys=IssuerKeys(environments=environments, snapshot=snapshot, signers=signers, writer=opened.writer),
            upkeep=IssuerKeyUpkeep(
                environments=environments, snapshot=snapshot, signers=signers, writer=opened.writer, clock=signing_clock
            ),
            key_sets=KeySets(environments, snapshot, signing_clock),
            signing=TokenSigning(environments=environments, snapshot=snapshot, signers=signers),
            clock=clock,
        )
        if start:
            await running.upkeep.start()
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class TestStarting:
    async def test_the_first_start_makes_a_key_of_each_kind_that_signs_at_once(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as one:
            assert list(one.listed().values()) == [KeyState.ACTIVE]
            assert one.signs_with() == one.in_file()[0]
            assert len(one.published()) == 2

    async def test_the_next_start_makes_none(self, backend: Backend, tmp_path: Path, clock: ManualClock) -> None:
        async with replica(backend, tmp_path, clock) as one:
            before = one.published()
        async with replica(backend, tmp_path, clock) as again:
            assert again.published() == before
            assert len(again.in_file()) == 1

    async def test_keys_of_a_release_that_kept_no_schedule_go_on(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        """The file had one key or several and the database none: tokens they signed are still out there."""
        file = FileKeyStore(tmp_path / "identity.keys", Seal.unsealed())
        old = file.add_signer("prod/issuer", at=Instant(clock.now() - 2 * DAY))
        new = file.add_signer("prod/issuer", at=Instant(clock.now() - MINUTE))
        async with replica(backend, tmp_path, clock) as one:
            assert one.listed() == {old.key_id: KeyState.RETIRING, new.key_id: KeyState.ACTIVE}
            assert one.signs_with() == new.key_id

    async def test_before_it_has_started_nothing_is_published_and_nothing_signed(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock, start=False) as one:
            with pytest.raises(Unavailable):
                one.key_sets.of("prod")
            with pytest.raises(Unavailable):
                one.signs_with()
        with pytest.raises(Unavailable):
            IssuerSigners().make("prod", ED_DSA, at=clock.now())


class TestCrashes:
    async def test_a_key_in_the_file_that_no_transaction_named_never_signs_and_is_destroyed(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as one:
            known = one.in_file()
            one.signers.make("prod", ED_DSA, at=clock.now())  # and here the process is killed
        async with replica(backend, tmp_path, clock) as again:
            assert list(again.listed()) == known
            assert again.signs_with() == known[0]
            clock.advance(Millis(UNKNOWN_KEPT - 1))
            await again.upkeep.keep(now=clock.now())
            assert len(again.in_file()) == 2
            clock.advance(Millis(1))
            await again.upkeep.keep(now=clock.now())
            assert again.in_file() == known

    async def test_a_key_that_was_revoked_but_not_destroyed_is_destroyed_at_the_next_start(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as one:
            (victim,) = one.in_file()
            killed = await one.kill(victim)  # and here the process is killed
            assert victim in one.in_file()
            assert victim not in one.published()
        async with replica(backend, tmp_path, clock) as again:
            assert again.in_file() == [killed.successor.key.key_id]
            assert again.signs_with() == killed.successor.key.key_id

    async def test_an_older_copy_of_the_key_file_is_made_good_at_the_start(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as one:
            (first,) = one.in_file()
            copy = (tmp_path / "identity.keys").read_bytes()
            second = (await one.rotate()).key.key_id
            clock.advance(HOUR)
            third = (await one.rotate()).key.key_id
            assert one.signs_with() == second
        (tmp_path / "identity.keys").write_bytes(copy)
        async with replica(backend, tmp_path, clock) as again:
            states = again.listed()
            successor = again.signs_with()
            assert successor not in (first, second, third)
            assert (states[second], states[third]) == (KeyState.RETIRING, KeyState.REVOKED)
            assert second in again.published()  # what it signed is as good as ever

    async def test_a_lost_key_file_is_made_good_at_the_start(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as one:
            lost = one.signs_with()
        (tmp_path / "identity.keys").unlink()
        clock.advance(MINUTE)
        async with replica(backend, tmp_path, clock) as again:
            assert again.signs_with() != lost
            assert again.listed()[lost] is KeyState.RETIRING

    async def test_while_it_runs_a_lost_key_is_no_reason_to_sign_with_another(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        """Two replicas that do not share a file would each take over from the other, every minute."""
        async with replica(backend, tmp_path, clock) as one:
            (signer,) = one.in_file()
            one.file.remove("prod/issuer", signer)
            fresh = IssuerSigners()
            fresh.open(one.file)
            with pytest.raises(Unavailable, match="not in the key store"):
                fresh.signer(_stored(one, signer))
            await one.upkeep.keep(now=clock.now())
            assert list(one.listed()) == [signer]


class TestPrivateHalves:
    async def test_one_is_destroyed_once_another_signs(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as one:
            (first,) = one.in_file()
            second = (await one.rotate()).key.key_id
            await one.upkeep.keep(now=clock.now())
            assert one.in_file() == [first, second]
            clock.advance(HOUR)
            await one.upkeep.keep(now=clock.now())
            assert one.in_file() == [second]
            assert first in one.published()
            assert one.signs_with() == second

    async def test_the_kinds_are_kept_apart(self, backend: Backend, tmp_path: Path, clock: ManualClock) -> None:
        async with replica(backend, tmp_path, clock) as one:
            (ed25519,) = one.file.signers("prod/issuer")
            (p256,) = one.file.p256_signers("prod/issuer-es256")
            assert (ed25519.algorithm, p256.algorithm) == (ED_DSA, ES256)
            assert one.published() == {ed25519.key_id, p256.key_id}


class TestUpkeep:
    async def test_a_year_without_anybody_doing_anything(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as one:
            signed = [one.signs_with()]
            for _ in range(365):
                clock.advance(DAY)
                await one.upkeep.keep(now=clock.now())
                if (signer := one.signs_with()) != signed[-1]:
                    signed.append(signer)
                assert len(one.in_file()) <= 2
                assert len(one.listed()) <= 2
            assert len(signed) == len(set(signed)) == 1 + 12

    async def test_a_key_file_in_trouble_puts_the_next_key_off_and_ends_nothing(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        minutes = SteppedClock()
        async with replica(backend, tmp_path, clock) as one, background(one.upkeep.run(minutes)):
            (signer,) = one.in_file()
            clock.advance(Millis(30 * DAY - HOUR))
            (tmp_path / "identity.keys").chmod(0o644)
            assert await minutes.pass_next_sleep() == MINUTE
            await minutes.next_sleep()
            assert one.signs_with() == signer
            assert list(one.listed()) == [signer]
            (tmp_path / "identity.keys").chmod(0o600)
            minutes.advance(MINUTE)
            await minutes.next_sleep()
            assert len(one.listed()) == 2

    async def test_a_key_that_another_replica_destroyed_is_destroyed(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as one:
            (signer,) = one.in_file()
            one.signers.of("prod", ED_DSA)
            FileKeyStore(tmp_path / "identity.keys", Seal.unsealed()).remove("prod/issuer", signer)
            one.signers._destroy("prod/issuer", signer)
            assert not one.signers.holds(_stored(one, signer))

    async def test_it_writes_nothing_while_nothing_is_due(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as one:
            before = one.opened.hub.newest
            clock.advance(DAY)
            await one.upkeep.keep(now=clock.now())
            assert one.opened.hub.newest == before


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
class TestReplicas:
    """Two processes on one PostgreSQL that share a key file."""

    async def test_they_found_the_same_keys_and_sign_with_the_same(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with replica(backend, tmp_path, clock) as here, replica(backend, tmp_path, clock) as there:
            assert here.signs_with() == there.signs_with()
            assert here.published() == there.published()

    async def test_one_signs_with_the_key_the_other_made(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(replica(backend, tmp_path, clock))
            there = await stack.enter_async_context(replica(backend, tmp_path, clock))
            second = (await here.rotate()).key.key_id
            await _caught_up(there, here)
            assert second in there.published()
            clock.advance(HOUR)
            assert here.signs_with() == there.signs_with() == second

    async def test_a_key_killed_at_one_is_dead_at_the_other(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(replica(backend, tmp_path, clock))
            there = await stack.enter_async_context(replica(backend, tmp_path, clock))
            victim = there.signs_with()
            killed = await here.kill(victim)
            await _caught_up(there, here)
            assert victim not in there.published()
            assert there.signs_with() == killed.successor.key.key_id

    async def test_both_find_a_key_due_and_one_is_made(
        self, backend: Backend, tmp_path: Path, clock: ManualClock
    ) -> None:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(replica(backend, tmp_path, clock))
            there = await stack.enter_async_context(replica(backend, tmp_path, clock))
            clock.advance(Millis(30 * DAY - HOUR))
            await here.upkeep.keep(now=clock.now())
            await there.upkeep.keep(now=clock.now())
            await _caught_up(there, here)
            assert len(here.listed()) == 2
            assert here.listed() == there.listed()
            clock.advance(HOUR)
            assert here.signs_with() == there.signs_with()


def _stored(one: Replica, key_id: str) -> IssuerKey:
    return next(key for key in one.opened.snapshot.issuer_keys("prod") if key.key_id == key_id)


async def _caught_up(behind: Replica, ahead: Replica) -> None:
    """Wait until `behind` has heard of everything that `ahead` has."""
    if behind.opened.hub.newest < ahead.opened.hub.newest:
        async for item in behind.opened.hub.watch(behind.opened.hub.newest):
            if item.revision >= ahead.opened.hub.newest:
                return
