"""What judgements and settled traces come to, over memory, SQLite and PostgreSQL, whatever comes first."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from ringfence.proofs.merkle import Frontier, leaf_hash
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_telemetry.durations import bucket_of
from ringfence_telemetry.evaluation.consequences import EvaluationEvents
from ringfence_telemetry.evaluation.counts import Acceptance
from ringfence_telemetry.evaluation.said import LABEL, METRIC, Said, said
from ringfence_telemetry.evaluation.shares import Share
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.roll_up import Rolled
from ringfence_telemetry.store import StoredEntry, TelemetryTx
from support.backends import Backend
from support.telemetry.decisions import body as decision_body
from support.telemetry.judging import DID, OTHER, TRACE, Judging, judgement, part, settled
from support.telemetry.opened import opened_store
from support.telemetry.spans import NOW

SERVICE = Reporter(principal="spiffe://mesh/evaluator", speaks_for_all=True)


@pytest.fixture
async def judging(backend: Backend) -> AsyncIterator[Judging]:
    async with opened_store(backend) as opened:
        yield Judging(opened)


def event(label: str = "pass", *, agent: str = DID, reporter: Reporter = SERVICE, span: bytes = b"") -> Said:
    found = said(
        {METRIC: "accuracy", LABEL: label, "gen_ai.agent.id": agent},
        trace_id=TRACE,
        span_id=span,
        time_unix_nano=NOW * 1_000_000,
        received_at=NOW,
        reporter=reporter,
    )
    assert found is not None
    return found


class TestWork:
    async def test_each_agent_of_a_trace_has_a_piece_of_work(self, judging: Judging) -> None:
        uses = (("chat", 2), ("execute_tool/search", 1))
        await judging.settle(
            settled(part(uses=uses), part(OTHER, span=2, duration_micros=500, failed=True), escalated=True)
        )

        assert await judging.acceptance() == Acceptance(
            escalation=Share(1, 1),
            safe_completion=Share(1, 1),
            durations={bucket_of(1_000_000): 1},
            mix=dict(uses),
            workflows=1,
        )
        assert await judging.acceptance(OTHER) == Acceptance(
            escalation=Share(0, 1), safe_completion=Share(0, 1), durations={bucket_of(500): 1}, workflows=1
        )
        assert await judging.acceptance(version="2") == Acceptance()

    async def test_several_parts_of_one_agent_are_one_piece_of_work(self, judging: Judging) -> None:
        await judging.settle(settled(part(), part(span=2, duration_micros=3_000_000), part(span=3, failed=True)))

        found = await judging.acceptance()
        assert (found.workflows, found.safe_completion) == (1, Share(0, 1))
        assert found.durations == {bucket_of(3_000_000): 1}

    @pytest.mark.parametrize("changes", [{"trusted": False}, {"sampled": True}, {"cancelled": True}])
    async def test_what_is_no_evidence_counts_for_nothing(self, judging: Judging, changes: dict[str, bool]) -> None:
        await judging.settle(settled(**changes))
        assert await judging.acceptance() == Acceptance()

    async def test_what_an_agent_says_of_itself_counts_for_nothing(self, judging: Judging) -> None:
        await judging.settle(settled(part(caller_side=False), part(OTHER, span=2)))

        assert await judging.acceptance() == Acceptance()
        assert (await judging.acceptance(OTHER)).workflows == 1

    async def test_settled_again_it_is_corrected(self, judging: Judging) -> None:
        await judging.settle(settled(part(failed=True), escalated=True))
        await judging.settle(settled(part(version="2", duration_micros=9), part(OTHER)))
        await judging.settle(settled(part(version="2", duration_micros=9), part(OTHER)))

        assert await judging.acceptance(version="1") == Acceptance()
        found = await judging.acceptance(version="2")
        assert (found.workflows, found.escalation, found.safe_completion) == (1, Share(0, 1), Share(1, 1))
        await judging.settle(settled(cancelled=True))
        assert await judging.acceptance() == Acceptance()

    async def test_an_untrusted_trace_of_that_id_changes_nothing(self, judging: Judging) -> None:
        await judging.settle(settled())
        await judging.settle(settled(part(failed=True), trusted=False))
        assert (await judging.acceptance()).safe_completion == Share(1, 1)

    async def test_versions_beyond_the_most_share_a_name(self, judging: Judging) -> None:
        traces = [number.to_bytes(16, "big") for number in range(1, 121)]
        await judging.settle(*(settled(part(version=trace.hex()), trace_id=trace) for trace in traces))

        assert (await judging.acceptance()).workflows == 120
        assert (await judging.acceptance(version="overflow")).workflows == 20

    async def test_kinds_beyond_the_most_share_a_name(self, judging: Judging) -> None:
        for number in range(1, 7):
            tools = tuple((f"execute_tool/{number}-{tool}", 1) for tool in range(50))
            await judging.settle(settled(part(uses=tools), trace_id=number.to_bytes(16, "big")))
        mix = (await judging.acceptance()).mix
        assert (len(mix), mix["other"]) == (201, 100)
        await judging.settle(settled(part(uses=()), trace_id=(6).to_bytes(16, "big")))
        assert (await judging.acceptance()).mix["other"] == 50


class TestJudgements:
    async def test_it_counts_by_agent_once(self, judging: Judging) -> None:
        assert await judging.enter(judgement("a"), judgement("b", passed=False), judgement("c", passed=None)) == 3
        assert await judging.enter(judgement("a", passed=False)) == 0

        assert (await judging.acceptance()).accuracy == Share(1, 2)
        assert (await judging.acceptance(OTHER)).accuracy == Share(0, 0)

    async def test_a_failed_one_makes_the_work_unsafe_whatever_comes_first(self, judging: Judging) -> None:
        failed, again = judgement("a", passed=False), judgement("b", passed=False)
        await judging.settle(settled(part(), part(OTHER, span=2)))
        await judging.enter(failed)
        await judging.enter(again)
        assert (await judging.acceptance()).safe_completion == Share(0, 1)
        assert (await judging.acceptance(OTHER)).safe_completion == Share(1, 1)

        before = replace(failed, key="c", agent=OTHER, trace_id=b"u" * 16)
        await judging.enter(before)
        await judging.settle(settled(part(OTHER), trace_id=b"u" * 16))
        assert (await judging.acceptance(OTHER)).safe_completion == Share(1, 2)

    async def test_settling_again_forgets_no_judgement(self, judging: Judging) -> None:
        await judging.settle(settled())
        await judging.enter(judgement(passed=False))
        await judging.settle(settled(part(duration_micros=7)))
        assert (await judging.acceptance()).safe_completion == Share(0, 1)

    @pytest.mark.parametrize("first", ["judged", "settled"])
    async def test_one_that_names_nobody_is_whose_the_trace_says(self, judging: Judging, first: str) -> None:
        work = settled(part(), part(OTHER, span=2, version="7"))
        pointing = judgement("a", agent="", span_id=(2).to_bytes(8, "big"), passed=False)
        nobodys = judgement("b", agent="", passed=False)
        if first == "judged":
            await judging.enter(pointing, nobodys)
            await judging.settle(work)
        else:
            await judging.settle(work)
            await judging.enter(pointing, nobodys)
        await judging.settle(work)

        found = await judging.acceptance(OTHER, version="7")
        assert (found.accuracy, found.safe_completion) == (Share(0, 1), Share(0, 1))
        assert (await judging.acceptance()).accuracy == Share(0, 0)

    async def test_of_a_trace_of_one_agent_it_is_that_ones(self, judging: Judging) -> None:
        await judging.enter(judgement("b", agent="", version=""))
        await judging.settle(settled())
        assert (await judging.acceptance(version="1")).accuracy == Share(1, 1)

    async def test_any_order_comes_to_the_same(self, judging: Judging) -> None:
        """Judged bad, settled in vain, settled well: each order, each in a trace of its own."""
        orders = list(itertools.permutations(range(3)))
        for number, order in enumerate(orders, start=1):
            trace = number.to_bytes(16, "big")
            for step in order:
                if step == 0:
                    await judging.enter(judgement(f"k{number}", passed=False, trace_id=trace))
                else:
                    await judging.settle(settled(part(duration_micros=step * 1_000), trace_id=trace))
        found = await judging.acceptance()
        assert (found.workflows, found.safe_completion, found.accuracy) == (6, Share(0, 6), Share(0, 6))
        assert sum(found.durations.values()) == 6


class TestEvents:
    async def test_they_count_like_those_called_in(self, judging: Judging) -> None:
        events = EvaluationEvents(judging.versions)
        rolled = Rolled(evaluations=[event(), event(), event("fail"), event("fail", agent="", span=b"\0" * 7 + b"\1")])

        await judging.write(lambda tx: events.draw(tx, rolled, NOW))
        await judging.write(lambda tx: events.draw(tx, rolled, NOW))
        await judging.settle(settled())

        found = await judging.acceptance()
        assert (found.accuracy, found.safe_completion) == (Share(1, 3), Share(0, 1))
        assert events.untrusted == 0

    async def test_who_is_bound_to_agents_is_left_out_and_counted(self, judging: Judging) -> None:
        events = EvaluationEvents(judging.versions)
        itself = Reporter(principal=DID, agents=(DID,))
        stranger = Reporter(principal=OTHER, agents=(OTHER,))
        rolled = Rolled(
            evaluations=[event(reporter=itself), event(reporter=stranger), event("fail", reporter=stranger)]
        )

        await judging.write(lambda tx: events.draw(tx, rolled, NOW))

        assert await judging.acceptance() == Acceptance()
        assert events.untrusted == 3


class TestDenials:
    async def test_work_in_which_a_denied_tool_ran_is_not_safe(self, judging: Judging) -> None:
        await denied(judging, b"1" * 16, "search", "DENY")
        await denied(judging, b"2" * 16, "search", "DENY", "ALLOW")
        await denied(judging, b"3" * 16, "other", "DENY")
        ran = (("execute_tool/search", 1),)
        tried = (("execute_tool/search (failed)", 1),)

        for number, uses in ((b"1", ran), (b"2", ran), (b"3", ran), (b"4", ran)):
            await judging.settle(settled(part(uses=uses), trace_id=number * 16))
        assert (await judging.acceptance()).safe_completion == Share(3, 4)
        await judging.settle(settled(part(uses=tried), trace_id=b"1" * 16))
        assert (await judging.acceptance()).safe_completion == Share(4, 4)


async def denied(judging: Judging, trace: bytes, tool: str, *effects: str) -> None:
    """Log decisions about a tool in a trace."""

    def work(tx: TelemetryTx) -> None:
        for number, effect in enumerate(effects):
            newest = tx.checkpoint()
            frontier = Frontier() if newest is None else newest.frontier
            body = decision_body(trace[0] * 10 + number, did=DID, tool=tool, effect=effect, trace_id=trace.hex())
            entry = StoredEntry(
                index=frontier.size,
                key=f"{trace.hex()}-{number}",
                body=body,
                leaf_hash=leaf_hash(body),
                appended_at=NOW,
            )
            frontier, _ = frontier.grow([entry.leaf_hash])
            tx.append_entries([entry], {}, StoredCheckpoint(frontier=frontier, note="", at=NOW))
            tx.note_decisions({entry.index: trace})

    await judging.write(work)


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
async def test_a_judgement_and_a_settling_at_once_on_two_replicas_both_count(backend: Backend) -> None:
    async with opened_store(backend) as one, opened_store(backend) as other:
        here, there = Judging(one), Judging(other)
        traces = [number.to_bytes(16, "big") for number in range(1, 41)]
        for trace in traces:
            await asyncio.gather(
                here.settle(settled(trace_id=trace)),
                there.enter(judgement(trace.hex(), trace_id=trace, passed=False)),
            )
        assert (await here.acceptance()).safe_completion == Share(0, 40)
        await asyncio.gather(
            *(here.enter(judgement("same", trace_id=b"")) for _ in range(5)),
            *(there.enter(judgement("same", trace_id=b"")) for _ in range(5)),
        )
        assert (await there.acceptance()).accuracy == Share(1, 41)
