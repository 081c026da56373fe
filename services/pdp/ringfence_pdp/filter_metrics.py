"""What the pdp tells Prometheus of content that was scanned alone, and of findings in answers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from ringfence_pdp.filters.finding import Action, Kind, Severity

_PREFIX = "ringfence_pdp"
NOTHING = "none"

Found: TypeAlias = Mapping[tuple[Kind, Action], int]
"""Findings in answers, by the kind of filter and what became of them."""


class ScanCounts:
    """How scans went since the start."""

    def __init__(self) -> None:
        self.by_severity: Counter[str] = Counter()
        self.seconds = 0.0

    def scanned(self, worst: Severity | None, seconds: float) -> None:
        """Count one scan."""
        self.by_severity[NOTHING if worst is None else worst.word] += 1
        self.seconds += seconds


class FilterMetrics(Collector):
    """Read when scraped. Labels are our own words: kinds, actions, severities."""

    def __init__(self, scans: ScanCounts, found: Found) -> None:
        self._scans = scans
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        found = CounterMetricFamily(
            f"{_PREFIX}_filter_findings", "Findings in answers and what became of them.", labels=("kind", "action")
        )
        for (kind, action), count in sorted(self._found.items()):
            found.add_metric((kind.name.lower(), action.name.lower()), count)
        yield found
        scans = CounterMetricFamily(f"{_PREFIX}_scans", "Scans by the worst that was found.", labels=("severity",))
        for severity in (NOTHING, *(severity.word for severity in Severity)):
            scans.add_metric((severity,), self._scans.by_severity[severity])
        yield scans
        yield SummaryMetricFamily(
            f"{_PREFIX}_scan_seconds",
            "How long scans took.",
            count_value=self._scans.by_severity.total(),
            sum_value=self._scans.seconds,
        )
