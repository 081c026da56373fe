"""The worked examples of the arithmetic, exact to the minute and to the fraction."""

from fractions import Fraction

import pytest
from ringfence_kit.clock import DAY, HOUR, MINUTE, Millis
from ringfence_telemetry.slo.feasible import feasible
from ringfence_telemetry.slo.objective import BurnRule, Dependency, Fallback
from ringfence_telemetry.slo.ratios import Ratio, decimal
from ringfence_telemetry.slo.standing import Order, Standing, State, order_over, stand
from ringfence_telemetry.slo.windows import Change, Windows
from support.telemetry.objectives import OBJECTIVE, A, B, C, count_minute, objective

START = 30 * 24 * 60
"""The minute before which a month was good."""


def history(last_minute: int, bad_in: dict[range, int]) -> list[Standing]:
    """Return how the objective stood at the end of each minute, from the one before the first on."""
    windows = Windows()
    for minute in range(START):
        windows.add(Change(minute, good=100))
    found = [stand(OBJECTIVE, windows, START)]
    for number in range(1, last_minute + 1):
        bad = next((count for minutes, count in bad_in.items() if number in minutes), 0)
        count_minute(windows, START + number - 1, bad=bad)
        found.append(stand(OBJECTIVE, windows, START + number))
    return found


@pytest.fixture(scope="module")
def hour_of_trouble() -> list[Standing]:
    return history(120, {range(1, 61): 60})


def fires(history: list[Standing], long: Millis) -> list[int]:
    return [
        minute
        for minute, standing in enumerate(history)
        for rate in standing.rates
        if rate.rule.long == long and rate.firing
    ]


def rate(standing: Standing, long: Millis) -> tuple[Fraction | None, Fraction | None]:
    return next((each.long, each.short) for each in standing.rates if each.rule.long == long)


def test_the_thresholds_follow_from_share_window_and_period() -> None:
    def thresholds(days: int) -> list[str]:
        return [decimal(rule.threshold(Millis(days * DAY)), 3) for rule in OBJECTIVE.burn_rules]

    assert thresholds(30) == ["14.4", "6", "3", "1"]
    assert thresholds(28) == ["13.44", "5.6", "2.8", "0.933"]
    assert thresholds(7) == ["3.36", "1.4", "0.7", "0.233"]


def test_the_fast_page_is_on_at_minute_15_and_off_at_64(hour_of_trouble: list[Standing]) -> None:
    assert rate(hour_of_trouble[14], HOUR) == (Fraction(14), Fraction(60))
    assert rate(hour_of_trouble[15], HOUR) == (Fraction(15), Fraction(60))
    assert rate(hour_of_trouble[64], HOUR)[1] == 12
    assert fires(hour_of_trouble, HOUR) == list(range(15, 64))


def test_the_slow_page_is_on_at_minute_37_and_off_at_87(hour_of_trouble: list[Standing]) -> None:
    six_hours = Millis(6 * HOUR)
    assert rate(hour_of_trouble[36], six_hours)[0] == 6  # exactly the threshold: not over it
    assert rate(hour_of_trouble[37], six_hours)[0] == Fraction(37, 6)
    assert fires(hour_of_trouble, six_hours) == list(range(37, 87))


def test_the_tickets_never_fire(hour_of_trouble: list[Standing]) -> None:
    day, three_days = Millis(DAY), Millis(3 * DAY)
    assert fires(hour_of_trouble, day) == fires(hour_of_trouble, three_days) == []
    assert max(rate(standing, day)[0] or 0 for standing in hour_of_trouble) == Fraction(5, 2)
    assert max(rate(standing, three_days)[0] or 0 for standing in hour_of_trouble) == Fraction(5, 6)


def test_a_twelfth_of_the_budget_is_used_and_one_agent_is_to_blame(hour_of_trouble: list[Standing]) -> None:
    after = hour_of_trouble[60]
    assert after.tally.bad == 3_600
    # The month ends at minute 60, so 43,200 may be bad of 4,320,000.
    assert (after.tally.total, after.used) == (4_320_000, Fraction(1, 12))
    assert decimal(100 * Fraction(1, 12), 3) == "8.333"
    assert decimal(100 * (after.left or Fraction(0)), 3) == "91.666"
    assert [(agent, blamed.bad) for agent, blamed in after.blame] == [(B, 3_600)]
    assert after.state is State.BURNING


def test_the_states_and_orders_of_that_hour(hour_of_trouble: list[Standing]) -> None:
    states = [standing.state for standing in hour_of_trouble]
    assert states[:15] == [State.HEALTHY] * 15
    assert states[15:87] == [State.BURNING] * 72
    assert states[87:] == [State.HEALTHY] * 34
    orders = [standing.order for standing in hour_of_trouble]
    assert orders[:15] == [Order.NORMAL] * 15
    assert orders[15:64] == [Order.SHED] * 49
    assert orders[64:87] == [Order.REDUCE_SCOPE] * 23
    assert orders[87:] == [Order.NORMAL] * 34


def test_an_order_is_given_at_once_and_taken_back_after_two_clean_short_windows() -> None:
    windows = Windows()
    for minute in range(START):
        windows.add(Change(minute, good=100))
    holds = [Order.NORMAL]
    for number in range(1, 121):
        count_minute(windows, START + number - 1, bad=60 if number <= 60 else 0)
        holds.append(order_over(OBJECTIVE, windows, START + number))
    assert holds[14:16] == [Order.NORMAL, Order.SHED]
    # SHED is asked for the last time at minute 63, REDUCE_SCOPE at 86; ten minutes are two short windows.
    assert holds[72:74] == [Order.SHED, Order.REDUCE_SCOPE]
    assert holds[95:97] == [Order.REDUCE_SCOPE, Order.NORMAL]


def test_ten_minutes_at_a_fifth_raise_no_alert() -> None:
    standings = history(70, {range(1, 11): 20})
    assert max(rate(standing, HOUR)[0] or 0 for standing in standings) == Fraction(10, 3)
    assert not any(each.firing for standing in standings for each in standing.rates)
    assert standings[70].tally.bad == 200
    assert decimal(100 * (standings[10].used or Fraction(0)), 3) == "0.462"  # 0.46296…, rounded 0.463
    assert all(standing.state is State.HEALTHY for standing in standings)


def _chain(*, retries: int = 0, fallbacks: tuple[Fallback, ...] = ()) -> str:
    b = Dependency(agent=B, target=Ratio(995, 1000), fallbacks=fallbacks)
    c = Dependency(agent=C, target=Ratio(99, 100), retries=retries)
    return decimal(100 * feasible(Fraction(999, 1000), [b, c]), 10)


def test_what_a_chain_can_promise() -> None:
    assert _chain() == "98.406495"
    assert _chain(retries=1) == "99.39055995"
    assert _chain(fallbacks=(Fallback(agent="b2", target=Ratio(99, 100)),)) == "98.89605495"


def test_one_bad_event_in_100_000_leaves_99_percent_of_the_budget() -> None:
    windows = Windows()
    windows.add(Change(START - 1, good=99_999))
    windows.add(Change(START - 1, A, bad=1, errors=1))
    standing = stand(objective("0.999"), windows, START)
    assert (standing.state, standing.left) == (State.HEALTHY, Fraction(99, 100))
    assert rate(standing, HOUR) == (Fraction(1, 100), Fraction(1, 100))


def test_999_of_1000_at_99_5_percent_is_a_fifth_of_the_budget() -> None:
    windows = Windows()
    windows.add(Change(START - 1, good=999))
    windows.add(Change(START - 1, A, bad=1, errors=1))
    standing = stand(objective("0.995"), windows, START)
    assert (standing.used, standing.state) == (Fraction(1, 5), State.HEALTHY)


def test_what_was_used_ages_out() -> None:
    windows = Windows()
    windows.add(Change(0, A, bad=500, errors=500))
    windows.add(Change(START - 1, good=500))
    assert stand(OBJECTIVE, windows, START).state is State.EXHAUSTED
    windows.add(Change(START + 60, good=500))
    assert stand(OBJECTIVE, windows, START + 61).state is State.HEALTHY


def test_without_events_nothing_is_known() -> None:
    standing = stand(OBJECTIVE, Windows(), START)
    assert (standing.state, standing.sli, standing.used, standing.order) == (State.NO_DATA, None, None, Order.NORMAL)


def test_a_rule_of_ones_own() -> None:
    rule = BurnRule(share=Ratio(1, 2), long=Millis(2 * HOUR), short=Millis(10 * MINUTE), page=True)
    assert rule.threshold(Millis(30 * DAY)) == 180
