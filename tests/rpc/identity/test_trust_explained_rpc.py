"""Trust explained over the wire, to whom, and the scores of many agents at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, HOUR, Millis
from support.identity.evidence import record, signal, trust_of
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, STRANGER, IdentityMesh, identity_mesh
from support.serving import OPERATOR, SERVICE
from support.wire import refusal

APPROVER = Caller(principal="test:paul", roles=frozenset({Role.APPROVER}))
ACCEPTED = tpb.SIGNAL_KIND_TASK_ACCEPTED
REJECTED = tpb.SIGNAL_KIND_TASK_REJECTED
PASSED = tpb.SIGNAL_KIND_EVALUATION_PASSED
DENIED = tpb.SIGNAL_KIND_ACTION_DENIED
SCID = "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


async def explained(
    mesh: IdentityMesh, agent: pb.AgentIdentity, caller: Caller = OPERATOR, signals: int = 0
) -> tpb.ExplainTrustResponse:
    return await mesh.trust(caller).ExplainTrust(tpb.ExplainTrustRequest(did=agent.did, signals=signals))


def recomputed(answer: tpb.ExplainTrustResponse) -> int:
    """Return the score as the proto says it follows from the terms."""
    terms = {term.name: term.micro_points for term in answer.terms}
    total = terms["baseline"] + terms["earned"] + terms["debt"]
    return min(terms["ceiling"], max(0, min(1_000_000_000, total))) // 1_000_000


def itself(agent: pb.AgentIdentity) -> Caller:
    return Caller(principal=agent.did, roles=frozenset({Role.AGENT}), environment=agent.environment)


async def test_the_sum_gives_the_score_whatever_happened(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    kinds = [PASSED, DENIED, ACCEPTED, tpb.SIGNAL_KIND_PROBING, ACCEPTED, PASSED]
    for number, kind in enumerate(kinds):
        await record(mesh, signal(mesh, agent, f"s-{number}", kind, rater="person:ada" if kind == ACCEPTED else ""))
        mesh.clock.advance(Millis(HOUR + 17 * number * 60_001))
        answer = await explained(mesh, agent)
        assert recomputed(answer) == answer.trust.score == (await trust_of(mesh, agent)).score
    mesh.clock.advance(Millis(5 * DAY + 1))
    answer = await explained(mesh, agent)
    assert recomputed(answer) == answer.trust.score
    earned = next(term for term in answer.terms if term.name == "earned")
    assert "faded by 2^(-" in earned.detail


async def test_the_caps_say_what_a_signal_gets_next(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await record(mesh, signal(mesh, agent, "s-1", PASSED), signal(mesh, agent, "s-2", ACCEPTED, rater="person:ada"))
    caps = {(cap.name, cap.rater): cap for cap in (await explained(mesh, agent)).caps}
    hour, day = caps["20 points an hour", ""], caps["60 points a day", ""]
    assert (hour.left_micro_points, day.left_micro_points) == (3_000_000, 43_000_000)
    assert hour.free_time.ToMilliseconds() == mesh.clock.now() + HOUR
    assert day.free_time.ToMilliseconds() == mesh.clock.now() + DAY
    rater = caps["10 points a day from one rater", "person:ada"]
    assert (rater.limit_micro_points, rater.left_micro_points) == (10_000_000, 8_000_000)
    complaints = caps["60 points of complaints a day", ""]
    assert complaints.left_micro_points == 60_000_000
    assert not complaints.HasField("free_time")
    before = (await trust_of(mesh, agent)).state.earned_micro_points
    await record(mesh, signal(mesh, agent, "s-3", PASSED))
    gained = (await trust_of(mesh, agent)).state.earned_micro_points - before
    assert gained == 3_000_000 * (700_000_000 - before) // 700_000_000


async def test_a_reporters_cap_is_shown(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await record(mesh, signal(mesh, agent, "c", REJECTED, rater="person:eve"))
    caps = {(cap.name, cap.rater): cap.left_micro_points for cap in (await explained(mesh, agent)).caps}
    assert caps["20 points of complaints a day from one reporter", "person:eve"] == 18_000_000
    assert caps["60 points of complaints a day", ""] == 58_000_000


async def test_the_way_up_and_the_way_down(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    answer = await explained(mesh, agent)
    assert answer.next_ring == 2
    assert {condition.condition: condition.met for condition in answer.promotion} == {
        "good standing": True,
        "a score of 425 or more": False,
        "24 hours since the last promotion": True,
        "7 days since the last penalty": True,
        "a birth certificate whose ring ceiling is 2 or better": True,
    }
    assert not answer.HasField("demotion_time")
    await record(mesh, signal(mesh, agent, "s", DENIED))
    conditions = {condition.condition: condition for condition in (await explained(mesh, agent)).promotion}
    quarantine = conditions["7 days since the last penalty"]
    assert (quarantine.met, quarantine.met_time.ToMilliseconds()) == (False, mesh.clock.now() + 7 * DAY)


async def test_the_demotion_comes_when_it_was_predicted(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    for hour in range(60):
        await record(mesh, *(signal(mesh, agent, f"s-{hour}-{number}", PASSED) for number in range(2)))
        mesh.clock.advance(Millis(HOUR))
    answer = await explained(mesh, agent)
    assert answer.trust.ring == 2
    lost_at = answer.demotion_time.ToMilliseconds()
    mesh.clock.advance(Millis(lost_at - 1 - mesh.clock.now()))
    assert (await trust_of(mesh, agent)).ring == 2
    mesh.clock.advance(Millis(1))
    assert (await trust_of(mesh, agent)).ring == 3
    assert not (await explained(mesh, agent)).HasField("demotion_time")


async def test_the_weights_are_those_in_force_and_the_newest_signals_come_first(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    for number in range(25):
        await record(mesh, signal(mesh, agent, f"s-{number:02}", PASSED))
        mesh.clock.advance(Millis(1_000))
    answer = await explained(mesh, agent)
    weights = {weight.kind: weight.points for weight in answer.weights}
    assert weights[PASSED] == 15
    assert weights[DENIED] == -5
    assert weights[tpb.SIGNAL_KIND_HEARTBEAT] == 0
    assert len(weights) == len(tpb.SignalKind.keys()) - 1
    assert [counted.signal_id for counted in answer.signals] == [f"s-{number:02}" for number in range(24, 4, -1)]
    newest = answer.signals[0]
    assert (newest.kind, newest.source, newest.evidence) == (PASSED, OPERATOR.principal, "audit/s-24")
    assert newest.outcome == tpb.SIGNAL_OUTCOME_CAPPED
    assert newest.record_time.ToMilliseconds() == mesh.clock.now() - 1_000
    assert len((await explained(mesh, agent, signals=200)).signals) == 25
    assert [counted.signal_id for counted in (await explained(mesh, agent, signals=1)).signals] == ["s-24"]


async def test_the_summary_is_in_plain_sentences(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await record(mesh, signal(mesh, agent, "s-1", PASSED), signal(mesh, agent, "s-2", DENIED))
    assert (await explained(mesh, agent)).summary == (
        "The score is 310 of 1000, the ring 3. "
        "It is 300 to begin with, plus 15 earned, less 5 owed, at most 1000. "
        "Ring 2 still needs: a score of 425 or more; 7 days since the last penalty (at 2026-01-08T00:00:00Z)."
    )


async def test_nothing_good_counts_while_it_is_suspended_and_the_explanation_says_so(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    await mesh.identity().Suspend(pb.SuspendRequest(did=agent.did, reason="looking into it"))
    answer = await explained(mesh, agent)
    assert (answer.caps[0].name, answer.caps[0].left_micro_points) == ("nothing good while it is suspended", 0)
    assert "The agent is suspended: nothing good counts." in answer.summary
    assert "good standing" in answer.summary
    good, bad = signal(mesh, agent, "good", PASSED), signal(mesh, agent, "bad", DENIED)
    results = (await mesh.trust().RecordSignals(tpb.RecordSignalsRequest(signals=[good, bad]))).results
    assert [result.outcome for result in results] == [tpb.SIGNAL_OUTCOME_CAPPED, tpb.SIGNAL_OUTCOME_APPLIED]
    assert results[0].detail == "it is suspended"
    assert (await trust_of(mesh, agent)).score == 295


@pytest.mark.parametrize("caller", [OPERATOR, SERVICE, AUDITOR, APPROVER, OWNER], ids=lambda one: one.principal)
async def test_who_watches_over_an_agent_and_its_owner_may_see_it(
    mesh: IdentityMesh, agent: pb.AgentIdentity, caller: Caller
) -> None:
    assert (await explained(mesh, agent, caller)).trust.did == agent.did


async def test_an_agent_sees_itself(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    assert (await explained(mesh, agent, itself(agent))).trust.did == agent.did


async def test_everybody_else_is_refused_in_the_same_words_whether_it_exists_or_not(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    peer = (await mesh.enrol("peer", key=seeded_key(2))).identity
    bound = Caller(principal="test:edge", roles=frozenset({Role.GATEWAY}), agents=frozenset({agent.did}))
    unknown = pb.AgentIdentity(did=agent.did.replace(agent.did.split(":")[2], SCID))
    for caller in (STRANGER, GATEWAY, bound, itself(peer)):
        for one in (agent, unknown):
            refused = await refusal(explained(mesh, one, caller))
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_an_agent_of_another_environment_sees_nothing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    twin = (await mesh.enrol(key=seeded_key(2), environment="dev")).identity
    outsider = itself(twin)
    refused = await refusal(explained(mesh, agent, outsider))
    assert refused.reason == "NOT_PERMITTED"
    refused = await refusal(mesh.trust(outsider).GetTrust(tpb.GetTrustRequest(did=agent.did)))
    assert refused.reason == "NOT_PERMITTED"


async def test_unknown_and_malformed_dids_are_said_to_be(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    unknown = pb.AgentIdentity(did=agent.did.replace(agent.did.split(":")[2], SCID))
    refused = await refusal(explained(mesh, unknown))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")
    refused = await refusal(explained(mesh, pb.AgentIdentity(did="did:example:1")))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "DID_INVALID")


async def test_explaining_changes_nothing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await record(mesh, signal(mesh, agent, "s", PASSED))
    before = await trust_of(mesh, agent)
    for _ in range(5):
        await explained(mesh, agent)
        mesh.clock.advance(Millis(HOUR))
    assert (await trust_of(mesh, agent)).state == before.state


async def test_many_scores_are_of_one_instant_and_in_the_order_asked(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    other = (await mesh.enrol("other", key=seeded_key(2))).identity
    dev = (await mesh.enrol("other", key=seeded_key(3), environment="dev")).identity
    unknown = agent.did.replace(agent.did.split(":")[2], SCID)
    asked = [other.did, unknown, agent.did, "no did at all", "", dev.did, other.did, "x" * 2_000]
    answer = await mesh.trust().BatchGetTrust(tpb.BatchGetTrustRequest(dids=asked))
    assert [trust.did for trust in answer.trusts] == [other.did, agent.did, dev.did, other.did]
    assert list(answer.missing) == [unknown, "no did at all", "", "x" * 2_000]
    assert {trust.compute_time.ToMilliseconds() for trust in answer.trusts} == {mesh.clock.now()}
    assert answer.trusts[1] == await trust_of(mesh, agent)


async def test_what_is_beyond_the_wall_is_as_missing_as_what_is_not_there(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    dev = (await mesh.enrol(key=seeded_key(2), environment="dev")).identity
    answer = await mesh.trust(itself(agent)).BatchGetTrust(tpb.BatchGetTrustRequest(dids=[dev.did, agent.did, "x"]))
    assert [trust.did for trust in answer.trusts] == [agent.did]
    assert list(answer.missing) == [dev.did, "x"]


@pytest.mark.parametrize("seconds", [0, 1, 253_402_300_799])
async def test_when_evidence_was_observed_decides_nothing(
    mesh: IdentityMesh, agent: pb.AgentIdentity, seconds: int
) -> None:
    """A sender's clock may be years off: what counts is when it was recorded."""
    odd = signal(mesh, agent, "odd", PASSED)
    odd.occur_time.CopyFrom(Timestamp(seconds=seconds))
    assert await record(mesh, odd) == [tpb.SIGNAL_OUTCOME_APPLIED]
    state = (await trust_of(mesh, agent)).state
    assert state.last_positive_time.ToMilliseconds() == mesh.clock.now()
    assert await record(mesh, signal(mesh, agent, "more", PASSED)) == [tpb.SIGNAL_OUTCOME_APPLIED]
    assert await record(mesh, signal(mesh, agent, "even-more", PASSED)) == [tpb.SIGNAL_OUTCOME_CAPPED]


async def test_a_did_key_beyond_the_wall_is_as_unknown_as_one_nobody_has(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    """It does not say which environment it is of, so the answer must not either."""
    worker = await mesh.enrol(
        "worker",
        key=seeded_key(2),
        environment="dev",
        did_method=pb.DID_METHOD_KEY,
        lifetime=Duration(seconds=600),
    )
    assert (await trust_of(mesh, worker.identity)).score == 300
    nobody = f"did:key:{public_key_of(seeded_key(3)).multibase}"
    for did in (worker.identity.did, nobody):
        refused = await refusal(mesh.trust(itself(agent)).GetTrust(tpb.GetTrustRequest(did=did)))
        assert (refused.code, refused.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")
        assert refused.metadata["environment"] == ""
