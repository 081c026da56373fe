"""What telemetry throws away, and when: raw requests, spans kept for late arrivals, and names of days gone by."""

import structlog
from ringfence_kit.clock import DAY, HOUR, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.ingest import Ingest
from ringfence_telemetry.labels import LabelBook
from ringfence_telemetry.store import PRINCIPAL, TelemetryTx

EVERY = HOUR
PARTS_AT_ONCE = 5_000
"""Rows a transaction deletes: others wait for it."""

TRACES_AT_ONCE = 1_000

KEEP_WORKFLOWS = Millis(90 * DAY)
"""How long it is known what a piece of work came to."""

_log = structlog.get_logger(__name__)


class Housekeeping:
    """Forgets what is old."""

    def __init__(
        self, writer: Writer[TelemetryTx], ingest: Ingest, labels: LabelBook, *, keep_raw: Millis, clock: Clock
    ) -> None:
        self._writer = writer
        self._ingest = ingest
        self._labels = labels
        self._keep_raw = keep_raw
        self._clock = clock

    async def run(self) -> None:
        """Do it every hour."""
        while True:
            try:
                await self.tidy()
            except Unavailable as problem:
                _log.warning("housekeeping_put_off", problem=problem.message)
            await self._clock.sleep(EVERY)

    async def tidy(self) -> None:
        """Do it once."""
        now = self._clock.now()
        oldest = Instant(now - self._keep_raw)
        self._labels.forget_before(now)
        mutation = Mutation(principal=PRINCIPAL, at=now)
        await self._writer.write(
            lambda tx: tx.forget_labels(before_day=now // DAY - 1), mutation=mutation, result=type(None)
        )
        deleted = PARTS_AT_ONCE
        while deleted == PARTS_AT_ONCE:
            deleted = await self._writer.write(
                lambda tx: tx.forget_parts(received_before=oldest, limit=PARTS_AT_ONCE), mutation=mutation, result=int
            )
        await self._forget_workflows(oldest, now)
        segments = await self._ingest.forget(received_before=oldest)
        if segments:
            _log.info("segments_forgotten", segments=segments)

    async def _forget_workflows(self, oldest: Instant, now: Instant) -> None:
        """Forget traces none of whose spans are kept, and what traces came to after its time."""
        mutation = Mutation(principal=PRINCIPAL, at=now)
        begun_before = Instant(now - KEEP_WORKFLOWS)

        def forget(tx: TelemetryTx) -> int:
            settled = tx.forget_settled(received_before=oldest, limit=TRACES_AT_ONCE)
            return max(settled, tx.forget_workflows(begun_before=begun_before, limit=TRACES_AT_ONCE))

        while await self._writer.write(forget, mutation=mutation, result=int) == TRACES_AT_ONCE:
            pass
