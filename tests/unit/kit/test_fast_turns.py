"""Calls that share a task, for as long as none of them has to wait."""

import asyncio
from contextvars import ContextVar

import pytest
from ringfence_kit.fast.turns import Turns

SAID: ContextVar[str] = ContextVar("said")


class Taker:
    """Takes a turn, and waits in it when it is given something to wait for."""

    def __init__(self, *, until: asyncio.Event | None = None, error: Exception | None = None) -> None:
        self.until = until
        self.error = error
        self.task: asyncio.Task[None] | None = None
        self.has_waited = asyncio.Event()
        self.ended = asyncio.Event()
        self.cancelled = False

    async def answer(self, task: "asyncio.Task[None]") -> None:
        assert task is asyncio.current_task()
        self.task = task
        try:
            if self.until is not None:
                self.has_waited.set()
                await self.until.wait()
            if self.error is not None:
                raise self.error
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.ended.set()


@pytest.fixture
async def turns() -> Turns:
    return Turns(asyncio.get_running_loop())


async def all_ended(*takers: Taker) -> None:
    async with asyncio.timeout(10):
        for each in takers:
            await each.ended.wait()


async def test_who_need_not_wait_share_a_task(turns: Turns) -> None:
    takers = [Taker() for _ in range(5)]
    for each in takers:
        turns.add(each)
    assert all(each.task is None for each in takers), "nobody is answered while others still come"
    await all_ended(*takers)
    assert len({each.task for each in takers}) == 1


async def test_who_comes_later_gets_another(turns: Turns) -> None:
    first, second = Taker(), Taker()
    turns.add(first)
    await all_ended(first)
    turns.add(second)
    await all_ended(second)
    assert first.task is not second.task


async def test_nobody_waits_for_somebody_else(turns: Turns) -> None:
    never = asyncio.Event()
    slow = [Taker(until=never) for _ in range(3)]
    quick = [Taker() for _ in range(3)]
    for one, other in zip(slow, quick, strict=True):
        turns.add(one)
        turns.add(other)
    await all_ended(*quick)
    assert not any(each.ended.is_set() for each in slow)
    never.set()
    await all_ended(*slow)
    assert len({each.task for each in slow}) == 3


async def test_who_comes_while_somebody_waits_alone(turns: Turns) -> None:
    never = asyncio.Event()
    slow, quick = Taker(until=never), Taker()
    turns.add(slow)
    await slow.has_waited.wait()
    turns.add(quick)
    await all_ended(quick)
    never.set()
    await all_ended(slow)


async def test_a_task_that_waited_takes_nobody_who_has_another(turns: Turns) -> None:
    gate, never = asyncio.Event(), asyncio.Event()
    slow, slower, last = Taker(until=gate), Taker(until=never), Taker()
    turns.add(slow)
    await slow.has_waited.wait()
    turns.add(slower)
    turns.add(last)
    gate.set()
    await all_ended(slow, last)
    assert last.task is not slow.task
    never.set()
    await all_ended(slower)


async def test_one_that_is_cancelled_ends_alone(turns: Turns) -> None:
    never = asyncio.Event()
    slow, others = Taker(until=never), [Taker() for _ in range(3)]
    turns.add(slow)
    for each in others:
        turns.add(each)
    await slow.has_waited.wait()
    assert slow.task is not None
    slow.task.cancel()
    await all_ended(slow, *others)
    assert slow.cancelled
    assert slow.task not in {each.task for each in others}


async def test_one_that_cancels_its_own_task_leaves_it_to_nobody(turns: Turns) -> None:
    class Giving(Taker):
        async def answer(self, task: "asyncio.Task[None]") -> None:
            task.cancel()
            await super().answer(task)

    giving, other = Giving(), Taker()
    turns.add(giving)
    turns.add(other)
    await all_ended(giving, other)
    assert giving.task is not other.task
    assert not other.cancelled


async def test_a_defect_of_one_is_no_other_ones(turns: Turns) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context.get("exception")))
    broken, other = Taker(error=ValueError("broken")), Taker()
    turns.add(broken)
    turns.add(other)
    await all_ended(broken, other)
    assert broken.task is not None
    assert isinstance(broken.task.exception(), ValueError)
    assert other.task is not broken.task


async def test_a_context_is_nobody_elses_who_added(turns: Turns) -> None:
    class Saying(Taker):
        async def answer(self, task: "asyncio.Task[None]") -> None:
            SAID.set("by one that was answered")
            await super().answer(task)

    SAID.set("here")
    saying = Saying()
    turns.add(saying)
    await all_ended(saying)
    assert SAID.get() == "here"
