"""What telemetry throws away, and when: raw requests, spans kept for late arrivals, names of days gone by, and usage,
which is folded together first: the older, the coarser.

Every step is a transaction of a bounded number of rows, since others wait for it; cut off in the middle, the next round
goes on from there.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from ringfence_kit.clock import DAY, HOUR, MINUTE, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.config import UsageConfig
from ringfence_telemetry.ingest import Ingest
from ringfence_telemetry.labels import LabelBook
from ringfence_telemetry.store import PRINCIPAL, TelemetryTx
from ringfence_telemetry.usage_alerts import resolve_old
from ringfence_telemetry.usage_levels import DAY as DAY_MINUTES
from ringfence_telemetry.usage_levels import FIVE, FOLDS, FOUR_DAYS, floor
from ringfence_telemetry.usage_levels import HOUR as HOUR_MINUTES

EVERY = HOUR
PARTS_AT_ONCE = 5_000
"""Rows a transaction deletes: others wait for it."""

ROWS_FOLDED_AT_ONCE = 1_000

TRACES_AT_ONCE = 1_000

KEEP_WORKFLOWS = Millis(90 * DAY)
"""How long it is known what a piece of work came to."""

_log = structlog.get_logger(__name__)


class Housekeeping:
    """Forgets what is old."""

    def __init__(
        self,
        writer: Writer[TelemetryTx],
        ingest: Ingest,
        labels: LabelBook,
        *,
        keep_raw: Millis,
        usage: UsageConfig,
        clock: Clock,
    ) -> None:
        self._writer = writer
        self._ingest = ingest
        self._labels = labels
        self._keep_raw = keep_raw
        self._usage = usage
        self._clock = clock

    async def run(self, settle: Callable[[], Awaitable[None]]) -> None:
        """Do it every hour; `settle` comes first: after days of rest, old spans may still have to be settled."""
        while True:
            try:
                await settle()
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
        await self._fold_usage(now, mutation)
        await self._forget_usage(now, mutation)
        await self._writer.write(lambda tx: resolve_old(tx, now), mutation=mutation, result=type(None))
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

    async def _fold_usage(self, now: Instant, mutation: Mutation) -> None:
        """Fold what is old enough; hours are made of fives, so these come first."""
        for step in FOLDS:
            before = _minute(now, self._usage.keep_minutes if step == FIVE else self._usage.keep_fives, HOUR_MINUTES)
            fold = partial(_fold, step=step, before=before)
            while await self._writer.write(fold, mutation=mutation, result=int) == ROWS_FOLDED_AT_ONCE:
                pass

    async def _forget_usage(self, now: Instant, mutation: Mutation) -> None:
        forget = partial(
            _forget,
            before=_minute(now, self._usage.keep_hours, FOUR_DAYS),
            sessions_before=_minute(now, self._usage.keep_sessions, DAY_MINUTES),
            hours_before=_minute(now, self._usage.keep_fives, DAY_MINUTES),
        )
        while await self._writer.write(forget, mutation=mutation, result=int):
            pass


def _minute(now: Instant, kept: Millis, step: int) -> int:
    """Return the last beginning of a step that is older than what is kept."""
    return floor(max(0, (now - kept) // MINUTE), step)


def _fold(tx: TelemetryTx, *, step: int, before: int) -> int:
    return tx.fold_usage(step, before=before, limit=ROWS_FOLDED_AT_ONCE)


def _forget(tx: TelemetryTx, *, before: int, sessions_before: int, hours_before: int) -> int:
    return tx.forget_usage(before=before, sessions_before=sessions_before, hours_before=hours_before)
