"""One trace's ledger: charges every token, tool call and second of it once, to the right agent and session.

The rules, whatever the order, batching or repetition in which spans arrive (numbers as in the design):

- R1 a wrapper span repeats what its children used: inclusive(s) = max(own(s), sum of inclusive(children)), and s is
  charged max(0, own(s) - sum of inclusive(children)), for each kind of token; a span of a scope known to report without
  its children is charged its own;
- R2 the agent is the one the span names, else that of the nearest ancestor naming one, if the span's reporter may speak
  for it, else nobody's (`unattributed`);
- R3 the session is the one the span names, else the nearest ancestor's, else that of the span of the trace that
  started first among those naming one;
- R4 a tool span is one call; an MCP span beneath it is the same call;
- R5 what is charged costs what a price of its minute says, or what the span states when it is charged all it states;
  what no price is known of costs nobody knows what, and is counted as such;
- the team is the one the span names, else that of the nearest ancestor naming one;
- a span counts once; when it comes again stating more usage, the larger statement holds. What somebody else says under
  its id is another span (`span_claims`);
- spans whose parents form a cycle have no parent: all of them, so it does not matter which came last.

A late parent changes what was charged before: `add` says by how much. The work for a span is proportional to what it
changes, plus the chain of ancestors above usage; nothing recurses, so no depth of trace can break it.
"""

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple, cast

from ringfence_telemetry.dialects import INVOKE_AGENT
from ringfence_telemetry.prices.book import NO_PRICES, Prices
from ringfence_telemetry.reporters import Binding, Reporter
from ringfence_telemetry.span_claims import Claims, is_anothers, may_state_more
from ringfence_telemetry.spans import NO_TOKENS, SpanFact, Tokens
from ringfence_telemetry.trace_span import (
    NO_BILL,
    Bill,
    Node,
    bill_of,
    counts_of,
    is_same_call,
    is_tool_call,
    minus,
    node_of,
    plus,
    state_more,
    top_of,
)
from ringfence_telemetry.usage import CANCELLED, ERROR, OK, UNATTRIBUTED, UsageChange, UsageKey

SPANS_MAX = 100_000
"""Spans of one trace that are related to each other; those beyond are charged as they stand."""

_started = attrgetter("start")


class Added(NamedTuple):
    """What became of some facts."""

    kept: list[SpanFact]
    """Those that changed the ledger: with them it can be built again."""
    duplicates: int
    """How many were there before."""
    unrelated: int
    """How many were charged as they stand, since the trace is too large."""


class Charge(NamedTuple):
    """A span in its place, and what it was charged."""

    fact: SpanFact
    parent: int | None
    """The span above it, when that is there."""
    agent: str
    """Who was charged (R2)."""
    session: str
    """Of which session it is (R3)."""
    tokens: Tokens
    """What it was charged beyond its children (R1)."""
    is_tool_call: bool
    """Whether it counts as a call of a tool (R4)."""
    bill: Bill
    reporter: Reporter


class _Batch:
    """What one call of `add` has to look at again; dictionaries as ordered sets."""

    __slots__ = ("touched", "unsettled")

    def __init__(self) -> None:
        self.touched: dict[Node, None] = {}
        """What may have to be charged differently."""
        self.unsettled: dict[Node, None] = {}
        """Whose own usage, or whose children's, changed."""


class TraceLedger:
    """The spans of one trace that are believed alike: all trusted ones, or all of one untrusted reporter."""

    def __init__(self, *, trusted: bool, spans_max: int = SPANS_MAX) -> None:
        self._trusted = trusted
        self._spans_max = spans_max
        self._nodes: dict[int, Node] = {}
        self._naming: dict[int, list[Node]] = {}
        """Span id → the nodes that name it as their parent, present or not."""
        self._claims = Claims()
        self._keys: dict[tuple[object, ...], UsageKey] = {}
        self._session: tuple[int, int, str] | None = None
        """Start, span id and session of the span that settles R3 for the trace."""

    def __len__(self) -> int:
        return len(self._nodes)

    def charges(self) -> Iterator[Charge]:
        """Return every span that is related to the others, in its place and with what it was charged."""
        for node in self._nodes.values():
            yield Charge(
                node.fact,
                None if node.parent is None else node.parent.fact.span,
                self._agent_of(node),
                self._session_of(node),
                node.charged,
                is_tool_call(node),
                bill_of(node, node.charged),
                node.binding.reporter,
            )

    def add(
        self, facts: Iterable[SpanFact], binding: Binding, change: UsageChange, prices: Prices = NO_PRICES
    ) -> Added:
        """Enter spans reported under `binding`, and write into `change` what that does to the totals.

        Those that are new are charged by `prices`, now and whenever something about them changes.
        """
        # Parents mostly start first, and a span that finds its parent there has less to do. Any order gives the same.
        ordered = sorted(facts, key=_started)
        if not self._nodes and self._grow(ordered, binding, change, prices):
            return Added(ordered, 0, 0)
        kept, duplicates, unrelated = list[SpanFact](), 0, 0
        batch, session_before = _Batch(), self._session
        for fact in ordered:
            entered, present = fact, self._nodes.get(fact.span)
            if present is not None and is_anothers(present, fact, binding):
                entered = self._claims.beside(fact, binding, self._nodes, room=len(self._nodes) < self._spans_max)
                present = self._nodes.get(entered.span)
            if present is not None:
                duplicates += 1
                if may_state_more(present, binding, self._agent_of(present)) and state_more(present, fact.tokens):
                    batch.unsettled[present] = None
                    kept.append(fact)
            elif len(self._nodes) >= self._spans_max:
                unrelated += 1
                self._charge_as_it_stands(node_of(fact, binding, prices), change)
            else:
                kept.append(fact)
                self._enter(node_of(entered, binding, prices), batch)
        if self._claims.take_new(len(self._nodes)):
            batch = self._place_anew(change)
        _settle(batch)
        if self._session != session_before:
            batch.touched.update((node, None) for node in self._nodes.values() if node.session is None)
        for node in batch.touched:
            self._post(node, change)
        return Added(kept, duplicates, unrelated)

    def first_told(self, kept: Sequence[SpanFact]) -> list[SpanFact]:
        """Return the calls of agents among facts that `add` has just kept, each call once, however many spans tell it.

        Who calls and who is called often both tell a call, one span beneath the other; what came earlier is counted.
        """
        calls = [fact for fact in kept if fact.operation == INVOKE_AGENT]
        new = {fact.span for fact in calls}
        return [fact for fact in calls if not self._is_told(fact, new)]

    def _is_told(self, fact: SpanFact, new: set[int]) -> bool:
        node = self._nodes[fact.span]
        if node.fact is not fact or (node.parent is not None and is_same_call(node.parent, node)):
            return True
        return any(
            child.parent is node and child.fact.span not in new and is_same_call(node, child)
            for child in self._naming.get(fact.span, ())
        )

    def _grow(self, ordered: Sequence[SpanFact], binding: Binding, change: UsageChange, prices: Prices) -> bool:
        """Enter the first spans of the trace at once, if each comes once and after its parent; say whether it did.

        Most traces come whole, and then nothing has to be looked at twice: down for what is inherited, up for usage.
        """
        if len(ordered) > self._spans_max:
            return False
        nodes, naming = dict[int, Node](), dict[int, list[Node]]()
        session: tuple[int, int, str] | None = None
        for fact in ordered:
            span, parent_id = fact.span, fact.parent
            if span in nodes or span in naming:
                return False
            node = nodes[span] = node_of(fact, binding, prices)
            # In order of their start: only of those that started at once may a later one come before.
            if fact.session and (session is None or (fact.start == session[0] and span < session[1])):
                session = (fact.start, span, fact.session)
            if parent_id:
                siblings = naming.get(parent_id)
                if siblings is None:
                    naming[parent_id] = [node]
                else:
                    siblings.append(node)
                parent = nodes.get(parent_id)
                if parent is not None:
                    node.parent = node.top = parent
                    node.take_over(parent)
        self._nodes, self._naming, self._session = nodes, naming, session
        for node in reversed(nodes.values()):
            if node.own is not NO_TOKENS or node.kids is not NO_TOKENS:
                growth, parent = node.settle(), node.parent
                if parent is not None:
                    parent.kids = plus(parent.kids, growth)
        for node in nodes.values():
            self._post(node, change)
        return True

    def _place_anew(self, change: UsageChange) -> _Batch:
        """Give every id to whose it is, and every span its place again: hardly ever does anybody claim another's."""
        before, batch = list(self._nodes.values()), _Batch()
        for node in before:
            if node.posted_key is not None:
                change.take_back(node.posted_key, node.posted_counts, node.posted_callers)
        self._nodes, self._naming, self._session = {}, {}, None
        for node, fact in self._claims.divide(before):
            again = node_of(fact, node.binding, node.prices)
            again.own = node.own
            self._enter(again, batch)
        return batch

    def _enter(self, node: Node, batch: _Batch) -> None:
        fact = node.fact
        self._nodes[fact.span] = node
        batch.touched[node] = None
        if fact.session and (self._session is None or (fact.start, fact.span) < self._session[:2]):
            self._session = (fact.start, fact.span, fact.session)
        orphans = self._naming.get(fact.span, ())
        for orphan in orphans:
            orphan.parent = orphan.top = node
            node.kids = plus(node.kids, orphan.inclusive)
        if node.own is not NO_TOKENS or node.kids is not NO_TOKENS:
            batch.unsettled[node] = None
        if fact.parent:
            self._enter_beneath(node, self._claims.parent_of(fact, node.binding), batch)
        if orphans:
            self._hand_down(node, batch)

    def _enter_beneath(self, node: Node, parent_id: int, batch: _Batch) -> None:
        siblings = self._naming.get(parent_id)
        if siblings is None:
            self._naming[parent_id] = [node]
        else:
            siblings.append(node)
        parent = self._nodes.get(parent_id)
        if parent is None:
            return
        if top_of(parent) is node:
            self._cut_cycle(node, parent, batch)
        else:
            node.parent = node.top = parent
            node.take_over(parent)

    def _cut_cycle(self, node: Node, parent: Node, batch: _Batch) -> None:
        """Make roots of `node`, of `parent` and of all between: `node` would close a cycle through them."""
        members, member = [], parent
        while member is not node:
            members.append(member)
            above = cast("Node", member.parent)  # the way up from `parent` leads to `node`, or there were no cycle
            above.kids = minus(above.kids, member.inclusive)
            batch.unsettled[above] = None
            member = above
        for member in members:
            member.parent = member.top = None
        for member in members:
            member.inherit()
            batch.touched[member] = None
            self._hand_down(member, batch)

    def _hand_down(self, node: Node, batch: _Batch) -> None:
        """Let the spans beneath inherit again; stops where nothing changes."""
        changed = [node]
        while changed:
            above = changed.pop()
            for child in self._naming.get(above.fact.span, ()):
                if child.parent is above:
                    batch.touched[child] = None
                    if child.inherit():
                        changed.append(child)

    def _post(self, node: Node, change: UsageChange) -> None:
        charged, callers = node.charged, node.callers
        bill = NO_BILL if charged is NO_TOKENS and node.fact.detail is None else bill_of(node, charged)
        key, counts = self._key(node, bill), counts_of(node, charged, bill)
        if node.posted_key is not None:
            if node.posted_key is key and node.posted_counts == counts and node.posted_callers == callers:
                return
            change.take_back(node.posted_key, node.posted_counts, node.posted_callers)
        node.posted_key = key
        node.posted_counts = counts
        node.posted_callers = callers
        change.add(key, counts, callers)

    def _charge_as_it_stands(self, node: Node, change: UsageChange) -> None:
        bill = bill_of(node, node.own)
        change.add(self._key(node, bill), counts_of(node, node.own, bill))

    def _key(self, node: Node, bill: Bill) -> UsageKey:
        fact, detail = node.fact, node.fact.detail
        outcome, tool = ERROR if fact.is_error else OK, ""
        if detail is not None:
            tool = detail.tool
            if detail.cancelled:
                outcome = CANCELLED
        agent, session = node.agent, node.session
        if agent is None or not fact.agent:
            agent = self._agent_of(node)
        if session is None:
            session = self._session_of(node)
        # Spans of a trace share few keys: one object for each, found by a plain tuple that equals it.
        untrusted, currency = not self._trusted, bill.currency
        parts = (fact.minute, agent, session, fact.model, fact.operation, untrusted, tool, node.team, outcome, currency)
        key = self._keys.get(parts)
        if key is None:
            key = UsageKey._make(parts)
            self._keys[key] = key
        return key

    def _agent_of(self, node: Node) -> str:
        agent = node.agent
        if agent is None or (not node.fact.agent and self._trusted and not node.binding.may_name(agent)):
            return UNATTRIBUTED
        return agent

    def _session_of(self, node: Node) -> str:
        if node.session is not None:
            return node.session
        return "" if self._session is None else self._session[2]


def _settle(batch: _Batch) -> None:
    """Compute R1 for the unsettled spans and all above them, each once, children before parents."""
    waits_for: dict[Node, int] = {}
    """Span → how many of its children have to be settled before it."""
    for node in batch.unsettled:
        if node in waits_for:
            continue
        waits_for[node] = 0
        below = node
        while (above := below.parent) is not None:
            if above in waits_for:
                waits_for[above] += 1
                break
            waits_for[above] = 1
            below = above
    ready = [node for node, children in waits_for.items() if children == 0]
    while ready:
        node = ready.pop()
        growth = node.settle()
        batch.touched[node] = None
        parent = node.parent
        if parent is not None:
            parent.kids = plus(parent.kids, growth)
            waits_for[parent] -= 1
            if waits_for[parent] == 0:
                ready.append(parent)
