"""Asks the encoder about one call at a time, in a thread of its own, so that nobody else's decision waits for it.

The rules:

- `ask` never raises: what is late, refused, not installed or a defect of ours is one finding of kind FAILURE. Where the
  encoder is required and not installed, people are asked; whatever else goes wrong, the policy's `on_error` holds;
- the budget is of reading and of waiting for one's turn. Loading takes longer, once, and those who wait for it are not
  late for that;
- so many may wait for their turn; one more is told at once that it is busy.
"""

import asyncio
import enum
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import structlog
from ringfence_kit.clock import Clock, Millis

from ringfence_pdp.classifiers.config import Use
from ringfence_pdp.filters.encoder.doubt import ENCODER, Doubt, EncoderMissing, EncoderRefused, failed, missing
from ringfence_pdp.filters.engines import Engines
from ringfence_pdp.filters.finding import Content, Finding, Severity
from ringfence_pdp.filters.looking import doubts
from ringfence_pdp.filters.remote import Classifiers

WAITING_MAX: Final = 32

_log = structlog.get_logger(__name__)


class Outcome(enum.Enum):
    """How a question went."""

    READ = "read"
    LATE = "late"
    BUSY = "busy"
    MISSING = "missing"
    REFUSED = "refused"
    DEFECT = "defect"


class Reader(Protocol):
    """Reads a second time; `filters.encoder.second_reader.SecondReader` does."""

    def findings(self, doubts: Sequence[Doubt]) -> Sequence[Finding]:
        """Return what is dangerous in texts that are in doubt."""
        ...


def installed() -> Reader:
    """Return the encoder that is installed. Raises EncoderMissing and EncoderRefused."""
    # Imported when first needed: most pdps are never in doubt, and it takes memory.
    from ringfence_pdp.filters.encoder.second_reader import second_reader  # noqa: PLC0415 - see above

    return second_reader()


def is_asked(use: Use, lacking: Callable[[], Sequence[str]] = missing) -> bool:
    """Say whether calls in doubt are read again, as far as settings and packages go."""
    return use is Use.ON or (use is Use.AUTO and not lacking())


class Encoding:
    """The encoder of this process."""

    def __init__(
        self,
        use: Use,
        *,
        budget: Millis,
        clock: Clock,
        load: Callable[[], Reader] = installed,
        lacking: Callable[[], Sequence[str]] = missing,
    ) -> None:
        """`load` returns the encoder, `lacking` which packages are not installed."""
        self.counts: Counter[str] = Counter()
        """How questions went, by outcome."""
        self._budget = budget
        self._clock = clock
        self._load = load
        self._waiting = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
        self._loading: asyncio.Future[Reader] | None = None
        self.is_asked = is_asked(use, lacking)
        """Whether calls in doubt are to be read again at all."""
        if use is not Use.OFF:
            _log.info("encoder", use=use.value, missing=list(lacking()))

    async def ask(self, doubts: Sequence[Doubt]) -> Sequence[Finding]:
        """Return what the encoder finds in texts in doubt; never raises."""
        if not doubts:
            return ()
        try:
            reader = await self._loaded()
        except EncoderMissing as problem:
            return self._failed(Outcome.MISSING, str(problem), Severity.MEDIUM)
        except EncoderRefused as problem:
            return self._failed(Outcome.REFUSED, str(problem))
        except Exception:  # noqa: BLE001 - whatever is wrong here must cost one answer, not the decision
            _log.exception("encoder_defect")
            return self._failed(Outcome.DEFECT, "the encoder cannot be loaded; the pdp's log says more")
        if self._waiting >= WAITING_MAX:
            return self._failed(Outcome.BUSY, f"the encoder is busy: {WAITING_MAX} calls wait for it")
        return await self._in_time(reader, doubts)

    async def _in_time(self, reader: Reader, doubts: Sequence[Doubt]) -> Sequence[Finding]:
        reading = asyncio.get_running_loop().run_in_executor(self._thread, reader.findings, doubts)
        timer = asyncio.ensure_future(self._clock.sleep(self._budget))
        self._waiting += 1
        reading.add_done_callback(self._read)
        both: set[asyncio.Future[Any]] = {reading, timer}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return self._failed(Outcome.LATE, f"the encoder took longer than {self._budget} ms")
            found = reading.result()
        except Exception:  # noqa: BLE001 - as above
            _log.exception("encoder_defect")
            return self._failed(Outcome.DEFECT, "the encoder failed over this content; the pdp's log says more")
        finally:
            timer.cancel()
            reading.cancel()
        self.counts[Outcome.READ.value] += 1
        return found

    def _read(self, reading: asyncio.Future[Sequence[Finding]]) -> None:
        self._waiting -= 1
        if not reading.cancelled():
            reading.exception()  # which nobody may be waiting for any more

    async def _loaded(self) -> Reader:
        """Return the encoder, which the first to ask has loaded. What could not be loaded stays so until a restart."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        return await asyncio.shield(self._loading)

    def _failed(self, outcome: Outcome, message: str, severity: Severity = Severity.HIGH) -> Sequence[Finding]:
        self.counts[outcome.value] += 1
        return (failed(message, severity),)


class WithEncoder:
    """Whoever is asked about content: classifiers elsewhere by their names, and the encoder by its own."""

    def __init__(self, classifiers: Classifiers, encoding: Encoding, first: Callable[[], Engines]) -> None:
        """`first` returns the filters among which the first reader is: it says what it is in doubt about."""
        self._classifiers = classifiers
        self._encoding = encoding
        self._first = first

    async def ask(self, name: str, content: Content) -> Sequence[Finding]:
        """Return what is found, the worst first; never raises."""
        if name != ENCODER:
            return await self._classifiers.ask(name, content)
        return await self._encoding.ask(doubts(content, self._first()))
