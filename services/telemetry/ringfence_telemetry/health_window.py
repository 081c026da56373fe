"""How one agent did over the last five minutes: calls, failures, and how long they took.

Pure: values in, values out. The rules:

- the window is thirty slots of ten seconds; a call is in the slot in which its span was received, so a sender's clock
  cannot place it, and it counts for no more than the window from then on;
- durations go into a histogram (`durations.py`), and those of slots are added and taken away exactly.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis

from ringfence_telemetry.durations import bucket_of, merge, quantiles

WINDOW = Millis(5 * MINUTE)
SLOT = Millis(10 * SECOND)
SLOTS = WINDOW // SLOT


class AgentCall(NamedTuple):
    """One call of an agent, as who called it saw it."""

    agent: str
    """Its name or DID."""
    revision: str
    """As the caller says; empty when it does not."""
    received_at: Instant
    duration_micros: int
    is_error: bool
    skill: str = ""
    """What it was asked to do; empty when the caller names no skill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a window comes to."""

    calls: int
    errors: int
    latency_p50_micros: int
    latency_p95_micros: int
    latency_p99_micros: int = 0
    slow: int = 0
    """Calls that took longer than was promised."""


@dataclass(slots=True)
class _Slot:
    number: int
    calls: int = 0
    errors: int = 0
    slow: int = 0
    buckets: dict[int, int] = field(default_factory=dict)


class HealthWindow:
    """The calls of one agent, or of one revision or skill of it."""

    __slots__ = ("_buckets", "_slots", "calls", "errors", "slow")

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque()
        self._buckets: dict[int, int] = {}
        """Of all slots together."""
        self.calls = 0
        self.errors = 0
        self.slow = 0

    def add(self, call: AgentCall, *, slow: bool = False) -> None:
        """Count a call that is no older than the window."""
        slot, bucket = self._slot(slot_of(call.received_at)), bucket_of(call.duration_micros)
        for counted in (slot.buckets, self._buckets):
            counted[bucket] = counted.get(bucket, 0) + 1
        slot.calls += 1
        self.calls += 1
        if call.is_error:
            slot.errors += 1
            self.errors += 1
        if slow:
            slot.slow += 1
            self.slow += 1

    def forget_before(self, slot: int) -> bool:
        """Drop the slots before number `slot`; say whether a call was among them."""
        before = self.calls
        while self._slots and self._slots[0].number < slot:
            gone = self._slots.popleft()
            self.calls -= gone.calls
            self.errors -= gone.errors
            self.slow -= gone.slow
            merge(self._buckets, {bucket: -count for bucket, count in gone.buckets.items()})
        return self.calls != before

    def figures(self) -> Figures:
        """Return what the window comes to now."""
        half, most, nearly_all = quantiles(self._buckets, (50, 95, 99))
        return Figures(
            calls=self.calls,
            errors=self.errors,
            latency_p50_micros=half,
            latency_p95_micros=most,
            latency_p99_micros=nearly_all,
            slow=self.slow,
        )

    def _slot(self, number: int) -> _Slot:
        # Requests are rolled up in the order they came, but for those of a clock that was set back: they join the last.
        if not self._slots or self._slots[-1].number < number:
            self._slots.append(_Slot(number))
        return self._slots[-1]


def slot_of(at: Instant) -> int:
    """Return the number of the slot an instant lies in."""
    return at // SLOT


def first_slot(now: Instant) -> int:
    """Return the number of the oldest slot that is in the window at `now`."""
    return slot_of(now) - SLOTS + 1
