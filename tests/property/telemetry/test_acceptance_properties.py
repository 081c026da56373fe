"""Whatever order settlings and judgements come in, and however often: the counts are those of how it all ended."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import DAY
from ringfence_kit.memory import MemoryDatabase
from ringfence_telemetry.evaluation.counts import Acceptance, Counted, acceptance
from ringfence_telemetry.evaluation.judgement import Judgement
from ringfence_telemetry.evaluation.judgement import counts_of as judgement_counts
from ringfence_telemetry.evaluation.work import counts_of, work_of
from ringfence_telemetry.workflows.settled import Settled
from support.backends import Backend
from support.telemetry.judging import DID, OTHER, Judging, judgement, part, settled
from support.telemetry.opened import opened_store
from support.telemetry.spans import NOW

AGENTS = st.sampled_from([DID, OTHER])
TRACES = st.sampled_from([bytes([number]) * 16 for number in (1, 2)])
PARTS = st.builds(
    lambda agent, version, micros, failed, caller_side, tools: part(
        agent, version=version, duration_micros=micros, failed=failed, caller_side=caller_side, uses=tools
    ),
    AGENTS,
    st.sampled_from("12"),
    st.sampled_from([1, 1_000, 1_000_000]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), (("chat", 2),), (("chat", 1), ("execute_tool/x", 3))]),
)
SETTLINGS = st.builds(
    lambda trace, parts, escalated, cancelled: settled(
        *parts, trace_id=trace, escalated=escalated, cancelled=cancelled
    ),
    TRACES,
    st.lists(PARTS, min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
JUDGEMENTS = st.builds(
    lambda key, agent, trace, passed: judgement(
        f"k{key}-{agent}-{trace.hex()}", agent=agent, trace_id=trace, passed=passed
    ),
    st.integers(0, 2),
    AGENTS,
    TRACES,
    st.sampled_from([True, False, None]),
)


@dataclass(slots=True)
class Expected:
    """What there is when everything has come: the last settling of each trace, the first of each judgement."""

    settlings: dict[bytes, Settled]
    judgements: dict[str, Judgement]

    def of(self, agent: str) -> Acceptance:
        """Return what an agent should have come to."""
        changes = [judgement_counts(each) for each in self.judgements.values()]
        for trace, each in self.settlings.items():
            said = [found for found in self.judgements.values() if found.trace_id == trace and found.passed is False]
            changes.append(counts_of(work_of(each, judged_bad={found.agent for found in said})))
        return acceptance(
            Counted(key.what, key.name, number)
            for change in changes
            for key, number in change.items()
            if key.agent == agent
        )


@given(st.lists(st.one_of(SETTLINGS, JUDGEMENTS), max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_end_is_what_counts(came: Sequence[Settled | Judgement]) -> None:
    expected = Expected({}, {})
    for each in came:
        if isinstance(each, Settled):
            expected.settlings[each.trace_id] = each
        else:
            expected.judgements.setdefault(each.key, each)

    found = asyncio.run(_counted(came))

    assert found == {agent: expected.of(agent) for agent in (DID, OTHER)}


async def _counted(came: Sequence[Settled | Judgement]) -> dict[str, Acceptance]:
    async with opened_store(Backend(kind="memory", memory=MemoryDatabase())) as opened:
        judging = Judging(opened)
        for each in came:
            if isinstance(each, Settled):
                await judging.settle(each)
            else:
                await judging.enter(each)
        counted = opened.store.evaluation_counts
        return {
            agent: acceptance(await counted([agent], first_day=NOW // DAY - 1, last_day=NOW // DAY + 1))
            for agent in (DID, OTHER)
        }
