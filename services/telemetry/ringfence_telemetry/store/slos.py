"""What objectives and breakers ask of storage."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision

from ringfence_telemetry.breakers.machine import Breaker
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.windows import Change, Level


class Counted(NamedTuple):
    """What one slot of one objective came to, for the good events or for one agent's bad ones."""

    level: Level
    slot: int
    change: Change
    """Its minute says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedTrace:
    """What a trace was counted for, so that it can be taken back when the trace turns out to be something else."""

    trace_id: bytes
    ended_at: Instant
    counted: Mapping[str, Change] = field(default_factory=dict)
    """By objective."""
    awaited: Mapping[str, str] = field(default_factory=dict)
    """Objectives for which it is good or bad as an evaluation of it says, by the names of what is evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlamedAgent:
    """What is remembered of an agent that was to blame for bad events of an objective."""

    trace_ids: tuple[str, ...] = ()
    """The newest, at most five, hex."""
    signalled_at: Instant | None = None
    """When identity was last told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloRecords:
    """All that is kept of objectives and breakers, as of one revision."""

    revision: Revision
    objectives: Sequence[Objective]
    counted: Mapping[str, Sequence[Counted]]
    """By objective: of each level, what a window may still reach."""
    breakers: Sequence[Breaker]


class SloRows(Protocol):
    """Objectives, their counts, and breakers in a transaction. Reads see the transaction's own writes."""

    def objective(self, name: str) -> Objective | None:
        """Return an objective, or None."""
        ...

    def objectives_of(self, agents: Collection[str]) -> Sequence[Objective]:
        """Return the objectives of any of `agents`, by name."""
        ...

    def keep_objective(self, objective: Objective) -> None:
        """Keep an objective as it is now."""
        ...

    def drop_objective(self, name: str) -> None:
        """Forget an objective and all that was counted for it."""
        ...

    def drop_slo_counts(self, name: str) -> None:
        """Forget what was counted for an objective, and whom it blamed."""
        ...

    def add_slo_counts(self, changes: Mapping[str, Sequence[Change]]) -> None:
        """Add events, by objective, to their slots at every level."""
        ...

    def forget_slo_counts(self, level: Level, *, before_slot: int, limit: int) -> int:
        """Drop up to `limit` slots of a level before a number; return how many were dropped."""
        ...

    def counted_traces(self, trace_ids: Collection[bytes]) -> Mapping[bytes, CountedTrace]:
        """Return what traces were counted for; those that were not are absent."""
        ...

    def keep_counted_traces(self, traces: Sequence[CountedTrace]) -> None:
        """Keep what traces are counted for now; of one that comes twice, the last."""
        ...

    def forget_counted_traces(self, *, ended_before: Instant, limit: int) -> int:
        """Drop up to `limit` traces that ended before an instant; return how many were dropped."""
        ...

    def evaluation_passed(self, trace_id: bytes, metric: str) -> bool | None:
        """Say whether every judgement of a trace by `metric` passed; None when none says either way."""
        ...

    def slo_blamed(self, name: str, agent: str) -> BlamedAgent:
        """Return what is remembered of an agent that an objective blamed; nothing when it never did."""
        ...

    def keep_slo_blamed(self, name: str, agent: str, blamed: BlamedAgent) -> None:
        """Keep it."""
        ...

    def environments_of(self, did: str) -> Sequence[str]:
        """Return the environments in which decisions about `did` were logged, sorted."""
        ...

    def breaker(self, agent: str, skill: str) -> Breaker | None:
        """Return a breaker as it was last kept, or None."""
        ...

    def keep_breaker(self, breaker: Breaker) -> None:
        """Keep a breaker as it is now."""
        ...


class SloStore(Protocol):
    """Reads of objectives and breakers outside a mutation."""

    async def slo_records(self, *, newest_minute: int) -> SloRecords:
        """Return everything, as of one moment; of the counts, what windows that end after a minute may reach."""
        ...

    async def slo_counts(self, name: str, *, end_minute: int) -> Sequence[Counted]:
        """Return what was counted for an objective before a minute, and nothing after it."""
        ...

    async def slo_blamed_by(self, name: str) -> Mapping[str, BlamedAgent]:
        """Return what is remembered of the agents an objective blamed."""
        ...
