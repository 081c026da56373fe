"""Which of several spans without a parent is the root: the one in which somebody else tells of the call."""

from ringfence_telemetry.prices.book import NO_PRICES
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.spans import SpanFact
from ringfence_telemetry.workflows.hops import Tree
from ringfence_telemetry.workflows.kept_traces import Entered, TraceRead
from ringfence_telemetry.workflows.tree import grow
from support.telemetry.traces import fact

GATEWAY = Reporter(principal="gateway", agents=("a", "b", "c"))
ITSELF, CALLED = (Reporter(principal=name, agents=(name,)) for name in ("b", "c"))


def tree_of(*told: tuple[Reporter, SpanFact]) -> Tree:
    tree = grow(TraceRead([Entered(reporter, [one], NO_PRICES) for reporter, one in told]), trusted=True)
    assert tree is not None
    return tree


SEEN = GATEWAY, fact(1, agent="b", failed=True)
OWN = ITSELF, fact(9, agent="b", at=-5)
BENEATH_ITS_OWN = CALLED, fact(10, 9, agent="c")


def test_what_an_agent_says_of_itself_comes_behind_who_saw_it_called() -> None:
    for told in ([SEEN, OWN], [OWN, SEEN], [OWN, BENEATH_ITS_OWN, SEEN]):  # more agents beneath make it no root
        tree = tree_of(*told)
        assert (tree.hops[0].reporter, tree.failed) == ("gateway", True)


def test_of_two_that_were_seen_it_is_the_one_with_more_agents_beneath() -> None:
    tree = tree_of(SEEN, (GATEWAY, fact(2, agent="a", at=1)), (GATEWAY, fact(3, 2, agent="c", at=2)))
    assert [hop.agent for hop in tree.hops] == ["a", "b"]


def test_where_nobody_saw_it_an_agents_own_word_stands() -> None:
    assert [hop.agent for hop in tree_of(BENEATH_ITS_OWN, OWN).hops] == ["b"]
