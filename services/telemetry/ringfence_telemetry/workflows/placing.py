"""Which hop a decision belongs to: that of its agent which was at work when it was made.

Pure. Of several the one that began last; when none was at work at that time, for clocks differ, the one nearest to it.
"""

from collections.abc import Mapping, Sequence

from ringfence_telemetry.decision_document import LoggedDecision
from ringfence_telemetry.workflows.hops import Hop


def place_decisions(
    hops: Sequence[Hop], decisions: Sequence[LoggedDecision], *, offset: int, strays: bool
) -> Mapping[int, Sequence[LoggedDecision]]:
    """Return decisions by the span of their hop, in the order of their times.

    `offset` added to a hop's start gives nanoseconds by our clock. `strays`: whether a decision about an agent that has
    no hop is shown, with the first hop; else it is left away.
    """
    if not decisions or not hops:
        return {}
    wanted = {name for decision in decisions for name in (decision.did, decision.agent)}
    candidates: dict[str, list[Hop]] = {}
    waiting = list(hops)
    while waiting:
        hop = waiting.pop()
        waiting += hop.children
        if hop.agent in wanted:
            candidates.setdefault(hop.agent, []).append(hop)
    placed: dict[int, list[LoggedDecision]] = {}
    for decision in sorted(decisions, key=lambda each: (each.decided_at, each.index)):
        moment = int(decision.decided_at) * 1_000_000 - offset
        there = candidates.get(decision.did) or candidates.get(decision.agent)
        if there:
            nearest = min(there, key=lambda hop: (max(hop.start - moment, moment - hop.end, 0), -hop.start, hop.span))
            placed.setdefault(nearest.span, []).append(decision)
        elif strays:
            placed.setdefault(hops[0].span, []).append(decision)
    return placed
