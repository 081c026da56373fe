"""What a service tells Prometheus of its feeds: state, age and revision of each, under the same names everywhere."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from ringfence_kit.feeds import FeedReport, FeedState


def feed_metrics(prefix: str, reports: Iterable[FeedReport]) -> Iterator[Metric]:
    """Yield the metrics of some feeds; `prefix` is the service's, `ringfence_pdp`."""
    state = GaugeMetricFamily(f"{prefix}_feed_state", "1 for the state a feed is in.", labels=("feed", "state"))
    age = GaugeMetricFamily(f"{prefix}_feed_age_seconds", "Time since a feed was heard.", labels=("feed",))
    revision = GaugeMetricFamily(f"{prefix}_feed_revision", "Revision a feed stands at.", labels=("feed",))
    for report in reports:
        for known in FeedState:
            state.add_metric((report.name, known.value), int(report.state is known))
        if report.age is not None:
            age.add_metric((report.name,), report.age / 1_000)
        revision.add_metric((report.name,), report.revision)
    yield from (state, age, revision)
