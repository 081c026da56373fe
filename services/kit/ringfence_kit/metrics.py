"""What Prometheus is told about calls, streams and readiness, for all services of a process in one registry.

The rules:

- labels take values we choose (service, method, code, reason), never what a caller sends: an unknown method is counted
  as `unknown`, so nobody can fill our memory with names;
- what happens on every call is looked up once and kept: `MethodMeter` holds the children of its own labels.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; from a decision out of memory to a slow commit."""


class Metrics:
    """The registry of a process. Services add their own metrics to `registry`, named `ringfence_<service>_…`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._calls = Counter(
            "ringfence_calls", "Calls answered.", ("service", "method", "code"), registry=self.registry
        )
        self._refusals = Counter(
            "ringfence_refusals", "Calls refused, by reason.", ("service", "reason"), registry=self.registry
        )
        self._seconds = Histogram(
            "ringfence_call_seconds",
            "Time to answer a call that is not a stream.",
            ("service", "method"),
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._in_flight = Gauge("ringfence_calls_in_flight", "Calls in progress.", ("service",), registry=self.registry)
        self._streams = Gauge(
            "ringfence_streams_open", "Streams in progress.", ("service", "method"), registry=self.registry
        )
        self._ready = Gauge("ringfence_ready", "1 while the service can work.", ("service",), registry=self.registry)

    def meter(self, service: str, method: str, *, is_stream: bool) -> "MethodMeter":
        """Return the meter of one method (`ringfence.pdp.v1.PolicyDecisionService/Check`)."""
        return MethodMeter(
            service,
            method,
            calls=self._calls,
            refusals=self._refusals,
            seconds=None if is_stream else self._seconds.labels(service, method),
            in_flight=self._in_flight.labels(service),
            streams=self._streams.labels(service, method) if is_stream else None,
        )

    def set_ready(self, service: str, *, ready: bool) -> None:
        """Record whether a service can work."""
        self._ready.labels(service).set(ready)

    def render(self) -> tuple[bytes, str]:
        """Return what a scrape is answered, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class MethodMeter:
    """Counts the calls of one method."""

    __slots__ = (
        "_by_code",
        "_by_reason",
        "_calls",
        "_in_flight",
        "_method",
        "_refusals",
        "_seconds",
        "_service",
        "_streams",
    )

    def __init__(
        self,
        service: str,
        method: str,
        *,
        calls: Counter,
        refusals: Counter,
        seconds: Histogram | None,
        in_flight: Gauge,
        streams: Gauge | None,
    ) -> None:
        self._service = service
        self._method = method
        self._calls = calls
        self._refusals = refusals
        self._seconds = seconds
        self._in_flight = in_flight
        self._streams = streams
        self._by_code: dict[str, Counter] = {}
        self._by_reason: dict[str, Counter] = {}

    def begin(self) -> None:
        """Count a call that has come in."""
        self._in_flight.inc()
        if self._streams is not None:
            self._streams.inc()

    def end(self, code: str, reason: str, seconds: float) -> None:
        """Count a call that has been answered with a status code and, if it was refused, a reason."""
        self._in_flight.dec()
        if self._streams is not None:
            self._streams.dec()
        if self._seconds is not None:
            self._seconds.observe(seconds)
        counter = self._by_code.get(code)
        if counter is None:
            counter = self._by_code[code] = self._calls.labels(self._service, self._method, code)
        counter.inc()
        if reason:
            self._refuse(reason)

    def _refuse(self, reason: str) -> None:
        counter = self._by_reason.get(reason)
        if counter is None:
            counter = self._by_reason[reason] = self._refusals.labels(self._service, reason)
        counter.inc()
