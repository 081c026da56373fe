"""An agent instrumented by `ringfence.telemetry`, whose spans stay here."""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from ringfence.channel import open_channel
from ringfence.telemetry.instrumentation import Instrumentation
from ringfence.telemetry.span_export import SpanExport
from ringfence.telemetry.work_labels import LabelSpans, WorkLabels

NOWHERE = "127.0.0.1:1"


class Instrumented:
    """The instrumentation, and every span that ended."""

    def __init__(self, agent: str = "", *, speaks_for_others: bool = False, **labels: str) -> None:
        self._kept = InMemorySpanExporter()
        defaults = WorkLabels(agent=agent, **labels)
        provider = TracerProvider()
        provider.add_span_processor(LabelSpans(defaults))
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.telemetry = Instrumentation(
            provider,
            SpanExport(open_channel(NOWHERE)),
            defaults,
            version="1.2.0",
            speaks_for_others=speaks_for_others,
        )

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """All that ended, in that order."""
        return self._kept.get_finished_spans()

    def only(self) -> ReadableSpan:
        """Return the one there is."""
        (span,) = self.spans
        return span

    def stated(self, name: str) -> dict[str, Any]:
        """Return what the span of this name states."""
        (span,) = (one for one in self.spans if one.name == name)
        return dict(span.attributes or {})
