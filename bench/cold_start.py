"""Row 20: `ringfence up`, from the start of its process until every port answers, as it says itself.

Three stores: none at all; one with many cards and the checkpoint that an orderly end leaves; and the same without it,
as after an upgrade. The last of these is started once, the others three times, or less when there are fewer rounds.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from processes import ENDS_S
from stage import CARDS, Plan, put_cards

STARTS = 3
LONGEST_S = 300.0
CHECKPOINT = "registry.checkpoint"


async def measure(plan: Plan, folder: Path) -> Mapping[str, list[float]]:
    """Return seconds until ready, with nothing stored."""
    return {"cold start": [await started(folder / f"up-{number}") for number in range(min(plan.rounds, STARTS))]}


async def measure_with_cards(plan: Plan, folder: Path) -> Mapping[str, list[float]]:
    """Return seconds until ready, with many cards."""
    await put_cards(folder / CARDS, plan.cards)
    data = folder / "up-with-cards"
    await asyncio.to_thread(shutil.copytree, folder / CARDS, data)
    (data / CHECKPOINT).unlink(missing_ok=True)
    without = await started(data)
    restarts = [await started(data) for _ in range(min(plan.rounds, STARTS))]
    return {"cold start with cards": restarts, "cold start, no checkpoint": [without]}


async def started(data: Path) -> float:
    """Start it on free ports, return its seconds until ready, and end it in order."""
    command = ("-m", "ringfence_launcher", "up", "--output", "json", "--free-ports", "--data", str(data))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LONGEST_S):
            told = ""
            while not told.rstrip().endswith("}"):
                line = await process.stdout.readline()
                if not line:
                    raise OSError("`ringfence up` ended before it was ready")
                told += line.decode()
        seconds: float = json.loads(told)["readySeconds"]
        return seconds
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), ENDS_S)
        except TimeoutError:
            process.kill()
            await process.wait()
