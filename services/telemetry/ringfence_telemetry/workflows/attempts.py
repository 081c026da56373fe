"""R6: which calls were made again after they had failed.

Pure. What cannot be seen is not said: attempts a library makes inside one span, without a word, are none of these.

- a call repeats another when the same span made both, they are alike (operation, agent, skill, model, tool), and it
  started after the other had ended in error; each failed call is repeated by one other at most;
- a sender that counts its attempts is believed where more were made than are seen;
- a failed call is recovered when the last that repeats it succeeded: nothing failed because of it.
"""

import heapq
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from ringfence_telemetry.dialects import INVOKE_AGENT, TRANSPARENT
from ringfence_telemetry.spans import SpanDetail, SpanFact
from ringfence_telemetry.workflows.hops import Hop

_Alike: TypeAlias = tuple[int, str, str, str, str, str]


class _Call(NamedTuple):
    start: int
    span: int
    end: int
    failed: bool
    attempt: int


class Attempts:
    """The calls of a trace, by what makes them alike."""

    def __init__(self) -> None:
        self._alike: dict[_Alike, list[_Call]] = {}
        self._unseen: list[tuple[int, int]] = []
        """Span and attempts of those that are no calls to us, such as the requests of a client."""

    def saw(self, fact: SpanFact, detail: SpanDetail, *, above: int) -> None:
        """Enter a span; `above` is the nearest span above it that does more than wrap others."""
        if fact.operation in TRANSPARENT:
            if detail.attempt:
                self._unseen.append((fact.span, detail.attempt))
            return
        agent = fact.agent if fact.operation == INVOKE_AGENT else ""
        alike = (above, fact.operation, agent, detail.skill, fact.model, detail.tool)
        end = fact.start + fact.duration_micros * 1_000
        self._alike.setdefault(alike, []).append(_Call(fact.start, fact.span, end, fact.is_error, detail.attempt))

    def settle(self, hop_of: Mapping[int, Hop]) -> frozenset[int]:
        """Count the retries at the hops that made the calls; return the spans of failures that were recovered."""
        for span, attempt in self._unseen:
            hop_of[span].retries += attempt
        recovered: set[int] = set()
        for (above, *_), calls in self._alike.items():
            chains = _chains(sorted(calls))
            retries = sum(_retries(chain) for chain in chains)
            if retries:
                caller = hop_of.get(above) or _caller_of(hop_of[calls[0].span])
                caller.retries += retries
            for chain in chains:
                if not chain[-1].failed:
                    recovered.update(call.span for call in chain[:-1])
        return frozenset(recovered)


def _caller_of(hop: Hop) -> Hop:
    return hop.caller or hop


def _chains(calls: list[_Call]) -> list[list[_Call]]:
    """Return calls in the order of their starts, each with those that repeat it."""
    chains: list[list[_Call]] = []
    failed: list[tuple[int, int, list[_Call]]] = []
    """End, span and chain of failures that nothing has repeated yet; the first to end first."""
    for call in calls:
        if failed and failed[0][0] <= call.start:
            chain = heapq.heappop(failed)[2]
        else:
            chain = []
            chains.append(chain)
        chain.append(call)
        if call.failed:
            heapq.heappush(failed, (call.end, call.span, chain))
    return chains


def _retries(chain: list[_Call]) -> int:
    return max(len(chain) - 1, *(call.attempt for call in chain))
