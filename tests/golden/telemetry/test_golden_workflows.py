"""Pieces of work as data: spans as senders send them, and the tree, the blame and the times that are true of them.

Every case comes in the order it is written, backwards, and one span at a time, and is settled; all must be the same.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ringfence_kit.clock import HOUR, ManualClock
from ringfence_telemetry.workflows.hops import Tree
from ringfence_telemetry.workflows.tree import grow
from support.backends import Backend
from support.telemetry.opened import opened_store
from support.telemetry.settling import settling
from support.telemetry.spans import NOW, SpanSpec

CASES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((Path(__file__).parent / "workflows").glob("*.yaml"))
}


def specs(case: dict[str, Any]) -> list[SpanSpec]:
    return [
        SpanSpec(
            span["id"],
            span.get("parent", 0),
            span["attributes"],
            start_ms=NOW + span.get("start", 0),
            duration_ms=span["ms"],
            error=span.get("error", False),
        )
        for span in case["spans"]
    ]


def told(tree: Tree) -> list[str]:
    """Return a tree as the cases write it."""
    lines = []
    waiting = [(hop, 0) for hop in reversed(tree.hops)]
    while waiting:
        hop, depth = waiting.pop()
        line = f"{'  ' * depth}{hop.agent} {hop.own_micros // 1_000} ms own"
        line += f", {hop.exclusive.input_tokens} of {hop.inclusive.input_tokens} tokens"
        line += ", critical" if hop.critical else ""
        line += f", {hop.retries} repeated" if hop.retries else ""
        lines.append(line)
        waiting += [(child, depth + 1) for child in reversed(hop.children)]
    return lines


@pytest.mark.parametrize("order", ["as written", "backwards", "one at a time"])
@pytest.mark.parametrize("name", CASES)
async def test_a_piece_of_work_comes_to_what_is_true(name: str, order: str, tmp_path: Path) -> None:
    case, clock = CASES[name], ManualClock()
    spans = specs(case)
    batches = {"as written": [spans], "backwards": [spans[::-1]], "one at a time": [[span] for span in spans[::-1]]}
    async with opened_store(Backend(kind="memory")) as opened, settling(opened, tmp_path, clock=clock) as work:
        for batch in batches[order]:
            await work.at_work.send(batch)
        await work.at_work.ingest.caught_up()
        work.later(HOUR)
        (settled,) = await work.settle()
        (key,) = await opened.store.keys_of(settled.now.trace_id)
        summary = (await opened.store.summaries_of([key]))[key]
        tree = grow((await work.traces.read([key]))[key], trusted=True)
    assert tree is not None
    assert told(tree) == case["tree"]
    assert (settled.now.failed, summary.blamed) == (case["failed"], case["blamed"])
    assert settled.now.error_reason == case.get("reason", settled.now.error_reason)
    assert settled.now.session == case.get("session", "")
    assert summary.used.input_tokens == sum(hop.exclusive.input_tokens for hop in tree.every_hop)


def test_there_are_cases() -> None:
    assert len(CASES) >= 7
