"""Judgements and settled traces counted on SQLite, and what a flood of ids leaves behind.

A million judgements in calls of a thousand, then settled traces in turns of 400; then how long the acceptance of a
version over thirty days takes, and how the rows go when their ninety days are over. CPU is this process's.

    python bench/telemetry_evaluations.py              prints every number
    python bench/telemetry_evaluations.py --ids 50000  a smaller flood
"""

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from ringfence_kit.clock import DAY, Instant, ManualClock, Millis
from ringfence_kit.events import Event
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation
from ringfence_kit.watch import EventHub
from ringfence_telemetry.evaluation.acceptance import Subject
from ringfence_telemetry.evaluation.assembly import Evaluation, evaluation
from ringfence_telemetry.evaluation.judgement import KEPT, Judgement, Layer, judgement_key
from ringfence_telemetry.evaluation.recording import VersionBook, enter
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store_sql import MIGRATIONS, SqlTelemetryStore, SqlTelemetryTx
from ringfence_telemetry.workflows.settled import Part, Settled, Settling

NOW = Instant(1_767_225_600_000)
DID = "did:web:agents.example:a"
CALL, TURN, TRACES = 1_000, 400, 40_000
BY_US = Mutation(principal="telemetry", at=NOW)


def judgements(first: int) -> list[Judgement]:
    """Return one call's."""
    return [
        Judgement(
            key=judgement_key("suite", f"id-{number}"),
            agent=DID,
            version=f"1.{number % 5}",
            layer=Layer.STEP,
            metric="accuracy",
            passed=number % 10 != 0,
            score=number % 100 / 100,
            judge="suite",
            at=Instant(NOW - number % 30 * DAY),
            recorded_at=NOW,
        )
        for number in range(first, first + CALL)
    ]


def settlings(first: int) -> tuple[Settling, ...]:
    """Return one turn's: traces of three agents that used two models and a tool."""
    uses = (("chat", 2), ("execute_tool/search", 1))
    return tuple(
        Settling(
            now=Settled(
                trace_id=number.to_bytes(16, "big"),
                trusted=True,
                agent=DID,
                version="1.0",
                started_at=NOW,
                ended_at=Instant(NOW - number % 30 * DAY),
                duration_micros=1,
                failed=False,
                parts=tuple(
                    Part(
                        agent=f"{DID}-{place}" if place else DID,
                        version="1.0",
                        span=place + 1,
                        duration_micros=100_000 + number * 37 % 3_000_000,
                        own_micros=1,
                        uses=uses,
                    )
                    for place in range(3)
                ),
            )
        )
        for number in range(first, first + TURN)
    )


def _ignore(event: Event) -> None:
    """Nobody follows."""


async def write(
    writer: SqlWriter[SqlTelemetryTx], count: int, step: int, works: Iterable[Callable[[SqlTelemetryTx], None]]
) -> tuple[float, float]:
    """Run works one after the other; return how many a wall second, and a CPU second, `step` each."""
    began, cpu = time.perf_counter(), time.process_time()
    for work in works:
        await writer.write(work, mutation=BY_US, result=type(None))
    return count * step / (time.perf_counter() - began), count * step / (time.process_time() - cpu)


def _enter(found: list[Judgement], versions: VersionBook, tx: TelemetryTx) -> None:
    enter(tx, found, versions=versions)


def _judge(parts: Evaluation, found: tuple[Settling, ...], tx: TelemetryTx) -> None:
    parts.judge.judge(tx, found, NOW)


async def run(ids: int) -> None:
    """Measure and print."""
    clock = ManualClock(NOW)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "telemetry.db"
        async with Database(f"sqlite:///{path}", service="telemetry", migrations=MIGRATIONS) as database:
            store, hub = SqlTelemetryStore(database), EventHub(database.events, clock=clock, apply=_ignore)
            hub.start(await store.revision())
            async with SqlWriter(database, SqlTelemetryTx, hub, clock=clock) as writer:
                parts, versions = evaluation(writer, store, clock=clock), VersionBook()
                calls = ids // CALL
                works = (partial(_enter, judgements(call * CALL), versions) for call in range(calls))
                wall, cpu = await write(writer, calls, CALL, works)
                _say("judgements new", f"{wall:,.0f} a second, {cpu:,.0f} a CPU-second")
                again = (partial(_enter, judgements(call * CALL), versions) for call in range(min(calls, 50)))
                wall, cpu = await write(writer, min(calls, 50), CALL, again)
                _say("judgements known", f"{wall:,.0f} a second, {cpu:,.0f} a CPU-second")
                turns = TRACES // TURN
                settled = (partial(_judge, parts, settlings(turn * TURN)) for turn in range(turns))
                wall, cpu = await write(writer, turns, TURN, settled)
                _say("traces settled", f"{wall:,.0f} a second, {cpu:,.0f} a CPU-second")
                await _ask(parts)
                _say("on disk", f"{path.stat().st_size / 2**20:,.0f} MiB")
                clock.advance(Millis(KEPT + 1))
                began = time.perf_counter()
                await parts.keeping.forget()
                left = await store.scores([DID], start=Instant(0), end=Instant(2**60), limit=10)
                _say("forgotten", f"in {time.perf_counter() - began:,.1f} s; {len(left)} left")
    _say("memory at most", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


async def _ask(parts: Evaluation) -> None:
    subject, took = Subject(agent=DID), []
    for _ in range(50):
        began = time.perf_counter()
        counted = await parts.reader.acceptance_of(subject, first_day=NOW // DAY - 30, last_day=NOW // DAY)
        took.append(time.perf_counter() - began)
    _say("acceptance of 30 days", f"{statistics.median(took) * 1e3:.1f} ms, of {counted.judgements:,} judgements")


def _say(what: str, how: str) -> None:
    sys.stdout.write(f"{what:<24}{how}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=int, default=1_000_000)
    asyncio.run(run(parser.parse_args().ids))
