"""The contract of alerts' rows, and the book over them, on memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from ringfence_kit import records
from ringfence_kit.clock import DAY, HOUR, SECOND, Instant
from ringfence_kit.errors import RevisionCompacted, Unavailable
from ringfence_kit.store import Mutation
from ringfence_telemetry.alerts.alert import Alert, AlertEvent, AlertEventType, AlertQuery, Silence
from ringfence_telemetry.alerts.book import (
    REFRESHED_EVERY,
    acknowledge,
    begin_silence,
    end_silences,
    fire,
    resolve,
)
from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.store import TelemetryTx
from support.backends import Backend
from support.telemetry.opened import OpenedStore, opened_store
from support.telemetry.spans import NOW

BURN = AlertDraft(
    key="slo-burn/checkout/1h",
    kind=AlertKind.SLO_BURN,
    message="The budget of checkout burns 15 times too fast.",
    subject="slos/checkout",
    agent="namespaces/shop/agents/checkout",
    evidence={"burn_1h": "15"},
    trace_ids=tuple(f"{number:032x}" for number in range(7)),
)
SPENT = AlertDraft(
    key="budget/daily/x/1", kind=AlertKind.BUDGET, message="The daily budget of x is used up.", page=True
)


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


async def write(opened: OpenedStore, work: Callable[[TelemetryTx], object], *, at: Instant = NOW) -> None:
    def done(tx: TelemetryTx) -> None:
        work(tx)

    await opened.writer.write(done, mutation=Mutation(principal="telemetry", at=at), result=type(None))


async def fired(opened: OpenedStore, draft: AlertDraft = BURN, *, at: Instant = NOW) -> None:
    await write(opened, lambda tx: fire(tx, draft, at=at), at=at)


async def resolved(opened: OpenedStore, key: str = BURN.key, *, at: Instant = NOW) -> None:
    await write(opened, lambda tx: resolve(tx, key, at=at), at=at)


async def silenced(opened: OpenedStore, *silences: Silence) -> None:
    for each in silences:
        await write(opened, partial(begin_silence, silence=each))


async def listed(opened: OpenedStore, **query: object) -> list[Alert]:
    return [*await opened.store.alerts(AlertQuery(**({"limit": 100} | query)))]  # type: ignore[arg-type] # its fields


async def events(opened: OpenedStore, *, after: int = 0, limit: int = 100) -> list[AlertEvent]:
    return [*await opened.store.alert_events(after=after, limit=limit)]


async def told(opened: OpenedStore) -> list[tuple[int, str, bool]]:
    return [(event.sequence, event.type.value, event.audible) for event in await events(opened)]


def silence(name: str = "silences/a", **fields: Any) -> Silence:
    values: dict[str, Any] = {
        "name": name,
        "kind": AlertKind.SLO_BURN,
        "reason": "maintenance",
        "actor": "test:ana",
        "created_at": NOW,
        "expires_at": Instant(NOW + HOUR),
    }
    return Silence(**(values | fields))


class TestFiring:
    async def test_an_alert_is_a_row_with_what_was_noticed(self, opened: OpenedStore) -> None:
        await fired(opened)
        (alert,) = await listed(opened)
        assert alert == Alert(
            number=1,
            key=BURN.key,
            kind=AlertKind.SLO_BURN,
            message=BURN.message,
            page=False,
            subject="slos/checkout",
            agent="namespaces/shop/agents/checkout",
            evidence={"burn_1h": "15"},
            trace_ids=BURN.trace_ids[:5],
            fired_at=NOW,
            seen_at=NOW,
        )
        assert alert.name == "alerts/1"

    async def test_at_most_one_of_a_key_fires(self, opened: OpenedStore) -> None:
        await fired(opened)
        await fired(opened)
        await write(opened, lambda tx: (fire(tx, BURN, at=NOW), fire(tx, BURN, at=NOW)))
        assert len(await listed(opened)) == 1
        assert await told(opened) == [(1, "fired", True)]

    async def test_noticed_again_it_is_brought_up_to_date_at_a_bounded_rate(self, opened: OpenedStore) -> None:
        await fired(opened)
        soon, later = Instant(NOW + REFRESHED_EVERY - 1), Instant(NOW + REFRESHED_EVERY)
        await fired(opened, replace(BURN, evidence={"burn_1h": "16"}), at=soon)
        assert (await listed(opened))[0].evidence == {"burn_1h": "15"}
        await fired(opened, replace(BURN, evidence={"burn_1h": "17"}, message="Faster."), at=later)
        (alert,) = await listed(opened)
        assert (alert.evidence, alert.message, alert.seen_at, alert.fired_at) == (
            {"burn_1h": "17"},
            "Faster.",
            later,
            NOW,
        )
        assert len(await events(opened)) == 1

    async def test_one_that_becomes_urgent_is_told_again_and_stays_urgent(self, opened: OpenedStore) -> None:
        await fired(opened)
        await fired(opened, replace(BURN, page=True))
        await fired(opened, BURN, at=Instant(NOW + HOUR))
        assert (await listed(opened))[0].page
        assert await told(opened) == [(1, "fired", True), (2, "fired", True)]

    async def test_what_is_over_stays_and_the_next_of_its_key_is_another(self, opened: OpenedStore) -> None:
        await fired(opened)
        await resolved(opened, at=Instant(NOW + SECOND))
        await resolved(opened, at=Instant(NOW + 2 * SECOND))
        await fired(opened, at=Instant(NOW + HOUR))
        newest, oldest = await listed(opened)
        assert (oldest.number, oldest.resolved_at, newest.number, newest.fires) == (1, NOW + SECOND, 3, True)
        assert await told(opened) == [(1, "fired", True), (2, "resolved", True), (3, "fired", True)]

    async def test_a_transaction_that_fails_leaves_neither_row_nor_number(self, opened: OpenedStore) -> None:
        def work(tx: TelemetryTx) -> None:
            fire(tx, BURN, at=NOW)
            raise Unavailable(problem="the disk is full")

        with pytest.raises(Unavailable):
            await write(opened, work)
        assert (await listed(opened), await opened.store.newest_alert_sequence()) == ([], 0)
        await fired(opened, SPENT)
        assert [event.sequence for event in await events(opened)] == [1]

    async def test_acknowledging_is_an_event_and_said_twice_it_is_one(self, opened: OpenedStore) -> None:
        await fired(opened)

        def work(tx: TelemetryTx) -> None:
            firing = tx.firing_alert(BURN.key)
            assert firing is not None
            acked = acknowledge(tx, firing, by="test:ana", at=NOW)
            acknowledge(tx, acked, by="test:ana", at=NOW)

        await write(opened, work)
        assert [(alert.acked_by, alert.acked_at) for alert in await listed(opened)] == [("test:ana", NOW)]
        assert [event.type for event in await events(opened)] == [AlertEventType.FIRED, AlertEventType.ACKED]

    async def test_the_events_of_the_service_carry_those_of_alerts(self, opened: OpenedStore) -> None:
        await fired(opened)
        await resolved(opened)
        await fired(opened)
        (newest,) = await events(opened, after=2)
        assert (newest.sequence, newest.alert.number, newest.type) == (3, 3, AlertEventType.FIRED)
        assert records.decode(records.encode(newest), AlertEvent) == newest

    async def test_everything_is_there_after_a_restart(self, backend: Backend) -> None:
        async with opened_store(backend) as before:
            await fired(before)
            await fired(before, SPENT)
        async with opened_store(backend) as after:
            await resolved(after)
            firing = await after.store.alerts_firing()
            assert (firing.sequence, [alert.key for alert in firing.alerts]) == (3, [SPENT.key])
            assert [event.sequence for event in await events(after)] == [1, 2, 3]


class TestListing:
    @pytest.fixture
    async def filled(self, opened: OpenedStore) -> OpenedStore:
        await fired(opened)
        await fired(opened, replace(BURN, key="b", agent="namespaces/shop-2/agents/x", kind=AlertKind.DRIFT))
        await fired(opened, replace(BURN, key="c", agent="namespaces/shop/agents/x"))
        await fired(opened, SPENT)
        await resolved(opened, "c")
        return opened

    @pytest.mark.parametrize(
        ("query", "numbers"),
        [
            ({}, [4, 3, 2, 1]),
            ({"firing_only": True}, [4, 2, 1]),
            ({"agent": "namespaces/shop/agents/x"}, [3]),
            ({"kinds": (AlertKind.DRIFT, AlertKind.BUDGET)}, [4, 2]),
            ({"namespaces": ("shop",)}, [3, 1]),
            ({"namespaces": ("shop-2", "shop")}, [3, 2, 1]),
            ({"namespaces": ()}, []),
            ({"before": 3, "limit": 1}, [2]),
        ],
    )
    async def test_a_query_narrows(self, filled: OpenedStore, query: dict[str, object], numbers: list[int]) -> None:
        assert [alert.number for alert in await listed(filled, **query)] == numbers

    async def test_a_namespace_in_capitals_is_nobodys(self, opened: OpenedStore) -> None:
        await fired(opened, replace(BURN, agent="namespaces/SHOP/agents/x"))
        assert await listed(opened, namespaces=("shop",)) == []

    async def test_events_come_in_pages(self, filled: OpenedStore) -> None:
        assert [event.sequence for event in await events(filled, after=1, limit=2)] == [2, 3]
        assert await events(filled, after=5) == []


class TestSilences:
    async def test_a_silenced_alert_is_kept_and_nobody_is_told_of_its_beginning_or_end(
        self, opened: OpenedStore
    ) -> None:
        await silenced(opened, silence())
        await fired(opened)
        assert [alert.silence for alert in await listed(opened)] == ["silences/a"]
        await resolved(opened)
        await fired(opened, SPENT)
        assert await told(opened) == [(1, "fired", False), (2, "resolved", False), (3, "fired", True)]

    async def test_whoever_heard_it_begin_hears_it_end(self, opened: OpenedStore) -> None:
        await fired(opened)
        await silenced(opened, silence())
        assert [alert.silence for alert in await listed(opened)] == ["silences/a"]
        await fired(opened, replace(BURN, page=True))
        await resolved(opened)
        assert await told(opened) == [(1, "fired", True), (2, "fired", False), (3, "resolved", True)]

    async def test_what_outlives_its_silence_is_told_then(self, opened: OpenedStore) -> None:
        await silenced(opened, silence())
        await fired(opened)
        end = Instant(NOW + HOUR)
        assert not await opened.store.any_silence_over(Instant(end - 1))
        assert await opened.store.any_silence_over(end)
        await write(opened, lambda tx: end_silences(tx, tx.silences_over(end), at=end), at=end)
        assert not await opened.store.any_silence_over(end)
        assert [alert.silence for alert in await listed(opened)] == [""]
        assert await told(opened) == [(1, "fired", False), (2, "fired", True)]

    async def test_another_silence_takes_over(self, opened: OpenedStore) -> None:
        first, second = silence(), silence("silences/b", kind=None, agent=BURN.agent)
        await silenced(opened, first, second)
        await fired(opened)
        await write(opened, lambda tx: end_silences(tx, [first], at=NOW))
        assert [alert.silence for alert in await listed(opened)] == ["silences/b"]
        assert await told(opened) == [(1, "fired", False)]

    @pytest.mark.parametrize(
        ("fields", "covers"),
        [
            ({"kind": AlertKind.DRIFT}, False),
            ({"subject": "slos/checkout"}, True),
            ({"subject": "slos/other"}, False),
            ({"kind": None, "agent": BURN.agent}, True),
            ({"agent": "namespaces/shop/agents/other"}, False),
        ],
    )
    async def test_it_covers_what_it_names(self, opened: OpenedStore, fields: dict[str, Any], covers: bool) -> None:
        await silenced(opened, silence(**fields))
        await fired(opened)
        assert [bool(alert.silence) for alert in await listed(opened)] == [covers]

    async def test_those_that_are_over_are_not_listed(self, opened: OpenedStore) -> None:
        long = silence("silences/b", expires_at=Instant(NOW + DAY))
        await silenced(opened, silence(), long)
        listed_now = await opened.store.silences_at(NOW, limit=10)
        assert [each.name for each in listed_now] == ["silences/a", "silences/b"]
        assert [*await opened.store.silences_at(Instant(NOW + HOUR), limit=10)] == [long]
        assert [*await opened.store.silences_at(NOW, after="silences/a", limit=1)] == [long]


class TestForgetting:
    async def test_what_is_over_goes_and_the_numbers_go_on(self, opened: OpenedStore) -> None:
        await fired(opened)
        await resolved(opened)
        await fired(opened, SPENT)
        much_later = Instant(NOW + 90 * DAY)

        def work(tx: TelemetryTx) -> None:
            assert tx.forget_alerts(before=much_later, limit=100) == 2
            assert tx.forget_alerts(before=much_later, limit=100) == 0

        await write(opened, work)
        assert [alert.number for alert in await listed(opened)] == [3]
        assert [event.sequence for event in await events(opened, after=2)] == [3]
        with pytest.raises(RevisionCompacted):
            await events(opened)
        await resolved(opened, SPENT.key)
        assert await opened.store.newest_alert_sequence() == 4

    async def test_a_little_at_a_time(self, opened: OpenedStore) -> None:
        for number in range(3):
            await fired(opened, replace(BURN, key=f"k{number}"))
            await resolved(opened, f"k{number}")
        await write(opened, lambda tx: tx.forget_alerts(before=Instant(NOW + DAY), limit=2))
        assert [alert.number for alert in await listed(opened)] == [5]
        assert [event.sequence for event in await events(opened, after=2)] == [3, 4, 5, 6]
