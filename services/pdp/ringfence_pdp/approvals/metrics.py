"""What the pdp tells Prometheus of approvals."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ringfence_pdp.approvals.approval import State
from ringfence_pdp.approvals.desk import ApprovalDesk

_PREFIX = "ringfence_pdp"


class ApprovalMetrics(Collector):
    """Read when scraped. Labels are our own words: states."""

    def __init__(self, desk: ApprovalDesk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        became = CounterMetricFamily(f"{_PREFIX}_approvals", "Approvals that came to a state.", labels=("state",))
        for state in State:
            became.add_metric((state.value,), self._desk.counts[state.value])
        yield became
        votes = self._desk.counts["votes"]
        yield CounterMetricFamily(f"{_PREFIX}_approval_votes", "Votes people cast.", value=votes)
        yield GaugeMetricFamily(
            f"{_PREFIX}_approvals_open", "Approvals that wait.", value=len(list(self._desk.book.open))
        )
