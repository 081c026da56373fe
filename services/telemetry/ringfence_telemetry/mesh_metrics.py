"""What telemetry tells Prometheus of the mesh: what was used, how objectives stand, which breakers are open.

The rules:

- labels are names that operators gave, and words of ours: what senders name is asked for with GetUsage, which has no
  bound on its names that a scraper would have to pay for;
- of more objectives or budgets than `NAMED_MOST` the rest is one number, not left out silently;
- what was used is counted when it is stored, and may go down by what a late span takes back: these are gauges.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from ringfence_kit.clock import HOUR, MINUTE, Clock, Millis

from ringfence_telemetry.breakers.book import BreakerBook
from ringfence_telemetry.breakers.machine import Circuit
from ringfence_telemetry.budgets.board import BudgetBoard
from ringfence_telemetry.health_window import AgentCall
from ringfence_telemetry.slo.book import SloBook
from ringfence_telemetry.slo.standing import Standing
from ringfence_telemetry.usage import ZERO, Counts, UsageChange

NAMED_MOST = 500
"""Objectives, and budgets, that a scrape shows by name."""

_PREFIX = "ringfence_telemetry"


class SaysWhatWasUsed(Protocol):
    """What was rolled up, as far as it matters here."""

    @property
    def change(self) -> UsageChange:
        """What it does to the totals."""
        ...


class UsedTotals:
    """What trusted reporters' spans came to since the start, counted once it is stored.

    It draws as a consequence, in the transaction, and counts as a listener, after it: a transaction that is tried again
    is drawn again and counted once.
    """

    def __init__(self, *, then: Callable[[Sequence[AgentCall]], None]) -> None:
        """`then` hears of the calls as well."""
        self._then = then
        self._drawn: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.tokens: Counter[str] = Counter()
        """By kind."""
        self.cost_nanos: Counter[str] = Counter()
        """By currency."""
        self.unknown_cost_calls = 0

    def draw(self, _tx: object, rolled: SaysWhatWasUsed, _at: object) -> None:
        """Add up what is about to be stored."""
        believed = {key: counts for key, counts in rolled.change.sums().items() if not key.untrusted}
        cost = Counter[str]()
        for key, counts in believed.items():
            if key.currency:
                cost[key.currency] += counts.cost_nanos
        used = Counts._make(map(sum, zip(*believed.values(), strict=True))) if believed else ZERO
        self._drawn = Counter(_kinds(used)), cost

    def stored(self, calls: Sequence[AgentCall]) -> None:
        """Count it: it is stored."""
        self._then(calls)
        used, cost = self._drawn
        self._drawn = Counter(), Counter()
        self.unknown_cost_calls += used.pop(_UNKNOWN, 0)
        self.tokens.update(used)
        self.cost_nanos.update(cost)


class MeshMetrics(Collector):
    """Read when scraped."""

    def __init__(
        self, *, used: UsedTotals, slos: SloBook, breakers: BreakerBook, budgets: BudgetBoard, clock: Clock
    ) -> None:
        self._used = used
        self._slos = slos
        self._breakers = breakers
        self._budgets = budgets
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        yield _gauge("used_tokens", "Tokens used since the start.", "kind", sorted(self._used.tokens.items()))
        yield _gauge("used_cost_nanos", "What it cost.", "currency", sorted(self._used.cost_nanos.items()))
        yield GaugeMetricFamily(
            f"{_PREFIX}_unknown_cost_calls", "Calls without a known price.", value=self._used.unknown_cost_calls
        )
        yield from self._objectives()
        states = Counter(breaker.shown for breaker in self._breakers.all())
        yield _gauge(
            "breakers", "Breakers, by state.", "state", [(state.value.lower(), states[state]) for state in Circuit]
        )
        yield GaugeMetricFamily(f"{_PREFIX}_budgets", "Budgets.", value=len(self._budgets.budgets()))

    def _objectives(self) -> Iterator[Metric]:
        names, now = self._slos.names(), self._clock.now()
        standings = [(name, self._slos.standing(name, now)) for name in names[:NAMED_MOST]]
        left = [(name, float(each.left)) for name, each in standings if each.left is not None]
        yield _gauge("slo_budget_left_ratio", "Share of the error budget that is left.", "slo", left)
        yield _gauge("slo_order", "What the mesh should do: 1 nothing, 7 ask a person.", "slo", _of(standings, _order))
        yield _gauge("slo_bad_events", "Bad events in its window.", "slo", _of(standings, _bad))
        yield _gauge("slo_events", "Events in its window.", "slo", _of(standings, _total))
        burn = GaugeMetricFamily(
            f"{_PREFIX}_slo_burn_rate", "How many times too fast a window uses the budget.", labels=["slo", "window"]
        )
        for name, standing in standings:
            for rate in standing.rates:
                if rate.long is not None:
                    burn.add_metric([name, _spelled(rate.rule.long)], float(rate.long))
        yield burn
        yield GaugeMetricFamily(
            f"{_PREFIX}_slos_unnamed", "Objectives that a scrape does not show.", value=max(0, len(names) - NAMED_MOST)
        )


_UNKNOWN = "unknown cost"


def _kinds(counts: Counts) -> dict[str, int]:
    return {
        "input": counts.input_tokens,
        "output": counts.output_tokens,
        "cache_read": counts.cache_read_tokens,
        "cache_write": counts.cache_write_tokens,
        "reasoning": counts.reasoning_tokens,
        _UNKNOWN: counts.unknown_cost_calls,
    }


def _order(standing: Standing) -> int:
    return int(standing.order)


def _bad(standing: Standing) -> int:
    return standing.tally.bad


def _total(standing: Standing) -> int:
    return standing.tally.total


def _of(standings: Iterable[tuple[str, Standing]], value: Callable[[Standing], int]) -> list[tuple[str, int]]:
    return [(name, value(standing)) for name, standing in standings]


def _spelled(window: Millis) -> str:
    return f"{window // HOUR}h" if window % HOUR == 0 else f"{window // MINUTE}m"


def _gauge(name: str, documentation: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, labels=[label])
    for value in values:
        family.add_metric([value[0]], value[1])
    return family
