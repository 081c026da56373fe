"""Stories of single traces: what wrappers, late parents, cycles and very deep or wide traces are charged."""

import time

from ringfence_telemetry.reporters import Binding, Reporter
from ringfence_telemetry.spans import SpanFact, Tokens, ToolCall
from ringfence_telemetry.trace_ledger import TraceLedger
from ringfence_telemetry.usage import UNATTRIBUTED, Counts, UsageChange, UsageKey

ANYONE = Binding(Reporter(principal="collector", speaks_for_all=True))


def fact(
    span: int,
    parent: int = 0,
    *,
    tokens: tuple[int, int] = (0, 0),
    agent: str = "",
    session: str = "",
    operation: str = "",
    tool_call: ToolCall = ToolCall.NONE,
    exclusive: bool = False,
    start: int = 0,
) -> SpanFact:
    counted: Tokens = (*tokens, 0, 0, 0)
    return SpanFact(span, parent, start, 100, 10, operation, agent, session, "m", counted, False, tool_call, exclusive)


def totals(*steps: list[SpanFact], binding: Binding = ANYONE, trusted: bool = True) -> dict[UsageKey, Counts]:
    ledger, change = TraceLedger(trusted=trusted), UsageChange()
    for step in steps:
        ledger.add(step, binding, change)
    return change.sums()


def tokens_by_agent(sums: dict[UsageKey, Counts]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for key, counts in sums.items():
        input_, output = found.get(key.agent, (0, 0))
        found[key.agent] = (input_ + counts.input_tokens, output + counts.output_tokens)
    return found


def test_three_layers_that_repeat_one_call_are_charged_once() -> None:
    # The shape of an A2A trace in which both wrappers carry their child's 4,648 / 129: added up it would be threefold.
    layers = [fact(1, tokens=(4_648, 129)), fact(2, 1, tokens=(4_648, 129)), fact(3, 2, tokens=(4_648, 129))]
    assert tokens_by_agent(totals(layers)) == {UNATTRIBUTED: (4_648, 129)}
    assert tokens_by_agent(totals(*[[layer] for layer in reversed(layers)])) == {UNATTRIBUTED: (4_648, 129)}


def test_a_wrapper_is_charged_what_its_children_leave() -> None:
    sums = totals([fact(1, tokens=(100, 20), agent="outer"), fact(2, 1, tokens=(60, 5), agent="inner")])
    assert tokens_by_agent(sums) == {"outer": (40, 15), "inner": (60, 5)}


def test_usage_only_on_the_parent_is_kept() -> None:
    assert tokens_by_agent(totals([fact(1, tokens=(10, 1)), fact(2, 1), fact(3, 1)])) == {UNATTRIBUTED: (10, 1)}


def test_a_retried_call_is_charged_twice_as_the_provider_does() -> None:
    assert tokens_by_agent(totals([fact(1), fact(2, 1, tokens=(9, 1)), fact(3, 1, tokens=(9, 1))])) == {
        UNATTRIBUTED: (18, 2)
    }


def test_a_scope_that_leaves_children_out_is_charged_its_own() -> None:
    spans = [fact(1, tokens=(5, 1), exclusive=True), fact(2, 1, tokens=(60, 5)), fact(3, tokens=(0, 0))]
    assert tokens_by_agent(totals(spans)) == {UNATTRIBUTED: (65, 6)}


def test_a_parent_an_hour_late_moves_the_charge() -> None:
    ledger, early, late = TraceLedger(trusted=True), UsageChange(), UsageChange()
    ledger.add([fact(2, 1, tokens=(60, 5), operation="chat")], ANYONE, early)
    assert tokens_by_agent(early.sums()) == {UNATTRIBUTED: (60, 5)}
    ledger.add([fact(1, agent="planner", session="s", tokens=(60, 5))], ANYONE, late)
    taken, given = (
        UsageKey(100, UNATTRIBUTED, "", "m", "chat", False),
        UsageKey(100, "planner", "s", "m", "chat", False),
    )
    assert late.sums()[taken] == Counts(
        spans=-1, input_tokens=-60, output_tokens=-5, duration_micros=-10, unknown_cost_calls=-1
    )
    assert late.sums()[given] == Counts(
        spans=1, input_tokens=60, output_tokens=5, duration_micros=10, unknown_cost_calls=1
    )


def test_an_explicit_session_is_never_overwritten() -> None:
    spans = [fact(1, session="outer"), fact(2, 1, session="inner"), fact(3, 2), fact(4, 1), fact(5, 77)]
    sessions = {key.session: counts.spans for key, counts in totals(spans).items()}
    assert sessions == {"outer": 3, "inner": 2}


def test_a_trace_without_a_session_above_takes_that_of_its_first_span() -> None:
    sums = totals([fact(5, 77)], [fact(3, 88, session="later", start=9)], [fact(4, 99, session="earlier", start=5)])
    assert {key.session: counts.spans for key, counts in sums.items()} == {"earlier": 2, "later": 1}


def test_a_reporter_cannot_charge_an_ancestor_it_does_not_speak_for() -> None:
    # The callee continues the caller's trace and leaves its spans without an agent: the caller must not pay for them.
    callee = Binding(Reporter(principal="gateway", agents=("did:b", "did:c")))
    ledger, change = TraceLedger(trusted=True), UsageChange()
    ledger.add([fact(1, agent="did:a")], ANYONE, change)
    ledger.add([fact(2, 1, tokens=(1_000, 0)), fact(3, 2, agent="did:b"), fact(4, 3, tokens=(7, 0))], callee, change)
    assert tokens_by_agent(change.sums()) == {"did:a": (0, 0), UNATTRIBUTED: (993, 0), "did:b": (7, 0)}


def test_an_mcp_call_beneath_a_tool_is_the_same_call() -> None:
    tool = fact(1, operation="execute_tool", tool_call=ToolCall.TOOL)
    client = fact(2, 1, operation="execute_tool", tool_call=ToolCall.MCP)
    server = fact(3, 2, operation="execute_tool", tool_call=ToolCall.MCP)
    for order in ([tool, client, server], [server, client, tool], [client, tool, server]):
        assert sum(counts.tool_calls for counts in totals(*[[span] for span in order]).values()) == 1


def test_an_agent_behind_a_tool_calls_tools_of_its_own() -> None:
    spans = [
        fact(1, operation="execute_tool", tool_call=ToolCall.TOOL),
        fact(2, 1, operation="invoke_agent"),
        fact(3, 2, operation="chain"),
        fact(4, 3, operation="execute_tool", tool_call=ToolCall.MCP),
    ]
    assert sum(counts.tool_calls for counts in totals(spans).values()) == 2


def test_all_spans_of_a_cycle_are_roots() -> None:
    cycle = [fact(1, 3, tokens=(1, 0), agent="a"), fact(2, 1, tokens=(2, 0)), fact(3, 2, tokens=(4, 0))]
    beneath = fact(4, 1, tokens=(8, 0))
    expected = {"a": (8, 0), UNATTRIBUTED: (6, 0)}  # 4 inherits from 1 and exceeds it; 2 and 3 stand alone
    for order in ([*cycle, beneath], [beneath, *cycle], [*reversed(cycle), beneath]):
        assert tokens_by_agent(totals(*[[span] for span in order])) == expected


def test_the_same_span_again_changes_nothing() -> None:
    ledger, change = TraceLedger(trusted=True), UsageChange()
    assert ledger.add([fact(1, tokens=(5, 5))] * 3, ANYONE, change).duplicates == 2
    again = UsageChange()
    assert ledger.add([fact(1, tokens=(5, 5))], ANYONE, again) == ([], 1, 0)
    assert again.sums() == {}


def test_ten_thousand_levels_in_any_order() -> None:
    # One usage at the bottom, repeated all the way up; root first, leaf first, and both halves meeting in the middle.
    depth = 10_000
    chain = [fact(n, n - 1, tokens=(9, 1), agent="a" if n == 1 else "") for n in range(1, depth + 1)]
    meeting = chain[: depth // 2] + chain[: depth // 2 - 1 : -1]
    for order in (chain, chain[::-1], meeting):
        assert tokens_by_agent(totals(*[order[at : at + 512] for at in range(0, depth, 512)])) == {"a": (9, 1)}


def test_a_hundred_thousand_children_of_one_parent() -> None:
    children = [fact(n, 1, tokens=(1, 0)) for n in range(2, 100_002)]
    sums = totals(children[:50_000], [fact(1, agent="a", tokens=(7, 0))], children[50_000:])
    agents = tokens_by_agent(sums)
    assert sum(input_ for input_, _ in agents.values()) == 100_000


def test_usage_growing_with_depth_costs_no_quadratic_work() -> None:
    # Each level adds to all above it. One span a call is the worst an attacker can do; a batch must stay linear.
    depth = 10_000
    chain = [fact(n, n - 1, tokens=(n, 0)) for n in range(1, depth + 1)]
    started = time.process_time()
    assert tokens_by_agent(totals(chain)) == {UNATTRIBUTED: (depth, 0)}
    assert time.process_time() - started < 5


def test_spans_beyond_the_limit_are_charged_as_they_stand() -> None:
    ledger, change = TraceLedger(trusted=True, spans_max=2), UsageChange()
    added = ledger.add([fact(1, agent="a"), fact(2, 1, tokens=(5, 0)), fact(3, 1, tokens=(6, 0))], ANYONE, change)
    assert (len(added.kept), added.unrelated, len(ledger)) == (2, 1, 2)
    assert tokens_by_agent(change.sums()) == {"a": (5, 0), UNATTRIBUTED: (6, 0)}


class TestCallsOfAgents:
    """Who calls and who is called both tell of a call, one span beneath the other: it is one call, in any order."""

    CALLER = fact(1, operation="invoke_agent", agent="did:web:caller")
    OUTSIDE = fact(2, 1, operation="invoke_agent", agent="did:web:callee", start=1)
    INSIDE = fact(3, 2, operation="invoke_agent", agent="did:web:callee", start=2)
    OTHERS = (
        fact(4, 3, operation="chat", start=3),
        fact(5, 3, operation="invoke_agent", agent="did:web:third", start=4),
    )

    def told(self, *steps: list[SpanFact]) -> list[int]:
        ledger, change = TraceLedger(trusted=True), UsageChange()
        return sorted(fact.span for step in steps for fact in ledger.first_told(ledger.add(step, ANYONE, change).kept))

    def test_together(self) -> None:
        assert self.told([self.CALLER, self.OUTSIDE, self.INSIDE, *self.OTHERS]) == [1, 2, 5]

    def test_who_was_called_comes_first(self) -> None:
        assert self.told([self.INSIDE, *self.OTHERS], [self.OUTSIDE], [self.CALLER]) == [1, 3, 5]

    def test_who_called_comes_first(self) -> None:
        assert self.told([self.CALLER], [self.OUTSIDE], [self.INSIDE], [*self.OTHERS]) == [1, 2, 5]

    def test_one_that_is_told_again_is_no_other(self) -> None:
        again = fact(2, 1, operation="invoke_agent", agent="did:web:callee", start=1, tokens=(5, 5))
        assert self.told([self.CALLER, self.OUTSIDE], [again], [again]) == [1, 2]

    def test_two_calls_of_one_agent_are_two(self) -> None:
        beside = fact(6, 1, operation="invoke_agent", agent="did:web:callee", start=9)
        assert self.told([self.CALLER, self.OUTSIDE, self.INSIDE, beside]) == [1, 2, 6]

    def test_agents_without_a_name_are_not_the_same(self) -> None:
        nameless = [fact(1, operation="invoke_agent"), fact(2, 1, operation="invoke_agent")]
        assert self.told(nameless) == [1, 2]
