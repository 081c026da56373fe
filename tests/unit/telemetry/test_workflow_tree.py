"""Stories of single traces: which hops they grow into, whose time it was, what was repeated, and who is to blame."""

import time

import msgspec
import pytest
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.spans import SpanDetail
from ringfence_telemetry.trace_keys import TraceKey
from ringfence_telemetry.usage import UNATTRIBUTED
from ringfence_telemetry.workflows.blame import blame
from ringfence_telemetry.workflows.hops import MIXED, Used
from ringfence_telemetry.workflows.kept_traces import Entered, TraceRead
from ringfence_telemetry.workflows.linking import links_of
from ringfence_telemetry.workflows.settled import Part, Settled
from ringfence_telemetry.workflows.summary import summary_of
from ringfence_telemetry.workflows.tree import grow
from support.measuring import unmeasured
from support.telemetry.spans import NOW
from support.telemetry.traces import drawn, fact, tree_of

KEY = TraceKey(bytes(15) + b"\x01")


class TestHops:
    def test_caller_and_callee_report_one_call(self) -> None:
        caller_side = fact(2, 1, agent="b", at=10, ms=80, detail=SpanDetail(client=True))
        callee_side = fact(3, 2, agent="b", at=20, ms=60, tokens=(5, 1), detail=SpanDetail(skill="sum", version="7"))
        tree = tree_of(fact(1, agent="a", ms=100), caller_side, callee_side)
        assert drawn(tree) == ["a 20", "  b 80"]
        b = tree.root.children[0]
        assert (b.span, b.skill, b.version, b.spans) == (2, "sum", "7", 2)

    def test_an_agent_that_calls_back_is_a_hop_of_its_own(self) -> None:
        tree = tree_of(
            fact(1, agent="a", ms=100), fact(2, 1, agent="b", at=10, ms=80), fact(3, 2, agent="a", at=20, ms=60)
        )
        assert drawn(tree) == ["a 20", "  b 20", "    a 60"]

    def test_what_wraps_the_whole_and_is_nobodys_is_no_hop(self) -> None:
        tree = tree_of(fact(1, ms=200), fact(2, 1, ms=190), fact(3, 2, agent="a", at=10, ms=100))
        assert drawn(tree) == ["a 100"]
        assert (tree.root.parent_span, tree.spans, tree.rooted) == (2, 3, True)

    def test_a_wrapper_that_failed_by_itself_is_shown(self) -> None:
        tree = tree_of(fact(1, ms=200, failed=True), fact(2, 1, agent="a", ms=100))
        assert drawn(tree) == [f"{UNATTRIBUTED} 100", "  a 100"]
        assert tree.failed

    def test_spans_that_name_an_agent_without_calling_it_are_one_hop_for_each_caller(self) -> None:
        chats = [fact(n, 1, agent="b", operation="chat", at=n * 10, ms=5, tokens=(1, 0)) for n in range(2, 6)]
        tree = tree_of(fact(1, agent="a", ms=100), *chats)
        assert [(hop.agent, hop.spans, hop.exclusive.input_tokens) for hop in tree.every_hop] == [
            ("a", 1, 0),
            ("b", 4, 4),
        ]

    def test_usage_nobody_may_charge_to_the_agent_above_is_a_hop_of_nobody(self) -> None:
        gateway = Reporter(principal="gateway", agents=("did:b", "did:c"))
        tree = tree_of(
            fact(1, agent="did:a", ms=100),
            fact(2, 1, agent="did:b", at=10, ms=50),
            fact(3, 1, operation="chat", at=70, tokens=(9, 0)),
            fact(4, 1, operation="chat", at=80, tokens=(1, 0)),
            reporter=gateway,
        )
        assert [(hop.agent, hop.exclusive.input_tokens) for hop in tree.every_hop] == [
            ("did:a", 0),
            ("did:b", 0),
            (UNATTRIBUTED, 10),
        ]

    def test_a_missing_parent_leaves_a_fragment_and_the_root_comes_first(self) -> None:
        tree = tree_of(fact(9, 8, agent="b", at=5), fact(1, agent="a", at=6))
        assert [hop.agent for hop in tree.hops] == ["a", "b"]
        assert (tree.hops[1].parent_span, tree.rooted) == (8, True)
        assert not tree_of(fact(9, 8, agent="b")).rooted

    def test_nobody_makes_itself_the_root_of_others_work(self) -> None:
        work = [fact(1, agent="a", failed=True), fact(2, 1, agent="b", failed=True)]
        claimed = fact(9, agent="b", at=-5_000_000, ms=1)
        tree = tree_of(*work, claimed)
        assert [hop.agent for hop in tree.hops] == ["a", "b"]
        assert (tree.failed, tree.error_blame and tree.error_blame.agent) == (True, "b")

    def test_spans_in_a_circle_are_each_a_top(self) -> None:
        tree = tree_of(fact(1, 3, agent="a"), fact(2, 1, agent="b"), fact(3, 2, agent="c"), fact(4, 3, agent="d"))
        assert [hop.agent for hop in tree.hops] == ["a", "b", "c"]
        assert [child.agent for child in tree.hops[2].children] == ["d"]

    def test_no_span_is_no_tree(self) -> None:
        assert grow(TraceRead([]), trusted=True) is None

    def test_ten_thousand_agents_in_a_row_and_a_hundred_thousand_side_by_side(self) -> None:
        in_a_row = [
            fact(n, n - 1, agent=f"agent {n}", ms=20_000 - n, tokens=(1, 0), failed=True) for n in range(1, 10_001)
        ]
        beside = [fact(n, 1, agent=f"b{n % 9}", tokens=(1, 0)) for n in range(2, 100_000)]
        with unmeasured():
            began = time.process_time()
            deep = tree_of(*in_a_row)
            wide = tree_of(fact(1, agent="a", ms=100), *beside)
            summaries = [summary_of(KEY, tree) for tree in (deep, wide)]
            taken = time.process_time() - began
        assert deep.root.inclusive.input_tokens == 1
        assert deep.error_blame is not None
        assert deep.error_blame.agent == "agent 10000"
        assert (wide.used.input_tokens, len(wide.root.children)) == (99_998, 99_998)
        assert [summary.spans for summary in summaries] == [deep.spans, wide.spans]
        assert taken < 20

    def test_a_clock_in_1970_does_not_move_the_work(self) -> None:
        off = fact(1, agent="a", at=-NOW, ms=1_000)
        tree = tree_of(msgspec.structs.replace(off, minute=NOW // 60_000))
        assert (tree.ended_at, tree.started_at) == (NOW, NOW - 1_000)


class TestLinks:
    A = Reporter(principal="did:a", agents=("did:a",))
    B = Reporter(principal="did:b", agents=("did:b",))
    X = Reporter(principal="did:x", agents=("did:x",))

    def grown(self, *said: tuple[Reporter, int, int], by_b: tuple[int, int] = (3, 2)) -> list[str]:
        """Return the tree of A's root 1 and B's span, with what reporters say of spans between them."""
        a = fact(1, agent="did:a", ms=100, failed=True)
        b = fact(*by_b, agent="did:b", at=10, ms=50, failed=True)
        links = links_of([(reporter, [fact(span, parent)]) for reporter, span, parent in said])
        tree = grow(TraceRead([Entered(self.A, [a]), Entered(self.B, [b])], links), trusted=True)
        assert tree is not None
        blamed = "" if tree.error_blame is None else tree.error_blame.agent
        return [*drawn(tree), f"blamed {blamed}"]

    def test_the_callers_own_side_of_the_call_joins_what_both_report(self) -> None:
        assert self.grown((self.A, 2, 1)) == ["did:a 50", "  did:b 50", "blamed did:b"]
        assert self.grown((self.A, 2, 5), (self.A, 5, 1)) == ["did:a 50", "  did:b 50", "blamed did:b"]

    def test_nobody_hangs_anothers_work_beneath_a_third_ones(self) -> None:
        apart = ["did:a 100", "did:b 50", "blamed did:a"]
        assert self.grown() == apart
        assert self.grown((self.X, 2, 1)) == apart
        assert self.grown((self.B, 2, 1)) == apart
        assert self.grown((self.A, 2, 5), (self.X, 5, 1)) == apart
        assert self.grown((self.X, 2, 9), (self.A, 2, 1)) == ["did:a 50", "  did:b 50", "blamed did:b"]

    def test_nothing_is_joined_in_a_circle(self) -> None:
        mine = [fact(1, 9, agent="did:a"), fact(3, 1, agent="did:a"), fact(5, 8, agent="did:a")]
        links = links_of([(self.A, [fact(9, 3), fact(8, 8)])])
        tree = grow(TraceRead([Entered(self.A, mine)], links), trusted=True)
        assert tree is not None
        assert [hop.span for hop in tree.hops] == [1, 5]


class TestTime:
    def test_own_time_is_when_none_of_those_called_was_at_work(self) -> None:
        tree = tree_of(
            fact(1, agent="a", ms=100),
            fact(2, 1, agent="b", at=10, ms=40),
            fact(3, 1, agent="c", at=30, ms=40),  # overlaps b by 20
            fact(4, 1, agent="d", at=90, ms=500),  # outlives its caller
        )
        assert drawn(tree) == ["a 30", "  b 40", "  c 40", "  d 500"]

    def test_the_critical_path_leads_back_from_the_end(self) -> None:
        tree = tree_of(
            fact(1, agent="a", ms=100),
            fact(2, 1, agent="slow", at=0, ms=60),
            fact(3, 1, agent="quick", at=0, ms=30),
            fact(4, 1, agent="last", at=60, ms=30),
            fact(5, 4, agent="beneath", at=65, ms=5),
            fact(6, 3, agent="beneath quick", at=5, ms=5),
        )
        assert [hop.agent for hop in tree.every_hop if hop.critical] == ["a", "slow", "last", "beneath"]

    def test_a_person_is_not_the_agents_time(self) -> None:
        asked = SpanDetail(waited_micros=60_000_000)
        tree = tree_of(
            fact(1, agent="a", ms=70_000, detail=asked),
            fact(2, 1, agent="b", at=1_000, ms=65_000, detail=asked),
            fact(3, 2, operation="chat", at=2_000, ms=60_000, detail=asked),
        )
        assert drawn(tree) == ["a 5000", "  b 5000"]
        settled = summary_of(KEY, tree).settled
        assert (settled.duration_micros, settled.escalated) == (10_000_000, True)

    def test_people_asked_side_by_side_count_once_and_one_after_the_other_twice(self) -> None:
        asked = SpanDetail(waited_micros=4_000)

        def waited(second_at: int) -> int:
            tree = tree_of(
                fact(1, agent="a", ms=100),
                fact(2, 1, agent="b", at=10, ms=10, detail=asked),
                fact(3, 1, agent="c", at=second_at, ms=10, detail=asked),
            )
            return tree.root.waited_micros

        assert (waited(15), waited(30)) == (4_000, 8_000)


class TestRetries:
    def test_the_same_call_after_an_error_is_a_retry_and_beside_it_is_not(self) -> None:
        after = tree_of(
            fact(1, agent="a", ms=100),
            fact(2, 1, agent="b", at=0, ms=10, failed=True),
            fact(3, 1, agent="b", at=10, ms=10, failed=True),
            fact(4, 1, agent="b", at=30, ms=10),
        )
        assert after.root.retries == 2
        beside = tree_of(
            fact(1, agent="a", ms=100),
            fact(2, 1, agent="b", at=0, ms=10, failed=True),
            fact(3, 1, agent="b", at=5, ms=10),
            fact(4, 1, agent="c", at=50, ms=10),
        )
        assert beside.root.retries == 0

    def test_attempts_behind_wrappers_are_seen(self) -> None:
        tree = tree_of(
            fact(1, agent="a", ms=100),
            fact(2, 1, ms=10, failed=True),
            fact(3, 2, agent="b", ms=10, failed=True),
            fact(4, 1, at=20, ms=10),
            fact(5, 4, agent="b", at=20, ms=10),
        )
        assert tree.root.retries == 1

    def test_a_sender_that_counts_is_believed_where_more_were_made_than_are_seen(self) -> None:
        resent = SpanDetail(attempt=3)
        calls = [
            fact(2, 1, operation="chat", model="m", at=0, ms=10, failed=True),
            fact(3, 1, operation="chat", model="m", at=10, ms=10, detail=resent),
            fact(4, 1, operation="chat", model="m", at=50, ms=10, detail=SpanDetail(attempt=1)),
        ]
        assert tree_of(fact(1, agent="a", ms=100), *calls).root.retries == 4
        assert tree_of(fact(1, agent="a", ms=100), fact(2, 1, detail=resent)).root.retries == 3

    def test_two_failures_and_two_successes_are_two_retries(self) -> None:
        calls = [fact(n, 1, operation="chat", model="m", ms=10, failed=True) for n in (2, 3)]
        calls += [fact(n, 1, operation="chat", model="m", at=20, ms=10) for n in (4, 5)]
        assert tree_of(fact(1, agent="a", ms=100), *calls).root.retries == 2


class TestErrorBlame:
    def blamed(self, *facts: object) -> str:
        tree = tree_of(*facts)  # type: ignore[arg-type] # facts, as the tests say them
        return "" if tree.error_blame is None else tree.error_blame.agent

    def test_the_deepest_error_whose_parent_is_an_error(self) -> None:
        a, b, c = (
            fact(1, agent="a", failed=True),
            fact(2, 1, agent="b", failed=True),
            fact(3, 2, agent="c", failed=True),
        )
        assert self.blamed(a, b, c) == "c"

    def test_an_error_under_a_success_led_to_nothing(self) -> None:
        assert (
            self.blamed(fact(1, agent="a", failed=True), fact(2, 1, agent="b"), fact(3, 2, agent="c", failed=True))
            == "a"
        )

    def test_nobody_is_to_blame_for_what_succeeded(self) -> None:
        assert self.blamed(fact(1, agent="a"), fact(2, 1, agent="b", failed=True)) == ""

    def test_of_equally_deep_errors_the_first_started(self) -> None:
        a = fact(1, agent="a", failed=True)
        assert (
            self.blamed(a, fact(2, 1, agent="late", at=5, failed=True), fact(3, 1, agent="early", failed=True))
            == "early"
        )

    def test_a_failure_that_was_repeated_with_success_is_no_cause(self) -> None:
        a = fact(1, agent="a", ms=100, failed=True)
        first, again = fact(2, 1, agent="b", failed=True), fact(3, 1, agent="b", at=20)
        assert self.blamed(a, first, again) == "a"
        assert self.blamed(a, first, again, fact(4, 1, agent="c", at=50, failed=True)) == "c"

    def test_a_failure_that_was_repeated_in_vain_is_a_cause(self) -> None:
        a = fact(1, agent="a", ms=100, failed=True)
        assert self.blamed(a, fact(2, 1, agent="b", failed=True), fact(3, 1, agent="b", at=20, failed=True)) == "b"

    def test_the_error_of_a_tool_is_its_agents(self) -> None:
        a, b = fact(1, agent="a", failed=True), fact(2, 1, agent="b", failed=True)
        assert self.blamed(a, b, fact(3, 2, operation="execute_tool", failed=True)) == "b"

    def test_what_only_a_fragment_says_is_nobodys_fault(self) -> None:
        assert self.blamed(fact(1, agent="a", failed=True), fact(3, 77, agent="b", failed=True)) == "a"

    def test_the_reason_is_the_error_of_the_deepest_span(self) -> None:
        tree = tree_of(
            fact(1, agent="a", failed=True, detail=SpanDetail(error="upstream")),
            fact(2, 1, agent="b", failed=True, detail=SpanDetail(error="timeout")),
        )
        settled = summary_of(KEY, tree).settled
        assert (settled.error_blame, settled.error_reason) == ("b", "timeout")


def settled_with(*parts: Part, failed: bool = False, error_blame: str = "") -> Settled:
    return Settled(
        trace_id=bytes(16),
        trusted=True,
        agent=parts[0].agent,
        started_at=NOW,
        ended_at=NOW,
        duration_micros=parts[0].duration_micros,
        failed=failed,
        error_blame=error_blame,
        parts=parts,
    )


def part(agent: str, own: int, *, critical: bool = True) -> Part:
    return Part(agent=agent, duration_micros=1_000_000, own_micros=own, critical=critical)


class TestBlame:
    TARGETS = {"a": 100_000, "b": 200_000, "c": 100_000, "d": 100}  # noqa: RUF012 - read only

    def target_of(self, part: Part) -> int | None:
        return self.TARGETS.get(part.agent)

    @pytest.mark.parametrize(
        ("parts", "expected"),
        [
            ([part("a", 50_000), part("b", 350_000), part("c", 200_000)], "b"),
            ([part("a", 50_000), part("b", 200_000), part("c", 100_000)], "a"),  # none is over: the root's
            ([part("a", 110_000), part("b", 210_000)], "a"),  # both by 10 ms: the first started
            ([part("a", 0), part("d", 900_000, critical=False), part("c", 100_001)], "c"),  # nobody waited for d
            ([part("a", 0), part("unknown", 10**9)], "a"),  # without a target nobody is over it
        ],
        ids=range(5),
    )
    def test_a_slow_whole_is_blamed_on_who_is_furthest_over_its_target(self, parts: list[Part], expected: str) -> None:
        assert blame(settled_with(*parts), slow=True, target_of=self.target_of).agent == expected

    def test_an_error_comes_before_slowness(self) -> None:
        settled = settled_with(part("a", 0), part("b", 10**9), failed=True, error_blame="c")
        assert blame(settled, slow=True, target_of=self.target_of).agent == "c"

    def test_what_is_bad_without_error_or_slowness_is_the_roots(self) -> None:
        assert blame(settled_with(part("a", 0), part("b", 10**9)), slow=False, target_of=self.target_of).agent == "a"

    def test_the_reason_says_by_how_much(self) -> None:
        found = blame(settled_with(part("a", 0), part("b", 1_200_000)), slow=True, target_of=self.target_of)
        assert "1000 ms" in found.reason


class OneSecond:
    """Everybody promises a second."""

    def is_late(self, settled: Settled) -> bool:
        return settled.duration_micros > 1_000_000

    def target_of(self, part: Part) -> int | None:
        return 1_000_000


class TestLateWork:
    def test_late_work_is_blamed_on_who_took_longest_and_shown_to_whom_it_concerns(self) -> None:
        tree = tree_of(
            fact(1, agent="a", ms=4_000),
            fact(2, 1, agent="b", at=100, ms=3_500),
            fact(3, 2, agent="c", at=200, ms=3_000),
        )
        summary = summary_of(KEY, tree)
        assert summary.blamed == ""
        late = summary.with_late_blamed(OneSecond())
        assert (late.blamed, late.blamed_span) == ("c", 3)
        seen = {agent: late.seen_by(agent) for agent in "abc"}
        assert {agent: each and each.blamed for agent, each in seen.items()} == {"a": "", "b": "", "c": "c"}

    def test_an_error_is_blamed_before_time(self) -> None:
        tree = tree_of(fact(1, agent="a", ms=4_000, failed=True), fact(2, 1, agent="b", at=100, ms=3_500))
        assert summary_of(KEY, tree).with_late_blamed(OneSecond()).blamed == "a"

    def test_what_is_in_time_is_nobodys_fault(self) -> None:
        assert summary_of(KEY, tree_of(fact(1, agent="a", ms=1_000))).with_late_blamed(OneSecond()).blamed == ""


class TestSums:
    def test_what_was_stated_and_what_nobody_has_a_price_for(self) -> None:
        stated = SpanDetail(stated_cost_nanos=2_000, stated_currency="EUR")
        tree = tree_of(
            fact(1, agent="a", ms=100),
            fact(2, 1, operation="chat", model="m", at=10, tokens=(9, 1), detail=stated),
            fact(3, 1, agent="b", at=50),
            fact(4, 3, operation="chat", model="unheard of", at=50, tokens=(5, 1)),
        )
        a, b = tree.every_hop
        assert a.exclusive == Used(9, 1, 0, 2_000, "EUR", 0)
        assert b.exclusive == Used(5, 1, 0, 0, "", 1)
        assert a.inclusive == tree.used == Used(14, 2, 0, 2_000, "EUR", 1)
        assert [step.used.unknown_cost_calls for step in b.steps] == [1]

    def test_several_currencies_have_no_sum(self) -> None:
        euros, dollars = Used(1, 0, 0, 5, "EUR", 0), Used(2, 0, 0, 7, "USD", 1)
        assert euros.plus(euros) == Used(2, 0, 0, 10, "EUR", 0)
        assert euros.plus(dollars) == Used(3, 0, 0, 0, MIXED, 1)
        assert euros.plus(dollars).plus(euros).currency == MIXED
        assert euros.plus(Used()) == euros == Used().plus(euros)

    def test_an_agents_share_is_what_its_topmost_hops_include(self) -> None:
        tree = tree_of(
            fact(1, agent="a", ms=100, tokens=(60, 0)),
            fact(2, 1, agent="b", at=10, tokens=(30, 0)),
            fact(3, 2, agent="a", at=12, tokens=(20, 0)),
            fact(4, 1, agent="b", at=50, tokens=(10, 0)),
        )
        shares = {share.agent: (share.used.input_tokens, share.spans) for share in summary_of(KEY, tree).shares}
        assert shares == {"a": (60, 4), "b": (40, 3)}
