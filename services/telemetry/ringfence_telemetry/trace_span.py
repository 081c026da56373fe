"""One span in its place in a trace: what it hands down, what it sums up, what it is charged.

The arithmetic of the ledger (`trace_ledger.py`), whose rules these are; nothing here knows of more than a span, the one
above it, and sums over those beneath.
"""

from typing import NamedTuple

import msgspec

from ringfence_telemetry.dialects import INVOKE_AGENT, TRANSPARENT
from ringfence_telemetry.prices.book import Prices
from ringfence_telemetry.prices.currencies import CURRENCIES
from ringfence_telemetry.reporters import Binding
from ringfence_telemetry.spans import NO_TOKENS, SpanFact, Tokens, ToolCall
from ringfence_telemetry.usage import CountRow, UsageKey

CALLERS_MAX = 32
"""Agents above a span that are told what it used; further down the chain nobody is added."""

NOTHING_POSTED: CountRow = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


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


class Node(msgspec.Struct, gc=False, eq=False):
    """A span in its place. `agent`, `session`, `team` and `tool_call` are what it hands down to the spans beneath it:
    what it states, else what it inherits; None or empty when neither is known. `callers` are the other agents above.

    (A Struct as a SpanFact is one: nothing refers to a node from below but its ledger, so a ledger that is let go
    leaves nothing to the garbage collector, which need not look at nodes at all.)
    """

    fact: SpanFact
    binding: Binding
    prices: Prices
    """Those known when it was counted first."""
    own: Tokens
    agent: str | None
    session: str | None
    team: str
    tool_call: ToolCall | None
    parent: "Node | None" = None
    top: "Node | None" = None
    """Leads towards the top of the fragment of the trace it is in; None on the top itself."""
    kids: Tokens = NO_TOKENS
    """Sum of the children's inclusive usage."""
    inclusive: Tokens = NO_TOKENS
    charged: Tokens = NO_TOKENS
    callers: tuple[str, ...] = ()
    posted_key: UsageKey | None = None
    posted_callers: tuple[str, ...] = ()
    posted_counts: CountRow = NOTHING_POSTED

    def inherit(self) -> bool:
        """Take from the parent what the span does not state; say whether that changed anything."""
        before = self.agent, self.session, self.tool_call, self.team, self.callers
        if self.parent is None:
            self._stand_alone()
        else:
            self.take_over(self.parent)
        return before != (self.agent, self.session, self.tool_call, self.team, self.callers)

    def take_over(self, parent: "Node") -> None:
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
        callers = parent.callers if above is None or above == self.agent else callers_beneath(parent, above)
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
            self.inclusive, self.charged = plus(self.own, self.kids), self.own
        elif self.kids is NO_TOKENS:
            self.inclusive = self.charged = self.own
        else:
            self.inclusive = larger(self.own, self.kids)
            self.charged = minus(self.inclusive, self.kids)
        return self.inclusive if before is NO_TOKENS else minus(self.inclusive, before)


def node_of(fact: SpanFact, binding: Binding, prices: Prices) -> Node:
    """Return a span that has no place yet, to be charged by `prices`."""
    return Node(
        fact,
        binding,
        prices,
        fact.tokens,
        fact.agent or None,
        fact.session or None,
        "" if fact.detail is None else fact.detail.team,
        None if fact.operation in TRANSPARENT else fact.tool_call,
    )


def is_same_call(above: Node, below: Node) -> bool:
    """Say whether both spans tell of one call of one agent: the caller's, and beneath it the agent's own."""
    return above.fact.operation == below.fact.operation == INVOKE_AGENT and above.fact.agent == below.fact.agent != ""


def top_of(node: Node) -> Node:
    """Return the topmost span of the fragment `node` is in, halving the way for the next one who asks.

    Below a cut cycle it may return another member of that cycle; none of them ever gets a parent, so that does no harm.
    """
    while node.top is not None:
        if node.top.top is not None:
            node.top = node.top.top
        node = node.top
    return node


def state_more(node: Node, tokens: Tokens) -> bool:
    """Let a repeated span state more usage than before; say whether it does."""
    stated = larger(node.own, tokens)
    changed = stated != node.own
    node.own = stated
    return changed


def callers_beneath(parent: Node, above: str) -> tuple[str, ...]:
    """Return the agents above a span beneath `parent`, whose agent is `above` and not the span's own."""
    callers = parent.callers
    if above in callers or len(callers) >= CALLERS_MAX:
        return callers
    return (*callers, above)


def bill_of(node: Node, charged: Tokens) -> Bill:
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


def counts_of(node: Node, charged: Tokens, bill: Bill) -> CountRow:
    """Return what a span adds to the totals."""
    fact, detail = node.fact, node.fact.detail
    errors = 1 if fact.is_error else 0
    calls = 1 if fact.tool_call and is_tool_call(node) else 0
    retries = 1 if detail is not None and detail.attempt > 0 else 0
    _, nanos, stated_nanos, unknown = bill
    return (1, errors, *charged, calls, fact.duration_micros, retries, unknown, nanos, stated_nanos)


def is_tool_call(node: Node) -> bool:
    """Say whether a span counts as a call of a tool (R4)."""
    stated, parent = node.fact.tool_call, node.parent
    return stated is ToolCall.TOOL or (stated is ToolCall.MCP and (parent is None or not parent.tool_call))


# Spelled out: these run for every span with usage, and a loop over five numbers costs three times as much.
def plus(left: Tokens, right: Tokens) -> Tokens:
    """Return the sum of each kind."""
    if left is NO_TOKENS:
        return right
    return (left[0] + right[0], left[1] + right[1], left[2] + right[2], left[3] + right[3], left[4] + right[4])


def minus(left: Tokens, right: Tokens) -> Tokens:
    """Return the difference of each kind."""
    return (left[0] - right[0], left[1] - right[1], left[2] - right[2], left[3] - right[3], left[4] - right[4])


def larger(left: Tokens, right: Tokens) -> Tokens:
    """Return the larger of each kind."""
    return (
        max(left[0], right[0]),
        max(left[1], right[1]),
        max(left[2], right[2]),
        max(left[3], right[3]),
        max(left[4], right[4]),
    )
