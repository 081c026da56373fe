"""Traces in the shapes that real senders give them, each with the totals that are true: as data, one file a case.

Every case is counted in the order it is written, backwards, and one span at a time; all must come to the same.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ringfence_telemetry.usage import Counts
from ringfence_telemetry.usage_query import UsageGroup, UsageQuery
from support.backends import Backend
from support.telemetry.ingesting import ingesting
from support.telemetry.opened import opened_store
from support.telemetry.spans import NOW, SpanSpec

CASES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((Path(__file__).parent / "traces").glob("*.yaml"))
}


def specs(case: dict[str, Any]) -> list[SpanSpec]:
    return [
        SpanSpec(
            span["id"],
            span.get("parent", 0),
            span["attributes"],
            start_ms=NOW + span.get("start", 0),
            duration_ms=0,
            error=span.get("error", False),
        )
        for span in case["spans"]
    ]


@pytest.mark.parametrize("order", ["as written", "backwards", "one at a time"])
@pytest.mark.parametrize("name", CASES)
async def test_a_trace_comes_to_its_true_totals(name: str, order: str, tmp_path: Path) -> None:
    case = CASES[name]
    spans = specs(case)
    batches = {"as written": [spans], "backwards": [spans[::-1]], "one at a time": [[span] for span in spans[::-1]]}
    async with opened_store(Backend(kind="memory")) as opened, ingesting(opened, tmp_path) as at_work:
        for batch in batches[order]:
            await at_work.send(batch)
        await at_work.ingest.caught_up()
        for group in UsageGroup:
            expected = case.get(f"by_{group.value}")
            if expected is not None:
                rows = await opened.store.usage(UsageQuery(group_by=(group,)))
                # No prices are known here, so that is all there is to say about cost.
                assert {row.groups[0]: row.counts._replace(unknown_cost_calls=0) for row in rows} == {
                    label: Counts(**counts) for label, counts in expected.items()
                }


def test_there_are_cases_and_each_expects_something() -> None:
    assert len(CASES) >= 21
    for case in CASES.values():
        assert any(key.startswith("by_") for key in case)
