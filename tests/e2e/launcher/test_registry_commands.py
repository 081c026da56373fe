"""The registry's commands against the real services: an agent from its card to prod and back, as a person types it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine, Ended
from support.launcher.processes import Process, running

CARD = ".ringfence/examples/analyst.card.json"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def mesh(home: Path) -> Iterator[Process]:
    with running("up", "--free-ports", folder=home) as process:
        process.wait_for("agent list")
        yield process


@pytest.fixture
def ringfence(
    mesh: Process, home: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> CommandLine:
    monkeypatch.chdir(home)
    return CommandLine(capfdbinary)


def does(ringfence: CommandLine, line: str, *more: str, code: int = 0) -> Ended:
    ended = ringfence(*line.split(), *more)
    assert ended.code == code, f"{line} {more}: {ended.out} {ended.err}"
    return ended


class TestStory:
    """In the order it is told; each test goes on where the last one ended."""

    def test_a_card_is_judged_and_alone_is_enough_to_register(self, ringfence: CommandLine) -> None:
        assert "would be admitted" in does(ringfence, f"agent validate {CARD}").out
        ended = does(ringfence, f"agent register --card {CARD}", "-o", "json")
        assert ended.json["agent"]["name"].startswith("namespaces/default/agents/")
        assert ended.json["agent"]["state"] == "AGENT_STATE_ACTIVE"
        again = does(ringfence, f"agent register --namespace other --card {CARD}", "-o", "json").json
        assert [similar["name"] for similar in again["similarAgents"]] == [ended.json["agent"]["name"]]

    def test_prod_asks_for_what_is_not_there(self, ringfence: CommandLine) -> None:
        registered = does(ringfence, f"agent register demo/pilot --card {CARD} -e prod")
        assert "what lacks" in registered.out.lower()
        assert does(ringfence, "agent readiness demo/pilot", code=ExitCode.NEGATIVE).out.startswith("not ready")
        does(ringfence, "agent submit demo/pilot")
        refused = does(ringfence, "agent approve demo/pilot", code=ExitCode.CONFLICT)
        assert "READINESS_NOT_MET" in refused.err
        does(ringfence, "agent reject demo/pilot --reason", "it lacks nearly everything")
        assert "draft" in does(ringfence, "agent get demo/pilot").out
        does(ringfence, "agent delete demo/pilot")
        does(ringfence, "agent undelete demo/pilot")

    def test_revisions_are_compared_tagged_and_gone_back_to(self, ringfence: CommandLine, home: Path) -> None:
        does(ringfence, f"agent register demo/analyst --card {CARD}")
        does(ringfence, "agent tag demo/analyst 1 stable")
        card = json.loads((home / CARD).read_text())
        (home / "next.json").write_text(json.dumps({**card, "skills": card["skills"][:1], "version": "9.0.0"}))
        does(ringfence, "agent compare demo/analyst --before 1 --card next.json", code=int(len(card["skills"]) > 1))
        does(ringfence, "agent update demo/analyst --card next.json")
        does(ringfence, "agent rollout demo/analyst 5 --canary 2")
        shown = does(ringfence, "agent revisions demo/analyst").out
        assert "9.0.0" in shown
        does(ringfence, "agent rollout demo/analyst 0")
        does(ringfence, "agent rollback demo/analyst --reason", "revision 1 was better")
        old = does(ringfence, "agent card demo/analyst --revision stable").raw
        assert old == does(ringfence, "agent card demo/analyst").raw == (home / CARD).read_bytes()
        assert "namespaces/demo/agents/analyst" in does(ringfence, "agent attestation demo/analyst").out
        does(ringfence, "agent renew demo/analyst --for 1h")

    def test_agents_are_found_counted_and_exported(self, ringfence: CommandLine) -> None:
        assert "demo/analyst" in does(ringfence, "catalog search sales").out
        assert "agents" in does(ringfence, "catalog facets risk_tier skills.tags").out
        lines = does(ringfence, "catalog export").raw.decode().splitlines()
        assert len([json.loads(line) for line in lines]) == len(lines) >= 3
        found = does(ringfence, "agent list demo -o json --filter", 'skills.tags:"sql" OR state = ACTIVE').json
        assert any(agent["name"].endswith("/analyst") for agent in found)

    def test_a_namespace_is_hidden_and_shown(self, ringfence: CommandLine) -> None:
        assert "public" in does(ringfence, "catalog namespace get demo").out
        does(ringfence, "catalog namespace set demo --visibility private --refuse-look-alikes")
        shown = does(ringfence, "catalog namespace get demo").out
        assert "private" in shown
        assert "look-alikes" in shown
        assert "demo" in does(ringfence, "catalog namespace list").out

    def test_tools_systems_and_boundaries(self, ringfence: CommandLine) -> None:
        does(ringfence, "tool register --file .ringfence/examples/warehouse.query.tool.yaml")
        does(ringfence, "tool disable warehouse.query --reason", "it is looked into")
        assert "disabled" in does(ringfence, "tool get warehouse.query").out
        does(ringfence, "tool enable warehouse.query --reason", "it is fine")
        assert "1" in does(ringfence, "tool revisions warehouse.query").out
        owner = ("--owner", "Ada <ada@example.com>")
        does(ringfence, "boundary system create demo/bank --url https://bank.example.com", *owner)
        does(ringfence, "boundary trust demo/bank trusted --reason", "a contract is on file")
        assert "demo/bank" in does(ringfence, "boundary system list --filter", "trusted = true").out
        does(ringfence, "boundary create demo/all --agent demo/analyst --system demo/bank", *owner)
        assert "demo/analyst" in does(ringfence, "boundary members demo/all").out
        does(ringfence, "boundary disable demo/all --reason", "an incident")
        assert "disabled" in does(ringfence, "boundary list demo").out
        does(ringfence, "boundary system delete demo/bank", code=ExitCode.CONFLICT)

    def test_watches_begin_with_what_there_is(self, ringfence: CommandLine) -> None:
        for group in ("agent", "tool"):
            lines = does(ringfence, f"{group} watch --initial --count 1 -o json").out.splitlines()
            assert int(json.loads(lines[0])["revision"]) > 0
