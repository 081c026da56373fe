"""What Prometheus is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from ringfence_kit.clock import Instant, ManualClock, Millis
from ringfence_kit.feeds import FeedReport, FeedState
from ringfence_pdp.filter_metrics import FilterMetrics, ScanCounts
from ringfence_pdp.filters.finding import Action, Kind, Severity
from ringfence_pdp.metrics import PdpMetrics
from support.pdp.desk import Desk
from support.pdp.world import NOW, ask


@dataclass
class Feeds:
    """How feeds stand, as a test says."""

    told: list[FeedReport] = field(default_factory=list)

    def reports(self, now: Instant) -> Sequence[FeedReport]:
        return self.told


def scraped(desk: Desk, feeds: Feeds) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(
        PdpMetrics(decisions=desk.decisions, agents=feeds, policy=desk.policy, log=desk.log, clock=ManualClock(NOW))
    )
    lines = generate_latest(registry).decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


async def test_answers_and_what_waits_are_told() -> None:
    desk = Desk()
    desk.check()
    desk.check(ask(action="delete_table"))
    told = scraped(desk, Feeds())
    assert told['ringfence_pdp_decisions_total{effect="ALLOW",reason="ALLOWED"}'] == 1
    assert told['ringfence_pdp_decisions_total{effect="DENY",reason="NO_MATCH"}'] == 1
    assert told["ringfence_pdp_log_waiting"] == 2
    assert told["ringfence_pdp_log_waiting_bytes"] > 0
    assert told["ringfence_pdp_unlogged_total"] == 0


async def test_a_full_log_is_told() -> None:
    desk = Desk()
    desk.tray.full = True
    desk.check()
    assert scraped(desk, Feeds())["ringfence_pdp_unlogged_total"] == 1


def test_a_cut_feed_is_told_with_its_age() -> None:
    report = FeedReport(name="identity", state=FeedState.CUT, age=Millis(17_500), revision=9, problem="")
    never = FeedReport(name="registry", state=FeedState.CONNECTING, age=None, revision=0, problem="")
    told = scraped(Desk(), Feeds([report, never]))
    assert told['ringfence_pdp_feed_state{feed="identity",state="cut"}'] == 1
    assert told['ringfence_pdp_feed_state{feed="identity",state="live"}'] == 0
    assert told['ringfence_pdp_feed_age_seconds{feed="identity"}'] == 17.5
    assert told['ringfence_pdp_feed_revision{feed="identity"}'] == 9
    assert 'ringfence_pdp_feed_age_seconds{feed="registry"}' not in told


def test_what_filters_find_is_told_by_kind_and_action() -> None:
    scans = ScanCounts()
    scans.scanned(Severity.HIGH, 0.25)
    scans.scanned(None, 0.5)
    registry = CollectorRegistry()
    registry.register(FilterMetrics(scans, {(Kind.RULE, Action.DENY): 3, (Kind.FAILURE, Action.FLAG): 1}))
    told = registry.get_sample_value
    assert told("ringfence_pdp_filter_findings_total", {"kind": "rule", "action": "deny"}) == 3
    assert told("ringfence_pdp_filter_findings_total", {"kind": "failure", "action": "flag"}) == 1
    assert told("ringfence_pdp_scans_total", {"severity": "high"}) == 1
    assert told("ringfence_pdp_scans_total", {"severity": "none"}) == 1
    assert told("ringfence_pdp_scans_total", {"severity": "low"}) == 0
    assert (told("ringfence_pdp_scan_seconds_count"), told("ringfence_pdp_scan_seconds_sum")) == (2, 0.75)
