"""Ingest against crashes at any moment: the totals are those of a run without crashes, and nothing is counted twice."""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_telemetry.usage import Counts
from support.backends import Backend
from support.telemetry.ingesting import ingesting
from support.telemetry.opened import opened_store
from support.telemetry.spans import SpanSpec


class Killed(Exception):  # noqa: N818 - what happened
    """The process ended here."""


@st.composite
def spans(draw: st.DrawFn) -> SpanSpec:
    attributes: dict[str, str | int | float | bool | bytes | None] = {
        "gen_ai.usage.input_tokens": draw(st.integers(-1, 20)),
        "gen_ai.operation.name": draw(st.sampled_from(["chat", "execute_tool"])),
    }
    agent = draw(st.sampled_from(["", "", "a", "b"]))
    if agent:
        attributes["gen_ai.agent.name"] = agent
    # The same span always says the same: what a sender repeats after a crash is what it sent before.
    name, trace = draw(st.integers(1, 8)), draw(st.integers(1, 2))
    return SpanSpec(name, (name * 3 + trace) % 9, attributes, trace=trace, duration_ms=draw(st.sampled_from([1, -1])))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[list[SpanSpec], str]]:
    """Requests, each with what happens after it: nothing, or the process is killed, before or after it was counted."""
    distinct = draw(st.lists(spans(), min_size=1, max_size=10, unique_by=lambda span: (span.name, span.trace)))
    requests = draw(st.lists(st.lists(st.sampled_from(distinct), max_size=5), min_size=1, max_size=6))
    fates = st.sampled_from(["goes on", "goes on", "killed before it is counted", "killed after it is counted"])
    return [(request, draw(fates)) for request in requests]


async def play(history: list[tuple[list[SpanSpec], str]], *, with_kills: bool) -> dict[tuple[str, ...], Counts]:
    rest = list(history)
    with tempfile.TemporaryDirectory() as directory:
        async with opened_store(Backend(kind="memory")) as opened:
            while rest:
                with suppress(Killed):
                    async with ingesting(opened, Path(directory)) as at_work:
                        at_work.assert_conserved()
                        assert at_work.counts.pending == 0
                        while rest:
                            request, fate = rest.pop(0)
                            at_work.writer.away = with_kills and fate == "killed before it is counted"
                            await at_work.send(request)
                            at_work.assert_conserved()
                            if with_kills and fate != "goes on":
                                if fate == "killed after it is counted":
                                    await at_work.ingest.caught_up()
                                raise Killed
            async with ingesting(opened, Path(directory)) as at_work:
                totals = await at_work.totals()
                at_work.assert_conserved()
                assert at_work.counts.rolled_up == sum(counts.spans for counts in totals.values())
                return totals


@settings(max_examples=60, deadline=None)
@given(histories())
def test_kills_at_any_moment_change_no_total(history: list[tuple[list[SpanSpec], str]]) -> None:
    killed = asyncio.run(play(history, with_kills=True))
    assert killed == asyncio.run(play(history, with_kills=False))
