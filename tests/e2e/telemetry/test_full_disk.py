"""A disk that is really full: the kernel says so, senders are told, and the counters say what the senders know."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.telemetry.full_disk import BALLAST, LEAST, NO_BOUND, on_a_full_disk
from support.telemetry.small_disk import SmallDisk

TESTS = Path(__file__).parents[2]
DISK = 512 * 1024
WITHOUT_ROOM = {"ballast": "No space left on device", "bound": "the disk is nearly full"}
"""What fills the disk, and what senders are told."""


async def run(command: Sequence[str]) -> tuple[int, bytes]:
    """Run a command to its end; return how it ended and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed


def sending(folder: Path, how: str) -> list[str]:
    """Return the command that sends to a disk that becomes full."""
    return [sys.executable, "-m", "support.telemetry.full_disk", str(folder), how]


def assert_counted(found: Mapping[str, Any], problem: str) -> None:
    """Check that counters, totals and a start from the log alone say what the senders were told."""
    told = found["told"]
    assert told["acknowledged"] > 0
    assert told["refused"] > 0
    assert told["sent"] == told["acknowledged"] + told["refused"]
    assert any(problem in each for each in found["problems"])
    assert found["taken_again"] == [True] * 5
    counted = {"received": told["sent"], "acknowledged": told["acknowledged"], "refused": told["refused"]}
    assert found["counted"] == counted
    assert found["room"] == {"items": 0, "bytes": 0}
    assert found["after"] == {"rolled_up": told["acknowledged"], "pending": 0}
    assert found["totals"] == found["replayed"] == told["acknowledged"]


async def on_a_small_disk(folder: Path, program: Sequence[str]) -> tuple[int, bytes]:
    """Run a program in a mount namespace of its own, where `folder` is a disk of 512 KiB."""
    script = f'mount -t tmpfs -o size={DISK} none "$0" && exec "$@"'
    return await run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(folder), *program])


async def test_a_file_that_may_grow_no_more(tmp_path: Path) -> None:
    ended, printed = await run(sending(tmp_path, "limit"))
    assert ended == 0
    assert_counted(json.loads(printed.splitlines()[-1]), "File too large")


@pytest.mark.parametrize(("how", "problem"), WITHOUT_ROOM.items())
async def test_a_disk_without_room(how: str, problem: str, tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "log", size=DISK, ballast=BALLAST)
    found = await on_a_full_disk(
        tmp_path / "log", partial(setattr, disk, "ballast", 0), least=LEAST if how == "bound" else NO_BOUND, disk=disk
    )
    assert_counted(found, problem)
    refused_by_the_disk = disk.refusals > 0 and disk.torn > 0  # at first a part fits, then nothing does
    assert refused_by_the_disk == (how == "ballast")


@pytest.mark.parametrize(("how", "problem"), WITHOUT_ROOM.items())
async def test_a_file_system_without_room(how: str, problem: str, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or await on_a_small_disk(tmp_path, ["true"]) != (0, b""):
        # Nobody may mount here, so no file system is small: what the kernel refuses anywhere is a file that is too big.
        how, problem, command = "limit", "File too large", run
    else:
        command = partial(on_a_small_disk, tmp_path)
    ended, printed = await command(sending(tmp_path, how))
    assert ended == 0
    assert_counted(json.loads(printed.splitlines()[-1]), problem)
