"""A pdp with workers, over the wire: whoever answers, the answers are one pdp's.

Starting processes takes seconds, so one pdp is asked everything.
"""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from ringfence.identity.v1 import identity_pb2
from ringfence.pdp.v1 import approval_pb2, bundle_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1.approval_pb2_grpc import ApprovalServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence_kit.clock import SystemClock
from ringfence_kit.dev_tokens import CALLERS
from ringfence_kit.workers.passing_on import Leader
from ringfence_pdp.grants import GRANTS
from support.pdp.served import ANALYST, POLICY, identity, question, stop
from support.pdp.workers import PdpWorkers, pdp_workers
from support.wire import refusal

ALLOW, DENY, ASK = pb.EFFECT_ALLOW, pb.EFFECT_DENY, pb.EFFECT_REQUIRE_APPROVAL
DECISIONS = "ringfence_pdp_decisions_total"
CHECK = "/ringfence.pdp.v1.DecisionService/Check"

SIMPLE = POLICY.partition(b"    - name: delete")[0]
"""Without anything people have to be asked about."""

LIMITED = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules: [{name: read, match: {actions: ["count_*"]}, effect: ALLOW}]
  limits: [{name: calls, rate: 3/1h, per: agent}]
"""

HISTORY = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: read, match: {actions: ["*"]}, effect: ALLOW}
    - {name: after, match: {actions: ["send_*"]}, effect: DENY, when: "session.formerly('read_*', duration('1h'))"}
"""


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[PdpWorkers]:
    async with pdp_workers(tmp_path) as served:
        yield served


def same(answer: pb.CheckResponse) -> pb.CheckResponse:
    """Return an answer without what belongs to one asking, or to one process."""
    kept = pb.CheckResponse()
    kept.CopyFrom(answer)
    for field in ("decision_id", "decide_time", "approval", "epoch"):
        kept.ClearField(field)
    if kept.HasField("cache"):
        kept.cache.ClearField("ttl")
    return kept


async def until(pdp: PdpWorkers, effect: "pb.Effect.ValueType", action: str = "read_table") -> None:
    """Return once every worker answers so: what they hear of policies they hear a moment later."""
    for worker in pdp.own:
        while (await pdp.decisions(worker).Check(question(action=action))).effect != effect:
            pass


async def decided_by_workers(pdp: PdpWorkers) -> float:
    return sum((await pdp.count(DECISIONS)).values())


async def test_whoever_is_asked_it_is_one_pdp(pdp: PdpWorkers) -> None:
    await pdp.push()
    await until(pdp, ALLOW)
    asked = [
        question(),
        question(labels={"secret": "yes"}),
        question(action="fly"),
        question(name="namespaces/data/agents/nobody"),
        question(action="delete_table"),
    ]
    await answers_are_the_leaders(pdp, asked)
    await streams_answer_all(pdp, asked)
    await everything_is_described(pdp)
    await what_is_simple_is_decided_by_workers(pdp)
    await who_watches_sees_every_decision(pdp)
    await what_is_counted_is_counted_once(pdp)
    await what_sessions_did_is_known_to_all(pdp)


async def answers_are_the_leaders(pdp: PdpWorkers, asked: list[pb.CheckRequest]) -> None:
    before = await decided_by_workers(pdp)
    async with Leader(pdp.workers.socket, pdp.workers.secret) as leader:
        for one in asked:
            told = await leader.ask(CHECK, one.SerializeToString(), CALLERS["operator"])
            for worker in pdp.own:
                answer = await pdp.decisions(worker).Check(one)
                assert same(answer) == same(pb.CheckResponse.FromString(told))
                assert await pdp.around.telemetry.logged(answer.decision_id)
    # All but what people are asked about, once.
    assert await decided_by_workers(pdp) - before == len(pdp.own) * (len(asked) - 1)
    waiting = await ApprovalServiceStub(pdp.own["1"]).ListApprovals(approval_pb2.ListApprovalsRequest())
    assert len(waiting.approvals) == 1
    batch = await pdp.decisions("0").BatchCheck(pb.BatchCheckRequest(requests=asked))
    assert [one.response.effect for one in batch.results] == [ALLOW, DENY, DENY, DENY, ASK]


async def streams_answer_all(pdp: PdpWorkers, asked: list[pb.CheckRequest]) -> None:
    requests = [pb.CheckStreamRequest(id=number, request=one) for number, one in enumerate((*asked, asked[0]), 1)]
    requests[-1].request.action.name = ""
    stream = pdp.decisions("1").CheckStream(iter(requests))
    found = {said.answer.id: said.answer async for said in stream if said.HasField("answer")}
    assert [found[number].response.effect for number in range(1, 6)] == [ALLOW, DENY, DENY, DENY, ASK]
    assert b"request.action.name" in found[6].error.SerializeToString()


async def everything_is_described(pdp: PdpWorkers) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(pdp.own["0"])
    names = {path.split("/")[1] for path in GRANTS if path.startswith("/ringfence")}
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in names]
    async for answer in stub.ServerReflectionInfo(iter(asked)):
        assert answer.HasField("file_descriptor_response"), answer.original_request
    approvals = ApprovalServiceStub(pdp.own["0"])
    refused = await refusal(approvals.GetApproval(approval_pb2.GetApprovalRequest(name="x")))
    assert refused.code == "INVALID_ARGUMENT"


async def what_is_simple_is_decided_by_workers(pdp: PdpWorkers) -> None:
    await pdp.push(SIMPLE)
    await until(pdp, DENY, action="delete_table")
    before = await decided_by_workers(pdp)
    fast = DecisionServiceStub(pdp.channel("pdp.fast_listen"))
    batch = await fast.BatchCheck(pb.BatchCheckRequest(requests=[question(), question(action="fly")]))
    assert [one.response.effect for one in batch.results] == [ALLOW, DENY]
    assert (await fast.Check(question())).effect == ALLOW
    assert (await fast.Explain(pb.ExplainRequest(request=question()))).response.effect == ALLOW
    assert await decided_by_workers(pdp) - before == 3


async def who_watches_sees_every_decision(pdp: PdpWorkers) -> None:
    watching = pdp.decisions("0").WatchDecisions(pb.WatchDecisionsRequest())
    told: Any = await watching.read()
    assert told.HasField("heartbeat")
    for worker in pdp.own:
        # Until it has heard that somebody watches.
        before = (await pdp.count(DECISIONS))[worker]
        while True:
            answer = await pdp.decisions(worker).Check(question())
            after = (await pdp.count(DECISIONS))[worker]
            if after == before:
                break
            before = after
        while told.decision.decision_id != answer.decision_id:
            told = await watching.read()
    watching.cancel()


async def what_is_counted_is_counted_once(pdp: PdpWorkers) -> None:
    await pdp.push(LIMITED)
    allowed, limited = 0, set[str]()
    while limited != set(pdp.own):
        for worker in pdp.own:
            answer = await pdp.decisions(worker).Check(question(action="count_rows"))
            allowed += answer.effect == ALLOW
            if answer.reason == pb.DECISION_REASON_RATE_LIMITED:
                limited.add(worker)
    assert allowed == 3


async def what_sessions_did_is_known_to_all(pdp: PdpWorkers) -> None:
    await pdp.push(HISTORY)
    await until(pdp, ALLOW, action="look")
    assert (await pdp.decisions("0").Check(question(session="s"))).effect == ALLOW
    for worker in pdp.own:
        answer = await pdp.decisions(worker).Check(question(action="send_mail", session="s"))
        assert (answer.effect, list(answer.rules)) == (DENY, ["house/after"])


async def test_a_stop_reaches_every_worker_also_one_that_was_started_again(pdp: PdpWorkers) -> None:
    await pdp.push(SIMPLE)
    await until(pdp, ALLOW)
    switch = (await pdp.switches.EngageKillSwitch(stop(agent=ANALYST))).kill_switch
    await until(pdp, DENY)
    slot = pdp.workers.slots[0]
    killed = slot.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    while slot.pid == killed or slot.why:
        await pdp.workers.scraped()
    await pdp.meet()
    for worker in pdp.own:
        # From its first answer on: it does not listen before it knows.
        assert (await pdp.decisions(worker).Check(question())).reason == pb.DECISION_REASON_KILLED
    await pdp.switches.ReleaseKillSwitch(bundle_pb2.ReleaseKillSwitchRequest(name=switch.name, reason="mended"))
    await until(pdp, ALLOW)
    suspended = identity(SystemClock(), status=identity_pb2.IDENTITY_STATUS_SUSPENDED)
    pdp.around.identity.agents.say(suspended)
    await until(pdp, DENY)
