"""Looks every minute for agents that use far more than they did, and raises an alert for each (`anomaly.py` judges).

Looked at are agents whose last hour is worth it, with their usage of the seven days before by the hour; and those an
alert fires for, so that it ends. An alert is of an agent and of tokens or one currency.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import structlog
from ringfence_kit.clock import HOUR, MINUTE, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.alerts.alert import AlertQuery
from ringfence_telemetry.alerts.book import fire, resolve
from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.budgets.anomaly import HOURS, NANOS_LEAST, TOKENS_LEAST, Rise
from ringfence_telemetry.budgets.budget import Scope
from ringfence_telemetry.budgets.used import Used
from ringfence_telemetry.store import PRINCIPAL, TelemetryStore, TelemetryTx

AGENTS_MAX = 1_000
"""Agents looked at in one go: those that used the most in their last hour."""

FIRING_MAX = 10_000

TOKENS = "tokens"

_log = structlog.get_logger(__name__)


class Subject(NamedTuple):
    """What is looked at: an agent, and its tokens or its money."""

    agent: str
    unit: str
    """`tokens`, or a currency."""

    @property
    def key(self) -> str:
        """What makes its alert the same."""
        return f"cost-anomaly/{self.agent}/{self.unit}"


class RisingCost:
    """Looks for it."""

    def __init__(self, writer: Writer[TelemetryTx], store: TelemetryStore, *, clock: Clock) -> None:
        self._writer = writer
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Look at the end of every minute."""
        while True:
            now = self._clock.now()
            await self._clock.sleep(Millis(MINUTE - now % MINUTE))
            try:
                await self.look()
            except Unavailable as problem:
                _log.warning("cost_anomalies_put_off", problem=problem.message)

    async def look(self) -> None:
        """Look once."""
        now = self._clock.now()
        end = Instant(now - now % MINUTE)
        last = await self._store.usage_by(Scope.AGENT, start=Instant(end - HOUR), end=end)
        firing = await self._firing()
        candidates = sorted(_worth(last), key=lambda each: -_amount(last[each.agent], each.unit))[:AGENTS_MAX]
        looked_at = {*candidates, *firing}
        if not looked_at:
            return
        agents = sorted({each.agent for each in looked_at})
        hours = await self._store.usage_by_hour(agents, before=Instant(end - HOUR), hours=HOURS)
        rises = {each: _rise(each, last.get(each.agent, Used()), hours.get(each.agent, ())) for each in looked_at}
        begun = [each for each, rise in sorted(rises.items()) if rise.begins or (each in firing and rise.goes_on)]
        over = [each for each in sorted(firing) if each not in begun]

        def work(tx: TelemetryTx) -> None:
            for each in begun:
                fire(tx, _draft(each, rises[each]), at=now)
            for each in over:
                resolve(tx, each.key, at=now)

        if begun or over:
            await self._writer.write(work, mutation=Mutation(principal=PRINCIPAL, at=now), result=type(None))

    async def _firing(self) -> frozenset[Subject]:
        query = AlertQuery(firing_only=True, kinds=(AlertKind.COST_ANOMALY,), limit=FIRING_MAX)
        found = await self._store.alerts(query)
        return frozenset(Subject(alert.agent, alert.evidence["unit"]) for alert in found)


def _worth(last: Mapping[str, Used]) -> Iterator[Subject]:
    for agent, used in last.items():
        for unit in (TOKENS, *used.cost):
            if _amount(used, unit) >= _least(unit):
                yield Subject(agent, unit)


def _rise(subject: Subject, last: Used, hours: Sequence[Used]) -> Rise:
    before = [_amount(used, subject.unit) for used in hours]
    return Rise(last=_amount(last, subject.unit), before=before, least=_least(subject.unit))


def _amount(used: Used, unit: str) -> int:
    return used.tokens if unit == TOKENS else used.cost.get(unit, 0)


def _least(unit: str) -> int:
    return TOKENS_LEAST if unit == TOKENS else NANOS_LEAST


def _draft(subject: Subject, rise: Rise) -> AlertDraft:
    last, mean = _text(rise.last, subject.unit), _text(rise.mean, subject.unit)
    return AlertDraft(
        key=subject.key,
        kind=AlertKind.COST_ANOMALY,
        message=(
            f"{subject.agent} used {last} in the last hour; the mean of its {len(rise.before)} hours before is {mean}. "
            "See what it does with ringfence usage and ringfence trace; a hard budget stops it."
        ),
        subject=subject.agent,
        agent=subject.agent,
        evidence={
            "unit": subject.unit,
            "last_hour": str(rise.last),
            "mean_hour": str(rise.mean),
            "hours": str(len(rise.before)),
        },
    )


def _text(amount: int, unit: str) -> str:
    return f"{amount:,} tokens" if unit == TOKENS else f"{amount / 10**9:,.2f} {unit}"
