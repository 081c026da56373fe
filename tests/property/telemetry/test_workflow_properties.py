"""Trees of agents, for any trace: the order spans come in does not matter, and nothing is lost or made up."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_telemetry.reporters import Binding, Reporter
from ringfence_telemetry.spans import SpanDetail, SpanFact, ToolCall
from ringfence_telemetry.trace_keys import TraceKey
from ringfence_telemetry.trace_ledger import TraceLedger
from ringfence_telemetry.usage import UsageChange
from ringfence_telemetry.workflows.blame import blame
from ringfence_telemetry.workflows.hops import Tree
from ringfence_telemetry.workflows.kept_traces import Entered, TraceRead
from ringfence_telemetry.workflows.settled import Part
from ringfence_telemetry.workflows.summary import Summary, summary_of
from ringfence_telemetry.workflows.tree import grow
from support.telemetry.traces import COLLECTOR, MILLI

GATEWAY = Reporter(principal="gateway", agents=("did:a", "did:b"))
AGENT = Reporter(principal="did:a", agents=("did:a",))
REPORTERS = (COLLECTOR, GATEWAY, AGENT)
KEY = TraceKey(bytes(15) + b"\x01")

Reported = tuple[SpanFact, Reporter]


def details() -> st.SearchStrategy[SpanDetail | None]:
    stated = st.builds(
        SpanDetail,
        skill=st.sampled_from(["", "sum"]),
        error=st.sampled_from(["", "timeout"]),
        cancelled=st.booleans(),
        attempt=st.sampled_from([0, 0, 2]),
        client=st.booleans(),
        waited_micros=st.sampled_from([0, 0, 3_000, 50_000_000]),
    )
    return st.none() | stated


@st.composite
def facts(draw: st.DrawFn) -> SpanFact:
    operation, tool_call = draw(
        st.sampled_from(
            [
                ("", ToolCall.NONE),
                ("chat", ToolCall.NONE),
                ("chain", ToolCall.NONE),
                ("invoke_agent", ToolCall.NONE),
                ("invoke_agent", ToolCall.NONE),
                ("execute_tool", ToolCall.TOOL),
                ("execute_tool", ToolCall.MCP),
            ]
        )
    )
    span, parent = draw(st.integers(1, 14)), draw(st.integers(0, 16))
    return SpanFact(
        span=span,
        parent=0 if parent == span else parent,
        start=draw(st.integers(0, 60)) * MILLI,
        minute=draw(st.sampled_from([0, 100])),
        duration_micros=draw(st.integers(0, 90)) * 1_000,
        operation=operation,
        agent=draw(st.sampled_from(["", "", "did:a", "did:b", "helper", "other"])),
        session=draw(st.sampled_from(["", "", "s1", "s2"])),
        model=draw(st.sampled_from(["", "m"])),
        tokens=draw(st.sampled_from([(0, 0, 0, 0, 0), (10, 2, 0, 0, 0), (25, 5, 3, 1, 2), (7, 0, 7, 0, 0)])),
        is_error=draw(st.booleans()),
        tool_call=tool_call,
        exclusive=draw(st.sampled_from([False, False, False, True])),
        detail=draw(details()),
    )


@st.composite
def traces(draw: st.DrawFn) -> list[Reported]:
    """Spans with distinct ids, each with its reporter; parents may be missing, above, below, or in a circle."""
    distinct = draw(st.lists(facts(), min_size=1, max_size=14, unique_by=lambda fact: fact.span))
    return [(fact, draw(st.sampled_from(REPORTERS))) for fact in distinct]


def grown(*batches: list[Reported], trusted: bool = True) -> Tree:
    parts = [
        Entered(reporter, [fact for fact, of in batch if of is reporter]) for batch in batches for reporter in REPORTERS
    ]
    tree = grow(TraceRead(parts), trusted=trusted)
    assert tree is not None
    return tree


def shape(tree: Tree) -> list[object]:
    """Return all that is said of a tree."""
    found: list[object] = [
        (
            hop.span,
            hop.agent,
            hop.caller and hop.caller.span,
            hop.session,
            hop.skill,
            hop.failed,
            hop.error,
            hop.spans,
            hop.exclusive,
            hop.inclusive,
            hop.own_micros,
            hop.waited_micros,
            hop.critical,
            hop.retries,
            hop.duration_micros,
            [step.span for step in hop.steps],
            [child.span for child in hop.children],
        )
        for hop in tree.every_hop
    ]
    return [*found, [hop.span for hop in tree.hops], summary_of(KEY, tree)]


@settings(max_examples=150)
@given(traces(), st.data(), st.booleans())
def test_any_order_batching_and_repetition_grows_the_same_tree(
    trace: list[Reported], data: st.DataObject, trusted: bool
) -> None:
    repeated = trace + data.draw(st.lists(st.sampled_from(trace), max_size=6))
    shuffled = data.draw(st.permutations(repeated))
    places = data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4))
    edges = [0, *sorted(places), len(shuffled)]
    batches = [shuffled[first:last] for first, last in pairwise(edges)]
    assert shape(grown(*batches, trusted=trusted)) == shape(grown(trace, trusted=trusted))


@settings(max_examples=150)
@given(traces(), st.booleans())
def test_what_the_hops_used_is_what_the_ledger_charged(trace: list[Reported], trusted: bool) -> None:
    tree, ledger, change = grown(trace, trusted=trusted), TraceLedger(trusted=trusted), UsageChange()
    for fact, reporter in trace:
        ledger.add([fact], Binding(reporter), change)
    charged: Counter[tuple[str, str]] = Counter()
    for charge in ledger.charges():
        charged[charge.agent, "input"] += charge.tokens[0]
        charged[charge.agent, "output"] += charge.tokens[1]
        charged[charge.agent, "tools"] += charge.is_tool_call
    used: Counter[tuple[str, str]] = Counter()
    for hop in tree.every_hop:
        used[hop.agent, "input"] += hop.exclusive.input_tokens
        used[hop.agent, "output"] += hop.exclusive.output_tokens
        used[hop.agent, "tools"] += hop.exclusive.tool_calls
    assert +used == +charged


@settings(max_examples=150)
@given(traces())
def test_what_a_hop_includes_is_what_those_beneath_it_used(trace: list[Reported]) -> None:
    tree = grown(trace)
    for hop in tree.every_hop:
        below = [hop.exclusive.input_tokens, *(child.inclusive.input_tokens for child in hop.children)]
        assert hop.inclusive.input_tokens == sum(below)
    assert tree.used.input_tokens == sum(hop.exclusive.input_tokens for hop in tree.every_hop)
    assert tree.used.input_tokens == sum(hop.inclusive.input_tokens for hop in tree.hops)
    assert tree.spans == len(trace)


@settings(max_examples=150)
@given(traces())
def test_times_are_within_each_other(trace: list[Reported]) -> None:
    tree = grown(trace)
    for hop in tree.every_hop:
        assert 0 <= hop.own_micros <= hop.duration_micros
        assert 0 <= hop.waited_micros <= hop.duration_micros
        assert hop.retries >= 0
        if hop.critical and hop.caller is not None:
            assert hop.caller.critical
    critical = [hop for hop in tree.every_hop if hop.critical]
    assert tree.root in critical
    # Of those one caller waited for, none worked beside another.
    for hop in critical:
        waited = sorted((child.start, child.end) for child in hop.children if child.critical)
        assert all(end <= start for (_, end), (start, _) in pairwise(waited))


@settings(max_examples=150)
@given(traces(), st.booleans(), st.integers(0, 50_000))
def test_bad_work_is_blamed_on_exactly_one_of_those_who_did_it(trace: list[Reported], slow: bool, target: int) -> None:
    tree = grown(trace)
    settled = summary_of(KEY, tree).settled
    agents = {hop.agent for hop in tree.every_hop}
    assert (settled.error_blame in agents) == settled.failed

    def target_of(part: Part) -> int:
        return target

    found = blame(settled, slow=slow, target_of=target_of)
    assert found.agent in agents
    assert found.reason
    over = [part for part in settled.parts if part.critical and part.own_micros > target]
    if not settled.failed and slow and over:
        assert found.agent == max(over, key=lambda part: part.own_micros).agent or len(over) > 1


@settings(max_examples=100)
@given(traces())
def test_an_agent_is_shown_nobody_it_did_not_call(trace: list[Reported]) -> None:
    tree = grown(trace)
    summary = summary_of(KEY, tree)
    for agent in {hop.agent for hop in tree.every_hop}:
        seen = summary.seen_by(agent)
        assert seen is not None
        mine = [hop for hop in tree.every_hop if hop.agent == agent]
        beneath = set[str]()
        waiting = list(mine)
        while waiting:
            hop = waiting.pop()
            beneath.add(hop.agent)
            waiting += hop.children
        assert named_in(seen) <= beneath
        assert seen.used.input_tokens <= summary.used.input_tokens
    assert summary.seen_by("did:nobody") is None


def named_in(summary: Summary) -> set[str]:
    """Return the agents a summary shows to who reads it."""
    return {summary.settled.agent, summary.blamed, *(share.agent for share in summary.shares)} - {""}
