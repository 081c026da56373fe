"""A spool whose process is killed while it writes: what was acknowledged is there."""

import subprocess
import sys
from pathlib import Path

import pytest
from ringfence_kit.clock import SystemClock
from ringfence_kit.spool import Spool, SpoolLimits
from ringfence_kit.spool_log import SpoolLog

LIMITS = SpoolLimits(max_bytes=2**24, segment_bytes=4_096, max_item_bytes=1_000)

WRITER = """
import asyncio, pathlib, sys
from ringfence_kit.clock import SystemClock
from ringfence_kit.spool import Spool, SpoolLimits

async def write(directory):
    limits = SpoolLimits(max_bytes=2**24, segment_bytes=4_096, max_item_bytes=1_000)
    async with Spool(pathlib.Path(directory), clock=SystemClock(), limits=limits) as spool:
        async def produce(name):
            number = 0
            while True:
                item_id = f"{name}-{number}"
                await spool.append(item_id, item_id.encode() * 40)
                print(item_id, flush=True)
                number += 1
        await asyncio.gather(*(produce(name) for name in "abcdefgh"))

asyncio.run(write(sys.argv[1]))
"""


@pytest.mark.parametrize("acknowledgements", [1, 37, 400])
async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path, acknowledgements: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - the test waits for it on purpose
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(acknowledgements)]
    writer.kill()
    acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    async with Spool(tmp_path, clock=SystemClock(), limits=LIMITS) as spool:
        assert spool.undelivered >= len(acknowledged)
    log = SpoolLog(tmp_path, segment_bytes=LIMITS.segment_bytes)
    items = log.read(log.delivered, max_items=10**6, max_bytes=10**9)
    log.close()
    kept = [item.id for item in items]
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept)), "and nothing twice"
    assert all(item.payload == item.id.encode() * 40 for item in items)
    for name in "abcdefgh":
        own = [int(item_id.removeprefix(f"{name}-")) for item_id in kept if item_id.startswith(f"{name}-")]
        assert own == list(range(len(own))), "each producer's items in its order"
