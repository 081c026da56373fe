from pathlib import Path

import pytest
from ringfence.pdp.v1 import bundle_pb2, decision_pb2, filter_pb2
from ringfence_launcher.commands.policy import Side, SideEffects
from ringfence_launcher.examples import example
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.words import number
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

DENIED = decision_pb2.CheckResponse(
    effect=decision_pb2.EFFECT_DENY,
    reason=decision_pb2.DECISION_REASON_RING_INSUFFICIENT,
    message="a write needs ring 2, the agent is in ring 3",
    decision_id="d-1",
    effective_ring=3,
    trust_score=300,
    rules=["sales/write"],
)

PERMITS_WHAT_IS_LEFT_OUT = """
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: x}
spec:
  rules:
    - {name: r, match: {actions: ["read_*"]}, when: "!(has(args.rows) && args.rows > 3)", effect: ALLOW}
"""


class TestPush:
    @pytest.fixture(autouse=True)
    def _policies(self, nowhere: Path) -> None:
        folder = nowhere / "policies" / "deep"
        folder.mkdir(parents=True)
        (nowhere / "policies" / "b.yaml").write_text("b")
        (folder / "a.yml").write_text("a")
        (folder / "notes.txt").write_text("not a policy")

    def test_a_folder_gives_its_policy_files_by_relative_path(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ended = ringfence("policy", "push", "policies")
        assert ended.code == 0, ended.err
        sent = {file.path: file.content for file in mesh.last.request.files}
        assert sent == {"b.yaml": b"b", "deep/a.yml": b"a"}
        assert "sha256-ab" in ended.out

    def test_a_file_goes_by_its_name(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence("policy", "push", "policies/b.yaml", "--etag", '"3"')
        assert [file.path for file in mesh.last.request.files] == ["b.yaml"]
        assert mesh.last.request.etag == '"3"'

    def test_nothing_to_push_is_not_an_empty_bundle(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path
    ) -> None:
        (nowhere / "empty").mkdir()
        ended = ringfence("policy", "push", "empty")
        assert ended.code == ExitCode.CONFIGURATION
        assert not mesh.calls

    def test_validate_only_says_that_nothing_happened(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ended = ringfence("policy", "push", "policies", "--validate-only")
        assert "nothing was activated" in ended.err
        assert mesh.last.request.validate_only

    def test_every_fault_of_a_refused_bundle_is_shown_with_its_place(
        self, ringfence: CommandLine, mesh: FakeMesh
    ) -> None:
        mesh.pdp.faults = [("b.yaml:7:11", "unknown field actoins"), ("b.yaml:9:3", "expected a string")]
        ended = ringfence("policy", "push", "policies")
        assert ended.code == ExitCode.INVALID
        assert "  b.yaml:7:11: unknown field actoins\n  b.yaml:9:3: expected a string\n" in ended.err


class TestShow:
    def test_the_files_can_be_written_out(self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
        mesh.pdp.files = [bundle_pb2.PolicyFile(path="deep/a.yaml", content=b"a: 1\n")]
        ended = ringfence("policy", "show", "--into", "out")
        assert ended.code == 0, ended.err
        assert (nowhere / "out" / "deep" / "a.yaml").read_bytes() == b"a: 1\n"
        assert "deep/a.yaml" in ended.out

    @pytest.mark.parametrize("path", ["../evil.yaml", "/tmp/evil.yaml", "a/../../evil.yaml"])
    def test_a_path_that_leaves_the_folder_is_refused(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, path: str
    ) -> None:
        mesh.pdp.files = [bundle_pb2.PolicyFile(path=path, content=b"")]
        assert ringfence("policy", "show", "--into", "out").code == ExitCode.CONFIGURATION
        assert not list(nowhere.rglob("evil.yaml"))

    def test_an_existing_folder_is_not_written_into(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path
    ) -> None:
        mesh.pdp.files = [bundle_pb2.PolicyFile(path="a.yaml", content=b"")]
        (nowhere / "out").mkdir()
        assert ringfence("policy", "show", "--into", "out").code == ExitCode.CONFIGURATION

    def test_no_bundle_says_what_to_do(self, ringfence: CommandLine) -> None:
        ended = ringfence("policy", "show")
        assert ended.code == ExitCode.NOT_FOUND
        assert "ringfence policy push" in ended.err


class TestCheck:
    def test_everything_asked_is_sent(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ended = ringfence(
            *("policy", "check", "demo/analyst", "write_table", "--tool", "warehouse.update", "-e", "prod"),
            *("--arg", "rows=3", "--arg", "name=x", "--arg", "ids=[1, 2]", "--schema-hash", "sha256-ab"),
            *("--resource", "table:warehouse/orders", "--data-class", "pii", "--context", "risk=0.5"),
            *("--side", "callee", "--side-effects", "irreversible", "--session", "s1"),
        )
        assert ended.code == 0, ended.err
        sent = mesh.last.request
        assert sent.subject.agent == "namespaces/demo/agents/analyst"
        assert (sent.action.name, sent.action.tool) == ("write_table", "warehouse.update")
        assert sent.action.arguments["rows"] == 3
        assert sent.action.arguments["name"] == "x"
        assert list(sent.action.arguments["ids"]) == [1, 2]
        assert sent.action.side_effects == decision_pb2.SIDE_EFFECTS_IRREVERSIBLE
        assert (sent.resource.type, sent.resource.id, sent.resource.data_class) == ("table", "warehouse/orders", "pii")
        assert sent.context["risk"] == 0.5
        assert (sent.environment, sent.session, sent.side) == ("prod", "s1", decision_pb2.SIDE_CALLEE)

    def test_what_was_not_asked_is_not_sent(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence("policy", "check", "did:key:z", "read_table")
        expected = decision_pb2.CheckRequest(
            subject=decision_pb2.Subject(did="did:key:z"),
            action=decision_pb2.Action(name="read_table"),
            environment="dev",
        )
        assert mesh.last.request == expected

    @pytest.mark.parametrize(
        ("effect", "code"),
        [
            (decision_pb2.EFFECT_ALLOW, ExitCode.OK),
            (decision_pb2.EFFECT_DENY, ExitCode.NEGATIVE),
            (decision_pb2.EFFECT_REQUIRE_APPROVAL, ExitCode.NEGATIVE),
            (decision_pb2.EFFECT_UNSPECIFIED, ExitCode.NEGATIVE),
        ],
    )
    def test_only_allow_ends_with_zero(
        self, ringfence: CommandLine, mesh: FakeMesh, effect: decision_pb2.Effect.ValueType, code: ExitCode
    ) -> None:
        mesh.pdp.answer = decision_pb2.CheckResponse(effect=effect)
        assert ringfence("policy", "check", "demo/a", "read").code == code
        assert ringfence("policy", "explain", "demo/a", "read").code == code

    def test_a_denial_shows_why(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.pdp.answer = DENIED
        lines = ringfence("policy", "check", "demo/a", "write").out.splitlines()
        assert lines[0] == "DENY  RING_INSUFFICIENT"
        assert lines[1] == "a write needs ring 2, the agent is in ring 3"
        assert any("sales/write" in line for line in lines)

    def test_where_arguments_come_from_is_sent_and_what_filters_find_is_shown(
        self, ringfence: CommandLine, mesh: FakeMesh
    ) -> None:
        found = filter_pb2.Finding(
            id="origin.mail",
            severity=filter_pb2.SEVERITY_MEDIUM,
            action=filter_pb2.FILTER_ACTION_REQUIRE_APPROVAL,
            message="what a tool returned would leave",
            argument="/body",
        )
        mesh.pdp.answer = decision_pb2.CheckResponse(findings=[found])
        asked = ("policy", "check", "demo/a", "send_mail", "--origin", "user", "--origin", "/body=tool_output")
        shown = ringfence(*asked).out
        assert "medium origin.mail at /body: what a tool returned would leave → require approval" in shown
        assert mesh.last.request.action.argument_origins == {
            "": filter_pb2.ORIGIN_USER,
            "/body": filter_pb2.ORIGIN_TOOL_OUTPUT,
        }
        assert ringfence(*asked[:4], "--origin", "body=tool_output").code == ExitCode.USAGE

    def test_unknown_ring_is_said_not_shown_as_minus_one(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.pdp.answer = decision_pb2.CheckResponse(effective_ring=-1, trust_score=-1)
        shown = ringfence("policy", "check", "demo/a", "write").out
        assert "unknown" in shown
        assert "-1" not in shown

    @pytest.mark.parametrize("argument", ["rows", "=3", "a=[", "when=2026-01-01"])
    def test_an_argument_that_is_none_is_a_usage_error(
        self, ringfence: CommandLine, mesh: FakeMesh, argument: str
    ) -> None:
        assert ringfence("policy", "check", "demo/a", "read", "--arg", argument).code == ExitCode.USAGE
        assert not mesh.calls

    def test_words_are_the_protos(self) -> None:
        asking = set(decision_pb2.Side.values()) - {0, decision_pb2.SIDE_BOUNDARY}
        assert {number(decision_pb2.Side, one) for one in Side} == asking
        assert {number(decision_pb2.SideEffects, one) for one in SideEffects} == (
            set(decision_pb2.SideEffects.values()) - {0}
        )


def test_explaining_shows_stages_rules_clauses_and_misses(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.pdp.answer = DENIED
    clause = decision_pb2.ClauseTrace(
        expression="args.rows > 100", result=decision_pb2.CONDITION_RESULT_FALSE, detail="rows = 3"
    )
    mesh.pdp.explanation = decision_pb2.ExplainResponse(
        stages=[
            decision_pb2.StageTrace(stage="kill", effect=decision_pb2.EFFECT_ALLOW, detail="nothing is stopped"),
            decision_pb2.StageTrace(
                stage="ring",
                effect=decision_pb2.EFFECT_DENY,
                reason=decision_pb2.DECISION_REASON_RING_INSUFFICIENT,
                detail="3 > 2",
            ),
        ],
        rules=[
            decision_pb2.RuleTrace(
                rule="sales/bulk",
                effect=decision_pb2.EFFECT_DENY,
                result=decision_pb2.CONDITION_RESULT_FALSE,
                clauses=[clause],
            )
        ],
        nearest_misses=["an agent in ring 2 would be allowed"],
    )
    shown = ringfence("policy", "explain", "demo/a", "write").out
    for expected in ("nothing is stopped", "3 > 2", "sales/bulk", "args.rows > 100: false (rows = 3)", "- an agent in"):
        assert expected in shown


class TestKill:
    @pytest.mark.parametrize(
        ("arguments", "target"),
        [
            (("--agent", "demo/a"), bundle_pb2.KillTarget(agent="namespaces/demo/agents/a")),
            (("--tool", "warehouse.update"), bundle_pb2.KillTarget(tool="warehouse.update")),
            (("--namespace", "demo"), bundle_pb2.KillTarget(namespace="namespaces/demo")),
            (("--everything",), bundle_pb2.KillTarget(everything=True)),
        ],
    )
    def test_each_target(
        self, ringfence: CommandLine, mesh: FakeMesh, arguments: tuple[str, ...], target: bundle_pb2.KillTarget
    ) -> None:
        ended = ringfence("kill", "engage", *arguments, "--reason", "r")
        assert ended.code == 0, ended.err
        assert mesh.last.request.target == target
        assert "ringfence kill release killSwitches/1" in ended.err

    @pytest.mark.parametrize("arguments", [(), ("--tool", "t", "--everything"), ("--agent", "d/a", "--tool", "t")])
    def test_not_exactly_one_target_is_a_usage_error(
        self, ringfence: CommandLine, mesh: FakeMesh, arguments: tuple[str, ...]
    ) -> None:
        assert ringfence("kill", "engage", *arguments, "--reason", "r").code == ExitCode.USAGE
        assert not mesh.calls

    def test_all_namespaces_is_not_a_namespace(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("kill", "engage", "--namespace", "-", "--reason", "r").code == ExitCode.USAGE

    def test_listing_and_releasing(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("kill", "list").out == "nothing is stopped\n"
        ringfence("kill", "engage", "--tool", "warehouse.update", "--reason", "it deletes")
        assert "tool warehouse.update" in ringfence("kill", "list").out
        assert ringfence("kill", "release", "1", "--reason", "fixed").code == 0
        assert mesh.last.request.name == "killSwitches/1"
        assert ringfence("kill", "release", "killSwitches/1", "--reason", "again").code == ExitCode.NOT_FOUND
        assert ringfence("kill", "list", "-o", "json").json == []


class TestLint:
    def test_good_policies_are_fine(self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
        (nowhere / "p.yaml").write_bytes(example("policies/first-policy.yaml"))
        ended = ringfence("policy", "lint", "p.yaml")
        assert ended.code == 0
        assert ended.out == "fine  1 policy, 3 rules\n"
        assert not mesh.calls

    def test_every_mistake_is_named_with_its_place(self, ringfence: CommandLine, nowhere: Path) -> None:
        (nowhere / "p.yaml").write_text("apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {nam: x}\nspec: {}\n")
        ended = ringfence("policy", "lint", ".")
        assert ended.code == ExitCode.NEGATIVE
        assert "p.yaml:3" in ended.out
        problems = ringfence("policy", "lint", ".", "-o", "json").json["problems"]
        assert len(problems) >= 2
        assert all(problem["where"].startswith("p.yaml:") for problem in problems)

    def test_remarks_fail_only_a_strict_lint(self, ringfence: CommandLine, nowhere: Path) -> None:
        (nowhere / "p.yaml").write_text(PERMITS_WHAT_IS_LEFT_OUT)
        shown = ringfence("policy", "lint", "p.yaml", "-o", "json").json
        assert shown["problems"] == []
        assert len(shown["remarks"]) == 1
        assert ringfence("policy", "lint", "p.yaml").code == 0
        assert ringfence("policy", "lint", "p.yaml", "--strict").code == ExitCode.NEGATIVE


class TestWhatWaitsAndWhatIsLeft:
    def test_an_approval_is_named_with_how_to_answer_it(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.pdp.answer = decision_pb2.CheckResponse(
            effect=decision_pb2.EFFECT_REQUIRE_APPROVAL,
            approval=decision_pb2.ApprovalRequirement(
                min_approvals=2, approver_groups=["group:oncall"], timeout_seconds=1_800, approval="approvals/1"
            ),
        )
        ended = ringfence("policy", "check", "demo/analyst", "delete_table", "-e", "dev")
        assert "2 from group:oncall within 1800 s: approvals/1" in ended.out
        assert "ringfence approval approve approvals/1" in ended.err

    def test_limits_say_what_is_left_and_when_to_come_back(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        limit = decision_pb2.LimitStatus(
            limit="house/calls", key="agent:a@dev", unit="requests", maximum=1_000, remaining=0
        )
        mesh.pdp.answer = decision_pb2.CheckResponse(effect=decision_pb2.EFFECT_DENY, limits=[limit])
        mesh.pdp.answer.retry_after.FromSeconds(20)
        ended = ringfence("policy", "check", "demo/analyst", "read_table", "-e", "dev")
        assert "house/calls of agent:a@dev: 0 of 1,000 requests left" in ended.out
        assert "20s" in ended.out
