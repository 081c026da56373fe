"""A worker's life: begun by its leader, on the shared ports once it can answer, over with its leader at the latest.

It has no configuration, no data and no HTTP of its own. What it counts it tells its leader, who is scraped for all.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from ringfence_kit import logs
from ringfence_kit.background import background
from ringfence_kit.clock import SystemClock
from ringfence_kit.grants import Grants
from ringfence_kit.ids import random_ids
from ringfence_kit.metrics import Metrics
from ringfence_kit.readiness import Readiness
from ringfence_kit.server import Server
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import Service
from ringfence_kit.workers.link import Given, Link, NotReady, Ready, Scrape, Scraped, Told, Took, beginning, when_gone
from ringfence_kit.workers.passing_on import Leader

WITHOUT_LEADER: Final = 5.0
"""Seconds a worker has to end when its leader is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Everything a worker needs to know, made by its leader."""

    index: int
    addresses: Mapping[str, str]
    """Setting → the address all workers listen on."""
    config: Any = field(repr=False)
    """The service's own."""
    server: ServerConfig = field(repr=False)
    socket: Path
    """Where the leader answers."""
    secret: str = field(repr=False)
    """What it wants to be shown."""


class Line:
    """What a worker and its leader say to each other beside calls, as the service sees it."""

    def __init__(self, say: Callable[[Given], None]) -> None:
        self._say = say
        self.told = ""
        """What the leader told last, see `WorkerProcesses.tell`."""
        self.waiting = 0
        """Bytes that were given and are not yet known to have been taken."""
        self.on_told: Callable[[str], None] = lambda _: None
        """Hears what the leader tells."""
        self.on_took: Callable[[int], None] = lambda _: None
        """Hears how many of what was given the leader took, the oldest."""

    def give(self, name: str, what: bytes) -> None:
        """Give the leader something. What a leader that dies has not taken is lost."""
        self.waiting += len(what)
        self._say(Given(name, what))

    def heard_told(self, what: str) -> None:
        """Take what the leader tells."""
        self.told = what
        self.on_told(what)

    def heard_took(self, sizes: Sequence[int]) -> None:
        """Take note that the leader took something, of these sizes."""
        self.waiting -= sum(sizes)
        self.on_took(len(sizes))


def work(build: Callable[[Beginning, Leader, Line], Service]) -> None:
    """Be the worker whose end of the link is the process's argument."""
    end = socket.socket(fileno=int(sys.argv[1]))
    try:
        begun: Beginning = beginning(end)
    except EOFError:
        return
    logs.configure(begun.server.log)
    structlog.contextvars.bind_contextvars(worker=begun.index)
    # It closes its own end first of all; this one tells until the process is over.
    when_gone(end.dup(), _stop, at_the_latest=WITHOUT_LEADER)
    asyncio.run(_live(begun, end, build))


async def _live(begun: Beginning, end: socket.socket, build: Callable[[Beginning, Leader, Line], Service]) -> None:
    metrics, link = Metrics(), await Link.over(end)
    line = Line(link.say)
    async with Leader(begun.socket, begun.secret) as leader, background(_heed(link, metrics, line)):
        service = build(begun, leader, line)
        telling = Service(name="worker", listeners=(), grants=Grants({}), run=lambda: _telling(link, service.readiness))
        server = Server(begun.server, clock=SystemClock(), new_id=random_ids, metrics=metrics, listens_when_ready=True)
        await server.add(service).add(telling).run()
    await link.close()


async def _heed(link: Link, metrics: Metrics, line: Line) -> None:
    async for message in link.heard():
        match message:
            case Scrape(number):
                link.say(Scraped(number, metrics.render()[0].decode()))
            case Told(what):
                line.heard_told(what)
            case Took(sizes):
                line.heard_took(sizes)


@asynccontextmanager
async def _telling(link: Link, readiness: Readiness) -> AsyncIterator[None]:
    """Tell the leader how the worker is, from the moment it listens."""

    def tell() -> None:
        if readiness.ready:
            link.say(Ready())
        else:
            link.say(NotReady("; ".join(f"{condition}: {why}" for condition, why in readiness.unmet.items())))

    readiness.on_change(tell)
    tell()
    yield


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
