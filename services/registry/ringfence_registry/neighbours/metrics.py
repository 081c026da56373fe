"""What the registry tells Prometheus of its neighbours: in which state each feed is, and how old what it says."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.feed_metrics import feed_metrics
from ringfence_kit.feeds import FeedReport


class NeighbourMetrics(Collector):
    """The feeds' metrics."""

    def __init__(self, reports: Callable[[Instant], Iterable[FeedReport]], clock: Clock) -> None:
        self._reports = reports
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        return feed_metrics("ringfence_registry", self._reports(self._clock.now()))
