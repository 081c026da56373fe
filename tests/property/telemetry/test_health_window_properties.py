"""The sliding window equals what counting every call by hand gives, and its quantiles are near the exact ones."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Instant
from ringfence_telemetry.health_window import (
    SLOT,
    WINDOW,
    AgentCall,
    HealthWindow,
    first_slot,
    slot_of,
)

ERROR = 0.0110
"""Half a bucket: 2^(1/64) - 1, before durations are rounded to whole microseconds."""

DURATIONS = st.integers(0, 24 * 3_600 * 1_000_000)
CALLS = st.lists(st.tuples(st.integers(0, 3 * WINDOW), DURATIONS, st.booleans()), max_size=60).map(
    lambda calls: sorted(calls, key=lambda each: each[0])
)


def window_of(calls: list[tuple[int, int, bool]]) -> HealthWindow:
    window = HealthWindow()
    for at, micros, failed in calls:
        window.add(AgentCall("a", "", Instant(at), micros, failed))
    return window


@given(CALLS, st.integers(0, 2 * WINDOW))
def test_calls_and_failures_are_those_of_the_slots_in_the_window(
    calls: list[tuple[int, int, bool]], later: int
) -> None:
    now = Instant((calls[-1][0] if calls else 0) + later)
    window = window_of(calls)
    window.forget_before(first_slot(now))
    inside = [call for call in calls if slot_of(Instant(call[0])) >= first_slot(now)]
    figures = window.figures()
    assert (figures.calls, figures.errors) == (len(inside), sum(failed for _, _, failed in inside))
    assert all(now - at < WINDOW + SLOT for at, _, _ in inside)
    assert all(at < now - WINDOW + SLOT for at, _, _ in calls if slot_of(Instant(at)) < first_slot(now))


@given(CALLS, st.integers(0, 2 * WINDOW))
def test_forgetting_leaves_what_the_calls_that_stay_would_have_made(
    calls: list[tuple[int, int, bool]], later: int
) -> None:
    now = Instant((calls[-1][0] if calls else 0) + later)
    slid = window_of(calls)
    slid.forget_before(first_slot(now))
    fresh = window_of([call for call in calls if slot_of(Instant(call[0])) >= first_slot(now)])
    assert slid.figures() == fresh.figures()


@given(st.lists(DURATIONS, min_size=1, max_size=200))
def test_quantiles_are_within_half_a_bucket_of_the_exact_ones(durations: list[int]) -> None:
    figures = window_of([(0, micros, False) for micros in durations]).figures()
    ordered = sorted(durations)
    for percent, found in ((50, figures.latency_p50_micros), (95, figures.latency_p95_micros)):
        exact = ordered[-(-len(ordered) * percent // 100) - 1]
        assert abs(found - exact) <= 1 + exact * ERROR
