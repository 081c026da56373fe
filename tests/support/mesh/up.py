"""`ringfence up` as somebody runs it who follows a page of documentation: on free ports, its data in a folder."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from support.mesh.layout import free_addresses
from support.mesh.process import ServiceProcess
from support.mesh.processes import all_ended


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
