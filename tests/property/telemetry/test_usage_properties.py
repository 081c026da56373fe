"""Usage rules R1 to R5 against a naive oracle, for any trace, order, batching and repetition.

The oracle is written from the rules' wording alone: it looks at the finished set of spans, recurses, and shares nothing
with the ledger but the types of its input and output.
"""

from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import NamedTuple, TypeVar

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import MINUTE, Instant
from ringfence_kit.events import Revision
from ringfence_telemetry.durations import Buckets, bucket_of, merge
from ringfence_telemetry.prices.book import Prices
from ringfence_telemetry.prices.price import Price
from ringfence_telemetry.reporters import Binding, Reporter
from ringfence_telemetry.spans import SpanDetail, SpanFact, Tokens, ToolCall
from ringfence_telemetry.trace_ledger import TraceLedger
from ringfence_telemetry.usage import UNATTRIBUTED, CallerKey, Counts, UsageChange, UsageKey

COLLECTOR = Binding(Reporter(principal="collector", speaks_for_all=True))
GATEWAY = Binding(Reporter(principal="gateway", agents=("did:a", "did:b")))
AGENT = Binding(Reporter(principal="did:a", agents=("did:a",)))

PRICES = Prices(
    Revision(7),
    [
        Price(model="m", effective_at=Instant(0), currency="USD", input_nanos=3_000_001, output_nanos=7, source="a"),
        Price(
            model="m",
            effective_at=Instant(101 * MINUTE),
            currency="USD",
            input_nanos=2_500_000,
            cache_read_nanos=250_000,
            cache_write_nanos=0,
            output_nanos=10_000_000,
        ),
        Price(model="m", provider="other", effective_at=Instant(101 * MINUTE), currency="EUR", output_nanos=10**15),
    ],
)
"""`m` costs otherwise from minute 101 on, and from one provider in another currency; what `x` costs nobody knows."""

Reported = tuple[SpanFact, Binding]


K = TypeVar("K")


class Totals(NamedTuple):
    """What spans come to."""

    usage: dict[UsageKey, Counts]
    durations: dict[UsageKey, Buckets]
    called: dict[CallerKey, Counts]


def oracle(reported: list[Reported], *, trusted: bool = True) -> Totals:
    spans: dict[int, SpanFact] = {}
    bindings: dict[int, Binding] = {}
    own: dict[int, list[int]] = {}
    for fact, binding in reported:
        spans.setdefault(fact.span, fact)
        bindings.setdefault(fact.span, binding)
        own[fact.span] = [max(pair) for pair in zip(own.get(fact.span, fact.tokens), fact.tokens, strict=True)]

    def named_parent(span: int) -> int | None:
        return spans[span].parent if spans[span].parent in spans else None

    def in_cycle(span: int) -> bool:
        at = named_parent(span)
        for _ in spans:
            if at == span:
                return True
            at = None if at is None else named_parent(at)
        return False

    parent = {span: None if in_cycle(span) else named_parent(span) for span in spans}

    @cache
    def ancestors(span: int) -> list[int]:
        above, found = parent[span], []
        while above is not None:
            found.append(above)
            above = parent[above]
        return found

    @cache
    def inclusive(span: int) -> list[int]:
        below = [0] * 5
        for child in spans:
            if parent[child] == span:
                below = [a + b for a, b in zip(below, inclusive(child), strict=True)]
        if spans[span].exclusive:
            return [a + b for a, b in zip(own[span], below, strict=True)]
        return [max(a, b) for a, b in zip(own[span], below, strict=True)]

    @cache
    def charged(span: int) -> list[int]:
        if spans[span].exclusive:
            return own[span]
        below = [0] * 5
        for child in spans:
            if parent[child] == span:
                below = [a + b for a, b in zip(below, inclusive(child), strict=True)]
        return [max(0, a - b) for a, b in zip(own[span], below, strict=True)]

    def agent(span: int) -> str:
        if spans[span].agent:
            return spans[span].agent
        for above in ancestors(span):
            if spans[above].agent:
                believed = not trusted or bindings[span].may_name(spans[above].agent)
                return spans[above].agent if believed else UNATTRIBUTED
        return UNATTRIBUTED

    naming = [fact for fact in spans.values() if fact.session]
    of_trace = min(naming, key=lambda fact: (fact.start, fact.span)).session if naming else ""

    def handed_down(span: int) -> str | None:
        return next((spans[at].agent for at in [span, *ancestors(span)] if spans[at].agent), None)

    def session(span: int) -> str:
        return next((spans[at].session for at in [span, *ancestors(span)] if spans[at].session), of_trace)

    def calls(span: int) -> int:
        if spans[span].tool_call is not ToolCall.MCP:
            return int(spans[span].tool_call is ToolCall.TOOL)
        meaningful = [at for at in ancestors(span) if spans[at].operation not in ("", "chain", "task", "other")]
        return int(not meaningful or spans[meaningful[0]].tool_call is ToolCall.NONE)

    def team(span: int) -> str:
        return next((d.team for at in [span, *ancestors(span)] if (d := spans[at].detail) and d.team), "")

    def bill(span: int) -> tuple[str, int, int, int]:
        """Currency, cost, what of it was stated, and whether it is unknown."""
        fact, detail = spans[span], spans[span].detail or SpanDetail()
        beneath = [sum(inclusive(child)) for child in spans if parent[child] == span]
        if detail.stated_currency == "USD" and (fact.exclusive or not sum(beneath)):
            return "USD", detail.stated_cost_nanos, detail.stated_cost_nanos, 0
        if not any(charged(span)):
            return "", 0, 0, 0
        if fact.model != "m":
            return "", 0, 0, 1
        input_, output, read, write, _ = charged(span)
        fresh = max(0, input_ - read - write)
        if fact.minute == 100:
            millionths, currency = (fresh + read + write) * 3_000_001 + output * 7, "USD"
        elif detail.provider == "other":
            millionths, currency = output * 10**15, "EUR"
        else:
            millionths, currency = fresh * 2_500_000 + read * 250_000 + output * 10_000_000, "USD"
        return currency, int(Fraction(millionths, 10**6) + Fraction(1, 2)), 0, 0

    sums, called, durations = (
        Counter[tuple[UsageKey, str]](),
        Counter[tuple[CallerKey, str]](),
        dict[UsageKey, Buckets](),
    )
    for span, fact in spans.items():
        detail, (currency, cost, stated, unknown) = fact.detail or SpanDetail(), bill(span)
        outcome = "cancelled" if detail.cancelled else "error" if fact.is_error else "ok"
        labels = (detail.tool, team(span), outcome, currency)
        key = UsageKey(fact.minute, agent(span), session(span), fact.model, fact.operation, not trusted, *labels)
        money = (int(detail.attempt > 0), unknown, cost, stated)
        counts = Counts._make([1, int(fact.is_error), *charged(span), calls(span), fact.duration_micros, *money])
        merge(durations.setdefault(key, {}), {bucket_of(fact.duration_micros): 1})
        above = {name for at in ancestors(span) if (name := handed_down(at)) is not None} - {
            key.agent,
            handed_down(span),
        }
        for name, count in counts._asdict().items():
            sums[key, name] += count
            for caller in above:
                called[CallerKey(fact.minute, str(caller), not trusted, currency), name] += count
    return Totals(_joined(sums), durations, _joined(called))


def _joined(sums: Counter[tuple[K, str]]) -> dict[K, Counts]:
    return {key: Counts(**{name: sums[key, name] for name in Counts._fields}) for key in {key for key, _ in sums}}


DETAILS = st.builds(
    SpanDetail,
    tool=st.sampled_from(["", "search"]),
    team=st.sampled_from(["", "", "red", "blue"]),
    provider=st.sampled_from(["", "other"]),
    cancelled=st.booleans(),
    attempt=st.integers(0, 2),
    stated_cost_nanos=st.integers(0, 10**13),
    stated_currency=st.sampled_from(["", "", "USD", "XYZ"]),
)


@st.composite
def facts(draw: st.DrawFn) -> SpanFact:
    operation, tool_call = draw(
        st.sampled_from(
            [
                ("", ToolCall.NONE),
                ("chat", ToolCall.NONE),
                ("chain", ToolCall.NONE),
                ("invoke_agent", ToolCall.NONE),
                ("execute_tool", ToolCall.TOOL),
                ("execute_tool", ToolCall.MCP),
            ]
        )
    )
    span = draw(st.integers(1, 14))
    parent = draw(st.integers(0, 16))
    return SpanFact(
        span=span,
        parent=0 if parent == span else parent,
        start=draw(st.integers(0, 5)),
        minute=draw(st.sampled_from([100, 101])),
        duration_micros=draw(st.integers(0, 9)),
        operation=operation,
        agent=draw(st.sampled_from(["", "", "did:a", "did:b", "helper"])),
        session=draw(st.sampled_from(["", "", "", "s1", "s2"])),
        model=draw(st.sampled_from(["", "m", "m", "x"])),
        tokens=draw(st.sampled_from([(0, 0, 0, 0, 0), (10, 2, 0, 0, 0), (25, 5, 3, 1, 2), (7, 0, 7, 0, 0)])),
        is_error=draw(st.booleans()),
        tool_call=tool_call,
        exclusive=draw(st.sampled_from([False, False, False, True])),
        detail=draw(st.none() | DETAILS),
    )


@st.composite
def traces(draw: st.DrawFn) -> list[Reported]:
    """Spans with distinct ids, each with its reporter; parents may be missing, above, below, or in a circle."""
    distinct = draw(st.lists(facts(), max_size=14, unique_by=lambda fact: fact.span))
    return [(fact, draw(st.sampled_from([COLLECTOR, GATEWAY, AGENT]))) for fact in distinct]


def totals_of(*changes: UsageChange) -> Totals:
    durations: dict[UsageKey, Buckets] = {}
    for change in changes:
        for key, buckets in change.durations().items():
            merge(durations.setdefault(key, {}), buckets)
    return Totals(
        _summed([change.sums() for change in changes]),
        {key: buckets for key, buckets in durations.items() if buckets},
        _summed([change.called() for change in changes]),
    )


def _summed(changes: list[dict[K, Counts]]) -> dict[K, Counts]:
    sums: Counter[tuple[K, str]] = Counter()
    for change in changes:
        for key, counts in change.items():
            for name, count in counts._asdict().items():
                sums[key, name] += count
    return {key: counts for key, counts in _joined(sums).items() if any(counts)}


def enter(ledger: TraceLedger, batch: list[Reported]) -> UsageChange:
    change = UsageChange()
    for fact, binding in batch:
        ledger.add([fact], binding, change, PRICES)
    return change


def cut(items: list[Reported], places: list[int]) -> list[list[Reported]]:
    edges = [0, *sorted(place % (len(items) + 1) for place in places), len(items)]
    return [items[first:last] for first, last in pairwise(edges)]


@settings(max_examples=400)
@given(traces(), st.data(), st.booleans())
def test_any_order_batching_and_repetition_gives_the_oracles_totals(
    trace: list[Reported], data: st.DataObject, trusted: bool
) -> None:
    repeated = trace + data.draw(st.lists(st.sampled_from(trace), max_size=6)) if trace else []
    shuffled = data.draw(st.permutations(repeated))
    ledger, change = TraceLedger(trusted=trusted), UsageChange()
    entered = 0
    for batch in cut(shuffled, data.draw(st.lists(st.integers(0, 30), max_size=4))):
        for binding in (COLLECTOR, GATEWAY, AGENT):  # a request has one reporter
            spans = [fact for fact, reporter in batch if reporter is binding]
            added = ledger.add(spans, binding, change, PRICES)
            entered += len(spans) - added.duplicates
    assert totals_of(change) == oracle(trace, trusted=trusted)
    assert entered == len(trace) == len(ledger)


@given(traces(), st.data())
def test_no_total_is_ever_negative_on_the_way(trace: list[Reported], data: st.DataObject) -> None:
    ledger, changes = TraceLedger(trusted=True), list[UsageChange]()
    for reported in data.draw(st.permutations(trace)):
        changes.append(enter(ledger, [reported]))
        totals = totals_of(*changes)
        assert all(count >= 0 for each in (totals.usage, totals.called) for counts in each.values() for count in counts)
        assert all(count >= 0 for buckets in totals.durations.values() for count in buckets.values())


@given(traces(), st.data())
def test_a_ledger_built_again_from_what_it_kept_goes_on_the_same(trace: list[Reported], data: st.DataObject) -> None:
    order = data.draw(st.permutations(trace))
    middle = data.draw(st.integers(0, len(order)))
    ledger, before = TraceLedger(trusted=True), UsageChange()
    kept = [
        (fact, binding)
        for reported, binding in order[:middle]
        for fact in ledger.add([reported], binding, before, PRICES).kept
    ]
    restored = TraceLedger(trusted=True)
    enter(restored, kept)
    after = enter(restored, order[middle:])
    assert totals_of(before, after) == oracle(trace)


MORE_TOKENS: st.SearchStrategy[Tokens] = st.tuples(*[st.integers(0, 40)] * 5)


@given(traces().filter(len), st.data())
def test_a_repeated_span_that_states_other_usage_counts_with_the_larger_one(
    trace: list[Reported], data: st.DataObject
) -> None:
    # One collector saw the span with its usage and another without: which came first must not matter.
    versions = [
        (msgspec.structs.replace(fact, tokens=tokens), binding)
        for fact, binding in trace
        for tokens in data.draw(st.lists(MORE_TOKENS, min_size=1, max_size=3))
    ]
    ledger, kept = TraceLedger(trusted=True), list[Reported]()
    change = UsageChange()
    for fact, binding in data.draw(st.permutations(versions)):
        kept += [(k, binding) for k in ledger.add([fact], binding, change, PRICES).kept]
    assert totals_of(change) == oracle(versions)
    assert totals_of(enter(TraceLedger(trusted=True), kept)) == oracle(versions)


@given(traces())
def test_trace_totals_are_what_its_roots_include(trace: list[Reported]) -> None:
    # R1 in one line: what is charged over a trace is what its roots include; nothing is lost and nothing counted twice.
    change = enter(TraceLedger(trusted=True), trace)
    charged = sum(counts.input_tokens for counts in change.sums().values())
    stated = sum(fact.tokens[0] for fact, _ in trace)
    largest = max((fact.tokens[0] for fact, _ in trace), default=0)
    assert largest <= charged <= stated
