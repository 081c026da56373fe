"""One timer for all that is under way: who is too slow is ended, who is not is left alone."""

import asyncio

import pytest
from ringfence_kit.clock import Millis
from ringfence_kit.time_limits import TimeLimits


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def test_what_takes_too_long_is_ended_where_it_waits() -> None:
    limit = TimeLimits().limit(Millis(10))
    with pytest.raises(TimeoutError), limit:
        await wait_for_ever()
    assert limit.passed


async def test_what_is_done_in_time_is_left_alone() -> None:
    limits = TimeLimits()
    with limits.limit(Millis(10)) as limit:
        await asyncio.sleep(0)
    await asyncio.sleep(0.12)  # two looks later nobody comes for it any more
    assert not limit.passed
    assert not limits.running


async def test_each_has_its_own_end() -> None:
    limits = TimeLimits()

    async def limited(duration: int) -> str:
        try:
            with limits.limit(Millis(duration)):
                await asyncio.sleep(0.15)
        except TimeoutError:
            return "too late"
        return "done"

    assert await asyncio.gather(*map(limited, (10, 60_000, 10, 60_000))) == ["too late", "done", "too late", "done"]


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    limits = TimeLimits()

    async def limited() -> None:
        with limits.limit(Millis(60_000)):
            await wait_for_ever()

    task = asyncio.create_task(limited())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not limits.running


async def test_a_cancellation_by_somebody_else_is_not_lost_when_time_runs_out_too() -> None:
    limits = TimeLimits()

    async def limited() -> None:
        with limits.limit(Millis(60_000)) as limit:
            limit.run_out()
            asyncio.current_task().cancel()  # type: ignore[union-attr] # inside of one
            await wait_for_ever()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(limited())


async def test_an_error_of_its_own_is_its_own() -> None:
    with pytest.raises(ValueError, match="of its own"), TimeLimits().limit(Millis(60_000)):
        raise ValueError("of its own")


def test_time_is_limited_inside_of_a_task_only() -> None:
    async def ask(limits: TimeLimits) -> None:
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[Exception] = loop.create_future()

        def outside() -> None:
            try:
                limits.limit(Millis(10))
            except RuntimeError as error:
                failed.set_result(error)

        loop.call_soon(outside)
        assert "inside of a task" in str(await failed)

    asyncio.run(ask(TimeLimits()))
