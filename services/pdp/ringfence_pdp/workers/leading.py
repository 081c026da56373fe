"""A pdp that leads workers: they decide, and it takes what they decided and tells them how the log stands."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NoReturn

import msgspec
from prometheus_client.registry import Collector
from ringfence_kit.background import background
from ringfence_kit.clock import Clock, Millis
from ringfence_kit.readiness import Readiness
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.workers.processes import WorkerProcesses

from ringfence_pdp.config import PdpConfig
from ringfence_pdp.decision_batches import DecisionBatches
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.decision_watch import DecisionWatch
from ringfence_pdp.workers.log_line import LeaderLog

TOLD_EVERY: Final = Millis(100)
"""For how long workers may not know that somebody watches, or how the log stands."""


class Leading:
    """Leads the workers that are configured; with one process there are none, and nothing is done."""

    def __init__(
        self,
        config: PdpConfig,
        server: ServerConfig,
        log: DecisionLog,
        watch: DecisionWatch,
        *,
        readiness: Readiness,
        clock: Clock,
    ) -> None:
        self._config = config
        self._log = log
        self._watch = watch
        self._clock = clock
        self._taking: LeaderLog | None = None
        self.workers: WorkerProcesses | None = None
        """Who serves the ports in our place; None when nobody does."""
        if config.workers > 1:
            self.workers = WorkerProcesses(
                "ringfence_pdp.workers",
                config.workers,
                config=config,
                server=server,
                readiness=readiness,
                clock=clock,
                given=self._take,
            )

    @property
    def collectors(self) -> Sequence[Collector]:
        """What is counted of workers."""
        return () if self.workers is None else (self.workers,)

    @asynccontextmanager
    async def running(self, batches: DecisionBatches) -> AsyncIterator[None]:
        """Have workers inside the block, whose decisions go where `batches` go."""
        if self.workers is None:
            yield
            return
        self._taking = LeaderLog(
            self._log, batches, count=self._config.workers, max_bytes=self._config.decision_log.max_bytes
        )
        async with background(self._telling(self._taking, self.workers)), self.workers.running():
            yield

    def _take(self, batch_id: str, batch: bytes) -> None:
        if self._taking is not None:
            self._taking.take(batch_id, batch)

    async def _telling(self, log: LeaderLog, workers: WorkerProcesses) -> NoReturn:
        while True:
            workers.tell(msgspec.json.encode(log.stands(watched=self._watch.is_on)).decode())
            await self._clock.sleep(TOLD_EVERY)
