"""How much a spool takes and gathers, and who hears what becomes of it."""

from collections.abc import Callable
from dataclasses import dataclass

from ringfence_kit.clock import Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.spool_log import SpoolError


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """Sizes of one spool, in bytes and items."""

    max_bytes: int = 256 * 2**20
    """All files together. Space comes back a segment at a time."""
    segment_bytes: int = 8 * 2**20
    max_item_bytes: int = 2**20
    group_items: int = 1024
    """The most items that share one sync."""
    group_bytes: int = 2**20
    batch_items: int = 500
    """The most items sent at once."""
    batch_bytes: int = 2**20
    gather_batch: Millis = Millis(0)
    """How long a batch that nothing is left behind waits for more before it is sent."""
    recent_bytes: int = 4 * 2**20
    """How much of what is kept also stays in memory until it is delivered."""

    def __post_init__(self) -> None:
        if self.max_bytes < 4 * self.segment_bytes:
            raise SpoolError(f"a spool of {self.max_bytes} bytes needs segments of at most a quarter of that")
        if self.max_item_bytes > self.segment_bytes:
            raise SpoolError(f"items of {self.max_item_bytes} bytes do not fit segments of {self.segment_bytes}")


def _ignore(*_: object) -> None:
    """Listen to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolHooks:
    """What metrics and logs want to hear of. Called on the event loop; must not block."""

    found: Callable[[str], None] = _ignore
    """An item with this id was there when it was opened, delivered or not; in order, and in another thread."""
    repaired: Callable[[int], None] = _ignore
    """Opening cut off this many bytes: a torn end that was never acknowledged."""
    kept: Callable[[int], None] = _ignore
    """This many items became durable."""
    refused: Callable[[Unavailable], None] = _ignore
    """An item was not taken, or not kept."""
    delivered: Callable[[int, Millis], None] = _ignore
    """The receiver took this many items, and the first of them had waited this long."""
    postponed: Callable[[Exception, Millis], None] = _ignore
    """The receiver did not take a batch for this reason; it is sent again after this long."""
