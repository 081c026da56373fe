"""What somebody should hear of while it lasts: senders that are turned away.

Items that were refused fire one alert, which ends when none was for five minutes: what a sender keeps for us it may
lose, and that we would never see. It is told from a task of its own: when it is needed, nothing may be coming in.
"""

from collections.abc import Callable
from typing import TypeAlias

import structlog
from ringfence_kit.clock import MINUTE, SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.alerts.book import fire, resolve
from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.ingest_counts import IngestCounts
from ringfence_telemetry.store import PRINCIPAL, TelemetryTx

PRESSURE_KEY = "pressure"

PRESSURE_FOR = Millis(5 * MINUTE)
LOOK_EVERY = Millis(10 * SECOND)

_Work: TypeAlias = Callable[[TelemetryTx], None]

_log = structlog.get_logger(__name__)


class Pressure:
    """Tells of senders that were turned away, while `run` runs."""

    def __init__(self, writer: Writer[TelemetryTx], counts: IngestCounts, *, clock: Clock) -> None:
        self._writer = writer
        self._counts = counts
        self._clock = clock
        self._told = 0
        """Items refused when it looked last."""
        self._last = Instant(0)
        self._may_fire = True
        """Whether an alert may be firing: one from before a restart is not known of here."""

    async def run(self) -> None:
        """Look every ten seconds until cancelled."""
        while True:
            try:
                await self.look()
            except Unavailable as problem:
                _log.warning("pressure_untold", problem=problem.message)
            await self._clock.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Look once."""
        now, refused = self._clock.now(), {s.label: each.refused for s, each in self._counts.of.items()}
        total = sum(refused.values())
        if total > self._told:
            evidence = {f"refused_{signal}": str(count) for signal, count in refused.items() if count}
            await self._write(lambda tx: _fire_pressure(tx, evidence, now), now)
            self._told, self._last, self._may_fire = total, now, True
        elif self._may_fire and now - self._last >= PRESSURE_FOR:
            await self._write(lambda tx: _end_pressure(tx, now), now)
            self._may_fire = False

    async def _write(self, work: _Work, at: Instant) -> None:
        await self._writer.write(work, mutation=Mutation(principal=PRINCIPAL, at=at), result=type(None))


def _fire_pressure(tx: TelemetryTx, evidence: dict[str, str], at: Instant) -> None:
    draft = AlertDraft(
        key=PRESSURE_KEY,
        kind=AlertKind.PRESSURE,
        message="Senders are asked to come again: the ingest queue stays full, or the disk is nearly full. "
        "What they hold for us they may lose. Look at the disk, at the database, and at who sends so much.",
        page=True,
        subject="ingest",
        evidence=evidence,
    )
    fire(tx, draft, at=at)


def _end_pressure(tx: TelemetryTx, at: Instant) -> None:
    resolve(tx, PRESSURE_KEY, at=at)
