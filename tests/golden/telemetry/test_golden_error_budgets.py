"""Ways in which error budgets have been reckoned wrong elsewhere, each with the number that is right."""

from fractions import Fraction

import pytest
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant, Millis
from ringfence_telemetry.breakers.machine import Breaker, Circuit, CircuitMachine
from ringfence_telemetry.slo.checks import SloDraft, check_draft
from ringfence_telemetry.slo.events import event_of
from ringfence_telemetry.slo.standing import Order, Standing, State, stand
from ringfence_telemetry.slo.windows import Change, Windows
from ringfence_telemetry.workflows.settled import Part, Settled
from support.telemetry.objectives import A, objective

AT = Instant(60 * DAY)
MINUTE_OF_IT = AT // MINUTE


def standing_of(target: str, *counted: tuple[int, int], since: Millis = Millis(MINUTE)) -> Standing:
    """Return how an objective stands after minutes of so many good and bad events, the last of them `since` ago."""
    windows = Windows()
    last = (AT - since) // MINUTE
    for at, (good, bad) in enumerate(reversed(counted)):
        windows.add(Change(last - at, good=good))
        if bad:
            windows.add(Change(last - at, A, bad=bad, errors=bad, witnessed=bad))
    return stand(objective(target), windows, MINUTE_OF_IT)


def burn(standing: Standing, long: Millis) -> Fraction | None:
    return next(rate.long for rate in standing.rates if rate.rule.long == long)


@pytest.mark.parametrize(
    ("target", "good", "bad", "left", "rate"),
    [
        ("0.995", 999, 1, Fraction(4, 5), Fraction(1, 5)),
        ("0.999", 99_999, 1, Fraction(99, 100), Fraction(1, 100)),
        ("0.99", 99, 1, Fraction(0), Fraction(1)),
    ],
)
def test_one_bad_event_uses_its_share_of_the_budget_and_no_more(
    target: str, good: int, bad: int, left: Fraction, rate: Fraction
) -> None:
    standing = standing_of(target, (good, bad))
    assert standing.left == left
    assert burn(standing, HOUR) == rate
    assert standing.state is not State.EXHAUSTED
    assert standing.order is Order.NORMAL


def test_without_a_bad_event_nothing_is_used() -> None:
    standing = standing_of("0.999999", (1_000, 0))
    assert (standing.used, standing.state) == (Fraction(0), State.HEALTHY)


def test_a_promise_of_everything_is_refused_instead_of_being_broken_from_the_start() -> None:
    refused, violations = check_draft("slos/all", SloDraft(agent=A, target="1"), now=AT)
    assert refused is None
    assert [violation.field for violation in violations] == ["target"]


def settled(milliseconds: int) -> Settled:
    part = Part(agent=A, duration_micros=milliseconds * 1_000, own_micros=milliseconds * 1_000)
    return Settled(
        trace_id=bytes(16),
        trusted=True,
        agent=A,
        started_at=Instant(AT - milliseconds),
        ended_at=AT,
        duration_micros=milliseconds * 1_000,
        failed=False,
        parts=(part,),
    )


@pytest.mark.parametrize(("milliseconds", "good"), [(100, 1), (5_000, 1), (5_001, 0)])
def test_a_quick_answer_is_good_for_an_objective_of_time(milliseconds: int, good: int) -> None:
    event = event_of(objective(latency=Millis(5_000)), settled(milliseconds), {}, AT)
    assert event is not None
    assert (event.good, event.bad) == (good, 1 - good)


def test_a_share_is_of_all_events_not_a_mean_of_means() -> None:
    """Nine of ten are good over all, however they fall into minutes."""
    standing = standing_of("0.5", (1, 0), (0, 1), (899, 99))
    assert standing.sli == Fraction(9, 10)


def test_what_was_used_comes_back_with_time() -> None:
    used = standing_of("0.99", (50, 50))
    assert used.used == 50
    assert standing_of("0.99", (50, 50), since=Millis(30 * DAY - 2 * HOUR)).used == 50
    forgotten = standing_of("0.99", (50, 50), since=Millis(30 * DAY + 2 * HOUR))
    assert (forgotten.used, forgotten.state) == (None, State.NO_DATA)


def test_an_exhausted_budget_orders_something() -> None:
    standing = standing_of("0.99", *[(40, 60)] * 60)
    assert standing.state is State.EXHAUSTED
    assert standing.order > Order.NORMAL


def test_two_pairs_of_windows_have_to_agree_before_somebody_is_woken() -> None:
    """An old trouble that is over wakes nobody, and neither does a single bad minute."""
    over = standing_of("0.99", *[(0, 100)] * 20, *[(100, 0)] * 30)
    assert (burn(over, HOUR) or 0) > Fraction("14.4")
    assert not any(rate.firing for rate in over.rates if rate.rule.long == HOUR)


def test_an_open_breaker_is_tried_again_by_itself() -> None:
    machine = CircuitMachine(Breaker(agent=A, skill=""))
    for _ in range(5):
        machine.saw(at=AT, failed=True, slow=False)
    shown = [machine.breaker.shown]
    for after in (30 * SECOND - 1, 30 * SECOND):
        machine.pass_time(Instant(AT + after))
        shown.append(machine.breaker.shown)
    assert shown == [Circuit.OPEN, Circuit.OPEN, Circuit.HALF_OPEN]
