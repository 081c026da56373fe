"""CheckStream: questions and answers over one stream, in any order, and word of what no longer holds.

The rules:

- no more than `IN_FLIGHT` questions are taken that have no written answer yet: who does not read is not read either,
  and what waits for a slow reader is bounded by that;
- however often the epoch grows, one invalidation waits at most, and says the latest;
- a question counts against its caller's quota as a Check does;
- a question that cannot be asked gets its error; the stream goes on.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import Final, Protocol, TypeAlias

from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.background import background
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Clock, Millis
from ringfence_kit.errors import Failure, InvalidRequest, MalformedMessage, Violation
from ringfence_kit.grants import MethodClass
from ringfence_kit.quotas import Quota
from ringfence_kit.status import status_of

from ringfence_pdp.api.asking import checked
from ringfence_pdp.convert.answer_bytes import response_bytes
from ringfence_pdp.convert.question_bytes import Asked
from ringfence_pdp.convert.stream_bytes import AskedOnStream, failed, numbered, responded
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.epochs import Epochs
from ringfence_pdp.reckoning import Unsettled
from ringfence_pdp.sitting import Sitting

IN_FLIGHT: Final = 64
HEARTBEAT: Final = Millis(10_000)
CHANGES_GATHER: Final = Millis(100)
"""How far apart invalidations are told, when facts change all the time."""


Said: TypeAlias = bytes
"""What is answered to a question, without its number, as `stream_bytes` writes it."""

Told: TypeAlias = bytes | pb.CheckStreamResponse
"""What a stream is told: an answer as its bytes, or what nobody asked."""


class Asking(Protocol):
    """Who is asked what comes on a stream."""

    def ask(self, asked: Asked, caller: Caller) -> Said | Awaitable[Said]:
        """Return the answer, as most questions have one at once, or what will have it. Raises the failures of Check."""
        ...


class AskingHere:
    """Asks this pdp."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    def ask(self, asked: Asked, caller: Caller) -> Said | Awaitable[Said]:
        """See `Asking`."""
        sitting = self._decisions.sitting()
        answer = checked(sitting, asked, caller)
        if isinstance(answer, Unsettled):
            return _settled(sitting, answer)
        return responded(response_bytes(answer))


class CheckStreams:
    """What every stream needs."""

    def __init__(self, asking: Asking, epochs: Epochs, clock: Clock) -> None:
        self._asking = asking
        self._epochs = epochs
        self._clock = clock

    async def answers(
        self, questions: AsyncIterator[AskedOnStream], caller: Caller, quota: Quota
    ) -> AsyncGenerator[Told, None]:
        """Yield what the server says on one stream."""
        stream = _Stream(self._asking, self._epochs, self._clock, caller, quota)
        async with background(stream.read(questions), stream.beat(), stream.invalidate()):
            while (said := await stream.next()) is not None:
                yield said
                stream.written(said)


class _Stream:
    """One stream: what waits to be written, and how much may still be asked."""

    def __init__(self, asking: Asking, epochs: Epochs, clock: Clock, caller: Caller, quota: Quota) -> None:
        self._asking = asking
        self._epochs = epochs
        self._clock = clock
        self._caller = caller
        self._quota = quota
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._answers: deque[bytes] = deque()
        self._something = asyncio.Event()
        self._epoch_told = epochs.now
        self._beat_is_due = False
        self._written = 0
        self._ended = False

    async def next(self) -> Told | None:
        """Return what to write next; None at the end."""
        while True:
            # Before any answer: it may be one that holds no longer.
            if self._epochs.now > self._epoch_told:
                self._epoch_told = self._epochs.now
                return pb.CheckStreamResponse(invalidate=pb.Invalidation(epoch=self._epoch_told))
            if self._answers:
                return self._answers.popleft()
            if self._beat_is_due:
                self._beat_is_due = False
                return pb.CheckStreamResponse(heartbeat=pb.Heartbeat(epoch=self._epoch_told))
            if self._ended:
                return None
            self._something.clear()
            await self._something.wait()

    def written(self, said: Told) -> None:
        """Take note that it left: there is room for another question."""
        self._written += 1
        if isinstance(said, bytes):
            self._room.release()

    async def read(self, questions: AsyncIterator[AskedOnStream]) -> None:
        """Take questions as long as there is room, until there are no more and all are answered."""
        asked_any = False
        try:
            async with asyncio.TaskGroup() as waiting:
                async for asked in questions:
                    asked_any = True
                    await self._room.acquire()
                    awaited = self._begin(asked)
                    if awaited is not None:
                        waiting.create_task(self._await(asked.number, awaited))
        except BaseExceptionGroup as several:
            # What a message cannot be read for is a failure of the stream, and comes out as it is.
            raise several.exceptions[0] from None
        if not asked_any:
            raise MalformedMessage(method="CheckStream", problem="the stream ended without a question")
        self._ended = True
        self._something.set()

    async def beat(self) -> None:
        """Say that the server is alive when nothing else was said for a while."""
        while True:
            before = self._written
            await self._clock.sleep(HEARTBEAT)
            if self._written == before:
                self._beat_is_due = True
                self._something.set()

    async def invalidate(self) -> None:
        """Say when answers may not hold any more, once for all that changes in a short while."""
        while True:
            await self._epochs.after(self._epoch_told)
            self._something.set()
            await self._clock.sleep(CHANGES_GATHER)

    def _begin(self, asked: AskedOnStream) -> Awaitable[Said] | None:
        """Answer at once, as most questions are; or return what will have the answer."""
        try:
            self._quota(MethodClass.DECIDE)
            said = _asked(self._asking, asked, self._caller)
        except Failure as failure:
            said = failed(status_of(failure))
        if not isinstance(said, bytes):
            return said
        self._put(asked.number, said)
        return None

    async def _await(self, number: int, awaited: Awaitable[Said]) -> None:
        try:
            said = await awaited
        except Failure as failure:
            said = failed(status_of(failure))
        self._put(number, said)

    def _put(self, number: int, said: Said) -> None:
        self._answers.append(numbered(number, said))
        self._something.set()


async def _settled(sitting: Sitting, unsettled: Unsettled) -> Said:
    return responded(response_bytes(await sitting.settled(unsettled)))


def _asked(asking: Asking, asked: AskedOnStream, caller: Caller) -> Said | Awaitable[Said]:
    """Ask, or raise InvalidRequest with the paths as they are in this message."""
    found = [] if asked.number else [Violation("id", "must not be 0")]
    try:
        if not found:
            return asking.ask(asked.asked, caller)
    except InvalidRequest as invalid:
        found = [Violation(f"request.{violation.field}", violation.problem) for violation in invalid.violations]
    raise InvalidRequest(*found)
