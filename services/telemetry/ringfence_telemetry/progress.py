"""How far an ingest log has been worked off, and what became of the items in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.segment_files import LOG_START, Position
from ringfence_telemetry.tallies import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is stored with the totals, in their transaction."""

    position: Position = LOG_START
    rolled_up: int = 0
    duplicates: int = 0
    rejected: int = 0
    """These three are the spans'."""
    logs: Tally = field(default_factory=Tally)
    metrics: Tally = field(default_factory=Tally)

    def tally(self, signal: OtlpSignal) -> Tally:
        """Return what became of the items of one signal."""
        match signal:
            case OtlpSignal.SPANS:
                return Tally(rolled_up=self.rolled_up, duplicates=self.duplicates, rejected=self.rejected)
            case OtlpSignal.LOGS:
                return self.logs
            case OtlpSignal.METRICS:
                return self.metrics

    def after(self, position: Position, rolled: Mapping[OtlpSignal, Tally]) -> "Progress":
        """Return the progress once `rolled` is counted too, up to `position`."""
        sums = {signal: replace(self.tally(signal)) for signal in OtlpSignal}
        for signal, tally in rolled.items():
            sums[signal].add(tally)
        spans = sums[OtlpSignal.SPANS]
        return Progress(
            position=position,
            rolled_up=spans.rolled_up,
            duplicates=spans.duplicates,
            rejected=spans.rejected,
            logs=sums[OtlpSignal.LOGS],
            metrics=sums[OtlpSignal.METRICS],
        )
