"""Sending on what was accepted: at least once, in order, bounded, counted to the item, whatever the backend does."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from ringfence_kit.background import background
from ringfence_kit.clock import EPOCH, Millis
from ringfence_kit.ids import counting_ids
from ringfence_telemetry.convert.otlp import parse
from ringfence_telemetry.forwarding import FIRST_RETRY, LAST_RETRY, PAUSE, REFUSALS_MAX, Forwarder, Later, Never
from ringfence_telemetry.frames import Frame
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.segment_files import Position
from ringfence_telemetry.segments import Logged, SegmentLog
from support.stepped_clock import SteppedClock
from support.telemetry.spans import SpanSpec, request_of

IDS = counting_ids(3)


@dataclass
class ScriptedBackend:
    """A backend that answers as told: an exception for each request, then none."""

    answers: list[Exception] = field(default_factory=list)
    taken: list[tuple[OtlpSignal, bytes]] = field(default_factory=list)
    asked: int = 0
    always: Exception | None = None

    async def send(self, signal: OtlpSignal, payload: bytes) -> int:
        """Take a request, or answer as told."""
        self.asked += 1
        if self.always is not None:
            raise self.always
        if self.answers:
            raise self.answers.pop(0)
        self.taken.append((signal, payload))
        return 0


@asynccontextmanager
async def opened_log(directory: Path, *, segment_bytes: int = 2**20) -> AsyncIterator[SegmentLog[None]]:
    def nothing(_: Sequence[Logged[None]]) -> None: ...

    async with SegmentLog[None](
        directory, on_durable=nothing, on_refused=lambda _: None, new_id=IDS, segment_bytes=segment_bytes
    ) as log:
        yield log


def spans(number: int, count: int = 1, padding: int = 0) -> Frame:
    specs = [SpanSpec(number * 100 + each, attributes={"padding": "x" * padding}) for each in range(count)]
    return Frame(received_at=EPOCH, reporter=b"{}", payload=request_of(specs).SerializeToString())


def logs(count: int) -> Frame:
    request = ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[LogRecord()] * count)])]
    )
    return Frame(received_at=EPOCH, reporter=b"{}", payload=request.SerializeToString(), signal=OtlpSignal.LOGS)


def forwarder_of(log: SegmentLog[None], directory: Path, clock: SteppedClock, *, lag_bytes: int = 2**30) -> Forwarder:
    return Forwarder(log, kept_in=directory / "forwarded.json", parse=parse, lag_bytes=lag_bytes, clock=clock)


async def test_everything_is_sent_as_it_came_and_in_order(tmp_path: Path) -> None:
    clock, backend = SteppedClock(), ScriptedBackend()
    frames = [spans(1, 3), logs(2), spans(2), spans(3)]
    async with opened_log(tmp_path, segment_bytes=600) as log:
        for frame in frames[:3]:
            await log.append(frame, None)
        forwarder = forwarder_of(log, tmp_path, clock)
        async with background(forwarder.run(backend)):
            await clock.next_sleep()
            assert backend.taken == [(frame.signal, frame.payload) for frame in frames[:3]]
            await log.append(frames[3], None)
            clock.advance(PAUSE)
            await clock.next_sleep()
        assert backend.taken[3:] == [(OtlpSignal.SPANS, frames[3].payload)]
        assert forwarder.counts[OtlpSignal.SPANS].forwarded == 5
        assert forwarder.counts[OtlpSignal.LOGS].forwarded == 2
        assert (forwarder.waiting_bytes, forwarder.needed_from()) == (0, log.end)


async def test_a_backend_that_is_away_is_tried_ever_more_slowly(tmp_path: Path) -> None:
    clock, backend = SteppedClock(), ScriptedBackend(answers=[Later("away")] * 8)
    async with opened_log(tmp_path) as log:
        await log.append(spans(1), None)
        forwarder = forwarder_of(log, tmp_path, clock)
        async with background(forwarder.run(backend)):
            waits = [await clock.pass_next_sleep() for _ in range(8)]
            await clock.next_sleep()
        assert waits == [min(FIRST_RETRY << step, LAST_RETRY) for step in range(8)]
        assert (len(backend.taken), forwarder.retries) == (1, 8)


async def test_a_backend_that_says_when_is_asked_then(tmp_path: Path) -> None:
    clock, backend = SteppedClock(), ScriptedBackend(answers=[Later("busy", delay=Millis(250))])
    async with opened_log(tmp_path) as log:
        await log.append(spans(1), None)
        async with background(forwarder_of(log, tmp_path, clock).run(backend)):
            await clock.next_sleep()
            clock.advance(Millis(250))
            await clock.next_sleep()
        assert len(backend.taken) == 1


async def test_what_it_will_never_take_is_lost_to_it_and_the_next_is_sent(tmp_path: Path) -> None:
    clock, backend = SteppedClock(), ScriptedBackend(answers=[Never("malformed")])
    async with opened_log(tmp_path) as log:
        for frame in (spans(1, 4), spans(2)):
            await log.append(frame, None)
        forwarder = forwarder_of(log, tmp_path, clock)
        async with background(forwarder.run(backend)):
            await clock.next_sleep()
        counts = forwarder.counts[OtlpSignal.SPANS]
        assert (counts.forwarded, counts.lost) == (1, 4)


async def test_a_request_that_may_be_too_large_is_not_sent_for_ever(tmp_path: Path) -> None:
    clock = SteppedClock()
    backend = ScriptedBackend(answers=[Later("too large?", refused=True)] * REFUSALS_MAX)
    async with opened_log(tmp_path) as log:
        for frame in (spans(1, 2), spans(2)):
            await log.append(frame, None)
        forwarder = forwarder_of(log, tmp_path, clock)
        async with background(forwarder.run(backend)):
            for _ in range(REFUSALS_MAX):
                await clock.next_sleep()
                clock.advance(LAST_RETRY)
            await clock.next_sleep()
        counts = forwarder.counts[OtlpSignal.SPANS]
        assert (counts.forwarded, counts.lost) == (1, 2)


async def test_it_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with opened_log(tmp_path) as log:
        await log.append(spans(1, 2), None)
        async with background(forwarder_of(log, tmp_path, clock).run(ScriptedBackend())):
            await clock.next_sleep()
    async with opened_log(tmp_path) as log:
        await log.append(spans(2), None)
        forwarder, backend = forwarder_of(log, tmp_path, clock), ScriptedBackend()
        async with background(forwarder.run(backend)):
            await clock.next_sleep()
        assert [payload for _, payload in backend.taken] == [spans(2).payload]
        assert forwarder.counts[OtlpSignal.SPANS].forwarded == 3


async def test_a_position_of_another_log_means_nothing(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with opened_log(tmp_path / "one") as log:
        await log.append(spans(1), None)
        async with background(forwarder_of(log, tmp_path, clock).run(ScriptedBackend())):
            await clock.next_sleep()
    async with opened_log(tmp_path / "other") as log:
        await log.append(spans(2), None)
        backend = ScriptedBackend()
        async with background(forwarder_of(log, tmp_path, clock).run(backend)):
            await clock.next_sleep()
        assert len(backend.taken) == 1


@pytest.mark.parametrize("away_first", [True, False])
async def test_what_may_not_wait_any_longer_is_lost_to_it_and_counted(tmp_path: Path, away_first: bool) -> None:
    clock, backend = SteppedClock(), ScriptedBackend()
    if away_first:
        backend.always = Later("away")
    async with opened_log(tmp_path, segment_bytes=2_000) as log:
        forwarder = forwarder_of(log, tmp_path, clock, lag_bytes=5_000)
        await log.append(spans(1, 2), None)
        if not away_first:
            for number in range(2, 20):
                await log.append(spans(number, 2, padding=200), None)
        async with background(forwarder.run(backend)):
            await clock.next_sleep()
            if away_first:
                for number in range(2, 20):
                    await log.append(spans(number, 2, padding=200), None)
                assert log.end - forwarder.needed_from() == 5_000
                backend.always = None
                for _ in range(3):
                    clock.advance(LAST_RETRY)
                    await clock.next_sleep()
        counts = forwarder.counts[OtlpSignal.SPANS]
        assert counts.lost > 0
        assert counts.forwarded == 2 * len(backend.taken)
        assert counts.forwarded + counts.lost == 38
        assert forwarder.waiting_bytes == 0


async def test_segments_are_kept_for_it_and_no_longer(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with opened_log(tmp_path, segment_bytes=500) as log:
        for number in range(6):
            await log.append(spans(number), None)
        forwarder = forwarder_of(log, tmp_path, clock)
        assert forwarder.needed_from() == 0
        async with background(forwarder.run(ScriptedBackend())):
            await clock.next_sleep()
        assert forwarder.needed_from() == log.end


def damage(directory: Path, payload: bytes) -> None:
    (segment,) = directory.glob("*.seg")
    content = bytearray(segment.read_bytes())
    content[content.find(payload) + 3] ^= 0xFF
    segment.write_bytes(bytes(content))


async def test_a_damaged_request_is_passed_over(tmp_path: Path) -> None:
    clock, backend = SteppedClock(), ScriptedBackend()
    async with opened_log(tmp_path) as log:
        for number in (1, 2, 3):
            await log.append(spans(number), None)
        damage(tmp_path, spans(2).payload)
        async with background(forwarder_of(log, tmp_path, clock).run(backend)):
            await clock.next_sleep()
        assert [payload for _, payload in backend.taken] == [spans(1).payload, spans(3).payload]


async def test_requests_larger_than_a_reading_are_read_whole(tmp_path: Path) -> None:
    async with opened_log(tmp_path) as log:
        frames = [spans(1, padding=5_000), spans(2), spans(3, padding=9_000)]
        for frame in frames:
            await log.append(frame, None)
        assert log.read_on(log.end, size=100) == []
        position, read = Position(0), list[bytes]()
        while some := log.read_on(position, size=100):
            read += [each.frame.payload for each in some if each.frame is not None]
            position = some[-1].end
        assert read == [frame.payload for frame in frames]
        assert position == log.end
