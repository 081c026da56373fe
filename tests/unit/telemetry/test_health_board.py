"""The board of health: what is told, to whom, and how often."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from ringfence_kit.clock import MINUTE, SECOND, Instant, ManualClock, Millis
from ringfence_kit.errors import RevisionCompacted, RevisionInFuture
from ringfence_kit.events import Bookmark, Change, Revision
from ringfence_kit.state_watch import StateComplete
from ringfence_telemetry.health_board import (
    AGENTS_MAX,
    NOTHING_JUDGED,
    RELIED_ON,
    TELLS_MAX,
    Health,
    HealthBoard,
    HealthChange,
    HealthItem,
    Judged,
    Subject,
)
from ringfence_telemetry.health_window import WINDOW, AgentCall

A, B = "did:web:agents.example:a", "namespaces/acme/agents/b"

Items = AsyncGenerator[HealthItem, None]


def call(
    clock: ManualClock, agent: str = A, *, revision: str = "", micros: int = 1_000, failed: bool = False, ago: int = 0
) -> AgentCall:
    return AgentCall(agent, revision, Instant(clock.now() - ago), micros, failed)


def told(item: HealthItem) -> str:
    match item:
        case HealthChange(change=change, health=health):
            subject = "@".join(filter(None, health.subject))
            return f"{change.name} {subject} {health.figures.calls}/{health.figures.errors}"
        case StateComplete():
            return "complete"
        case Bookmark():
            return "bookmark"


async def take(items: Items, count: int) -> list[str]:
    return [told(await anext(items)) for _ in range(count)]


def beat(board: HealthBoard, clock: ManualClock, times: int = 1) -> None:
    for _ in range(times):
        clock.advance(Millis(SECOND))
        board.beat()


async def test_the_state_first_and_then_each_change() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    board.saw([call(clock), call(clock, failed=True)])
    beat(board, clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        assert await take(items, 2) == [f"ADDED {A} 2/1", "complete"]
        board.saw([call(clock, B), call(clock)])
        beat(board, clock)
        assert await take(items, 2) == [f"ADDED {B} 1/0", f"MODIFIED {A} 3/1"]


async def test_a_thousand_calls_in_a_second_are_told_once() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    async with aclosing(board.watch(send_state=False, start_revision=None)) as items:
        assert await take(items, 1) == ["bookmark"]
        for _ in range(1_000):
            board.saw([call(clock)])
        beat(board, clock)
        assert await take(items, 1) == [f"ADDED {A} 1000/0"]
        beat(board, clock, 4)
        assert await take(items, 1) == ["bookmark"]


async def test_a_revision_is_told_beside_all_revisions_together() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    board.saw([call(clock, revision="3"), call(clock, revision="4", failed=True), call(clock)])
    beat(board, clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        assert await take(items, 3) == [f"ADDED {A} 3/1", f"ADDED {A}@3 1/0", f"ADDED {A}@4 1/1"]


async def test_an_agent_nobody_calls_is_forgotten_after_the_window() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    board.saw([call(clock)])
    beat(board, clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        assert await take(items, 2) == [f"ADDED {A} 1/0", "complete"]
        clock.advance(WINDOW)
        board.beat()
        assert await take(items, 1) == [f"DELETED {A} 1/0"]
    assert board.agents == 0
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        assert await take(items, 1) == ["complete"]


async def test_who_reads_slowly_is_told_the_latest_only() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        assert await take(items, 1) == ["complete"]
        for _ in range(50):
            board.saw([call(clock), call(clock, B)])
            beat(board, clock)
        assert await take(items, 3) == [f"ADDED {A} 50/0", f"ADDED {B} 50/0", "bookmark"]


async def test_what_came_and_went_while_nobody_read_is_not_told() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        assert await take(items, 1) == ["complete"]
        board.saw([call(clock)])
        beat(board, clock)
        clock.advance(WINDOW)
        board.beat()
        board.saw([call(clock, B)])
        beat(board, clock)
        assert await take(items, 1) == [f"ADDED {B} 1/0"]


async def test_revisions_grow_in_every_stream_and_over_restarts() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        revisions = [(await anext(items)).revision]
        for agent in (A, B, A):
            board.saw([call(clock, agent)])
            beat(board, clock)
            revisions.append((await anext(items)).revision)
    assert revisions == sorted(set(revisions))
    clock.advance(Millis(1))
    async with aclosing(HealthBoard(clock=clock).watch(send_state=True, start_revision=None)) as items:
        assert (await anext(items)).revision > revisions[-1]


async def test_a_stream_goes_on_only_where_nothing_is_missing() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    board.saw([call(clock)])
    beat(board, clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        last = (await anext(items)).revision
    async with aclosing(board.watch(send_state=False, start_revision=Revision(last + 1))) as items:
        first = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)  # the watch begins now
        board.saw([call(clock)])
        beat(board, clock)
        assert told(await first) == f"MODIFIED {A} 2/0"
    for start, refusal in ((last, RevisionCompacted), (last + 99, RevisionInFuture)):
        with pytest.raises(refusal):
            await anext(board.watch(send_state=False, start_revision=Revision(start)))


async def test_a_backlog_says_nothing_about_now() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    board.saw([call(clock, ago=WINDOW), call(clock, B, ago=WINDOW - MINUTE)])
    beat(board, clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        assert await take(items, 2) == [f"ADDED {B} 1/0", "complete"]


async def test_agents_beyond_the_bound_are_counted_and_not_known() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock, agents_max=2)
    board.saw([call(clock, f"did:web:{number}") for number in range(5)])
    board.saw([call(clock, "did:web:0")])
    assert (board.agents, board.overflowed) == (2, 3)
    assert AGENTS_MAX * 2 > TELLS_MAX


async def test_one_beat_tells_of_no_more_than_it_can_work_out() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        assert await take(items, 1) == ["complete"]
        board.saw([call(clock, f"did:web:{number}") for number in range(TELLS_MAX + 1)])
        beat(board, clock)
        await take(items, TELLS_MAX)
        beat(board, clock)
        assert await take(items, 1) == [f"ADDED did:web:{TELLS_MAX} 1/0"]


async def test_heartbeats_come_by_the_clock_and_a_watcher_that_left_is_forgotten() -> None:
    clock = ManualClock()
    board = HealthBoard(clock=clock)
    items = board.watch(send_state=False, start_revision=None)
    assert await take(items, 1) == ["bookmark"]
    for _ in range(3):
        beat(board, clock, 5)
        item = await anext(items)
        assert isinstance(item, Bookmark)
        assert item.at == clock.now()
    assert board.watchers == 1
    await items.aclose()
    assert board.watchers == 0


class Judge:
    """Says what its fields say."""

    def __init__(self) -> None:
        self.verdicts: dict[Subject, Judged] = {}
        self.slow: Millis | None = None
        self.seen = 0

    def saw(self, calls: Sequence[AgentCall]) -> None:
        self.seen += len(calls)

    def judged(self, subject: Subject) -> Judged:
        return self.verdicts.get(subject, NOTHING_JUDGED)

    def slow_after(self, agent: str, skill: str) -> Millis | None:
        return self.slow if agent or skill else None

    def notable(self) -> list[Subject]:
        return [subject for subject, judged in self.verdicts.items() if judged.order > 1]


async def state(board: HealthBoard) -> dict[Subject, Health]:
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        found: dict[Subject, Health] = {}
        async for item in items:
            if not isinstance(item, HealthChange):
                return found
            found[item.health.subject] = item.health
    return found


async def test_what_is_judged_is_shown_though_nobody_calls() -> None:
    clock, judge = ManualClock(), Judge()
    board = HealthBoard(clock=clock, objectives=judge)
    subject = Subject("did:web:agents.example:z", skill="quote")
    judge.verdicts[subject] = Judged(circuit="OPEN", order=6, version=1)
    beat(board, clock, 5)
    health = (await state(board))[subject]
    assert (health.judged.circuit, health.figures.calls) == ("OPEN", 0)
    assert health.until is not None
    assert RELIED_ON - 5_000 <= health.until - clock.now() <= RELIED_ON
    del judge.verdicts[subject]
    beat(board, clock, 6)
    assert await state(board) == {}


async def test_what_is_judged_is_told_again_before_it_runs_out() -> None:
    clock, judge = ManualClock(), Judge()
    board = HealthBoard(clock=clock, objectives=judge)
    subject = Subject("did:web:agents.example:z")
    judge.verdicts[subject] = Judged(slo="BREACHED", order=4, version=1)
    for _ in range(300):
        beat(board, clock)
        health = (await state(board)).get(subject)
        assert health is None or (health.until is not None and health.until - clock.now() > 30_000)


async def test_slow_calls_and_skills_are_told_apart() -> None:
    clock, judge = ManualClock(), Judge()
    judge.slow = Millis(5)
    board = HealthBoard(clock=clock, objectives=judge)
    fast, late = call(clock), call(clock)._replace(duration_micros=5_001, skill="quote")
    board.saw([fast, late])
    beat(board, clock)
    found = await state(board)
    assert {subject.skill: (each.figures.calls, each.figures.slow) for subject, each in found.items()} == {
        "": (2, 1),
        "quote": (1, 1),
    }
    assert judge.seen == 2


async def test_who_judges_objectives_is_asked() -> None:
    judge = Judge()
    judge.verdicts = {
        Subject(call(ManualClock()).agent): Judged(circuit="CLOSED", slo="MET"),
        Subject(call(ManualClock()).agent, revision="7"): Judged(circuit="OPEN", slo="BREACHED"),
    }
    clock = ManualClock()
    board = HealthBoard(clock=clock, objectives=judge)
    board.saw([call(clock, revision="7")])
    beat(board, clock)
    async with aclosing(board.watch(send_state=True, start_revision=None)) as items:
        found = [await anext(items), await anext(items)]
    judged = [(item.health.judged.circuit, item.health.judged.slo) for item in found if isinstance(item, HealthChange)]
    assert judged == [("CLOSED", "MET"), ("OPEN", "BREACHED")]
    assert all(item.change is Change.ADDED for item in found if isinstance(item, HealthChange))
