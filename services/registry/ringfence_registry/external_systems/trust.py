"""Whether systems are trusted at a moment: pure, so that every place that asks gets one answer."""

from collections.abc import Iterable

from ringfence_kit.clock import Instant

from ringfence_registry.external_systems.model import ExternalSystem, TrustVerdict
from ringfence_registry.tools.model import Reach


def why_not_trusted(system: ExternalSystem, now: Instant) -> str:
    """Return in words why no tool may reach `system` at `now`; empty when tools may."""
    decision = system.decision
    if not system.switch.on:
        return "it is disabled"
    if decision is None:
        return "nobody has decided to trust it"
    if decision.verdict is TrustVerdict.REFUSED:
        return "it was decided not to trust it"
    if not decision.in_force(now):
        return "the decision to trust it has ended"
    return ""


def reach_of(systems: Iterable[ExternalSystem | None], now: Instant) -> Reach:
    """Return how far a tool that names `systems` can be trusted to reach them; None stands for one there is not."""
    ends: list[Instant] = []
    for system in systems:
        if system is None or system.decision is None or why_not_trusted(system, now):
            return Reach(trusted=False)
        ends.append(system.decision.expires_at)
    return Reach(trusted=True, until=min(ends, default=None))
