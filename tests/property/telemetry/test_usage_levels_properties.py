"""Levels of time: whatever is folded when, every way to sum usage comes to the same."""

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import ManualClock
from ringfence_telemetry.durations import Buckets
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.usage import Counts, UsageKey
from ringfence_telemetry.usage_levels import (
    AGENT_STEPS,
    DAY,
    FIVE,
    HOUR,
    Marks,
    Stretch,
    by_agent,
    by_caller,
    row_of,
    time_step,
)
from ringfence_telemetry.usage_query import UsageGroup, UsageQuery, UsageTotals
from support.backends import Backend
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store

MINUTES = st.integers(0, 9 * DAY + 100)
STRETCHES = st.builds(Stretch, st.none() | MINUTES, st.none() | MINUTES)


@given(STRETCHES, st.builds(Marks, hours_forgotten=MINUTES), st.sampled_from(AGENT_STEPS))
def test_a_plan_covers_every_minute_of_the_window_once(window: Stretch, marks: Marks, coarsest: int) -> None:
    plan = by_agent(window, marks, coarsest=coarsest)
    pieces = [*[piece for _, piece in plan.by_step], *plan.rest]
    for minute in range(0, 9 * DAY + 200, 17):
        asked = (window.first is None or minute >= window.first) and (window.end is None or minute < window.end)
        assert sum(sign for stretch, sign in pieces if _within(minute, stretch)) == asked
    for step, (stretch, _) in plan.by_step:
        assert all(edge is None or edge % step == 0 for edge in stretch)
        assert step <= coarsest
        assert step > HOUR or stretch.first is None or stretch.first >= marks.hours_forgotten


@given(STRETCHES, st.builds(Marks, hours_forgotten=MINUTES), st.sampled_from(AGENT_STEPS))
def test_what_is_taken_away_is_known_and_the_smaller_side(window: Stretch, marks: Marks, coarsest: int) -> None:
    plan = by_agent(window, marks, coarsest=coarsest)
    away = [stretch for stretch, sign in [*[piece for _, piece in plan.by_step], *plan.rest] if sign < 0]
    assert all(stretch.first is not None and stretch.first >= marks.hours_forgotten for stretch in away)
    first, end = window
    if first is not None and end is not None and first >= marks.hours_forgotten + coarsest:
        lengths = [piece.stretch.end - piece.stretch.first for piece in plan.rest]  # type: ignore[operator] # none is None
        assert end - first < 2 * HOUR or all(length <= HOUR // 2 for length in lengths)


@given(STRETCHES, st.builds(Marks, hours_forgotten=st.sampled_from([0, DAY, 2 * DAY])))
def test_what_callers_had_done_is_asked_of_whole_hours_and_days_only(window: Stretch, marks: Marks) -> None:
    assert not [each for each in by_caller(window, marks).rest if not each.stretch.empty]


@given(MINUTES, st.integers(0, 80), st.integers(0, 40))
def test_a_minute_is_in_one_row_that_begins_before_it(minute: int, five: int, hour: int) -> None:
    row = row_of(minute, Marks(five=five * HOUR, hour=min(hour, five) * HOUR))
    assert minute - HOUR < row <= minute
    assert row == minute or row % FIVE == 0


@given(st.none() | st.integers(1, 600 * DAY))
def test_time_is_shown_in_at_most_400_rows_as_long_as_a_day_is_one(minutes: int | None) -> None:
    step = time_step(minutes)
    assert minutes is None or step == DAY or minutes <= 400 * step


KEYS = st.builds(
    UsageKey,
    minute=st.integers(0, 2 * DAY + HOUR),
    agent=st.sampled_from("ab"),
    session=st.sampled_from(["", "s"]),
    model=st.just("m"),
    operation=st.just("chat"),
    untrusted=st.booleans(),
    currency=st.sampled_from(["", "USD"]),
)
SPANS = st.tuples(KEYS, st.integers(0, 10**9), st.integers(0, 10**18), st.integers(-1, 1_000))


@settings(max_examples=40, deadline=None)
@given(st.lists(SPANS, max_size=12), st.data())
async def test_any_order_batching_and_folding_gives_the_same_totals(
    spans: list[tuple[UsageKey, int, int, int]], data: st.DataObject
) -> None:
    async def summed(opened: OpenedStore, *groups: UsageGroup, **query: object) -> list[UsageTotals]:
        return list(await opened.store.usage(UsageQuery(group_by=groups, **query)))  # type: ignore[arg-type] # its fields

    async def answers(opened: OpenedStore) -> list[list[UsageTotals]]:
        return [
            await summed(opened, percentiles=True),
            await summed(opened, UsageGroup.AGENT, percentiles=True),
            await summed(opened, UsageGroup.TIME, step=HOUR, percentiles=True),
            await summed(opened, UsageGroup.TIME, UsageGroup.MODEL, step=HOUR, percentiles=True),
            await summed(opened, UsageGroup.SESSION),
            await summed(opened, UsageGroup.AGENT, first_minute=HOUR, end_minute=DAY + HOUR),
        ]

    async with opened_store(Backend(kind="memory"), clock=ManualClock()) as first:
        await _add(first, spans)
        expected = await answers(first)
    async with opened_store(Backend(kind="memory"), clock=ManualClock()) as second:
        shuffled, limit = data.draw(st.permutations(spans)), data.draw(st.integers(1, 5))
        middle = data.draw(st.integers(0, len(shuffled)))
        await _add(second, shuffled[:middle])
        await _fold(second, limit)
        await _add(second, shuffled[middle:])
        # What is said twice, and taken back, was never said.
        again = data.draw(st.lists(st.sampled_from(spans), max_size=3)) if spans else []
        await _add(second, again)
        await _add(second, again, sign=-1)
        await _fold(second, limit)
        assert await answers(second) == expected
        whole, by_agent_, by_time, by_time_and_label, _, _ = expected
        for rows in (by_agent_, by_time, by_time_and_label):
            assert sum(row.counts.spans for row in rows) == sum(row.counts.spans for row in whole) == len(spans)
            assert sum(cost.nanos for row in rows for cost in row.costs) == sum(
                cost.nanos for row in whole for cost in row.costs
            )


async def _add(opened: OpenedStore, spans: list[tuple[UsageKey, int, int, int]], *, sign: int = 1) -> None:
    for key, tokens, nanos, bucket in spans:
        cost = nanos if key.currency else 0
        counts = Counts(spans=sign, input_tokens=sign * tokens, cost_nanos=sign * cost)
        durations: dict[UsageKey, Buckets] = {key: {bucket: sign}}
        add = partial(_count, key=key, counts=counts, durations=durations)
        await opened.writer.write(add, mutation=BY_TELEMETRY, result=type(None))


def _count(tx: TelemetryTx, *, key: UsageKey, counts: Counts, durations: dict[UsageKey, Buckets]) -> None:
    tx.add_usage({key: counts}, durations)


async def _fold(opened: OpenedStore, limit: int) -> None:
    for step, before in ((FIVE, 2 * DAY), (HOUR, DAY)):
        fold = partial(_fold_some, step=step, before=before, limit=limit)
        while await opened.writer.write(fold, mutation=BY_TELEMETRY, result=int) == limit:
            continue


def _fold_some(tx: TelemetryTx, *, step: int, before: int, limit: int) -> int:
    return tx.fold_usage(step, before=before, limit=limit)


def _within(minute: int, stretch: Stretch) -> bool:
    return (stretch.first is None or minute >= stretch.first) and (stretch.end is None or minute < stretch.end)
