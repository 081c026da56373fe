"""The steps of an agent's life, its revisions and its gates: what each command asks for, and how it ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

NAME = "namespaces/demo/agents/a"
EVERYWHERE = ("--etag", '"1-a"', "--request-id", "00000000-0000-4000-8000-000000000007")
SENT_EVERYWHERE = {"etag": '"1-a"', "request_id": "00000000-0000-4000-8000-000000000007"}

STEPS: Sequence[tuple[str, Sequence[str], Message]] = (
    ("submit", (), pb.SubmitAgentRequest(name=NAME)),
    ("approve", ("--reason", "fine"), pb.ApproveAgentRequest(name=NAME, reason="fine")),
    ("reject", ("--reason", "why"), pb.ApproveAgentRequest(name=NAME, reason="why", reject=True)),
    ("suspend", ("--reason", "why"), pb.SuspendAgentRequest(name=NAME, reason="why")),
    ("resume", ("--reason", "why"), pb.ResumeAgentRequest(name=NAME, reason="why")),
    ("retire", (), pb.RetireAgentRequest(name=NAME)),
    ("delete", ("--allow-missing",), pb.DeleteAgentRequest(name=NAME, allow_missing=True)),
    ("undelete", (), pb.UndeleteAgentRequest(name=NAME)),
    ("rollback", ("--to", "3", "--reason", "why"), pb.RollbackAgentRequest(name=NAME, revision="3", reason="why")),
    ("rollback", (), pb.RollbackAgentRequest(name=NAME, revision="stable")),
    (
        "rollout",
        ("5", "--canary", "4", "--stable", "3"),
        pb.SetRolloutRequest(name=NAME, canary_percent=5, canary_revision="4", stable_revision="3"),
    ),
    ("tag", ("3", "stable"), pb.TagRevisionRequest(name=f"{NAME}/revisions/3", alias="stable")),
    ("tag", ("old", "old", "--remove"), pb.TagRevisionRequest(name=f"{NAME}/revisions/old", alias="old", remove=True)),
)


def method_of(request: Message) -> str:
    return type(request).__name__.removesuffix("Request")


@pytest.mark.parametrize(("command", "arguments", "asked"), STEPS, ids=lambda value: str(value)[:20])
def test_a_step_asks_for_what_was_typed(
    ringfence: CommandLine, mesh: FakeMesh, command: str, arguments: Sequence[str], asked: Message
) -> None:
    mesh.registry.agents[NAME] = pb.Agent(name=NAME)
    ended = ringfence("agent", command, "demo/a", *arguments, *EVERYWHERE)
    assert ended.code == 0, ended.err
    wanted: Any = type(asked)(**SENT_EVERYWHERE)
    wanted.MergeFrom(asked)
    assert mesh.sent(method_of(asked)) == wanted


@pytest.mark.parametrize("command", ["reject", "suspend", "resume", "deprecate"])
def test_what_has_to_be_explained_cannot_be_done_without_a_reason(
    ringfence: CommandLine, mesh: FakeMesh, command: str
) -> None:
    assert ringfence("agent", command, "demo/a").code == ExitCode.USAGE
    assert not mesh.calls


def test_an_end_has_a_time_and_a_successor(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ended = ringfence(
        *("agent", "deprecate", "demo/a", "--reason", "old", "--until", "2027-01-31T00:00:00Z"),
        *("--replaced-by", "demo/b"),
    )
    assert ended.code == 0, ended.err
    said = mesh.sent("DeprecateAgent").deprecation
    assert (said.reason, said.replaced_by) == ("old", "namespaces/demo/agents/b")
    assert said.end_of_life_time.ToJsonString() == "2027-01-31T00:00:00Z"


def test_a_deleted_agent_says_until_when_it_can_come_back(ringfence: CommandLine, mesh: FakeMesh) -> None:
    answer = pb.DeleteAgentResponse(agent=pb.Agent(name=NAME))
    answer.agent.purge_time.FromJsonString("2026-03-01T00:00:00Z")
    mesh.registry.answers["DeleteAgent"] = answer
    ended = ringfence("agent", "delete", "demo/a")
    assert "until 2026-03-01T00:00:00Z: ringfence agent undelete demo/a" in ended.err


def test_nothing_to_delete_is_said(ringfence: CommandLine) -> None:
    assert "there was no namespaces/demo/agents/a" in ringfence("agent", "delete", "demo/a", "--allow-missing").out


@pytest.mark.parametrize(("typed", "seconds"), [((), 0), (("--for", "1h"), 3_600), (("--for", "7d"), 604_800)])
def test_a_lease_is_renewed(ringfence: CommandLine, mesh: FakeMesh, typed: Sequence[str], seconds: int) -> None:
    answer = pb.RenewLeaseResponse()
    answer.expire_time.FromJsonString("2026-03-01T00:00:00Z")
    mesh.registry.answers["RenewLease"] = answer
    ended = ringfence("agent", "renew", "demo/a", *typed)
    assert "2026-03-01T00:00:00Z" in ended.out
    assert mesh.sent("RenewLease").ttl.seconds == seconds
    assert mesh.sent("RenewLease").HasField("ttl") == bool(typed)


@pytest.mark.parametrize("typed", ["1", "h", "-1h", "1w", "1.5h"])
def test_what_is_no_period_is_a_usage_error(ringfence: CommandLine, mesh: FakeMesh, typed: str) -> None:
    assert ringfence("agent", "renew", "demo/a", "--for", typed).code == ExitCode.USAGE
    assert not mesh.calls


class TestReadiness:
    def answer(self, *, ready: bool) -> pb.CheckReadinessResponse:
        gate = pb.ReadinessGate(kind=pb.READINESS_GATE_KIND_ROLLBACK_TARGET, met=ready, problem="nothing is stable")
        return pb.CheckReadinessResponse(ready=ready, gates=[gate])

    @pytest.mark.parametrize("ready", [True, False])
    def test_scripts_can_ask(self, ringfence: CommandLine, mesh: FakeMesh, ready: bool) -> None:
        mesh.registry.answers["CheckReadiness"] = self.answer(ready=ready)
        ended = ringfence("agent", "readiness", "demo/a", "-e", "prod")
        assert ended.code == (ExitCode.OK if ready else ExitCode.NEGATIVE)
        assert "rollback target" in ended.out
        assert mesh.sent("CheckReadiness").environment == "prod"

    def test_evidence_is_recorded_for_now_or_for_a_moment(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ended = ringfence(
            *("agent", "evaluate", "demo/a", "--plan", "p", "--failed", "--report", "r"),
            *("--at", "2026-01-01T00:00:00Z"),
        )
        assert ended.code == 0, ended.err
        run = mesh.sent("RecordEvaluation").evaluation
        assert (run.plan, run.passed, run.report) == ("p", False, "r")
        assert run.evaluate_time.ToJsonString() == "2026-01-01T00:00:00Z"
        ringfence("agent", "evaluate", "demo/a", "--plan", "p", "--passed")
        assert mesh.sent("RecordEvaluation").evaluation.passed
        assert mesh.sent("RecordEvaluation").evaluation.evaluate_time.seconds > 0

    def test_passed_or_failed_has_to_be_said(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("agent", "evaluate", "demo/a", "--plan", "p").code == ExitCode.USAGE
        assert not mesh.calls


class TestRevisions:
    def test_they_are_listed_the_newest_first(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        newest = pb.AgentRevision(name=f"{NAME}/revisions/12", aliases=["latest"], actor="ada", rollback_of="x/3")
        mesh.registry.answers["ListAgentRevisions"] = pb.ListAgentRevisionsResponse(revisions=[newest])
        shown = ringfence("agent", "revisions", "demo/a").out
        assert all(text in shown for text in ("12", "latest", "ada"))
        assert mesh.sent("ListAgentRevisions").parent == NAME

    def test_the_card_of_a_revision(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.registry.agents[f"{NAME}/revisions/stable"] = pb.Agent()
        mesh.registry.cards[f"{NAME}/revisions/stable"] = b"{}"
        assert ringfence("agent", "card", "demo/a", "--revision", "stable").raw == b"{}"

    @pytest.mark.parametrize("typed", ["-1", "Stable", "a/b", "", "٣"])
    def test_what_is_no_revision_is_a_usage_error(self, ringfence: CommandLine, mesh: FakeMesh, typed: str) -> None:
        assert ringfence("agent", "tag", "demo/a", "--", typed, "stable").code == ExitCode.USAGE
        assert not mesh.calls

    @pytest.mark.parametrize(
        ("compatibility", "code"),
        [
            (card_pb2.COMPATIBILITY_IDENTICAL, ExitCode.OK),
            (card_pb2.COMPATIBILITY_COMPATIBLE, ExitCode.OK),
            (card_pb2.COMPATIBILITY_BREAKING, ExitCode.NEGATIVE),
        ],
    )
    def test_scripts_can_ask_whether_callers_would_break(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, compatibility: Any, code: ExitCode
    ) -> None:
        answer = pb.CompareRevisionsResponse(compatibility=compatibility, before=f"{NAME}/revisions/3")
        answer.differences.add(
            compatibility=compatibility, kind="skill_removed", pointer="/skills/0", problem="is gone"
        )
        mesh.registry.answers["CompareRevisions"] = answer
        (nowhere / "new.json").write_bytes(b"{}")
        ended = ringfence("agent", "compare", "demo/a", "--before", "3", "--card", "new.json")
        assert ended.code == code
        assert "skill_removed" in ended.out
        assert "demo/a 3" in ended.out
        assert mesh.sent("CompareRevisions") == pb.CompareRevisionsRequest(name=NAME, before="3", card=b"{}")

    def test_a_card_and_a_revision_are_not_compared_at_once(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("agent", "compare", "demo/a", "--after", "3", "--card", "x").code == ExitCode.USAGE
        assert not mesh.calls

    def test_a_share_is_at_most_all(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("agent", "rollout", "demo/a", "101").code == ExitCode.USAGE
        assert not mesh.calls


class TestValidate:
    @pytest.mark.parametrize("admissible", [True, False])
    def test_scripts_can_ask_whether_a_card_is_admitted(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, admissible: bool
    ) -> None:
        answer = pb.ValidateCardResponse(admissible=admissible, verdict=card_pb2.CARD_VERDICT_NONCONFORMANT)
        answer.refusals.extend([] if admissible else ["it has no endpoint"])
        mesh.registry.answers["ValidateCard"] = answer
        (nowhere / "card.json").write_bytes(b"{}")
        ended = ringfence("agent", "validate", "card.json", "--namespace", "demo")
        assert ended.code == (ExitCode.OK if admissible else ExitCode.NEGATIVE)
        assert "nonconformant" in ended.out
        assert ("it has no endpoint" in ended.out) != admissible
        assert mesh.sent("ValidateCard") == pb.ValidateCardRequest(card=b"{}", parent="namespaces/demo")


def test_lists_can_be_ordered_and_hold_what_is_gone(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ringfence("agent", "list", "--order-by", "risk_tier desc", "--retired", "--deleted")
    asked = mesh.sent("ListAgents")
    assert (asked.order_by, asked.show_retired, asked.show_deleted) == ("risk_tier desc", True, True)


def test_a_watch_can_be_filtered(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.registry.events = [
        pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_ADDED, revision=5, agent=pb.Agent(name=NAME))
    ]
    ringfence("agent", "watch", "--filter", "state = ACTIVE", "--count", "1", "--from", "5")
    assert mesh.sent("WatchAgents").filter == "state = ACTIVE"


def test_update_takes_a_file_and_its_fields_are_the_mask(ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
    mesh.registry.agents[NAME] = pb.Agent(name=NAME)
    (nowhere / "agent.yaml").write_text("team: sales\nslo: s\n")
    ended = ringfence("agent", "update", "demo/a", "--file", "agent.yaml", "--slo", "t")
    assert ended.code == 0, ended.err
    asked = mesh.sent("UpdateAgent")
    assert (asked.agent.team, asked.agent.slo) == ("sales", "t")
    assert sorted(asked.update_mask.paths) == ["slo", "team"]
