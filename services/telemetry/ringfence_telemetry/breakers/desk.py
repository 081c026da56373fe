"""Breakers as people see and move them, and the writing down of what happened by itself.

The rules:

- what somebody says by hand is durable, and in the audit log as every change by somebody is;
- an alert fires while a breaker is not closed, in the transaction that writes it down.
"""

from collections.abc import Sequence

import structlog
from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.errors import NotPermitted, Unavailable
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.alerts.book import fire, resolve
from ringfence_telemetry.alerts.desk import owns, sees
from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.breakers.book import BREAKER, BreakerBook, BreakerKey
from ringfence_telemetry.breakers.machine import Breaker, Circuit, Override
from ringfence_telemetry.store import PRINCIPAL, TelemetryTx

EVERY = Millis(SECOND)

_log = structlog.get_logger(__name__)


class BreakerDesk:
    """Shows breakers, moves them by hand, and writes down what moved by itself while `run` runs."""

    def __init__(self, writer: Writer[TelemetryTx], book: BreakerBook, *, clock: Clock) -> None:
        self._writer = writer
        self._book = book
        self._clock = clock

    async def run(self) -> None:
        """Let time pass for breakers, and write, every second."""
        while True:
            await self._clock.sleep(EVERY)
            self._book.pass_time(self._clock.now())
            await self.write_down()

    async def write_down(self) -> None:
        """Write what changed by itself; what cannot be written now is written later."""
        changed = self._book.take_unwritten()
        if not changed:
            return
        at = self._clock.now()

        def work(tx: TelemetryTx) -> None:
            for breaker in changed:
                _keep(tx, breaker, at)

        try:
            await self._writer.write(work, mutation=Mutation(principal=PRINCIPAL, at=at), result=type(None))
        except Unavailable as problem:
            self._book.still_unwritten(changed)
            _log.warning("breakers_not_written", breakers=len(changed), problem=problem.message)

    async def override(
        self, key: BreakerKey, override: Override, *, reason: str, caller: Caller, mutation: Mutation
    ) -> Breaker:
        """Do as `caller` says. Raises NotPermitted."""
        if not owns(caller, key.agent):
            raise NotPermitted(
                principal=caller.principal,
                action=f"move the breaker of {key.agent}",
                needed="platform-admin, or to own the agent's namespace",
            )
        known = self._book.breaker(key.agent, key.skill) or Breaker(agent=key.agent, skill=key.skill)

        def work(tx: TelemetryTx) -> Breaker:
            kept = tx.breaker(key.agent, key.skill)
            newest = known if kept is None or kept.version < known.version else kept
            moved = newest.overridden(override, reason=reason, at=mutation.at)
            _keep(tx, moved, mutation.at)
            return moved

        return await self._writer.write(work, mutation=mutation, result=Breaker)

    def page(
        self, *, agent: str, not_closed: bool, after: BreakerKey, size: int, caller: Caller
    ) -> tuple[Sequence[Breaker], BreakerKey | None]:
        """Return up to `size` breakers the caller sees whose keys follow `after`, and where the next page starts."""
        found = [
            each
            for each in (self._book.of_agent(agent) if agent else self._book.all())
            if (each.agent, each.skill) > after
            and sees(caller, each.agent)
            and not (not_closed and each.shown is Circuit.CLOSED)
        ]
        page = found[:size]
        return page, BreakerKey(page[-1].agent, page[-1].skill) if len(found) > size else None


def _keep(tx: TelemetryTx, breaker: Breaker, at: Instant) -> None:
    before = tx.breaker(breaker.agent, breaker.skill)
    if before is not None and before.version >= breaker.version:
        return  # somebody, or another replica, was faster: its event is on its way
    tx.keep_breaker(breaker)
    change = Change.ADDED if before is None else Change.MODIFIED
    name = f"{breaker.agent}/breakers/{breaker.skill}"
    tx.record(change, BREAKER, name, records.encode(breaker))
    if breaker.shown is Circuit.CLOSED:
        resolve(tx, alert_key(breaker), at=at)
    else:
        fire(tx, _draft(breaker), at=at)


def alert_key(breaker: Breaker) -> str:
    """Return the key of the alert about a breaker."""
    return f"breaker-open/{breaker.agent}/{breaker.skill}"


def _draft(breaker: Breaker) -> AlertDraft:
    of = f"{breaker.agent}, skill {breaker.skill}," if breaker.skill else breaker.agent
    by_hand = breaker.override is Override.FORCED_OPEN
    what = "was opened by hand" if by_hand else "is open" if breaker.shown is Circuit.OPEN else "is tried again"
    message = (
        f"The breaker of {of} {what}: {breaker.reason}. Callers are sent elsewhere; look at what it answers, or free "
        "the breaker with `ringfence slo breakers override`."
    )
    evidence = {"state": breaker.shown.value, "opened_in_a_row": str(breaker.opened)}
    return AlertDraft(
        key=alert_key(breaker),
        kind=AlertKind.BREAKER_OPEN,
        message=message,
        page=not by_hand and breaker.opened > 1,
        subject=breaker.agent,
        agent=breaker.agent,
        evidence=evidence,
    )
