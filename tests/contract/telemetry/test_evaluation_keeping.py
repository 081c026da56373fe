"""What evaluation does by itself, hour by hour, over memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest
from ringfence_kit.clock import DAY, HOUR, Instant, ManualClock, Millis
from ringfence_telemetry.alerts.alert import Alert
from ringfence_telemetry.durations import bucket_of
from ringfence_telemetry.evaluation.assembly import Evaluation, evaluation
from ringfence_telemetry.evaluation.counts import CountKey, What
from ringfence_telemetry.evaluation.drift import Baseline
from ringfence_telemetry.evaluation.judgement import KEPT
from ringfence_telemetry.evaluation.keeping import BASELINES_AT_ONCE, COUNTS_KEPT_DAYS, DRIFT_DAYS
from ringfence_telemetry.evaluation.recording import VersionBook, enter
from ringfence_telemetry.evaluation.shares import Share
from ringfence_telemetry.store import TelemetryTx
from support.backends import Backend
from support.telemetry.judging import DID, Judging, judgement, settled
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import NOW

SECOND_MICROS = 1_000_000
PINNED = Baseline(
    agent=DID,
    version="1",
    start=NOW - 9 * DAY,
    end=NOW - 8 * DAY,
    accuracy=Share(0, 0),
    durations=((bucket_of(SECOND_MICROS), 100),),
    workflows=100,
)


@dataclass(slots=True, kw_only=True)
class Kept:
    """Evaluation over an open store."""

    opened: OpenedStore
    clock: ManualClock
    parts: Evaluation

    async def write(self, work: Callable[[TelemetryTx], object]) -> None:
        def run(tx: TelemetryTx) -> None:
            work(tx)

        await self.opened.writer.write(run, mutation=BY_TELEMETRY, result=type(None))

    async def worked(self, micros: int, *, count: int = 40, day: int = 0, agent: str = DID) -> None:
        """Let a version do pieces of work that took so long."""
        today = NOW // DAY + day
        change = {
            CountKey(agent, "1", today, What.WORKFLOWS): count,
            CountKey(agent, "1", today, What.LATENCY, str(bucket_of(micros))): count,
        }
        await self.write(lambda tx: tx.add_evaluation_counts(change))

    async def firing(self) -> list[Alert]:
        await self.parts.keeping.look_for_drift()
        return list((await self.opened.store.alerts_firing()).alerts)


@pytest.fixture
async def kept(backend: Backend) -> AsyncIterator[Kept]:
    clock = ManualClock(NOW)
    async with opened_store(backend, clock=clock) as opened:
        yield Kept(opened=opened, clock=clock, parts=evaluation(opened.writer, opened.store, clock=clock))


class TestDrift:
    async def test_it_is_told_once_and_ends_when_it_is_over(self, kept: Kept) -> None:
        await kept.write(lambda tx: tx.keep_baseline(PINNED))
        assert await kept.firing() == []

        await kept.worked(2 * SECOND_MICROS)
        (alert,) = await kept.firing()
        assert (alert.key, alert.agent, alert.page) == (f"drift/{DID}/1", DID, False)
        assert "latency_p50: 1.987 s now, 0.9933 s then: 2 times as long" in alert.message
        assert alert.evidence["version"] == "1"
        kept.clock.advance(HOUR)
        (again,) = await kept.firing()
        assert again.number == alert.number

        await kept.worked(SECOND_MICROS, count=2_000)
        assert await kept.firing() == []

    async def test_what_is_only_worth_watching_begins_none_and_ends_none(self, kept: Kept) -> None:
        await kept.write(lambda tx: tx.keep_baseline(PINNED))
        await kept.worked(round(1.3 * SECOND_MICROS))
        assert await kept.firing() == []
        await kept.worked(2 * SECOND_MICROS, count=1_000)
        assert len(await kept.firing()) == 1
        await kept.worked(round(1.3 * SECOND_MICROS), count=1_000_000)
        assert len(await kept.firing()) == 1

    async def test_silence_ends_no_alert(self, kept: Kept) -> None:
        await kept.write(lambda tx: tx.keep_baseline(PINNED))
        await kept.worked(2 * SECOND_MICROS)
        assert len(await kept.firing()) == 1
        kept.clock.advance(Millis(DRIFT_DAYS * DAY))
        assert len(await kept.firing()) == 1

    async def test_every_baseline_is_looked_at(self, kept: Kept) -> None:
        last = f"{DID}:{BASELINES_AT_ONCE:03}"

        def pin(tx: TelemetryTx) -> None:
            for number in range(BASELINES_AT_ONCE + 1):
                tx.keep_baseline(replace(PINNED, agent=f"{DID}:{number:03}"))

        await kept.write(pin)
        await kept.worked(2 * SECOND_MICROS, agent=last)
        assert [alert.agent for alert in await kept.firing()] == [last]


class TestForgetting:
    async def test_a_flood_of_ids_is_bounded_by_what_is_kept(self, kept: Kept) -> None:
        """However many ids come, they go after ninety days; what they came to is a number a day."""
        versions = VersionBook()

        def flood(tx: TelemetryTx) -> None:
            ids = (judgement(f"flood-{number}", trace_id=b"", score=0.5) for number in range(6_000))
            enter(tx, ids, versions=versions)

        await kept.write(flood)
        assert len(await rows(kept)) == 6_000
        kept.clock.advance(KEPT)
        await kept.parts.keeping.forget()
        assert len(await rows(kept)) == 6_000
        kept.clock.advance(Millis(1))
        await kept.parts.keeping.forget()
        assert await rows(kept) == []
        counted = await kept.opened.store.evaluation_counts([DID], first_day=0, last_day=NOW // DAY)
        assert [(each.what, each.name, each.number) for each in counted] == [("passed", "workflow", 6_000)]

        kept.clock.advance(Millis((COUNTS_KEPT_DAYS - 89) * DAY))
        await kept.parts.keeping.forget()
        assert await kept.opened.store.evaluation_counts([DID], first_day=0, last_day=NOW // DAY) == []

    async def test_what_traces_were_counted_for_goes_too(self, kept: Kept) -> None:
        judging = Judging(kept.opened)
        await judging.settle(settled())
        kept.clock.advance(Millis(KEPT + 1))
        await kept.parts.keeping.forget()

        await kept.write(lambda tx: _is_empty(tx.trace_works([settled().trace_id])))
        assert (await judging.acceptance()).workflows == 1


async def rows(kept: Kept) -> list[float]:
    scores = await kept.opened.store.scores([DID], start=NOW, end=Instant(NOW + 1), limit=10_000)
    return [*scores.get("accuracy", ())]


def _is_empty(found: object) -> None:
    assert found == {}
