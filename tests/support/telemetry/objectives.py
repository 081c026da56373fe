"""Objectives for tests, and counts to hold against them."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ringfence_kit.clock import EPOCH
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.ratios import Ratio
from ringfence_telemetry.slo.windows import Change, Windows

A, B, C = (f"did:web:agents.example:{each}" for each in "abc")

OBJECTIVE = Objective(
    name="slos/checkout",
    agent=A,
    target=Ratio(99, 100),
    created_at=EPOCH,
    updated_at=EPOCH,
    counted_from=EPOCH,
)
"""99 % in 30 days."""


def objective(target: str = "0.99", **changes: Any) -> Objective:
    """Return an objective with these changes."""
    return replace(OBJECTIVE, target=Ratio.of(Fraction(target)), **changes)


def a_month_of(bad_in: Callable[[int], int], *, first: int, minutes: int, start: int, per_minute: int = 100) -> Windows:
    """Return a month of good minutes before minute `start`, then `minutes` of which `bad_in` says how many are bad."""
    windows = Windows()
    for minute in range(first, start):
        windows.add(Change(minute, good=per_minute))
    for number in range(1, minutes + 1):
        count_minute(windows, start + number - 1, bad=bad_in(number), per_minute=per_minute)
    return windows


def count_minute(windows: Windows, minute: int, *, bad: int, per_minute: int = 100, agent: str = B) -> None:
    """Count one minute of events."""
    windows.add(Change(minute, good=per_minute - bad))
    if bad:
        windows.add(Change(minute, agent, bad=bad, errors=bad, witnessed=bad))
