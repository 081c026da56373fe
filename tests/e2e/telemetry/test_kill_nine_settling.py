"""kill -9 between a trace's being due and its being settled: each is settled exactly once, whatever the moment."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from ringfence_telemetry.store.workflows import WorkflowQuery
from support.backends import Backend
from support.telemetry.killed_settler import TRACES
from support.telemetry.opened import opened_store

TESTS = Path(__file__).parents[2]


def life(url: str, directory: Path, moment: str, count: int) -> int:
    """Return how a life ended."""
    program = [sys.executable, "-m", "support.telemetry.killed_settler", url, str(directory), moment, str(count)]
    inherited = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(TESTS), *([inherited] if inherited else [])])
    ended = subprocess.run(program, check=False, timeout=100, env=os.environ | {"PYTHONPATH": path})
    return ended.returncode


@pytest.mark.timeout(180)
async def test_killed_at_the_worst_moments_it_settles_every_trace_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'telemetry.db'}"
    for moment in ("read", "judged", "committed", "judged", "read"):
        assert life(url, tmp_path / "log", moment, 1 + (moment == "judged")) == -signal.SIGKILL
    assert life(url, tmp_path / "log", "never", 0) == 0
    async with opened_store(Backend(kind="sqlite", url=url)) as opened:
        works = [trace.to_bytes(16, "big").hex() for trace in range(1, TRACES + 1)]
        judged = await opened.store.outcomes(trace_ids=[], work_ids=works)
        assert Counter(each.work_id for each in judged) == Counter(works)
        assert all(each.accepted for each in judged)  # none of them had been anything before
        assert await opened.store.next_due() is None
        assert len(await opened.store.workflows(WorkflowQuery(limit=2 * TRACES))) == TRACES
