"""Durable writes: what 64 callers share when one fsync answers many of them.

Every line answers only after its row is on disk, and all run the same SQLAlchemy statement:

- `alone`: one transaction and one fsync per row, in the calling thread: no event, no snapshot, no event loop;
- `groups of 1`: our writer, forbidden to group: what 64 callers get when each commit serves one of them;
- `groups`: our writer as it runs.

The lines take turns, round by round, in one process; a ratio is the median over the rounds. Only ratios mean anything
on a shared core.

    python bench/durable_writes.py             prints the table
    python bench/durable_writes.py --check     ends with 1 when `groups` is under 5 times `groups of 1`
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import sqlalchemy as sa
from ringfence_kit.clock import Instant, SystemClock
from ringfence_kit.events import Change
from ringfence_kit.sql import Database, SqlTx
from ringfence_kit.sql_columns import BYTES
from ringfence_kit.sql_writer import GROUP_MAX, SqlWriter
from ringfence_kit.store import Mutation
from ringfence_kit.watch import EventHub

WRITERS = 64
FLOOR = 5.0
RECORD = b"x" * 1_000
BY = Mutation(principal="bench", at=Instant(0))

metadata = sa.MetaData()
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

Turn = Callable[[int], Awaitable[None]]
"""Makes so many rows durable."""


def alone(database: Database) -> Turn:
    async def turn(count: int) -> None:
        engine = database.engines.writer
        for _ in range(count):
            with engine.begin() as connection:
                connection.execute(sa.insert(notes), {"record": RECORD})

    return turn


def through(writer: SqlWriter[SqlTx]) -> Turn:
    def work(tx: SqlTx) -> None:
        tx.connection.execute(sa.insert(notes), {"record": RECORD})
        tx.record(Change.ADDED, "note", "notes/1", RECORD)

    async def caller(count: int) -> None:
        for _ in range(count):
            await writer.write(work, mutation=BY, result=type(None))

    async def turn(count: int) -> None:
        async with asyncio.TaskGroup() as callers:
            for _ in range(WRITERS):
                callers.create_task(caller(count // WRITERS))

    return turn


async def opened(stack: AsyncExitStack, folder: Path, *, group_max: int | None) -> Turn:
    """Open a database of its own for one line of the table."""
    clock = SystemClock()
    nothing = folder / "migrations"
    nothing.mkdir(parents=True)
    database = await stack.enter_async_context(
        Database(f"sqlite:///{folder}/notes.db", service="bench", migrations=nothing)
    )
    metadata.create_all(database.engines.writer)
    if group_max is None:
        return alone(database)
    hub = EventHub(database.events, clock=clock, apply=lambda _: None)
    hub.start((await database.load(lambda _: None))[0])
    return through(await stack.enter_async_context(SqlWriter(database, SqlTx, hub, clock=clock, group_max=group_max)))


async def measure(rounds: int, rows: int) -> dict[str, list[float]]:
    """Return microseconds per row, per line, per round."""
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            turns = {
                "alone": await opened(stack, Path(folder, "alone"), group_max=None),
                "groups of 1": await opened(stack, Path(folder, "ones"), group_max=1),
                "groups": await opened(stack, Path(folder, "groups"), group_max=GROUP_MAX),
            }
            for turn in turns.values():
                await turn(WRITERS)
            for _ in range(rounds):
                for name, turn in turns.items():
                    started = time.perf_counter()
                    await turn(rows)
                    taken.setdefault(name, []).append((time.perf_counter() - started) * 1e6 / rows)
    return taken


def ratio(taken: dict[str, list[float]], name: str, base: str) -> float:
    """Return how many times faster `name` is than `base`, the median over the rounds."""
    return statistics.median(there / here for here, there in zip(taken[name], taken[base], strict=True))


def main() -> int:
    arguments = argparse.ArgumentParser(description="Durable writes, grouped and not.")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--rows", type=int, default=1_024, help="rows per line and round")
    arguments.add_argument("--check", action="store_true", help=f"fail under {FLOOR} times")
    chosen = arguments.parse_args()
    taken = asyncio.run(measure(chosen.rounds, chosen.rows))
    print(f"{'durable writes, ' + str(WRITERS) + ' callers':<28}{'µs a row':>10}{'x alone':>10}{'x groups of 1':>16}")
    for name, figures in taken.items():
        against = [f"{ratio(taken, name, base):.1f}" for base in ("alone", "groups of 1")]
        print(f"{name:<28}{statistics.median(figures):>10.0f}{against[0]:>10}{against[1]:>16}")
    gained = ratio(taken, "groups", "groups of 1")
    return 1 if chosen.check and gained < FLOOR else 0


if __name__ == "__main__":
    sys.exit(main())
