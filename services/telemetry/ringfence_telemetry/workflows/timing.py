"""Where the time of a piece of work went: each hop's own time, the time people were waited for, the critical path.

Pure. Clocks of two machines differ, so a hop counts for its caller as far as it lies within it. The rules:

- own time is that in which none of those it called was at work, and no person was waited for;
- time a person was waited for is the person's: of calls one after the other it adds up, of calls side by side the
  longest counts;
- the critical path leads from the root's end backwards: whoever ended last before something else began was waited for.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from ringfence_telemetry.workflows.hops import Hop

_by_start = attrgetter("start", "span")


def time_hops(every_hop: Sequence[Hop], root: Hop) -> None:
    """Compute the times of all hops, given with callers before those they called, and mark the critical path."""
    for hop in reversed(every_hop):
        hop.children.sort(key=_by_start)
        waited_by_others = _waited(hop.children)
        hop.waited_micros = min(hop.duration_micros, max(hop.own_waited_micros, waited_by_others))
        own_waited = max(0, hop.own_waited_micros - waited_by_others)
        hop.own_micros = max(0, hop.duration_micros - _covered(hop) - own_waited)
    _mark_critical(root)


def _waited(children: Iterable[Hop]) -> int:
    total = longest = until = 0
    for child in children:
        if child.start >= until:
            total += longest
            longest = 0
        longest, until = max(longest, child.waited_micros), max(until, child.end)
    return total + longest


def _covered(hop: Hop) -> int:
    """Return the microseconds of a hop in which at least one of those it called was at work."""
    covered, until = 0, hop.start
    for child in hop.children:
        first, last = max(child.start, until), min(child.end, hop.end)
        if last > first:
            covered += last - first
            until = last
    return covered // 1_000


def _mark_critical(root: Hop) -> None:
    waiting = [(root, root.end)]
    while waiting:
        hop, until = waiting.pop()
        hop.critical = True
        # A child whose clock says that it outlived its caller was waited for until the caller's end.
        cursor = limit = min(until, hop.end)
        ends = [(min(child.end, limit), -at, child) for at, child in enumerate(hop.children)]
        for end, _, child in sorted(ends, reverse=True):
            if child.start < end <= cursor:
                waiting.append((child, end))
                cursor = child.start
