"""What the pdp tells Prometheus about policies on their way: the trial, the source, and what is sampled out."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.decision_record import DecisionRecords
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.rollout.trial import Trials
from ringfence_pdp.sources.source import Follower

_PREFIX = "ringfence_pdp"


class RolloutMetrics(Collector):
    """Read when scraped. The counts of a trial begin anew with it."""

    def __init__(
        self,
        policy: PolicyState[CompiledBundle],
        trials: Trials,
        records: DecisionRecords,
        follower: Follower,
    ) -> None:
        self._policy = policy
        self._trials = trials
        self._records = records
        self._follower = follower

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        trial = self._trials.of(self._policy.current)
        flips = None if trial is None else trial.flips
        for name, what, value in (
            ("trial_decisions", "Decisions that the bundle being tried was asked for.", flips and flips.decisions),
            ("trial_flips", "How many of them came out otherwise.", flips and flips.flips),
            ("trial_errors", "In how many a condition of it could not be evaluated.", flips and flips.errors),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", what, value=value or 0)
        aborted = bool(self._policy.rollout.aborted_because)
        yield GaugeMetricFamily(f"{_PREFIX}_trial_aborted", "1 while the last trial ended by itself.", value=aborted)
        yield CounterMetricFamily(
            f"{_PREFIX}_sampled_out", "Allowed calls not logged by choice.", value=self._records.sampled_out
        )
        follower = self._follower
        failing = bool(follower.problem)
        yield GaugeMetricFamily(f"{_PREFIX}_source_failing", "1 while the source is of no use.", value=failing)
        yield CounterMetricFamily(f"{_PREFIX}_source_loads", "Bundles taken from it.", value=follower.loads)
        yield CounterMetricFamily(f"{_PREFIX}_source_failures", "Looks that failed.", value=follower.failures)
