"""Signals and trust over the wire: what counts, once, from whom, and what it does to the score."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence_identity.config import IdentityConfig, SignalWeightsConfig
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, HOUR, Millis
from support.identity.births import COMPLETE
from support.identity.evidence import record, signal, trust_of
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, GATEWAY, IdentityMesh, identity_mesh
from support.wire import refusal

ACCEPTED = tpb.SIGNAL_KIND_TASK_ACCEPTED
REJECTED = tpb.SIGNAL_KIND_TASK_REJECTED
PASSED = tpb.SIGNAL_KIND_EVALUATION_PASSED
DENIED = tpb.SIGNAL_KIND_ACTION_DENIED
INCIDENT = tpb.SIGNAL_KIND_INCIDENT_CONFIRMED

OF_GRACE = replace(COMPLETE, sponsor="sponsors/grace", backup_sponsor="sponsors/ada")

APPLIED = tpb.SIGNAL_OUTCOME_APPLIED
CAPPED = tpb.SIGNAL_OUTCOME_CAPPED
DUPLICATE = tpb.SIGNAL_OUTCOME_DUPLICATE
REFUSED = tpb.SIGNAL_OUTCOME_REFUSED


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


async def test_a_newcomer_stands_at_the_baseline_in_ring_3(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    trust = await trust_of(mesh, agent)
    assert (trust.score, trust.ring, trust.environment) == (300, 3, "prod")
    assert trust.state.ceiling == 1_000
    assert not trust.state.HasField("promote_time")
    assert not trust.state.HasField("penalty_time")


@pytest.mark.parametrize(
    ("kind", "score"),
    [
        (tpb.SIGNAL_KIND_TASK_ACCEPTED, 302),
        (tpb.SIGNAL_KIND_EVALUATION_PASSED, 315),
        (tpb.SIGNAL_KIND_CLEAN_DECISIONS, 301),
        (tpb.SIGNAL_KIND_HEARTBEAT, 300),
        (tpb.SIGNAL_KIND_ACTION_DENIED, 295),
        (tpb.SIGNAL_KIND_TASK_REJECTED, 298),
        (tpb.SIGNAL_KIND_SLO_BUDGET_EXHAUSTED, 275),
        (tpb.SIGNAL_KIND_PROBING, 250),
        (tpb.SIGNAL_KIND_SCOPE_ESCALATION, 150),
        (tpb.SIGNAL_KIND_FORGED_SIGNATURE, 100),
        (tpb.SIGNAL_KIND_INCIDENT_CONFIRMED, 0),
    ],
)
async def test_each_kind_weighs_what_the_design_says(
    mesh: IdentityMesh, agent: pb.AgentIdentity, kind: "tpb.SignalKind.ValueType", score: int
) -> None:
    await record(mesh, signal(mesh, agent, "s", kind))
    assert (await trust_of(mesh, agent)).score == score


async def test_weights_are_configuration(tmp_path: Path) -> None:
    weights = SignalWeightsConfig(action_denied=-100, incident_confirmed=-1)
    async with identity_mesh(tmp_path, config=IdentityConfig(signals=weights)) as mesh:
        await mesh.with_sponsors()
        agent = (await mesh.enrol()).identity
        await record(mesh, signal(mesh, agent, "s", DENIED))
        assert (await trust_of(mesh, agent)).score == 200


async def test_a_signal_counts_once_whatever_comes_after(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    one = signal(mesh, agent, "s-1", DENIED)
    assert await record(mesh, one, one) == [APPLIED, DUPLICATE]
    assert await record(mesh, one) == [DUPLICATE]
    changed = signal(mesh, agent, "s-1", INCIDENT)
    answer = await mesh.trust().RecordSignals(tpb.RecordSignalsRequest(signals=[changed]))
    assert answer.results[0].outcome == DUPLICATE
    assert "other evidence" in answer.results[0].detail
    assert (await trust_of(mesh, agent)).score == 295


async def test_a_capped_signal_counts_for_nothing_for_ever(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    signals = [signal(mesh, agent, f"s-{number}", PASSED) for number in range(3)]
    assert await record(mesh, *signals) == [APPLIED, APPLIED, CAPPED]
    mesh.clock.advance(Millis(DAY))
    assert await record(mesh, signals[2]) == [DUPLICATE]


async def test_a_batch_is_one_event_and_says_what_became_of_each(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    stream = mesh.watch(send_initial_state=True)
    initial, complete = await anext(stream), await anext(stream)
    assert (initial.identity.did, complete.initial_state_end) == (agent.did, True)
    unknown = signal(mesh, pb.AgentIdentity(did=agent.did.replace("prod", "dev"), environment="dev"), "x", DENIED)
    outcomes = await record(
        mesh,
        signal(mesh, agent, "a", ACCEPTED),
        unknown,
        signal(mesh, agent, "b", DENIED),
        signal(mesh, agent, "a", DENIED),
    )
    assert outcomes == [APPLIED, REFUSED, APPLIED, DUPLICATE]
    event = await anext(stream)
    assert event.revision == complete.revision + 1
    assert event.identity.trust_state == (await trust_of(mesh, agent)).state
    await stream.aclose()


async def test_a_refused_signal_may_come_again(mesh: IdentityMesh) -> None:
    later = pb.AgentIdentity(did="did:webvh:unknown", environment="prod")
    assert await record(mesh, signal(mesh, later, "s-1", DENIED)) == [REFUSED]
    agent = (await mesh.enrol()).identity
    assert await record(mesh, signal(mesh, agent, "s-1", DENIED)) == [APPLIED]


async def test_the_same_id_in_another_environment_is_another_signal(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    dev = (await mesh.enrol(key=seeded_key(2), environment="dev")).identity
    assert await record(mesh, signal(mesh, agent, "s", DENIED), signal(mesh, dev, "s", DENIED)) == [APPLIED, APPLIED]


async def test_signals_of_one_environment_touch_nothing_in_another(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    dev = (await mesh.enrol(key=seeded_key(2), environment="dev")).identity
    mixed = signal(mesh, agent, "s", INCIDENT)
    mixed.environment = "dev"
    assert await record(mesh, mixed) == [REFUSED]
    await record(mesh, *(signal(mesh, dev, f"d-{number}", PASSED) for number in range(5)))
    assert (await trust_of(mesh, agent)).score == 300


async def test_an_agents_judgement_weighs_its_score_and_nothing_from_ring_3(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    rater = (
        await mesh.enrol(
            "rater",
            key=seeded_key(2),
            content=replace(COMPLETE, sponsor="sponsors/grace", backup_sponsor="sponsors/ada"),
        )
    ).identity
    assert await record(mesh, signal(mesh, agent, "early", ACCEPTED, rater=rater.did)) == [CAPPED]
    for hour in range(60):
        await record(mesh, *(signal(mesh, rater, f"r-{hour}-{number}", PASSED) for number in range(2)))
        mesh.clock.advance(Millis(HOUR))
    standing = await trust_of(mesh, rater)
    assert standing.ring == 2
    assert await record(mesh, signal(mesh, agent, "late", ACCEPTED, rater=rater.did)) == [APPLIED]
    earned = (await trust_of(mesh, agent)).state.earned_micro_points
    assert earned == 2_000_000 * standing.score // 1_000
    by_name = signal(mesh, agent, "named", ACCEPTED, rater=rater.agent)
    assert await record(mesh, by_name) == [APPLIED]


@pytest.mark.parametrize(
    "rater", ["self", "self-name", "sponsors/ada", "sponsors/grace", "did:key:z6Mk", "namespaces/x/agents/y"]
)
async def test_whoever_has_an_interest_or_is_unknown_has_no_weight(
    mesh: IdentityMesh, agent: pb.AgentIdentity, rater: str
) -> None:
    named = {"self": agent.did, "self-name": agent.agent}.get(rater, rater)
    for number, kind in enumerate((ACCEPTED, REJECTED)):
        assert await record(mesh, signal(mesh, agent, f"s-{number}", kind, rater=named)) == [CAPPED]
    assert (await trust_of(mesh, agent)).score == 300


async def test_a_gateway_passes_on_judgements_and_nothing_else(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    gateway = mesh.trust(GATEWAY)

    def saying(signal_id: str, kind: "tpb.SignalKind.ValueType", rater: str = "") -> tpb.RecordSignalsRequest:
        return tpb.RecordSignalsRequest(signals=[signal(mesh, agent, signal_id, kind, rater=rater)])

    for number, rater in enumerate(("", GATEWAY.principal)):
        answer = await gateway.RecordSignals(saying(f"ok-{number}", ACCEPTED, rater))
        assert answer.results[0].outcome == APPLIED
    for number, request in enumerate(
        [saying("x", DENIED), saying("x", PASSED), saying("x", ACCEPTED, "test:olga"), saying("x", ACCEPTED, agent.did)]
    ):
        refused = await refusal(gateway.RecordSignals(request))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED"), number
    bound = Caller(
        principal="test:edge", roles=frozenset({Role.GATEWAY}), agents=frozenset({"did:key:z6Mk", agent.did})
    )
    spoken = await mesh.trust(bound).RecordSignals(saying("bound", ACCEPTED, "did:key:z6Mk"))
    assert spoken.results[0].outcome == CAPPED


async def test_a_confirmed_incident_suspends(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await record(mesh, signal(mesh, agent, "incident", INCIDENT))
    found = await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))
    assert found.identity.status == pb.IDENTITY_STATUS_SUSPENDED
    assert found.identity.revocation_epoch == agent.revocation_epoch + 1
    refused = await refusal(mesh.token(agent))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_SUSPENDED")
    assert await record(mesh, signal(mesh, agent, "more", DENIED)) == [APPLIED]


async def test_trust_fades_while_nobody_writes(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await record(mesh, signal(mesh, agent, "s", PASSED))
    mesh.clock.advance(Millis(15 * DAY))
    auditor = await mesh.trust(AUDITOR).GetTrust(tpb.GetTrustRequest(did=agent.did))
    assert auditor.trust.score == 307
    assert auditor.trust.state.earned_micro_points == 15_000_000


async def test_many_writers_at_once_lose_no_signal_and_pass_no_cap(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    async def send(number: int) -> list["tpb.SignalOutcome.ValueType"]:
        return await record(
            mesh, signal(mesh, agent, f"s-{number}", ACCEPTED), signal(mesh, agent, f"d-{number}", DENIED)
        )

    outcomes = [outcome for result in await asyncio.gather(*map(send, range(40))) for outcome in result]
    assert outcomes.count(APPLIED) == 40 + 10
    state = (await trust_of(mesh, agent)).state
    assert state.debt_micro_points > 0
    assert (await trust_of(mesh, agent)).score <= 300 - 40 * 5 + 20


async def test_a_new_agent_inherits_half_of_its_sponsors_worst_debt_in_the_same_environment(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    await record(mesh, signal(mesh, agent, "s", tpb.SIGNAL_KIND_FORGED_SIGNATURE))
    again = (await mesh.enrol("fresh", key=seeded_key(2))).identity
    assert (await trust_of(mesh, again)).score == 200
    elsewhere = (await mesh.enrol("fresh", key=seeded_key(3), environment="dev")).identity
    assert (await trust_of(mesh, elsewhere)).score == 300
    unrelated = (await mesh.enrol("other", key=seeded_key(4), content=OF_GRACE)).identity
    assert (await trust_of(mesh, unrelated)).score == 300
