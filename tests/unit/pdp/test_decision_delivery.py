"""The way of decisions to telemetry: what somebody on call hears of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc
from ringfence.errors import RingfenceError
from ringfence_kit.clock import ManualClock, Millis
from ringfence_pdp.convert.audit import entry_bytes
from ringfence_pdp.decision_delivery import delivering
from ringfence_pdp.decision_log import DecisionLog
from structlog.testing import capture_logs

FAILURES = 3


class PassingClock(ManualClock):
    """Whoever waits has waited."""

    async def sleep(self, duration: Millis) -> None:
        self.advance(duration)
        await asyncio.sleep(0)


class Telemetry:
    """Is away for the first calls, and takes all others."""

    def __init__(self) -> None:
        self.calls = 0
        self.taken: asyncio.Queue[bytes] = asyncio.Queue()

    def entry(self, decision_id: str, body: bytes) -> bytes:
        return entry_bytes(decision_id, body)

    def entries(self, call: bytes) -> Sequence[tuple[str, bytes]]:
        raise AssertionError("nothing is refused for good here")

    async def append(self, call: bytes) -> None:
        self.calls += 1
        if self.calls <= FAILURES:
            raise RingfenceError("it is away", code=grpc.StatusCode.UNAVAILABLE)
        self.taken.put_nowait(call)


async def test_that_decisions_wait_is_told_once_and_that_they_arrive_again(tmp_path: Path) -> None:
    log, telemetry, clock = DecisionLog(stops_when_full=False), Telemetry(), PassingClock()
    with capture_logs() as lines:
        async with delivering(log, tmp_path / "spool", telemetry, max_bytes=64 << 20, clock=clock):
            log.take("one", b"{}")
            assert await telemetry.taken.get() == entry_bytes("one", b"{}")
            log.take("two", b"{}")
            assert await telemetry.taken.get() == entry_bytes("two", b"{}")
    waiting, again = ((line["event"], line["log_level"]) for line in lines)
    assert waiting == ("decisions_waiting", "warning")
    assert "it is away" in lines[0]["problem"]
    assert again == ("decisions_delivered", "info")
    assert lines[1]["waited_ms"] > 0
