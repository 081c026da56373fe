"""A feed is cut, and each service does what it said it would: trusts less, then nobody; serves what it knew; keeps what
it owes. All of it shows in health and metrics, and ends when the feed is back.

The four services run in this process on a clock that the tests move; they meet over gRPC as always.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.telemetry.v1 import telemetry_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from ringfence.telemetry.v1.telemetry_pb2_grpc import WorkflowServiceStub
from ringfence_kit.clock import DAY, HOUR, SECOND, ManualClock, Millis
from ringfence_kit.trust_decay import EARNED_MAX, MICRO
from support.mesh.audit import every_entry, logged, verify_whole_log
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.story import ELEVATED, READ, WRITE, Story, effect_is

if TYPE_CHECKING:
    from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceAsyncStub

HEARTBEAT = Millis(5 * SECOND)
MISSED_MAX = 3
RECONNECTS_S = 0.2
"""How long the pdp's channel, which goes by the machine's clock, is given between two heartbeats."""

TOKEN_TTL = Millis(300 * SECOND)

ACCEPTED = 2 * MICRO
"""What accepted work is worth."""

LOG_WAITING = "ringfence_pdp_log_waiting"
SIGNALS_PENDING = "ringfence_telemetry_signals_pending"


FEEDS = {
    "identity": ("identity", "identity revocations"),
    "registry": ("registry", "registry tools", "registry boundaries"),
}
"""Service → the feeds the pdp has from it."""


class Stage:
    """A mesh on a clock, an agent `analyst` in it, and the story to tell."""

    def __init__(self, mesh: InProcessMesh, clock: ManualClock) -> None:
        self.mesh = mesh
        self.clock = clock
        self.story: Story = mesh.story()
        self.agent = ""
        self.did = ""

    async def enter_analyst(self) -> None:
        """Register and enrol the analyst, and wait until the pdp knows it."""
        self.agent = await self.story.register("analyst")
        self.did = await self.story.enrol("analyst")
        await self.story.push_policy()
        await self.story.told(self.agent, effect_is(pb.EFFECT_ALLOW))

    async def earn_ring(self, ring: int) -> None:
        """Let the analyst pass evaluations, as many as a day allows, until it has come that far."""
        for _ in range(20):
            for _ in range(3):
                self.clock.advance(HOUR)
                await self.story.evaluate(self.did, at=self.clock.now(), times=2)
            if (await self.story.score(self.did)).ring <= ring:
                break
            self.clock.advance(Millis(DAY - 3 * HOUR))
        await self.story.told(self.agent, lambda answer: answer.effective_ring == ring)

    async def pass_time(self, duration: Millis) -> None:
        """Let time pass by a heartbeat at most, and everybody notice: what runs is heard, what does not is missed."""
        self.clock.advance(duration)
        for name in ("identity", "registry"):
            if self.mesh.is_running(name):
                await self.mesh.until(partial(self.heard, name))
        await self.story.ask(self.agent)

    async def told_telemetry(self) -> None:
        """Return once telemetry has every decision; who was refused while it began waits for time to pass."""
        while self.mesh.sample("pdp", LOG_WAITING):
            await asyncio.sleep(RECONNECTS_S)
            if self.mesh.sample("pdp", LOG_WAITING):
                await self.pass_time(Millis(SECOND))

    async def logged(self, audit: "AuditServiceAsyncStub", decision_id: str) -> None:
        """Return once a decision is in the log; who was refused while telemetry began waits for time to pass."""
        waiting = asyncio.ensure_future(logged(audit, decision_id))
        while not (await asyncio.wait([waiting], timeout=RECONNECTS_S))[0]:
            await self.pass_time(Millis(SECOND))
        await waiting

    def heard(self, service: str) -> bool:
        """Say whether the pdp heard each of its feeds from a service within a heartbeat."""
        return all(self._heard_of(feed) for feed in FEEDS[service])

    def _heard_of(self, feed: str) -> bool:
        age = self.mesh.sample("pdp", "ringfence_pdp_feed_age_seconds", feed=feed)
        return age is not None and age * SECOND < HEARTBEAT

    async def reunite(self, name: str) -> None:
        """Start a service again, and let heartbeats pass until the pdp has heard from it."""
        await self.mesh.start(name)
        while not self.heard(name):
            self.clock.advance(HEARTBEAT)
            with suppress(TimeoutError):
                await self.mesh.until(partial(self.heard, name), within=RECONNECTS_S)

    async def let_wait(self, service: str, metric: str, count: int) -> None:
        """Let time pass, which deliveries wait by, until so much waits."""

        def passing() -> bool:
            self.clock.advance(SECOND)
            return self.mesh.sample(service, metric) == count

        await self.mesh.until(passing)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = ManualClock()
    async with in_process_mesh(tmp_path, clock=clock) as mesh:
        stage = Stage(mesh, clock)
        await stage.enter_analyst()
        await stage.told_telemetry()
        yield stage


async def test_without_identity_the_trusted_are_trusted_less_and_in_the_end_nobody_is(stage: Stage) -> None:
    await stage.earn_ring(1)
    assert (await stage.story.ask(stage.agent, ELEVATED)).effect == pb.EFFECT_ALLOW
    await stage.mesh.stop("identity")

    silent = 0
    while silent < MISSED_MAX * HEARTBEAT:
        assert (await stage.story.ask(stage.agent, ELEVATED)).effective_ring == 1
        await stage.pass_time(HEARTBEAT)
        silent += HEARTBEAT
    # Three heartbeats have been missed: nothing is known to be wrong, and nothing is known.
    await stage.pass_time(Millis(1))
    for action in (ELEVATED, WRITE):
        denied = await stage.story.ask(stage.agent, action)
        assert (denied.effective_ring, denied.reason) == (3, pb.DECISION_REASON_RING_INSUFFICIENT)
    assert (await stage.story.ask(stage.agent, READ)).effect == pb.EFFECT_ALLOW
    await _the_cut_is_visible(stage, "identity")

    while silent + HEARTBEAT < TOKEN_TTL:
        assert (await stage.story.ask(stage.agent, READ)).effect == pb.EFFECT_ALLOW
        await stage.pass_time(HEARTBEAT)
        silent += HEARTBEAT
    await stage.pass_time(HEARTBEAT)
    for action in (READ, WRITE, ELEVATED):
        assert (await stage.story.ask(stage.agent, action)).reason == pb.DECISION_REASON_FACTS_STALE

    await stage.reunite("identity")
    restored, _ = await stage.story.told(stage.agent, effect_is(pb.EFFECT_ALLOW), what=ELEVATED)
    assert restored.effective_ring == 1
    await _all_is_well(stage)


async def test_without_the_registry_what_was_known_serves_and_nothing_new_is_known(stage: Stage) -> None:
    await stage.mesh.stop("registry")
    unregistered = await stage.story.enrol("newcomer")
    for _ in range(2 * TOKEN_TTL // HEARTBEAT):
        await stage.pass_time(HEARTBEAT)
        assert (await stage.story.ask(stage.agent, READ)).effect == pb.EFFECT_ALLOW
    await _the_cut_is_visible(stage, "registry")
    assert unregistered
    newcomer = await stage.story.ask("namespaces/sales/agents/newcomer", READ)
    assert newcomer.reason == pb.DECISION_REASON_AGENT_UNKNOWN

    await stage.reunite("registry")
    await stage.story.register("newcomer")
    await stage.story.told("namespaces/sales/agents/newcomer", effect_is(pb.EFFECT_ALLOW))
    await _all_is_well(stage)


async def test_without_telemetry_decisions_wait_on_disk_and_come_later_each_once(stage: Stage) -> None:
    audit = AuditServiceStub(stage.mesh.channel("telemetry"))
    for action in (READ, WRITE):  # what they stand on is in the log by then
        await stage.logged(audit, (await stage.story.ask(stage.agent, action)).decision_id)
    before = len(await every_entry(audit))
    await stage.mesh.stop("telemetry")

    decided = [(await stage.story.ask(stage.agent, action)).decision_id for action in (READ, WRITE) * 20]
    # With them what they stand on, as far as it is new.
    await stage.mesh.until(lambda: (stage.mesh.sample("pdp", LOG_WAITING) or 0) >= len(decided))
    # What waits outlives the one who owes it.
    await stage.mesh.stop("pdp")
    await stage.mesh.start("pdp")
    assert (stage.mesh.sample("pdp", LOG_WAITING) or 0) >= len(decided)
    last = (await stage.story.ask(stage.agent)).decision_id

    await stage.mesh.start("telemetry")
    await stage.let_wait("pdp", LOG_WAITING, 0)
    assert (await logged(audit, last)).index >= before + len(decided)
    entries = await every_entry(audit)
    assert [entry.index for entry in entries] == list(range(len(entries)))
    found = [(await logged(audit, decision_id)).index for decision_id in decided]
    assert found == sorted(set(found))
    assert found[0] >= before
    came_later = [json.loads(entry.body) for entry in entries[before:]]
    assert [one["decision_id"] for one in came_later if one["type"] == "decision"] == [*decided, last]
    await verify_whole_log(audit, entries, [])
    assert stage.mesh.sample("pdp", "ringfence_pdp_unlogged_total") == 0


async def test_without_identity_evidence_waits_and_counts_later_once(stage: Stage) -> None:
    await stage.let_wait("telemetry", SIGNALS_PENDING, 0)
    before = (await stage.story.score(stage.did)).state
    await stage.mesh.stop("identity")
    works = 5
    outcomes = WorkflowServiceStub(stage.mesh.channel("telemetry"))
    for number in range(works):
        await outcomes.ReportOutcome(
            telemetry_pb2.ReportOutcomeRequest(
                did=stage.did,
                environment="dev",
                outcome=telemetry_pb2.OUTCOME_ACCEPTED,
                work_id=f"task-{number}",
            )
        )
    await stage.let_wait("telemetry", SIGNALS_PENDING, works)
    await stage.mesh.stop("telemetry")
    await stage.mesh.start("telemetry")

    await stage.mesh.start("identity")
    await stage.let_wait("telemetry", SIGNALS_PENDING, 0)
    earned = before.earned_micro_points
    for _ in range(works):
        earned += ACCEPTED * (EARNED_MAX - earned) // EARNED_MAX  # the more is earned, the less comes on top
    assert (await stage.story.score(stage.did)).state.earned_micro_points == earned


async def _the_cut_is_visible(stage: Stage, feed: str) -> None:
    metrics = await stage.mesh.metrics("pdp")
    assert metrics[f'ringfence_pdp_feed_state{{feed="{feed}",state="cut"}}'] == 1
    assert metrics['ringfence_ready{service="pdp"}'] == 0
    assert await stage.mesh.health("pdp") == "NOT_SERVING"
    code, said = await stage.mesh.readiness("pdp")
    assert code == 503
    assert f"the feed from {feed} is cut" in said


async def _all_is_well(stage: Stage) -> None:
    await stage.mesh.until(lambda: not stage.mesh.unmet("pdp"))
    assert (await stage.mesh.metrics("pdp"))['ringfence_ready{service="pdp"}'] == 1
    assert (await stage.mesh.readiness("pdp"))[0] == 200
    assert await stage.mesh.health("pdp") == "SERVING"
