"""Every command against the real services: one story from registration to revocation, typed as a person types it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine, Ended
from support.launcher.processes import Process, running


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
    """The command line in the newcomer's folder."""
    monkeypatch.chdir(home)
    return CommandLine(capfdbinary)


def until(ringfence: CommandLine, *arguments: str, code: int = 0) -> Ended:
    """Repeat a command until what one service learned has reached the next."""
    for _ in range(200):
        ended = ringfence(*arguments)
        if ended.code == code:
            return ended
    raise AssertionError(f"{arguments}: {ended.out} {ended.err}")


class TestStory:
    """In the order it is told; each test goes on where the last one ended."""

    def does(self, ringfence: CommandLine, *arguments: str) -> Ended:
        ended = ringfence(*arguments)
        assert ended.code == 0, f"{arguments}: {ended.out} {ended.err}"
        return ended

    def test_an_agent_is_registered_changed_and_found(self, ringfence: CommandLine, home: Path) -> None:
        card = ".ringfence/examples/analyst.card.json"
        for tool in ("query", "update"):
            self.does(ringfence, "tool", "register", "--file", f".ringfence/examples/warehouse.{tool}.tool.yaml")
        self.does(
            ringfence,
            *("agent", "register", "demo/analyst", "--card", card, "--purpose", "Answers questions.", "--risk", "low"),
            *("--owner", "Ada <ada@example.com>", "--environment", "dev", "--tool", "warehouse.query"),
        )
        again = ringfence(
            *("agent", "register", "demo/analyst", "--card", card, "--purpose", "p", "--risk", "low"),
            *("--owner", "A <a@example.com>", "--environment", "dev"),
        )
        assert again.code == ExitCode.CONFLICT
        assert "AGENT_ALREADY_EXISTS" in again.err
        changed = self.does(
            ringfence,
            *("agent", "update", "demo/analyst", "--team", "sales", "--label", "tier=gold", "-o", "json"),
            *("--tool", "warehouse.query", "--tool", "warehouse.update"),
        ).json
        assert (changed["team"], changed["labels"]) == ("sales", {"tier": "gold"})
        stale = ringfence("agent", "update", "demo/analyst", "--team", "x", "--etag", '"0-stale"')
        assert stale.code == ExitCode.CONFLICT
        assert "ETAG_MISMATCH" in stale.err
        assert self.does(ringfence, "agent", "card", "demo/analyst").raw == (home / card).read_bytes()
        found = self.does(ringfence, "agent", "list", "--filter", 'labels.tier = "gold"', "-o", "json").json
        assert [agent["name"] for agent in found] == ["namespaces/demo/agents/analyst"]
        wrong = ringfence("agent", "list", "--filter", "colour = red")
        assert wrong.code == ExitCode.INVALID
        assert "FILTER_INVALID" in wrong.err

    def test_what_the_registry_refuses_is_listed_whole(self, ringfence: CommandLine, home: Path) -> None:
        (home / "bad.json").write_text('{"name": ""}')
        self.does(ringfence, "catalog", "namespace", "set", "strict", "--least-verdict", "upconverted")
        ended = ringfence(
            *("agent", "register", "strict/bad", "--card", "bad.json", "--purpose", "p", "--risk", "low"),
            *("--owner", "A <a@example.com>", "--environment", "dev"),
        )
        assert ended.code == ExitCode.INVALID
        assert "CARD_INVALID" in ended.err
        assert len([line for line in ended.err.splitlines() if line.startswith("  ")]) > 1

    def test_changes_are_watched(self, ringfence: CommandLine) -> None:
        watched = self.does(ringfence, "agent", "watch", "--initial", "--count", "1", "-o", "json")
        assert json.loads(watched.out)["agent"]["name"] == "namespaces/demo/agents/analyst"
        since = self.does(ringfence, "agent", "watch", "--from", "1", "--count", "2", "-o", "json").out.splitlines()
        assert [json.loads(line)["type"] for line in since] == ["WATCH_EVENT_TYPE_ADDED", "WATCH_EVENT_TYPE_MODIFIED"]
        future = ringfence("agent", "watch", "--from", "999999")
        assert future.code == ExitCode.INVALID
        assert "REVISION_IN_FUTURE" in future.err

    def test_it_is_enrolled_by_those_who_answer_for_it(self, ringfence: CommandLine, home: Path) -> None:
        enrol = ("did", "enrol", "demo/analyst", "--certificate", ".ringfence/examples/analyst.birth.yaml")
        early = ringfence(*enrol, "--key", "analyst.key")
        assert early.code == ExitCode.NOT_FOUND
        assert "SPONSOR_NOT_FOUND" in early.err
        for sponsor in ("first", "second"):
            self.does(
                ringfence, "sponsor", "register", sponsor, "--name", sponsor, "--contact", f"{sponsor}@example.com"
            )
        identity = self.does(ringfence, *enrol, "--key", "analyst.key", "-o", "json").json
        assert self.does(ringfence, "agent", "get", "demo/analyst", "-o", "json").json["did"] == identity["did"]
        shown = self.does(ringfence, "did", "get", "demo/analyst").out
        assert identity["did"] in shown
        document = self.does(ringfence, "did", "resolve", identity["did"], "-o", "json").json["didDocument"]
        assert document["id"] == identity["did"]
        twice = ringfence(*enrol, "--key", "another.key")
        assert twice.code == ExitCode.CONFLICT

    def test_it_gets_a_token_with_its_own_key_alone(self, ringfence: CommandLine) -> None:
        issue = ("token", "issue", "--key", "analyst.key", "--audience", "https://warehouse.example.com")
        token = self.does(ringfence, *issue, "--scope", "warehouse:read").out.strip()
        claims = self.does(ringfence, "token", "show", token, "-o", "json").json["claims"]
        assert claims["aud"] == "https://warehouse.example.com"
        assert claims["scope"] == "warehouse:read"
        assert claims["ring"] == 3
        refused = ringfence(*issue, "--scope", "payroll:write")
        assert refused.code == ExitCode.NOT_PERMITTED
        assert "SCOPE_NOT_GRANTED" in refused.err

    def test_trust_begins_in_the_middle_of_nowhere(self, ringfence: CommandLine) -> None:
        assert "300 of 1000  ring 3" in self.does(ringfence, "trust", "get", "demo/analyst").out
        watched = self.does(ringfence, "trust", "watch", "demo/analyst", "--count", "1").out
        assert " 300  ring 3" in watched

    def test_policies_decide_and_say_why(self, ringfence: CommandLine, home: Path) -> None:
        none = ringfence("policy", "show")
        assert none.code == ExitCode.NOT_FOUND
        assert "BUNDLE_NOT_FOUND" in none.err
        self.does(ringfence, "policy", "push", ".ringfence/examples/policies")
        (home / "bad.yaml").write_text("apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {nam: x}\nspec: {}\n")
        refused = ringfence("policy", "push", "bad.yaml")
        assert refused.code == ExitCode.INVALID
        assert "bad.yaml:3" in refused.err
        assert "first-policy.yaml" in self.does(ringfence, "policy", "show").out
        read = ("demo/analyst", "read_table", "--tool", "warehouse.query", "--arg", "rows=20")
        until(ringfence, "policy", "check", *read)
        write = ("demo/analyst", "write_table", "--tool", "warehouse.update")
        denied = ringfence("policy", "check", *write)
        assert denied.code == ExitCode.NEGATIVE
        assert denied.out.startswith("DENY  RING_INSUFFICIENT")
        explained = ringfence("policy", "explain", *write)
        assert explained.code == ExitCode.NEGATIVE
        assert "what would make it allow" in explained.out

    def test_the_denial_is_proven_exported_and_verified(self, ringfence: CommandLine, home: Path) -> None:
        write = ("policy", "check", "demo/analyst", "write_table", "--tool", "warehouse.update", "-o", "json")
        decision = ringfence(*write).json["decisionId"]
        assert until(ringfence, "audit", "prove", decision).out.startswith("PROVEN")
        note = self.does(ringfence, "audit", "checkpoint").out
        (home / "kept.txt").write_text(note)
        self.does(ringfence, "audit", "export", "log.jsonl")
        assert self.does(ringfence, "audit", "verify", "log.jsonl", "--checkpoint", "kept.txt").out.startswith("HOLDS")
        (home / "log.jsonl").write_text((home / "log.jsonl").read_text().replace('"index":1,', '"index":0,', 1))
        assert ringfence("audit", "verify", "log.jsonl").code == ExitCode.NEGATIVE

    def test_usage_of_an_agent_that_sent_no_spans(self, ringfence: CommandLine) -> None:
        assert self.does(ringfence, "usage", "--group-by", "agent").out.startswith("nothing was used")

    def test_the_button_stops_it_and_lets_go(self, ringfence: CommandLine) -> None:
        engaged = self.does(ringfence, "kill", "engage", "--agent", "demo/analyst", "--reason", "a drill", "-o", "json")
        read = ("policy", "check", "demo/analyst", "read_table", "--tool", "warehouse.query", "--arg", "rows=20")
        assert "KILLED" in until(ringfence, *read, code=ExitCode.NEGATIVE).out
        assert "a drill" in self.does(ringfence, "kill", "list").out
        twice = ringfence("kill", "engage", "--agent", "demo/analyst", "--reason", "again")
        assert twice.code == ExitCode.CONFLICT
        self.does(ringfence, "kill", "release", engaged.json["name"], "--reason", "the drill is over")
        until(ringfence, *read)

    def test_people_are_asked_and_what_they_approve_happens_once(self, ringfence: CommandLine, home: Path) -> None:
        first = (home / ".ringfence/examples/policies/first-policy.yaml").read_text()
        (home / "policies").mkdir()
        (home / "policies" / "first.yaml").write_text(first)
        (home / "policies" / "people.yaml").write_text(
            "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: people}\nspec:\n"
            '  presets: [\'require_approval(["read_salaries"], 2, 30m, ["group:hr"])\']\n'
        )
        self.does(ringfence, "policy", "push", "policies")
        ask = ("policy", "check", "demo/analyst", "read_salaries", "--arg", "rows=20")
        asked = ringfence(*ask, "-o", "json")
        assert (asked.code, asked.json["effect"]) == (ExitCode.NEGATIVE, "EFFECT_REQUIRE_APPROVAL")
        name = asked.json["approval"]["approval"]
        assert name.removeprefix("approvals/") in self.does(ringfence, "approval", "list", "--state", "pending").out
        assert "NOT_PERMITTED" in ringfence("approval", "approve", name).err
        stranger = ringfence("approval", "approve", name, "--as", "eve", "--group", "sales")
        assert "APPROVER_NOT_ELIGIBLE" in stranger.err
        for person in ("ada", "bob"):
            self.does(ringfence, "approval", "approve", name, "--as", person, "--group", "hr")
        assert "approved by dev:ada, dev:bob" in self.does(ringfence, *ask).out
        assert ringfence(*ask).code == ExitCode.NEGATIVE
        assert "used" in self.does(ringfence, "approval", "get", name).out

    def test_revoked_and_retired_is_for_good(self, ringfence: CommandLine) -> None:
        did = self.does(ringfence, "did", "get", "demo/analyst", "-o", "json").json["did"]
        assert "revoked" in self.does(ringfence, "did", "revoke", did, "--reason", "it is over").out
        read = ("policy", "check", did, "read_table", "--tool", "warehouse.query", "--arg", "rows=20")
        assert "AGENT_REVOKED" in until(ringfence, *read, code=ExitCode.NEGATIVE).out
        token = ringfence("token", "issue", "--key", "analyst.key", "--audience", "https://x.example.com")
        assert token.code == ExitCode.CONFLICT
        assert "AGENT_REVOKED" in token.err
        assert "retired" in self.does(ringfence, "agent", "retire", "demo/analyst").out
        changed = ringfence("agent", "update", "demo/analyst", "--team", "x")
        assert changed.code == ExitCode.CONFLICT
        assert self.does(ringfence, "agent", "list", "-o", "json").json == []
        assert len(self.does(ringfence, "agent", "list", "--retired", "-o", "json").json) == 1
