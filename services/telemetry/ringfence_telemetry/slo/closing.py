"""Every minute that is over is judged: alerts begin and end, and identity hears who used a budget up.

The rules:

- a minute is closed once what ended in it has been settled: traces are, 30 s after their root ended;
- of minutes that passed while nobody judged, the last one says how things stand now;
- what changes is one transaction: alerts, the audit entry and the signal that is linked to it;
- identity is told at most once for each agent, objective and window, only of the agent that is most to blame, and only
  when somebody else than that agent saw most of it go wrong.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog
from ringfence_kit.clock import MINUTE, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.alerts.book import fire, resolve
from ringfence_telemetry.alerts.draft import AlertDraft
from ringfence_telemetry.audit_trail import AuditNotes, Note
from ringfence_telemetry.signals import budget_signal
from ringfence_telemetry.slo.alerting import drafts_of, slo_of_key
from ringfence_telemetry.slo.book import CLOSES_AFTER, SloBook, closed_minute
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.ratios import exact_or_cut
from ringfence_telemetry.slo.standing import Standing, State
from ringfence_telemetry.store import PRINCIPAL, TelemetryTx
from ringfence_telemetry.store.slos import BlamedAgent

TURN = 200
"""Objectives judged before others get a turn: some milliseconds."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one objective has to say at the end of a minute."""

    objective: Objective
    standing: Standing
    drafts: tuple[AlertDraft, ...]
    over: tuple[str, ...]
    """Keys of alerts that end."""
    exhausted: bool
    """The budget is used up, and was not before."""


class MinuteClosing:
    """Judges minutes for as long as `run` runs."""

    def __init__(
        self,
        writer: Writer[TelemetryTx],
        book: SloBook,
        notes: AuditNotes,
        *,
        clock: Clock,
        on_signal: Callable[[], None],
        on_closed: Callable[[Mapping[str, Standing]], None] = lambda _: None,
    ) -> None:
        """`on_signal` is called when a signal may have been stored, `on_closed` with every objective's standing."""
        self._writer = writer
        self._book = book
        self._notes = notes
        self._clock = clock
        self._on_signal = on_signal
        self._on_closed = on_closed
        self._told: dict[str, frozenset[str]] = {}
        """The keys that may fire, by objective."""
        self.closed_minute = 0
        """The minute at whose beginning things were last judged."""

    def fill(self, firing: Iterable[str]) -> None:
        """Begin with the keys of the alerts that fire."""
        for key in firing:
            name = slo_of_key(key)
            if name:
                self._told[name] = self._told.get(name, frozenset()) | {key}

    async def run(self) -> None:
        """Close minute after minute."""
        while True:
            now = self._clock.now()
            due = Instant((closed_minute(now) + 1) * MINUTE + CLOSES_AFTER)
            await self._clock.sleep(Millis(due - now))
            try:
                await self.close(closed_minute(self._clock.now()))
            except Unavailable as problem:
                _log.warning("minute_not_closed", problem=problem.message)

    async def close(self, end_minute: int) -> None:
        """Judge how things stand when a minute begins."""
        now = self._clock.now()
        verdicts: list[Verdict] = []
        standings: dict[str, Standing] = {}
        for number, name in enumerate(self._book.names()):
            if number % TURN == TURN - 1:
                await self._clock.sleep(Millis(0))
            objective = self._book.objective(name)
            if objective is not None:
                standings[name] = self._book.standing_at(name, end_minute)
                verdicts.append(self._verdict(objective, standings[name]))
        self._on_closed(standings)
        news = [verdict for verdict in verdicts if verdict.drafts or verdict.over]
        if news:
            await self._tell(news, now)
        self.closed_minute = end_minute
        for verdict in verdicts:
            self._told[verdict.objective.name] = frozenset(draft.key for draft in verdict.drafts)
        for gone in self._told.keys() - standings.keys():
            del self._told[gone]

    def _verdict(self, objective: Objective, standing: Standing) -> Verdict:
        drafts = drafts_of(objective, standing)
        over = self._told.get(objective.name, frozenset()) - {draft.key for draft in drafts}
        return Verdict(
            objective=objective,
            standing=standing,
            drafts=drafts,
            over=tuple(sorted(over)),
            exhausted=standing.state is State.EXHAUSTED,
        )

    async def _tell(self, news: list[Verdict], at: Instant) -> None:
        def work(tx: TelemetryTx) -> bool:
            signals = [_tell_one(tx, verdict, self._notes, at) for verdict in news]
            return any(signals)

        if await self._writer.write(work, mutation=Mutation(principal=PRINCIPAL, at=at), result=bool):
            self._on_signal()


def _tell_one(tx: TelemetryTx, verdict: Verdict, notes: AuditNotes, at: Instant) -> bool:
    """Write what one objective has to say; say whether there is a signal."""
    name = verdict.objective.name
    if tx.objective(name) != verdict.objective:
        return False  # it was changed meanwhile, and its alerts were ended with it
    for key in verdict.over:
        resolve(tx, key, at=at)
    for draft in verdict.drafts:
        fire(tx, replace(draft, trace_ids=tx.slo_blamed(name, draft.agent).trace_ids), at=at)
    return verdict.exhausted and _signal(tx, verdict, notes, at)


def _signal(tx: TelemetryTx, verdict: Verdict, notes: AuditNotes, at: Instant) -> bool:
    objective, standing = verdict.objective, verdict.standing
    agent, blamed = standing.blame[0]
    remembered = tx.slo_blamed(objective.name, agent)
    environments = tx.environments_of(agent)
    recently = remembered.signalled_at is not None and at - remembered.signalled_at < objective.window
    if recently or not environments or 2 * blamed.witnessed <= blamed.bad:
        return False
    note = Note(
        kind="slo-budget-exhausted",
        id=f"{objective.name}/{objective.counted_from}/{agent}/{at // MINUTE}",
        subject=agent,
        facts={
            "slo": objective.name,
            "bad": blamed.bad,
            "witnessed": blamed.witnessed,
            "good": standing.tally.good,
            "total": standing.tally.total,
            "budget_used": exact_or_cut(standing.used or objective.budget),
            "traces": " ".join(remembered.trace_ids),
        },
    )
    entry = notes.note(tx, note, at=at)
    tx.queue_signals(
        [
            budget_signal(
                note_id=note.id, did=agent, environment=each, index=entry.index, leaf_hash=entry.leaf_hash, at=at
            )
            for each in environments
        ]
    )
    tx.keep_slo_blamed(objective.name, agent, BlamedAgent(trace_ids=remembered.trace_ids, signalled_at=at))
    return True
