"""Senders that are turned away are heard of once, and when it is over."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence_kit.clock import ManualClock, Millis
from ringfence_telemetry.admission import HOLD
from ringfence_telemetry.alerts.alert import Alert
from ringfence_telemetry.errors import IngestOverloaded
from ringfence_telemetry.pressure import PRESSURE_FOR, PRESSURE_KEY, Pressure
from ringfence_telemetry.store import TelemetryTx
from support.backends import Backend
from support.telemetry.ingesting import ingesting
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import SpanSpec


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


async def firing(opened: OpenedStore) -> list[Alert]:
    found: list[Alert] = []

    def look(tx: TelemetryTx) -> None:
        found.extend(tx.firing_alerts())

    await opened.writer.write(look, mutation=BY_TELEMETRY, result=type(None))
    return found


async def test_senders_turned_away_are_heard_of_until_none_is(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock, free_bytes_least=2**62) as at_work:
        pressure = Pressure(opened.writer, at_work.ingest.counts, clock=clock)
        await pressure.look()
        assert await firing(opened) == []
        for number in (1, 2):
            with pytest.raises(IngestOverloaded):
                await at_work.send([SpanSpec(number)])
            await pressure.look()
        (alert,) = await firing(opened)
        assert (alert.key, alert.page, alert.evidence) == (PRESSURE_KEY, True, {"refused_traces": "1"})
        clock.advance(Millis(PRESSURE_FOR - 1))
        await pressure.look()
        assert await firing(opened) != []
        clock.advance(HOLD)
        await pressure.look()
        assert await firing(opened) == []


async def test_an_alert_from_before_a_restart_ends_too(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock, free_bytes_least=2**62) as at_work:
        with pytest.raises(IngestOverloaded):
            await at_work.send([SpanSpec(1)])
        await Pressure(opened.writer, at_work.ingest.counts, clock=clock).look()
    clock.advance(PRESSURE_FOR)
    async with ingesting(opened, tmp_path, clock=clock) as at_work:
        await Pressure(opened.writer, at_work.ingest.counts, clock=clock).look()
        assert await firing(opened) == []
