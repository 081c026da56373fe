"""How one agent did over the last five minutes: calls, failures, and how long they took.

Pure: values in, values out. The rules:

- the window is thirty slots of ten seconds; a call is in the slot in which its span was received, so a sender's clock
  cannot place it, and it counts for no more than the window from then on;
- durations go into a histogram whose buckets grow by 2^(1/32), as OpenTelemetry's exponential histogram of scale 5: a
  quantile is off by 1.1 % at most, whatever the range, and buckets of slots are added and taken away exactly.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis

WINDOW = Millis(5 * MINUTE)
SLOT = Millis(10 * SECOND)
SLOTS = WINDOW // SLOT

_SCALE = 32
"""Buckets in a doubling: 2 to the power of the scale, 5."""
_INSTANTLY = -1
"""The bucket of calls that took less than a microsecond."""


class AgentCall(NamedTuple):
    """One call of an agent, as who called it saw it."""

    agent: str
    """Its name or DID."""
    revision: str
    """As the caller says; empty when it does not."""
    received_at: Instant
    duration_micros: int
    is_error: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a window comes to."""

    calls: int
    errors: int
    latency_p50_micros: int
    latency_p95_micros: int


@dataclass(slots=True)
class _Slot:
    number: int
    calls: int = 0
    errors: int = 0
    buckets: dict[int, int] = field(default_factory=dict)


class HealthWindow:
    """The calls of one agent, or of one revision of it."""

    __slots__ = ("_buckets", "_slots", "calls", "errors")

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque()
        self._buckets: dict[int, int] = {}
        """Of all slots together."""
        self.calls = 0
        self.errors = 0

    def add(self, call: AgentCall) -> None:
        """Count a call that is no older than the window."""
        slot, bucket = self._slot(slot_of(call.received_at)), bucket_of(call.duration_micros)
        for counted in (slot.buckets, self._buckets):
            counted[bucket] = counted.get(bucket, 0) + 1
        slot.calls += 1
        self.calls += 1
        if call.is_error:
            slot.errors += 1
            self.errors += 1

    def forget_before(self, slot: int) -> bool:
        """Drop the slots before number `slot`; say whether a call was among them."""
        before = self.calls
        while self._slots and self._slots[0].number < slot:
            gone = self._slots.popleft()
            self.calls -= gone.calls
            self.errors -= gone.errors
            for bucket, count in gone.buckets.items():
                left = self._buckets[bucket] - count
                if left:
                    self._buckets[bucket] = left
                else:
                    del self._buckets[bucket]
        return self.calls != before

    def figures(self) -> Figures:
        """Return what the window comes to now."""
        ordered = sorted(self._buckets.items())
        return Figures(
            calls=self.calls,
            errors=self.errors,
            latency_p50_micros=_quantile(ordered, _rank(self.calls, 50)),
            latency_p95_micros=_quantile(ordered, _rank(self.calls, 95)),
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


def bucket_of(micros: int) -> int:
    """Return the bucket a duration falls into."""
    return _INSTANTLY if micros < 1 else math.floor(math.log2(micros) * _SCALE)


def middle_of(bucket: int) -> int:
    """Return the duration that stands for a bucket: the geometric middle, off by 1.1 % at most."""
    return 0 if bucket == _INSTANTLY else round(2 ** ((bucket + 0.5) / _SCALE))


def _rank(calls: int, percent: int) -> int:
    """Return which call, counted from the fastest, is the quantile (nearest rank)."""
    return -(-calls * percent // 100)


def _quantile(ordered: list[tuple[int, int]], rank: int) -> int:
    for bucket, count in ordered:
        rank -= count
        if rank <= 0:
            return middle_of(bucket)
    return 0
