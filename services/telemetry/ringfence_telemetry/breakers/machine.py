"""The circuit breaker of one agent and skill: when it opens, how long, and what closes it.

Pure: a breaker, a call or a moment, and out comes the next breaker. The rules (telemetry.md, section 4):

- it opens when of at least 20 calls in 60 s half failed or four fifths were slow, or when 5 in a row failed;
- it stays open for 30 s, doubled each time it opened in a row before, at most 300 s; then probes are let through;
- of 5 probes 3 good ones close it, unless most were slow; as soon as that cannot be any more, it opens for longer;
- closed, one opening is forgotten with every five minutes in which it did not open;
- what somebody says by hand holds until it is taken back, whatever happens; what happens is counted on.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ringfence_kit.clock import EPOCH, MINUTE, SECOND, Instant, Millis

SLOT = Millis(5 * SECOND)
SLOTS = 12
WINDOW = Millis(SLOTS * SLOT)
CALLS_LEAST = 20
IN_A_ROW = 5
OPEN_FIRST = Millis(30 * SECOND)
OPEN_MOST = Millis(300 * SECOND)
PROBES = 5
PROBES_GOOD = 3
DECAY = Millis(5 * MINUTE)


class Circuit(StrEnum):
    """How a breaker stands."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Override(StrEnum):
    """What somebody said by hand."""

    NONE = "NONE"
    FORCED_OPEN = "FORCED_OPEN"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """A breaker as others see it, and as it is kept."""

    agent: str
    skill: str
    state: Circuit = Circuit.CLOSED
    """What happened says; `shown` is what is in force."""
    override: Override = Override.NONE
    version: int = 0
    """Grows with every change."""
    changed_at: Instant = EPOCH
    retry_at: Instant | None = None
    """When probes are let through; set while it is OPEN."""
    opened: int = 0
    """How often it opened in a row."""
    reason: str = ""

    @property
    def shown(self) -> Circuit:
        """What is in force."""
        match self.override:
            case Override.FORCED_OPEN:
                return Circuit.OPEN
            case Override.DISABLED:
                return Circuit.CLOSED
            case Override.NONE:
                return self.state

    def overridden(self, override: Override, *, reason: str, at: Instant) -> "Breaker":
        """Return it as somebody says by hand; taken back, it starts anew, CLOSED."""
        if override is Override.NONE:
            return self.changed(at, reason, override=override, state=Circuit.CLOSED, retry_at=None, opened=0)
        return self.changed(at, reason, override=override)

    def changed(self, at: Instant, reason: str, **fields: object) -> "Breaker":
        """Return it with other values in some fields, as its next version."""
        version = self.version + 1
        return replace(self, version=version, changed_at=at, reason=reason, **fields)  # type: ignore[arg-type] # its own


@dataclass(slots=True)
class _Slot:
    number: int
    calls: int = 0
    errors: int = 0
    slow: int = 0


@dataclass(slots=True)
class CircuitMachine:
    """A breaker and what it goes by."""

    breaker: Breaker
    last_at: Instant = EPOCH
    """When a call was last seen."""
    _slots: deque[_Slot] = field(default_factory=deque)
    _row: int = 0
    _row_at: Instant = EPOCH
    _probes: int = 0
    _good: int = 0
    _slow: int = 0
    _steady_since: Instant = EPOCH
    """Since when it is closed, or when n last fell."""

    def saw(self, *, at: Instant, failed: bool, slow: bool, may_open: bool = True) -> bool:
        """Count a call; say whether the breaker changed. Without `may_open` it stays closed, and says why."""
        before = self.breaker
        self.last_at = max(self.last_at, at)
        self.pass_time(at)
        match self.breaker.state:
            case Circuit.CLOSED:
                self._count(at, failed=failed, slow=slow)
                why = self._why_open(at)
                if why and may_open:
                    self._open(at, why)
            case Circuit.HALF_OPEN:
                self._probe(at, failed=failed, slow=slow)
            case Circuit.OPEN:
                pass  # the answer to a call made before it opened says nothing new
        return self.breaker is not before

    def pass_time(self, now: Instant) -> bool:
        """Do what time alone brings about; say whether the breaker changed."""
        before = self.breaker
        if before.state is Circuit.OPEN and before.retry_at is not None and now >= before.retry_at:
            self._probes = self._good = self._slow = 0
            self._become(now, "probes are let through", state=Circuit.HALF_OPEN, retry_at=None)
        elif before.state is Circuit.CLOSED and before.opened and now - self._steady_since >= DECAY:
            steps = (now - self._steady_since) // DECAY
            self._steady_since = Instant(self._steady_since + steps * DECAY)
            self.breaker = replace(before, opened=max(0, before.opened - steps))
        return self.breaker is not before

    def adopt(self, breaker: Breaker) -> None:
        """Go on from what somebody said by hand, or what another replica found out."""
        if breaker.state is not self.breaker.state:
            self._probes = self._good = self._slow = 0
            self._forget(breaker.changed_at)
        self.breaker = breaker

    def _count(self, at: Instant, *, failed: bool, slow: bool) -> None:
        number = at // SLOT
        if not self._slots or self._slots[-1].number < number:
            self._slots.append(_Slot(number))
        newest = self._slots[-1]  # of a clock that was set back, too
        newest.calls += 1
        newest.errors += failed
        newest.slow += slow
        if failed and at - self._row_at <= WINDOW:
            self._row += 1
        else:
            self._row = int(failed)
        self._row_at = at

    def _why_open(self, at: Instant) -> str:
        while self._slots and self._slots[0].number <= at // SLOT - SLOTS:
            self._slots.popleft()
        calls = sum(slot.calls for slot in self._slots)
        errors = sum(slot.errors for slot in self._slots)
        slow = sum(slot.slow for slot in self._slots)
        if self._row >= IN_A_ROW and at - self._row_at <= WINDOW:
            return f"{self._row} calls in a row failed"
        if calls >= CALLS_LEAST and 2 * errors >= calls:
            return f"{errors} of {calls} calls in 60 s failed"
        if calls >= CALLS_LEAST and 5 * slow >= 4 * calls:
            return f"{slow} of {calls} calls in 60 s were slow"
        return ""

    def _probe(self, at: Instant, *, failed: bool, slow: bool) -> None:
        self._probes += 1
        self._good += not failed
        self._slow += slow
        if self._good >= PROBES_GOOD and 2 * self._slow <= self._probes:
            self._forget(at)
            self._become(at, f"{self._good} of {self._probes} probes were good", state=Circuit.CLOSED)
        elif self._probes - self._good > PROBES - PROBES_GOOD or self._probes >= PROBES:
            self._open(at, f"of {self._probes} probes {self._probes - self._good} failed and {self._slow} were slow")

    def _open(self, at: Instant, why: str) -> None:
        opened = self.breaker.opened + 1
        # Doubled four times it is past the most.
        length = min(OPEN_MOST, OPEN_FIRST * 2 ** min(opened - 1, 4))
        self._become(at, why, state=Circuit.OPEN, opened=opened, retry_at=Instant(at + length))

    def _forget(self, at: Instant) -> None:
        self._slots.clear()
        self._row = 0
        self._steady_since = at

    def _become(self, at: Instant, why: str, **fields: object) -> None:
        self.breaker = self.breaker.changed(at, why, **fields)


def most_open(providers: int) -> int:
    """Return how many of a skill's providers may be open at a time: half, so that at least one stays."""
    return providers // 2
