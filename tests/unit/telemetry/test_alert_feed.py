"""The feed of alerts: whoever reads too slowly is closed with the number to go on from, and misses nothing."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest
from ringfence_kit.clock import Instant, ManualClock
from ringfence_kit.errors import RevisionCompacted, Unavailable, WatcherTooSlow
from ringfence_kit.events import Event
from ringfence_kit.memory import MemoryDatabase, MemoryWriter
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.watch import EventHub
from ringfence_telemetry.alerts.alert import ALERT
from ringfence_telemetry.alerts.book import fire
from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.alerts.feed import AlertFeed, AlertItem, NextSequence
from ringfence_telemetry.applied import Applied
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store_memory import MemoryTelemetryStore, MemoryTelemetryTx
from support.telemetry.spans import NOW

IN_MEMORY = 4


@dataclass(slots=True)
class Fed:
    """A feed, and who writes."""

    feed: AlertFeed
    writer: Writer[TelemetryTx]

    async def fires(self, *keys: str) -> None:
        for key in keys:
            draft = AlertDraft(key=key, kind=AlertKind.DRIFT, message=key)
            mutation = Mutation(principal="telemetry", at=NOW)
            await self.writer.write(partial(_fired, draft=draft), mutation=mutation, result=type(None))

    def watch(self, from_sequence: int | None = None) -> "aclosing[AsyncGenerator[AlertItem, None]]":
        items = self.feed.watch(
            from_sequence=from_sequence, send_firing=False, want=lambda _alert: True, silenced=False
        )
        return aclosing(items)


def _fired(tx: TelemetryTx, draft: AlertDraft) -> None:
    fire(tx, draft, at=NOW)


@asynccontextmanager
async def fed(database: MemoryDatabase) -> AsyncIterator[Fed]:
    clock = ManualClock()
    store = MemoryTelemetryStore(database)
    feed = AlertFeed(store, clock=clock, events_in_memory=IN_MEMORY)
    hub = EventHub(database.events, clock=clock, apply=Applied({ALERT: feed.apply}))
    hub.start(await store.revision())
    async with feed.running(), MemoryWriter(database, MemoryTelemetryTx, hub, clock=clock) as writer:
        yield Fed(feed, writer)


async def numbers(items: AsyncIterator[AlertItem], count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        item = await anext(items)
        if isinstance(item, Event):
            found.append(item.revision)
    return found


async def test_who_reads_too_slowly_is_closed_and_goes_on_without_a_gap() -> None:
    async with fed(MemoryDatabase()) as feeding:
        async with feeding.watch() as slow:
            assert await anext(slow) == NextSequence(sequence=1)
            await feeding.fires("a")
            assert await numbers(slow, 1) == [1]
            await feeding.fires(*"bcdefgh")
            with pytest.raises(WatcherTooSlow) as closed:
                await numbers(slow, 7)
        resume = int(closed.value.metadata["resume_revision"])
        async with feeding.watch(resume) as again:
            assert await numbers(again, 8 - resume + 1) == list(range(resume, 9))


async def test_what_is_no_longer_kept_is_said() -> None:
    database = MemoryDatabase()
    async with fed(database) as feeding:
        await feeding.fires(*"abc")
        mutation = Mutation(principal="telemetry", at=NOW)
        await feeding.writer.write(
            lambda tx: tx.forget_alerts(before=Instant(NOW + 1), limit=10), mutation=mutation, result=int
        )
    async with fed(database) as feeding, feeding.watch(1) as late:
        with pytest.raises(RevisionCompacted) as told:
            await anext(late)
        assert told.value.metadata["oldest_revision"] == "3"


async def test_nothing_is_served_before_and_after() -> None:
    async with fed(MemoryDatabase()) as feeding:
        pass
    async with feeding.watch(1) as closed:
        with pytest.raises(Unavailable):
            await anext(closed)
