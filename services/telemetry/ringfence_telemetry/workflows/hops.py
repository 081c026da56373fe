"""A piece of work as a tree of agents: the values a trace is grown into.

A hop is one agent's part: from the span that called it to the end, with the calls of models and tools it made itself
(steps) and the hops it called. A hop is made once and then only read; it is mutable because a tree of ten thousand
levels is grown from the top and summed up from the bottom, without recursion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ringfence_kit.clock import Instant

MIXED = "mixed"
"""The currency of a sum over several currencies: its amount is not a number of anything."""


class Used(NamedTuple):
    """What was used."""

    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    cost_nanos: int = 0
    currency: str = ""
    unknown_cost_calls: int = 0

    def plus(self, other: "Used") -> "Used":
        """Return the sum."""
        cost, currency = self.cost_nanos + other.cost_nanos, self.currency or other.currency
        if self.currency and other.currency and self.currency != other.currency:
            cost, currency = 0, MIXED
        return Used(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.tool_calls + other.tool_calls,
            0 if currency == MIXED else cost,
            currency,
            self.unknown_cost_calls + other.unknown_cost_calls,
        )


NOTHING_USED = Used()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A call of a model or a tool."""

    span: int
    operation: str
    what: str
    """The model or the tool."""
    start: int
    """Nanoseconds, as its sender says."""
    duration_micros: int
    used: Used
    failed: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Hop:
    """One agent's part."""

    span: int
    """The span of its part: where somebody else saw it called, as they saw it."""
    parent_span: int
    """The span it was called from; 0 when that is not known."""
    agent: str
    session: str
    skill: str = ""
    version: str = ""
    reporter: str
    """The principal that reported that span."""
    start: int
    """Nanoseconds, as its sender says."""
    duration_micros: int
    counted_minute: int
    """The minute its span is counted in: by our clock when the sender's is off."""
    failed: bool = False
    cancelled: bool = False
    error: str = ""
    is_call: bool = True
    """Whether a span says that the agent was called, rather than only that it was at work."""
    entered: bool = False
    """Whether the agent itself was seen at work, and not only called."""
    caller: "Hop | None" = None
    children: "list[Hop]" = field(default_factory=list)
    """Those it called, in the order of their starts."""
    steps: list[Step] = field(default_factory=list)
    spans: int = 0
    inclusive_spans: int = 0
    exclusive: Used = NOTHING_USED
    inclusive: Used = NOTHING_USED
    own_waited_micros: int = 0
    waited_micros: int = 0
    """In which a person was waited for, by it or by those it called."""
    own_micros: int = 0
    critical: bool = False
    retries: int = 0

    @property
    def end(self) -> int:
        """Nanoseconds, as its sender says."""
        return self.start + self.duration_micros * 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBlame:
    """Who is to blame for an error, and the span that shows it."""

    agent: str
    hop: Hop
    span: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A piece of work. There is at least one hop."""

    hops: Sequence[Hop]
    """The topmost, the root's first; several when spans between are missing."""
    every_hop: Sequence[Hop]
    """All of them, callers before those they called."""
    spans: int
    rooted: bool
    """Whether the span that everything began with is there."""
    started_at: Instant
    """By our clock when the sender's is off."""
    ended_at: Instant
    """Of the root."""
    extent_micros: int
    """From the first start to the last end."""
    failed: bool
    cancelled: bool
    sampled: bool
    session: str
    principal: str
    operation: str
    error_blame: ErrorBlame | None
    used: Used

    @property
    def root(self) -> Hop:
        """The hop everything began with, as far as it is known."""
        return self.hops[0]
