"""R7 over every store: when a trace is settled, that it is settled once, and what a late span does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from ringfence_kit.clock import HOUR, MINUTE, SECOND, ManualClock, Millis
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.trace_keys import TraceKey
from ringfence_telemetry.workflows.settler import Settler
from support.backends import Backend
from support.telemetry.opened import OpenedStore, opened_store
from support.telemetry.settling import NotingJudge, SettlingWork, settling
from support.telemetry.spans import AttributeValue, SpanSpec

A, B = "did:web:agents.example:a", "did:web:agents.example:b"
GATEWAY = Reporter(principal="gate", agents=(A, B))


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


@pytest.fixture
async def work(opened: OpenedStore, tmp_path: Path) -> AsyncIterator[SettlingWork]:
    async with settling(opened, tmp_path, clock=ManualClock()) as running:
        yield running


def invoked(name: int, agent: str, parent: int = 0, *, trace: int = 1, ms: int = 100, error: bool = False) -> SpanSpec:
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": agent,
        "gen_ai.usage.input_tokens": 10,
    }
    return SpanSpec(name, parent, attributes, trace=trace, duration_ms=ms, error=error)


async def test_a_trace_is_settled_thirty_seconds_after_its_root_came(work: SettlingWork) -> None:
    await work.at_work.send([invoked(2, B, 1, ms=40), invoked(1, A)])
    await work.at_work.ingest.caught_up()
    work.later(30 * SECOND - 1)
    assert await work.settle() == []
    work.later(1)
    (settling,) = await work.settle()
    assert settling.previous is None
    assert settling.now.trace_id == (1).to_bytes(16, "big")
    assert settling.now.agent == A
    assert [part.agent for part in settling.now.parts] == [A, B]
    assert [part.own_micros for part in settling.now.parts] == [60_000, 40_000]
    assert settling.now.input_tokens == 10
    assert await work.settle() == []


async def test_a_root_is_waited_for_fifteen_minutes_after_the_last_span(work: SettlingWork) -> None:
    await work.at_work.send([invoked(2, B, 1)])
    await work.at_work.ingest.caught_up()
    work.later(10 * MINUTE)
    await work.at_work.send([invoked(3, B, 1)])
    await work.at_work.ingest.caught_up()
    work.later(15 * MINUTE - 1)
    assert await work.settle() == []
    work.later(1)
    (settling,) = await work.settle()
    assert (settling.now.agent, len(settling.now.parts)) == (B, 2)


async def test_a_root_that_comes_after_its_children_ends_the_waiting(work: SettlingWork) -> None:
    await work.at_work.send([invoked(2, B, 1)])
    await work.at_work.ingest.caught_up()
    work.later(5 * MINUTE)
    await work.at_work.send([invoked(1, A)])
    await work.at_work.ingest.caught_up()
    work.later(10 * SECOND)
    await work.at_work.send([invoked(3, B, 1)])
    await work.at_work.ingest.caught_up()
    work.later(20 * SECOND)
    (settling,) = await work.settle()
    assert [part.agent for part in settling.now.parts] == [A, B, B]


async def test_a_parent_an_hour_late_settles_it_again_with_what_it_was(work: SettlingWork) -> None:
    await work.at_work.send([invoked(2, B, 1, error=True)])
    await work.at_work.ingest.caught_up()
    work.later(15 * MINUTE)
    (first,) = await work.settle()
    assert (first.now.agent, first.now.error_blame) == (B, B)
    work.later(HOUR)
    await work.at_work.send([invoked(1, A)])
    await work.at_work.ingest.caught_up()
    work.later(30 * SECOND)
    (again,) = await work.settle()
    assert again.previous == first.now
    assert (again.now.agent, again.now.failed, again.now.error_blame) == (A, False, "")


async def test_a_late_span_that_changes_nothing_is_nobodys_business(work: SettlingWork) -> None:
    await work.at_work.send([invoked(1, A)])
    await work.at_work.ingest.caught_up()
    work.later(30 * SECOND)
    assert len(await work.settle()) == 1
    await work.at_work.send([invoked(1, A)])
    await work.at_work.ingest.caught_up()
    work.later(HOUR)
    assert await work.settle() == []


async def test_a_late_span_is_settled_half_a_minute_after_it_came(work: SettlingWork) -> None:
    await work.at_work.send([invoked(1, A)])
    await work.at_work.ingest.caught_up()
    work.later(HOUR)
    await work.settle()
    await work.at_work.send([invoked(2, B, 1)])
    await work.at_work.ingest.caught_up()
    work.later(30 * SECOND - 1)
    assert await work.settle() == []
    work.later(1)
    (again,) = await work.settle()
    assert [part.agent for part in again.now.parts] == [A, B]


async def test_what_is_not_believed_is_kept_apart_and_shown_to_no_judge(
    work: SettlingWork, opened: OpenedStore
) -> None:
    liar = Reporter(principal="liar", agents=("did:web:agents.example:liar",))
    await work.at_work.send([invoked(1, A)], reporter=GATEWAY)
    await work.at_work.send([invoked(2, B, 1, error=True)], reporter=liar)
    await work.at_work.ingest.caught_up()
    work.later(HOUR)
    (settling,) = await work.settle()
    assert settling.now.trusted
    assert [part.agent for part in settling.now.parts] == [A]
    keys = list(await opened.store.keys_of((1).to_bytes(16, "big")))
    assert [len(key) for key in keys] == [16, 24]
    untrusted = (await opened.store.summaries_of(keys))[keys[1]]
    assert (untrusted.trusted, untrusted.settled.trusted, untrusted.settled.agent) == (False, False, B)


async def test_of_two_settlers_one_settles(work: SettlingWork, opened: OpenedStore) -> None:
    await work.at_work.send([invoked(name, A, trace=name) for name in range(1, 30)])
    await work.at_work.ingest.caught_up()
    work.later(30 * SECOND)
    due = await opened.store.due(at=work.clock.now(), limit=100)
    other = NotingJudge()
    rival = Settler(work.at_work.writer, opened.store, work.traces, judges=[other], clock=work.clock)
    # Both have read the list; whoever comes second finds nothing left to take.
    await rival.settle(due)
    await work.settler.settle(due)
    assert (len(other.seen), len(work.judge.seen)) == (29, 0)


async def test_replicas_that_settle_at_once_settle_each_trace_once(
    work: SettlingWork, opened: OpenedStore, backend: Backend
) -> None:
    await work.at_work.send([invoked(name, A, trace=name) for name in range(1, 400)])
    await work.at_work.ingest.caught_up()
    work.later(30 * SECOND)
    judges = [NotingJudge() for _ in range(4)]
    async with AsyncExitStack() as replicas:
        settlers = []
        for judge in judges:
            # A file and memory have one process; PostgreSQL has as many as like.
            another = (
                await replicas.enter_async_context(opened_store(backend)) if backend.kind == "postgres" else opened
            )
            settlers.append(Settler(another.writer, another.store, work.traces, judges=[judge], clock=work.clock))
        await asyncio.gather(*[settler.settle_due() for settler in settlers])
    seen = [settling.now.trace_id for judge in judges for settling in judge.seen]
    assert len(seen) == len(set(seen)) == 399


async def test_a_trace_that_moved_while_it_was_read_is_settled_again(work: SettlingWork, opened: OpenedStore) -> None:
    await work.at_work.send([invoked(1, A)])
    await work.at_work.ingest.caught_up()
    work.later(30 * SECOND)
    due = await opened.store.due(at=work.clock.now(), limit=100)
    await work.at_work.send([invoked(2, B, 1)])
    await work.at_work.ingest.caught_up()
    await work.settler.settle(due)
    work.later(30 * SECOND)
    await work.settle()
    assert [part.agent for part in work.judge.seen[-1].now.parts] == [A, B]
    assert await opened.store.next_due() is None


async def test_a_trace_that_spans_never_cease_to_come_of_is_settled_nevertheless(
    work: SettlingWork, opened: OpenedStore
) -> None:
    await work.at_work.send([invoked(1, A)])
    await work.at_work.ingest.caught_up()
    for name in range(2, 12):
        work.later(15 * SECOND)
        due = await opened.store.due(at=work.clock.now(), limit=100)
        await work.at_work.send([invoked(name, B, 1)])
        await work.at_work.ingest.caught_up()
        await work.settler.settle(due)
    assert len(work.judge.seen) >= 3
    assert all(settling.previous is not None for settling in work.judge.seen[1:])


async def test_a_judge_that_fails_leaves_the_trace_due(work: SettlingWork, opened: OpenedStore) -> None:
    await work.at_work.send([invoked(1, A)])
    await work.at_work.ingest.caught_up()
    work.later(30 * SECOND)
    work.judge.fails = True
    with suppress(ZeroDivisionError):
        await work.settle()
    key = TraceKey((1).to_bytes(16, "big"))
    assert not await opened.store.summaries_of([key])
    work.judge.fails = False
    assert [settling.now.agent for settling in await work.settle()] == [A]


async def test_what_was_due_before_a_crash_is_settled_after_it(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    with suppress(ZeroDivisionError):
        async with settling(opened, tmp_path, clock=clock) as work:
            await work.at_work.send([invoked(1, A, trace=1), invoked(2, A, trace=2)])
            await work.at_work.ingest.caught_up()
            await work.at_work.send([invoked(3, A, trace=3)])
            raise ZeroDivisionError
    clock.advance(Millis(30 * SECOND))
    async with settling(opened, tmp_path, clock=clock) as work:
        assert sorted(settling.now.trace_id[-1] for settling in await work.settle()) == [1, 2, 3]
    async with settling(opened, tmp_path, clock=clock) as work:
        assert await work.settle() == []


async def test_a_lost_answer_settles_nothing_twice(work: SettlingWork) -> None:
    await work.at_work.send([invoked(1, A)])
    await work.at_work.ingest.caught_up()
    work.later(30 * SECOND)
    work.at_work.writer.mute = 1
    with pytest.raises(Exception, match="the answer was lost"):
        await work.settle()
    assert len(work.judge.seen) == 1
    assert await work.settle() == []
