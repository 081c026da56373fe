"""What telemetry tells Prometheus: every term of the loss equation, and how far work is behind.

Read when scraped, from the numbers the service keeps anyway; no label takes a value a sender chose.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ringfence_telemetry.admission import Admission
from ringfence_telemetry.health_board import HealthBoard
from ringfence_telemetry.ingest import Ingest
from ringfence_telemetry.labels import LabelBook
from ringfence_telemetry.roll_up import RollUp
from ringfence_telemetry.signal_delivery import SignalDelivery

_PREFIX = "ringfence_telemetry"


class TelemetryMetrics(Collector):
    """Telemetry's own metrics."""

    def __init__(
        self,
        *,
        ingest: Ingest,
        admission: Admission,
        roll_up: RollUp,
        labels: LabelBook,
        delivery: SignalDelivery,
        health: HealthBoard,
    ) -> None:
        self._ingest = ingest
        self._admission = admission
        self._roll_up = roll_up
        self._labels = labels
        self._delivery = delivery
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        counts, signals = self._ingest.counts, self._delivery.counts
        yield _counter("spans_received", "Spans that came; acknowledged + refused + rejected.", counts.received)
        yield _counter("spans_acknowledged", "Spans accepted; rolled up + duplicate + pending.", counts.acknowledged)
        yield _counter("spans_refused", "Spans whose senders were asked to come again.", counts.refused)
        yield _counter("spans_rejected", "Items that are no spans.", counts.rejected)
        yield _counter("spans_rolled_up", "Spans in the totals.", counts.rolled_up)
        yield _counter("spans_duplicate", "Spans that were in the totals before.", counts.duplicates)
        yield _gauge("spans_pending", "Spans accepted and not yet in the totals.", counts.pending)
        yield _counter("malformed_values", "Token counts that could not be believed.", counts.malformed_values)
        yield _counter("labels_overflowed", "Names folded: too many of one reporter.", self._labels.overflowed)
        yield _gauge("damaged_bytes", "Bytes of the ingest log found damaged at the start.", counts.damaged_bytes)
        yield _gauge("queue_spans", "Spans in the ingest queue.", self._admission.items)
        yield _gauge("queue_bytes", "Bytes of the requests in the ingest queue.", self._admission.bytes)
        yield _gauge("open_spans", "Spans of traces in memory.", self._roll_up.spans_open)
        yield _gauge("signals_pending", "Trust signals waiting for identity.", signals.pending)
        yield _counter("signals_delivered", "Trust signals identity has answered for.", signals.delivered)
        yield _counter("signals_unreadable", "Trust signals identity could not read; set aside.", signals.unreadable)
        yield _gauge("health_agents", "Agents and revisions whose health is known.", self._health.agents)
        yield _gauge("health_watchers", "Streams of health.", self._health.watchers)
        yield _counter("health_overflowed", "Calls of agents beyond the bound.", self._health.overflowed)


def _counter(name: str, documentation: str, value: int) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}_{name}", documentation, value=value)


def _gauge(name: str, documentation: str, value: int) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, value=value)
