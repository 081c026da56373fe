"""Limits as policies write them: a rate, which fills all the time, or a budget, which fills when its window ends.

Everything is a whole number, shares included, so that what is left is exact and the same on every machine.
"""

import enum
from dataclasses import dataclass

from ringfence_kit.clock import Millis


class LimitUnit(enum.IntEnum):
    """What a limit counts; the numbers are those of `ringfence.pdp.v1.LimitUnit`."""

    REQUESTS = 1
    TOKENS = 2
    COST_MICROS = 3

    @property
    def word(self) -> str:
        """The unit as answers write it."""
        return self.name.lower()


class LimitPer(enum.IntEnum):
    """For whom a limit counts; the numbers are those of `ringfence.pdp.v1.LimitPer`."""

    AGENT = 1
    NAMESPACE = 2
    TEAM = 3
    TOOL = 4
    SESSION = 5
    EVERYTHING = 6
    ORIGIN = 7

    @property
    def word(self) -> str:
        """Whom it counts for, as policies write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A share of a limit whose crossing is told."""

    share: float
    """As it was written, e.g. 0.8; only to be shown."""
    used: int
    """The least use that crosses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit: of one unit, for one kind of key."""

    name: str
    """Unique in its policy. A budget of several units is several limits, called `name.unit`."""
    budget: bool
    """Whether it fills at once when its window ends, aligned to the epoch, or all the time."""
    unit: LimitUnit
    per: LimitPer
    maximum: int
    """How much there is in a window."""
    window: Millis
    burst: int
    """How much of a rate may be used at once; of a budget, all."""
    alerts: tuple[Alert, ...] = ()
    """Ascending."""
