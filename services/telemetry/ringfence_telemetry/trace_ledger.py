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
- a span id counts once; when it comes again stating more usage, the larger statement holds;
- spans whose parents form a cycle have no parent: all of them, so it does not matter which came last.

A late parent changes what was charged before: `add` says by how much. The work for a span is proportional to what it
changes, plus the chain of ancestors above usage; nothing recurses, so no depth of trace can break it.
"""

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple, cast

from ringfence_telemetry.dialects import INVOKE_AGENT, TRANSPARENT
from ringfence_telemetry.prices.book import NO_PRICES, Prices
from ringfence_telemetry.prices.currencies import CURRENCIES
from ringfence_telemetry.reporters import Binding, Reporter
from ringfence_telemetry.spans import NO_TOKENS, SpanFact, Tokens, ToolCall
from ringfence_telemetry.usage import CANCELLED, ERROR, OK, UNATTRIBUTED, CountRow, UsageChange, UsageKey

SPANS_MAX = 100_000
"""Spans of one trace that are related to each other; those beyond are charged as they stand."""

CALLERS_MAX = 32
"""Agents above a span that are told what it used; further down the chain nobody is added."""

NOTHING_POSTED: CountRow = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

_started = attrgetter("start")


class Added(NamedTuple):
    """What became of some facts."""

    kept: list[SpanFact]
    """Those that changed the ledger: with them it can be built again."""
    duplicates: int
    """How many were there before."""
    unrelated: int
    """How many were charged as they stand, since the trace is too large."""


class Bill(NamedTuple):
    """What a span cost (R5)."""

    currency: str = ""
    nanos: int = 0
    stated_nanos: int = 0
    """Of it, what the sender stated."""
    unknown: int = 0
    """1 when nobody knows."""


NO_BILL = Bill()
_UNKNOWN = Bill(unknown=1)


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


class _Node:
    """A span in its place. `agent`, `session`, `team` and `tool_call` are what it hands down to the spans beneath it:
    what it states, else what it inherits; None or empty when neither is known. `callers` are the other agents above."""

    __slots__ = (
        "agent",
        "binding",
        "callers",
        "charged",
        "fact",
        "inclusive",
        "kids",
        "own",
        "parent",
        "posted_callers",
        "posted_counts",
        "posted_key",
        "prices",
        "session",
        "team",
        "tool_call",
        "top",
    )

    def __init__(self, fact: SpanFact, binding: Binding, prices: Prices) -> None:
        self.fact = fact
        self.binding = binding
        self.prices = prices
        """Those known when it was counted first."""
        self.parent: _Node | None = None
        self.top: _Node | None = None
        """Leads towards the top of the fragment of the trace it is in; None on the top itself. (Nothing refers to a
        node from below but its ledger, so a ledger that is let go leaves nothing to the garbage collector.)"""
        self.own = fact.tokens
        self.kids = NO_TOKENS
        """Sum of the children's inclusive usage."""
        self.inclusive = NO_TOKENS
        self.charged = NO_TOKENS
        self.agent = fact.agent or None
        self.session = fact.session or None
        self.team = "" if fact.detail is None else fact.detail.team
        self.callers: tuple[str, ...] = ()
        self.tool_call = None if fact.operation in TRANSPARENT else fact.tool_call
        self.posted_key: UsageKey | None = None
        self.posted_callers: tuple[str, ...] = ()
        self.posted_counts = NOTHING_POSTED

    def inherit(self) -> bool:
        """Take from the parent what the span does not state; say whether that changed anything."""
        before = self.agent, self.session, self.tool_call, self.team, self.callers
        if self.parent is None:
            self._stand_alone()
        else:
            self.take_over(self.parent)
        return before != (self.agent, self.session, self.tool_call, self.team, self.callers)

    def take_over(self, parent: "_Node") -> None:
        """Take from `parent` what the span does not state."""
        fact = self.fact
        if not fact.agent:
            self.agent = parent.agent
        if not fact.session:
            self.session = parent.session
        if fact.operation in TRANSPARENT:
            self.tool_call = parent.tool_call
        if fact.detail is None or not fact.detail.team:
            self.team = parent.team
        above = parent.agent
        callers = parent.callers if above is None or above == self.agent else _callers(parent, above)
        self.callers = tuple(each for each in callers if each != self.agent) if self.agent in callers else callers

    def _stand_alone(self) -> None:
        fact = self.fact
        self.agent, self.session, self.callers = fact.agent or None, fact.session or None, ()
        self.team = "" if fact.detail is None else fact.detail.team
        self.tool_call = None if fact.operation in TRANSPARENT else fact.tool_call

    def settle(self) -> Tokens:
        """Compute R1 from own usage and the children's; return by how much the inclusive usage grew."""
        before = self.inclusive
        if self.fact.exclusive:
            self.inclusive, self.charged = _plus(self.own, self.kids), self.own
        elif self.kids is NO_TOKENS:
            self.inclusive = self.charged = self.own
        else:
            self.inclusive = _larger(self.own, self.kids)
            self.charged = _minus(self.inclusive, self.kids)
        return self.inclusive if before is NO_TOKENS else _minus(self.inclusive, before)


class _Batch:
    """What one call of `add` has to look at again; dictionaries as ordered sets."""

    __slots__ = ("touched", "unsettled")

    def __init__(self) -> None:
        self.touched: dict[_Node, None] = {}
        """What may have to be charged differently."""
        self.unsettled: dict[_Node, None] = {}
        """Whose own usage, or whose children's, changed."""


class TraceLedger:
    """The spans of one trace that are believed alike: all trusted ones, or all of one untrusted reporter."""

    def __init__(self, *, trusted: bool, spans_max: int = SPANS_MAX) -> None:
        self._trusted = trusted
        self._spans_max = spans_max
        self._nodes: dict[int, _Node] = {}
        self._naming: dict[int, list[_Node]] = {}
        """Span id → the nodes that name it as their parent, present or not."""
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
                _is_tool_call(node),
                _bill(node, node.charged),
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
            present = self._nodes.get(fact.span)
            if present is not None:
                duplicates += 1
                if _state_more(present, fact.tokens):
                    batch.unsettled[present] = None
                    kept.append(fact)
            elif len(self._nodes) >= self._spans_max:
                unrelated += 1
                self._charge_as_it_stands(_Node(fact, binding, prices), change)
            else:
                kept.append(fact)
                self._enter(_Node(fact, binding, prices), batch)
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
        if node.fact is not fact or (node.parent is not None and _is_same_call(node.parent, node)):
            return True
        return any(
            child.parent is node and child.fact.span not in new and _is_same_call(node, child)
            for child in self._naming.get(fact.span, ())
        )

    def _grow(self, ordered: Sequence[SpanFact], binding: Binding, change: UsageChange, prices: Prices) -> bool:
        """Enter the first spans of the trace at once, if each comes once and after its parent; say whether it did.

        Most traces come whole, and then nothing has to be looked at twice: down for what is inherited, up for usage.
        """
        if len(ordered) > self._spans_max:
            return False
        nodes, naming = dict[int, _Node](), dict[int, list[_Node]]()
        session: tuple[int, int, str] | None = None
        for fact in ordered:
            span, parent_id = fact.span, fact.parent
            if span in nodes or span in naming:
                return False
            node = nodes[span] = _Node(fact, binding, prices)
            if fact.session and (session is None or (fact.start, span) < session[:2]):
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
                    parent.kids = _plus(parent.kids, growth)
        for node in nodes.values():
            self._post(node, change)
        return True

    def _enter(self, node: _Node, batch: _Batch) -> None:
        fact = node.fact
        self._nodes[fact.span] = node
        batch.touched[node] = None
        if fact.session and (self._session is None or (fact.start, fact.span) < self._session[:2]):
            self._session = (fact.start, fact.span, fact.session)
        orphans = self._naming.get(fact.span, ())
        for orphan in orphans:
            orphan.parent = orphan.top = node
            node.kids = _plus(node.kids, orphan.inclusive)
        if node.own is not NO_TOKENS or node.kids is not NO_TOKENS:
            batch.unsettled[node] = None
        if fact.parent:
            self._enter_beneath(node, fact.parent, batch)
        if orphans:
            self._hand_down(node, batch)

    def _enter_beneath(self, node: _Node, parent_id: int, batch: _Batch) -> None:
        siblings = self._naming.get(parent_id)
        if siblings is None:
            self._naming[parent_id] = [node]
        else:
            siblings.append(node)
        parent = self._nodes.get(parent_id)
        if parent is None:
            return
        if _top(parent) is node:
            self._cut_cycle(node, parent, batch)
        else:
            node.parent = node.top = parent
            node.take_over(parent)

    def _cut_cycle(self, node: _Node, parent: _Node, batch: _Batch) -> None:
        """Make roots of `node`, of `parent` and of all between: `node` would close a cycle through them."""
        members, member = [], parent
        while member is not node:
            members.append(member)
            above = cast("_Node", member.parent)  # the way up from `parent` leads to `node`, or there were no cycle
            above.kids = _minus(above.kids, member.inclusive)
            batch.unsettled[above] = None
            member = above
        for member in members:
            member.parent = member.top = None
        for member in members:
            member.inherit()
            batch.touched[member] = None
            self._hand_down(member, batch)

    def _hand_down(self, node: _Node, batch: _Batch) -> None:
        """Let the spans beneath inherit again; stops where nothing changes."""
        changed = [node]
        while changed:
            above = changed.pop()
            for child in self._naming.get(above.fact.span, ()):
                if child.parent is above:
                    batch.touched[child] = None
                    if child.inherit():
                        changed.append(child)

    def _post(self, node: _Node, change: UsageChange) -> None:
        charged, callers = node.charged, node.callers
        bill = NO_BILL if charged is NO_TOKENS and node.fact.detail is None else _bill(node, charged)
        key, counts = self._key(node, bill), _counts(node, charged, bill)
        if node.posted_key is not None:
            if node.posted_key is key and node.posted_counts == counts and node.posted_callers == callers:
                return
            change.take_back(node.posted_key, node.posted_counts, node.posted_callers)
        node.posted_key = key
        node.posted_counts = counts
        node.posted_callers = callers
        change.add(key, counts, callers)

    def _charge_as_it_stands(self, node: _Node, change: UsageChange) -> None:
        bill = _bill(node, node.own)
        change.add(self._key(node, bill), _counts(node, node.own, bill))

    def _key(self, node: _Node, bill: Bill) -> UsageKey:
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
        untrusted = not self._trusted
        parts = (
            *(fact.minute, agent, session, fact.model, fact.operation, untrusted, tool, node.team, outcome),
            bill.currency,
        )
        # Spans of a trace share few keys: one object for each, found by a plain tuple that equals it.
        key = self._keys.get(parts)
        if key is None:
            key = UsageKey._make(parts)
            self._keys[key] = key
        return key

    def _agent_of(self, node: _Node) -> str:
        agent = node.agent
        if agent is None or (not node.fact.agent and self._trusted and not node.binding.may_name(agent)):
            return UNATTRIBUTED
        return agent

    def _session_of(self, node: _Node) -> str:
        if node.session is not None:
            return node.session
        return "" if self._session is None else self._session[2]


def _is_same_call(above: _Node, below: _Node) -> bool:
    return above.fact.operation == below.fact.operation == INVOKE_AGENT and above.fact.agent == below.fact.agent != ""


def _settle(batch: _Batch) -> None:
    """Compute R1 for the unsettled spans and all above them, each once, children before parents."""
    waits_for: dict[_Node, int] = {}
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
            parent.kids = _plus(parent.kids, growth)
            waits_for[parent] -= 1
            if waits_for[parent] == 0:
                ready.append(parent)


def _top(node: _Node) -> _Node:
    """Return the topmost span of the fragment `node` is in, halving the way for the next one who asks.

    Below a cut cycle it may return another member of that cycle; none of them ever gets a parent, so that does no harm.
    """
    while node.top is not None:
        if node.top.top is not None:
            node.top = node.top.top
        node = node.top
    return node


def _state_more(node: _Node, tokens: Tokens) -> bool:
    """Let a repeated span state more usage than before; say whether it does."""
    larger = _larger(node.own, tokens)
    changed = larger != node.own
    if changed:
        node.own = larger
    return changed


def _callers(parent: _Node, above: str) -> tuple[str, ...]:
    """Return the agents above a span beneath `parent`, whose agent is `above` and not the span's own."""
    callers = parent.callers
    if above in callers or len(callers) >= CALLERS_MAX:
        return callers
    return (*callers, above)


def _bill(node: _Node, charged: Tokens) -> Bill:
    """Return what was charged comes to. A wrapper's stated cost repeats its children's, like its tokens do."""
    fact, detail = node.fact, node.fact.detail
    if (
        detail is not None
        and detail.stated_currency
        and detail.stated_currency in CURRENCIES
        and (fact.exclusive or not any(node.kids))
    ):
        return Bill(detail.stated_currency, detail.stated_cost_nanos, detail.stated_cost_nanos)
    if charged is NO_TOKENS or not any(charged):
        return NO_BILL
    price = node.prices.price(fact.model, "" if detail is None else detail.provider, fact.minute)
    return _UNKNOWN if price is None else Bill(price.currency, price.of(charged))


def _counts(node: _Node, charged: Tokens, bill: Bill) -> CountRow:
    fact, detail = node.fact, node.fact.detail
    errors = 1 if fact.is_error else 0
    calls = 1 if fact.tool_call and _is_tool_call(node) else 0
    retries = 1 if detail is not None and detail.attempt > 0 else 0
    _, nanos, stated_nanos, unknown = bill
    return (1, errors, *charged, calls, fact.duration_micros, retries, unknown, nanos, stated_nanos)


def _is_tool_call(node: _Node) -> bool:
    stated, parent = node.fact.tool_call, node.parent
    return stated is ToolCall.TOOL or (stated is ToolCall.MCP and (parent is None or not parent.tool_call))


# Spelled out: these run for every span with usage, and a loop over five numbers costs three times as much.
def _plus(left: Tokens, right: Tokens) -> Tokens:
    if left is NO_TOKENS:
        return right
    return (left[0] + right[0], left[1] + right[1], left[2] + right[2], left[3] + right[3], left[4] + right[4])


def _minus(left: Tokens, right: Tokens) -> Tokens:
    return (left[0] - right[0], left[1] - right[1], left[2] - right[2], left[3] - right[3], left[4] - right[4])


def _larger(left: Tokens, right: Tokens) -> Tokens:
    return (
        max(left[0], right[0]),
        max(left[1], right[1]),
        max(left[2], right[2]),
        max(left[3], right[3]),
        max(left[4], right[4]),
    )
