"""One worker's place: its process, started again whenever it ends, and what the leader knows of it.

The rules:

- a worker that ends by itself is started again after a while that grows with every failure, and shrinks back once one
  has worked for long;
- how often it ended is counted, and why it is away is told in words;
- at the end it is asked to drain; what is left long after that is ended.
"""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from ringfence.backoff import Backoff

from ringfence_kit.clock import Clock, Instant, Millis
from ringfence_kit.workers.link import Given, Link, NotReady, Ready, Scrape, Scraped, Told, Took

WORKED_FOR_LONG: Final = Millis(30_000)
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 10.0
LET_GO: Final = 1.0
ACKNOWLEDGED_WITHIN: Final = 0.05
"""Seconds: between starts, for a worker to end that has let go of its leader, and until it hears what was taken."""

_log = structlog.get_logger(__name__)


class Slot:
    """The place of one worker."""

    def __init__(
        self,
        index: int,
        module: str,
        *,
        begin: Callable[[int], object],
        told: Callable[[], str],
        given: Callable[[str, bytes], None],
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        """`begin` gives what worker number `index` begins with, `told` what every worker has been told last.

        `given` takes what the worker gives.
        """
        self.index = index
        self.ended = 0
        """How often it ended by itself."""
        self.why = "it is starting"
        """Why it does not answer; empty while it does."""
        self._module = module
        self._begin = begin
        self._told = told
        self._given = given
        self._changed = changed
        self._clock = clock
        self._backoff = Backoff(first=FIRST_WAIT, cap=LONGEST_WAIT)
        self._ready_since: Instant | None = None
        self._process: Process | None = None
        self._link: Link | None = None
        self._scrapes: dict[int, asyncio.Future[str]] = {}
        self._numbers = 0
        self._taken: list[int] = []
        self._ending = False

    @property
    def pid(self) -> int | None:
        """The process of the moment."""
        return None if self._process is None else self._process.pid

    async def keep(self) -> None:
        """Have a worker in this place until `end`."""
        while True:
            code = await self._one_life()
            if self._ending:
                return
            self.ended += 1
            if self._ready_since is not None and self._clock.now() - self._ready_since > WORKED_FOR_LONG:
                self._backoff.reset()
            wait = self._backoff.next_wait()
            _log.error("a worker ended", worker=self.index, code=code, again_in_seconds=round(wait, 1))
            self._is_away(f"it ended with {code}, and is started again")
            await self._clock.sleep(Millis(int(wait * 1_000)))

    async def end(self, seconds: float) -> None:
        """Ask the worker to drain; end it if it has not after so many seconds."""
        self._ending = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        if await _ended_within(process, seconds) == -signal.SIGKILL:
            _log.warning("a worker was ended that did not drain", worker=self.index)

    def tell(self, what: str) -> None:
        """Tell the worker something."""
        if self._link is not None:
            self._link.say(Told(what))

    async def scrape(self, seconds: float) -> str:
        """Return the worker's metrics; nothing when it does not give them in time."""
        link = self._link
        if link is None:
            return ""
        self._numbers += 1
        number = self._numbers
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._scrapes[number] = answer
        link.say(Scrape(number))
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            return ""
        finally:
            self._scrapes.pop(number, None)

    async def _one_life(self) -> int:
        self._ready_since = None
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", self._module, str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                # A terminal's Ctrl-C is the leader's to take: it ends the workers in order.
                start_new_session=True,
                env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
            )
        link = await Link.over(ours)
        try:
            if not self._ending:
                self._link = link
                link.begin(self._begin(self.index))
                link.say(Told(self._told()))
                async for message in link.heard():
                    self._take(link, message)
        finally:
            self._link = None
            await link.close()
            for scrape in self._scrapes.values():
                if not scrape.done():
                    scrape.set_result("")
            # One that has let go of us and lives on is one that nobody would know of.
            code = await _ended_within(process, LET_GO)
        return code

    def _take(self, link: Link, message: object) -> None:
        match message:
            case Ready():
                self._ready_since, self.why = self._clock.now(), ""
                self._changed()
            case NotReady(why):
                self._is_away(why)
            case Scraped(number, text):
                answer = self._scrapes.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(text)
            case Given(name, what):
                self._given(name, what)
                if not self._taken:
                    asyncio.get_running_loop().call_later(ACKNOWLEDGED_WITHIN, self._acknowledge, link)
                self._taken.append(len(what))

    def _acknowledge(self, link: Link) -> None:
        """Say what was taken, now and then: saying it costs as much as taking it."""
        taken, self._taken = self._taken, []
        link.say(Took(taken))

    def _is_away(self, why: str) -> None:
        self.why = why
        self._changed()


async def _ended_within(process: Process, seconds: float) -> int:
    """Return what a process ended with; one that takes longer is ended."""
    try:
        async with asyncio.timeout(seconds):
            return await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        return await process.wait()
