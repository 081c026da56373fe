"""What runs by itself, hour by hour: agents that moved away from their baselines are told of, and what is old is
forgotten.

- An alert begins when a version has moved as far as that, and ends when every test is stable again: one that is only
  worth watching begins none and ends none.
- Judgements and what traces were counted for are kept as long as corrections may come; what they came to, a year more.
"""

from collections.abc import Sequence

import structlog
from ringfence_kit.clock import DAY, HOUR, Clock, Instant
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.alerts.book import fire, resolve
from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.evaluation.acceptance import AcceptanceReader
from ringfence_telemetry.evaluation.drift import Baseline, Drift, Level, worst
from ringfence_telemetry.evaluation.judgement import KEPT
from ringfence_telemetry.store import PRINCIPAL, TelemetryStore, TelemetryTx

COUNTS_KEPT_DAYS = 400
EVERY = HOUR
ROWS_AT_ONCE = 5_000
"""Rows a transaction deletes: others wait for it."""
BASELINES_AT_ONCE = 100
DRIFT_DAYS = 7

_log = structlog.get_logger(__name__)


class EvaluationKeeping:
    """Looks after evaluation."""

    def __init__(
        self, writer: Writer[TelemetryTx], store: TelemetryStore, reader: AcceptanceReader, *, clock: Clock
    ) -> None:
        self._writer = writer
        self._store = store
        self._reader = reader
        self._clock = clock

    async def run(self) -> None:
        """Do it every hour."""
        while True:
            try:
                await self.look_for_drift()
                await self.forget()
            except Unavailable as problem:
                _log.warning("evaluation_keeping_put_off", problem=problem.message)
            await self._clock.sleep(EVERY)

    async def look_for_drift(self) -> None:
        """Compare every version with its baseline, and tell."""
        page = await self._store.baselines(after=("", ""), limit=BASELINES_AT_ONCE)
        while page:
            for baseline in page:
                await self._tell(baseline, await self._reader.drift_from(baseline, days=DRIFT_DAYS))
            page = await self._store.baselines(after=(page[-1].agent, page[-1].version), limit=BASELINES_AT_ONCE)

    async def forget(self) -> None:
        """Forget what is old, a little at a time."""
        now = self._clock.now()
        mutation = Mutation(principal=PRINCIPAL, at=now)
        deleted = ROWS_AT_ONCE
        while deleted == ROWS_AT_ONCE:
            deleted = await self._writer.write(
                lambda tx: tx.forget_judgements(recorded_before=Instant(now - KEPT), limit=ROWS_AT_ONCE),
                mutation=mutation,
                result=int,
            )
        await self._writer.write(
            lambda tx: tx.forget_evaluation_counts(before_day=now // DAY - COUNTS_KEPT_DAYS),
            mutation=mutation,
            result=type(None),
        )

    async def _tell(self, baseline: Baseline, found: Sequence[Drift]) -> None:
        level, now = worst(found), self._clock.now()
        if level in (Level.UNKNOWN, Level.WATCH):
            return
        key = alert_key(baseline)

        def work(tx: TelemetryTx) -> None:
            if level is Level.ALERT:
                fire(tx, _draft(baseline, found), at=now)
            else:
                resolve(tx, key, at=now)

        await self._writer.write(work, mutation=Mutation(principal=PRINCIPAL, at=now), result=type(None))


def alert_key(baseline: Baseline) -> str:
    """Return what makes two alerts of drift the same."""
    return f"drift/{baseline.agent}/{baseline.version}"


def _draft(baseline: Baseline, found: Sequence[Drift]) -> AlertDraft:
    moved = [each for each in found if each.level is Level.ALERT]
    version = baseline.version or "(all)"
    return AlertDraft(
        key=alert_key(baseline),
        kind=AlertKind.DRIFT,
        message=(
            f"{baseline.agent}, version {version}, has moved away from its baseline: "
            f"{'; '.join(f'{each.what}: {each.detail}' for each in moved)}. "
            "Look at what changed, and roll back or pin a new baseline"
        ),
        subject=baseline.agent,
        agent=baseline.agent,
        evidence={each.what: f"{each.value:.6g}" for each in moved} | {"version": baseline.version},
    )
