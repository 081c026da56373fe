"""Traces as facts, for tests of what they grow into: one call, one span, in the words of the test."""

from collections.abc import Iterable

from ringfence_telemetry.prices.book import NO_PRICES, Prices
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.spans import SpanDetail, SpanFact, ToolCall
from ringfence_telemetry.workflows.hops import Tree
from ringfence_telemetry.workflows.kept_traces import Entered, TraceRead
from ringfence_telemetry.workflows.tree import grow

from support.telemetry.spans import NOW

COLLECTOR = Reporter(principal="collector", speaks_for_all=True)
MILLI = 1_000_000
"""Nanoseconds."""


def fact(
    span: int,
    parent: int = 0,
    *,
    agent: str = "",
    operation: str = "",
    at: int = 0,
    ms: int = 10,
    tokens: tuple[int, int] = (0, 0),
    failed: bool = False,
    session: str = "",
    model: str = "",
    detail: SpanDetail | None = None,
) -> SpanFact:
    """Return a span that began `at` milliseconds after the trace; an agent without an operation was called."""
    operation = operation or ("invoke_agent" if agent else "")
    return SpanFact(
        span=span,
        parent=parent,
        start=(NOW + at) * MILLI,
        minute=(NOW + at + ms) // 60_000,
        duration_micros=ms * 1_000,
        operation=operation,
        agent=agent,
        session=session,
        model=model,
        tokens=(*tokens, 0, 0, 0),
        is_error=failed,
        tool_call=ToolCall.TOOL if operation == "execute_tool" else ToolCall.NONE,
        exclusive=False,
        detail=detail,
    )


def tree_of(*facts: SpanFact, reporter: Reporter = COLLECTOR, trusted: bool = True) -> Tree:
    """Return the tree that spans of one reporter grow into."""
    return tree_in_parts([facts], reporter=reporter, trusted=trusted)


def tree_in_parts(
    parts: Iterable[Iterable[SpanFact]],
    *,
    reporter: Reporter = COLLECTOR,
    trusted: bool = True,
    prices: Prices = NO_PRICES,
) -> Tree:
    """Return the tree that spans grow into when they came in these parts."""
    tree = grow(TraceRead([Entered(reporter, list(part), prices) for part in parts]), trusted=trusted)
    assert tree is not None
    return tree


def drawn(tree: Tree) -> list[str]:
    """Return the tree as lines: an agent each, indented, with the milliseconds of its own."""
    lines = []
    waiting = [(hop, 0) for hop in reversed(tree.hops)]
    while waiting:
        hop, depth = waiting.pop()
        lines.append(f"{'  ' * depth}{hop.agent} {hop.own_micros // 1_000}")
        waiting += [(child, depth + 1) for child in reversed(hop.children)]
    return lines
