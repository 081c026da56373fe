"""The life of an agent over gRPC: every method's answer, and every refusal by code and reason."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.registry.v1 import card_pb2, namespace_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, Millis
from support.registry.agents import CARD
from support.registry.served import (
    FINANCE_OWNER,
    LEDGER,
    REQUEST_ID,
    ServedRegistry,
    agent_message,
    registration,
    served_registry,
)
from support.wire import Refusal, refusal

NEW_CARD = CARD.replace(b'"1.0.0"', b'"2.0.0"')
MOVED_CARD = NEW_CARD.replace(b"https://ledger.example.com", b"https://elsewhere.example.com")
APPROVER = Caller(principal="oidc:approver", roles=frozenset({Role.APPROVER}))
IN_PROD = agent_message(environments=["prod"])


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        yield served


async def updated(registry: ServedRegistry, *, card: bytes = b"", **said: Any) -> pb.Agent:
    request = pb.UpdateAgentRequest(agent=pb.Agent(name=LEDGER, **said), card=card)
    return (await registry.stub(FINANCE_OWNER).UpdateAgent(request)).agent


async def got(registry: ServedRegistry) -> pb.Agent:
    return (await registry.stub().GetAgent(pb.GetAgentRequest(name=LEDGER))).agent


async def ask_of_namespace(registry: ServedRegistry, **said: Any) -> None:
    namespace = namespace_pb2.Namespace(name="namespaces/finance", **said)
    stub = NamespaceServiceStub(registry.channel())
    await stub.UpdateNamespace(namespace_pb2.UpdateNamespaceRequest(namespace=namespace))


def told(refused: Refusal) -> tuple[str, str]:
    return refused.code, refused.reason


# Prod


async def test_who_goes_to_prod_begins_as_a_draft_that_is_told_what_it_lacks(registry: ServedRegistry) -> None:
    answer = await registry.stub(FINANCE_OWNER).RegisterAgent(registration(agent=IN_PROD))
    assert answer.agent.state == pb.AGENT_STATE_DRAFT
    lacking = [pb.ReadinessGateKind.Name(gate.kind) for gate in answer.unmet_gates]
    assert lacking[0] == "READINESS_GATE_KIND_IDENTITY"
    submitted = await registry.stub(FINANCE_OWNER).SubmitAgent(pb.SubmitAgentRequest(name=LEDGER))
    assert submitted.agent.state == pb.AGENT_STATE_PENDING_REVIEW
    assert submitted.unmet_gates == answer.unmet_gates
    checked = await registry.stub().CheckReadiness(pb.CheckReadinessRequest(name=LEDGER))
    assert not checked.ready
    assert [gate.kind for gate in checked.gates] == list(pb.ReadinessGateKind.values())[1:]
    assert [gate for gate in checked.gates if not gate.met] == list(answer.unmet_gates)
    refused = await refusal(registry.stub(APPROVER).ApproveAgent(pb.ApproveAgentRequest(name=LEDGER)))
    assert told(refused) == ("FAILED_PRECONDITION", "READINESS_NOT_MET")
    assert len(refused.violations) == len(answer.unmet_gates)
    rejection = pb.ApproveAgentRequest(name=LEDGER, reject=True, reason="Not without an SLO.")
    rejected = (await registry.stub(APPROVER).ApproveAgent(rejection)).agent
    assert (rejected.state, rejected.state_reason) == (pb.AGENT_STATE_DRAFT, "Not without an SLO.")


async def test_readiness_is_asked_for_an_environment_that_keeps_no_gates_too(registry: ServedRegistry) -> None:
    await registry.register()
    nowhere = await registry.stub().CheckReadiness(pb.CheckReadinessRequest(name=LEDGER))
    assert nowhere.ready
    assert not nowhere.gates
    there = await registry.stub().CheckReadiness(pb.CheckReadinessRequest(name=LEDGER, environment="staging"))
    assert not there.ready
    assert len(there.gates) == 11


@pytest.mark.parametrize("environments", [["prod"], ["staging", "prod"]])
async def test_a_serving_agent_does_not_slip_into_prod(registry: ServedRegistry, environments: list[str]) -> None:
    await registry.register()
    refused = await refusal(updated(registry, environments=environments))
    assert told(refused) == ("FAILED_PRECONDITION", "READINESS_NOT_MET")
    assert list((await got(registry)).environments) == ["dev"]


async def test_where_gates_are_kept_is_a_setting(tmp_path: Path) -> None:
    async with served_registry(tmp_path, gated_environments=("dev", "staging")) as registry:
        assert (await registry.register()).state == pb.AGENT_STATE_DRAFT
        assert (await registry.register("other", agent=IN_PROD)).state == pb.AGENT_STATE_ACTIVE


# States


async def test_a_life_over_grpc(registry: ServedRegistry) -> None:
    owner, approver = registry.stub(FINANCE_OWNER), registry.stub(APPROVER)
    await registry.register("successor")
    await registry.register(as_draft=True)
    await owner.SubmitAgent(pb.SubmitAgentRequest(name=LEDGER))
    agent = (await approver.ApproveAgent(pb.ApproveAgentRequest(name=LEDGER))).agent
    assert agent.state == pb.AGENT_STATE_ACTIVE
    end = Timestamp(seconds=registry.clock.now() // 1_000 + 86_400)
    deprecation = pb.Deprecation(
        reason="It is replaced.", end_of_life_time=end, replaced_by="namespaces/finance/agents/successor"
    )
    agent = (await owner.DeprecateAgent(pb.DeprecateAgentRequest(name=LEDGER, deprecation=deprecation))).agent
    assert (agent.state, agent.deprecation) == (pb.AGENT_STATE_DEPRECATED, deprecation)
    stop = pb.SuspendAgentRequest(name=LEDGER, reason="It looks wrong.")
    agent = (await owner.SuspendAgent(stop)).agent
    assert (agent.state, agent.state_reason) == (pb.AGENT_STATE_SUSPENDED, "It looks wrong.")
    agent = (await approver.ResumeAgent(pb.ResumeAgentRequest(name=LEDGER, reason="It was right."))).agent
    assert agent.state == pb.AGENT_STATE_DEPRECATED
    agent = (await owner.RetireAgent(pb.RetireAgentRequest(name=LEDGER, etag=agent.etag))).agent
    assert (agent.state, agent.HasField("retire_time")) == (pb.AGENT_STATE_RETIRED, True)
    deleted = (await owner.DeleteAgent(pb.DeleteAgentRequest(name=LEDGER))).agent
    assert deleted.purge_time.seconds - deleted.delete_time.seconds == 30 * 86_400
    missing = pb.DeleteAgentRequest(name="namespaces/finance/agents/nobody", allow_missing=True)
    assert not (await owner.DeleteAgent(missing)).HasField("agent")
    back = (await owner.UndeleteAgent(pb.UndeleteAgentRequest(name=LEDGER))).agent
    assert (back.state, back.HasField("delete_time")) == (pb.AGENT_STATE_RETIRED, False)


REFUSED = {
    "submitting what serves": ("SubmitAgent", pb.SubmitAgentRequest(name=LEDGER), "ILLEGAL_STATE_TRANSITION"),
    "approving what nobody handed in": (
        "ApproveAgent",
        pb.ApproveAgentRequest(name=LEDGER),
        "ILLEGAL_STATE_TRANSITION",
    ),
    "resuming what serves": (
        "ResumeAgent",
        pb.ResumeAgentRequest(name=LEDGER, reason="x"),
        "ILLEGAL_STATE_TRANSITION",
    ),
    "deleting what serves": ("DeleteAgent", pb.DeleteAgentRequest(name=LEDGER), "ILLEGAL_STATE_TRANSITION"),
    "bringing back what is there": ("UndeleteAgent", pb.UndeleteAgentRequest(name=LEDGER), "AGENT_NOT_DELETED"),
    "a revision it never had": (
        "TagRevision",
        pb.TagRevisionRequest(name=f"{LEDGER}/revisions/7", alias="stable"),
        "REVISION_NOT_FOUND",
    ),
    "going back to nothing": ("RollbackAgent", pb.RollbackAgentRequest(name=LEDGER), "REVISION_NOT_FOUND"),
    "a canary that is not there": (
        "SetRollout",
        pb.SetRolloutRequest(name=LEDGER, canary_percent=5),
        "REVISION_NOT_FOUND",
    ),
    "comparing with nothing": (
        "CompareRevisions",
        pb.CompareRevisionsRequest(name=LEDGER),
        "REVISION_NOT_FOUND",
    ),
    "a card of a revision it never had": (
        "GetCard",
        pb.GetCardRequest(name=f"{LEDGER}/revisions/stable"),
        "REVISION_NOT_FOUND",
    ),
    "an old etag": ("SuspendAgent", pb.SuspendAgentRequest(name=LEDGER, reason="x", etag='"old"'), "ETAG_MISMATCH"),
}
CODES = {
    "ILLEGAL_STATE_TRANSITION": "FAILED_PRECONDITION",
    "AGENT_NOT_DELETED": "ALREADY_EXISTS",
    "REVISION_NOT_FOUND": "NOT_FOUND",
    "ETAG_MISMATCH": "ABORTED",
}


@pytest.mark.parametrize(("method", "request_", "reason"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_done_is_refused_with_its_reason(
    registry: ServedRegistry, method: str, request_: Any, reason: str
) -> None:
    await registry.register()
    refused = await refusal(getattr(registry.stub(), method)(request_))
    assert told(refused) == (CODES[reason], reason)
    assert refused.metadata["name"] == LEDGER


async def test_what_is_deleted_is_not_there_for_who_changes_something(registry: ServedRegistry) -> None:
    await registry.register(as_draft=True)
    await registry.stub().DeleteAgent(pb.DeleteAgentRequest(name=LEDGER))
    for call in (
        registry.stub().DeleteAgent(pb.DeleteAgentRequest(name=LEDGER)),
        registry.stub().SubmitAgent(pb.SubmitAgentRequest(name=LEDGER)),
        updated(registry, team="x"),
    ):
        assert told(await refusal(call)) == ("NOT_FOUND", "AGENT_NOT_FOUND")
    assert (await got(registry)).HasField("delete_time")


SHAPES: dict[str, tuple[str, Any, str]] = {
    "no reason to suspend": ("SuspendAgent", pb.SuspendAgentRequest(name=LEDGER), "reason"),
    "no reason to reject": ("ApproveAgent", pb.ApproveAgentRequest(name=LEDGER, reject=True), "reason"),
    "a long reason": ("ResumeAgent", pb.ResumeAgentRequest(name=LEDGER, reason="x" * 501), "reason"),
    "no reason to deprecate": ("DeprecateAgent", pb.DeprecateAgentRequest(name=LEDGER), "deprecation.reason"),
    "an end in the past": (
        "DeprecateAgent",
        pb.DeprecateAgentRequest(
            name=LEDGER, deprecation=pb.Deprecation(reason="x", end_of_life_time=Timestamp(seconds=1))
        ),
        "deprecation.end_of_life_time",
    ),
    "a successor nobody sees": (
        "DeprecateAgent",
        pb.DeprecateAgentRequest(
            name=LEDGER, deprecation=pb.Deprecation(reason="x", replaced_by="namespaces/a/agents/b")
        ),
        "deprecation.replaced_by",
    ),
    "a lease too short": ("RenewLease", pb.RenewLeaseRequest(name=LEDGER, ttl=Duration(seconds=59)), "ttl"),
    "a lease too long": ("RenewLease", pb.RenewLeaseRequest(name=LEDGER, ttl=Duration(seconds=604_801)), "ttl"),
    "an alias that is computed": (
        "TagRevision",
        pb.TagRevisionRequest(name=f"{LEDGER}/revisions/1", alias="latest"),
        "alias",
    ),
    "an alias that is a number": (
        "TagRevision",
        pb.TagRevisionRequest(name=f"{LEDGER}/revisions/1", alias="7"),
        "alias",
    ),
    "no revision": ("TagRevision", pb.TagRevisionRequest(name=LEDGER, alias="stable"), "name"),
    "more than all": ("SetRollout", pb.SetRolloutRequest(name=LEDGER, canary_percent=101), "canary_percent"),
    "a canary that is stable": (
        "SetRollout",
        pb.SetRolloutRequest(name=LEDGER, canary_revision="1", stable_revision="latest", canary_percent=1),
        "canary_revision",
    ),
    "a result of tomorrow": (
        "RecordEvaluation",
        pb.RecordEvaluationRequest(
            name=LEDGER, evaluation=pb.Evaluation(plan="x", evaluate_time=Timestamp(seconds=4_000_000_000))
        ),
        "evaluation.evaluate_time",
    ),
    "a result of no time": (
        "RecordEvaluation",
        pb.RecordEvaluationRequest(name=LEDGER, evaluation=pb.Evaluation(plan="x")),
        "evaluation.evaluate_time",
    ),
    "half a digest": (
        "RecordEvaluation",
        pb.RecordEvaluationRequest(
            name=LEDGER,
            evaluation=pb.Evaluation(plan="x", card_sha256=b"12", evaluate_time=Timestamp(seconds=1)),
        ),
        "evaluation.card_sha256",
    ),
    "a card and a revision": (
        "CompareRevisions",
        pb.CompareRevisionsRequest(name=LEDGER, before="1", after="1", card=CARD),
        "after",
    ),
    "an environment that is no label": (
        "CheckReadiness",
        pb.CheckReadinessRequest(name=LEDGER, environment="Prod"),
        "environment",
    ),
}


@pytest.mark.parametrize(("method", "request_", "field"), SHAPES.values(), ids=SHAPES)
async def test_what_breaks_a_rule_is_told_where(
    registry: ServedRegistry, method: str, request_: Any, field: str
) -> None:
    await registry.register()
    refused = await refusal(getattr(registry.stub(), method)(request_))
    assert told(refused) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert list(refused.violations) == [field]


# Leases


async def test_a_lease_begins_at_registration_and_its_end_is_watched(registry: ServedRegistry) -> None:
    agent = await registry.register(lease_ttl=Duration(seconds=60))
    assert (agent.liveness, agent.lease_expire_time.seconds) == (
        pb.LIVENESS_LEASED,
        registry.clock.now() // 1_000 + 60,
    )
    watch = registry.stub().WatchAgents(pb.WatchAgentsRequest(parent="namespaces/finance", start_revision=1))
    events = aiter(watch)
    assert (await anext(events)).type == pb.WATCH_EVENT_TYPE_ADDED
    itself = Caller(principal="did:web:ledger", roles=frozenset({Role.AGENT}), environment="dev")
    refused = await refusal(registry.stub(itself).RenewLease(pb.RenewLeaseRequest(name=LEDGER)))
    assert told(refused) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    renewed = await registry.stub().RenewLease(pb.RenewLeaseRequest(name=LEDGER, ttl=Duration(seconds=90)))
    assert renewed.expire_time.seconds == registry.clock.now() // 1_000 + 90
    registry.clock.advance(Millis(90 * SECOND))
    assert (await got(registry)).liveness == pb.LIVENESS_EXPIRED
    ended = await anext(events)
    while ended.type == pb.WATCH_EVENT_TYPE_BOOKMARK:
        registry.clock.advance(Millis(SECOND))
        ended = await anext(events)
    assert (ended.type, ended.agent.liveness) == (pb.WATCH_EVENT_TYPE_MODIFIED, pb.LIVENESS_EXPIRED)
    assert ended.agent.etag == agent.etag


# Revisions


async def test_revisions_are_listed_tagged_compared_and_gone_back_to(registry: ServedRegistry) -> None:
    stub = registry.stub(FINANCE_OWNER)
    await registry.register()
    await stub.TagRevision(pb.TagRevisionRequest(name=f"{LEDGER}/revisions/1", alias="stable"))
    await updated(registry, card=MOVED_CARD, team="ledgers")
    compared = await stub.CompareRevisions(pb.CompareRevisionsRequest(name=LEDGER))
    assert (compared.before, compared.after) == (f"{LEDGER}/revisions/1", f"{LEDGER}/revisions/2")
    assert compared.compatibility == card_pb2.COMPATIBILITY_BREAKING
    assert compared.differences[0].kind == "interface_removed"
    rehearsed = await stub.CompareRevisions(pb.CompareRevisionsRequest(name=LEDGER, before="1", card=NEW_CARD))
    assert (rehearsed.compatibility, rehearsed.after) == (card_pb2.COMPATIBILITY_COMPATIBLE, "")

    listed = await stub.ListAgentRevisions(pb.ListAgentRevisionsRequest(parent=LEDGER, page_size=1))
    (newest,) = listed.revisions
    assert (newest.name, list(newest.aliases), newest.actor) == (f"{LEDGER}/revisions/2", ["latest"], "test:fay")
    assert (newest.snapshot.team, newest.snapshot.card.version) == ("ledgers", "2.0.0")
    assert not newest.snapshot.etag
    rest = await stub.ListAgentRevisions(
        pb.ListAgentRevisionsRequest(parent=LEDGER, page_size=1, page_token=listed.next_page_token)
    )
    assert (rest.revisions[0].name, list(rest.revisions[0].aliases)) == (f"{LEDGER}/revisions/1", ["stable"])

    for revision, card in (("1", CARD), ("stable", CARD), ("latest", MOVED_CARD)):
        kept = await stub.GetCard(pb.GetCardRequest(name=f"{LEDGER}/revisions/{revision}"))
        assert kept.card == card
    back = (await stub.RollbackAgent(pb.RollbackAgentRequest(name=LEDGER, reason="It was better."))).agent
    assert (back.revision, back.team, back.card.version) == (f"{LEDGER}/revisions/3", "", "1.0.0")
    assert [finding.kind for finding in back.card.findings if finding.kind == card_pb2.FINDING_KIND_OLDER_CARD]
    listed = await stub.ListAgentRevisions(pb.ListAgentRevisionsRequest(parent=LEDGER, page_size=1))
    assert (listed.revisions[0].rollback_of, listed.revisions[0].reason) == (f"{LEDGER}/revisions/1", "It was better.")


async def test_a_rollout_is_shown_and_ended(registry: ServedRegistry) -> None:
    stub = registry.stub(FINANCE_OWNER)
    await registry.register()
    await updated(registry, card=NEW_CARD)
    begun = await stub.SetRollout(
        pb.SetRolloutRequest(name=LEDGER, canary_revision="2", stable_revision="1", canary_percent=5)
    )
    assert (begun.agent.rollout.canary_percent, begun.agent.rollout.canary_revision) == (5, f"{LEDGER}/revisions/2")
    ended = (await stub.SetRollout(pb.SetRolloutRequest(name=LEDGER))).agent
    assert not ended.HasField("rollout")
    assert (ended.last_rollout_end.canary_revision, ended.last_rollout_end.actor) == (
        f"{LEDGER}/revisions/2",
        "test:fay",
    )
    assert ended.revision == f"{LEDGER}/revisions/2"


# What a namespace asks


async def test_a_namespace_asks_for_etags_and_compatible_cards(registry: ServedRegistry) -> None:
    await registry.register()
    await ask_of_namespace(
        registry, etag_required=True, admission=namespace_pb2.AdmissionPolicy(refuse_breaking_changes=True)
    )
    assert told(await refusal(updated(registry, team="x"))) == ("INVALID_ARGUMENT", "ETAG_REQUIRED")
    etag = (await got(registry)).etag
    refused = await refusal(updated(registry, card=MOVED_CARD, etag=etag))
    assert told(refused) == ("FAILED_PRECONDITION", "CARD_INCOMPATIBLE")
    assert list(refused.violations)
    assert (await updated(registry, card=NEW_CARD, etag=etag)).card.version == "2.0.0"


async def test_a_namespace_refuses_names_that_look_alike(registry: ServedRegistry) -> None:
    await registry.register()
    await ask_of_namespace(registry, admission=namespace_pb2.AdmissionPolicy(refuse_look_alikes=True))
    twin = registration("twin", agent=agent_message(display_name="Lеdger"))  # noqa: RUF001 - the letter in question
    refused = await refusal(registry.stub(FINANCE_OWNER).RegisterAgent(twin))
    assert told(refused) == ("ALREADY_EXISTS", "LOOK_ALIKE_NAME")
    assert refused.metadata["other"] == LEDGER


async def test_a_namespace_asks_for_a_second_person(registry: ServedRegistry) -> None:
    await ask_of_namespace(registry, review_required=True, distinct_approver_required=True)
    assert (await registry.register()).state == pb.AGENT_STATE_DRAFT
    await registry.stub().SubmitAgent(pb.SubmitAgentRequest(name=LEDGER))
    refused = await refusal(registry.stub().ApproveAgent(pb.ApproveAgentRequest(name=LEDGER)))
    assert told(refused) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    approved = await registry.stub(APPROVER).ApproveAgent(pb.ApproveAgentRequest(name=LEDGER))
    assert approved.agent.state == pb.AGENT_STATE_ACTIVE


# Evidence, repetition, likeness


async def test_who_is_measured_does_not_write_down_the_result(registry: ServedRegistry) -> None:
    await registry.register()
    evaluation = pb.Evaluation(plan="suite-7", passed=True, evaluate_time=Timestamp(seconds=1_767_000_000))
    request = pb.RecordEvaluationRequest(name=LEDGER, evaluation=evaluation)
    refused = await refusal(registry.stub(FINANCE_OWNER).RecordEvaluation(request))
    assert told(refused) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    recorded = (await registry.stub(APPROVER).RecordEvaluation(request)).agent
    assert (recorded.evaluation.recorder, recorded.evaluation.card_sha256) == (
        f"test:{APPROVER.principal}",
        recorded.card.sha256,
    )


async def test_a_step_repeated_with_its_request_id_is_taken_once(registry: ServedRegistry) -> None:
    await registry.register(as_draft=True)
    request = pb.SubmitAgentRequest(name=LEDGER, request_id=REQUEST_ID)
    first = await registry.stub().SubmitAgent(request)
    assert await registry.stub().SubmitAgent(request) == first
    other = pb.RetireAgentRequest(name=LEDGER, request_id=REQUEST_ID)
    assert told(await refusal(registry.stub().RetireAgent(other))) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


async def test_who_registers_an_agent_is_told_whom_it_resembles_of_those_it_sees(registry: ServedRegistry) -> None:
    await registry.register()
    again = await registry.stub(FINANCE_OWNER).RegisterAgent(registration("again"))
    assert [each.name for each in again.similar_agents] == [LEDGER]
    elsewhere = Caller(principal="tom", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"travel"}))
    unseen = await registry.stub(elsewhere).RegisterAgent(registration("again", parent="namespaces/travel"))
    assert not unseen.similar_agents
