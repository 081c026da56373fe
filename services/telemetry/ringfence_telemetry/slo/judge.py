"""Settled traces are counted for objectives, in the transaction that settles them.

The rules:

- what a trace was counted for is kept with it, so settling it again takes back exactly that and no more, whatever has
  become of the objective meanwhile, and counting it twice counts it once;
- an objective that asks for an evaluation counts a trace that is good by all else once it was evaluated;
- what was counted is an event of the store, so every replica's windows are the rows', in the same order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ringfence_kit import records
from ringfence_kit.clock import MINUTE, Instant, Millis
from ringfence_kit.events import Change as EventChange

from ringfence_telemetry.slo.events import evaluated, event_of
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.windows import Change
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.slos import BlamedAgent, CountedTrace
from ringfence_telemetry.workflows.settled import Settled, Settling

SLO_COUNTS = "slo_counts"
"""The kind of events that say what was counted."""
EVERY_SLO = "slos/-"
TRACES_KEPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CountsAdded:
    """What was counted in one transaction."""

    changes: Mapping[str, tuple[Change, ...]]
    """By objective."""


class SloJudge:
    """Counts what traces came to; a `Judge`."""

    def judge(self, tx: TelemetryTx, settlings: tuple[Settling, ...], at: Instant) -> None:
        """See `Judge`."""
        believed = [settling.now for settling in settlings if settling.now.trusted]
        objectives = tx.objectives_of({part.agent for settled in believed for part in settled.parts})
        before = dict(tx.counted_traces({settled.trace_id for settled in believed}))
        tally = _Tally({each.name: each for each in objectives})
        targets = _targets(objectives)
        for settled in believed:
            known = before.get(settled.trace_id)
            concerned = [each for each in objectives if each.agent == settled.agent]
            if concerned or known is not None:
                now = _counted(tx, settled, concerned, targets, at)
                tally.count(tx, known, now)
                before[settled.trace_id] = now
        tally.write(tx)

    def was_evaluated(self, tx: TelemetryTx, trace_ids: Iterable[bytes]) -> None:
        """Count traces that waited for an evaluation; called in the transaction that keeps judgements of them."""
        tally = _Tally({})
        for known in tx.counted_traces(frozenset(trace_ids)).values():
            counted = dict(known.counted)
            for name, metric in known.awaited.items():
                objective = tx.objective(name)
                passed = tx.evaluation_passed(known.trace_id, metric)
                if objective is not None and passed is not None and objective.counted_from <= known.ended_at:
                    counted[name] = evaluated(objective, Change(known.ended_at // MINUTE, good=1), passed=passed)
            tally.count(tx, known, replace(known, counted=counted))
        tally.write(tx)


@dataclass(slots=True)
class _Tally:
    """What is to be added."""

    _objectives: dict[str, Objective | None]
    """Those that were looked up."""
    _changes: dict[str, list[Change]] = field(default_factory=dict)
    _kept: list[CountedTrace] = field(default_factory=list)
    _traces: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Of bad events, by objective and whom it blames."""

    def count(self, tx: TelemetryTx, known: CountedTrace | None, now: CountedTrace) -> None:
        """Count a trace as it is now, in place of what it was counted for."""
        if known == now:
            return
        self._kept.append(now)
        counted_before = {} if known is None else known.counted
        for name in sorted({*counted_before, *now.counted}):
            was, is_now = counted_before.get(name), now.counted.get(name)
            if was == is_now:
                continue
            objective = self._objective(tx, name)
            if objective is None:
                continue
            if was is not None and objective.counted_from <= (known or now).ended_at:
                self._add(name, was.undone())
            if is_now is not None:
                self._add(name, is_now)
                if is_now.bad:
                    self._traces.setdefault((name, is_now.agent), []).append(now.trace_id.hex())

    def write(self, tx: TelemetryTx) -> None:
        """Write what was counted."""
        tx.keep_counted_traces(self._kept)
        if self._changes:
            tx.add_slo_counts(self._changes)
            for (name, agent), traces in self._traces.items():
                _remember(tx, name, agent, traces)
            added = CountsAdded(changes={name: tuple(changes) for name, changes in self._changes.items()})
            tx.record(EventChange.MODIFIED, SLO_COUNTS, EVERY_SLO, records.encode(added))

    def _objective(self, tx: TelemetryTx, name: str) -> Objective | None:
        if name not in self._objectives:
            self._objectives[name] = tx.objective(name)
        return self._objectives[name]

    def _add(self, name: str, change: Change) -> None:
        self._changes.setdefault(name, []).append(change)


def _counted(
    tx: TelemetryTx, settled: Settled, concerned: Iterable[Objective], targets: Mapping[str, Millis], at: Instant
) -> CountedTrace:
    counted: dict[str, Change] = {}
    awaited: dict[str, str] = {}
    for objective in concerned:
        event = event_of(objective, settled, targets, at)
        if event is not None and event.good and objective.evaluation:
            awaited[objective.name] = objective.evaluation
            passed = tx.evaluation_passed(settled.trace_id, objective.evaluation)
            event = None if passed is None else evaluated(objective, event, passed=passed)
        if event is not None:
            counted[objective.name] = event
    ended_at = min(settled.ended_at, at)
    return CountedTrace(trace_id=settled.trace_id, ended_at=ended_at, counted=counted, awaited=awaited)


def _targets(objectives: Iterable[Objective]) -> dict[str, Millis]:
    """Return the time each agent promises for all it does: the shortest, when several are promised."""
    found: dict[str, Millis] = {}
    for each in objectives:
        if each.latency is not None:
            found[each.agent] = min(each.latency, found.get(each.agent, each.latency))
    return found


def _remember(tx: TelemetryTx, name: str, agent: str, traces: Sequence[str]) -> None:
    """Keep the newest traces to look at."""
    blamed = tx.slo_blamed(name, agent)
    newest = tuple(dict.fromkeys([*reversed(traces), *blamed.trace_ids]))[:TRACES_KEPT]
    tx.keep_slo_blamed(name, agent, BlamedAgent(trace_ids=newest, signalled_at=blamed.signalled_at))
