"""A bucket gives its burst, then its rate, per caller and class, and tells how long to wait."""

import pytest
from ringfence_kit.clock import Instant, ManualClock, Millis
from ringfence_kit.errors import QuotaExceeded
from ringfence_kit.grants import MethodClass
from ringfence_kit.quotas import Quotas, Rate


def test_burst_then_rate() -> None:
    clock = ManualClock()
    quotas = Quotas({MethodClass.WRITE: Rate(per_second=2, burst=3)}, clock)
    for _ in range(3):
        quotas.take("ana", MethodClass.WRITE)
    with pytest.raises(QuotaExceeded) as refused:
        quotas.take("ana", MethodClass.WRITE)
    assert refused.value.retry_after == 500
    assert refused.value.metadata == {"principal": "ana", "method_class": "write"}
    clock.advance(Millis(499))
    with pytest.raises(QuotaExceeded):
        quotas.take("ana", MethodClass.WRITE)
    clock.advance(Millis(1))
    quotas.take("ana", MethodClass.WRITE)


def test_callers_and_classes_have_their_own() -> None:
    quotas = Quotas(dict.fromkeys((MethodClass.WRITE, MethodClass.READ), Rate(per_second=1, burst=1)), ManualClock())
    quotas.take("ana", MethodClass.WRITE)
    quotas.take("ana", MethodClass.READ)
    quotas.take("ben", MethodClass.WRITE)
    with pytest.raises(QuotaExceeded):
        quotas.take("ben", MethodClass.WRITE)


def test_a_class_without_a_rate_is_not_limited() -> None:
    quotas = Quotas({}, ManualClock())
    for _ in range(10_000):
        quotas.take("ana", MethodClass.DECIDE)


def test_a_clock_set_back_earns_nothing() -> None:
    clock = ManualClock()
    quotas = Quotas({MethodClass.WRITE: Rate(per_second=1, burst=1)}, clock)
    quotas.take("ana", MethodClass.WRITE)
    clock.set(Instant(clock.now() - 3_600_000))
    with pytest.raises(QuotaExceeded):
        quotas.take("ana", MethodClass.WRITE)


def test_memory_is_bounded_and_the_busy_stay() -> None:
    quotas = Quotas({MethodClass.WRITE: Rate(per_second=1, burst=2)}, ManualClock(), max_buckets=2)
    quotas.take("ana", MethodClass.WRITE)
    for n in range(100):
        quotas.take(f"passer-by {n}", MethodClass.WRITE)
        if n == 0:
            quotas.take("ana", MethodClass.WRITE)
    assert quotas.buckets_held == 2
