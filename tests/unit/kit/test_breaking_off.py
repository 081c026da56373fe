"""A test that hangs says what hangs."""

import asyncio
import sys
from pathlib import Path

import pytest
from support.mesh.breaking_off import break_off
from support.mesh.process import ServiceProcess


async def _wait_for_nobody() -> None:
    await asyncio.Event().wait()


async def test_what_takes_too_long_fails_with_who_waits_and_who_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = ServiceProcess("pdp", (sys.executable, "-c", ""), address="127.0.0.1:1", log=tmp_path / "pdp.log")
    with pytest.raises(TimeoutError):
        async with break_off([ended], after=0.01):
            await _wait_for_nobody()
    told = capsys.readouterr().out
    assert "pdp: does not run" in told
    assert "_wait_for_nobody" in told
