"""Whatever happens to an agent's keys, in whatever order: one key acts, those before it never do again."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.proofs.did import AgentDid, parse_did
from ringfence.proofs.did_log_check import check_log
from ringfence.proofs.public_keys import from_multibase, public_key_of
from ringfence_identity.errors import DidVersionMismatch, ProofInvalid
from ringfence_identity.model import IdentityStatus
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.errors import Failure
from support.backends import Backend
from support.identity.agent_life import AgentLife, agent_life
from support.identity.keys import seeded_key

Step = tuple[str, int, int]

# What is tried: a deed, with which of the few keys there are in the place of the old one and of the new, and how long
# it is after the one before. Most are refused, and that is the point.
steps = st.lists(
    st.tuples(
        st.sampled_from(["rotate", "lose", "lose for another", "suspend", "reinstate", "reinstate with another"]),
        st.integers(1, 4),
        st.integers(1, 4),
    ),
    max_size=14,
)


def key_of(number: int) -> str:
    return public_key_of(seeded_key(number)).multibase


async def attempt(life: AgentLife, step: Step) -> bool:
    """Try one step and say whether it was done."""
    deed, old, new = step
    life.clock.advance(Millis(300))
    try:
        match deed:
            case "rotate":
                await life.rotate(old, new)
            case "lose":
                await life.lose(old)
            case "lose for another":
                await life.lose(old, new)
            case "suspend":
                await life.suspend()
            case "reinstate":
                await life.reinstate()
            case _:
                await life.reinstate(old, new)
    except Failure:
        return False
    return True


async def live(life: AgentLife, tried: list[Step]) -> None:
    """Live through `tried`, and look after each step whether everything still holds."""
    past: list[str] = []
    for step in tried:
        before = life.identity
        done = await attempt(life, step)
        after = life.identity
        if not done:
            assert after == before
            continue
        assert after.revocation_epoch == before.revocation_epoch + 1
        if after.key != before.key:
            past.append(before.key)
        assert after.key not in past
        await look(life, past)


async def look(life: AgentLife, past: list[str]) -> None:
    identity, now = life.identity, life.clock.now()
    keys = await life.keys()
    assert [key.key for key in keys] == [*past, identity.key]
    assert [key.until is None for key in keys] == [False] * len(past) + [True]
    assert not any(key.good_at(now) for key in keys[:-1])
    did = parse_did(identity.did)
    assert isinstance(did, AgentDid)
    state = check_log(await life.log(), did=did, now=now)[-1].state
    shown = json.loads(json.dumps(state))
    lost = {key.key for key in keys if key.compromised_since is not None}
    assert {one["publicKeyMultibase"] for one in shown["verificationMethod"]} == lost | {identity.key}
    method = f"{identity.did}#{from_multibase(identity.key).thumbprint}"
    in_force = [] if identity.key in lost else [method]
    for relationship in ("authentication", "assertionMethod", "capabilityDelegation"):
        assert shown.get(relationship, []) == in_force
    if identity.status is IdentityStatus.ACTIVE:
        assert identity.key not in lost


@settings(max_examples=50)
@given(steps)
def test_no_sequence_of_deeds_lets_an_old_key_act(tried: list[Step]) -> None:
    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with agent_life(Backend(kind="memory"), Path(folder)) as life:
                await live(life, tried)

    asyncio.run(run())


@settings(max_examples=25)
@given(st.permutations([2, 3, 4]), st.integers(1, 4), st.integers(1, 4))
def test_no_key_of_the_past_rotates_whatever_version_it_signs_over(order: list[int], old: int, version: int) -> None:
    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with agent_life(Backend(kind="memory"), Path(folder)) as life:
                versions, current = [life.identity.did_version_id], 1
                for number in order:
                    versions.append((await life.rotate(current, number)).did_version_id)
                    current = number
                signed_over = versions[version - 1]
                if (old, signed_over) == (current, versions[-1]):
                    assert (await life.rotate(old, 9)).key == key_of(9)
                    return
                with pytest.raises((DidVersionMismatch, ProofInvalid)):
                    await life.rotate(old, 9, version_id=signed_over)
                assert life.identity.key == key_of(current)

    asyncio.run(run())


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=3), st.integers(-2_000, 12_000))
def test_a_report_voids_everything_signed_since_and_nothing_before(waits: list[int], offset: int) -> None:
    """At every moment: a key's signature counts exactly while it was in force and nobody says it was lost."""

    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with agent_life(Backend(kind="memory"), Path(folder)) as life:
                born = life.clock.now()
                for number, wait in enumerate(waits, start=1):
                    life.clock.advance(Millis(wait))
                    await life.rotate(number, number + 1)
                life.clock.advance(Millis(12_000))
                before = await life.keys()
                since = Instant(born + offset)
                await life.lose(len(waits) + 1, since=since)
                whole = since - since % 1_000
                for old, new in zip(before, await life.keys(), strict=True):
                    for at in range(born - 1_000, life.clock.now() + 1_000, 500):
                        counts = old.good_at(Instant(at)) and at < whole
                        assert new.good_at(Instant(at)) == counts

    asyncio.run(run())
