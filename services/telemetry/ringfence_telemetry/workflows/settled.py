"""What a trace came to when it was over: the value that objectives, breakers, budgets and evaluations are fed with.

A trace is over 30 s after its root ended, or when nothing came for 15 minutes (R7). A span that comes later settles it
again; whoever counts settled traces then corrects what was counted, by `previous`.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from ringfence_kit.clock import Instant

Tx_contra = TypeVar("Tx_contra", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One agent's part in it: an `invoke_agent` span, as whoever called the agent saw it where that is known."""

    agent: str
    skill: str = ""
    version: str = ""
    span: int = 0
    """The span id."""
    duration_micros: int
    own_micros: int
    """In which none of the agents it called was at work."""
    failed: bool = False
    critical: bool = False
    """Whether the whole waited for it: it lies on the critical path."""
    caller_side: bool = True
    """Whether somebody else than the agent itself reported it."""
    uses: tuple[tuple[str, int], ...] = ()
    """What it did itself, by kind and how often: operations, tools as `execute_tool/<tool>`; ` (failed)` ends a kind
    that was tried in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a trace came to."""

    trace_id: bytes
    trusted: bool
    """Reported by who may speak for its agents; only such traces are evidence."""
    session: str = ""
    principal: str = ""
    agent: str
    """The agent of the root."""
    skill: str = ""
    version: str = ""
    operation: str = ""
    started_at: Instant
    ended_at: Instant
    """Of the root, by our clock when the sender's is off."""
    duration_micros: int
    """Of the root, without the time a person was waited for."""
    failed: bool
    cancelled: bool = False
    """By the caller: no event for an objective."""
    sampled: bool = False
    """Some of its spans are of a head-sampled sender, other than an agent's of itself: no evidence of a share."""
    error_blame: str = ""
    """The agent of the deepest error whose parent is an error too; empty without an error."""
    error_reason: str = ""
    parts: tuple[Part, ...] = ()
    """In the order of their starts, the root's first."""
    escalated: bool = False
    """A person was asked for."""
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """A trace that was settled, and what it was when it was settled before."""

    now: Settled
    previous: Settled | None = None


class Judge(Protocol[Tx_contra]):
    """Whoever draws conclusions from settled traces, in the transaction that keeps them."""

    def judge(self, tx: Tx_contra, settlings: tuple[Settling, ...], at: Instant) -> None:
        """Count them; called in the writer's thread, so only with what `tx` knows."""
        ...
