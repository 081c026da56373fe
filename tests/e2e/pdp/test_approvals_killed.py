"""kill -9 in the middle of asking, voting and using: what was answered is there, and no approval is used twice."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from ringfence_pdp.approvals.approval import State, enough
from support.backends import Backend
from support.pdp.people import people

KILLS = 6
TESTS = Path(__file__).parents[2]


@pytest.mark.timeout(60)
async def test_no_approval_is_used_twice_and_no_vote_is_lost(tmp_path: Path) -> None:
    backend = Backend(kind="sqlite", url=f"sqlite:///{tmp_path}/store.db")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "support.pdp.killed_people",
        backend.url,
        str(KILLS),
        "20260801",
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    told = json.loads(output)
    assert (told["kills"], told["opened"]) == (KILLS, KILLS)
    assert len(told["used"]) >= 3  # the load was real

    assert max(Counter(name for name, _ in told["used"]).values()) == 1
    async with people(backend) as at:
        for name, decision in told["used"]:
            held = at.named(name)
            assert (held.state, held.used_by) == (State.USED, decision)
            assert enough(held)
        for name in told["voted"]:
            assert at.named(name).votes
        # What was used and never answered is spent: the safe side. It is one for each caller and life at most.
        spent = [one.name for one in at.book.newest_first() if one.state is State.USED]
        assert len(spent) - len(told["used"]) <= KILLS * 8
