"""For gateways and agents that ask a lot: decisions over one stream, used again where the pdp says that they may be.

    async with AioGateway(DecisionServiceStub(channel)) as gateway:
        answer = await gateway.check(CheckRequest(...))          # raises RingfenceError; whoever gets one denies
        tools = [tool async for tool in gateway.allowed_tools(ListAllowedToolsRequest(...))]

The rules:

- a stream that breaks, or says nothing for `SILENCE`, is opened again after a short, jittered wait; nothing that was
  answered before it broke is used again;
- a question a broken stream left unanswered is asked once more by itself: at worst it is counted twice, and it is never
  taken for allowed;
- the block owns the stream and what reads it.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import grpc
from google.rpc.status_pb2 import Status

from ringfence.backoff import Backoff
from ringfence.decision_cache import SILENCE, DecisionCache
from ringfence.errors import RingfenceError, UnavailableError, error_of, typed_errors
from ringfence.pace import Pace
from ringfence.pdp.v1.decision_pb2 import (
    AllowedTool,
    CheckRequest,
    CheckResponse,
    CheckStreamRequest,
    CheckStreamResponse,
    ListAllowedToolsRequest,
)

if TYPE_CHECKING:  # these names exist for type checkers only
    from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceAsyncStub

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class _Broken(Exception):  # noqa: N818 - named for what happened, and caught here
    """The stream ended before it answered."""


class AioGateway:
    """Asks the pdp. `timeout` is how long a question may take, in seconds; without an answer the answer is no."""

    def __init__(
        self,
        decisions: "DecisionServiceAsyncStub",
        *,
        timeout: float = 0.2,
        cache: DecisionCache | None = None,
        backoff: Backoff | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._decisions = decisions
        self._timeout = timeout
        self._cache = cache if cache is not None else DecisionCache()
        self._backoff = backoff or Backoff()
        self._pace = pace or Pace()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[CheckResponse]] = {}
        self._asked: asyncio.Queue[CheckStreamRequest] = asyncio.Queue()
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        self._break_off()

    async def check(self, request: CheckRequest) -> CheckResponse:
        """Return the pdp's decision, perhaps one it gave before. Raises RingfenceError: then nothing is allowed."""
        kept = self._cache.find(request, self._pace.now())
        if kept is not None:
            return kept
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._ask(request)
                except _Broken:
                    with typed_errors():
                        return await self._decisions.Check(request, timeout=self._timeout)
        except TimeoutError:
            raise UnavailableError("the pdp did not answer in time") from None

    async def allowed_tools(self, request: ListAllowedToolsRequest) -> AsyncIterator[AllowedTool]:
        """Yield the tools an agent could call, page by page: what a gateway answers `tools/list` with."""
        page = ListAllowedToolsRequest()
        page.CopyFrom(request)
        while True:
            with typed_errors():
                answer = await self._decisions.ListAllowedTools(page)
            for tool in answer.tools:
                yield tool
            if not answer.next_page_token:
                return
            page.page_token = answer.next_page_token

    async def _ask(self, request: CheckRequest) -> CheckResponse:
        number = next(self._numbers)
        answer: asyncio.Future[CheckResponse] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._asked.put_nowait(CheckStreamRequest(id=number, request=request))
        try:
            response = await answer
        finally:
            self._waiting.pop(number, None)
        self._cache.keep(request, response, self._pace.now())
        return response

    async def _follow(self) -> None:
        """Keep a stream open for as long as the block lasts."""
        while True:
            # Whoever waits is told below, and asks again alone.
            with suppress(grpc.RpcError, RingfenceError, TimeoutError):
                await self._one_stream()
            self._break_off()
            await self._pace.sleep_async(self._backoff.next_wait())

    async def _one_stream(self) -> None:
        stream = self._decisions.CheckStream(self._questions())
        try:
            said = aiter(stream)
            while True:
                # A pdp that has nothing else to say says that it is alive, every ten seconds.
                heard = await asyncio.wait_for(anext(said), SILENCE)
                self._backoff.reset()
                self._take(heard)
        except StopAsyncIteration:
            return
        finally:
            stream.cancel()

    async def _questions(self) -> AsyncIterator[CheckStreamRequest]:
        while True:
            yield await self._asked.get()

    def _take(self, said: CheckStreamResponse) -> None:
        match said.WhichOneof("message"):
            case "invalidate":
                self._cache.heard(said.invalidate.epoch, self._pace.now())
            case "heartbeat":
                self._cache.heard(said.heartbeat.epoch, self._pace.now())
            case "answer":
                answer = self._waiting.get(said.answer.id)
                if said.answer.HasField("response"):
                    self._cache.heard(said.answer.response.epoch, self._pace.now())
                if answer is None or answer.done():
                    return
                if said.answer.HasField("response"):
                    answer.set_result(said.answer.response)
                else:
                    answer.set_exception(_error_of(said.answer.error))
            case _:
                return

    def _break_off(self) -> None:
        """Forget what was answered, and tell whoever still waits that this stream will not answer."""
        self._cache.forget()
        self._asked = asyncio.Queue()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(_Broken())
        self._waiting.clear()


def _error_of(status: Status) -> RingfenceError:
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    return error_of(_CODES[status.code], status.message, trailers)
