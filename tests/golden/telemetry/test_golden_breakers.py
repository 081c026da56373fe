"""The worked sequence of a breaker, call by call."""

import pytest
from ringfence_kit.clock import MINUTE, SECOND, Instant
from ringfence_telemetry.breakers.machine import Breaker, Circuit, CircuitMachine, most_open

START = Instant(1_000_000_000)


def machine() -> CircuitMachine:
    return CircuitMachine(Breaker(agent="did:web:a", skill="quote"))


def see(of: CircuitMachine, calls: str, *, at: int = START, slow: bool = False) -> list[Circuit]:
    """Return the states after each of `calls`, half a second apart: F failed, S did not."""
    states = []
    for number, call in enumerate(calls):
        of.saw(at=Instant(at + number * 500), failed=call == "F", slow=slow)
        states.append(of.breaker.state)
    return states


def test_the_worked_sequence() -> None:
    one = machine()
    assert see(one, "FFFSFFFSFFFSFFFSFFF") == [Circuit.CLOSED] * 19
    opened_at = Instant(START + 19 * 500)
    assert see(one, "F", at=opened_at) == [Circuit.OPEN]
    assert one.breaker.retry_at == opened_at + 30 * SECOND
    assert one.breaker.reason == "16 of 20 calls in 60 s failed"

    half_open = Instant(opened_at + 30 * SECOND)
    assert not one.pass_time(Instant(half_open - 1))
    assert one.pass_time(half_open)
    assert see(one, "SSFFF", at=half_open) == [Circuit.HALF_OPEN] * 4 + [Circuit.OPEN]
    again_at = Instant(half_open + 4 * 500)
    assert (one.breaker.opened, one.breaker.retry_at) == (2, again_at + 60 * SECOND)

    later = Instant(again_at + 60 * SECOND)
    assert see(one, "SSFS", at=later) == [Circuit.HALF_OPEN] * 3 + [Circuit.CLOSED]


def test_five_failures_in_a_row_open_it() -> None:
    one = machine()
    assert see(one, "FFFFSFFFFF") == [Circuit.CLOSED] * 9 + [Circuit.OPEN]


def test_how_long_it_stays_open() -> None:
    one, at, lengths = machine(), START, []
    for _ in range(7):
        see(one, "FFFFF", at=at)
        assert one.breaker.retry_at is not None
        lengths.append((one.breaker.retry_at - one.breaker.changed_at) // SECOND)
        at = one.breaker.retry_at
    assert lengths == [30, 60, 120, 240, 300, 300, 300]


def test_four_fifths_slow_open_it() -> None:
    one = machine()
    see(one, "SSSS")
    assert see(one, "S" * 15, at=START + 2_000, slow=True) == [Circuit.CLOSED] * 15
    assert see(one, "S", at=START + 9_500, slow=True) == [Circuit.OPEN]  # 16 of 20


def test_good_probes_of_which_most_are_slow_do_not_close_it() -> None:
    one = machine()
    see(one, "FFFFF")
    assert one.breaker.retry_at is not None
    states = see(one, "SSSSS", at=one.breaker.retry_at, slow=True)
    assert states == [Circuit.HALF_OPEN] * 4 + [Circuit.OPEN]


def test_openings_are_forgotten_one_every_five_clean_minutes() -> None:
    one = machine()
    see(one, "FFFFF")
    assert one.breaker.retry_at is not None
    see(one, "SSS", at=one.breaker.retry_at)
    closed_at = one.breaker.changed_at
    assert (one.breaker.state, one.breaker.opened) == (Circuit.CLOSED, 1)
    one.pass_time(Instant(closed_at + 5 * MINUTE - 1))
    assert one.breaker.opened == 1
    one.pass_time(Instant(closed_at + 5 * MINUTE))
    assert one.breaker.opened == 0


def test_failures_older_than_a_minute_do_not_open_it() -> None:
    one = machine()
    see(one, "FFFS" * 4)
    assert see(one, "SSSSSF", at=START + 70 * SECOND) == [Circuit.CLOSED] * 6


@pytest.mark.parametrize(("providers", "open_"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_at_least_half_stay(providers: int, open_: int) -> None:
    assert most_open(providers) == open_
