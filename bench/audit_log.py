"""The audit log: what appending costs with a durable acknowledgement, and what a proof costs in a log of a million.

    python bench/audit_log.py                       appends and proofs, on SQLite with synchronous=FULL
    python bench/audit_log.py --check               ends with 1 below 20,000 appends a second in every round, or over
                                                    1 ms a proof
    python bench/audit_log.py --entries 100000      a smaller log for the proofs
    python bench/audit_log.py --database URL        on PostgreSQL

Appending: callers beside each other, each sending batch after batch and waiting for the acknowledgement of each, which
comes once the entries are on disk and under a signed head. `log` hands over checked entries; `call` begins with the
bytes of an AppendDecisionsRequest, so it contains the check that each body is its own canonical form. Each line is of
several rounds, taken in turn, each on a new database: the median of entries a CPU second and of the waits, and of
entries a second by the clock the median and the best, since the clock runs for whoever else uses the machine as well.

Proofs: the log is filled by the log's own code, a transaction a hundred thousand entries; then proofs of random entries
under the newest head and of random sizes are asked for one after another, from the reader that serves them.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import rfc8785
from ringfence.telemetry.v1 import audit_pb2 as pb
from ringfence_kit.background import background
from ringfence_kit.clock import EPOCH, SystemClock
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.sealed_keys import FileKeyStore
from ringfence_kit.sealing import Seal
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation
from ringfence_kit.watch import EventHub
from ringfence_telemetry.audit_keys import audit_keys
from ringfence_telemetry.audit_log import AuditLog, Draft, append_plain, ensure_head
from ringfence_telemetry.audit_reading import AuditReader, EntryKey
from ringfence_telemetry.convert.audit import append_decisions
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store_sql import MIGRATIONS, SqlTelemetryStore, SqlTelemetryTx

CALLERS = 8
ROUNDS = 3
SECONDS = 1.5
"""Of one round."""
FILLED_AT_ONCE = 100_000
PROOFS = 2_000
SIZES = (1, 16, 64, 256)
ENTRIES_MAX = 120_000
"""Prepared for one line of the table."""

APPENDS_FLOOR = 20_000
PROOF_CEILING_MS = 1.0

BY_BENCH = Mutation(principal="telemetry", at=EPOCH)


def document(decision_id: str) -> bytes:
    """Return a decision as the pdp logs it, about 500 bytes."""
    return rfc8785.dumps(
        {
            "type": "decision",
            "version": 2,
            "decision_id": decision_id,
            "decide_time_ms": 1_767_225_600_000,
            "environment": "prod",
            "did": "",  # of nobody known: what an agent's decisions do to its trust is not measured here
            "effect": "ALLOW",
            "reason": "ALLOWED",
            "agent": "namespaces/sales/agents/analyst",
            "action": "read",
            "tool": "warehouse.query",
            "rules": ["house/read-tables"],
            "ring": 2,
            "score": 512,
            "bundle_digest": "sha256-4c0fe0a5c1b1cdd7d1d2a7f9f0a6a9a4d2e0e3a1b5c6d7e8f9a0b1c2d3e4f506",
            "input_digest": "sha256-9f0fe0a5c1b1cdd7d1d2a7f9f0a6a9a4d2e0e3a1b5c6d7e8f9a0b1c2d3e4f507",
        }
    )


def requests(count: int, size: int) -> list[bytes]:
    """Return so many AppendDecisionsRequests of so many new decisions each."""
    made = []
    for _ in range(count):
        ids = [str(uuid.uuid4()) for _ in range(size)]
        entries = [pb.DecisionEntry(decision_id=each, body=document(each)) for each in ids]
        made.append(pb.AppendDecisionsRequest(entries=entries).SerializeToString())
    return made


@asynccontextmanager
async def opened(folder: Path, url: str) -> AsyncIterator[tuple[SqlWriter[SqlTelemetryTx], SqlTelemetryStore, LogKeys]]:
    """Open the store as telemetry opens it, with keys of its own."""
    keys = audit_keys("bench.example/audit")
    keys.open(FileKeyStore(folder / "keys", Seal.unsealed()), at=EPOCH)
    async with Database(
        url or f"sqlite:///{folder / 'telemetry.db'}", service="telemetry", migrations=MIGRATIONS
    ) as db:
        store, clock = SqlTelemetryStore(db), SystemClock()
        hub = EventHub(db.events, clock=clock, apply=lambda _event: None)
        hub.start(await store.revision())
        async with SqlWriter(db, SqlTelemetryTx, hub, clock=clock) as writer:
            await writer.write(
                lambda tx: ensure_head(tx, keys=keys, at=EPOCH), mutation=BY_BENCH, result=StoredCheckpoint
            )
            yield writer, store, keys


async def appended(
    writer: SqlWriter[SqlTelemetryTx], keys: LogKeys, batches: Sequence[Callable[[], list[Draft]]]
) -> tuple[float, float, float]:
    """Return entries a second, entries a CPU second, and the median wait for an acknowledgement in ms."""
    log = AuditLog(writer, keys, on_appended=lambda: None, clock=SystemClock())
    waits = list[float]()

    async def send(mine: Sequence[Callable[[], list[Draft]]]) -> int:
        done = 0
        for batch in mine:
            began = time.perf_counter()
            indexes, _ = await log.append(batch())
            done += len(indexes)
            waits.append((time.perf_counter() - began) * 1_000)
            if time.perf_counter() > end:
                break
        return done

    async with background(log.run()):
        end = time.perf_counter() + SECONDS
        wall, cpu = time.perf_counter(), time.process_time()
        entries = sum(await asyncio.gather(*[send(batches[i::CALLERS]) for i in range(CALLERS)]))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return entries / wall, entries / cpu, statistics.median(waits)


def checked(request: bytes) -> list[Draft]:
    """Return the entries of a request as the face checks them."""
    return append_decisions(pb.AppendDecisionsRequest.FromString(request))


async def measure_appends(folder: Path, url: str) -> float:
    """Print the table of appends; return the entries a second from the bytes of calls with 256, in the best round."""
    best = 0.0
    print(f"{'':>6} {'batch':>6} {'entries/s':>10} {'best':>8} {'entries/CPU-s':>14} {'ack ms p50':>11}")
    for size in SIZES:
        made = requests(max(CALLERS * 4, min(ENTRIES_MAX, 20_000 * size) // size), size)
        drafts = [checked(request) for request in made]
        kinds: dict[str, list[Callable[[], list[Draft]]]] = {
            "log": [partial(_as_it_is, each) for each in drafts],
            "call": [partial(checked, each) for each in made],
        }
        rounds: dict[str, list[tuple[float, float, float]]] = {name: [] for name in kinds}
        for _ in range(ROUNDS):
            for name, batches in kinds.items():
                async with opened(Path(tempfile.mkdtemp(dir=folder)), url) as (writer, _, keys):
                    rounds[name].append(await appended(writer, keys, batches))
        for name, found in rounds.items():
            rates, of_cpu, waits = zip(*found, strict=True)
            best, median = max(rates), statistics.median
            said = f"{name:>6} {size:>6} {median(rates):>10,.0f} {best:>8,.0f} {median(of_cpu):>14,.0f}"
            print(f"{said} {median(waits):>11.2f}", flush=True)
    return best


def _as_it_is(drafts: list[Draft]) -> list[Draft]:
    return drafts


async def fill(writer: SqlWriter[SqlTelemetryTx], keys: LogKeys, entries: int) -> None:
    """Append so many small entries."""
    began = time.perf_counter()
    for first in range(0, entries, FILLED_AT_ONCE):
        drafts = [
            Draft(key=f"bench:{number}", body=b'{"n":%d}' % number)
            for number in range(first, min(first + FILLED_AT_ONCE, entries))
        ]

        def work(tx: TelemetryTx, drafts: Sequence[Draft] = drafts) -> None:
            append_plain(tx, drafts, keys=keys, at=EPOCH)

        await writer.write(work, mutation=BY_BENCH, result=type(None))
    print(f"\n{entries:,} entries filled in {time.perf_counter() - began:.1f} s")


async def measure_proofs(folder: Path, url: str, entries: int) -> float:
    """Print what proofs cost in a large log; return the median of the slowest kind in ms."""
    async with opened(Path(tempfile.mkdtemp(dir=folder)), url) as (writer, store, keys):
        await fill(writer, keys, entries)
        reader, chance = AuditReader(store), random.Random(7)
        kinds: dict[str, Callable[[], Awaitable[object]]] = {
            "inclusion, newest head": lambda: reader.prove_inclusion(
                EntryKey(index=chance.randrange(entries)), tree_size=0
            ),
            "inclusion, any size": lambda: reader.prove_inclusion(
                EntryKey(index=chance.randrange(entries // 2)), tree_size=chance.randrange(entries // 2, entries)
            ),
            "consistency": lambda: reader.prove_consistency(chance.randrange(1, entries), 0),
        }
        slowest = 0.0
        print(f"{'proof':>24} {'ms p50':>7} {'ms p99':>7} {'CPU ms':>7}")
        for name, ask in kinds.items():
            times, cpu = list[float](), time.process_time()
            for _ in range(PROOFS):
                began = time.perf_counter()
                await ask()
                times.append((time.perf_counter() - began) * 1_000)
            cpu = (time.process_time() - cpu) / PROOFS * 1_000
            p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
            slowest = max(slowest, p50)
            print(f"{name:>24} {p50:>7.3f} {p99:>7.3f} {cpu:>7.3f}", flush=True)
        return slowest


async def measure(arguments: argparse.Namespace) -> int:
    """Print both tables; return the exit code."""
    with tempfile.TemporaryDirectory(dir=arguments.folder or None) as folder:
        rate = await measure_appends(Path(folder), arguments.database)
        proof = await measure_proofs(Path(folder), arguments.database, arguments.entries)
    good = rate >= APPENDS_FLOOR and proof <= PROOF_CEILING_MS
    print(f"\n{rate:,.0f} appends a second, {proof:.3f} ms a proof: {'good' if good else 'NOT GOOD'}")
    return 0 if good or not arguments.check else 1


def main() -> int:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--database", default="", help="postgresql+psycopg://…; empty is SQLite")
    parser.add_argument("--folder", default="", help="where the SQLite file lies: measure the disk you mean")
    return asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
