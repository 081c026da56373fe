"""Asks classifiers elsewhere, each by its configured name, and turns every way it can go wrong into a finding.

The rules:

- `ask` never raises: what is late, away, nonsense or a defect of ours is one finding of kind FAILURE, and the policy's
  `on_error` decides;
- a question waits for its deadline and no longer; behind an open breaker it does not wait at all;
- what was answered is not asked again while the answer is good.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import structlog
from ringfence_kit.clock import Clock, Millis

from ringfence_pdp.classifiers.breaker import Breaker
from ringfence_pdp.classifiers.memory import Memory
from ringfence_pdp.classifiers.reply import (
    TEXT_BYTES_MAX,
    Cause,
    Line,
    NoReply,
    Question,
    Reply,
    findings_of,
    question_of,
)
from ringfence_pdp.filters.finding import Content, Finding
from ringfence_pdp.filters.remote import failed

T = TypeVar("T")

_log = structlog.get_logger(__name__)

ANSWERED, REMEMBERED = "answered", "remembered"


class Classifier:
    """One classifier elsewhere."""

    def __init__(
        self, name: str, line: Line, *, deadline: Millis, breaker: Breaker, memory: Memory, clock: Clock
    ) -> None:
        self.name = name
        self.breaker = breaker
        self.counts: Counter[str] = Counter()
        """How questions went: answered, remembered, or a cause of failure."""
        self._line = line
        self._deadline = deadline
        self._memory = memory
        self._clock = clock

    def speaking(self) -> Coroutine[Any, Any, None]:
        """Return what has to run beside the questions."""
        return self._line.speaking()

    async def ask(self, content: Content) -> Sequence[Finding]:
        """Return what it finds, the worst first; never raises."""
        question = question_of(content)
        if question is None:
            return ()
        try:
            return findings_of(self.name, self._line.peer, question, await self._reply(question))
        except NoReply as none:
            return [self._failed(none.cause, str(none))]
        except Exception:  # noqa: BLE001 - whatever is wrong here must cost one answer, not the decision
            _log.exception("classifier_defect", classifier=self.name)
            return [self._failed(Cause.DEFECT, "a defect of this pdp; its log says more")]

    async def _reply(self, question: Question) -> Reply:
        digest = question.digest
        remembered = self._memory.recall(digest, self._clock.now())
        if remembered is not None:
            self.counts[REMEMBERED] += 1
            return remembered
        if question.size > TEXT_BYTES_MAX:
            raise NoReply(Cause.TOO_LARGE, f"the content has more than {TEXT_BYTES_MAX} characters")
        reply = await self._asked(question)
        self.counts[ANSWERED] += 1
        self._memory.keep(digest, reply, self._clock.now())
        return reply

    async def _asked(self, question: Question) -> Reply:
        if not self.breaker.lets_through(self._clock.now()):
            raise NoReply(Cause.RESTING, "it failed too often lately and is not asked for a while")
        try:
            reply = await self._in_time(self._line.classify(question))
        except NoReply:
            self.breaker.failed(self._clock.now())
            raise
        except BaseException:
            self.breaker.given_up()
            raise
        self.breaker.answered()
        return reply

    async def _in_time(self, answer: Awaitable[T]) -> T:
        answering = asyncio.ensure_future(answer)
        timer = asyncio.ensure_future(self._clock.sleep(self._deadline))
        try:
            await asyncio.wait({answering, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise NoReply(Cause.LATE, f"it took longer than {self._deadline} ms")
            return answering.result()
        finally:
            answering.cancel()
            timer.cancel()

    def _failed(self, cause: Cause, why: str) -> Finding:
        self.counts[cause.value] += 1
        return failed(self.name, why)


class AskedClassifiers:
    """Every classifier of the configuration; `filters.remote.Classifiers` for decisions."""

    def __init__(self, classifiers: Sequence[Classifier]) -> None:
        self.by_name: Mapping[str, Classifier] = {one.name: one for one in classifiers}

    def speaking(self) -> list[Coroutine[Any, Any, None]]:
        """Return what has to run beside the questions."""
        return [one.speaking() for one in self.by_name.values()]

    async def ask(self, name: str, content: Content) -> Sequence[Finding]:
        """Return what classifier `name` finds, the worst first; never raises."""
        classifier = self.by_name.get(name)
        if classifier is None:
            return [failed(name, "this pdp is not configured with such a classifier")]
        return await classifier.ask(content)
