import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.backoff import Backoff


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(first=1, cap=5, draw=lambda: 1.0)
    assert [backoff.next_wait() for _ in range(5)] == [1, 2, 4, 5, 5]


def test_a_wait_is_never_shorter_than_half_its_ceiling() -> None:
    backoff = Backoff(first=1, cap=5, draw=lambda: 0.0)
    assert [backoff.next_wait() for _ in range(4)] == [0.5, 1, 2, 2.5]


def test_success_begins_anew() -> None:
    backoff = Backoff(first=1, draw=lambda: 1.0)
    backoff.next_wait()
    backoff.next_wait()
    assert backoff.failures == 2
    backoff.reset()
    assert (backoff.failures, backoff.next_wait()) == (0, 1)


def test_what_the_server_asks_for_is_a_floor() -> None:
    backoff = Backoff(first=1, cap=5, draw=lambda: 1.0)
    assert backoff.next_wait(at_least=7) == 7
    assert backoff.next_wait(at_least=0.1) == 2


def test_it_does_not_overflow_however_long_the_outage() -> None:
    backoff = Backoff(draw=lambda: 1.0)
    assert [backoff.next_wait() for _ in range(5_000)][-1] == pytest.approx(10.0)


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 100), st.floats(0, 100))
def test_any_wait_is_between_half_its_ceiling_and_the_larger_of_ceiling_and_floor(
    draw: float, failures: int, floor: float
) -> None:
    backoff = Backoff(draw=lambda: draw)
    for _ in range(failures):
        backoff.next_wait()
    ceiling = min(10.0, 0.1 * 2**failures)
    assert max(floor, ceiling / 2) <= backoff.next_wait(at_least=floor) <= max(floor, ceiling)
