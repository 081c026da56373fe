"""README.md's five minutes, as a reader spends them: its commands, in order, against `ringfence up`."""

import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.mesh.layout import free_addresses, moved_ports
from support.mesh.process import ServiceProcess, environment
from support.mesh.processes import all_ended
from support.mesh.walk import shell, steps_of

ROOT = Path(__file__).parents[2]
HEADING = "## Five minutes to the first deny and the first allow"
EXAMPLES = "services/registry/examples"


@asynccontextmanager
async def mesh_up(folder: Path) -> AsyncIterator[Mapping[str, str]]:
    """Run `ringfence up` on free ports with its data under `folder`; yields setting → address."""
    addresses = free_addresses()
    settings = [part for key, address in addresses.items() for part in ("--set", f"{key}={address}")]
    up = ServiceProcess(
        "up",
        (sys.executable, "-m", "ringfence_launcher", "up", "--data", str(folder / ".ringfence"), *settings),
        address=addresses["pdp.listen"],
        log=folder / "up.log",
    )
    async with all_ended([up]):
        await up.start()
        await up.serving()
        yield addresses
        assert await up.stop() == 0


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
