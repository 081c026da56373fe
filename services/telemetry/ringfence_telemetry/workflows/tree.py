"""The kept spans of a trace → the tree of agents it was, whatever order the spans came in.

Pure, and without recursion: no depth of trace can break it. The rules:

- who was charged what is asked of the trace's ledger (R1 to R4); here it is only added up, so what the hops used
  themselves sums up to exactly what was charged for the trace;
- a hop begins where an agent is called (`invoke_agent`), or where a span is charged to another agent than the span
  above it; spans of one agent directly beneath each other are one hop, since caller and callee report the same call;
- spans of an agent that nobody says was called are one hop for each caller;
- what wraps the whole and is nobody's (a web server's span) is no hop, unless it failed and what it wraps did not;
- spans whose parent is not there are the top of a fragment of their own; the fragment with the root comes first. Where
  the parent is there and not believed, it still says where the fragment hangs (see `linking`).
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TypeAlias

from ringfence_kit.clock import DAY, MINUTE, Instant

from ringfence_telemetry.dialects import EXECUTE_TOOL, INVOKE_AGENT, TRANSPARENT
from ringfence_telemetry.reporters import Binding, Reporter
from ringfence_telemetry.spans import SpanDetail, SpanFact
from ringfence_telemetry.trace_ledger import Charge, TraceLedger
from ringfence_telemetry.trace_span import NO_BILL
from ringfence_telemetry.usage import UNATTRIBUTED, UsageChange
from ringfence_telemetry.workflows.attempts import Attempts
from ringfence_telemetry.workflows.hops import NOTHING_USED, ErrorBlame, Hop, Step, Tree, Used
from ringfence_telemetry.workflows.kept_traces import TraceRead
from ringfence_telemetry.workflows.linking import Links, join
from ringfence_telemetry.workflows.timing import time_hops

EXTENT_MAX_MICROS = DAY * 1_000
"""Clocks that are off make no piece of work longer than this."""

_WITHOUT_STEP = TRANSPARENT | {INVOKE_AGENT, "invoke_workflow", "create_agent"}
_NO_DETAIL = SpanDetail()

_by_start = attrgetter("fact.start", "fact.span")


_Place: TypeAlias = tuple[Charge, Hop | None, int, bool]
"""A span on its way into the tree; the hop of the span above it; the nearest span above it that does more than wrap
others, 0 when there is none; whether a span above it in the same hop states for how long a person was waited for. (A
plain tuple: there is one for every span.)"""


def grow(read: TraceRead, *, trusted: bool) -> Tree | None:
    """Return the tree of a trace's spans that are believed alike; None when there are no spans."""
    ledger, unused, bindings = TraceLedger(trusted=trusted), UsageChange(), dict[Reporter, Binding]()
    for reporter, facts, prices in read.spans:
        binding = bindings.get(reporter)
        if binding is None:
            binding = bindings[reporter] = Binding(reporter)
        ledger.add(facts, binding, unused, prices)
    return _Growth(sorted(ledger.charges(), key=_by_start), read.links).tree() if len(ledger) else None


class _Growth:
    """A tree being grown from charges in the order of their starts."""

    def __init__(self, charges: Sequence[Charge], links: Links) -> None:
        self._charges = charges
        self._below: dict[int, list[Charge]] = {}
        self._tops: list[Charge] = []
        for charge in charges:
            if charge.parent is None:
                self._tops.append(charge)
            else:
                self._below.setdefault(charge.parent, []).append(charge)
        self._joined: Mapping[int, int] = {}
        """Top of a fragment → the span it hangs beneath."""
        if links:
            self._join(links)
        self._tops.sort(key=lambda top: top.fact.parent != 0)
        self._hops: list[Hop] = []
        self._hop_of: dict[int, Hop] = {}
        self._working: dict[tuple[int, str], Hop] = {}
        """Span of a hop and an agent → the hop of that agent beneath it that no span says was called."""
        self._order: list[Charge] = []
        self._attempts = Attempts()
        self._sampled = False
        self._principal = ""

    def _join(self, links: Links) -> None:
        charges = {charge.fact.span: charge for charge in self._charges}
        self._joined = join(self._tops, charges, links)
        for span, above in self._joined.items():
            self._below.setdefault(above, []).append(charges[span])
        for above in set(self._joined.values()):
            self._below[above].sort(key=_by_start)
        self._tops = [top for top in self._tops if top.fact.span not in self._joined]

    def tree(self) -> Tree:
        """Return the tree."""
        self._walk()
        recovered = self._attempts.settle(self._hop_of)
        begun = self._begun()
        tops = [hop for _, hops in begun for hop in hops]
        topmost = set(tops)
        every = [hop for hop in self._hops if hop.caller is not None or hop in topmost]
        _sum_up(every)
        time_hops(every, tops[0])
        first, root = begun[0][0].fact, tops[0]
        ended_at = _ended_at(root)
        return Tree(
            hops=tops,
            every_hop=every,
            spans=len(self._charges),
            rooted=first.parent == 0,
            started_at=Instant(ended_at - root.duration_micros // 1_000),
            ended_at=ended_at,
            extent_micros=self._extent(),
            failed=root.failed,
            cancelled=root.cancelled,
            sampled=self._sampled,
            session=root.session,
            principal=self._principal,
            operation=first.operation or (INVOKE_AGENT if root.is_call else ""),
            error_blame=self._error_blame(root, recovered),
            used=_sum(hop.inclusive for hop in tops),
        )

    def _walk(self) -> None:
        places: list[_Place] = [(top, None, 0, False) for top in reversed(self._tops)]
        any_repeated = any(map(_hints_at_attempts, self._charges))
        while places:
            charge, caller, above, waiting = places.pop()
            fact, detail = charge.fact, charge.fact.detail or _NO_DETAIL
            hop = self._hop_for(charge, caller)
            self._enter(hop, charge, detail)
            waiting = waiting and hop is caller
            if detail.waited_micros and not waiting:
                hop.own_waited_micros += detail.waited_micros
                waiting = True
            if any_repeated:
                self._attempts.saw(fact, detail, above=above)
            below = self._below.get(fact.span)
            if below:
                above = above if fact.operation in TRANSPARENT else fact.span
                places += [(child, hop, above, waiting) for child in reversed(below)]

    def _hop_for(self, charge: Charge, caller: Hop | None) -> Hop:
        """Return the hop a span belongs to, a new one when it begins one."""
        fact, agent = charge.fact, charge.agent
        if caller is not None and (agent == caller.agent or (agent == UNATTRIBUTED and _is_mere_wrapper(charge))):
            if fact.operation == INVOKE_AGENT:
                _say_more(caller, fact)
            return caller
        if caller is None or fact.operation == INVOKE_AGENT:
            return self._begin(charge, caller)
        there = self._working.get((caller.span, agent))
        if there is None:
            there = self._working[caller.span, agent] = self._begin(charge, caller)
        else:
            end = max(there.end, fact.start + fact.duration_micros * 1_000)
            there.duration_micros = (end - there.start) // 1_000
            there.failed = there.failed or fact.is_error
        return there

    def _begin(self, charge: Charge, caller: Hop | None) -> Hop:
        fact, detail = charge.fact, charge.fact.detail or _NO_DETAIL
        hop = Hop(
            span=fact.span,
            parent_span=fact.parent,
            agent=charge.agent,
            session=charge.session,
            skill=detail.skill,
            version=detail.version,
            reporter=charge.reporter.principal,
            start=fact.start,
            duration_micros=fact.duration_micros,
            counted_minute=fact.minute,
            failed=fact.is_error,
            cancelled=detail.cancelled,
            error=detail.error,
            is_call=fact.operation == INVOKE_AGENT,
            caller=caller,
        )
        self._hops.append(hop)
        if caller is not None:
            caller.children.append(hop)
        return hop

    def _enter(self, hop: Hop, charge: Charge, detail: SpanDetail) -> None:
        fact = charge.fact
        self._hop_of[fact.span] = hop
        self._order.append(charge)
        # What an agent says of itself is no evidence, so it does not matter how much of it there is.
        self._sampled = self._sampled or (detail.sampled and charge.reporter.principal != charge.agent)
        self._principal = self._principal or detail.principal
        hop.spans += 1
        used = _used(charge)
        if used is not NOTHING_USED:
            hop.exclusive = hop.exclusive.plus(used)
        if fact.operation not in _WITHOUT_STEP and (fact.operation != EXECUTE_TOOL or charge.is_tool_call):
            hop.steps.append(_step(charge, detail, used))

    def _begun(self) -> list[tuple[Charge, list[Hop]]]:
        """Return the spans that fragments begin with, each with its topmost hops: that of the whole first.

        Of several that have no parent it is one in which somebody else than the agent tells of a call of it, if any is;
        of those the one with the most agents beneath. So no agent makes itself the root of others' work, or hides from
        who saw how its own went, by sending a span without a parent.
        """
        begun = [(top, _without_wrapper(self._hop_of[top.fact.span])) for top in self._tops]
        if sum(top.fact.parent == 0 for top, _ in begun) > 1:
            begun.sort(key=lambda each: (each[0].fact.parent != 0, not _is_witnessed(each[1]), -_agents_in(each[1])))
        return begun

    def _error_blame(self, root: Hop, recovered: frozenset[int]) -> ErrorBlame | None:
        """Return the deepest error whose parent is an error too, from the root's down; ties: the first started."""
        if not root.failed:
            return None
        depths, deepest = {root.span: 1}, (1, root.start, root.span)
        errors = {root.span: root.error}
        for charge in self._order:
            fact = charge.fact
            above = depths.get(charge.parent or self._joined.get(fact.span, 0))
            if above is None or not fact.is_error or fact.span in recovered:
                continue
            depths[fact.span] = above + 1
            errors[fact.span] = fact.detail.error if fact.detail else ""
            if above + 1 > deepest[0] or (above + 1 == deepest[0] and (fact.start, fact.span) < deepest[1:]):
                deepest = above + 1, fact.start, fact.span
        span = deepest[2]
        hop = _attributed(self._hop_of[span])
        return ErrorBlame(agent=hop.agent, hop=hop, span=span, error=errors[span])

    def _extent(self) -> int:
        first = min(charge.fact.start for charge in self._charges)
        last = max(charge.fact.start + charge.fact.duration_micros * 1_000 for charge in self._charges)
        return min((last - first) // 1_000, EXTENT_MAX_MICROS)


def _without_wrapper(top: Hop) -> list[Hop]:
    """Return a topmost hop, or what it wraps in its place when it is nobody's."""
    nobodys = top.agent == UNATTRIBUTED and not top.steps and top.exclusive == NOTHING_USED
    if not nobodys or not top.children or (top.failed and not top.children[0].failed):
        return [top]
    for child in top.children:
        child.caller = None
    return top.children


def _is_witnessed(hops: Sequence[Hop]) -> bool:
    return any(hop.is_call and hop.reporter != hop.agent for hop in hops)


def _agents_in(hops: Iterable[Hop]) -> int:
    agents, waiting = set[str](), list(hops)
    while waiting:
        hop = waiting.pop()
        agents.add(hop.agent)
        waiting += hop.children
    return len(agents)


def _hints_at_attempts(charge: Charge) -> bool:
    fact = charge.fact
    return fact.is_error or (fact.detail is not None and fact.detail.attempt > 0)


def _is_mere_wrapper(charge: Charge) -> bool:
    return not charge.is_tool_call and not any(charge.tokens) and charge.bill is NO_BILL


def _say_more(hop: Hop, fact: SpanFact) -> None:
    """Let the callee's own span say what its caller's did not."""
    hop.is_call = True
    if fact.detail is not None:
        hop.skill, hop.version = hop.skill or fact.detail.skill, hop.version or fact.detail.version
        hop.error = hop.error or (fact.detail.error if hop.failed else "")


def _attributed(hop: Hop) -> Hop:
    """Return the hop of the nearest agent that is known, `hop` itself when none is."""
    above: Hop | None = hop
    while above is not None:
        if above.agent != UNATTRIBUTED:
            return above
        above = above.caller
    return hop


def _used(charge: Charge) -> Used:
    tokens, bill = charge.tokens, charge.bill
    if _is_mere_wrapper(charge):
        return NOTHING_USED
    return Used(tokens[0], tokens[1], int(charge.is_tool_call), bill.nanos, bill.currency, bill.unknown)


def _step(charge: Charge, detail: SpanDetail, used: Used) -> Step:
    fact = charge.fact
    return Step(
        span=fact.span,
        operation=fact.operation,
        what=detail.tool or fact.model if fact.operation == EXECUTE_TOOL else fact.model or detail.tool,
        start=fact.start,
        duration_micros=fact.duration_micros,
        used=used,
        failed=fact.is_error,
    )


def _sum(each: Iterable[Used]) -> Used:
    total = NOTHING_USED
    for used in each:
        total = total.plus(used)
    return total


def _sum_up(every_hop: Sequence[Hop]) -> None:
    """Compute what each hop and those it called used, from the bottom up."""
    for hop in every_hop:
        hop.inclusive, hop.inclusive_spans = hop.exclusive, hop.spans
    for hop in reversed(every_hop):
        if hop.caller is not None:
            hop.caller.inclusive = hop.caller.inclusive.plus(hop.inclusive)
            hop.caller.inclusive_spans += hop.inclusive_spans


def _ended_at(root: Hop) -> Instant:
    """Return the root's end; by the minute it is counted in, which is ours, when the sender's clock is off."""
    ended_at = root.end // 1_000_000
    return Instant(ended_at if ended_at // MINUTE == root.counted_minute else root.counted_minute * MINUTE)
