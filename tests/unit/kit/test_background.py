"""Background tasks: they end with their block, and their failure ends it."""

import asyncio
from contextlib import suppress

import pytest
from ringfence_kit.background import background


class Broken(Exception):  # noqa: N818 - named for what happened, like every failure
    """A job gave up."""


class Unrelated(Exception):  # noqa: N818 - the same
    """The block gave up."""


async def for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def breaking() -> None:
    raise Broken


async def test_jobs_end_with_the_block() -> None:
    ended: list[str] = []
    async with background(for_ever(ended), for_ever(ended)):
        await asyncio.sleep(0)
        assert ended == []
    assert ended == ["ended", "ended"]


async def test_a_job_that_ends_by_itself_ends_nothing_else() -> None:
    async with background(asyncio.sleep(0)):
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_failing_job_cancels_the_block_and_leaves_it_as_itself() -> None:
    ended: list[str] = []

    async def serve() -> None:
        async with background(breaking(), for_ever(ended)):
            await asyncio.Event().wait()

    with pytest.raises(Broken):
        await serve()
    assert ended == ["ended"]


async def test_a_failing_block_ends_the_jobs_and_leaves_as_itself() -> None:
    ended: list[str] = []

    async def serve() -> None:
        async with background(for_ever(ended)):
            await asyncio.sleep(0)
            raise Unrelated

    with pytest.raises(Unrelated):
        await serve()
    assert ended == ["ended"]


async def test_the_first_failure_is_the_one_that_counts() -> None:
    async def serve() -> None:
        async with background(breaking()):
            try:
                await asyncio.Event().wait()
            finally:
                raise Unrelated

    with pytest.raises(Broken):
        await serve()


async def test_a_block_that_is_cancelled_stays_cancelled() -> None:
    ended: list[str] = []

    async def serve() -> None:
        async with background(for_ever(ended)):
            await asyncio.Event().wait()

    serving = asyncio.ensure_future(serve())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert ended == ["ended"]


async def test_who_is_cancelled_in_the_moment_a_job_fails_ends_and_does_not_begin_anew() -> None:
    begun = asyncio.Event()
    tries = 0

    async def fail_when_cancelled() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Broken from None

    async def try_for_ever() -> None:
        nonlocal tries
        while True:
            tries += 1
            with suppress(Broken):
                async with background(fail_when_cancelled()):
                    await asyncio.Event().wait()
            await asyncio.Event().wait()

    task = asyncio.create_task(try_for_ever())
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert tries == 1
