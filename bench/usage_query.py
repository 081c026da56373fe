"""GetUsage over a month and very many agents: milliseconds of the server's CPU and of the clock, on SQLite.

A store as telemetry keeps it, in a file, filled by the code that counts spans: so many agents, each at work in every
hour of thirty days; every tenth of them, with three kinds of calls, in every minute of the hour in which the first
question begins and of the last one (in between nobody looks). The questions go through the service's own reading
and its conversion to the message that is sent; what gRPC takes is not in it.

    python bench/usage_query.py                    prints the median, and the worst, of each question
    python bench/usage_query.py --check            ends with 1 when the month by agent takes over 50 ms of CPU
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence_kit.sql import Database
from ringfence_telemetry.convert.usage import usage_to_proto
from ringfence_telemetry.durations import Buckets
from ringfence_telemetry.store_sql import MIGRATIONS, SqlTelemetryStore
from ringfence_telemetry.store_sql.usage_rows import Key, Sums, add_rows, add_to
from ringfence_telemetry.tables.usage import agent_usage, rollups
from ringfence_telemetry.usage import Counts
from ringfence_telemetry.usage_levels import AGENT_STEPS, DAY, FOUR_DAYS, HOUR, floor, page_of
from ringfence_telemetry.usage_query import UsageGroup, UsageQuery

DAYS = 30
NOW = 20_000 * DAY + 9 * HOUR + 17
"""A minute in the morning."""
ROUNDS = 9
CEILING = 50.0

CALLS = (("invoke_agent", "", ""), ("chat", "large", ""), ("execute_tool", "", "search"))
COUNTS = Counts(6, 1, 60_000, 4_000, 20_000, 100, 900, 2, 7_300_000, 0, 0, 240_000_000, 0)
BUCKETS: Buckets = dict.fromkeys(range(600, 720, 4), 3)


def agent_name(number: int) -> str:
    return f"did:web:agents.example:{number:05}"


def fill(connection: sa.Connection, agents: int) -> None:
    """Make the rows that the questions are answered from: all days, and the hours of the first and of the last."""
    first, last = NOW - DAYS * DAY, NOW
    for step in (DAY, FOUR_DAYS):
        for at in range(floor(first, step), last + 1, step):
            _count(connection, agents, step, at)
    for day in (floor(first, DAY), floor(last, DAY)):
        for at in range(day, min(day + DAY, last), HOUR):
            _count(connection, agents, HOUR, at)
    sums, by_agent = Sums(), Sums()
    for minute in (*range(floor(first, HOUR), floor(first, HOUR) + HOUR), *range(last - HOUR, last)):
        for number in range(0, agents, 10):
            for operation, model, tool in CALLS:
                key = (minute, agent_name(number), operation, model, tool, "red", "ok", "USD", False)
                add_to(sums, key, COUNTS, BUCKETS)
                for step in AGENT_STEPS:
                    add_to(by_agent, _key(number, step, floor(minute, step)), COUNTS, BUCKETS)
    add_rows(connection, rollups, sums)
    add_rows(connection, agent_usage, by_agent)


def _count(connection: sa.Connection, agents: int, step: int, at: int) -> None:
    sums = Sums()
    for number in range(agents):
        add_to(sums, _key(number, step, at), COUNTS, BUCKETS)
    add_rows(connection, agent_usage, sums)


def _key(number: int, step: int, at: int) -> Key:
    return (step, page_of(at, step), False, agent_name(number), False, "USD", at)


def questions() -> dict[str, UsageQuery]:
    month, days = NOW - DAYS * DAY, floor(NOW - (DAYS - 1) * DAY, DAY)
    by_agent = (UsageGroup.AGENT,)
    return {
        "30 days by agent, from midnight": UsageQuery(group_by=by_agent, first_minute=days),
        "30 days by agent, to the minute": UsageQuery(group_by=by_agent, first_minute=month),
        "30 days, one agent by day": UsageQuery(
            group_by=(UsageGroup.TIME,), step=DAY, first_minute=days, agent=agent_name(7)
        ),
        "30 days in one row": UsageQuery(first_minute=days),
        "30 days by agent, with percentiles": UsageQuery(group_by=by_agent, first_minute=days, percentiles=True),
        "an hour by agent, model and tool": UsageQuery(
            group_by=(UsageGroup.AGENT, UsageGroup.MODEL, UsageGroup.TOOL), first_minute=NOW - HOUR
        ),
    }


async def measure(agents: int) -> dict[str, Sequence[tuple[float, float, int]]]:
    """Return CPU and elapsed milliseconds and the rows of each question's rounds, taken in turn."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'telemetry.db'}"
        async with Database(url, service="telemetry", migrations=MIGRATIONS) as database:
            with database.engines.writer.begin() as connection:
                fill(connection, agents)
            store, asked = SqlTelemetryStore(database), questions()
            found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in asked}
            for _ in range(ROUNDS):
                for name, query in asked.items():
                    cpu, clock = time.process_time(), time.perf_counter()
                    answer = usage_to_proto(query, await store.usage(query), pending=0).SerializeToString()
                    took = time.process_time() - cpu, time.perf_counter() - clock
                    rows = len(pb.GetUsageResponse.FromString(answer).rows)
                    found[name].append((took[0] * 1_000, took[1] * 1_000, rows))
            return dict(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.agents))
    print(f"{arguments.agents:,} agents, {DAYS} days, SQLite {sqlite3.sqlite_version}, {ROUNDS} rounds")
    for name, rounds in found.items():
        cpu, clock = [each[0] for each in rounds], [each[1] for each in rounds]
        print(
            f"  {name:36} {rounds[0][2]:6,} rows   CPU {statistics.median(cpu):7.1f} ms (most {max(cpu):.1f})   "
            f"clock {statistics.median(clock):7.1f} ms"
        )
    month = statistics.median([each[0] for each in found["30 days by agent, from midnight"]])
    return int(arguments.check and month > CEILING)


if __name__ == "__main__":
    sys.exit(main())
