"""What telemetry tells Prometheus: every term of the loss equation, and how far work is behind.

Read when scraped, from the numbers the service keeps anyway; no label takes a value a sender chose.
"""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ringfence_telemetry.admission import Admission
from ringfence_telemetry.forwarding import Forwarder
from ringfence_telemetry.health_board import HealthBoard
from ringfence_telemetry.ingest import Ingest
from ringfence_telemetry.ingest_counts import IngestCounts, SignalCounts
from ringfence_telemetry.labels import LabelBook
from ringfence_telemetry.roll_up import RollUp
from ringfence_telemetry.signal_delivery import SignalDelivery
from ringfence_telemetry.workflows.settler import Settler

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
        forwarder: Forwarder,
        settler: Settler,
    ) -> None:
        self._ingest = ingest
        self._admission = admission
        self._roll_up = roll_up
        self._labels = labels
        self._delivery = delivery
        self._health = health
        self._forwarder = forwarder
        self._settler = settler

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        counts, signals = self._ingest.counts, self._delivery.counts
        yield from _items(counts)
        yield from _forwarded(self._forwarder)
        yield _counter("malformed_values", "Token counts that could not be believed.", counts.malformed_values)
        yield _counter("labels_overflowed", "Names folded: too many of one reporter.", self._labels.overflowed)
        yield _counter(
            "series_overflowed", "Spans in the one series of a namespace with too many.", self._labels.series_overflowed
        )
        yield _gauge("damaged_bytes", "Bytes of the ingest log found damaged at the start.", counts.damaged_bytes)
        yield _gauge("queue_items", "Spans, log records and data points in the ingest queue.", self._admission.items)
        yield _gauge("queue_bytes", "Bytes of the requests in the ingest queue.", self._admission.bytes)
        yield _gauge("open_spans", "Spans of traces in memory.", self._roll_up.spans_open)
        yield _gauge("signals_pending", "Trust signals waiting for identity.", signals.pending)
        yield _counter("signals_delivered", "Trust signals identity has answered for.", signals.delivered)
        yield _counter("signals_put_off", "Deliveries of trust signals that are made again.", signals.put_off)
        yield _counter("signals_unreadable", "Trust signals identity could not read; set aside.", signals.unreadable)
        yield _gauge("health_agents", "Agents and revisions whose health is known.", self._health.agents)
        yield _gauge("health_watchers", "Streams of health.", self._health.watchers)
        yield _counter("traces_settled", "Traces settled, each as often as it was.", self._settler.settled)
        yield _gauge("settling_behind_ms", "How long what was settled last had been due.", self._settler.behind)
        yield _counter("health_overflowed", "Calls of agents beyond the bound.", self._health.overflowed)


_TERMS: tuple[tuple[str, str, Callable[[SignalCounts], int]], ...] = (
    ("received", "Items that came; acknowledged + refused + rejected.", lambda counts: counts.received),
    ("acknowledged", "Items accepted; rolled up + duplicate + pending.", lambda counts: counts.acknowledged),
    ("refused", "Items whose senders were asked to come again.", lambda counts: counts.refused),
    ("rejected", "Items that are none, such as spans without ids.", lambda counts: counts.rejected),
    ("rolled_up", "Items in the totals.", lambda counts: counts.rolled_up),
    ("duplicate", "Items that were in the totals before.", lambda counts: counts.duplicates),
)


def _items(counts: IngestCounts) -> Iterator[Metric]:
    """Yield the terms of the loss equation, by signal."""
    for term, documentation, value in _TERMS:
        family = CounterMetricFamily(f"{_PREFIX}_otlp_{term}_items", documentation, labels=["signal"])
        for signal, of_signal in counts.of.items():
            family.add_metric([signal.label], value(of_signal))
        yield family
    pending = GaugeMetricFamily(
        f"{_PREFIX}_otlp_pending_items", "Items accepted and not yet in the totals.", labels=["signal"]
    )
    for signal, of_signal in counts.of.items():
        pending.add_metric([signal.label], of_signal.pending)
    yield pending


def _forwarded(forwarder: Forwarder) -> Iterator[Metric]:
    """Yield what became of what is sent on."""
    sent = CounterMetricFamily(f"{_PREFIX}_otlp_forwarded_items", "Items a backend has taken.", labels=["signal"])
    lost = CounterMetricFamily(
        f"{_PREFIX}_otlp_forward_lost_items", "Items a backend never took; they are in the totals.", labels=["signal"]
    )
    for signal, counts in forwarder.counts.items():
        sent.add_metric([signal.label], counts.forwarded)
        lost.add_metric([signal.label], counts.lost)
    yield from (sent, lost)
    yield _counter("otlp_forward_retries", "Requests a backend did not take at once.", forwarder.retries)
    yield _gauge("otlp_forward_waiting_bytes", "Bytes of the ingest log no backend has.", forwarder.waiting_bytes)


def _counter(name: str, documentation: str, value: int) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}_{name}", documentation, value=value)


def _gauge(name: str, documentation: str, value: int) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, value=value)
