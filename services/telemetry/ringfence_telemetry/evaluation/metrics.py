"""What evaluation tells Prometheus."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from ringfence_telemetry.evaluation.consequences import EvaluationEvents


class EvaluationMetrics(Collector):
    """Read when scraped."""

    def __init__(self, events: EvaluationEvents) -> None:
        self._events = events

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        yield CounterMetricFamily(
            "ringfence_telemetry_evaluation_events_untrusted",
            "Evaluation events left out: who reported them may not judge.",
            value=self._events.untrusted,
        )
