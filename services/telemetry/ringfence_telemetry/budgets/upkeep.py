"""What becomes of budgets with time: periods end and begin, and what was spent long ago is forgotten."""

import structlog
from ringfence_kit.clock import DAY, HOUR, SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.budgets.book import renew
from ringfence_telemetry.store import PRINCIPAL
from ringfence_telemetry.store.budgets import BudgetStore, BudgetTx

KEPT = Millis(400 * DAY)
"""How long what was spent in a period is kept, from its beginning."""

EVERY = Millis(SECOND // 2)
FORGOTTEN_EVERY = HOUR
FORGOTTEN_AT_ONCE = 1_000

_log = structlog.get_logger(__name__)


class BudgetUpkeep:
    """Looks after budgets as time goes by."""

    def __init__(self, writer: Writer[BudgetTx], store: BudgetStore, *, clock: Clock) -> None:
        self._writer = writer
        self._store = store
        self._clock = clock
        self._forgot_at: Instant | None = None

    async def run(self) -> None:
        """Do it twice a second: a period that ended lets agents work again."""
        while True:
            try:
                await self.tidy()
            except Unavailable as problem:
                _log.warning("budget_upkeep_put_off", problem=problem.message)
            await self._clock.sleep(EVERY)

    async def tidy(self) -> None:
        """Do what is due."""
        now = self._clock.now()
        mutation, done = Mutation(principal=PRINCIPAL, at=now), not await self._store.any_standing_due(now)
        while not done:
            done = await self._writer.write(lambda tx: renew(tx, now), mutation=mutation, result=bool)
        if self._forgot_at is None or now - self._forgot_at >= FORGOTTEN_EVERY:
            self._forgot_at = now
            oldest, forgotten = Instant(now - KEPT), FORGOTTEN_AT_ONCE
            while forgotten >= FORGOTTEN_AT_ONCE:
                forgotten = await self._writer.write(
                    lambda tx: tx.forget_standings(before=oldest, limit=FORGOTTEN_AT_ONCE),
                    mutation=mutation,
                    result=int,
                )
