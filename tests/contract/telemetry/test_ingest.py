"""Spans in: durable before answered, counted exactly once whatever fails, and the equation holds to the item."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant, ManualClock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_telemetry.config import UsageConfig
from ringfence_telemetry.errors import IngestOverloaded
from ringfence_telemetry.housekeeping import Housekeeping
from ringfence_telemetry.ingest import STORE_RETRY
from ringfence_telemetry.labels import OVERFLOW, LabelLimits
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.store import TraceKey
from ringfence_telemetry.usage import UNATTRIBUTED, Counts
from ringfence_telemetry.usage_query import UsageGroup, UsageQuery
from support.backends import Backend
from support.telemetry.ingesting import Ingesting, ingesting
from support.telemetry.opened import OpenedStore, opened_store
from support.telemetry.spans import NOW, SpanSpec

AGENT = "did:web:agents.example:a"
VICTIM = "did:web:agents.example:victim"
OWN = Reporter(principal=AGENT, agents=(AGENT,))


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


def call(
    name: int, parent: int = 0, *, tokens: int = 10, agent: str = "", trace: int = 1, start: int = NOW
) -> SpanSpec:
    attributes: dict[str, str | int | float | bool | bytes | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": tokens,
    }
    if agent:
        attributes["gen_ai.agent.id"] = agent
    return SpanSpec(name, parent, attributes, trace=trace, start_ms=start)


def tokens(totals: dict[tuple[str, ...], Counts]) -> dict[tuple[str, str], int]:
    """Return input tokens by agent and trust."""
    found: dict[tuple[str, str], int] = {}
    for key, counts in totals.items():
        place = key[0], key[-1]
        found[place] = found.get(place, 0) + counts.input_tokens
    return found


async def settled() -> None:
    """Let everything that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def catch_up(at_work: Ingesting, clock: ManualClock) -> None:
    """Let the store be tried again and again until everything is in the totals."""
    catching_up = asyncio.ensure_future(at_work.ingest.caught_up())
    while not catching_up.done():
        clock.advance(STORE_RETRY)
        await asyncio.wait({catching_up}, timeout=0.01)


async def test_spans_are_counted_and_the_equation_holds(opened: OpenedStore, tmp_path: Path) -> None:
    async with ingesting(opened, tmp_path) as at_work:
        assert await at_work.send([call(1, agent=AGENT), call(2, 1, tokens=4)]) == 0
        assert await at_work.send([call(3, 1, tokens=5), call(3, 1, tokens=5), call(2, 1, tokens=4)]) == 0
        assert tokens(await at_work.totals()) == {(AGENT, "trusted"): 10}
        counts = at_work.counts
        assert (counts.received, counts.acknowledged, counts.rolled_up, counts.duplicates) == (5, 5, 3, 2)
        assert (at_work.admission.items, at_work.admission.bytes) == (0, 0)
        at_work.assert_conserved()


async def test_items_that_are_no_spans_are_rejected_and_the_others_kept(opened: OpenedStore, tmp_path: Path) -> None:
    backwards = SpanSpec(9, start_ms=NOW, duration_ms=-1)
    async with ingesting(opened, tmp_path) as at_work:
        assert await at_work.send([call(1), backwards, backwards]) == 2
        assert await at_work.send([backwards]) == 1
        assert await at_work.send([]) == 0
        await at_work.ingest.caught_up()
        assert at_work.counts.rejected == 3
        at_work.assert_conserved()
    async with ingesting(opened, tmp_path) as at_work:
        assert at_work.counts.rejected == 2  # of requests that reached the log
        at_work.assert_conserved()


async def test_what_was_accepted_before_a_crash_is_counted_after_it(opened: OpenedStore, tmp_path: Path) -> None:
    with suppress(ZeroDivisionError):
        async with ingesting(opened, tmp_path) as at_work:
            await at_work.send([call(1, agent=AGENT, tokens=7)])
            await at_work.ingest.caught_up()
            at_work.writer.away = True
            for name in range(2, 12):
                await at_work.send([call(name, 1, tokens=1)])
            assert at_work.counts.pending == 10
            raise ZeroDivisionError
    async with ingesting(opened, tmp_path) as at_work:
        counts = at_work.counts
        assert (counts.received, counts.acknowledged, counts.rolled_up, counts.pending) == (11, 11, 11, 0)
        assert tokens(await at_work.totals()) == {(AGENT, "trusted"): 10}
        at_work.assert_conserved()


async def test_a_store_that_is_away_delays_the_counting_not_the_accepting(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock) as at_work:
        at_work.writer.away = True
        await at_work.send([call(1)])
        await settled()
        assert at_work.counts.pending == 1
        at_work.writer.away = False
        await catch_up(at_work, clock)
        assert tokens(await at_work.totals()) == {(UNATTRIBUTED, "trusted"): 10}
        at_work.assert_conserved()


async def test_an_answer_that_was_lost_counts_nothing_twice(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock) as at_work:
        at_work.writer.mute = 1
        await at_work.send([call(1), call(2, 1)])
        await catch_up(at_work, clock)
        await at_work.send([call(2, 1), call(3, 1)])
        assert tokens(await at_work.totals()) == {(UNATTRIBUTED, "trusted"): 20}
        assert (at_work.counts.rolled_up, at_work.counts.duplicates) == (3, 1)
        at_work.assert_conserved()


async def test_a_full_queue_holds_then_refuses_and_counts_it(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock, queue_spans=5) as at_work:
        at_work.writer.away = True
        await at_work.send([call(name) for name in range(1, 5)])
        held = asyncio.ensure_future(at_work.send([call(11), call(12)]))
        await settled()
        assert not held.done()
        clock.advance(Millis(2 * SECOND))
        with pytest.raises(IngestOverloaded):
            await held
        assert at_work.counts.refused == 2
        at_work.assert_conserved()
        at_work.writer.away = False
        await catch_up(at_work, clock)
        await at_work.send([call(11), call(12)])
        assert sum(counts.spans for counts in (await at_work.totals()).values()) == 6
        at_work.assert_conserved()


async def test_a_sender_that_leaves_while_held_is_refused(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock, queue_spans=1) as at_work:
        at_work.writer.away = True
        await at_work.send([call(1)])
        held = asyncio.ensure_future(at_work.send([call(2)]))
        await settled()
        held.cancel()
        await settled()
        assert at_work.counts.refused == 1
        at_work.assert_conserved()
        at_work.writer.away = False
        await catch_up(at_work, clock)


async def test_a_disk_that_is_nearly_full_refuses_at_once(opened: OpenedStore, tmp_path: Path) -> None:
    async with ingesting(opened, tmp_path, free_bytes_least=2**60) as at_work:
        with pytest.raises(IngestOverloaded, match="disk is nearly full"):
            await at_work.send([call(1)])
        assert at_work.counts.refused == 1
        at_work.assert_conserved()


async def test_a_log_that_cannot_be_written_refuses_and_gives_the_room_back(
    opened: OpenedStore, tmp_path: Path
) -> None:
    directory = tmp_path / "log"
    async with ingesting(opened, directory) as at_work:
        directory.rename(tmp_path / "gone")
        with pytest.raises(Unavailable, match="cannot be written"):
            await at_work.send([call(1)])
        assert (at_work.counts.refused, at_work.admission.items) == (1, 0)
        at_work.assert_conserved()
        (tmp_path / "gone").rename(directory)
        await at_work.send([call(1)])
        assert tokens(await at_work.totals()) == {(UNATTRIBUTED, "trusted"): 10}


async def test_usage_reported_for_somebody_else_is_kept_apart(opened: OpenedStore, tmp_path: Path) -> None:
    async with ingesting(opened, tmp_path) as at_work:
        await at_work.send([call(1, agent=VICTIM, tokens=50)])
        # The attacker knows the victim's trace and span ids: it may neither charge it, nor take its spans' place.
        await at_work.send(
            [call(1, agent=VICTIM, tokens=10**9), call(2, 1, agent=VICTIM, tokens=10**6), call(3, 1, tokens=7)],
            reporter=OWN,
        )
        await at_work.send([call(1, agent=VICTIM, tokens=50), call(4, 1, tokens=2)])
        assert tokens(await at_work.totals()) == {
            (VICTIM, "trusted"): 43,  # what its wrapper states, less the 7 of the child that is the attacker's own
            (AGENT, "trusted"): 7,
            (VICTIM, "untrusted"): 10**9,
        }
        at_work.assert_conserved()


async def test_ids_guessed_in_advance_cannot_suppress_a_span(opened: OpenedStore, tmp_path: Path) -> None:
    async with ingesting(opened, tmp_path) as at_work:
        await at_work.send([call(1, agent=VICTIM, tokens=0)], reporter=OWN)
        await at_work.send([call(1, agent=VICTIM, tokens=50)])
        assert tokens(await at_work.totals())[VICTIM, "trusted"] == 50


async def test_two_replicas_share_traces_and_count_each_span_once(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        ingesting(opened, tmp_path / "one", clock=clock) as one,
        ingesting(opened, tmp_path / "other", clock=clock) as other,
    ):
        await one.send([call(2, 1, tokens=6)])
        await one.ingest.caught_up()
        await other.send([call(1, agent=AGENT, tokens=6), call(2, 1, tokens=6)])
        await other.ingest.caught_up()
        await one.send([call(3, 1, tokens=1), call(1, agent=AGENT, tokens=6)])
        await catch_up(one, clock)
        assert tokens(await one.totals()) == {(AGENT, "trusted"): 7}
        assert [at_work.counts.rolled_up for at_work in (one, other)] == [2, 1]
        assert [at_work.counts.duplicates for at_work in (one, other)] == [1, 1]
        for at_work in (one, other):
            at_work.assert_conserved()


async def test_traces_that_left_memory_are_read_back(opened: OpenedStore, tmp_path: Path) -> None:
    async with ingesting(opened, tmp_path, spans_in_memory=1) as at_work:
        for trace in range(1, 6):
            await at_work.send([call(2, 1, tokens=3, trace=trace)])
            await at_work.ingest.caught_up()
        assert at_work.roll_up.spans_open <= 1
        for trace in range(1, 6):
            await at_work.send([call(1, agent=AGENT, tokens=5, trace=trace), call(2, 1, tokens=3, trace=trace)])
        assert tokens(await at_work.totals()) == {(AGENT, "trusted"): 25}
        assert at_work.counts.duplicates == 5


async def test_a_million_names_are_folded_and_stay_folded_after_a_restart(opened: OpenedStore, tmp_path: Path) -> None:
    limits = LabelLimits(agents=3, sessions=3, models=3)
    spans = [call(name, agent=f"helper {name}", trace=name) for name in range(1, 200)]
    async with ingesting(opened, tmp_path, limits=limits) as at_work:
        await at_work.send(spans)
        totals = await at_work.totals()
        assert {agent for agent, *_ in totals} == {"helper 1", "helper 2", "helper 3", OVERFLOW}
        assert at_work.labels.overflowed == 196
    async with ingesting(opened, tmp_path, limits=limits) as at_work:
        await at_work.send([call(900, agent="helper 900", trace=900), call(901, agent="helper 2", trace=901)])
        totals = await at_work.totals()
        assert {agent for agent, *_ in totals} == {"helper 1", "helper 2", "helper 3", OVERFLOW}


async def test_scopes_whose_parents_leave_children_out(opened: OpenedStore, tmp_path: Path) -> None:
    async with ingesting(opened, tmp_path, exclusive_scopes=frozenset({"odd"})) as at_work:
        await at_work.send([call(1, tokens=4), call(2, 1, tokens=4)], scope="odd")
        await at_work.send([call(1, tokens=4, trace=2), call(2, 1, tokens=4, trace=2)], scope="others")
        assert tokens(await at_work.totals()) == {(UNATTRIBUTED, "trusted"): 12}


async def test_a_large_request_is_worked_off_in_slices(opened: OpenedStore, tmp_path: Path) -> None:
    async with ingesting(opened, tmp_path) as at_work:
        await at_work.send([call(name, max(0, name - 1), tokens=1) for name in range(1, 5_001)])
        assert tokens(await at_work.totals()) == {(UNATTRIBUTED, "trusted"): 1}
        assert at_work.counts.rolled_up == 5_000


async def test_malformed_counts_are_reported(opened: OpenedStore, tmp_path: Path) -> None:
    async with ingesting(opened, tmp_path) as at_work:
        await at_work.send(
            [SpanSpec(1, attributes={"gen_ai.usage.input_tokens": -5, "gen_ai.usage.output_tokens": "x"})]
        )
        await at_work.ingest.caught_up()
        assert at_work.ingest.counts.malformed_values == 2


async def test_old_usage_is_folded_then_forgotten(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock) as at_work:
        usage = UsageConfig(keep_minutes=Millis(DAY), keep_fives=Millis(2 * DAY), keep_hours=Millis(4 * DAY))
        housekeeping = Housekeeping(
            at_work.writer, at_work.ingest, at_work.labels, keep_raw=Millis(3 * DAY), usage=usage, clock=clock
        )

        async def minutes() -> set[int]:
            query = UsageQuery(group_by=(UsageGroup.TIME, UsageGroup.OPERATION))
            return {int(row.groups[0]) % 60 for row in await opened.store.usage(query)}

        clock.advance(Millis(13 * MINUTE))
        await at_work.send([call(1, agent=AGENT, start=clock.now())])
        await at_work.ingest.caught_up()
        found = []
        for _ in range(9):
            await housekeeping.tidy()
            found.append(await minutes())
            clock.advance(Millis(DAY + HOUR))
        # Forgotten by whole four days: never earlier than asked for, and up to four days later.
        kept = found.index(set())
        assert found == [{13}, {10}, *[{0}] * (kept - 2), *[set[int]()] * (9 - kept)]
        assert 5 <= kept < 9


async def test_what_is_old_is_forgotten_and_totals_stay(opened: OpenedStore, tmp_path: Path) -> None:
    clock = ManualClock()
    async with ingesting(opened, tmp_path, clock=clock) as at_work:
        housekeeping = Housekeeping(
            at_work.writer, at_work.ingest, at_work.labels, keep_raw=Millis(3 * DAY), usage=UsageConfig(), clock=clock
        )
        await at_work.send([call(1, agent=AGENT)])
        await at_work.ingest.caught_up()
        clock.advance(Millis(3 * DAY + HOUR))
        await at_work.send([call(1, agent=AGENT, trace=2, start=clock.now())])
        await at_work.ingest.caught_up()
        before = await at_work.totals()
        await housekeeping.tidy()
        assert await at_work.totals() == before
        kept = await opened.store.kept([TraceKey(trace.to_bytes(16, "big")) for trace in (1, 2)])
        assert len(kept) == 1
        assert await at_work.ingest.forget(received_before=Instant(0)) == 0
