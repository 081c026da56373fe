"""How a stream begins on the standard port, against grpcio's ways."""

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ringfence_kit.answering import answer


class ConnectionGone(Exception):  # noqa: N818 - what grpcio raises is no error of ours either
    """The caller is not there any more."""


@dataclass(slots=True)
class Context:
    """Sends a head when it is told to, to a caller who has gone by then."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> bytes:
        return b""

    async def send_initial_metadata(self, _metadata: object) -> None:
        self.begun.set()
        await self.goes_on.wait()
        raise ConnectionGone


async def one_answer(_request: object, _context: object) -> AsyncIterator[bytes]:
    yield b"answer"


STREAM = cast(
    "Any",
    SimpleNamespace(
        name="Watch",
        request_streaming=False,
        response_streaming=True,
        behavior=one_answer,
        decode=None,
        encode=None,
        max_request_bytes=1,
    ),
)


async def test_a_head_that_fails_after_its_stream_was_cancelled_is_not_told_as_lost() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, said: told.append(said))
    context = Context()
    stream = asyncio.ensure_future(answer(STREAM, cast("Any", None), cast("Any", context)))
    await context.begun.wait()
    stream.cancel()
    await asyncio.sleep(0)
    context.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await stream
    del stream
    gc.collect()
    await asyncio.sleep(0)
    assert told == []
