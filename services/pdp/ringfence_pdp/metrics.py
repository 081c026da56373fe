"""What the pdp tells Prometheus: what it answers, how current what it knows is, and how the decision log stands.

Read when scraped, from numbers the pdp keeps anyway, so counting costs a decision one addition. Labels are our own
words: effects, reasons, feeds.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.feed_metrics import feed_metrics
from ringfence_kit.feeds import FeedReport

from ringfence_pdp.compile import CompiledBundle
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.policy_state import PolicyState

_PREFIX = "ringfence_pdp"


class Feeds(Protocol):
    """How the feeds stand."""

    def reports(self, now: Instant) -> Sequence[FeedReport]:
        """Return a report of each."""
        ...


class PdpMetrics(Collector):
    """The pdp's own metrics."""

    def __init__(
        self,
        *,
        decisions: Decisions,
        agents: Feeds,
        policy: PolicyState[CompiledBundle],
        log: DecisionLog,
        clock: Clock,
    ) -> None:
        self._decisions = decisions
        self._agents = agents
        self._policy = policy
        self._log = log
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        answered = CounterMetricFamily(f"{_PREFIX}_decisions", "Decisions given.", labels=("effect", "reason"))
        for (effect, reason), count in sorted(self._decisions.counts.items()):
            answered.add_metric((effect.name, reason.name), count)
        yield answered
        yield from feed_metrics(_PREFIX, self._agents.reports(self._clock.now()))
        current = self._policy.current
        yield _gauge("rules", "Rules in force.", current.bundle.rule_count if current.bundle is not None else 0)
        yield _gauge("bundle_refused", "1 while the newest bundle does not decide.", int(bool(self._policy.problem)))
        yield _gauge("kill_switches", "Kill switches engaged.", len(current.kill_switches))
        yield CounterMetricFamily(f"{_PREFIX}_unlogged", "Decisions without an entry.", value=self._log.unlogged)
        spool = self._log.spool
        yield _gauge("log_waiting", "Decisions waiting for telemetry.", spool.undelivered if spool else 0)
        yield _gauge("log_waiting_bytes", "Bytes they take on disk.", spool.used_bytes if spool else 0)


def _gauge(name: str, documentation: str, value: int) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, value=value)
