"""The terms of the loss equation, one set a signal.

received = acknowledged + refused + rejected          of every item that came
acknowledged = rolled up + duplicates + pending       of every item that was accepted
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.tallies import Tally


@dataclass(slots=True)
class SignalCounts:
    """What became of a signal's items since the log began; of those that never reached the log, since the start."""

    received: int = 0
    acknowledged: int = 0
    refused: int = 0
    rejected: int = 0
    rolled_up: int = 0
    duplicates: int = 0

    @property
    def pending(self) -> int:
        """Acknowledged and not yet in the totals."""
        return self.acknowledged - self.rolled_up - self.duplicates

    def resume(self, worked_off: Tally, *, queued: int, queued_rejected: int) -> None:
        """Start again from what the store says was worked off, and what the log holds beyond it."""
        self.settle(worked_off)
        self.acknowledged = worked_off.rolled_up + worked_off.duplicates + queued
        self.rejected = worked_off.rejected + queued_rejected
        self.received = self.acknowledged + self.rejected

    def settle(self, worked_off: Tally) -> None:
        """Take over what the store says was worked off."""
        self.rolled_up, self.duplicates = worked_off.rolled_up, worked_off.duplicates


class IngestCounts:
    """The counts of all signals, and what is counted of none in particular."""

    def __init__(self) -> None:
        self.of: Mapping[OtlpSignal, SignalCounts] = {signal: SignalCounts() for signal in OtlpSignal}
        self.malformed_values = 0
        self.damaged_bytes = 0

    @property
    def pending(self) -> int:
        """Items of all signals that are acknowledged and not yet in the totals."""
        return sum(counts.pending for counts in self.of.values())
