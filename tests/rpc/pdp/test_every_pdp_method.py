"""What holds for every method of the pdp: who is asked, what is no message at all, and whose fault it is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ringfence.pdp.v1 import approval_pb2, bundle_pb2, decision_pb2, filter_pb2, limit_pb2, snapshot_pb2
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_pdp.grants import GRANTS
from support.pdp.gateway import envoy_request, tool_call
from support.pdp.served import (
    ANALYST,
    APPROVAL_SERVICE,
    BUNDLE_SERVICE,
    DECISION_SERVICE,
    FILTER_SERVICE,
    KILL_SWITCH_SERVICE,
    LIMIT_SERVICE,
    SNAPSHOT_SERVICE,
    ServedPdp,
    push,
    question,
    served_pdp,
    stop,
)
from support.wire import messages, raw_method, raw_stream, read_refusal, refusal

NO_APPROVAL = "approvals/00000000-0000-4000-8000-000000000000"

SOUND: dict[str, Message] = {
    f"/{DECISION_SERVICE}/Check": question(),
    f"/{DECISION_SERVICE}/BatchCheck": decision_pb2.BatchCheckRequest(requests=[question()]),
    f"/{DECISION_SERVICE}/Explain": decision_pb2.ExplainRequest(request=question()),
    f"/{DECISION_SERVICE}/CheckStream": decision_pb2.CheckStreamRequest(id=1, request=question()),
    f"/{DECISION_SERVICE}/ListAllowedTools": decision_pb2.ListAllowedToolsRequest(
        subject=decision_pb2.Subject(agent=ANALYST), environment="dev"
    ),
    f"/{DECISION_SERVICE}/WatchDecisions": decision_pb2.WatchDecisionsRequest(),
    "/envoy.service.auth.v3.Authorization/Check": envoy_request(tool_call()),
    f"/{BUNDLE_SERVICE}/PushBundle": push(),
    f"/{BUNDLE_SERVICE}/GetBundle": bundle_pb2.GetBundleRequest(),
    f"/{BUNDLE_SERVICE}/ValidateBundle": bundle_pb2.ValidateBundleRequest(files=push().files),
    f"/{BUNDLE_SERVICE}/TestBundle": bundle_pb2.TestBundleRequest(files=push().files),
    f"/{BUNDLE_SERVICE}/UploadBundle": bundle_pb2.UploadBundleRequest(files=push().files),
    f"/{BUNDLE_SERVICE}/ListBundles": bundle_pb2.ListBundlesRequest(),
    f"/{BUNDLE_SERVICE}/GetRollout": bundle_pb2.GetRolloutRequest(),
    f"/{BUNDLE_SERVICE}/SetRollout": bundle_pb2.SetRolloutRequest(mode=bundle_pb2.ROLLOUT_MODE_NONE),
    f"/{BUNDLE_SERVICE}/PromoteBundle": bundle_pb2.PromoteBundleRequest(),
    f"/{BUNDLE_SERVICE}/RollbackBundle": bundle_pb2.RollbackBundleRequest(reason="it denies too much"),
    f"/{BUNDLE_SERVICE}/GetWouldFlips": bundle_pb2.GetWouldFlipsRequest(),
    f"/{KILL_SWITCH_SERVICE}/EngageKillSwitch": stop(tool="shell.run"),
    f"/{KILL_SWITCH_SERVICE}/ReleaseKillSwitch": bundle_pb2.ReleaseKillSwitchRequest(
        name="killSwitches/00000000-0000-4000-8000-000000000000", reason="it is safe"
    ),
    f"/{KILL_SWITCH_SERVICE}/ListKillSwitches": bundle_pb2.ListKillSwitchesRequest(),
    f"/{APPROVAL_SERVICE}/GetApproval": approval_pb2.GetApprovalRequest(name=NO_APPROVAL),
    f"/{APPROVAL_SERVICE}/ListApprovals": approval_pb2.ListApprovalsRequest(),
    f"/{APPROVAL_SERVICE}/WatchApprovals": approval_pb2.WatchApprovalsRequest(),
    f"/{APPROVAL_SERVICE}/Approve": approval_pb2.ApproveRequest(name=NO_APPROVAL),
    f"/{APPROVAL_SERVICE}/Deny": approval_pb2.DenyRequest(name=NO_APPROVAL, comment="not today"),
    f"/{APPROVAL_SERVICE}/Cancel": approval_pb2.CancelRequest(name=NO_APPROVAL),
    f"/{LIMIT_SERVICE}/ListLimits": limit_pb2.ListLimitsRequest(),
    f"/{LIMIT_SERVICE}/GetBudget": limit_pb2.GetBudgetRequest(limit="house/none", key="everything@dev"),
    f"/{FILTER_SERVICE}/Scan": filter_pb2.ScanRequest(text="hello"),
    f"/{FILTER_SERVICE}/ListFilterRules": filter_pb2.ListFilterRulesRequest(),
    f"/{SNAPSHOT_SERVICE}/WatchSnapshot": snapshot_pb2.WatchSnapshotRequest(send_initial_state=True),
    f"/{SNAPSHOT_SERVICE}/UploadDecisions": snapshot_pb2.UploadDecisionsRequest(
        entries=[
            snapshot_pb2.UploadedDecision(
                decision_id="00000000-0000-4000-8000-000000000000", body=b'{"type":"decision"}'
            )
        ]
    ),
}
EVERY_METHOD = pytest.mark.parametrize("method", sorted(SOUND), ids=lambda method: method.rsplit("/", 1)[1])

EMPTY_IS_SOUND = {
    *("GetBundle", "ListBundles", "GetRollout", "PromoteBundle", "GetWouldFlips"),
    *("ListKillSwitches", "ListApprovals", "WatchApprovals", "ListLimits", "WatchDecisions", "ListFilterRules"),
}
TOLD_IN_THE_ANSWER = {"/envoy.service.auth.v3.Authorization/Check", f"/{DECISION_SERVICE}/CheckStream"}
"""A gateway is told what to do, whatever it sends; a stream goes on."""
STREAMS = {"WatchApprovals", "WatchDecisions", "CheckStream", "WatchSnapshot"}
NOT_THERE = {
    ("NOT_FOUND", "KILL_SWITCH_NOT_FOUND"),
    ("NOT_FOUND", "APPROVAL_NOT_FOUND"),
    ("NOT_FOUND", "LIMIT_NOT_FOUND"),
    ("NOT_FOUND", "BUNDLE_NOT_FOUND"),
    ("FAILED_PRECONDITION", "ROLLOUT_CONFLICT"),
}
"""What a sound request may be told that is about nothing that exists."""


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


def send(channel: grpc.aio.Channel, method: str, *bodies: bytes) -> Any:
    """Call a method with any bytes; of a stream, the first answer is the answer."""
    if method.rsplit("/", 1)[1] in STREAMS:
        return raw_stream(channel, method)(messages(bodies)).read()
    return raw_method(channel, method)(messages(bodies))


def with_a_grant(pdp: ServedPdp, method: str) -> grpc.aio.Channel:
    """Return a channel of somebody with a grant."""
    roles = GRANTS[method].roles
    role = Role.PLATFORM_ADMIN if Role.PLATFORM_ADMIN in roles else next(iter(roles))
    return pdp.channel(Caller(principal="someone", roles=frozenset({role})))


async def outcome(call: Any) -> tuple[str, str]:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        refused = read_refusal(error)
        return refused.code, refused.reason
    return "OK", ""


def test_every_method_has_a_sound_request_here() -> None:
    assert set(SOUND) == set(GRANTS)


@EVERY_METHOD
async def test_nobody_in_particular_is_refused(pdp: ServedPdp, method: str) -> None:
    refused = await refusal(send(pdp.channel(ANONYMOUS), method, SOUND[method].SerializeToString()))
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


@EVERY_METHOD
async def test_only_roles_with_a_grant_get_past_the_door(pdp: ServedPdp, method: str) -> None:
    for role in Role:
        caller = Caller(
            principal="did:web:id.example.com:agents:someone" if role is Role.AGENT else "someone",
            roles=frozenset({role}),
            environment="dev" if role is Role.AGENT else "",
        )
        told = await outcome(send(pdp.channel(caller), method, SOUND[method].SerializeToString()))
        if role not in GRANTS[method].roles:
            assert told == ("PERMISSION_DENIED", "NOT_PERMITTED"), role
        else:
            # Past the door, a caller may still lack a bond to the agent or the namespace.
            allowed = {("OK", ""), *NOT_THERE, ("PERMISSION_DENIED", "NOT_PERMITTED")}
            assert told in allowed | {("ALREADY_EXISTS", "KILL_SWITCH_ALREADY_ENGAGED")}, role


NO_MESSAGE = {
    "not a message": b"\xff\xff\xff",
    "cut short": b"\x0a\x7fshort",
    "another type, then nothing": b"\x08\x01\x0a",
}


@EVERY_METHOD
async def test_what_is_no_message_is_refused(pdp: ServedPdp, method: str) -> None:
    for why, body in NO_MESSAGE.items():
        told = await outcome(send(with_a_grant(pdp, method), method, body))
        assert told == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE"), why


@pytest.mark.parametrize(
    ("method", "body"),
    [
        (f"/{DECISION_SERVICE}/Check", b"\x0a\x04\x0a\x02\xc3\x28"),
        (f"/{BUNDLE_SERVICE}/PushBundle", b"\x12\x02\xc3\x28"),
        (f"/{KILL_SWITCH_SERVICE}/EngageKillSwitch", b"\x12\x02\xc3\x28"),
    ],
)
async def test_a_text_that_is_not_utf_8_is_refused(pdp: ServedPdp, method: str, body: bytes) -> None:
    assert await outcome(send(pdp.channel(), method, body)) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE")


@EVERY_METHOD
async def test_a_message_over_the_limit_is_refused(pdp: ServedPdp, method: str) -> None:
    # Field 999, unknown to every message, of five and a half million bytes.
    refused = await refusal(send(with_a_grant(pdp, method), method, b"\xba\x3e\xe0\xd8\xcf\x02" + b"x" * 5_500_000))
    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")


@EVERY_METHOD
async def test_an_empty_message_is_told_what_is_missing(pdp: ServedPdp, method: str) -> None:
    call = send(with_a_grant(pdp, method), method, b"")
    if method.rsplit("/", 1)[1] in EMPTY_IS_SOUND or method in TOLD_IN_THE_ANSWER:
        assert await outcome(call) in {("OK", ""), *NOT_THERE}
        return
    refused = await refusal(call)
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert refused.violations


@EVERY_METHOD
async def test_unknown_fields_are_passed_over(pdp: ServedPdp, method: str) -> None:
    body = SOUND[method].SerializeToString()
    told = await outcome(send(with_a_grant(pdp, method), method, body + b"\xba\x3e\x03abc"))
    assert told in {("OK", ""), *NOT_THERE}


async def test_a_method_there_is_not(pdp: ServedPdp) -> None:
    refused = await refusal(send(pdp.channel(), f"/{DECISION_SERVICE}/AllowEverything", b""))
    assert (refused.code, refused.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")


NEVER_OURS = {
    "OK",
    "FAILED_PRECONDITION",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "ABORTED",
    "PERMISSION_DENIED",
    "OUT_OF_RANGE",
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(method=st.sampled_from(sorted(SOUND)), data=st.data())
async def test_damaged_requests_are_never_our_fault(pdp: ServedPdp, method: str, data: st.DataObject) -> None:
    body = SOUND[method].SerializeToString()
    at, length = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 4))
    body = body[:at] + data.draw(st.binary(max_size=4)) + body[at + length :]
    code, reason = await outcome(send(with_a_grant(pdp, method), method, body))
    assert code in NEVER_OURS
    assert (code == "OK") == (reason == "")
