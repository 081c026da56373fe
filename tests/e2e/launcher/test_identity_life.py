"""The life of an identity, typed against the real services: people, keys, certificates, trust, delegation, the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine, Ended
from support.launcher.processes import Process, running

AUDIENCE = "https://orders.example.com"
WHO = ("-e", "dev")


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


class TestLife:
    """In the order it is lived; each test goes on where the last one ended."""

    def does(self, ringfence: CommandLine, *arguments: str) -> Ended:
        ended = ringfence(*arguments)
        assert ended.code == 0, f"{arguments}: {ended.out} {ended.err}"
        return ended

    def identity(self, ringfence: CommandLine, agent: str = "demo/analyst") -> dict[str, Any]:
        found: dict[str, Any] = self.does(ringfence, "did", "get", agent, *WHO, "-o", "json").json
        return found

    def test_people_answer_for_agents(self, ringfence: CommandLine) -> None:
        for name in ("first", "second", "third"):
            contact = ("--name", name.title(), "--contact", f"{name}@example.com")
            self.does(ringfence, "sponsor", "register", name, *contact)
        assert self.does(ringfence, "sponsor", "show", "first", "-o", "json").json["displayName"] == "First"
        assert [one["name"] for one in self.does(ringfence, "sponsor", "list", "-o", "json").json] == [
            "sponsors/first",
            "sponsors/second",
            "sponsors/third",
        ]
        assert "Second" in self.does(ringfence, "sponsor", "list").out
        assert ringfence("sponsor", "show", "nobody").code == ExitCode.NOT_FOUND

    def test_agents_are_enrolled_and_listed(self, ringfence: CommandLine, home: Path) -> None:
        stated = self.does(ringfence, "did", "certificate").out.replace(
            "max_delegation_depth: 0", "max_delegation_depth: 2"
        )
        if "max_delegation_depth" not in stated:
            stated += "\nmax_delegation_depth: 2\n"
        (home / "birth.yaml").write_text(stated)
        for agent in ("analyst", "courier"):
            key = ("--certificate", "birth.yaml", "--key", f"{agent}.key", "--no-link")
            self.does(ringfence, "did", "enrol", f"demo/{agent}", *WHO, *key)
        listed = self.does(ringfence, "did", "list", "demo", *WHO, "-o", "json").json
        assert [one["agent"].rpartition("/")[2] for one in listed] == ["analyst", "courier"]
        assert "demo/courier" in self.does(ringfence, "did", "list", "--status", "active", "--sponsor", "first").out
        assert self.does(ringfence, "did", "list", "--status", "revoked", "-o", "json").json == []

    def test_a_key_is_replaced_and_the_old_documents_stay(self, ringfence: CommandLine, home: Path) -> None:
        before = self.identity(ringfence)
        after = self.does(ringfence, "did", "rotate", "--key", "analyst.key", "-o", "json").json
        assert after["publicKeyMultibase"] != before["publicKeyMultibase"]
        did = before["did"]
        old = self.does(ringfence, "did", "resolve", did, "--version-id", before["didVersionId"], "-o", "json").json
        assert old["didDocumentMetadata"]["nextVersionId"] == after["didVersionId"]
        made = old["didDocumentMetadata"]["versionTime"]
        by_time = self.does(ringfence, "did", "resolve", did, "--version-time", made, "-o", "json").json
        assert by_time["didDocumentMetadata"]["versionId"] == before["didVersionId"]
        (home / "did.jsonl").write_bytes(self.does(ringfence, "did", "log", did).raw)
        said = self.does(ringfence, "verify", "log", "did.jsonl", "--did", did, "-o", "json").json["says"]
        assert said["versionId"] == after["didVersionId"]
        self.does(ringfence, "token", "issue", "--key", "analyst.key", "--audience", AUDIENCE)

    def test_a_certificate_is_shown_checked_and_followed_by_another(self, ringfence: CommandLine, home: Path) -> None:
        shown = self.does(ringfence, "certificate", "show", "demo/analyst", *WHO)
        (home / "birth.json").write_bytes(shown.raw)
        issuer = shown.json["issuer"]
        (home / "registrar.jsonl").write_bytes(self.does(ringfence, "did", "log", issuer).raw)
        jwt = self.does(ringfence, "certificate", "show", "demo/analyst", *WHO, "--as", "jwt")
        (home / "birth.jwt").write_bytes(jwt.raw)
        for file in ("birth.json", "birth.jwt"):
            said = self.does(ringfence, "verify", "certificate", file, "--registrar", "registrar.jsonl", "-o", "json")
            assert said.json["says"]["serial"] == 1
        again = (home / "birth.yaml").read_text().replace("purpose:", "purpose: Another one. #", 1)
        (home / "again.yaml").write_text(again)
        issued = self.does(ringfence, "certificate", "issue", "demo/analyst", *WHO, "--certificate", "again.yaml")
        assert "Another one." in issued.out
        first = ringfence("certificate", "show", "demo/analyst", *WHO, "--serial", "1")
        assert first.raw == shown.raw
        assert "serial 1 is revoked" in first.err

    def test_a_token_is_asked_about_and_its_keys_are_kept(self, ringfence: CommandLine, home: Path) -> None:
        token = self.does(ringfence, "token", "issue", "--key", "analyst.key", "--audience", AUDIENCE)
        (home / "token").write_bytes(token.raw)
        asked = ("token", "introspect", "token", "--audience")
        assert self.does(ringfence, *asked, AUDIENCE).out.startswith("ACTIVE")
        assert ringfence(*asked, "https://other.example.com").code == ExitCode.NEGATIVE
        keys = self.does(ringfence, "token", "keys", *WHO, "-o", "json").json
        states = {key["keyId"]: (key["state"], key["algorithm"]) for key in keys}
        signed_by = self.does(ringfence, "token", "show", token.out.strip(), "-o", "json").json["header"]["kid"]
        assert states[signed_by] == ("ISSUER_KEY_STATE_ACTIVE", "EdDSA")
        assert signed_by in self.does(ringfence, "token", "keys", *WHO).out
        rotated = self.does(ringfence, "token", "rotate-key", *WHO, "-o", "json").json
        assert rotated["key"]["state"] == "ISSUER_KEY_STATE_PUBLISHED"
        self.does(ringfence, "token", "revoke-key", signed_by, *WHO, "--reason", "its backup was lost")
        assert ringfence(*asked, AUDIENCE).code == ExitCode.NEGATIVE

    def test_trust_is_explained_to_the_point(self, ringfence: CommandLine) -> None:
        assert self.does(ringfence, "trust", "show", "demo/analyst", *WHO, "-o", "json").json["score"] == 300
        shown = self.does(ringfence, "trust", "explain", "demo/analyst", *WHO).out
        for said in ("The sum", "+300.00", "score", "What ring 2 still needs", "What is left of the caps"):
            assert said in shown
        assert self.does(ringfence, "trust", "explain", "demo/analyst", *WHO, "-o", "json").json["terms"]

    def test_ring_0_is_earned_and_granted(self, ringfence: CommandLine) -> None:
        granted = ringfence("trust", "grant-ring", "demo/analyst", *WHO, "--for", "7d", "--reason", "early")
        assert granted.code == ExitCode.CONFLICT
        assert "RING_NOT_EARNED" in granted.err
        assert ringfence("trust", "grant-ring", "demo/analyst", "--for", "long", "--reason", "r").code == ExitCode.USAGE

    def test_an_elevation_is_granted_and_ended(self, ringfence: CommandLine) -> None:
        asked = ("--action", "write", "--resource", "orders", "--ring", "1", "--for", "1h", "--reason", "migration")
        granted = self.does(ringfence, "trust", "elevate", "demo/analyst", *WHO, *asked, "-o", "json").json
        assert granted["grant"].count(".") == 2
        ended = ("trust", "end-elevation", granted["elevation"]["name"], "--reason", "done")
        assert "write" in self.does(ringfence, *ended).out

    def test_authority_is_handed_on_and_taken_back(self, ringfence: CommandLine, home: Path) -> None:
        identity = self.identity(ringfence)
        permission = identity["birthCertificate"]["permissions"][0]
        asked = ("--to", "demo/courier", "--scope", permission, "--audience", AUDIENCE)
        made = self.does(ringfence, "delegate", "make", "--key", "analyst.key", *asked)
        (home / "chain.txt").write_bytes(made.raw)
        wider = ("--to", "demo/courier", "--scope", "everything:write", "--audience", AUDIENCE)
        refused = ringfence("delegate", "make", "--key", "analyst.key", *wider)
        assert refused.code == ExitCode.NEGATIVE
        assert "rule scope" in refused.err
        exchange = ("delegate", "exchange", "chain.txt", "--key", "courier.key", "--audience", AUDIENCE)
        exchanged = self.does(ringfence, *exchange, "-o", "json").json
        assert exchanged["scopes"] == [permission]
        (listed,) = self.does(ringfence, "delegate", "list", *WHO, "--from", "demo/analyst", "-o", "json").json
        assert listed["name"] == exchanged["delegation"]["name"]
        assert listed["name"] in self.does(ringfence, "delegate", "list", *WHO, "--to", "demo/courier").out
        assert "revoked" in self.does(ringfence, "delegate", "revoke", listed["name"], "--reason", "done").out
        assert "DELEGATION_REVOKED" in ringfence(*exchange).err
        assert self.does(ringfence, "delegate", "list", *WHO, "-o", "json").json == []

    def test_it_is_suspended_lost_and_found(self, ringfence: CommandLine) -> None:
        asked = ("demo/analyst", *WHO, "--reason", "odd exports at night")
        assert "odd exports" in self.does(ringfence, "did", "suspend", *asked).out
        assert ringfence("token", "issue", "--key", "analyst.key", "--audience", AUDIENCE).code == ExitCode.CONFLICT
        self.does(ringfence, "did", "reinstate", *asked)
        self.does(ringfence, "did", "compromise", *asked, "--replacement", "new.key")
        assert ringfence("token", "issue", "--key", "analyst.key", "--audience", AUDIENCE).code != 0
        self.does(ringfence, "token", "issue", "--key", "new.key", "--audience", AUDIENCE)
        lost = self.does(ringfence, "did", "compromise", *asked)
        assert "ringfence did reinstate" in lost.err
        assert "NEW_KEY_REQUIRED" in ringfence("did", "reinstate", *asked).err
        self.does(ringfence, "did", "reinstate", *asked, "--replacement", "newer.key")
        self.does(ringfence, "token", "issue", "--key", "newer.key", "--audience", AUDIENCE)

    def test_a_person_leaves(self, ringfence: CommandLine) -> None:
        left = self.does(ringfence, "sponsor", "offboard", "first", "--reason", "left", "--new-backup", "third")
        assert "handed over" in left.out
        assert self.identity(ringfence)["birthCertificate"]["sponsor"] == "sponsors/second"
        gone = self.does(ringfence, "sponsor", "list", "--offboarded", "-o", "json").json
        assert gone[0]["offboardTime"]
        asked = ("sponsor", "offboard", "second", "--reason", "left", "--agents", "suspend")
        assert "suspended" in self.does(ringfence, *asked).out

    def test_all_of_it_is_in_the_log(self, ringfence: CommandLine, home: Path) -> None:
        first = self.does(ringfence, "audit", "checkpoint", "--log", "identity")
        (home / "checkpoint.txt").write_bytes(first.raw)
        key = first.err.rpartition("its key: ")[2].strip()
        (home / "log.key").write_text(key)
        self.does(ringfence, "audit", "export", "log.jsonl", "--log", "identity")
        assert self.does(ringfence, "audit", "verify", "log.jsonl", "--checkpoint", "checkpoint.txt").out.startswith(
            "HOLDS"
        )
        proven = self.does(ringfence, "audit", "prove", "3", "--log", "identity", "-o", "json")
        (home / "proof.json").write_bytes(proven.raw)
        said = self.does(ringfence, "verify", "entry", "proof.json", "--verifier-key", "log.key", "-o", "json").json
        assert said["says"]["entry"]["revision"] == 4
        self.does(ringfence, "verify", "checkpoint", "checkpoint.txt", "--verifier-key", "log.key")
        # The two logs of a mesh are remembered apart: neither is taken for the other's past.
        self.does(ringfence, "audit", "checkpoint")
        self.does(ringfence, "audit", "checkpoint", "--log", "identity")
        edited = (home / "log.jsonl").read_text().replace('{"index":4,', '{"index":5,', 1)
        (home / "log.jsonl").write_text(edited)
        assert ringfence("audit", "verify", "log.jsonl").code == ExitCode.NEGATIVE
        assert ringfence("audit", "prove", "first", "--log", "identity").code == ExitCode.USAGE
