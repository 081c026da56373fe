"""What the pdp tells Prometheus of classifiers elsewhere, and of the encoder."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ringfence_pdp.classifiers.asking import ANSWERED, REMEMBERED, AskedClassifiers
from ringfence_pdp.classifiers.encoding import Encoding, Outcome
from ringfence_pdp.classifiers.reply import Cause

_PREFIX = "ringfence_pdp_classifier"
_OUTCOMES = (ANSWERED, REMEMBERED, *(cause.value for cause in Cause))


class ClassifierMetrics(Collector):
    """Read when scraped. Labels are names of the configuration and words of our own."""

    def __init__(self, classifiers: AskedClassifiers) -> None:
        self._classifiers = classifiers

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        asked = CounterMetricFamily(f"{_PREFIX}_questions", "Questions and how they went.", labels=("name", "outcome"))
        resting = GaugeMetricFamily(f"{_PREFIX}_resting", "1 while it is not asked.", labels=("name",))
        for name, classifier in self._classifiers.by_name.items():
            for outcome in _OUTCOMES:
                asked.add_metric((name, outcome), classifier.counts[outcome])
            resting.add_metric((name,), int(classifier.breaker.is_open))
        yield asked
        yield resting


class EncoderMetrics(Collector):
    """Read when scraped. Labels are words of our own."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding

    def collect(self) -> Iterator[Metric]:
        """Yield the metric as it stands."""
        asked = CounterMetricFamily(
            "ringfence_pdp_encoder_questions", "Calls in doubt and how reading them again went.", labels=("outcome",)
        )
        for outcome in Outcome:
            asked.add_metric((outcome.value,), self._encoding.counts[outcome.value])
        yield asked
