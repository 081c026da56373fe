"""kill -9 at any moment: what was acknowledged is there, and a watch resumed goes on without a gap or a repeat."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ringfence_kit.events import EMPTY
from support.backends import Backend
from support.switches.flip_switch import flip_switch
from support.switches.mutations import once
from support.switches.opened import opened_switches

KILLS = 50
TESTS = Path(__file__).parents[2]


@pytest.mark.timeout(180)
async def test_nothing_acknowledged_is_lost_and_no_event_is_missed_or_doubled(tmp_path: Path) -> None:
    backend = Backend(kind="sqlite", url=f"sqlite:///{tmp_path}/store.db")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "support.killed_writer",
        backend.url,
        str(KILLS),
        "20260801",
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    promises = json.loads(output)
    acknowledged: dict[str, int] = promises["acknowledged"]
    seen: list[int] = promises["seen"]

    assert promises["kills"] == KILLS
    assert promises["broken"] == []
    # The load was real: most lives got as far as opening, and many as far as an answer.
    assert promises["opened"] >= KILLS // 2
    assert len({name.split("-")[0] for name in acknowledged}) >= KILLS // 3
    assert seen == list(range(1, len(seen) + 1))

    async with opened_switches(backend) as service:
        stored = await service.events.read(EMPTY, 10_000_000)
        assert [event.revision for event in stored] == list(range(1, service.hub.newest + 1))
        assert seen[-1] <= service.hub.newest
        revision_of = {event.name: event.revision for event in stored}
        # Each switch was made once, though its life ended: no repeated effect either.
        assert len(revision_of) == len(stored)
        assert all(revision_of[name] <= told for name, told in acknowledged.items())
        assert revision_of.keys() == service.snapshot.all().keys()
        # A caller whose life ended before its answer repeats the request, and gets what happened then.
        for name in list(revision_of)[-20:]:
            again = await flip_switch(service.writer, name=name, on=True, reason="", mutation=once(name))
            assert again == service.snapshot.switch(name)
        assert service.hub.newest == len(stored)
