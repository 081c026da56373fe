import base64
import json
import uuid
from pathlib import Path

import pytest
from ringfence.registry.v1 import agent_card_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_launcher.agent.options import Risk
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.words import number
from support.launcher.command_line import CommandLine, Ended
from support.launcher.fake_services import FakeMesh

CARD = b'{ "name": "Analyst",\n "version": "1.0" }'


@pytest.fixture
def card(nowhere: Path) -> str:
    (nowhere / "card.json").write_bytes(CARD)
    return str(nowhere / "card.json")


def register(ringfence: CommandLine, card: str, name: str = "demo/analyst", *more: str) -> None:
    ended = ringfence(
        *("agent", "register", name, "--card", card, "--purpose", "Answers.", "--owner", "Ada <ada@example.com>"),
        *("--risk", "low", "--environment", "dev"),
        *more,
    )
    assert ended.code == 0, ended.err


def test_registering_sends_everything_that_was_typed(ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
    register(
        *(ringfence, card, "demo/analyst", "--tool", "warehouse.query", "--tool", "warehouse.update@sha256-ab"),
        *("--label", "team=x", "--data-class", "pii", "--team", "sales", "--on-call", "pager", "--environment", "prod"),
    )
    sent = mesh.last.request
    assert (sent.parent, sent.agent_id, sent.card) == ("namespaces/demo", "analyst", CARD)
    assert str(uuid.UUID(sent.request_id)) == sent.request_id
    assert sent.agent == pb.Agent(
        purpose="Answers.",
        owner=pb.Owner(display_name="Ada", contact="ada@example.com"),
        risk_tier=pb.RISK_TIER_LOW,
        environments=["dev", "prod"],
        approved_tools=[
            pb.ApprovedTool(name="warehouse.query"),
            pb.ApprovedTool(name="warehouse.update", schema_hash="sha256-ab"),
        ],
        labels={"team": "x"},
        data_classes=["pii"],
        team="sales",
        on_call="pager",
    )


def test_validate_only_registers_nothing_and_says_so(ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
    ended = ringfence(
        *("agent", "register", "demo/a", "--card", card, "--purpose", "p", "--owner", "A <a@b>", "--risk", "low"),
        *("--environment", "dev", "--validate-only"),
    )
    assert ended.code == 0
    assert "nothing was registered" in ended.err
    assert not mesh.registry.agents


def test_the_same_request_id_is_sent_when_given(ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
    wanted = str(uuid.UUID(int=7))
    register(ringfence, card, "demo/analyst", "--request-id", wanted)
    assert mesh.last.request.request_id == wanted


def test_every_violation_of_a_refused_card_is_shown(ringfence: CommandLine, nowhere: Path) -> None:
    (nowhere / "bad.json").write_bytes(b"nope")
    ended = ringfence(
        *("agent", "register", "demo/a", "--card", "bad.json", "--purpose", "p", "--owner", "A <a@b>"),
        *("--risk", "low", "--environment", "dev"),
    )
    assert ended.code == ExitCode.INVALID
    assert ended.out == ""
    assert ended.err.splitlines() == [
        "error: registry: the card is bad  [CARD_INVALID]",
        "  card: is not JSON",
        "  card/skills: is missing",
        "what to do: correct the card at the JSON pointers listed; `catalog namespace set` can admit worse",
    ]


def test_a_program_gets_the_refusal_as_json(ringfence: CommandLine) -> None:
    ended = ringfence("agent", "get", "demo/absent", "-o", "json")
    assert ended.code == ExitCode.NOT_FOUND
    assert ended.out == ""
    assert json.loads(ended.err) == {
        "error": "registry: there is no namespaces/demo/agents/absent",
        "reason": "AGENT_NOT_FOUND",
        "whatToDo": "see what there is with `ringfence agent list`; enrol an agent with `ringfence did enrol`",
        "details": [],
        "exitCode": 4,
    }


def test_registering_twice_is_a_conflict(ringfence: CommandLine, card: str) -> None:
    register(ringfence, card)
    ended = ringfence(
        *("agent", "register", "demo/analyst", "--card", card, "--purpose", "p", "--owner", "A <a@b>"),
        *("--risk", "low", "--environment", "dev"),
    )
    assert ended.code == ExitCode.CONFLICT
    assert "AGENT_ALREADY_EXISTS" in ended.err


def test_a_card_that_cannot_be_read_is_a_problem_of_the_file(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ended = ringfence(
        *("agent", "register", "demo/a", "--card", "absent.json", "--purpose", "p", "--owner", "A <a@b>"),
        *("--risk", "low", "--environment", "dev"),
    )
    assert ended.code == ExitCode.CONFIGURATION
    assert "absent.json" in ended.err
    assert not mesh.calls


def test_get_in_json_is_the_protos_own(ringfence: CommandLine, card: str) -> None:
    register(ringfence, card)
    agent = ringfence("agent", "get", "demo/analyst", "-o", "json").json
    assert agent["name"] == "namespaces/demo/agents/analyst"
    assert agent["riskTier"] == "RISK_TIER_LOW"
    assert agent["team"] == ""


def test_get_in_a_table_hides_nothing_that_is_set(ringfence: CommandLine, card: str) -> None:
    register(ringfence, card, "demo/analyst", "--tool", "warehouse.query")
    shown = ringfence("agent", "get", "namespaces/demo/agents/analyst").out
    for expected in ("namespaces/demo/agents/analyst", "active", "Ada <ada@example.com>", "low", "warehouse.query"):
        assert expected in shown
    assert "on call" not in shown


def test_a_card_comes_back_byte_for_byte(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.registry.agents["namespaces/demo/agents/a"] = pb.Agent()
    mesh.registry.cards["namespaces/demo/agents/a"] = b'{"x": "\xff\r\n"}'
    assert ringfence("agent", "card", "demo/a").raw == b'{"x": "\xff\r\n"}'


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (b'{"sub": "namespaces/demo/agents/a", "rev": 2}', ["sub", "namespaces/demo/agents/a", "rev"]),
        (b"[1]", []),
        (b"\xff{", []),
    ],
)
def test_the_registrys_signature_is_shown_with_what_it_says(
    ringfence: CommandLine, mesh: FakeMesh, header: bytes, shown: list[str]
) -> None:
    protected = base64.urlsafe_b64encode(header).decode().rstrip("=")
    signature = agent_card_pb2.AgentCardSignature(protected=protected, signature="c2ln")
    mesh.registry.answers["GetCardAttestation"] = pb.GetCardAttestationResponse(
        signature=signature, card_sha256=b"\x07" * 32
    )
    ended = ringfence("agent", "attestation", "demo/a", "--revision", "2")
    assert ended.code == 0, ended.err
    assert mesh.sent("GetCardAttestation").name == "namespaces/demo/agents/a/revisions/2"
    for text in (*shown, protected, "c2ln", "07" * 32):
        assert text in ended.out
    assert "signature" in json.loads(ringfence("agent", "attestation", "demo/a", "--revision", "2", "-o", "json").out)


def test_names_from_elsewhere_cannot_move_the_cursor(ringfence: CommandLine, mesh: FakeMesh) -> None:
    evil = pb.Agent(
        name="namespaces/d/agents/a", purpose="\x1b[2J[red]gone[/red]\r", owner=pb.Owner(display_name="\x07")
    )
    mesh.registry.agents[evil.name] = evil
    for arguments in (("agent", "get", "d/a"), ("agent", "list")):
        shown = ringfence(*arguments).out
        assert "\\x1b[2J[red]gone[/red]\\x0d" in shown
        assert "\x1b" not in shown


class TestList:
    @pytest.fixture(autouse=True)
    def _many_agents(self, mesh: FakeMesh) -> None:
        for index in range(25):
            name = f"namespaces/demo/agents/a{index:02}"
            mesh.registry.agents[name] = pb.Agent(name=name, state=pb.AGENT_STATE_ACTIVE)

    def test_all_pages_are_walked(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.registry.page_limit = 10
        listed = ringfence("agent", "list", "-o", "json").json
        assert [agent["name"][-3:] for agent in listed] == [f"a{index:02}" for index in range(25)]
        assert len(mesh.calls) == 3

    def test_a_limit_is_kept(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert len(ringfence("agent", "list", "demo", "--limit", "7", "-o", "json").json) == 7
        assert mesh.last.request.page_size == 7
        assert mesh.last.request.parent == "namespaces/demo"

    def test_the_filter_is_the_services_business(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence("agent", "list", "--filter", 'risk_tier = HIGH AND labels.a:"b"', "--retired")
        assert mesh.last.request.filter == 'risk_tier = HIGH AND labels.a:"b"'
        assert mesh.last.request.show_retired
        assert mesh.last.request.parent == "namespaces/-"


def test_an_empty_list_says_so_and_is_an_empty_array_for_programs(ringfence: CommandLine) -> None:
    assert ringfence("agent", "list").out == "no agents\n"
    assert ringfence("agent", "list", "-o", "json").json == []


class TestUpdate:
    def test_only_what_is_given_is_in_the_mask(self, ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
        register(ringfence, card)
        ended = ringfence("agent", "update", "demo/analyst", "--team", "x", "--risk", "high", "--clear", "on_call")
        assert ended.code == 0, ended.err
        assert sorted(mesh.last.request.update_mask.paths) == ["on_call", "risk_tier", "team"]

    def test_a_new_card_is_in_the_mask(self, ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
        register(ringfence, card)
        mesh.registry.agents.clear()
        ringfence("agent", "update", "demo/analyst", "--card", card)
        assert list(mesh.last.request.update_mask.paths) == ["card"]
        assert mesh.last.request.card == CARD

    def test_nothing_to_change_is_a_usage_error(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("agent", "update", "demo/analyst").code == ExitCode.USAGE
        assert not mesh.calls

    def test_a_stale_etag_says_what_to_do(self, ringfence: CommandLine, card: str) -> None:
        register(ringfence, card)
        ended = ringfence("agent", "update", "demo/analyst", "--team", "x", "--etag", '"0-old"')
        assert ended.code == ExitCode.CONFLICT
        assert "ETAG_MISMATCH" in ended.err
        assert "what to do: read it again" in ended.err


def test_retiring(ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
    register(ringfence, card)
    ended = ringfence("agent", "retire", "demo/analyst", "--etag", '"1-a"')
    assert "retired" in ended.out
    assert mesh.last.request.etag == '"1-a"'


class TestWatch:
    @pytest.fixture(autouse=True)
    def _events(self, mesh: FakeMesh) -> None:
        agent = pb.Agent(name="namespaces/d/agents/a", state=pb.AGENT_STATE_ACTIVE)
        mesh.registry.events = [
            pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_ADDED, revision=5, agent=agent),
            pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_BOOKMARK, revision=5, initial_state_end=True),
            pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_MODIFIED, revision=6, agent=agent),
            pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_MODIFIED, revision=7, agent=agent),
        ]

    def revisions(self, ended: Ended) -> list[int]:
        assert ended.code == 0, ended.err
        return [int(json.loads(line)["revision"]) for line in ended.out.splitlines()]

    def test_one_json_document_a_line_and_heartbeats_only_when_asked(self, ringfence: CommandLine) -> None:
        watch = ("agent", "watch", "--initial", "-o", "json")
        assert self.revisions(ringfence(*watch, "--count", "2")) == [5, 6]
        assert self.revisions(ringfence(*watch, "--count", "3", "--bookmarks")) == [5, 5, 6]
        assert "end of the current state" in ringfence("agent", "watch", "--initial", "--count", "2", "--bookmarks").out

    def test_a_stream_that_breaks_is_resumed_where_it_broke(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.registry.breaks_after = [1, 0, 2]
        assert self.revisions(ringfence("agent", "watch", "--from", "5", "--count", "3", "-o", "json")) == [5, 6, 7]
        asked = [call.request.start_revision for call in mesh.calls if call.method == "WatchAgents"]
        assert asked[0] == 5
        assert asked == sorted(asked)

    def test_history_that_is_not_kept_says_what_to_do(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.registry.compacted_before = 3
        ended = ringfence("agent", "watch", "--from", "2")
        assert ended.code == ExitCode.INVALID
        assert "REVISION_COMPACTED" in ended.err
        assert "leave --from out" in ended.err

    def test_a_service_that_is_not_there_is_not_waited_for(
        self, ringfence: CommandLine, mesh: FakeMesh, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RINGFENCE_ADDR_REGISTRY", "127.0.0.1:9")
        assert ringfence("agent", "watch").code == ExitCode.UNAVAILABLE

    def test_going_on_and_beginning_anew_exclude_each_other(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        assert ringfence("agent", "watch", "--from", "5", "--initial").code == ExitCode.USAGE
        assert not mesh.calls

    def test_a_stream_has_no_deadline(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence("agent", "watch", "--from", "5", "--count", "1", "--timeout", "5")
        assert mesh.last.time_left is None or mesh.last.time_left > 3600


@pytest.mark.parametrize("name", ["analyst", "Demo/Analyst", "a/b/c", "namespaces/x/agents/", "demo/ü", ""])
def test_what_is_no_name_is_a_usage_error(ringfence: CommandLine, mesh: FakeMesh, name: str) -> None:
    ended = ringfence("agent", "get", name)
    assert ended.code == ExitCode.USAGE
    assert not mesh.calls


@pytest.mark.parametrize("owner", ["Ada", "<a@b>", "Ada <a@b", "Ada a@b>"])
def test_an_owner_without_name_or_contact_is_a_usage_error(ringfence: CommandLine, card: str, owner: str) -> None:
    ended = ringfence(
        *("agent", "register", "demo/a", "--card", card, "--purpose", "p", "--owner", owner, "--risk", "low"),
        *("--environment", "dev"),
    )
    assert ended.code == ExitCode.USAGE


def test_risk_words_are_the_protos() -> None:
    assert {number(pb.RiskTier, risk) for risk in Risk} == set(pb.RiskTier.values()) - {0}
