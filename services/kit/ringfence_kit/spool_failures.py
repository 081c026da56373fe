"""What a producer of a spool hears when an item is not taken, or not kept."""

from ringfence_kit.errors import Unavailable
from ringfence_kit.spool_log import SpoolError


class SpoolFull(Unavailable):
    """What was not delivered yet has reached the bound, so nothing more is taken."""

    def __init__(self, *, used_bytes: int, max_bytes: int) -> None:
        super().__init__(problem=f"its spool is full ({used_bytes} of {max_bytes} bytes) until the receiver takes more")
        self.used_bytes = used_bytes
        self.max_bytes = max_bytes


class SpoolUnwritable(Unavailable):
    """The disk does not take the item, or does not say that it keeps it."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem=f"its spool cannot be written: {problem}")


class SpoolItemError(SpoolError):
    """The producer handed in something no spool takes: a defect, not a condition."""
