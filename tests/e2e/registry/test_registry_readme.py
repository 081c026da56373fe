"""The registry's README as somebody follows it at two in the morning: its commands, in order, with curl and grpcurl."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from support.mesh.layout import moved_ports
from support.mesh.process import environment
from support.mesh.up import mesh_up
from support.mesh.walk import shell, steps_of

ROOT = Path(__file__).parents[3]
README = (ROOT / "services" / "registry" / "README.md").read_text()
EXAMPLES = "services/registry/examples"
SECTIONS = [
    "## Registering",
    "## The life of an agent",
    "## Namespaces",
    "## Tools, external systems, boundaries",
    "## For the outside world",
]


@pytest.mark.timeout(180)
async def test_every_command_can_be_followed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / EXAMPLES, tmp_path / EXAMPLES)
    async with (
        mesh_up(tmp_path) as addresses,
        shell(tmp_path, path=[Path(sys.executable).parent], environment=environment()) as bash,
    ):
        for section in SECTIONS:
            for step in steps_of(drawings_left_out(README), section):
                await bash.take(step.on(moved_ports(addresses)))


def drawings_left_out(page: str) -> str:
    """Leave out the blocks that show no output: the states of an agent are a drawing."""
    return re.sub(r"```text\nregister .*?```", "", page, flags=re.DOTALL)
