"""Usage by every label, its levels of time, and prices: one contract for memory, SQLite and PostgreSQL."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.events import Change, Revision
from ringfence_telemetry.durations import Buckets, bucket_of, middle_of
from ringfence_telemetry.prices.book import KnownPrice
from ringfence_telemetry.prices.price import Price
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.usage import CallerKey, Counts, UsageKey
from ringfence_telemetry.usage_levels import DAY, HOUR
from ringfence_telemetry.usage_query import Cost, UsageGroup, UsageQuery, UsageTotals
from support.backends import Backend
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store

START = 1_000 * DAY
"""A minute at which a day begins."""


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


def key(minute: int = START, **labels: Any) -> UsageKey:
    fields = {"agent": "a", "session": "s", "model": "m", "operation": "chat", "untrusted": False}
    return UsageKey(minute=minute, **(fields | labels))  # type: ignore[arg-type] # its labels


async def add(
    opened: OpenedStore,
    changes: Mapping[UsageKey, Counts],
    durations: Mapping[UsageKey, Buckets] | None = None,
    called: Mapping[CallerKey, Counts] | None = None,
) -> None:
    await opened.writer.write(
        lambda tx: tx.add_usage(changes, durations or {}, called or {}), mutation=BY_TELEMETRY, result=type(None)
    )


async def fold(opened: OpenedStore, step: int, before: int, limit: int = 1_000) -> int:
    return await opened.writer.write(
        lambda tx: tx.fold_usage(step, before=before, limit=limit), mutation=BY_TELEMETRY, result=int
    )


async def forget(opened: OpenedStore, *, before: int = 0, sessions_before: int = 0, hours_before: int = 0) -> None:
    def work(tx: TelemetryTx) -> int:
        return tx.forget_usage(before=before, sessions_before=sessions_before, hours_before=hours_before)

    while await opened.writer.write(work, mutation=BY_TELEMETRY, result=int):
        continue


async def ask(opened: OpenedStore, *groups: UsageGroup, **query: Any) -> list[UsageTotals]:
    return list(await opened.store.usage(UsageQuery(group_by=groups, **query)))


async def spans(opened: OpenedStore, *groups: UsageGroup, **query: Any) -> dict[Any, int]:
    rows = await ask(opened, *groups, **query)
    return {row.groups[0] if len(row.groups) == 1 else row.groups: row.counts.spans for row in rows}


class TestLabels:
    async def test_every_label_is_told_apart(self, opened: OpenedStore) -> None:
        labels: dict[str, Any] = {"tool": "search", "team": "red", "outcome": "error"}
        await add(opened, {key(): Counts(spans=1), key(**labels): Counts(spans=2, retries=1)})
        assert await spans(opened, UsageGroup.TOOL) == {"": 1, "search": 2}
        assert await spans(opened, UsageGroup.TEAM, UsageGroup.OUTCOME) == {("", "ok"): 1, ("red", "error"): 2}
        assert await spans(opened, UsageGroup.SESSION, team="red") == {"s": 2}
        assert await spans(opened, UsageGroup.MODEL, team="red", model="m") == {"m": 2}
        assert await spans(opened, model="other") == {}

    async def test_currencies_are_kept_apart_in_one_row(self, opened: OpenedStore) -> None:
        large = 9 * 10**18
        await add(
            opened,
            {
                key(currency="USD"): Counts(spans=1, cost_nanos=large, stated_cost_nanos=1),
                key(START + 1, currency="USD"): Counts(spans=1, cost_nanos=large),
                key(currency="EUR"): Counts(spans=1, cost_nanos=5),
                key(): Counts(spans=1, unknown_cost_calls=1),
            },
        )
        for groups in ([], [UsageGroup.AGENT], [UsageGroup.SESSION], [UsageGroup.OPERATION]):
            (row,) = await ask(opened, *groups)
            assert row.counts == Counts(spans=4, unknown_cost_calls=1)
            assert row.costs == (Cost("EUR", 5), Cost("USD", 2 * large, 1))

    async def test_cost_is_taken_back_to_the_last_billionth(self, opened: OpenedStore) -> None:
        cost = 12_345_678_901_234_567
        await add(opened, {key(currency="USD"): Counts(spans=2, cost_nanos=cost)})
        await add(opened, {key(currency="USD"): Counts(spans=-1, cost_nanos=-cost + 1)})
        (row,) = await ask(opened, UsageGroup.AGENT)
        assert row.costs == (Cost("USD", 1),)

    async def test_sums_of_tokens_beyond_64_bits_are_exact(self, opened: OpenedStore) -> None:
        huge = 2**62 + 12_345
        for place in range(5):
            await add(opened, {key(START + place * 4 * DAY): Counts(spans=1, input_tokens=huge)})
        for groups in ([], [UsageGroup.MODEL], [UsageGroup.SESSION]):
            (row,) = await ask(opened, *groups)
            assert row.counts.input_tokens == 5 * huge


class TestDurations:
    async def test_histograms_are_merged_and_taken_back(self, opened: OpenedStore) -> None:
        fast, slow = bucket_of(1_000), bucket_of(1_000_000)
        one, other = key(), key(START + 1, model="n")
        await add(opened, {one: Counts(spans=2)}, {one: {fast: 2}})
        await add(opened, {one: Counts(spans=1), other: Counts(spans=1)}, {one: {slow: 1}, other: {slow: 1}})
        for groups in ([], [UsageGroup.OPERATION]):
            (row,) = await ask(opened, *groups, percentiles=True)
            assert row.percentiles == (middle_of(fast), middle_of(slow), middle_of(slow))
        await add(opened, {one: Counts(spans=-1), other: Counts(spans=-1)}, {one: {slow: -1}, other: {slow: -1}})
        (row,) = await ask(opened, UsageGroup.AGENT, percentiles=True)
        assert row.percentiles == (middle_of(fast),) * 3
        (row,) = await ask(opened, UsageGroup.AGENT)
        assert row.percentiles == (0, 0, 0)

    async def test_sessions_have_none(self, opened: OpenedStore) -> None:
        await add(opened, {key(): Counts(spans=1)}, {key(): {5: 1}})
        (row,) = await ask(opened, UsageGroup.SESSION, percentiles=True)
        assert row.percentiles == (0, 0, 0)

    async def test_very_many_are_refused(self, opened: OpenedStore) -> None:
        await add(opened, {key(model=str(n)): Counts(spans=1) for n in range(4)})
        with pytest.raises(InvalidRequest, match="percentiles"):
            await ask(opened, UsageGroup.MODEL, percentiles=True, histograms_max=3)
        assert len(await ask(opened, UsageGroup.MODEL, percentiles=True, histograms_max=4)) == 4


class TestCallers:
    async def test_what_an_agent_had_done_is_added_when_asked(self, opened: OpenedStore) -> None:
        boss = CallerKey(START, "boss", untrusted=False, currency="USD")
        await add(
            opened,
            {key(agent="boss"): Counts(spans=1), key(agent="a", currency="USD"): Counts(spans=2, cost_nanos=7)},
            called={boss: Counts(spans=2, cost_nanos=7)},
        )
        assert await spans(opened, UsageGroup.AGENT) == {"boss": 1, "a": 2}
        rows = {row.groups[0]: row for row in await ask(opened, UsageGroup.AGENT, inclusive=True)}
        assert {agent: row.counts.spans for agent, row in rows.items()} == {"boss": 3, "a": 2}
        assert rows["boss"].costs == rows["a"].costs == (Cost("USD", 7),)
        assert await spans(opened, UsageGroup.AGENT, inclusive=True, agent="boss") == {"boss": 3}
        assert await spans(opened, UsageGroup.AGENT, inclusive=True, first_minute=START + 1) == {}
        assert await spans(opened, UsageGroup.AGENT, inclusive=True, end_minute=START + 1) == {"boss": 3, "a": 2}


class TestLevels:
    async def test_folding_changes_no_total_and_late_usage_finds_its_row(self, opened: OpenedStore) -> None:
        first = {key(START + minute): Counts(spans=1, input_tokens=minute) for minute in range(0, 3 * HOUR, 7)}
        await add(opened, first, {each: {minute % 5: 1} for minute, each in enumerate(first)})
        everything = await ask(opened, UsageGroup.OPERATION, percentiles=True)
        by_time = await spans(opened, UsageGroup.TIME, step=HOUR)
        while await fold(opened, 5, START + 2 * HOUR, limit=4) == 4:
            assert await ask(opened, UsageGroup.OPERATION, percentiles=True) == everything
        await fold(opened, HOUR, START + HOUR)
        assert await ask(opened, UsageGroup.OPERATION, percentiles=True) == everything
        assert await spans(opened, UsageGroup.TIME, step=HOUR) == by_time
        assert await spans(opened, UsageGroup.SESSION) == {"s": len(first)}
        minutes = set(await spans(opened, UsageGroup.TIME, UsageGroup.OPERATION))
        assert {at for at, _ in minutes if at < START + HOUR} == {START}
        assert all(at % 5 == 0 for at, _ in minutes if at < START + 2 * HOUR)
        assert any(at % 5 for at, _ in minutes)
        # What is taken back late leaves nothing behind, wherever it is counted by now.
        await add(opened, {each: Counts(*[-count for count in counts]) for each, counts in first.items()})
        assert await spans(opened, UsageGroup.TIME, UsageGroup.OPERATION) == {}

    async def test_what_is_folded_counts_when_it_begins_in_the_window(self, opened: OpenedStore) -> None:
        await add(opened, {key(START + minute): Counts(spans=1) for minute in range(HOUR)})
        await fold(opened, 5, START + HOUR)
        window = {"first_minute": START + 7, "end_minute": START + 21}
        assert await spans(opened, UsageGroup.OPERATION, **window) == {"chat": 15}
        assert await spans(opened, UsageGroup.AGENT, **window) == {"a": 15}

    async def test_days_hours_and_minutes_together_are_the_window(self, opened: OpenedStore) -> None:
        minutes = [START + at for at in (0, 59, 60, DAY - 1, DAY + 61, 2 * DAY, 3 * DAY + 1, 5 * DAY + 1)]
        await add(opened, {key(minute): Counts(spans=1) for minute in minutes})
        for first in (None, *minutes, START + 1, START + 61):
            for end in (None, *minutes, START + DAY + 62, START + 3 * DAY + 2, START + 4 * DAY):
                expected = sum((first is None or at >= first) and (end is None or at < end) for at in minutes)
                window = {"first_minute": first, "end_minute": end}
                assert await spans(opened, UsageGroup.AGENT, **window) == ({"a": expected} if expected else {})

    async def test_any_window_of_agents_is_what_its_rows_by_every_label_say(self, opened: OpenedStore) -> None:
        chance = random.Random(30)
        changes, durations = dict[UsageKey, Counts](), dict[UsageKey, Buckets]()
        for number in range(120):
            cost = number % 3
            at = START + chance.randrange(10 * DAY)
            each = key(at, agent=chance.choice("abc"), untrusted=number % 7 == 0, currency=("", "EUR", "USD")[cost])
            nanos = chance.randrange(10**18) * bool(cost)
            changes[each] = Counts(spans=1, input_tokens=chance.randrange(10**9), cost_nanos=nanos)
            durations[each] = {chance.randrange(600): 1}
        await add(opened, changes, durations)
        await fold(opened, 5, START + 3 * DAY)
        await fold(opened, HOUR, START + 2 * DAY)
        await forget(opened, hours_before=START + DAY)
        minutes = sorted({each.minute for each in changes})
        for _ in range(40):
            first, end = sorted(chance.choice(minutes) + chance.randrange(-70, 70) for _ in range(2))
            window = {"first_minute": first, "end_minute": chance.choice([end, end, None]), "percentiles": True}
            by_label = await ask(opened, UsageGroup.AGENT, UsageGroup.MODEL, **window)
            expected = [replace(row, groups=row.groups[:1]) for row in by_label]
            assert await ask(opened, UsageGroup.AGENT, **window) == expected, window

    async def test_old_usage_is_forgotten_level_by_level(self, opened: OpenedStore) -> None:
        await add(opened, {key(START + day * DAY + 30): Counts(spans=1) for day in range(4)})
        await forget(opened, hours_before=START + 2 * DAY)
        window = {"first_minute": START + 30}
        assert await spans(opened, UsageGroup.AGENT, **window) == {"a": 4}
        assert await spans(opened, UsageGroup.AGENT, inclusive=True, **window) == {"a": 3}
        await forget(opened, sessions_before=START + DAY, hours_before=START + 2 * DAY)
        assert await spans(opened, UsageGroup.SESSION) == {"s": 3}
        assert await spans(opened, UsageGroup.OPERATION) == {"chat": 4}
        await add(opened, {key(START + 4 * DAY): Counts(spans=1)})
        await forget(opened, before=START + 4 * DAY, sessions_before=START + 4 * DAY, hours_before=START + 4 * DAY)
        assert await spans(opened, UsageGroup.OPERATION) == {"chat": 1}
        assert await spans(opened, UsageGroup.AGENT) == {"a": 1}
        assert await spans(opened, UsageGroup.SESSION) == {"s": 1}


def price(model: str = "m", at: int = 0, provider: str = "") -> Price:
    return Price(model=model, provider=provider, effective_at=Instant(at), currency="USD", input_nanos=at)


async def put(opened: OpenedStore, *prices: Price) -> None:
    def work(tx: TelemetryTx) -> None:
        for each in prices:
            tx.keep_price(KnownPrice(tx.record(Change.ADDED, "price", each.model, b""), each))

    await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))


class TestPrices:
    async def test_prices_are_found_by_model_provider_and_date(self, opened: OpenedStore) -> None:
        await put(opened, price(at=5), price(at=9), price(provider="p"))

        def work(tx: TelemetryTx) -> list[Price | None]:
            return [tx.price("m", "", Instant(9)), tx.price("m", "p", Instant(0)), tx.price("m", "", Instant(6))]

        found = await opened.writer.write(work, mutation=BY_TELEMETRY, result=list[Price | None])
        assert found == [price(at=9), price(provider="p"), None]

    async def test_prices_are_listed_in_order_and_known_in_theirs(self, backend: Backend) -> None:
        late, early, other = price("b", at=9), price("b", at=2), price("a", provider="z")
        async with opened_store(backend) as opened:
            await put(opened, late, early)
            await put(opened, other)
        async with opened_store(backend) as opened:
            assert await opened.store.prices(models=(), after=None, limit=9) == [other, early, late]
            assert await opened.store.prices(models=(), after=other.key, limit=1) == [early]
            assert await opened.store.prices(models=("b", "c"), after=early.key, limit=9) == [late]
            known = await opened.store.known_prices()
            assert known == [KnownPrice(Revision(at), each) for at, each in enumerate((late, early, other), start=1)]


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
async def test_two_replicas_lose_nothing_of_each_others(backend: Backend) -> None:
    async with opened_store(backend) as one, opened_store(backend) as other:
        buckets: Buckets = {bucket_of(1_000): 1}
        await asyncio.gather(
            *[
                add(replica, {key(): Counts(spans=1, input_tokens=1)}, {key(): buckets})
                for replica in (one, other)
                for _ in range(20)
            ]
        )
        slow: Buckets = {bucket_of(1_000_000): 39}
        await add(one, {key(): Counts(spans=39)}, {key(): slow})
        (row,) = await ask(other, UsageGroup.OPERATION, percentiles=True)
        assert row.counts.spans == 79
        # Of 40 fast ones and 39 slow ones the 40th is fast: had one been lost, it would be slow.
        assert row.percentiles.p50 == middle_of(bucket_of(1_000))
