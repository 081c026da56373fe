"""Whenever a watcher of revocations joins, leaves and resumes, it is told of each exactly once, and of nothing else."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.proofs.did import Host
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.model import Revocation, RevocationKind
from ringfence_identity.revocation_record import record_revocation
from ringfence_identity.revocation_watching import (
    RevocationWatch,
    RevocationWatching,
    WatchedRevocation,
    revocation_of,
)
from ringfence_identity.store import IdentityTx
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, ManualClock, Millis
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.state_watch import Standing, StateComplete
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.opened import OpenedIdentity, opened_identity

NAMES = ("dev", "prod")
ENVIRONMENTS = Environments(
    Environment(
        name=name,
        host=Host(f"{name}.id.example.com"),
        issuer=f"https://{name}.id.example.com",
        production=False,
        token_lifetime=Millis(300 * SECOND),
    )
    for name in NAMES
)
AUDREY = Caller(principal="audrey", roles=frozenset({Role.AUDITOR}))

deeds = st.lists(
    st.none() | st.tuples(st.sampled_from(NAMES), st.sampled_from("abc"), st.sampled_from(RevocationKind)), max_size=25
)
"""None is something else that happened."""


async def happen(service: OpenedIdentity, clock: ManualClock, deed: tuple[str, str, RevocationKind] | None) -> None:
    """Make one event, a revocation or another."""

    def work(tx: IdentityTx) -> None:
        if deed is None:
            tx.record(Change.ADDED, "something else", "x", b"{}")
            return
        environment, subject, kind = deed
        reason = f"revocation {tx.next_revision}"
        record_revocation(
            tx, Revocation(kind=kind, subject=subject, environment=environment, reason=reason, at=clock.now())
        )

    await service.writer.write(work, mutation=Mutation(principal="ada", at=clock.now()), result=type(None))


def newest_of_each(told: Sequence[Revocation]) -> dict[object, Revocation]:
    return {(one.environment, one.kind, one.subject): one for one in told}


def watching(service: OpenedIdentity, clock: ManualClock) -> RevocationWatching:
    return RevocationWatching(environments=ENVIRONMENTS, snapshot=service.snapshot, hub=service.hub, clock=clock)


async def told_from(
    service: OpenedIdentity, clock: ManualClock, wanted: RevocationWatch, count: int
) -> list[WatchedRevocation]:
    """Return the first `count` items of a watch."""
    async with aclosing(watching(service, clock).watch(wanted, caller=AUDREY)) as items:
        return [await anext(items) for _ in range(count)]


def wanting(environment: str, *, start: int = 0, state: bool = False) -> RevocationWatch:
    return RevocationWatch(
        environment=environment, start_revision=Revision(start) if start else None, send_initial_state=state
    )


@given(deeds, st.sampled_from(["", *NAMES]), st.data())
@settings(max_examples=60)
def test_resumed_at_any_revision_each_revocation_is_told_once_in_order(
    history: list[tuple[str, str, RevocationKind] | None], environment: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(1, len(history) + 1), label="start")
    expected = [
        revision
        for revision, deed in enumerate(history, start=1)
        if deed is not None and revision >= start and environment in ("", deed[0])
    ]

    async def story() -> list[WatchedRevocation]:
        clock = ManualClock()
        async with opened_identity(Backend(kind="memory"), clock=clock) as service:
            for deed in history:
                await happen(service, clock, deed)
            return await told_from(service, clock, wanting(environment, start=start), len(expected))

    told = asyncio.run(story())
    assert [item.revision for item in told if isinstance(item, Event)] == expected


@given(deeds, deeds, st.sampled_from(["", *NAMES]))
@settings(max_examples=60)
def test_the_state_and_what_follows_it_are_together_the_whole_truth(
    before: list[tuple[str, str, RevocationKind] | None],
    after: list[tuple[str, str, RevocationKind] | None],
    environment: str,
) -> None:
    """Nothing falls between the state and the changes, also of what is revoked while the state is being read."""

    async def story() -> tuple[list[WatchedRevocation], dict[object, Revocation]]:
        clock = ManualClock()
        async with opened_identity(Backend(kind="memory"), clock=clock) as service:
            for deed in before:
                await happen(service, clock, deed)
            standing = service.snapshot.revocations.standing(environment, now=clock.now())
            wanted = wanting(environment, state=True)
            async with aclosing(watching(service, clock).watch(wanted, caller=AUDREY)) as items:
                told = [await anext(items)]
                for deed in after:
                    await happen(service, clock, deed)
                later = sum(deed is not None and environment in ("", deed[0]) for deed in after)
                told += [await anext(items) for _ in range(len(standing) + later)]
            truth = service.snapshot.revocations.standing(environment, now=clock.now())
            return told, newest_of_each(truth)

    told, truth = asyncio.run(story())
    kinds = [type(item) for item in told]
    assert kinds.count(StateComplete) == 1
    assert all(kind is Standing for kind in kinds[: kinds.index(StateComplete)])
    heard = [item.resource for item in told if isinstance(item, Standing)]
    heard += [revocation_of(item) for item in told if isinstance(item, Event)]
    assert newest_of_each(heard) == truth
    events = [item.revision for item in told if isinstance(item, Event)]
    assert events == sorted(set(events))


@given(deeds)
@settings(max_examples=30)
def test_a_restart_stands_where_it_stood(history: list[tuple[str, str, RevocationKind] | None]) -> None:
    async def story() -> None:
        clock, backend = ManualClock(), Backend(kind="memory")
        async with opened_identity(backend, clock=clock) as service:
            for deed in history:
                await happen(service, clock, deed)
            stood = set(service.snapshot.revocations.standing("", now=clock.now()))
        async with opened_identity(backend, clock=clock) as again:
            assert set(again.snapshot.revocations.standing("", now=clock.now())) == stood

    asyncio.run(story())
