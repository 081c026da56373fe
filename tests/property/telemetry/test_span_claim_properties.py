"""However agents take each other's span ids, each is charged what it says itself, in whatever order it is heard."""

from collections import defaultdict
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from ringfence_telemetry.reporters import Binding, Reporter
from ringfence_telemetry.span_claims import PLACED_ANEW_MAX, Claims
from ringfence_telemetry.spans import SpanFact, ToolCall
from ringfence_telemetry.trace_ledger import TraceLedger
from ringfence_telemetry.usage import UsageChange

AGENTS = ("did:web:a", "did:web:b", "did:web:c")
STARTS = {agent: 1_000_000 * number for number, agent in enumerate(AGENTS, start=1)}
"""When an agent's spans start: the others do not know it."""

SPAN_IDS = st.integers(1, 5)
TOLD = st.lists(
    st.tuples(st.sampled_from(AGENTS), SPAN_IDS, SPAN_IDS | st.just(0), st.integers(0, 50)),
    max_size=14,
    unique_by=lambda told: told[:2],
)


def fact(agent: str, span: int, parent: int, tokens: int) -> SpanFact:
    return SpanFact(
        span=span,
        parent=0 if parent == span else parent,
        start=STARTS[agent],
        minute=1,
        duration_micros=1,
        operation="chat",
        agent=agent,
        session="",
        model="m",
        tokens=(tokens, 0, 0, 0, 0),
        is_error=False,
        tool_call=ToolCall.NONE,
        exclusive=False,
    )


def bound(agent: str) -> Binding:
    return Binding(Reporter(principal=agent, agents=(agent,)))


def charged(ledger: TraceLedger) -> dict[str, tuple[int, int]]:
    """Return the spans and tokens that each agent is charged."""
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for charge in ledger.charges():
        spans, tokens = found[charge.agent]
        found[charge.agent] = spans + 1, tokens + charge.tokens[0]
    return dict(found)


def ledger_of(told: list[tuple[str, int, int, int]]) -> tuple[TraceLedger, UsageChange]:
    ledger, change = TraceLedger(trusted=True), UsageChange()
    for agent, *rest in told:
        ledger.add([fact(agent, *rest)], bound(agent), change)
    return ledger, change


@given(TOLD, st.randoms())
def test_every_agent_is_charged_as_if_it_were_alone(told: list[tuple[str, int, int, int]], random: Random) -> None:
    said = {(agent, span) for agent, span, _, _ in told}
    # A parent is one of its own, or none: what hangs beneath another's is another's business.
    told = [(agent, span, parent if (agent, parent) in said else 0, tokens) for agent, span, parent, tokens in told]
    alone: dict[str, tuple[int, int]] = {}
    for agent in AGENTS:
        alone |= charged(ledger_of([each for each in told if each[0] == agent])[0])
    random.shuffle(told)
    ledger, change = ledger_of(told)
    assert charged(ledger) == alone
    again = [fact(*each) for each in told]
    for one in again:
        assert ledger.add([one], bound(one.agent), change).duplicates == 1
    assert charged(ledger) == alone
    assert sum(counts[0] for counts in change.sums().values()) == len(told)


def test_ids_are_divided_so_often_and_no_oftener() -> None:
    claims, times = Claims(), 0
    for span in range(1, 200):
        claims.beside(fact(AGENTS[0], span, 0, 1), bound(AGENTS[0]), {}, room=True)
        times += claims.take_new(span)
    assert times == 64
    assert not Claims().take_new(1)


def test_a_very_large_trace_is_not_placed_anew() -> None:
    claims = Claims()
    claims.beside(fact(AGENTS[0], 1, 0, 1), bound(AGENTS[0]), {}, room=True)
    assert not claims.take_new(PLACED_ANEW_MAX + 1)


def test_those_claimed_later_count_too() -> None:
    told = [(agent, span, 0, 1) for span in range(1, 101) for agent in AGENTS[:2]]
    ledger, change = ledger_of(told)
    assert charged(ledger) == {AGENTS[0]: (100, 100), AGENTS[1]: (100, 100)}
    assert sum(counts[0] for counts in change.sums().values()) == 200


def test_a_full_trace_remembers_nothing_more() -> None:
    ledger, change = TraceLedger(trusted=True, spans_max=1), UsageChange()
    ledger.add([fact(AGENTS[0], 1, 0, 1)], bound(AGENTS[0]), change)
    for _ in range(3):
        assert ledger.add([fact(AGENTS[1], 1, 0, 1)], bound(AGENTS[1]), change).unrelated == 1
    assert ledger._claims.take_new(1) is False
    assert charged(ledger) == {AGENTS[0]: (1, 1)}
