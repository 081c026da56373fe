"""What is measured by itself, after the stage: rows 12 to 15 and 18 to 20, each in processes of its own.

A new row of this kind is one entry of `APART` and its figure in `targets.py`. What no part of the project makes yet
stands in `ABSENT`, with the reason the table gives instead of a number.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cold_start
import durable_writes
import policy_reload
import registry_scale
import registry_watchers
import stopping
import telemetry_ingest
from stage import CARDS, Plan, put_cards

Measure = Callable[[Plan, Path], Awaitable[Mapping[str, Sequence[float]]]]

ABSENT: Mapping[str, str] = {
    "cached proof": "a challenge ends with the first proof of it, so no proof is seen twice",
}
"""Series nobody can measure yet, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """One measurement."""

    series: Sequence[str]
    """What it says."""
    measure: Measure


async def registry_reads(plan: Plan, folder: Path) -> Mapping[str, Sequence[float]]:
    """Return the slowest of a hundred lists and searches, in milliseconds."""
    await put_cards(folder / CARDS, plan.cards)
    found = await asyncio.to_thread(registry_scale.measured_apart, folder / CARDS, plan.cards)
    return {"list p99": [found["list_p99_ms"]], "search p99": [found["search_p99_ms"]]}


async def writes(plan: Plan, _: Path) -> Mapping[str, Sequence[float]]:
    """Return microseconds a row, alone and in groups."""
    found = await durable_writes.measure(plan.rounds, rows=512)
    return {"lone write": found["groups of 1"], "grouped write": found["groups"]}


async def watchers(_: Plan, __: Path) -> Mapping[str, Sequence[float]]:
    """Return the slowest of twenty changes, in milliseconds."""
    taken, _spent = await registry_watchers.run(registry_watchers.WATCHERS)
    return {"watchers told": [max(taken)]}


async def spans(_: Plan, __: Path) -> Mapping[str, Sequence[float]]:
    """Return spans stored for each second of CPU."""
    return {"spans": await telemetry_ingest.measure()}


APART: Sequence[Apart] = (
    Apart(series=("list p99", "search p99"), measure=registry_reads),
    Apart(series=("lone write", "grouped write"), measure=writes),
    Apart(series=("watchers told",), measure=watchers),
    Apart(series=("spans",), measure=spans),
    Apart(series=("reload", "reload stall"), measure=policy_reload.measure),
    Apart(series=("killed", "suspended"), measure=stopping.measure),
    Apart(series=("cold start",), measure=cold_start.measure),
    Apart(series=("cold start with cards", "cold start, no checkpoint"), measure=cold_start.measure_with_cards),
)
