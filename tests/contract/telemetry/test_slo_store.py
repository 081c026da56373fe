"""The contract of what objectives and breakers ask of storage, over memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from ringfence_kit.clock import HOUR, Instant, Millis
from ringfence_telemetry.breakers.machine import Breaker, Circuit, Override
from ringfence_telemetry.signals import Conduct
from ringfence_telemetry.slo.objective import Dependency, DependencyKind, Fallback
from ringfence_telemetry.slo.ratios import Ratio
from ringfence_telemetry.slo.windows import Change, Level, Windows
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.slos import BlamedAgent, Counted, CountedTrace
from support.backends import Backend
from support.telemetry.objectives import OBJECTIVE, A, B, objective
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store

NOW = 100_000
"""A minute."""


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


async def write(opened: OpenedStore, work: Callable[[TelemetryTx], None]) -> None:
    await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))


async def count(opened: OpenedStore, *changes: Change, name: str = OBJECTIVE.name) -> None:
    await write(opened, lambda tx: tx.add_slo_counts({name: changes}))


async def counted(opened: OpenedStore, end_minute: int = NOW + 1, name: str = OBJECTIVE.name) -> list[Counted]:
    return list(await opened.store.slo_counts(name, end_minute=end_minute))


async def test_an_objective_is_what_was_kept(opened: OpenedStore) -> None:
    needs = Dependency(
        agent=B,
        target=Ratio(995, 1000),
        kind=DependencyKind.SOFT,
        calls=2,
        retries=1,
        fallbacks=(Fallback(agent="c", target=Ratio(1, 3)),),
    )
    full = objective(
        display_name="ü",
        operation="quote",
        latency=Millis(2_000),
        evaluation="grounded",
        dependencies=(needs,),
        own_target=Ratio(2081, 2500),
        version=7,
    )
    await write(opened, lambda tx: tx.keep_objective(OBJECTIVE))
    await write(opened, lambda tx: tx.keep_objective(full))
    records = await opened.store.slo_records(newest_minute=NOW)
    assert list(records.objectives) == [full]
    assert records.revision == 0

    def look(tx: TelemetryTx) -> None:
        assert tx.objective(full.name) == full
        assert tx.objective("slos/none") is None
        assert tx.objectives_of([B, A]) == [full]
        assert tx.objectives_of([B]) == tx.objectives_of([]) == []

    await write(opened, look)


async def test_an_event_stands_at_every_level(opened: OpenedStore) -> None:
    await count(opened, Change(NOW, good=3), Change(NOW, A, bad=2, errors=1, witnessed=2), Change(NOW, good=1))
    assert await counted(opened) == [
        Counted(Level.MINUTE, NOW, Change(0, good=4)),
        Counted(Level.MINUTE, NOW, Change(0, A, bad=2, errors=1, witnessed=2)),
    ]
    # The five minutes and the hour count as whole ones only, when they are over.
    later = await counted(opened, NOW + 60)
    assert {each.level for each in later} == set(Level)
    assert sum(each.change.good for each in later if each.level is Level.HOUR) == 4


async def test_what_is_taken_back_is_nothing(opened: OpenedStore) -> None:
    bad = Change(NOW, A, bad=1, errors=1, witnessed=1)
    await count(opened, bad)
    await count(opened, bad.undone(), Change(NOW, good=1))
    windows = Windows()
    for level, slot, change in await counted(opened):
        windows.add_to(level, slot, change)
    assert windows.whole(OBJECTIVE.window, NOW + 1) == (1, 0, 0)
    assert windows.blame(OBJECTIVE.window, NOW + 1) == {}


async def test_rows_make_the_same_windows_as_the_events(opened: OpenedStore) -> None:
    changes = [Change(NOW - ago, good=ago + 1) for ago in (0, 1, 59, 61, 359, 400, 1_440, 4_321, 43_000)]
    changes += [Change(NOW - ago, B, bad=1, errors=ago % 2, witnessed=1) for ago in (0, 30, 70, 3_000, 40_000)]
    await count(opened, *changes)
    direct, kept = Windows(), Windows()
    for change in sorted(changes):
        direct.add(change)
    for level, slot, change in await counted(opened):
        kept.add_to(level, slot, change)
    for window in (Millis(HOUR), Millis(6 * HOUR), Millis(24 * HOUR), Millis(72 * HOUR)):
        assert kept.tally(window, NOW + 1) == direct.tally(window, NOW + 1)
    assert kept.whole(OBJECTIVE.window, NOW + 1) == direct.whole(OBJECTIVE.window, NOW + 1)
    assert kept.blame(OBJECTIVE.window, NOW + 1) == direct.blame(OBJECTIVE.window, NOW + 1)


async def test_a_moment_in_the_past_knows_nothing_of_what_came_then(opened: OpenedStore) -> None:
    await count(opened, Change(NOW - 1, good=1), Change(NOW, good=10), Change(NOW + 1, good=100))
    assert {each.change.good for each in await counted(opened, NOW)} == {1}


async def test_a_start_finds_the_slots_that_are_not_over(opened: OpenedStore) -> None:
    await write(opened, lambda tx: tx.keep_objective(OBJECTIVE))
    await count(opened, Change(NOW, good=3))
    found = (await opened.store.slo_records(newest_minute=NOW)).counted[OBJECTIVE.name]
    assert [(each.level, each.slot) for each in found] == [(level, NOW // level.value) for level in Level]


async def test_objectives_do_not_share_counts(opened: OpenedStore) -> None:
    await count(opened, Change(NOW, good=1), name="slos/a")
    await count(opened, Change(NOW, good=2), name="slos/b")
    assert [each.change.good for each in await counted(opened, name="slos/b")] == [2]


async def test_what_is_dropped_is_gone(opened: OpenedStore) -> None:
    await write(opened, lambda tx: tx.keep_objective(OBJECTIVE))
    await count(opened, Change(NOW, A, bad=1))
    await write(opened, lambda tx: tx.keep_slo_blamed(OBJECTIVE.name, A, BlamedAgent(trace_ids=("ab",))))
    await write(opened, lambda tx: tx.drop_slo_counts(OBJECTIVE.name))
    assert await counted(opened) == []
    assert await opened.store.slo_blamed_by(OBJECTIVE.name) == {}
    await write(opened, lambda tx: tx.drop_objective(OBJECTIVE.name))
    assert (await opened.store.slo_records(newest_minute=NOW)).objectives == []


async def test_old_slots_are_forgotten_level_by_level(opened: OpenedStore) -> None:
    await count(opened, Change(NOW - 10, good=1), Change(NOW, good=1))

    async def forget(level: Level, before: int, limit: int) -> int:
        return await opened.writer.write(
            lambda tx: tx.forget_slo_counts(level, before_slot=before, limit=limit), mutation=BY_TELEMETRY, result=int
        )

    assert await forget(Level.MINUTE, NOW + 1, 1) == 1
    assert await forget(Level.MINUTE, NOW + 1, 10) == 1
    assert await forget(Level.MINUTE, NOW + 1, 10) == 0
    assert {each.level for each in await counted(opened, NOW + 60)} == {Level.FIVE, Level.HOUR}


async def test_whom_an_objective_blamed(opened: OpenedStore) -> None:
    blamed = BlamedAgent(trace_ids=("aa", "bb"), signalled_at=Instant(5))
    await write(opened, lambda tx: tx.keep_slo_blamed(OBJECTIVE.name, A, BlamedAgent()))
    await write(opened, lambda tx: tx.keep_slo_blamed(OBJECTIVE.name, A, blamed))

    def look(tx: TelemetryTx) -> None:
        assert tx.slo_blamed(OBJECTIVE.name, A) == blamed
        assert tx.slo_blamed(OBJECTIVE.name, B) == BlamedAgent()

    await write(opened, look)
    assert await opened.store.slo_blamed_by(OBJECTIVE.name) == {A: blamed}


async def test_what_a_trace_was_counted_for(opened: OpenedStore) -> None:
    first = CountedTrace(
        trace_id=b"1" * 16, ended_at=Instant(5), counted={OBJECTIVE.name: Change(NOW, A, bad=1, errors=1)}
    )
    other = CountedTrace(trace_id=b"2" * 16, ended_at=Instant(7), awaited={OBJECTIVE.name: "grounded"})

    def work(tx: TelemetryTx) -> None:
        tx.keep_counted_traces([])
        tx.keep_counted_traces([CountedTrace(trace_id=first.trace_id, ended_at=Instant(1))])
        tx.keep_counted_traces([other, replace(first, counted={}), first])
        assert tx.counted_traces([first.trace_id, b"3" * 16]) == {first.trace_id: first}

    def forget(tx: TelemetryTx) -> None:
        assert tx.forget_counted_traces(ended_before=Instant(6), limit=10) == 1
        assert tx.counted_traces([first.trace_id, other.trace_id]) == {other.trace_id: other}

    await write(opened, work)
    await write(opened, forget)


async def test_where_an_agent_was_decided_about(opened: OpenedStore) -> None:
    for environment in ("staging", "prod"):
        await write(opened, lambda tx, where=environment: tx.remember(Conduct(did=A, environment=where)))  # type: ignore[misc] # bound now

    def look(tx: TelemetryTx) -> None:
        assert tx.environments_of(A) == ["prod", "staging"]
        assert tx.environments_of(B) == []

    await write(opened, look)


async def test_a_breaker_is_what_was_kept(opened: OpenedStore) -> None:
    breaker = Breaker(
        agent=A, skill="quote", state=Circuit.OPEN, override=Override.NONE, retry_at=Instant(9), version=3
    )
    await write(opened, lambda tx: tx.keep_breaker(Breaker(agent=A, skill="")))
    await write(opened, lambda tx: tx.keep_breaker(Breaker(agent=A, skill="quote")))
    await write(opened, lambda tx: tx.keep_breaker(breaker))

    def look(tx: TelemetryTx) -> None:
        assert tx.breaker(A, "quote") == breaker
        assert tx.breaker(B, "") is None

    await write(opened, look)
    records = await opened.store.slo_records(newest_minute=NOW)
    assert list(records.breakers) == [Breaker(agent=A, skill=""), breaker]
