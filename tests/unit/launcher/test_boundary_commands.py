"""`ringfence boundary`, its systems and its trust decisions: what each command asks for, and how it ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from ringfence.registry.v1 import boundary_pb2 as pb
from ringfence.registry.v1 import external_system_pb2, registry_pb2
from ringfence_launcher.boundary.systems import Verdict
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.words import number
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

NAME = "namespaces/demo/boundaries/payments"
SYSTEM = "namespaces/demo/externalSystems/bank"
ADA = registry_pb2.Owner(display_name="Ada", contact="ada@example.com")


def test_a_boundary_is_created_from_everything_that_was_typed(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ended = ringfence(
        *("boundary", "create", "demo/payments", "--owner", "Ada <ada@example.com>", "--description", "Money."),
        *("--agent", "demo/payer", "--system", "demo/bank", "--team", "treasury", "-e", "prod", "--risk", "high"),
        *("--data-class", "payment", "--has-label", "tier=gold", "--label", "a=b"),
        *("--single-sided-with", "sales/orders"),
    )
    assert ended.code == 0, ended.err
    sent = mesh.sent("CreateBoundary")
    assert (sent.parent, sent.boundary_id) == ("namespaces/demo", "payments")
    assert sent.boundary == pb.Boundary(
        owner=ADA,
        description="Money.",
        agents=["namespaces/demo/agents/payer"],
        external_systems=[SYSTEM],
        selector=pb.BoundarySelector(
            teams=["treasury"],
            environments=["prod"],
            risk_tiers=[registry_pb2.RISK_TIER_HIGH],
            data_classes=["payment"],
            labels={"tier": "gold"},
        ),
        single_sided_with=["namespaces/sales/boundaries/orders"],
        labels={"a": "b"},
    )


def test_a_boundary_without_a_selector_has_none(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ringfence("boundary", "create", "demo/payments", "--owner", "Ada <ada@example.com>")
    assert not mesh.sent("CreateBoundary").boundary.HasField("selector")


def test_a_file_says_the_same(ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
    (nowhere / "b.yaml").write_text("description: From the file.\nselector: {teams: [treasury]}\n")
    ringfence("boundary", "create", "demo/payments", "--file", "b.yaml", "--description", "Typed.")
    said = mesh.sent("CreateBoundary").boundary
    assert (said.description, list(said.selector.teams)) == ("Typed.", ["treasury"])


def test_a_system_is_entered_and_the_next_step_is_said(ringfence: CommandLine, mesh: FakeMesh) -> None:
    created = external_system_pb2.CreateExternalSystemResponse()
    created.external_system.name = SYSTEM
    mesh.external_systems.answers["CreateExternalSystem"] = created
    ended = ringfence(
        *("boundary", "system", "create", "demo/bank", "--owner", "Ada <ada@example.com>", "--risk", "high"),
        *("--url", "https://bank.example.com", "--operator", "Example Bank", "--data-class", "payment"),
    )
    assert ended.code == 0, ended.err
    sent = mesh.sent("CreateExternalSystem")
    assert (sent.parent, sent.external_system_id) == ("namespaces/demo", "bank")
    assert sent.external_system == external_system_pb2.ExternalSystem(
        owner=ADA,
        risk_tier=registry_pb2.RISK_TIER_HIGH,
        url="https://bank.example.com",
        operator="Example Bank",
        data_classes=["payment"],
    )
    assert "nobody decided" in ended.out
    assert "ringfence boundary trust demo/bank trusted" in ended.err


STEPS: Sequence[tuple[Sequence[str], Sequence[str], Message]] = (
    (("get",), (), pb.GetBoundaryRequest(name=NAME)),
    (("delete",), ("--etag", '"1"'), pb.DeleteBoundaryRequest(name=NAME, etag='"1"')),
    (("disable",), ("--reason", "why"), pb.DisableBoundaryRequest(name=NAME, reason="why")),
    (("enable",), ("--reason", "why"), pb.EnableBoundaryRequest(name=NAME, reason="why")),
    (("members",), (), pb.ListBoundaryMembersRequest(parent=NAME, page_size=1_000)),
)
SYSTEM_STEPS: Sequence[tuple[Sequence[str], Sequence[str], Message]] = (
    (("get",), (), external_system_pb2.GetExternalSystemRequest(name=SYSTEM)),
    (("delete",), (), external_system_pb2.DeleteExternalSystemRequest(name=SYSTEM)),
    (
        ("disable",),
        ("--reason", "why"),
        external_system_pb2.DisableExternalSystemRequest(name=SYSTEM, reason="why"),
    ),
    (("enable",), ("--reason", "why"), external_system_pb2.EnableExternalSystemRequest(name=SYSTEM, reason="why")),
)


@pytest.mark.parametrize(
    ("typed", "arguments", "asked"),
    [
        *(((*command, "demo/payments"), arguments, asked) for command, arguments, asked in STEPS),
        *((("system", *command, "demo/bank"), arguments, asked) for command, arguments, asked in SYSTEM_STEPS),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_command_asks_for_what_was_typed(
    ringfence: CommandLine, mesh: FakeMesh, typed: Sequence[str], arguments: Sequence[str], asked: Message
) -> None:
    ended = ringfence("boundary", *typed, *arguments)
    assert ended.code == 0, ended.err
    sent: Any = mesh.last.request
    if "request_id" in sent.DESCRIPTOR.fields_by_name:
        assert sent.request_id
        sent.ClearField("request_id")
    assert sent == asked


@pytest.mark.parametrize("verdict", Verdict)
def test_trust_is_decided_with_a_reason_and_an_end(ringfence: CommandLine, mesh: FakeMesh, verdict: Verdict) -> None:
    ended = ringfence(
        *("boundary", "trust", "demo/bank", verdict.value, "--reason", "contract 17"),
        *("--until", "2027-01-31T00:00:00Z"),
    )
    assert ended.code == 0, ended.err
    sent = mesh.sent("DecideTrust")
    assert (sent.name, sent.trust_decision.reason) == (SYSTEM, "contract 17")
    assert sent.trust_decision.verdict == number(external_system_pb2.TrustVerdict, verdict)
    assert sent.trust_decision.expire_time.ToJsonString() == "2027-01-31T00:00:00Z"


def test_a_decision_without_an_end_leaves_it_to_the_registry(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ringfence("boundary", "trust", "demo/bank", "trusted", "--reason", "contract 17")
    assert not mesh.sent("DecideTrust").trust_decision.HasField("expire_time")


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        (("update", "demo/payments", "--agent", "demo/a", "--clear", "labels"), ["agents", "labels"]),
        (("system", "update", "demo/bank", "--url", "https://x", "--operator", "y"), ["operator", "url"]),
    ],
)
def test_only_what_is_given_is_in_the_mask(
    ringfence: CommandLine, mesh: FakeMesh, arguments: Sequence[str], paths: Sequence[str]
) -> None:
    ended = ringfence("boundary", *arguments)
    assert ended.code == 0, ended.err
    assert sorted(mesh.last.request.update_mask.paths) == paths


@pytest.mark.parametrize(
    "arguments",
    [
        ("update", "demo/payments"),
        ("system", "update", "demo/bank"),
        ("get", "payments"),
        ("get", "demo/Payments"),
        ("get", "namespaces/demo/externalSystems/bank"),
        ("system", "get", "demo/a.b"),
        ("disable", "demo/payments"),
        ("system", "disable", "demo/bank"),
        ("trust", "demo/bank", "trusted"),
        ("trust", "demo/bank", "maybe", "--reason", "why"),
        ("create", "demo/payments", "--agent", "payer"),
    ],
)
def test_what_is_not_enough_or_no_name_is_a_usage_error(
    ringfence: CommandLine, mesh: FakeMesh, arguments: Sequence[str]
) -> None:
    assert ringfence("boundary", *arguments).code == ExitCode.USAGE
    assert not mesh.calls


def test_members_and_lists(ringfence: CommandLine, mesh: FakeMesh) -> None:
    names = ["namespaces/demo/agents/payer"]
    mesh.boundaries.answers["ListBoundaryMembers"] = pb.ListBoundaryMembersResponse(agents=names)
    assert ringfence("boundary", "members", "demo/payments", "-o", "json").json == names
    assert "demo/payer" in ringfence("boundary", "members", "demo/payments").out
    assert ringfence("boundary", "list").out == "no boundaries\n"
    assert ringfence("boundary", "system", "list", "demo", "--filter", "trusted = false").out == "no external systems\n"
    asked = mesh.sent("ListExternalSystems")
    assert (asked.parent, asked.filter) == ("namespaces/demo", "trusted = false")


def test_who_decided_is_shown(ringfence: CommandLine, mesh: FakeMesh) -> None:
    system = external_system_pb2.ExternalSystem(name=SYSTEM, trusted=True)
    system.trust_decision.verdict = external_system_pb2.TRUST_VERDICT_TRUSTED
    system.trust_decision.actor, system.trust_decision.reason = "grace", "contract 17"
    answer = external_system_pb2.GetExternalSystemResponse(external_system=system)
    mesh.external_systems.answers["GetExternalSystem"] = answer
    shown = ringfence("boundary", "system", "get", "demo/bank").out
    assert "trusted by grace" in shown
    assert "contract 17" in shown
