"""The contract of what pieces of work ask of storage, over memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import pytest
from ringfence.proofs.merkle import Frontier, leaf_hash
from ringfence_kit.clock import MINUTE, SECOND, Instant
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_telemetry.store import StoredEntry, TelemetryTx, TraceKey
from ringfence_telemetry.store.workflows import (
    IDLE_WAIT,
    ROOT_WAIT,
    DueTrace,
    NotedOutcome,
    TraceMark,
    WorkflowQuery,
)
from ringfence_telemetry.workflows.hops import Used
from ringfence_telemetry.workflows.settled import Part, Settled
from ringfence_telemetry.workflows.summary import Share, Summary
from support.backends import Backend
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import NOW

T = TypeVar("T")

AT = NOW
LATER = Instant(NOW + 10 * SECOND)


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


def key(number: int, suffix: bytes = b"") -> TraceKey:
    return TraceKey(number.to_bytes(16, "big") + suffix)


async def write(opened: OpenedStore, work: Callable[[TelemetryTx], T], result: type[T]) -> T:
    return await opened.writer.write(work, mutation=BY_TELEMETRY, result=result)


async def mark(opened: OpenedStore, *marks: TraceMark) -> None:
    await write(opened, lambda tx: tx.mark_due(marks), type(None))


async def found_due(opened: OpenedStore, at: int) -> list[DueTrace]:
    return list(await opened.store.due(at=Instant(at), limit=100))


async def due(opened: OpenedStore, at: int) -> list[tuple[TraceKey, int]]:
    return [(each.key, each.marks) for each in await found_due(opened, at)]


async def claim(opened: OpenedStore, *found: DueTrace) -> list[TraceKey]:
    return await write(opened, lambda tx: list(tx.claim_due(found, at=LATER)), list[TraceKey])


class TestDue:
    async def test_a_root_is_due_after_half_a_minute_and_anything_else_when_it_is_idle(
        self, opened: OpenedStore
    ) -> None:
        await mark(opened, TraceMark(key(1), True, AT), TraceMark(key(2), False, AT))
        assert await opened.store.next_due() == AT + ROOT_WAIT
        assert await due(opened, AT + ROOT_WAIT - 1) == []
        assert await due(opened, AT + ROOT_WAIT) == [(key(1), 1)]
        assert await due(opened, AT + IDLE_WAIT - 1) == [(key(1), 1)]
        assert await due(opened, AT + IDLE_WAIT) == [(key(1), 1), (key(2), 1)]

    async def test_what_comes_later_puts_off_idleness_but_not_the_root(self, opened: OpenedStore) -> None:
        await mark(opened, TraceMark(key(1), True, AT), TraceMark(key(2), False, AT))
        await mark(opened, TraceMark(key(1), False, LATER), TraceMark(key(2), False, LATER))
        assert await due(opened, AT + ROOT_WAIT) == [(key(1), 2)]
        assert await due(opened, LATER + IDLE_WAIT - 1) == [(key(1), 2)]
        assert len(await due(opened, LATER + IDLE_WAIT)) == 2

    async def test_a_root_that_comes_later_ends_the_waiting(self, opened: OpenedStore) -> None:
        await mark(opened, TraceMark(key(1), False, AT))
        await mark(opened, TraceMark(key(1), True, LATER))
        assert await due(opened, LATER + ROOT_WAIT - 1) == []
        assert await due(opened, LATER + ROOT_WAIT) == [(key(1), 2)]

    async def test_a_trace_is_taken_once(self, opened: OpenedStore) -> None:
        await mark(opened, TraceMark(key(1), True, AT), TraceMark(key(2), True, AT))
        found = await found_due(opened, AT + ROOT_WAIT)
        unknown = DueTrace(key(3), 1, Instant(AT + ROOT_WAIT))
        assert await claim(opened, found[0], unknown) == [key(1)]
        assert await claim(opened, *found) == [key(2)]
        assert await claim(opened, *found) == []
        assert await opened.store.next_due() is None

    async def test_what_moved_while_it_was_read_is_taken_and_due_again(self, opened: OpenedStore) -> None:
        await mark(opened, TraceMark(key(1), True, AT))
        found = await found_due(opened, AT + ROOT_WAIT)
        await mark(opened, TraceMark(key(1), False, LATER))
        assert await claim(opened, *found) == [key(1)]
        assert await claim(opened, *found) == []
        assert await opened.store.next_due() == LATER + ROOT_WAIT
        await claim(opened, *await found_due(opened, LATER + ROOT_WAIT))
        assert await opened.store.next_due() is None

    async def test_what_is_not_idle_any_more_is_not_taken(self, opened: OpenedStore) -> None:
        await mark(opened, TraceMark(key(1), False, AT))
        found = await found_due(opened, AT + IDLE_WAIT)
        await mark(opened, TraceMark(key(1), False, LATER))
        assert await claim(opened, *found) == []
        assert await opened.store.next_due() == LATER + IDLE_WAIT

    async def test_what_comes_after_it_was_settled_makes_it_due_again(self, opened: OpenedStore) -> None:
        await mark(opened, TraceMark(key(1), True, AT), TraceMark(key(2), False, AT))
        await claim(opened, *await found_due(opened, AT + IDLE_WAIT))
        assert await opened.store.next_due() is None
        await mark(opened, TraceMark(key(1), False, LATER), TraceMark(key(2), False, LATER))
        assert await due(opened, LATER + ROOT_WAIT) == [(key(1), 2)]
        assert len(await due(opened, LATER + IDLE_WAIT)) == 2

    async def test_those_that_waited_longest_come_first_and_no_more_than_asked_for(self, opened: OpenedStore) -> None:
        await mark(opened, TraceMark(key(1), True, LATER), TraceMark(key(2), True, AT), TraceMark(key(3), False, AT))
        found = await opened.store.due(at=Instant(AT + IDLE_WAIT), limit=2)
        assert [each.key for each in found] == [key(2), key(1)]

    async def test_a_raise_takes_the_mark_back(self, opened: OpenedStore) -> None:
        def work(tx: TelemetryTx) -> None:
            tx.mark_due([TraceMark(key(1), True, AT)])
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await write(opened, work, type(None))
        assert await opened.store.next_due() is None

    async def test_only_what_is_settled_and_old_is_forgotten(self, opened: OpenedStore) -> None:
        marks = [TraceMark(key(number), True, AT) for number in (1, 2, 3)]
        await mark(opened, *marks, TraceMark(key(4), True, LATER))
        found = {each.key: each for each in await found_due(opened, LATER + ROOT_WAIT)}
        await claim(opened, *[found[key(number)] for number in (1, 2, 4)])

        def forget(tx: TelemetryTx) -> int:
            return tx.forget_settled(received_before=LATER, limit=100)

        assert await write(opened, forget, int) == 2
        assert list(await opened.store.keys_of(key(1))) == []
        assert await opened.store.keys_of(key(3)) == {key(3): True}
        assert await opened.store.keys_of(key(4)) == {key(4): False}

    async def test_the_keys_of_a_trace_are_its_own_and_its_liars(self, opened: OpenedStore) -> None:
        mine = [key(7), key(7, b"\x00" * 8), key(7, b"\xff" * 8)]
        others = [key(6), key(6, b"\xff" * 8), key(8), key(8, b"\x00" * 8)]
        await mark(opened, *[TraceMark(each, True, AT) for each in [*others, *reversed(mine)]])
        await claim(opened, *[each for each in await found_due(opened, AT + ROOT_WAIT) if each.key == key(7)])
        assert await opened.store.keys_of(key(7)) == {mine[0]: False, mine[1]: True, mine[2]: True}
        assert list(await opened.store.keys_of(key(7))) == mine


def summary(
    number: int,
    *agents: str,
    at: int = 0,
    session: str = "s",
    failed: bool = False,
    suffix: bytes = b"",
    share_at: int = 0,
) -> Summary:
    started_at = Instant(NOW + at)
    parts = tuple(Part(agent=agent, duration_micros=10, own_micros=5, skill="sum") for agent in agents)
    shares = tuple(
        Share(
            agent=agent,
            session=session,
            started_at=Instant(started_at + share_at),
            duration_micros=9,
            failed=failed and agent == agents[0],
            spans=2,
            used=Used(1, 2, 3, 4, "EUR", 5),
        )
        for agent in agents
    )
    settled = Settled(
        trace_id=number.to_bytes(16, "big"),
        trusted=not suffix,
        session=session,
        principal="a digest",
        agent=agents[0],
        started_at=started_at,
        ended_at=Instant(started_at + 10),
        duration_micros=10,
        failed=failed,
        error_blame="ü" if failed else "",
        parts=parts,
    )
    return Summary(
        key=key(number, suffix),
        settled=settled,
        extent_micros=11,
        spans=2,
        used=Used(input_tokens=2**62),
        shares=shares,
    )


async def keep(opened: OpenedStore, *summaries: Summary) -> None:
    await write(opened, lambda tx: tx.keep_summaries(summaries), type(None))


async def numbers(opened: OpenedStore, **query: object) -> list[int]:
    question = WorkflowQuery(**({"limit": 100} | query))  # type: ignore[arg-type] # the fields of a question
    return [each.summary.settled.trace_id[-1] for each in await opened.store.workflows(question)]


class TestSummaries:
    async def test_what_a_trace_came_to_is_kept_as_it_is_and_replaced(self, opened: OpenedStore) -> None:
        first, again = summary(1, "a", "b", failed=True), summary(1, "a", "c")
        await keep(opened, first, summary(2, "a"))
        assert await opened.store.summaries_of([key(1), key(3)]) == {key(1): first}
        await keep(opened, again)
        inside = await write(opened, lambda tx: list(tx.summaries([key(1)]).values()), list[Summary])
        assert inside == [again]
        assert await numbers(opened, agent="b") == []
        assert await numbers(opened, agent="c") == [1]

    async def test_the_last_begun_comes_first_and_every_filter(self, opened: OpenedStore) -> None:
        await keep(
            opened,
            summary(1, "a", at=0),
            summary(2, "b", at=5, failed=True),
            summary(3, "a", "b", at=5, session="t"),
            summary(4, "c", at=9, session=""),
        )
        assert await numbers(opened) == [4, 3, 2, 1]
        assert await numbers(opened, limit=2) == [4, 3]
        assert await numbers(opened, agent="b") == [3, 2]
        assert await numbers(opened, session="t") == [3]
        assert await numbers(opened, failed_only=True) == [2]
        assert await numbers(opened, first=Instant(NOW + 5)) == [4, 3, 2]
        assert await numbers(opened, end=Instant(NOW + 5)) == [1]
        assert await numbers(opened, before=(Instant(NOW + 5), key(3))) == [2, 1]
        assert await numbers(opened, agent="b", session="s", failed_only=True) == [2]

    async def test_an_agents_own_part_counts_for_it_and_only_what_is_believed(self, opened: OpenedStore) -> None:
        await keep(
            opened,
            summary(1, "a", "b", at=0, share_at=100, failed=True),
            summary(2, "b", at=50),
            summary(3, "b", at=60, suffix=b"12345678"),
        )
        assert await numbers(opened, agent="b") == [3, 2, 1]
        assert await numbers(opened, agent="b", as_agent=True) == [1, 2]
        assert await numbers(opened, agent="b", as_agent=True, before=(Instant(NOW + 100), key(1))) == [2]
        assert await numbers(opened, agent="b", as_agent=True, failed_only=True) == []
        assert await numbers(opened, agent="a", as_agent=True, failed_only=True) == [1]

    async def test_a_list_says_what_waits_to_be_settled_again(self, opened: OpenedStore) -> None:
        await keep(opened, summary(1, "a"), summary(2, "a"))
        await mark(opened, TraceMark(key(1), True, AT))
        found = await opened.store.workflows(WorkflowQuery(limit=10))
        assert [each.waits for each in found] == [False, True]

    async def test_what_began_long_ago_is_forgotten_whole(self, opened: OpenedStore) -> None:
        await keep(opened, summary(1, "a", at=0), summary(2, "a", at=1), summary(3, "a", at=2))

        def forget(tx: TelemetryTx) -> int:
            return tx.forget_workflows(begun_before=Instant(NOW + 2), limit=1)

        assert [await write(opened, forget, int) for _ in range(3)] == [1, 1, 0]
        assert await numbers(opened, agent="a") == [3]


def entry(index: int) -> StoredEntry:
    body = b"%d" % index
    return StoredEntry(index=index, key=f"k{index}", body=body, leaf_hash=leaf_hash(body), appended_at=AT)


async def append(opened: OpenedStore, entries: Sequence[StoredEntry]) -> None:
    head = StoredCheckpoint(frontier=Frontier(), note="n", at=AT)
    await write(opened, lambda tx: tx.append_entries(entries, {}, head), type(None))


class TestEvidence:
    async def test_decisions_are_found_by_their_trace(self, opened: OpenedStore) -> None:
        await append(opened, [entry(index) for index in range(5)])
        await write(opened, lambda tx: tx.note_decisions({3: key(1), 1: key(1), 2: key(2)}), type(None))
        await write(opened, lambda tx: tx.note_decisions({}), type(None))
        assert await opened.store.decisions_in(key(1), limit=10) == [(1, b"1"), (3, b"3")]
        assert await opened.store.decisions_in(key(1), limit=1) == [(1, b"1")]
        assert await opened.store.decisions_in(key(9), limit=10) == []

    async def test_outcomes_are_found_by_trace_or_else_by_the_name_of_the_work(self, opened: OpenedStore) -> None:
        by_trace = NotedOutcome(index=1, did="d", accepted=True, work_id="s", trace_id=key(1))
        by_work = NotedOutcome(index=2, did="d", accepted=False, work_id="s")

        def note(tx: TelemetryTx) -> None:
            tx.note_outcome(by_work)
            tx.note_outcome(by_trace)

        await write(opened, note, type(None))
        assert await opened.store.outcomes(trace_ids=[key(1)], work_ids=["s"]) == [by_trace, by_work]
        assert await opened.store.outcomes(trace_ids=[key(2)], work_ids=["s"]) == [by_work]
        assert await opened.store.outcomes(trace_ids=[key(1)], work_ids=[]) == [by_trace]
        assert await opened.store.outcomes(trace_ids=[], work_ids=[]) == []


def test_the_waits_are_those_of_the_design() -> None:
    assert (ROOT_WAIT, IDLE_WAIT) == (30 * SECOND, 15 * MINUTE)
