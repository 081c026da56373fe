"""Whose a span is when several say that a span id is theirs.

Whoever is called learns its caller's trace and span id, and reports for itself: with that id it could take the caller's
place, before the caller has ended its own span. The rules:

- the same span has the same start, whoever hands it on, to the microsecond, which is what some formats keep. A start is
  not handed on with the ids, so it tells a repetition from somebody else's span;
- what two reporters say of one id with two starts is two spans, and both count, each for the agent its reporter speaks
  for. The id is its who speaks for more: a service before a gateway before an agent, since no agent is evidence of
  itself; of equals, its who came first. The others are known by ids made of it and of their reporters;
- what hangs beneath the id hangs beneath the span of its own reporter, where there is one;
- only who reported a span, or may speak for its agent, states more usage for it.
"""

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence

import msgspec

from ringfence_telemetry.reporters import Binding
from ringfence_telemetry.spans import SpanFact
from ringfence_telemetry.trace_span import Node

DISPUTES_MAX = 64
"""Times the spans of a trace are put in their places again. Those that are claimed later count all the same, and leave
the others where they are."""

PLACED_ANEW_MAX = 20_000
"""Spans that are put in their places again: a tenth of a second."""

_MICROSECOND = 1_000
"""In nanoseconds."""
_ID_SIZE = 8


def is_anothers(present: Node, fact: SpanFact, binding: Binding) -> bool:
    """Say whether `fact`, which came under `binding`, is another span than `present`, which has its id."""
    if abs(present.fact.start - fact.start) < _MICROSECOND:
        return False
    return present.binding.reporter.principal != binding.reporter.principal


def may_state_more(present: Node, binding: Binding, agent: str) -> bool:
    """Say whether usage reported under `binding` may be stated for `present`, which is charged to `agent`."""
    return present.binding.reporter.principal == binding.reporter.principal or binding.may_name(agent)


class Claims:
    """The spans of a trace whose ids are somebody else's."""

    def __init__(self) -> None:
        self._said: dict[int, SpanFact] = {}
        """Id by which such a span is known → it as it was reported."""
        self._known_by: dict[int, list[int]] = {}
        """Id as it was reported → the ids by which spans are known that had it."""
        self._new = False
        self._disputes = 0

    def beside(self, fact: SpanFact, binding: Binding, there: Mapping[int, Node], *, room: bool) -> SpanFact:
        """Return a span, whose id is taken, with an id of its own: the same whenever it comes again, from whomever."""
        for known in self._known_by.get(fact.span, ()):
            if known in there and not is_anothers(there[known], fact, binding):
                return msgspec.structs.replace(fact, span=known)
        if not room:  # it will not be there, so there is nothing to know it by
            return msgspec.structs.replace(fact, span=_id_beside(fact.span, binding))
        self._new = True
        return self._known_as(fact, binding, there)

    def parent_of(self, fact: SpanFact, binding: Binding) -> int:
        """Return the id by which the parent of `fact`, reported under `binding`, is known."""
        if not self._said:
            return fact.parent
        own = _id_beside(fact.parent, binding)
        return own if own in self._said else fact.parent

    def take_new(self, spans: int) -> bool:
        """Say whether there are new ones, for which all `spans` of the trace are to be put in their places again."""
        new, self._new = self._new, False
        if not new or self._disputes >= DISPUTES_MAX or spans > PLACED_ANEW_MAX:
            return False
        self._disputes += 1
        return True

    def divide(self, nodes: Sequence[Node]) -> Iterator[tuple[Node, SpanFact]]:
        """Give all spans of a trace, in the order in which they came, with the ids that are theirs."""
        reported = [(node, self._said.get(node.fact.span, node.fact)) for node in nodes]
        owner: dict[int, Node] = {}
        for node, fact in reported:
            if fact.span not in owner or _weight(node.binding) > _weight(owner[fact.span].binding):
                owner[fact.span] = node
        self._said.clear()
        self._known_by.clear()
        yet_to_come = [(node, fact) for node, fact in reported if owner[fact.span] is not node]
        known = [(node, self._known_as(fact, node.binding, owner)) for node, fact in yet_to_come]
        yield from ((owner[fact.span], fact) for node, fact in reported if owner[fact.span] is node)
        yield from known

    def _known_as(self, fact: SpanFact, binding: Binding, taken: Container[int]) -> SpanFact:
        own = _id_beside(fact.span, binding)
        while own in taken or own in self._said:  # somebody guessed it
            own = _id_beside(own, binding)
        self._said[own] = fact
        self._known_by.setdefault(fact.span, []).append(own)
        return msgspec.structs.replace(fact, span=own)


def _id_beside(span: int, binding: Binding) -> int:
    told_apart = span.to_bytes(_ID_SIZE, "big") + binding.reporter.principal.encode()
    return int.from_bytes(hashlib.sha256(told_apart).digest()[:_ID_SIZE], "big")


def _weight(binding: Binding) -> int:
    if binding.reporter.speaks_for_all:
        return 2
    return 1 if len(binding.reporter.agents) > 1 else 0
