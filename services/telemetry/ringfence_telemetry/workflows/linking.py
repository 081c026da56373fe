"""Where a fragment of a trace hangs when the span between is one whose reporter may not speak for the agent it names.

An agent that reports with its own credential names, on its side of a call, the agent it calls; for that one it may not
speak, so the span is not believed, and what the callee reports about itself has no parent. Pure. The rules:

- the missing span is taken for what joins the two, and for nothing else: not its times, its errors, its usage;
- it joins only when whoever reported it also reported the believed span it leads up to: nobody hangs another's work
  beneath a third one's;
- nothing is joined in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.spans import SpanFact
from ringfence_telemetry.trace_ledger import Charge

Links: TypeAlias = Mapping[int, Mapping[str, int]]
"""Span → the principal that reported it, not believed → its parent."""

NO_LINKS: Links = {}

STEPS_MAX = 64
"""Spans that are not believed, one above the other, between two that are."""

JOINED_MAX = 1_000
"""Fragments of one trace that are joined."""


def links_of(spans: Iterable[tuple[Reporter, Sequence[SpanFact]]]) -> Links:
    """Return what spans that are not believed could join."""
    links: dict[int, dict[str, int]] = {}
    for reporter, facts in spans:
        for fact in facts:
            links.setdefault(fact.span, {})[reporter.principal] = fact.parent
    return links


def has_fragments(spans: Iterable[Sequence[SpanFact]]) -> bool:
    """Say whether a parent of any of the spans is missing."""
    present: set[int] = {0}
    parents: set[int] = set()
    for facts in spans:
        present.update(fact.span for fact in facts)
        parents.update(fact.parent for fact in facts)
    return not parents <= present


def join(tops: Iterable[Charge], charges: Mapping[int, Charge], links: Links) -> dict[int, int]:
    """Return the spans on top of fragments that hang beneath others, each with the span it hangs beneath."""
    joined: dict[int, int] = {}
    for top in tops:
        if top.fact.parent in links and len(joined) < JOINED_MAX:
            above = _above(top.fact.parent, charges, links)
            if above is not None and not _is_beneath(above, top.fact.span, charges, joined):
                joined[top.fact.span] = above
    return joined


def _above(missing: int, charges: Mapping[int, Charge], links: Links) -> int | None:
    for principal, parent in sorted(links[missing].items()):
        steps, above = 0, parent
        while above and above not in charges and steps < STEPS_MAX:
            steps, above = steps + 1, links.get(above, {}).get(principal, 0)
        found = charges.get(above)
        if found is not None and found.reporter.principal == principal:
            return above
    return None


def _is_beneath(span: int, top: int, charges: Mapping[int, Charge], joined: Mapping[int, int]) -> bool:
    at: int | None = span
    while at is not None:
        if at == top:
            return True
        at = joined.get(at, charges[at].parent)
    return False
