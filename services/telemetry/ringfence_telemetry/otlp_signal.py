"""What kind of data an OTLP request brings. The numbers stand in the ingest log: they never change."""

import enum


class OtlpSignal(enum.IntEnum):
    """A signal of OpenTelemetry."""

    SPANS = 0
    LOGS = 1
    METRICS = 2

    @property
    def label(self) -> str:
        """As OpenTelemetry's own tools call it, in labels and paths."""
        return _LABELS[self]


_LABELS = {OtlpSignal.SPANS: "traces", OtlpSignal.LOGS: "logs", OtlpSignal.METRICS: "metrics"}
