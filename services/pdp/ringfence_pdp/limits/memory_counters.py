"""Counters in memory: those of one pdp, gone with its process.

A slot is kept while it says anything: until a rate is drained, or a window over. What is forgotten moves a floor under
the clock, so that one that is set back does not find the forgotten windows open.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_kit.clock import EPOCH, Instant, Millis

from ringfence_pdp.limit import Limit
from ringfence_pdp.limits import gcra
from ringfence_pdp.limits.counters import Charge, Meter, Receipt, Refusal, Reservation, Status

KEYS_MAX = 100_000
KEYS_OF_ONE_MAX = 1_000
"""Keys one agent may make: sessions are its own to name."""

_SWEPT_AT_LEAST = 1_024

_Place: TypeAlias = tuple[str, str, int, int]


@dataclass(slots=True)
class _Slot:
    """What is kept of a meter. A rate uses `mark` alone."""

    limit: Limit
    owner: str
    mark: int
    """Of a rate, when it is drained; of a budget, when its window began."""
    used: int
    ends: Instant
    """When it says nothing any more."""


class MemoryCounters:
    """`Counters` of one process."""

    def __init__(self, *, keys_max: int = KEYS_MAX, keys_of_one_max: int = KEYS_OF_ONE_MAX) -> None:
        self._slots: dict[_Place, _Slot] = {}
        self._owned: Counter[str] = Counter()
        self._keys_max = keys_max
        self._keys_of_one_max = keys_of_one_max
        self._sweep_at = min(_SWEPT_AT_LEAST, keys_max)
        self._floor = EPOCH

    def __len__(self) -> int:
        """Return how many keys are counted."""
        return len(self._slots)

    def reserve(self, charges: Sequence[Charge], now: Instant) -> Reservation | Refusal:
        """See `Counters`."""
        now = max(now, self._floor)
        planned: list[_Slot] = []
        refusals: list[Refusal] = []
        fresh: Counter[str] = Counter()
        for charge in charges:
            slot = self._slots.get(_place(charge.meter))
            if slot is None:
                fresh[charge.owner] += 1
            after = _charged(slot, charge, now)
            if after is None:
                refusals.append(_refusal(slot, charge, now))
            else:
                planned.append(after)
        if refusals:
            return max(refusals, key=_longest)
        if fresh and not self._has_room(fresh, now):
            return Refusal(status=_status(None, charges[0].meter, now), retry_after=None, crowded=True)
        for charge, after in zip(charges, planned, strict=True):
            place = _place(charge.meter)
            if place not in self._slots:
                self._owned[charge.owner] += 1
            self._slots[place] = after
        return Reservation(
            receipts=tuple(Receipt(charge, after.mark) for charge, after in zip(charges, planned, strict=True)),
            statuses=tuple(_status(after, charge.meter, now) for charge, after in zip(charges, planned, strict=True)),
        )

    def refund(self, reservation: Reservation, now: Instant) -> None:
        """See `Counters`."""
        now = max(now, self._floor)
        for charge, mark in reservation.receipts:
            slot = self._slots.get(_place(charge.meter))
            if slot is None:
                continue
            if not slot.limit.budget:
                slot.mark = gcra.refunded(slot.limit, slot.mark, ends=mark, amount=charge.amount, now=now)
                slot.ends = gcra.whole_at(slot.limit, slot.mark)
            elif slot.mark == mark:
                slot.used -= charge.amount

    def status(self, meter: Meter, now: Instant) -> Status:
        """See `Counters`."""
        return _status(self._slots.get(_place(meter)), meter, max(now, self._floor))

    def _has_room(self, fresh: Counter[str], now: Instant) -> bool:
        if len(self._slots) + fresh.total() > self._sweep_at or self._crowds(fresh):
            self._forget(now)
        return len(self._slots) + fresh.total() <= self._keys_max and not self._crowds(fresh)

    def _crowds(self, fresh: Counter[str]) -> bool:
        return any(self._owned[owner] + count > self._keys_of_one_max for owner, count in fresh.items())

    def _forget(self, now: Instant) -> None:
        """Forget what says nothing any more. Every sweep waits for twice as many keys as the last one left."""
        over = [place for place, slot in self._slots.items() if slot.ends <= now]
        for place in over:
            owner = self._slots.pop(place).owner
            self._owned[owner] -= 1
            if not self._owned[owner]:
                del self._owned[owner]
        if over:
            self._floor = max(self._floor, now)
        self._sweep_at = min(max(2 * len(self._slots), _SWEPT_AT_LEAST), self._keys_max)


def _place(meter: Meter) -> _Place:
    """A budget that is made larger or smaller goes on counting; a rate that is changed begins anew."""
    limit = meter.limit
    return (meter.id, meter.key, limit.window, 0 if limit.budget else limit.maximum)


def _charged(slot: _Slot | None, charge: Charge, now: Instant) -> _Slot | None:
    """Return the slot with the charge, or None when that is too much."""
    meter = charge.meter
    limit = meter.limit
    if not limit.budget:
        drained = gcra.after(limit, gcra.UNUSED if slot is None else slot.mark, charge.amount, now)
        if drained is None:
            return None
        return _Slot(limit, charge.owner, drained, 0, gcra.whole_at(limit, drained))
    began, used, ends = _window(slot, meter, now)
    # A budget that is used up lets nothing through, not even what says that it uses nothing.
    if used >= limit.maximum or used + charge.amount > limit.maximum:
        return None
    return _Slot(limit, charge.owner, began, used + charge.amount, ends)


def _window(slot: _Slot | None, meter: Meter, now: Instant) -> tuple[Instant, int, Instant]:
    """Return when the window that counts at `now` began, what is used of it, and when it ends."""
    if meter.until is not None:
        return EPOCH, 0 if slot is None else slot.used, meter.until
    window = meter.limit.window
    began = now - now % window
    if slot is not None and slot.mark >= began:  # later than now only when the clock was set back
        return Instant(slot.mark), slot.used, Instant(slot.mark + window)
    return Instant(began), 0, Instant(began + window)


def _refusal(slot: _Slot | None, charge: Charge, now: Instant) -> Refusal:
    meter = charge.meter
    limit = meter.limit
    status = _status(slot, meter, now)
    if not limit.budget:
        drained = gcra.UNUSED if slot is None else slot.mark
        return Refusal(status=status, retry_after=gcra.wait(limit, drained, charge.amount, now))
    renewed = meter.until is None and charge.amount <= limit.maximum
    return Refusal(status=status, retry_after=Millis(status.reset_at - now) if renewed else None)


def _status(slot: _Slot | None, meter: Meter, now: Instant) -> Status:
    limit = meter.limit
    if not limit.budget:
        drained = gcra.UNUSED if slot is None else slot.mark
        left = gcra.remaining(limit, drained, now)
        used, began, reset = limit.burst - left, None, max(gcra.whole_at(limit, drained), now)
    else:
        began, used, reset = _window(slot, meter, now)
        left = max(limit.maximum - used, 0)
    alerts = tuple(alert.share for alert in limit.alerts if used >= alert.used) if limit.alerts else ()
    return Status(meter, left, reset, alerts, began)


def _longest(refusal: Refusal) -> tuple[bool, int, bool]:
    """Order refusals by how long they hold: one that never ends last, and of equals the budget."""
    return refusal.retry_after is None, refusal.retry_after or 0, refusal.status.meter.limit.budget
