"""Arithmetic that others get wrong, each as what is right: no budget is used up by what did not use it up."""

from fractions import Fraction

import pytest
from ringfence_kit.clock import Instant, Millis
from ringfence_telemetry.slo.checks import SloDraft, check_draft
from ringfence_telemetry.slo.events import event_of
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.standing import Order, Standing, State, stand
from ringfence_telemetry.slo.windows import Change, Windows
from support.telemetry.objectives import A, objective
from support.telemetry.settled import settled

MINUTE = 50_000


def after(held_by: Objective, *, good: int, bad: int) -> Standing:
    windows = Windows()
    windows.add(Change(MINUTE - 1, good=good))
    windows.add(Change(MINUTE - 1, A, bad=bad, errors=bad))
    return stand(held_by, windows, MINUTE)


@pytest.mark.parametrize(
    ("target", "good", "bad", "left"),
    [("0.999", 99_999, 1, "0.99"), ("0.995", 999, 1, "0.8"), ("0.999", 999, 1, "0"), ("0.99", 99, 1, "0")],
)
def test_a_bad_event_uses_its_share_of_the_budget(target: str, good: int, bad: int, left: str) -> None:
    standing = after(objective(target), good=good, bad=bad)
    assert (standing.left, standing.state) == (Fraction(left), State.HEALTHY)
    assert standing.order is Order.NORMAL


def test_calls_that_are_quick_enough_are_all_good() -> None:
    held_by, windows = objective(latency=Millis(5_000)), Windows()
    for number in range(100):
        event = event_of(held_by, settled(number, at=Instant(MINUTE * 60_000 - 1)), {}, Instant(MINUTE * 60_000))
        assert event is not None
        windows.add(event)
    standing = stand(held_by, windows, MINUTE)
    assert (standing.sli, standing.used, standing.state) == (Fraction(1), Fraction(0), State.HEALTHY)


def test_the_share_is_of_all_events_and_no_mean_of_means() -> None:
    windows = Windows()
    windows.add(Change(MINUTE - 300, A, bad=1))
    windows.add(Change(MINUTE - 1, good=9))
    assert stand(objective("0.5"), windows, MINUTE).sli == Fraction(9, 10)


def test_a_promise_without_any_budget_is_not_taken() -> None:
    for target in ("1", "1.0", "100/100"):
        found, violations = check_draft("slos/all", SloDraft(agent=A, target=target), now=Instant(0))
        assert found is None
        assert [violation.field for violation in violations] == ["target"]


def test_used_up_is_acted_on() -> None:
    standing = after(objective("0.99"), good=80, bad=20)
    assert (standing.state, standing.order) == (State.EXHAUSTED, Order.ESCALATE_HUMAN)
