"""Prometheus metrics of calls, the same for every service, and the registry for what a service adds of its own.

The rules:

- labels take values we choose (service, method, code, reason), never what a caller sends: an unknown method is counted
  as `unknown`, so nobody can fill our memory with names;
- what happens on every call is a plain number in a `MethodMeter`, made into metrics when somebody scrapes: a locked
  counter for each costs more than looking up who calls.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class MethodMeter:
    """Counts the calls of one method. Used on the event loop alone."""

    __slots__ = ("by_code", "by_reason", "in_flight", "is_stream", "method", "seconds", "service", "within")

    def __init__(self, service: str, method: str, *, is_stream: bool) -> None:
        self.service = service
        self.method = method
        self.is_stream = is_stream
        self.in_flight = 0
        self.by_code: dict[str, int] = {}
        self.by_reason: dict[str, int] = {}
        self.seconds = 0.0
        """All of them together."""
        self.within = [0] * (len(LATENCY_BUCKETS) + 1)
        """Calls by the first of `LATENCY_BUCKETS` they were answered within; the last is for those that took longer."""

    def begin(self) -> None:
        """Count a call that has come in."""
        self.in_flight += 1

    def end(self, code: str, reason: str, seconds: float) -> None:
        """Count a call that has been answered with a status code and, if it was refused, a reason."""
        self.in_flight -= 1
        self.by_code[code] = self.by_code.get(code, 0) + 1
        if not self.is_stream:
            self.seconds += seconds
            self.within[bisect_left(LATENCY_BUCKETS, seconds)] += 1
        if reason:
            self.by_reason[reason] = self.by_reason.get(reason, 0) + 1


class FastPort(Protocol):
    """What a port served by libnghttp2 says of itself."""

    @property
    def connections(self) -> int:
        """Connections that are open."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """Connections and calls that were sent away, by why: words of ours."""
        ...


class Metrics:
    """The registry of a process. Services add their own metrics to `registry`, named `ringfence_<service>_…`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._meters: dict[tuple[str, str], MethodMeter] = {}
        self.registry.register(_Calls(self._meters))
        self._fast_ports: dict[str, FastPort] = {}
        self.registry.register(_FastPorts(self._fast_ports))
        self._ready = Gauge("ringfence_ready", "1 while the service can work.", ("service",), registry=self.registry)

    def meter(self, service: str, method: str, *, is_stream: bool) -> MethodMeter:
        """Return the meter of one method (`ringfence.pdp.v1.DecisionService/Check`): the same one however often."""
        found = self._meters.get((service, method))
        if found is None:
            found = self._meters[service, method] = MethodMeter(service, method, is_stream=is_stream)
        return found

    def show_fast_port(self, service: str, port: FastPort) -> None:
        """Show how the fast port of a service fares, from now on."""
        self._fast_ports[service] = port

    def set_ready(self, service: str, *, ready: bool) -> None:
        """Record whether a service can work."""
        self._ready.labels(service).set(ready)

    def render(self, of_workers: Mapping[str, str] = MappingProxyType({})) -> tuple[bytes, str]:
        """Return what a scrape is answered, and its content type. `of_workers`: what others rendered, by name."""
        if not of_workers:
            return generate_latest(self.registry), CONTENT_TYPE_LATEST
        together = CollectorRegistry(auto_describe=False)
        together.register(_Together(self.registry, of_workers))
        return generate_latest(together), CONTENT_TYPE_LATEST


class _Calls(Collector):
    """What the meters hold, when it is scraped."""

    def __init__(self, meters: dict[tuple[str, str], MethodMeter]) -> None:
        self._meters = meters

    def collect(self) -> Iterator[Metric]:
        """Give each metric with all its labels."""
        calls = CounterMetricFamily("ringfence_calls", "Calls answered.", labels=("service", "method", "code"))
        seconds = HistogramMetricFamily(
            "ringfence_call_seconds", "Time to answer a call that is not a stream.", labels=("service", "method")
        )
        streams = GaugeMetricFamily("ringfence_streams_open", "Streams in progress.", labels=("service", "method"))
        refused: Counter[tuple[str, str]] = Counter()
        in_flight: Counter[str] = Counter()
        for meter in list(self._meters.values()):
            labels = (meter.service, meter.method)
            in_flight[meter.service] += meter.in_flight
            for code, count in meter.by_code.items():
                calls.add_metric((*labels, code), count)
            for reason, count in meter.by_reason.items():
                refused[meter.service, reason] += count
            if meter.is_stream:
                streams.add_metric(labels, meter.in_flight)
            else:
                seconds.add_metric(labels, buckets=_cumulative(meter.within), sum_value=meter.seconds)
        yield calls
        refusals = CounterMetricFamily("ringfence_refusals", "Calls refused, by reason.", labels=("service", "reason"))
        for refusal, count in sorted(refused.items()):
            refusals.add_metric(refusal, count)
        yield refusals
        yield seconds
        flying = GaugeMetricFamily("ringfence_calls_in_flight", "Calls in progress.", labels=("service",))
        for service, count in sorted(in_flight.items()):
            flying.add_metric((service,), count)
        yield flying
        yield streams


class _Together(Collector):
    """What a process counts, and what its workers do with their names as label `worker`: each metric once."""

    def __init__(self, own: CollectorRegistry, of_workers: Mapping[str, str]) -> None:
        self._own = own
        self._of_workers = of_workers

    def collect(self) -> Iterator[Metric]:
        """Give each metric with the samples of all."""
        together: dict[str, Metric] = {}

        def same(metric: Metric) -> Metric:
            return together.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))

        for metric in self._own.collect():
            same(metric).samples += metric.samples
        for worker, text in self._of_workers.items():
            for metric in text_string_to_metric_families(text):
                same(metric).samples += (
                    sample._replace(labels={**sample.labels, "worker": worker}) for sample in metric.samples
                )
        yield from together.values()


class _FastPorts(Collector):
    """How fast ports fare, when it is scraped."""

    def __init__(self, ports: dict[str, FastPort]) -> None:
        self._ports = ports

    def collect(self) -> Iterator[Metric]:
        """Give each metric with all its labels; nothing without a fast port."""
        if not self._ports:
            return
        connections = GaugeMetricFamily(
            "ringfence_fast_port_connections", "Connections to the fast port.", labels=("service",)
        )
        sent_away = CounterMetricFamily(
            "ringfence_fast_port_sent_away", "Calls and connections sent away, by why.", labels=("service", "why")
        )
        for service, port in self._ports.items():
            connections.add_metric((service,), port.connections)
            for why, count in sorted(port.counts.items()):
                sent_away.add_metric((service, why), count)
        yield connections
        yield sent_away


def _cumulative(within: list[int]) -> list[tuple[str, float]]:
    """Return the buckets as Prometheus counts them: each with all below it."""
    total, buckets = 0, []
    for bound, count in zip((*map(repr, LATENCY_BUCKETS), "+Inf"), within, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
