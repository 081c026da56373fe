"""Everything that was accepted, sent on to a backend of the operator's choice: read back from the ingest log.

The rules:

- what is in the log is sent as it came, in the order it came, at least once: how far the backend has answered is kept
  in a file beside the log, and what lies between that and a crash is sent again;
- a backend that is away or busy is tried again, ever more slowly and as it asks; nobody who reports notices;
- it may fall behind by so many bytes; segments are kept for it that long, and what is beyond is lost to it, not to us;
- what the backend says it will never take, a request or items of one, is lost to it too. Both are counted, item by
  item: what is in the log = forwarded + lost to the backend + waiting.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import structlog
from ringfence_kit import records
from ringfence_kit.clock import SECOND, Clock, Millis

from ringfence_telemetry.otlp_shapes import Parsed
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.segment_files import LOG_START, Position, Recovered

PAUSE = Millis(SECOND)
"""How often it looks for more, once everything has been sent."""

FIRST_RETRY = Millis(SECOND)
LAST_RETRY = Millis(60 * SECOND)

REFUSALS_MAX = 20
"""How often a request is sent that may be the reason why it is refused: for about a quarter of an hour."""

NO_DELAY = Millis(0)

READ_BYTES = 4 << 20

_log = structlog.get_logger(__name__)


class Later(Exception):  # noqa: N818 - named for what happened, like the failures of the kit
    """The backend is away or busy."""

    def __init__(self, problem: str, *, delay: Millis = NO_DELAY, refused: bool = False) -> None:
        super().__init__(problem)
        self.delay = delay
        """What it asks for; 0 when it asks for nothing."""
        self.refused = refused
        """It may be the request that it will not take: it is not sent for ever."""


class Never(Exception):  # noqa: N818 - as above
    """The backend will not take this request however often it comes."""


class Backend(Protocol):
    """Who takes OTLP."""

    async def send(self, signal: OtlpSignal, payload: bytes) -> int:
        """Return how many items it rejected, once it has taken a request. Raises Later and Never."""
        ...


class AcceptedLog(Protocol):
    """The ingest log, to read."""

    @property
    def log_id(self) -> str:
        """Names the log its positions are of."""
        ...

    @property
    def end(self) -> Position:
        """Everything before is durable."""
        ...

    def read_on(self, after: Position, *, size: int) -> list[Recovered]:
        """Return what is durable after `after`, in order: at least one thing, about `size` bytes; none at the end."""
        ...


@dataclass(slots=True, kw_only=True)
class ForwardCounts:
    """What became of the items of a signal."""

    forwarded: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """How far the backend has taken the log: what is kept in the file."""

    log_id: str = ""
    position: Position = LOG_START
    counts: dict[str, ForwardCounts] = field(default_factory=dict)
    """By signal."""


class Forwarder:
    """Sends the log on while `run` runs."""

    def __init__(
        self,
        log: AcceptedLog,
        *,
        kept_in: Path,
        parse: Callable[[OtlpSignal, bytes], Parsed],
        lag_bytes: int,
        clock: Clock,
    ) -> None:
        self._accepted = log
        self._kept_in = kept_in
        self._parse = parse
        self._lag_bytes = lag_bytes
        self._clock = clock
        self._position = LOG_START
        self._delay = FIRST_RETRY
        self._running = False
        self.counts = {signal: ForwardCounts() for signal in OtlpSignal}
        self.retries = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the log the backend has not taken; none when nothing is sent on."""
        return max(self._accepted.end - self._position, 0) if self._running else 0

    def needed_from(self) -> Position:
        """Return from where on the log is needed: all that waits, as far as it may wait."""
        return max(self._position, Position(self._accepted.end - self._lag_bytes))

    async def run(self, backend: Backend) -> None:
        """Send until cancelled."""
        self._resume(await asyncio.to_thread(self._load))
        self._running = True
        while True:
            await self._give_up_beyond_the_bound()
            found = await asyncio.to_thread(self._accepted.read_on, self._position, size=READ_BYTES)
            for each in found:
                await self._deliver(each, backend)
            if found:
                await asyncio.to_thread(self._keep)
            else:
                await self._clock.sleep(PAUSE)

    async def _deliver(self, found: Recovered, backend: Backend) -> None:
        """Send one request, as often as it takes."""
        frame, refusals = found.frame, 0
        while frame is not None and found.end > self.needed_from() and refusals < REFUSALS_MAX:
            try:
                rejected = await backend.send(frame.signal, frame.payload)
            except Later as problem:
                refusals += problem.refused
                await self._wait(problem)
                continue
            except Never as problem:
                _log.warning("forwarding_refused", signal=frame.signal.label, problem=str(problem))
                self._lose(found)
                return
            counts, items = self.counts[frame.signal], self._items(found)
            lost = min(max(rejected, 0), items)  # it counts as it likes: what is in the log adds up all the same
            counts.lost += lost
            counts.forwarded += items - lost
            self._position = found.end
            self._delay = FIRST_RETRY
            return
        self._lose(found)

    async def _wait(self, problem: Later) -> None:
        self.retries += 1
        delay = problem.delay or self._delay
        _log.info("forwarding_put_off", problem=str(problem), delay_ms=delay)
        await asyncio.to_thread(self._keep)
        await self._clock.sleep(delay)
        self._delay = Millis(min(self._delay * 2, LAST_RETRY))

    async def _give_up_beyond_the_bound(self) -> None:
        """Count what may not wait any longer as lost to the backend."""
        while self._position < self.needed_from():
            found = await asyncio.to_thread(self._accepted.read_on, self._position, size=READ_BYTES)
            for each in found:
                if each.end > self.needed_from():
                    return
                self._lose(each)
            if not found:
                return

    def _lose(self, found: Recovered) -> None:
        if found.frame is not None:
            self.counts[found.frame.signal].lost += self._items(found)
        self._position = found.end

    def _items(self, found: Recovered) -> int:
        return 0 if found.frame is None else self._parse(found.frame.signal, found.frame.payload).items

    def _resume(self, kept: Forwarded) -> None:
        if kept.log_id == self._accepted.log_id:  # another log's position means nothing here
            self._position = kept.position
        for signal in OtlpSignal:
            self.counts[signal] = replace(kept.counts.get(signal.label, ForwardCounts()))

    def _load(self) -> Forwarded:
        try:
            return records.decode(self._kept_in.read_bytes(), Forwarded)
        except FileNotFoundError:
            return Forwarded()

    def _keep(self) -> None:
        """Keep how far it is."""
        kept = Forwarded(
            log_id=self._accepted.log_id,
            position=self._position,
            counts={signal.label: counts for signal, counts in self.counts.items()},
        )
        temporary = self._kept_in.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(records.encode(kept))
            os.fsync(file.fileno())  # or a crash could leave an empty file under the name
        temporary.replace(self._kept_in)
