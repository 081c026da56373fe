"""`ringfence approval`: what is sent, what is shown, and who can be made up."""

from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.pdp.v1 import approval_pb2 as pb
from ringfence_kit.callers import Role
from ringfence_kit.clock import SystemClock
from ringfence_kit.dev_tokens import open_dev_tokens
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

NAME = "approvals/00000000-0000-4000-8000-000000000001"


def approval(**changed: object) -> pb.Approval:
    shown = pb.Approval(
        name=NAME,
        state=pb.APPROVAL_STATE_PENDING,
        min_approvals=2,
        approver_groups=["group:oncall"],
        votes=[pb.Vote(voter="dev:ada", approve=True, comment="looks right", groups=["group:oncall"])],
        agent="namespaces/demo/agents/analyst",
        environment="dev",
        action="delete_table",
        resource_type="table",
        resource_id="orders",
        rules=["house/delete"],
        expire_time=Timestamp(seconds=1_767_225_600),
    )
    shown.arguments.update({"table": "orders"})
    for name, value in changed.items():
        setattr(shown, name, value)
    return shown


def test_a_list_says_who_wants_what_and_how_far_it_is(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.approvals.answers["ListApprovals"] = pb.ListApprovalsResponse(approvals=[approval()])
    ended = ringfence("approval", "list", "--state", "pending", "--for", "demo/analyst", "--limit", "5")
    assert ended.code == 0, ended.err
    assert "demo/analyst" in ended.out
    assert "1 of 2" in ended.out
    sent = mesh.last.request
    assert (sent.state, sent.scope, sent.page_size) == (
        pb.APPROVAL_STATE_PENDING,
        "namespaces/demo/agents/analyst",
        5,
    )


def test_a_namespace_is_a_scope_too(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ended = ringfence("approval", "list", "--for", "demo")
    assert "nothing waits for people" in ended.out
    assert mesh.last.request.scope == "namespaces/demo"


def test_one_is_shown_with_everything_to_decide_by(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.approvals.answers["GetApproval"] = pb.GetApprovalResponse(approval=approval())
    ended = ringfence("approval", "get", NAME.removeprefix("approvals/"))
    assert ended.code == 0, ended.err
    assert mesh.last.request.name == NAME
    for shown in (
        "delete_table",
        "table orders",
        '{"table": "orders"}',
        "2 people, of each group:oncall",
        "looks right",
    ):
        assert shown in ended.out


def test_a_yes_and_what_lacks(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.approvals.answers["Approve"] = pb.ApproveResponse(approval=approval())
    ended = ringfence("approval", "approve", NAME, "--comment", "fine", "--binding", f"sha256-{'0' * 64}")
    assert ended.code == 0, ended.err
    assert (mesh.last.request.name, mesh.last.request.comment) == (NAME, "fine")
    assert mesh.last.request.binding_digest == f"sha256-{'0' * 64}"
    assert "1 of 2 people, of each group:oncall so far" in ended.err
    mesh.approvals.answers["Approve"] = pb.ApproveResponse(approval=approval(state=pb.APPROVAL_STATE_APPROVED))
    assert "the same question asked again is allowed, once" in ringfence("approval", "approve", NAME).err


def test_a_no_says_why(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.approvals.answers["Deny"] = pb.DenyResponse(approval=approval(state=pb.APPROVAL_STATE_DENIED))
    assert ringfence("approval", "deny", NAME).code == ExitCode.USAGE
    assert ringfence("approval", "deny", NAME, "--comment", "not today").code == 0
    assert mesh.last.request.comment == "not today"


def test_one_is_called_off(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.approvals.answers["Cancel"] = pb.CancelResponse(approval=approval(state=pb.APPROVAL_STATE_CANCELLED))
    ended = ringfence("approval", "cancel", NAME, "--reason", "the table is gone")
    assert "cancelled" in ended.out
    assert mesh.last.request.reason == "the table is gone"


def test_a_watch_prints_a_line_for_each_change(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.approvals.answers["WatchApprovals"] = [
        pb.WatchApprovalsResponse(type=pb.APPROVAL_EVENT_TYPE_ADDED, revision=7, approval=approval())
    ]
    ended = ringfence("approval", "watch", "--count", "1", "--for", "demo")
    assert ended.code == 0, ended.err
    assert f"7  pending  {NAME}  demo/analyst delete_table orders" in ended.out
    assert mesh.sent("WatchApprovals").scope == "namespaces/demo"


class TestPeopleOfDevelopmentMode:
    def test_whoever_holds_the_operator_token_can_be_several_people(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path
    ) -> None:
        tokens = open_dev_tokens(nowhere / ".ringfence")
        mesh.approvals.answers["Approve"] = pb.ApproveResponse(approval=approval())
        ended = ringfence("approval", "approve", NAME, "--as", "ada", "--group", "oncall", "--group", "group:leads")
        assert ended.code == 0, ended.err
        shown = mesh.last.metadata["authorization"].removeprefix("Bearer ")
        caller = tokens.caller(shown, SystemClock().now())
        assert caller is not None
        assert (caller.principal, caller.roles) == ("dev:ada", frozenset({Role.APPROVER}))
        assert caller.groups == {"oncall", "leads"}

    def test_nobody_is_made_up_without_it(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ended = ringfence("approval", "approve", NAME, "--as", "ada", "--group", "oncall")
        assert ended.code == ExitCode.CONFIGURATION
        assert "no operator token" in ended.err
        assert not mesh.calls

    @pytest.mark.parametrize("given", [("--as", "Ada B."), ("--as", "operator"), ("--group", "oncall")])
    def test_what_is_no_person_is_not_tried(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, given: tuple[str, str]
    ) -> None:
        open_dev_tokens(nowhere / ".ringfence")
        assert ringfence("approval", "list", *given).code == ExitCode.USAGE
        assert not mesh.calls
