"""README.md's five minutes, as a reader spends them: its commands, in order, against `ringfence up`."""

import shutil
import sys
from pathlib import Path

import pytest
from support.mesh.layout import moved_ports
from support.mesh.process import environment
from support.mesh.up import mesh_up
from support.mesh.walk import shell, steps_of

ROOT = Path(__file__).parents[2]
HEADING = "## Five minutes to the first deny and the first allow"
EXAMPLES = "services/registry/examples"


@pytest.mark.timeout(180)
async def test_every_command_of_the_readme_shows_what_the_readme_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / EXAMPLES, tmp_path / EXAMPLES)
    steps = steps_of((ROOT / "README.md").read_text(), HEADING)
    assert len(steps) >= 7
    async with (
        mesh_up(tmp_path) as addresses,
        shell(tmp_path, path=[Path(sys.executable).parent], environment=environment()) as bash,
    ):
        for step in steps:
            await bash.take(step.on(moved_ports(addresses)))
