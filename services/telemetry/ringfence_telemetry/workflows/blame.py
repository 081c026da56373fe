"""Who is to blame for a piece of work that was not good enough: exactly one agent, so blame sums up to what was bad.

Pure. The rules (reference: measured at the root, blamed on the path):

- on error, the deepest error whose parent is an error too (a failed attempt that was repeated with success is none);
- else, when it was too slow, the agent on the critical path whose own time is furthest over its own target;
- else, and when none is over its target, the root's agent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ringfence_telemetry.workflows.settled import Part, Settled


class Promises(Protocol):
    """What agents promise about time."""

    def is_late(self, settled: Settled) -> bool:
        """Say whether a piece of work took longer than its agent promises."""
        ...

    def target_of(self, part: Part) -> int | None:
        """Return how many microseconds an agent's own part may take; None when it promises nothing."""
        ...


TargetOf: TypeAlias = Callable[[Part], int | None]
"""How many microseconds an agent's own part may take; None when it has no target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Who, and why in a sentence."""

    agent: str
    reason: str
    span: int = 0
    """Of its part; 0 when that is not known."""


def no_target(_part: Part) -> int | None:
    """Return no target."""
    return None


def blame(settled: Settled, *, slow: bool, target_of: TargetOf = no_target) -> Blame:
    """Blame one agent for a piece of work that is known to be bad; `slow` says whether it took too long."""
    if settled.failed and settled.error_blame:
        return Blame(agent=settled.error_blame, reason=_why_error(settled))
    if slow:
        over, part = _furthest_over(settled, target_of)
        if part is not None:
            reason = f"of all it was waited for, it was furthest over its own target: by {over // 1_000} ms"
            return Blame(agent=part.agent, reason=reason, span=part.span)
    root = settled.parts[0].span if settled.parts else 0
    return Blame(agent=settled.agent, reason="the work was its own, and nobody it called is to blame", span=root)


def _why_error(settled: Settled) -> str:
    said = f": {settled.error_reason}" if settled.error_reason else ""
    if settled.error_blame == settled.agent and len(settled.parts) <= 1:
        return f"it failed{said}"
    return f"its error is the deepest that led to the failure of the whole{said}"


def _furthest_over(settled: Settled, target_of: TargetOf) -> tuple[int, Part | None]:
    """Return the critical part furthest over its target, and by how much; of equals the first started."""
    furthest: tuple[int, Part | None] = (0, None)
    for part in settled.parts:
        target = target_of(part) if part.critical else None
        if target is not None and part.own_micros - target > furthest[0]:
            furthest = part.own_micros - target, part
    return furthest
