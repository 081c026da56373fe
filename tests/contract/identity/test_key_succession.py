"""Keys that follow one another, on every store: what is kept of each, races, and what bounds a history."""

import asyncio
import json
from pathlib import Path

import pytest
from ringfence.proofs.did import AgentDid, parse_did
from ringfence.proofs.did_log_check import check_log
from ringfence.proofs.public_keys import public_key_of
from ringfence.proofs.timestamps import timestamp
from ringfence_identity.errors import DidLogFull, DidVersionMismatch, KeyAlreadyUsed, NewKeyRequired
from ringfence_identity.key_succession import FURTHEST_AHEAD, LONGEST_LOG
from ringfence_identity.model import IdentityStatus
from ringfence_identity.store.agent_keys import UsedKey
from ringfence_kit.clock import HOUR, SECOND, Instant, Millis
from ringfence_kit.errors import QuotaExceeded
from support.backends import Backend
from support.identity.agent_life import AgentLife, agent_life
from support.identity.keys import seeded_key
from support.identity.opened import opened_identity


def key_of(number: int) -> str:
    return public_key_of(seeded_key(number)).multibase


async def checked_log(life: AgentLife) -> list[Instant]:
    """Return the times of the log, which holds."""
    did = parse_did(life.did)
    assert isinstance(did, AgentDid)
    return [entry.version_time for entry in check_log(await life.log(), did=did, now=life.clock.now())]


async def test_every_key_is_kept_with_the_time_it_was_good(backend: Backend, tmp_path: Path) -> None:
    async with agent_life(backend, tmp_path) as life:
        born = life.clock.now()
        life.clock.advance(HOUR)
        await life.rotate(1, 2)
        life.clock.advance(Millis(HOUR + 1_500))
        lost = Instant(life.clock.now() - 60 * SECOND - 500)
        await life.lose(2, 3, since=lost)
        second, third = Instant(born + HOUR), Instant(born + 2 * HOUR + 1_500)
        assert await life.keys() == [
            UsedKey(key=key_of(1), did=life.did, since=born, until=second),
            UsedKey(
                key=key_of(2), did=life.did, since=second, until=third, compromised_since=Instant(lost - lost % SECOND)
            ),
            UsedKey(key=key_of(3), did=life.did, since=Instant(third - 500)),
        ]


async def test_of_many_rotations_at_once_one_wins(backend: Backend, tmp_path: Path) -> None:
    async with agent_life(backend, tmp_path) as life:
        first = life.identity.did_version_id
        wishes = [life.rotate(1, number, version_id=first) for number in range(10, 18)]
        answers = await asyncio.gather(*wishes, return_exceptions=True)
        lost = [answer for answer in answers if isinstance(answer, DidVersionMismatch)]
        assert len(lost) == len(answers) - 1
        assert {refused.metadata["current_version"] for refused in lost} == {life.identity.did_version_id}
        assert len(await life.keys()) == 2


async def test_a_rotation_and_a_report_at_once_leave_one_history(backend: Backend, tmp_path: Path) -> None:
    """Whoever comes second signs again, or finds the key it speaks of no longer in force: never two histories."""
    async with agent_life(backend, tmp_path) as life:
        first = life.identity.did_version_id
        wishes = (life.rotate(1, 2, version_id=first), life.lose(1, 3, version_id=first))
        answers = await asyncio.gather(*wishes, return_exceptions=True)
        assert sum(isinstance(answer, DidVersionMismatch) for answer in answers) == 1
        assert len(await checked_log(life)) == 2


async def test_a_thief_who_rotates_first_gains_nothing_by_it(backend: Backend, tmp_path: Path) -> None:
    """Key compromise: reported since before the theft was covered up, both keys are lost, each from its own moment."""
    async with agent_life(backend, tmp_path) as life:
        born = life.clock.now()
        life.clock.advance(HOUR)
        stolen = life.clock.now()
        life.clock.advance(HOUR)
        await life.rotate(1, 66)
        life.clock.advance(HOUR)
        await life.lose(66, 2, since=stolen)
        first, thiefs, good = await life.keys()
        assert (first.compromised_since, thiefs.compromised_since, good.compromised_since) == (
            stolen,
            Instant(born + 2 * HOUR),
            None,
        )
        assert first.good_at(born)
        assert not first.good_at(stolen)
        assert not thiefs.good_at(Instant(born + 2 * HOUR))
        (document,) = (json.loads(line)["state"] for line in (await life.log()).splitlines()[-1:])
        shown = {one["publicKeyMultibase"]: one.get("compromisedSince") for one in document["verificationMethod"]}
        assert shown == {key_of(2): None, key_of(1): timestamp(stolen), key_of(66): timestamp(thiefs.since)}


async def test_a_failed_change_leaves_no_key_and_no_line(backend: Backend, tmp_path: Path) -> None:
    async with agent_life(backend, tmp_path) as life:
        before, log = life.identity, await life.log()
        with pytest.raises(KeyAlreadyUsed):
            await life.lose(1, 1)
        assert (life.identity, await life.log()) == (before, log)
        assert [key.compromised_since for key in await life.keys()] == [None]


async def test_rotations_run_ahead_of_the_clock_only_so_far_and_the_end_still_fits(
    backend: Backend, tmp_path: Path
) -> None:
    """An agent that rotates without pause must not be able to keep the registrar from ending it."""
    most = FURTHEST_AHEAD // SECOND
    async with agent_life(backend, tmp_path) as life:
        for number in range(1, most + 1):
            await life.rotate(number, number + 1)
        with pytest.raises(QuotaExceeded) as refused:
            await life.rotate(most + 1, most + 2)
        assert refused.value.retry_after == SECOND
        life.clock.advance(SECOND)
        await life.rotate(most + 1, most + 2)
        await life.lose(most + 2)
        assert (await life.revoke()).status is IdentityStatus.REVOKED
        times = await checked_log(life)
        assert times == sorted(set(times))


async def test_a_history_ends_before_it_is_too_long_to_read_and_the_end_still_fits(
    backend: Backend, tmp_path: Path
) -> None:
    """Five MiB logs: an agent cannot make its own history unreadable, nor itself unrevokable by that."""
    async with agent_life(backend, tmp_path) as life:
        room = LONGEST_LOG - len(await life.log())
        await life.pad_log(room - 2)
        await life.rotate(1, 2)
        with pytest.raises(DidLogFull):
            await life.rotate(2, 3)
        await life.lose(2)
        with pytest.raises(NewKeyRequired):
            await life.reinstate()
        await life.revoke()
        assert life.identity.status is IdentityStatus.REVOKED


async def test_everything_is_as_it_was_after_a_restart(backend: Backend, tmp_path: Path) -> None:
    async with agent_life(backend, tmp_path) as life:
        await life.rotate(1, 2)
        await life.lose(2, 3)
        before, log = life.identity, await life.log()
    async with opened_identity(backend) as opened:
        assert opened.snapshot.identity(before.did) == before
        assert "".join(f"{line}\n" for line in await opened.store.log_lines(before.did)) == log
