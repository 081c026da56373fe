"""The way of decisions to telemetry, put together: gathered, kept on disk, delivered for as long as the pdp runs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from ringfence.errors import RingfenceError
from ringfence_kit.background import background
from ringfence_kit.clock import Clock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.spool import Spool, SpooledItem, SpoolHooks, SpoolLimits

from ringfence_pdp.decision_batches import DecisionBatches, Wire, send_batches
from ringfence_pdp.decision_log import DecisionLog

_log = structlog.get_logger(__name__)

GATHERED_FOR = Millis(5)
"""How long decisions wait for others to share the disk's sync: what a killed process may lose of its log."""

SENT_AFTER = Millis(20)
"""How long decisions wait for others to share the call that takes them to telemetry."""


@asynccontextmanager
async def delivering(
    log: DecisionLog, directory: Path, wire: Wire, *, max_bytes: int, clock: Clock
) -> AsyncIterator[DecisionBatches]:
    """Let `log` take decisions inside the block, and deliver them; what was taken is on disk when it ends."""
    batches: DecisionBatches | None = None
    found: list[str] = []
    telling = _Telling()

    def refused(failure: Unavailable) -> None:
        log.refused(failure, 0 if batches is None else batches.dropped())

    def delivered(count: int, waited: Millis) -> None:
        telling.taken(waited)
        if batches is not None:
            batches.delivered(count)

    async def send(items: Sequence[SpooledItem]) -> None:
        await send_batches(wire, items, lost=log.count_lost)

    limits = SpoolLimits(max_bytes=max_bytes, gather_batch=SENT_AFTER)
    hooks = SpoolHooks(
        found=found.append, kept=log.kept, refused=refused, delivered=delivered, postponed=telling.postponed
    )
    async with Spool(directory, clock=clock, limits=limits, hooks=hooks) as spool:
        batches = DecisionBatches(
            spool,
            wire,
            left=found[len(found) - spool.undelivered :],
            max_bytes=max_bytes,
            gather=GATHERED_FOR,
            on_refused=log.refused,
        )
        found.clear()
        log.attach(batches)
        async with background(spool.deliver(send, retry_on=(RingfenceError,))):
            try:
                yield batches
            finally:
                batches.flush()


class _Telling:
    """Says once that decisions wait for the audit log, and once that they reach it again."""

    def __init__(self) -> None:
        self._waiting = False

    def postponed(self, error: Exception, _again_in: Millis) -> None:
        if not self._waiting:
            self._waiting = True
            _log.warning("decisions_waiting", problem=str(error))

    def taken(self, waited: Millis) -> None:
        if self._waiting:
            self._waiting = False
            _log.info("decisions_delivered", waited_ms=waited)
