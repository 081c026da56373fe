"""docs/telemetry.md as somebody follows it who runs telemetry: its commands, in order, on a mesh."""

import sys
from pathlib import Path

import pytest
from support.mesh.layout import moved_ports
from support.mesh.process import environment
from support.mesh.up import mesh_up
from support.mesh.walk import shell, steps_of

PAGE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text()


@pytest.mark.timeout(180)
async def test_every_command_of_the_page_shows_what_the_page_says(tmp_path: Path) -> None:
    steps = steps_of(PAGE, "## Try it")
    assert len(steps) >= 6
    async with (
        mesh_up(tmp_path) as addresses,
        shell(tmp_path, path=[Path(sys.executable).parent], environment=environment()) as bash,
    ):
        for step in steps:
            await bash.take(step.on(moved_ports(addresses)))
