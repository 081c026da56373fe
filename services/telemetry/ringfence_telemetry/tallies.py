"""What became of the items of one signal."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Tally:
    """Items that were worked off, by what became of them."""

    rolled_up: int = 0
    duplicates: int = 0
    """There before. Log records and data points have no identity: none of them is one."""
    rejected: int = 0

    def add(self, other: "Tally") -> None:
        """Count `other` in."""
        self.rolled_up += other.rolled_up
        self.duplicates += other.duplicates
        self.rejected += other.rejected
