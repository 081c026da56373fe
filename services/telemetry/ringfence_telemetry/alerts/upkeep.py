"""What becomes of alerts with time: silences end, and what has long been over is forgotten."""

import structlog
from ringfence_kit.clock import DAY, HOUR, SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.alerts.book import end_silences
from ringfence_telemetry.store import PRINCIPAL
from ringfence_telemetry.store.alerts import AlertStore, AlertTx

KEPT = Millis(90 * DAY)
"""How long an alert is kept once it is over, and its events as long."""

EVERY = SECOND
FORGOTTEN_EVERY = HOUR
FORGOTTEN_AT_ONCE = 1_000

_log = structlog.get_logger(__name__)


class AlertUpkeep:
    """Looks after alerts as time goes by."""

    def __init__(self, writer: Writer[AlertTx], store: AlertStore, *, clock: Clock) -> None:
        self._writer = writer
        self._store = store
        self._clock = clock
        self._forgot_at: Instant | None = None

    async def run(self) -> None:
        """Do it every second."""
        while True:
            try:
                await self.tidy()
            except Unavailable as problem:
                _log.warning("alert_upkeep_put_off", problem=problem.message)
            await self._clock.sleep(EVERY)

    async def tidy(self) -> None:
        """Do what is due."""
        now = self._clock.now()
        if await self._store.any_silence_over(now):
            await self._writer.write(
                lambda tx: end_silences(tx, tx.silences_over(now), at=now), mutation=_by_us(now), result=type(None)
            )
        if self._forgot_at is None or now - self._forgot_at >= FORGOTTEN_EVERY:
            await self._forget(now)
            self._forgot_at = now

    async def _forget(self, now: Instant) -> None:
        forgotten = FORGOTTEN_AT_ONCE
        while forgotten >= FORGOTTEN_AT_ONCE:
            forgotten = await self._writer.write(
                lambda tx: tx.forget_alerts(before=Instant(now - KEPT), limit=FORGOTTEN_AT_ONCE),
                mutation=_by_us(now),
                result=int,
            )


def _by_us(now: Instant) -> Mutation:
    return Mutation(principal=PRINCIPAL, at=now)
