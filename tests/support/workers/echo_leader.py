"""`python -m support.workers.echo_leader DATA COUNT`: the echo service with workers, as a process of its own.

It says `ready` on its standard output once all of them are, and where it listens in its log.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ringfence_kit import logs
from ringfence_kit.background import background
from ringfence_kit.clock import Millis, SystemClock
from ringfence_kit.ids import random_ids
from ringfence_kit.readiness import Readiness
from ringfence_kit.server import Server
from ringfence_kit.server_config import LogConfig, LogFormat, ServerConfig
from ringfence_kit.service import HttpFace, Listener, Service
from ringfence_kit.workers.processes import WorkerProcesses

from support.workers.shared_echo import GRANTS, SharedConfig, face


async def main(data: Path, count: int) -> None:
    """Serve until told to stop."""
    server = ServerConfig(dev=True, data=data, drain=Millis(5_000), log=LogConfig(format=LogFormat.JSON))
    logs.configure(server.log)
    clock, readiness = SystemClock(), Readiness()
    workers = WorkerProcesses(
        "support.workers.echo_worker",
        count,
        config=SharedConfig(greeting="hello"),
        server=server,
        readiness=readiness,
        clock=clock,
    )
    faces = [face()]

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        async with workers.running(), background(say_ready()):
            yield

    async def say_ready() -> None:
        await readiness.all_met()
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    service = Service(
        name="echo",
        listeners=[
            Listener(address="127.0.0.1:0", setting="echo.listen", faces=faces),
            Listener(address="127.0.0.1:0", setting="echo.fast_listen", faces=faces, fast=True),
        ],
        grants=GRANTS,
        http=HttpFace(address="127.0.0.1:0", setting="echo.http_listen"),
        run=run,
        readiness=readiness,
        collectors=[workers],
        workers=workers,
    )
    await Server(server, clock=clock, new_id=random_ids).add(service).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
