"""Settling traces, and reading pieces of work: CPU of the process, on SQLite in a file.

Traces as telemetry keeps them: sixteen spans each, of three agents that call each other, with models and tools beneath,
one in ten failed. They are marked as the ingest marks them, settled, listed and read again.

    python bench/workflow_settling.py        prints the microseconds per trace, and the milliseconds of an answer
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from ringfence.telemetry.v1 import workflow_pb2 as pb
from ringfence_kit.clock import HOUR, ManualClock, Millis
from ringfence_kit.events import Event
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation
from ringfence_kit.watch import EventHub
from ringfence_telemetry.convert.workflows import page_to_proto
from ringfence_telemetry.prices.book import PriceBook
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.spans import SpanFact, ToolCall
from ringfence_telemetry.store import PRINCIPAL, NewPart, TelemetryTx, TracePart
from ringfence_telemetry.store.workflows import TraceMark, WorkflowQuery
from ringfence_telemetry.store_sql import MIGRATIONS, SqlTelemetryStore, SqlTelemetryTx
from ringfence_telemetry.trace_keys import TraceKey
from ringfence_telemetry.workflows.kept_traces import KeptTraces
from ringfence_telemetry.workflows.reading import Told
from ringfence_telemetry.workflows.settler import Settler

SPANS = 16
TRACES_AT_ONCE = 500
ROUNDS = 9
AGENTS = ("planner", "researcher", "writer")
COLLECTOR = Reporter(principal="collector", speaks_for_all=True)

T = TypeVar("T")


def facts(number: int, now: int) -> list[SpanFact]:
    """Return the spans of one trace."""
    return [_fact(place, now, failed=number % 10 == 0) for place in range(1, SPANS + 1)]


def _fact(place: int, now: int, *, failed: bool) -> SpanFact:
    calls, tool = place % 6 == 1, place % 6 == 5
    return SpanFact(
        span=place,
        parent=place // 2,
        start=(now + place) * 1_000_000,
        minute=now // 60_000,
        duration_micros=(100 - place) * 1_000,
        operation="invoke_agent" if calls else "execute_tool" if tool else "chat",
        agent=f"did:web:agents.example:{AGENTS[place // 6 % 3]}" if calls else "",
        session="s",
        model="" if calls or tool else "large",
        tokens=(0, 0, 0, 0, 0) if calls or tool else (1_000, 50, 0, 0, 0),
        is_error=failed and place < 4,
        tool_call=ToolCall.TOOL if tool else ToolCall.NONE,
        exclusive=False,
    )


def _ignore(event: Event) -> None:
    """Nothing is watched here."""


async def measure(traces: int) -> dict[str, float]:
    """Return what was measured."""
    clock, found = ManualClock(), dict[str, float]()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'telemetry.db'}"
        async with Database(url, service="telemetry", migrations=MIGRATIONS) as database:
            store, hub = SqlTelemetryStore(database), EventHub(database.events, clock=clock, apply=_ignore)
            hub.start(await store.revision())
            async with SqlWriter(database, SqlTelemetryTx, hub, clock=clock) as writer:

                async def write(work: Callable[[TelemetryTx], T], result: type[T]) -> T:
                    mutation = Mutation(principal=PRINCIPAL, at=clock.now())
                    return await writer.write(work, mutation=mutation, result=result)

                marking = 0.0
                for first in range(0, traces, TRACES_AT_ONCE):
                    marking += await write(partial(_count, first=first, clock=clock), float)
                found["marked due, us a trace"] = marking / traces * 1e6
                clock.advance(Millis(HOUR))
                settler = Settler(writer, store, KeptTraces(store, PriceBook()), clock=clock)
                began = time.process_time()
                await settler.settle_due()
                took = time.process_time() - began
                assert settler.settled == traces
                found["settled, us a trace"] = took / traces * 1e6
                found["settled, spans a CPU-second"] = traces * SPANS / took
                found["a page of 50, ms"] = statistics.median([await _page(store) for _ in range(ROUNDS)])
    return found


def _count(tx: TelemetryTx, *, first: int, clock: ManualClock) -> float:
    """Keep traces as the ingest does; return the CPU-seconds that marking them took."""
    now, keys = clock.now(), [TraceKey(n.to_bytes(16, "big")) for n in range(first + 1, first + TRACES_AT_ONCE + 1)]
    tx.keep_reporters({"digest": COLLECTOR})
    tx.keep_parts(
        [
            NewPart(trace=key, number=0, part=TracePart("digest", facts(n, now)), received_at=now)
            for n, key in enumerate(keys)
        ]
    )
    began = time.thread_time()
    tx.mark_due([TraceMark(key, True, now) for key in keys])
    return time.thread_time() - began


async def _page(store: SqlTelemetryStore) -> float:
    began = time.process_time()
    listed = await store.workflows(WorkflowQuery(agent=f"did:web:agents.example:{AGENTS[1]}", limit=51))
    page, _ = page_to_proto([Told(summary=each.summary, is_open=each.waits) for each in listed], size=50)
    answer = pb.ListWorkflowsResponse(workflows=page).SerializeToString()
    assert len(pb.ListWorkflowsResponse.FromString(answer).workflows) == 50
    return (time.process_time() - began) * 1_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=5_000)
    traces = max(parser.parse_args().traces // TRACES_AT_ONCE, 1) * TRACES_AT_ONCE
    found = asyncio.run(measure(traces))
    print(f"{traces:,} traces of {SPANS} spans and {len(AGENTS)} agents, SQLite {sqlite3.sqlite_version}")
    for name, value in found.items():
        print(f"  {name:30} {value:12,.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
