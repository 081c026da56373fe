"""What was counted for objectives is forgotten, level by level: single minutes first, hours last."""

from collections.abc import Mapping

import structlog
from ringfence_kit.clock import DAY, HOUR, MINUTE, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.slo.windows import Level
from ringfence_telemetry.store import PRINCIPAL, TelemetryTx

EVERY = HOUR
ROWS_AT_ONCE = 5_000
KEPT: Mapping[Level, Millis] = {
    Level.MINUTE: Millis(15 * DAY),
    Level.FIVE: Millis(90 * DAY),
    Level.HOUR: Millis(400 * DAY),
}
TRACES_KEPT = Millis(4 * DAY)
"""Longer than spans are kept for late relatives: after that nothing settles a trace again."""

_log = structlog.get_logger(__name__)


class SloKeeping:
    """Forgets what is old."""

    def __init__(self, writer: Writer[TelemetryTx], *, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def run(self) -> None:
        """Do it every hour."""
        while True:
            try:
                await self.tidy()
            except Unavailable as problem:
                _log.warning("slo_keeping_put_off", problem=problem.message)
            await self._clock.sleep(EVERY)

    async def tidy(self) -> None:
        """Do it once."""
        now = self._clock.now()
        while await self._forget(now):
            continue

    async def _forget(self, now: Instant) -> bool:
        """Forget some; say whether there may be more."""

        def work(tx: TelemetryTx) -> bool:
            dropped = [
                tx.forget_slo_counts(level, before_slot=(now - kept) // MINUTE // level.value, limit=ROWS_AT_ONCE)
                for level, kept in KEPT.items()
            ]
            old = Instant(now - TRACES_KEPT)
            dropped.append(tx.forget_counted_traces(ended_before=old, limit=ROWS_AT_ONCE))
            return max(dropped) >= ROWS_AT_ONCE

        return await self._writer.write(work, mutation=Mutation(principal=PRINCIPAL, at=now), result=bool)
