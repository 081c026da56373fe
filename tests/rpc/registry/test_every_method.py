"""What holds for every method: who is asked, what is no message at all, and what is written when something is wrong."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_registry.grants import GRANTS
from support.registry.agents import CARD
from support.registry.card_shapes import as_cards
from support.registry.served import LEDGER, SERVICE_NAME, ServedRegistry, registration, served_registry
from support.wire import messages, raw_method, raw_stream, read_refusal, refusal

SOUND: dict[str, Message] = {
    "RegisterAgent": registration(),
    "GetAgent": pb.GetAgentRequest(name=LEDGER),
    "GetCard": pb.GetCardRequest(name=LEDGER),
    "ListAgents": pb.ListAgentsRequest(parent="namespaces/finance"),
    "UpdateAgent": pb.UpdateAgentRequest(agent=pb.Agent(name=LEDGER, team="x")),
    "RetireAgent": pb.RetireAgentRequest(name=LEDGER),
    "GetCardAttestation": pb.GetCardAttestationRequest(name=LEDGER),
    "ValidateCard": pb.ValidateCardRequest(card=CARD),
    "DeleteAgent": pb.DeleteAgentRequest(name=LEDGER),
    "UndeleteAgent": pb.UndeleteAgentRequest(name=LEDGER),
    "SubmitAgent": pb.SubmitAgentRequest(name=LEDGER),
    "ApproveAgent": pb.ApproveAgentRequest(name=LEDGER),
    "SuspendAgent": pb.SuspendAgentRequest(name=LEDGER, reason="It answers nonsense."),
    "ResumeAgent": pb.ResumeAgentRequest(name=LEDGER, reason="It does not any more."),
    "DeprecateAgent": pb.DeprecateAgentRequest(name=LEDGER, deprecation=pb.Deprecation(reason="It is replaced.")),
    "RenewLease": pb.RenewLeaseRequest(name=LEDGER),
    "ListAgentRevisions": pb.ListAgentRevisionsRequest(parent=LEDGER),
    "TagRevision": pb.TagRevisionRequest(name=f"{LEDGER}/revisions/1", alias="stable"),
    "RollbackAgent": pb.RollbackAgentRequest(name=LEDGER, revision="1"),
    "SetRollout": pb.SetRolloutRequest(name=LEDGER, canary_percent=0),
    "CompareRevisions": pb.CompareRevisionsRequest(name=LEDGER, before="1"),
    "CheckReadiness": pb.CheckReadinessRequest(name=LEDGER),
    "RecordEvaluation": pb.RecordEvaluationRequest(
        name=LEDGER,
        evaluation=pb.Evaluation(plan="suite-7", passed=True, evaluate_time=Timestamp(seconds=1_767_000_000)),
    ),
    "WatchAgents": pb.WatchAgentsRequest(parent="namespaces/finance", send_initial_state=True),
}
OF_NO_AGENT = frozenset({"ValidateCard"})
FOR_OTHERS = frozenset({("RenewLease", Role.GATEWAY)})
"""A gateway renews for the agents it speaks for, and this one speaks for nobody."""
EVERY_METHOD = pytest.mark.parametrize("method", sorted(SOUND))


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        yield served


def send(channel: grpc.aio.Channel, method: str, *bodies: bytes) -> Any:
    """Call a method with any bytes; a stream's first answer counts as its answer."""
    path = f"/{SERVICE_NAME}/{method}"
    if method == "WatchAgents":
        return raw_stream(channel, path)(messages(bodies)).read()
    return raw_method(channel, path)(messages(bodies))


async def outcome(call: Any) -> tuple[str, str]:
    """Return code and reason of a call; a stream's first answer is its answer."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        refused = read_refusal(error)
        return refused.code, refused.reason
    return "OK", ""


def test_every_method_has_a_sound_request_here() -> None:
    ours = {method for method in GRANTS if method.startswith(f"/{SERVICE_NAME}/")}
    assert {f"/{SERVICE_NAME}/{method}" for method in SOUND} == ours


@EVERY_METHOD
async def test_nobody_in_particular_is_refused(registry: ServedRegistry, method: str) -> None:
    refused = await refusal(send(registry.channel(ANONYMOUS), method, SOUND[method].SerializeToString()))
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


@EVERY_METHOD
async def test_a_bad_token_is_refused(registry: ServedRegistry, method: str) -> None:
    path = f"/{SERVICE_NAME}/{method}"
    call: Any = raw_stream(registry.channel(ANONYMOUS), path)(
        messages([SOUND[method].SerializeToString()]), metadata=(("authorization", "Bearer nonsense"),)
    )
    refused = await refusal(call.read())
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


@EVERY_METHOD
async def test_only_roles_with_a_grant_get_past_the_door(registry: ServedRegistry, method: str) -> None:
    for role in Role:
        await registry_answers(registry, method, role)


async def registry_answers(registry: ServedRegistry, method: str, role: Role) -> None:
    caller = Caller(
        principal="did:web:id.example.com:agents:someone" if role is Role.AGENT else "someone",
        roles=frozenset({role}),
        namespaces=frozenset({"finance"}) if role is Role.NAMESPACE_OWNER else frozenset(),
        environment="dev" if role is Role.AGENT else "",
    )
    told = await outcome(send(registry.channel(caller), method, SOUND[method].SerializeToString()))
    granted = role in GRANTS[f"/{SERVICE_NAME}/{method}"].roles
    if not granted or (method, role) in FOR_OTHERS or (role is Role.AGENT and method not in OF_NO_AGENT):
        # An agent has a grant to read, and is not told whether others exist.
        assert told == ("PERMISSION_DENIED", "NOT_PERMITTED")
    else:
        past_the_door = {("OK", ""), ("NOT_FOUND", "AGENT_NOT_FOUND"), ("ALREADY_EXISTS", "AGENT_ALREADY_EXISTS")}
        assert told in past_the_door


NO_MESSAGE = {
    "not a message": b"\xff\xff\xff",
    "cut short": b"\x0a\x7fshort",
    "not UTF-8": b"\x0a\x02\xc3\x28",
    "another type, then nothing": b"\x08\x01\x0a",
}


@EVERY_METHOD
async def test_what_is_no_message_is_refused(registry: ServedRegistry, method: str) -> None:
    for why, body in NO_MESSAGE.items():
        if why == "not UTF-8" and method == "ValidateCard":
            continue  # its first field is bytes
        told = await outcome(send(registry.channel(), method, body))
        assert told == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE"), why


@EVERY_METHOD
async def test_a_message_over_the_limit_is_refused(registry: ServedRegistry, method: str) -> None:
    # Field 999, unknown to every message, of five million bytes.
    refused = await refusal(send(registry.channel(), method, b"\xba\x3e\xc0\x96\xb1\x02" + b"x" * 5_000_000))
    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")


@EVERY_METHOD
async def test_an_empty_message_is_told_what_is_missing(registry: ServedRegistry, method: str) -> None:
    refused = await refusal(send(registry.channel(), method, b""))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert refused.violations


@EVERY_METHOD
async def test_unknown_fields_are_passed_over(registry: ServedRegistry, method: str) -> None:
    await registry.register("other")
    body = SOUND[method].SerializeToString() + b"\xba\x3e\x03abc"
    assert await outcome(send(registry.channel(), method, body)) in {("OK", ""), ("NOT_FOUND", "AGENT_NOT_FOUND")}


async def test_a_method_there_is_not(registry: ServedRegistry) -> None:
    refused = await refusal(send(registry.channel(), "DeleteEverything", b""))
    assert (refused.code, refused.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(card=as_cards())
async def test_any_card_is_registered_as_it_is_or_refused_and_nothing_is_half_written(
    registry: ServedRegistry, card: bytes
) -> None:
    stub = registry.stub()
    before = await stub.ListAgents(pb.ListAgentsRequest(parent="namespaces/-"))
    agent_id = f"a{before.revision}"
    told = await outcome(stub.RegisterAgent(registration(agent_id, card=card)))
    after = await stub.ListAgents(pb.ListAgentsRequest(parent="namespaces/-"))
    if told == ("OK", ""):
        kept = await stub.GetCard(pb.GetCardRequest(name=f"namespaces/finance/agents/{agent_id}"))
        assert (kept.card, after.revision) == (card, before.revision + 1)
    else:
        assert told == ("INVALID_ARGUMENT", "CARD_INVALID")
        assert after.revision == before.revision


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(method=st.sampled_from(sorted(set(SOUND) - {"WatchAgents"})), data=st.data())
async def test_damaged_requests_are_never_our_fault(registry: ServedRegistry, method: str, data: st.DataObject) -> None:
    body = SOUND[method].SerializeToString()
    at, length = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 4))
    body = body[:at] + data.draw(st.binary(max_size=4)) + body[at + length :]
    code, _ = await outcome(send(registry.channel(), method, body))
    assert code in {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED"}
