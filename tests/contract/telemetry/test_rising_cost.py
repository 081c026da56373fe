"""Cost that rises: usage by the hour on memory, SQLite and PostgreSQL, and the alerts that come of it."""

from collections.abc import AsyncIterator

import pytest
from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant, ManualClock, Millis
from ringfence_telemetry.alerts.alert import AlertQuery
from ringfence_telemetry.budgets.anomaly import TOKENS_LEAST
from ringfence_telemetry.budgets.rising import RisingCost
from support.backends import Backend
from support.telemetry.opened import OpenedStore, opened_store
from support.telemetry.spans import NOW
from support.telemetry.spending import spent, used

USUAL = 50_000


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


async def worked(opened: OpenedStore, *, days: int = 3, agent: str = "a", tokens: int = USUAL) -> None:
    """Let an agent use about the same every hour of some days before."""
    hours = range(1, days * 24 + 1)
    uses = [used(tokens + hour % 7, agent=agent, at=Instant(NOW - HOUR - hour * HOUR)) for hour in hours]
    await spent(opened, *uses)


async def told(opened: OpenedStore, at: Instant = NOW) -> list[str]:
    clock = ManualClock(at)
    await RisingCost(opened.writer, opened.store, clock=clock).look()
    found = await opened.store.alerts(AlertQuery(firing_only=True, limit=10))
    return sorted(f"{alert.agent} {alert.evidence['unit']} {alert.evidence['last_hour']}" for alert in found)


async def test_usage_comes_by_the_hour_from_the_first_on(opened: OpenedStore) -> None:
    hour = Instant(NOW - NOW % HOUR)
    await spent(
        opened,
        used(1, at=Instant(hour - 5 * HOUR)),
        used(2, at=Instant(hour - 3 * HOUR), currency="EUR", cost_nanos=7),
        used(4, at=Instant(hour - 3 * HOUR + 59 * MINUTE), currency="USD", cost_nanos=10**10),
        used(8, at=hour),
        used(16, agent="b", at=Instant(hour - HOUR)),
        used(32, at=Instant(hour - 2 * HOUR), untrusted=True),
        used(64, at=Instant(hour - 200 * HOUR)),
    )
    found = await opened.store.usage_by_hour(["a", "b", "c"], before=Instant(hour + 30 * MINUTE), hours=10)
    assert {agent: [each.tokens for each in hours] for agent, hours in found.items()} == {
        "a": [1, 0, 6, 0, 0],
        "b": [16],
    }
    assert found["a"][2].cost == {"EUR": 7, "USD": 10**10}


async def test_an_hour_out_of_the_ordinary_is_told_and_ends(opened: OpenedStore) -> None:
    await worked(opened)
    assert await told(opened) == []
    await spent(opened, used(10 * USUAL, at=Instant(NOW - MINUTE)))
    assert await told(opened) == [f"a tokens {10 * USUAL}"]
    assert await told(opened, Instant(NOW + 30 * MINUTE)) == [f"a tokens {10 * USUAL}"]
    assert await told(opened, Instant(NOW + 2 * HOUR)) == []


async def test_the_alert_says_what_there_is_to_know(opened: OpenedStore) -> None:
    await worked(opened)
    await spent(opened, used(500_000, at=Instant(NOW - MINUTE)))
    await told(opened)
    (alert,) = await opened.store.alerts(AlertQuery(limit=10))
    assert alert.message.startswith(
        "a used 500,000 tokens in the last hour; the mean of its 72 hours before is 50,002 tokens. "
    )


async def test_money_is_looked_at_by_currency(opened: OpenedStore) -> None:
    euro = 10**9
    hours = range(1, 49)
    usual = [used(0, at=Instant(NOW - HOUR - hour * HOUR), currency="EUR", cost_nanos=euro) for hour in hours]
    await spent(opened, *usual, used(0, at=Instant(NOW - MINUTE), currency="EUR", cost_nanos=20 * euro))
    await spent(opened, used(0, at=Instant(NOW - MINUTE), currency="USD", cost_nanos=20 * euro))
    assert await told(opened) == [f"a EUR {20 * euro}", f"a USD {20 * euro}"]


@pytest.mark.parametrize(
    ("days", "usual", "last"),
    [
        (3, USUAL, 2 * USUAL),
        (3, 10, TOKENS_LEAST - 1),
        (0, USUAL, 100 * USUAL),
    ],
    ids=["within thrice the mean", "not worth it", "no history"],
)
async def test_what_is_not_told(opened: OpenedStore, days: int, usual: int, last: int) -> None:
    await worked(opened, days=days, tokens=usual)
    await spent(opened, used(last, at=Instant(NOW - MINUTE)), used(100 * last, agent="b", at=NOW, untrusted=True))
    assert await told(opened) == []


async def test_who_works_an_hour_a_day_does_what_it_always_did(opened: OpenedStore) -> None:
    await spent(opened, *(used(1_000_000, at=Instant(NOW - MINUTE - day * DAY)) for day in range(8)))
    assert await told(opened) == []


async def test_it_looks_at_the_end_of_every_minute(opened: OpenedStore) -> None:
    clock = ManualClock(Instant(NOW + 59_000))
    await worked(opened)
    await spent(opened, used(10 * USUAL, at=NOW))
    rising = RisingCost(opened.writer, opened.store, clock=clock)
    clock.advance(Millis(1_000))
    await rising.look()
    (alert,) = await opened.store.alerts(AlertQuery(limit=10))
    assert alert.fired_at == NOW + MINUTE
