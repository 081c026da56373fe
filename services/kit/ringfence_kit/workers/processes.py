"""The workers of a service as its leader keeps them: as many as were asked for, all alike, until the end.

The leader holds the ports they share and serves none of them itself; what its workers cannot answer comes in by a door
of their own. It is ready for the first time once every worker is. Later, a worker that is away impairs the service and
takes nothing else from it, as the kernel gives its connections to the others.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ringfence_kit.addresses import Address
from ringfence_kit.background import background
from ringfence_kit.clock import Clock
from ringfence_kit.readiness import Readiness
from ringfence_kit.refusals import StartRefused
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.workers.doors import clear
from ringfence_kit.workers.slot import Slot
from ringfence_kit.workers.worker import Beginning

WORKERS = "workers"
"""The condition of readiness."""

SCRAPED_WITHIN = 2.0
"""Seconds a worker has to give its metrics."""

ENDS_WITHIN = 5.0
"""Seconds a worker has to close what it has, after what calls in progress get."""

LONGEST_SOCKET = 107
"""Bytes a path of a socket may have (unix(7))."""


class WorkerProcesses(Collector):
    """`count` processes, each of which runs `module`, which calls `worker.work`; see `service.Workers`."""

    def __init__(
        self,
        module: str,
        count: int,
        *,
        config: object,
        server: ServerConfig,
        readiness: Readiness,
        clock: Clock,
        given: Callable[[str, bytes], None] = lambda _name, _what: None,
    ) -> None:
        """`config` is the service's own, `readiness` that of the leader; `given` takes what workers give, by name."""
        self.secret = secrets.token_urlsafe(32)
        """What a worker shows at the door."""
        self.socket = socket_in(server.data)
        """Where the door is."""
        self._addresses: dict[str, str] = {}
        self._config = config
        self._server = server
        self._readiness = readiness
        self._complete = False
        self._said = ""
        self._slots = [
            Slot(
                index,
                module,
                begin=self._beginning,
                told=lambda: self._said,
                given=given,
                changed=self._look,
                clock=clock,
            )
            for index in range(count)
        ]
        readiness.require(WORKERS, why="the workers are starting")

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The places of all workers."""
        return tuple(self._slots)

    def held(self, setting: str, address: Address) -> None:
        """Hear where the port of a setting is held."""
        self._addresses[setting] = str(address)

    def tell(self, what: str) -> None:
        """Tell every worker something, and those that start later too; only the last thing holds."""
        if what != self._said:
            self._said = what
            for slot in self._slots:
                slot.tell(what)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the workers inside the block; entered by a leader that has made sure that it is the only one."""
        clear(self.socket.parent, but=self.socket)
        async with background(*(slot.keep() for slot in self._slots)):
            try:
                yield
            finally:
                await self.end()

    async def end(self) -> None:
        """Have all workers drain, and end them."""
        seconds = self._server.drain / 1_000 + ENDS_WITHIN
        await asyncio.gather(*(slot.end(seconds) for slot in self._slots))

    async def scraped(self) -> Mapping[str, str]:
        """Return the metrics of each worker, by its number."""
        texts = await asyncio.gather(*(slot.scrape(SCRAPED_WITHIN) for slot in self._slots))
        return {str(slot.index): text for slot, text in zip(self._slots, texts, strict=True)}

    def collect(self) -> Iterator[Metric]:
        """Give what the leader counts of its workers."""
        up = GaugeMetricFamily("ringfence_worker_up", "1 while the worker answers.", labels=("worker",))
        ended = CounterMetricFamily(
            "ringfence_worker_ended", "How often a worker ended by itself and was started again.", labels=("worker",)
        )
        for slot in self._slots:
            up.add_metric((str(slot.index),), 0 if slot.why else 1)
            ended.add_metric((str(slot.index),), slot.ended)
        yield up
        yield ended

    def _beginning(self, index: int) -> Beginning:
        return Beginning(
            index=index,
            addresses=self._addresses,
            config=self._config,
            # They share the ports with each other; what is scraped and answered over HTTP is the leader's.
            server=replace(self._server, reuse_port=True),
            socket=self.socket,
            secret=self.secret,
        )

    def _look(self) -> None:
        away = {f"worker {slot.index}": slot.why for slot in self._slots if slot.why}
        if not away:
            self._complete = True
        if not self._complete or len(away) == len(self._slots):
            why = "; ".join(f"{worker}: {why}" for worker, why in away.items())
            self._readiness.lost(WORKERS, why=why)
        else:
            self._readiness.met(WORKERS)
        for slot in self._slots:
            if slot.why:
                self._readiness.impair(f"worker {slot.index}", why=slot.why)
            else:
                self._readiness.repaired(f"worker {slot.index}")


def socket_in(data: Path) -> Path:
    """Return a path for a new socket in a folder of `data` that nobody else may enter."""
    name = f"{secrets.token_hex(4)}.sock"
    whole = (data / "workers" / name).absolute()
    # Leader and workers stand in the same folder, and the shorter of two names may be the one that fits.
    paths = [whole]
    if whole.is_relative_to(Path.cwd()):
        paths.append(whole.relative_to(Path.cwd()))
    shortest = min(paths, key=lambda path: len(bytes(path)))
    if len(bytes(shortest)) > LONGEST_SOCKET:
        raise StartRefused(
            f"the path of a socket may have {LONGEST_SOCKET} bytes and {shortest} has {len(bytes(shortest))}; "
            "choose a data folder with a shorter path, or one worker"
        )
    return shortest
