"""Answering questions about usage: who may ask them, and how current the answer is."""

from collections.abc import Sequence
from dataclasses import replace

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import MINUTE, SECOND, Clock, Millis
from ringfence_kit.errors import NotPermitted

from ringfence_telemetry.ingest import Ingest
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.store import TelemetryStore
from ringfence_telemetry.usage_levels import time_step
from ringfence_telemetry.usage_query import UsageGroup, UsageQuery, UsageTotals
from ringfence_telemetry.waiting import happens_within

CATCH_UP = Millis(SECOND)
"""How long an answer waits for spans that are accepted and not yet counted."""


class UsageReader:
    """Answers questions about usage."""

    def __init__(self, store: TelemetryStore, ingest: Ingest, *, clock: Clock) -> None:
        self._store = store
        self._ingest = ingest
        self._clock = clock

    async def usage(self, query: UsageQuery, *, caller: Caller) -> tuple[Sequence[UsageTotals], int]:
        """Return the totals, and how many accepted spans are not in them. Raises NotPermitted."""
        if not caller.has(Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE) and query.agent != caller.principal:
            raise NotPermitted(
                principal=caller.principal,
                action=f"read usage of {query.agent or 'all agents'}",
                needed="platform-admin, auditor or service; an agent names itself",
            )
        await happens_within(CATCH_UP, self._clock, self._ingest.caught_up())
        pending = self._ingest.counts.of[OtlpSignal.SPANS].pending
        return await self._store.usage(self._with_step(query)), pending

    def _with_step(self, query: UsageQuery) -> UsageQuery:
        if UsageGroup.TIME not in query.group_by:
            return query
        end = self._clock.now() // MINUTE + 1 if query.end_minute is None else query.end_minute
        return replace(query, step=time_step(None if query.first_minute is None else end - query.first_minute))
