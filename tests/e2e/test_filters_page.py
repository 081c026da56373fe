"""docs/filters.md as somebody follows it at two in the morning: its commands, in order, without a server."""

import sys
from pathlib import Path

from support.mesh.process import environment
from support.mesh.walk import shell, steps_of

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text()


async def test_every_command_of_the_page_shows_what_the_page_says(tmp_path: Path) -> None:
    steps = steps_of(PAGE, "## Try it")
    assert len(steps) >= 3
    async with shell(tmp_path, path=[Path(sys.executable).parent], environment=environment()) as bash:
        for step in steps:
            await bash.take(step)
