"""The arithmetic of objectives, held against one that keeps every event."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import HOUR, MINUTE, Millis
from ringfence_telemetry.slo.feasible import feasible
from ringfence_telemetry.slo.objective import Dependency, DependencyKind, Fallback, Objective
from ringfence_telemetry.slo.ratios import Ratio, decimal, exact, read
from ringfence_telemetry.slo.standing import Order, State, held, order_over, raw_order, stand
from ringfence_telemetry.slo.windows import Change, Level, Windows, level_of
from support.telemetry.objectives import A, B, C, objective

FAR = 50_000
"""A minute from which the longest window does not reach 0."""

shares = st.builds(Fraction, st.integers(1, 999), st.just(1_000))
events = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 400), st.integers(0, 4_500), st.integers(0, FAR - 1)),
        st.sampled_from(["", A, B, C]),
        st.integers(1, 50),
        st.booleans(),
    ),
    max_size=40,
)


def change_of(event: tuple[int, str, int, bool]) -> Change:
    ago, agent, count, late = event
    if not agent:
        return Change(FAR - 1 - ago, good=count)
    return Change(FAR - 1 - ago, agent, bad=count, errors=0 if late else count, witnessed=count)


def counted(changes: list[Change]) -> Windows:
    windows = Windows()
    for change in changes:
        windows.add(change)
    return windows


def naive(changes: list[Change], window: Millis, level: Level, end: int) -> tuple[int, int]:
    """Count every event between the edge of the slot in which the window begins and its end."""
    first = (end - window // MINUTE) // level.value * level.value
    inside = [change for change in changes if first <= change.minute < end]
    return sum(change.good for change in inside), sum(change.bad for change in inside)


@given(events, st.integers(0, 60))
def test_every_window_is_what_a_list_of_all_events_says(found: list[tuple[int, str, int, bool]], back: int) -> None:
    changes, end = [change_of(event) for event in found] + [Change(FAR - 1, good=1)], FAR - back
    held_by = objective()
    windows = counted(changes)
    for window in {each for rule in held_by.burn_rules for each in (rule.long, rule.short)}:
        tally = windows.tally(window, end)
        assert (tally.good, tally.bad) == naive(changes, window, level_of(window), end)
    tally = windows.whole(held_by.window, end)
    assert (tally.good, tally.bad) == naive(changes, held_by.window, Level.HOUR, end)


@given(st.permutations(range(8)), st.lists(st.integers(0, 3_000), min_size=8, max_size=8))
def test_the_order_in_which_events_come_changes_nothing(order: list[int], minutes: list[int]) -> None:
    held_by = objective()
    changes = [Change(FAR - 1 - ago, A, bad=number + 1) for number, ago in enumerate(minutes)]
    marker = Change(FAR - 1, good=100)
    one = counted([marker, *changes])
    other = counted([changes[each] for each in order] + [marker])
    assert stand(held_by, one, FAR) == stand(held_by, other, FAR)


@given(events)
def test_what_is_taken_back_was_never_there(found: list[tuple[int, str, int, bool]]) -> None:
    changes = [change_of(event) for event in found]
    held_by = objective()
    windows = counted([Change(FAR - 1, good=7), *changes, *(change.undone() for change in changes)])
    assert stand(held_by, windows, FAR) == stand(held_by, counted([Change(FAR - 1, good=7)]), FAR)


@given(events)
def test_blame_adds_up_to_what_is_bad(found: list[tuple[int, str, int, bool]]) -> None:
    held_by = objective()
    standing = stand(held_by, counted([change_of(event) for event in found]), FAR)
    assert sum(blamed.bad for _, blamed in standing.blame) == standing.tally.bad
    assert all(blamed.errors <= blamed.bad for _, blamed in standing.blame)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=200), shares)
@settings(max_examples=60)
def test_the_state_is_what_exact_shares_say(minutes: list[tuple[int, int]], target: Fraction) -> None:
    held_by = objective(str(target))
    changes = [Change(FAR - 1 - ago, good=good) for ago, (good, _) in enumerate(minutes)]
    changes += [Change(FAR - 1 - ago, A, bad=bad, errors=bad) for ago, (_, bad) in enumerate(minutes)]
    standing = stand(held_by, counted(changes), FAR)
    good, bad = sum(each[0] for each in minutes), sum(each[1] for each in minutes)
    if not good + bad:
        assert standing.state is State.NO_DATA
        return
    assert standing.sli == Fraction(good, good + bad)
    assert standing.used == Fraction(bad, good + bad) / (1 - target)
    kept = standing.sli >= target
    assert (standing.state is State.EXHAUSTED) == (not kept and good + bad >= 20 and bad >= 2)
    for rate in standing.rates:
        assert not rate.firing or (rate.long is not None and rate.long > rate.threshold)
    if kept:
        assert standing.exhausted_at is None or standing.exhausted_at >= standing.at


@given(st.integers(1, 19), st.integers(1, 19))
def test_too_few_events_raise_no_alert(good: int, bad: int) -> None:
    changes = [Change(FAR - 1, good=good), Change(FAR - 1, A, bad=min(bad, 19 - good), errors=0)]
    standing = stand(objective(), counted(changes), FAR)
    assert not any(rate.firing for rate in standing.rates)
    assert standing.state in (State.HEALTHY, State.AT_RISK)


def test_one_bad_event_is_no_share() -> None:
    held_by = objective(min_events=1)
    standing = stand(held_by, counted([Change(FAR - 1, A, bad=1, errors=1)]), FAR)
    assert not any(rate.firing for rate in standing.rates)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
@settings(max_examples=30)
def test_an_order_holds_ten_minutes_longer_than_it_is_asked_for(minutes: list[bool]) -> None:
    held_by = objective(min_events=1)
    windows = Windows()
    asked: list[Order] = []
    for number, bad in enumerate(minutes):
        windows.add(Change(FAR + number, A, bad=20, errors=20) if bad else Change(FAR + number, good=20))
        asked.append(raw_order(held_by, windows, FAR + number + 1))
        before = [Order.NORMAL] if number + 1 < held_by.hold else []
        assert order_over(held_by, windows, FAR + number + 1) == held([*before, *asked[-held_by.hold :]])


fallbacks = st.builds(Fallback, agent=st.just(C), target=st.builds(Ratio.of, shares))
dependencies = st.builds(
    Dependency,
    agent=st.just(B),
    target=st.builds(Ratio.of, shares),
    kind=st.sampled_from(DependencyKind),
    calls=st.integers(1, 4),
    retries=st.integers(0, 3),
    fallbacks=st.lists(st.builds(Fallback, agent=st.just(C), target=st.builds(Ratio.of, shares)), max_size=2).map(
        tuple
    ),
)


@given(shares, st.lists(dependencies, max_size=4))
def test_nobody_promises_more_than_itself(own: Fraction, needs: list[Dependency]) -> None:
    possible = feasible(own, needs)
    assert 0 < possible <= own
    if all(each.kind is DependencyKind.SOFT for each in needs):
        assert possible == own


@given(shares, st.lists(dependencies, min_size=1, max_size=3))
def test_a_retry_and_a_fallback_never_harm_and_a_call_never_helps(own: Fraction, needs: list[Dependency]) -> None:
    first, *rest = needs
    possible = feasible(own, needs)

    def changed(**fields: object) -> Fraction:
        values = {name: getattr(first, name) for name in Dependency.__dataclass_fields__}
        return feasible(own, [Dependency(**(values | fields)), *rest])

    assert changed(retries=first.retries + 1) >= possible
    assert changed(fallbacks=(*first.fallbacks, Fallback(agent=C, target=Ratio(1, 2)))) >= possible
    assert changed(calls=first.calls + 1) <= possible


@given(st.fractions(min_value=0, max_value=1, max_denominator=10**9 - 1))
def test_a_share_is_read_back_as_it_was(value: Fraction) -> None:
    text = exact(value)
    assert Fraction(text) == value
    assert Fraction(decimal(value)) <= value < Fraction(decimal(value)) + Fraction(1, 10**8)


@given(st.text(alphabet="0123456789./-+e _٣", max_size=24))
def test_what_is_no_share_is_not_read(text: str) -> None:
    value = read(text)
    if value is not None:
        assert value == Fraction(text)
        assert value >= 0


def test_windows_and_levels() -> None:
    assert level_of(Millis(6 * HOUR)) is Level.MINUTE
    assert level_of(Millis(6 * HOUR + 5 * MINUTE)) is Level.FIVE
    assert level_of(Millis(72 * HOUR)) is Level.FIVE
    assert level_of(Millis(73 * HOUR)) is Level.HOUR


def test_an_objective_of_an_hour_has_a_budget_of_an_hour() -> None:
    held_by: Objective = objective(window=Millis(HOUR), burn_rules=())
    windows = Windows()
    windows.add(Change(FAR - 125, A, bad=100, errors=100))
    windows.add(Change(FAR - 1, good=100))
    assert stand(held_by, windows, FAR).state is State.HEALTHY
