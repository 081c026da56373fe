"""What is noticed about usage: models without a price, and tokens that are nobody's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence_kit.clock import DAY, SECOND, Instant, ManualClock, Millis
from ringfence_telemetry.alerts.draft import AlertKind
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.usage_alerts import UsageAlerts, resolve_old
from support.backends import Backend
from support.telemetry.ingesting import Ingesting, ingesting
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import AttributeValue, SpanSpec

STRANGER = Reporter(principal="did:web:stranger", agents=("did:web:stranger",))


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


def chat(name: int, at: int, *, agent: str = "planner", model: str = "large") -> SpanSpec:
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": model,
        "gen_ai.usage.input_tokens": 10,
    }
    if agent:
        attributes["gen_ai.agent.name"] = agent
    return SpanSpec(name, attributes=attributes, trace=name, start_ms=at)


async def firing(opened: OpenedStore) -> dict[str, AlertKind]:
    return {alert.key: alert.kind for alert in (await opened.store.alerts_firing()).alerts}


async def send(at_work: Ingesting, *spans: SpanSpec) -> None:
    await at_work.send(spans)
    await at_work.ingest.caught_up()


async def test_a_model_without_a_price_and_usage_without_an_agent_are_told_once(
    opened: OpenedStore, tmp_path: Path
) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock, consequences=[UsageAlerts()]) as at_work:
        await send(at_work, chat(1, clock.now()), chat(2, clock.now(), model=""))
        assert await firing(opened) == {
            "price-unknown/large": AlertKind.PRICE_UNKNOWN,
            "price-unknown/": AlertKind.PRICE_UNKNOWN,
        }
        clock.advance(Millis(20 * SECOND))
        await send(at_work, chat(3, clock.now(), agent=""))
        assert len(await opened.store.alert_events(after=0, limit=9)) == 3
        assert "unattributed" in await firing(opened)


async def test_what_is_not_believed_alerts_nobody(opened: OpenedStore, tmp_path: Path) -> None:
    async with ingesting(opened, tmp_path, consequences=[UsageAlerts()]) as at_work:
        spans = [chat(1, ManualClock().now(), agent="did:web:other")]
        await at_work.send(spans, reporter=STRANGER)
        await at_work.ingest.caught_up()
        assert await firing(opened) == {}


async def test_what_nothing_confirms_for_a_day_is_over(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock, consequences=[UsageAlerts()]) as at_work:
        await send(at_work, chat(1, clock.now()), chat(2, clock.now(), model="small"))
        clock.advance(Millis(DAY // 2))
        await send(at_work, chat(3, clock.now()))

        def tidy(tx: TelemetryTx) -> None:
            resolve_old(tx, Instant(clock.now() + DAY // 2))

        await at_work.writer.write(tidy, mutation=BY_TELEMETRY, result=type(None))
        assert await firing(opened) == {"price-unknown/large": AlertKind.PRICE_UNKNOWN}


async def test_very_many_models_are_alerts_of_a_bounded_number(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock, consequences=[UsageAlerts()]) as at_work:
        await send(at_work, *[chat(n, clock.now(), model=f"m{n}") for n in range(1, 301)])
        assert len(await firing(opened)) == 100
