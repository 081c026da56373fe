"""Faults at the door: whatever is flooded, slow or gone, the counters say what the senders know, to the item."""

import asyncio
import errno
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from ringfence_kit.clock import ManualClock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_telemetry.admission import HOLD
from ringfence_telemetry.errors import IngestOverloaded
from ringfence_telemetry.ingest import STORE_RETRY
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.segment_disk import LocalDisk
from support.backends import Backend
from support.telemetry.ingesting import Ingesting, ingesting
from support.telemetry.opened import OpenedStore, opened_store
from support.telemetry.spans import SpanSpec, request_of


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


@dataclass
class Senders:
    """What all senders together know: items by signal and by what they were told."""

    told: Counter[tuple[OtlpSignal, str]] = field(default_factory=Counter)
    sent: int = 0

    async def send(self, at_work: Ingesting, signal: OtlpSignal, items: int) -> None:
        """Send a request and note the answer; of spans the first is none, when there are several."""
        self.sent += 1
        broken = 1 if signal is OtlpSignal.SPANS and items > 1 else 0
        try:
            rejected = await at_work.export(request(signal, items, number=self.sent, broken=broken), signal=signal)
        except (IngestOverloaded, Unavailable):
            self.told[signal, "refused"] += items
        except asyncio.CancelledError:
            self.told[signal, "unanswered"] += items
            raise
        else:
            assert rejected == broken
            self.told[signal, "rejected"] += rejected
            self.told[signal, "acknowledged"] += items - rejected

    def assert_counted(self, at_work: Ingesting) -> None:
        """Check that the counters say the same, and that they conserve."""
        at_work.assert_conserved()
        for signal, counts in at_work.ingest.counts.of.items():
            unanswered = self.told[signal, "unanswered"]
            assert counts.received == sum(items for (each, _), items in self.told.items() if each is signal)
            told = (self.told[signal, "acknowledged"], self.told[signal, "refused"], self.told[signal, "rejected"])
            found = (counts.acknowledged, counts.refused, counts.rejected)
            assert sum(found) - sum(told) == unanswered
            assert all(most >= least for most, least in zip(found, told, strict=True))
            if not unanswered:
                assert found == told


def request(signal: OtlpSignal, items: int, *, number: int, broken: int) -> bytes:
    """Return a request of `items`; of its spans the first `broken` are none."""
    match signal:
        case OtlpSignal.SPANS:
            spans = [SpanSpec(number * 1_000 + each, trace=number) for each in range(1, items + 1)]
            made = request_of(spans)
            for span in made.resource_spans[0].scope_spans[0].spans[:broken]:
                span.span_id = b"short"
            return made.SerializeToString()
        case OtlpSignal.LOGS:
            scope = ScopeLogs(log_records=[LogRecord()] * items)
            return ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[scope])]).SerializeToString()
        case OtlpSignal.METRICS:
            metric = Metric(name="m", gauge=Gauge(data_points=[NumberDataPoint()] * items))
            resource = ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[metric])])
            return ExportMetricsServiceRequest(resource_metrics=[resource]).SerializeToString()


def mixed(count: int) -> list[tuple[OtlpSignal, int]]:
    """Return so many requests of every signal and size."""
    dice = random.Random(11)
    return [(dice.choice(list(OtlpSignal)), dice.randint(1, 9)) for _ in range(count)]


async def caught_up(at_work: Ingesting, clock: ManualClock) -> None:
    """Let the roll-up try again until everything is counted."""
    done = asyncio.ensure_future(at_work.ingest.caught_up())
    while not done.done():
        clock.advance(STORE_RETRY)
        await asyncio.wait({done}, timeout=0.01)


async def test_a_flooded_queue_counts_what_the_senders_count(opened: OpenedStore, tmp_path: Path) -> None:
    clock, senders = ManualClock(), Senders()
    async with ingesting(opened, tmp_path, clock=clock, queue_spans=60) as at_work:
        at_work.writer.away = True
        flood = [asyncio.ensure_future(senders.send(at_work, *each)) for each in mixed(60)]
        while not all(sender.done() for sender in flood):
            clock.advance(Millis(HOLD // 4))
            await asyncio.wait(flood, timeout=0.005)
        assert {what for (_, what), items in senders.told.items() if items} == {"acknowledged", "refused", "rejected"}
        at_work.writer.away = False
        await caught_up(at_work, clock)
        senders.assert_counted(at_work)
        assert at_work.ingest.counts.pending == 0
        totals = await at_work.totals()
        acknowledged = senders.told[OtlpSignal.SPANS, "acknowledged"]
        assert sum(counts.spans for counts in totals.values()) == acknowledged
        assert (at_work.admission.items, at_work.admission.bytes) == (0, 0)


async def test_a_disk_that_comes_and_goes_counts_what_the_senders_count(opened: OpenedStore, tmp_path: Path) -> None:
    directory, senders = tmp_path / "log", Senders()
    async with ingesting(opened, directory) as at_work:
        for number, each in enumerate(mixed(30)):
            if number % 10 == 3:
                directory.rename(tmp_path / "gone")
            if number % 10 == 6:
                (tmp_path / "gone").rename(directory)
            await senders.send(at_work, *each)
        await at_work.ingest.caught_up()
        senders.assert_counted(at_work)
    again_senders = {signal: senders.told[signal, "acknowledged"] for signal in OtlpSignal}
    async with ingesting(opened, directory) as again:
        assert {signal: each.rolled_up for signal, each in again.ingest.counts.of.items()} == again_senders
        again.assert_conserved()


async def test_senders_that_do_not_wait_for_a_slow_disk_are_counted_all_the_same(
    opened: OpenedStore, tmp_path: Path
) -> None:
    senders = Senders()
    async with ingesting(opened, tmp_path) as at_work:
        impatient = [asyncio.ensure_future(senders.send(at_work, *each)) for each in mixed(40)]
        await asyncio.sleep(0)
        for each in impatient[::2]:
            each.cancel()
        await asyncio.wait(impatient)
        await at_work.ingest.caught_up()
        senders.assert_counted(at_work)
        assert at_work.ingest.counts.pending == 0
        spans = at_work.counts
        assert sum(counts.spans for counts in (await at_work.totals()).values()) == spans.rolled_up


class SlowDisk(LocalDisk):
    """A disk that is told when it is done with a sync, and may say that it failed."""

    def __init__(self) -> None:
        self._may_go_on = threading.Event()
        self.failing = False
        self.syncs = 0

    def sync(self, descriptor: int) -> None:
        """Sync, when it may."""
        self._may_go_on.wait()
        if self.failing:
            raise OSError(errno.EIO, "Input/output error")
        super().sync(descriptor)
        self.syncs += 1

    def go_on(self) -> None:
        """Let every sync be done."""
        self._may_go_on.set()


async def test_nobody_is_answered_before_a_slow_disk_has_it_and_all_are_counted(
    opened: OpenedStore, tmp_path: Path
) -> None:
    clock, senders, disk = ManualClock(), Senders(), SlowDisk()
    async with ingesting(opened, tmp_path, clock=clock, queue_spans=60, disk=disk) as at_work:
        flood = [asyncio.ensure_future(senders.send(at_work, *each)) for each in mixed(60)]
        while sum(sender.done() for sender in flood) < 40:  # those that found no room for two seconds
            clock.advance(Millis(HOLD // 4))
            await asyncio.wait(flood, timeout=0.005)
        assert {what for (_, what), items in senders.told.items() if items} == {"refused"}
        assert disk.syncs == 0
        disk.go_on()
        await asyncio.wait(flood)
        await at_work.ingest.caught_up()
        senders.assert_counted(at_work)
        assert {what for (_, what), items in senders.told.items() if items} == {"acknowledged", "refused", "rejected"}
        assert disk.syncs < sum(sender.done() for sender in flood)  # those that waited shared one
        acknowledged = senders.told[OtlpSignal.SPANS, "acknowledged"]
        assert sum(counts.spans for counts in (await at_work.totals()).values()) == acknowledged
        assert (at_work.admission.items, at_work.admission.bytes) == (0, 0)


async def test_a_disk_whose_syncs_fail_counts_what_the_senders_count(opened: OpenedStore, tmp_path: Path) -> None:
    senders, disk = Senders(), SlowDisk()
    disk.go_on()
    async with ingesting(opened, tmp_path, disk=disk) as at_work:
        for number, each in enumerate(mixed(30)):
            disk.failing = number % 10 in (3, 4, 5)
            await senders.send(at_work, *each)
        disk.failing = False
        await at_work.ingest.caught_up()
        senders.assert_counted(at_work)
    kept = {signal: senders.told[signal, "acknowledged"] for signal in OtlpSignal}
    async with ingesting(opened, tmp_path) as again:
        assert {signal: each.rolled_up for signal, each in again.ingest.counts.of.items()} == kept
        again.assert_conserved()
