"""What a scrape sees of the calls that were counted."""

from prometheus_client.parser import text_string_to_metric_families
from ringfence_kit.metrics import Metrics


def scraped(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of calls, read back from the text."""
    text = metrics.render()[0].decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("ringfence_")
    }


def labels(**known: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(known.items()))


CHECK = {"service": "pdp", "method": "Check"}


def test_calls_are_told_by_code_and_refusals_by_reason() -> None:
    metrics = Metrics()
    meter = metrics.meter("pdp", "Check", is_stream=False)
    for code, reason in (("OK", ""), ("OK", ""), ("INVALID_ARGUMENT", "INVALID_REQUEST")):
        meter.begin()
        meter.end(code, reason, 0.001)
    told = scraped(metrics)
    assert told["ringfence_calls_total", labels(**CHECK, code="OK")] == 2
    assert told["ringfence_calls_total", labels(**CHECK, code="INVALID_ARGUMENT")] == 1
    assert told["ringfence_refusals_total", labels(service="pdp", reason="INVALID_REQUEST")] == 1


def test_times_are_told_in_buckets_that_hold_all_below_them() -> None:
    metrics = Metrics()
    meter = metrics.meter("pdp", "Check", is_stream=False)
    for seconds in (0.0005, 0.0007, 0.3, 99.0):
        meter.begin()
        meter.end("OK", "", seconds)
    told = scraped(metrics)

    def within(bound: str) -> float:
        return told["ringfence_call_seconds_bucket", labels(**CHECK, le=bound)]

    bounds = ("0.0005", "0.001", "0.25", "0.5", "30.0", "+Inf")
    assert [within(bound) for bound in bounds] == [1, 2, 2, 3, 3, 4]
    assert told["ringfence_call_seconds_count", labels(**CHECK)] == 4
    assert told["ringfence_call_seconds_sum", labels(**CHECK)] == 0.0005 + 0.0007 + 0.3 + 99.0


def test_calls_in_progress_are_told_for_the_service_and_streams_for_the_method() -> None:
    metrics = Metrics()
    metrics.meter("pdp", "Check", is_stream=False).begin()
    watch = metrics.meter("pdp", "Watch", is_stream=True)
    for _ in range(3):
        watch.begin()
    watch.end("OK", "", 60.0)
    told = scraped(metrics)
    assert told["ringfence_calls_in_flight", labels(service="pdp")] == 3
    assert told["ringfence_streams_open", labels(service="pdp", method="Watch")] == 2
    assert not any(name.startswith("ringfence_call_seconds") and ("method", "Watch") in of for name, of in told)


def test_one_method_on_two_ports_is_counted_once() -> None:
    metrics = Metrics()
    for _ in range(2):
        meter = metrics.meter("telemetry", "unknown", is_stream=True)
        meter.begin()
        meter.end("UNIMPLEMENTED", "METHOD_UNKNOWN", 0.1)
    told = scraped(metrics)
    assert told["ringfence_calls_total", labels(service="telemetry", method="unknown", code="UNIMPLEMENTED")] == 2
