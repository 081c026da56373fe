"""Objectives and what was counted for them, in memory: what every question is answered from.

It is filled once and then changed by the store's events alone, in their order, so it is the rows' on every replica.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ringfence_kit import records
from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis
from ringfence_kit.events import EMPTY, Change, Event

from ringfence_telemetry.slo.judge import SLO_COUNTS, CountsAdded
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.standing import Order, Standing, held, raw_order, stand
from ringfence_telemetry.slo.windows import Windows
from ringfence_telemetry.store.slos import SloRecords

CLOSES_AFTER = Millis(40 * SECOND)
"""How long after its end a minute is closed: what ended in it has been settled, 30 s after its root came."""

SLO = "slo"
"""The kind of events that say what became of an objective."""


def closed_minute(now: Instant) -> int:
    """Return the minute at whose beginning everything was closed at `now`."""
    return (now - CLOSES_AFTER) // MINUTE


@dataclass(slots=True)
class _Kept:
    objective: Objective
    windows: Windows = field(default_factory=Windows)
    raw: dict[int, Order] = field(default_factory=dict)
    """What single minutes asked for, as far as it is known; they are asked for again and again."""

    def standing(self, end_minute: int) -> Standing:
        """Return how it stands at a minute, with the order that holds then."""
        standing = stand(self.objective, self.windows, end_minute)
        self.raw[end_minute] = standing.order
        minutes = range(end_minute - self.objective.hold + 1, end_minute + 1)
        for gone in [minute for minute in self.raw if minute < minutes.start]:
            del self.raw[gone]
        for minute in minutes:
            if minute not in self.raw:
                self.raw[minute] = raw_order(self.objective, self.windows, minute)
        return replace(standing, order=held([self.raw[minute] for minute in minutes]))


class SloBook:
    """Every objective."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._of_agent: dict[str, set[str]] = {}
        self._revision = EMPTY

    def fill(self, found: SloRecords) -> None:
        """Begin with what is kept."""
        self._kept.clear()
        self._of_agent.clear()
        for objective in found.objectives:
            self._put(objective)
        for name, rows in found.counted.items():
            for level, slot, change in rows:
                self._kept[name].windows.add_to(level, slot, change)
        self._revision = found.revision

    def apply(self, event: Event) -> None:
        """Change what an event changed; of other parts of telemetry there are events too."""
        if event.revision <= self._revision:
            return
        self._revision = event.revision
        if event.kind == SLO_COUNTS:
            self._count(records.decode(event.record, CountsAdded))
        elif event.kind == SLO:
            objective = records.decode(event.record, Objective)
            if event.change is Change.DELETED:
                self._drop(objective.name)
            else:
                self._put(objective)

    def objective(self, name: str) -> Objective | None:
        """Return an objective, or None."""
        kept = self._kept.get(name)
        return None if kept is None else kept.objective

    def names(self, *, agent: str = "") -> Sequence[str]:
        """Return the names of all objectives, or of an agent's, in order."""
        return sorted(self._of_agent.get(agent, ()) if agent else self._kept)

    def agents(self) -> Iterable[str]:
        """Return the agents that have one."""
        return self._of_agent.keys()

    def standing(self, name: str, now: Instant) -> Standing:
        """Return how an objective stands at the end of the last minute that was closed at `now`."""
        return self.standing_at(name, closed_minute(now))

    def standing_at(self, name: str, end_minute: int) -> Standing:
        """Return how an objective stands when a minute begins, one of the last hour."""
        return self._kept[name].standing(end_minute)

    def _put(self, objective: Objective) -> None:
        before = self._kept.get(objective.name)
        kept = _Kept(objective)
        if before is not None:
            self._of_agent[before.objective.agent].discard(objective.name)
            if before.objective.counted_from == objective.counted_from:
                kept.windows = before.windows
        self._kept[objective.name] = kept
        self._of_agent.setdefault(objective.agent, set()).add(objective.name)

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        if kept is not None:
            names = self._of_agent[kept.objective.agent]
            names.discard(name)
            if not names:
                del self._of_agent[kept.objective.agent]

    def _count(self, added: CountsAdded) -> None:
        for name, changes in added.changes.items():
            kept = self._kept.get(name)
            if kept is None:
                continue
            for change in changes:
                kept.windows.add(change)
            first = min(change.minute for change in changes)
            for minute in [minute for minute in kept.raw if minute > first]:
                del kept.raw[minute]
