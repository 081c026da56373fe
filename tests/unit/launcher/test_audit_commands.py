"""`ringfence audit` against a log that tells the truth, and against one that lies in every way it can."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ringfence.proofs.merkle import leaf_hash
from ringfence.telemetry.v1 import audit_pb2 as pb
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.audit_logs import AuditLog, numbered_log, signer, witness
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh


@pytest.fixture
def remembers(nowhere: Path) -> Path:
    """A data directory: what was seen is remembered in it."""
    (nowhere / ".ringfence").mkdir()
    return nowhere / ".ringfence"


class TestCheckpoint:
    def test_it_is_printed_as_the_note_it_is(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ended = ringfence("audit", "checkpoint")
        assert ended.code == 0, ended.err
        assert ended.out == mesh.telemetry.log.checkpoint()
        assert "seen for the first time" in ended.err
        assert mesh.telemetry.log.verifier_key in ended.err

    @pytest.mark.usefixtures("remembers")
    def test_the_second_time_it_must_extend_the_first(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence("audit", "checkpoint")
        mesh.telemetry.log = numbered_log(9)
        ended = ringfence("audit", "checkpoint", "-o", "json")
        assert ended.json["verified"] == {"key": "remembered", "extends": 5}
        assert ended.json["treeSize"] == 9

    @pytest.mark.usefixtures("remembers")
    def test_a_rewritten_history_is_found_out(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence("audit", "checkpoint")
        mesh.telemetry.log = AuditLog([b"something else"] * 9)
        ended = ringfence("audit", "checkpoint")
        assert ended.code == ExitCode.NEGATIVE
        assert "does not verify" in ended.err

    @pytest.mark.usefixtures("remembers")
    def test_a_log_that_got_shorter_is_found_out(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence("audit", "checkpoint")
        mesh.telemetry.log = numbered_log(3)
        ended = ringfence("audit", "checkpoint")
        assert ended.code == ExitCode.NEGATIVE
        assert "cut or forked" in ended.err

    @pytest.mark.usefixtures("remembers")
    def test_another_key_is_found_out(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence("audit", "checkpoint")
        mesh.telemetry.log = numbered_log(5, key=signer(seed=2))
        assert ringfence("audit", "checkpoint").code == ExitCode.NEGATIVE

    def test_a_pinned_key_beats_what_the_server_says(self, ringfence: CommandLine, nowhere: Path) -> None:
        assert ringfence("audit", "checkpoint", "--verifier-key", str(signer(seed=1).verifier)).code == 0
        (nowhere / "log.key").write_text(f"{signer(seed=2).verifier}\n")
        assert ringfence("audit", "checkpoint", "--verifier-key", "log.key").code == ExitCode.NEGATIVE
        assert ringfence("audit", "checkpoint", "--verifier-key", "a+b+c").code == ExitCode.CONFIGURATION

    def test_nothing_is_written_where_there_is_no_data_directory(self, ringfence: CommandLine, nowhere: Path) -> None:
        ringfence("audit", "checkpoint")
        assert list(nowhere.iterdir()) == []

    @pytest.mark.usefixtures("remembers")
    def test_another_mesh_is_another_log(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ringfence("audit", "checkpoint")
        mesh.telemetry.log = numbered_log(5, key=signer(seed=2))
        elsewhere = mesh.address.replace("127.0.0.1", "localhost")
        assert ringfence("audit", "checkpoint", "--addr", elsewhere).code == 0
        ringfence("audit", "export", "log.jsonl", "--addr", elsewhere)
        ended = ringfence("audit", "verify", "log.jsonl")
        assert ended.code == ExitCode.USAGE
        assert "2 are remembered" in ended.err

    @pytest.mark.parametrize("content", ["", "{}", "[]", '{"logs": [1]}', '{"logs": {"x": {"verifier_key": "x"}}}'])
    def test_a_spoilt_memory_is_named(self, ringfence: CommandLine, remembers: Path, content: str) -> None:
        (remembers / "known-logs.json").write_text(content)
        ended = ringfence("audit", "checkpoint")
        assert ended.code == ExitCode.CONFIGURATION

    def test_a_memory_whose_checkpoint_was_exchanged_is_named(self, ringfence: CommandLine, remembers: Path) -> None:
        ringfence("audit", "checkpoint")
        memory = json.loads((remembers / "known-logs.json").read_text())
        (known,) = memory["logs"].values()
        known["checkpoint"] = numbered_log(1, key=signer(seed=3)).checkpoint()
        (remembers / "known-logs.json").write_text(json.dumps(memory))
        ended = ringfence("audit", "checkpoint")
        assert ended.code == ExitCode.CONFIGURATION
        assert "somebody changed" in ended.err


class TestProve:
    def test_a_decision_is_proven_and_shown(self, ringfence: CommandLine) -> None:
        ended = ringfence("audit", "prove", "3")
        assert ended.code == 0, ended.err
        assert ended.out.startswith("PROVEN  entry 3 of 5")
        assert "DENY" in ended.out

    def test_by_decision_id(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.telemetry.log = AuditLog([b'{"decision_id":"x-1"}', b'{"decision_id":"x-2"}', b'{"decision_id":"x-3"}'])
        assert ringfence("audit", "prove", "x-2", "-o", "json").json["entry"]["index"] == "1"
        assert ringfence("audit", "prove", "x-9").code == ExitCode.NOT_FOUND

    @pytest.mark.parametrize(
        ("method", "lie"),
        [
            ("GetEntry", lambda answer: setattr(answer.entry, "body", b'{"decision_id":"x-2","effect":"ALLOW"}')),
            ("GetInclusionProof", lambda answer: answer.hashes.pop()),
            ("GetInclusionProof", lambda answer: answer.hashes.append(bytes(32))),
            ("GetInclusionProof", lambda answer: setattr(answer, "index", 2)),
            ("GetInclusionProof", lambda answer: setattr(answer, "tree_size", 2)),
            ("GetInclusionProof", lambda answer: setattr(answer.checkpoint, "signed_note", "")),
            (
                "GetInclusionProof",
                lambda answer: setattr(
                    answer.checkpoint, "signed_note", answer.checkpoint.signed_note.replace("\n3\n", "\n4\n")
                ),
            ),
        ],
    )
    def test_no_lie_gets_through(
        self, ringfence: CommandLine, mesh: FakeMesh, method: str, lie: Callable[[Any], object]
    ) -> None:
        mesh.telemetry.log = AuditLog([b'{"decision_id":"x-1"}', b'{"decision_id":"x-2"}', b'{"decision_id":"x-3"}'])
        mesh.telemetry.lies[method] = lie
        ended = ringfence("audit", "prove", "x-2")
        assert ended.code == ExitCode.NEGATIVE
        assert ended.out == ""

    def test_a_true_proof_of_another_decision_is_no_answer(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.telemetry.log = AuditLog(
            [b'{"decision_id":"x-1"}', b'{"decision_id":"x-2","note":"\\"decision_id\\":\\"x-9\\""}']
        )
        true_proof_of_x1 = mesh.telemetry.log
        mesh.telemetry.lies["GetInclusionProof"] = lambda answer: answer.CopyFrom(
            pb.GetInclusionProofResponse(
                index=0,
                tree_size=2,
                hashes=[true_proof_of_x1.subtree(0, 1)],
                checkpoint=answer.checkpoint,
            )
        )
        ended = ringfence("audit", "prove", "x-2")
        assert ended.code == ExitCode.NEGATIVE
        assert "x-1" in ended.err
        ended = ringfence("audit", "prove", "1")
        assert ended.code == ExitCode.NEGATIVE


class TestExportAndVerify:
    KEY = str(signer().verifier)

    def test_what_is_exported_verifies_without_a_server(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.telemetry.log = numbered_log(57)
        mesh.telemetry.page_limit = 10
        exported = ringfence("audit", "export", "log.jsonl")
        assert exported.code == 0, exported.err
        assert "57 entries" in exported.out
        assert f"--verifier-key '{self.KEY}'" in exported.err
        mesh.calls.clear()
        verified = ringfence("audit", "verify", "log.jsonl", "--verifier-key", self.KEY)
        assert verified.code == 0
        assert verified.out.startswith("HOLDS  57 entries")
        assert verified.err == ""
        assert not mesh.calls

    def test_the_file_is_no_reason_to_trust_a_key(self, ringfence: CommandLine) -> None:
        ringfence("audit", "export", "log.jsonl")
        ended = ringfence("audit", "verify", "log.jsonl")
        assert ended.code == ExitCode.USAGE
        assert "--verifier-key" in ended.err

    @pytest.mark.usefixtures("remembers")
    def test_the_key_seen_first_is_trusted(self, ringfence: CommandLine) -> None:
        ringfence("audit", "export", "log.jsonl")
        assert ringfence("audit", "verify", "log.jsonl").code == 0

    def test_a_tampered_export_is_caught_and_the_entry_named(self, ringfence: CommandLine, nowhere: Path) -> None:
        ringfence("audit", "export", "log.jsonl")
        file = nowhere / "log.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        lines[4]["body"] = base64.b64encode(b'{"decision_id":"3","effect":"ALLOW"}').decode()
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        ended = ringfence("audit", "verify", "log.jsonl", "--verifier-key", self.KEY)
        assert ended.code == ExitCode.NEGATIVE
        assert ended.out.startswith("TAMPERED")
        assert "entry 3 is not what the log hashed" in ended.out
        shown = ringfence("audit", "verify", "log.jsonl", "--verifier-key", self.KEY, "-o", "json").json
        assert ("altered", 3) in [(found["problem"], found["firstIndex"]) for found in shown["findings"]]

    def test_a_file_that_never_was_an_export_is_not_called_tampered_with(
        self, ringfence: CommandLine, nowhere: Path
    ) -> None:
        (nowhere / "notes.txt").write_text("milk, bread\n")
        ended = ringfence("audit", "verify", "notes.txt", "--verifier-key", self.KEY)
        assert ended.code == ExitCode.NEGATIVE
        assert ended.out.startswith("NO EXPORT OF A LOG")

    def test_another_key_does_not_hold(self, ringfence: CommandLine) -> None:
        ringfence("audit", "export", "log.jsonl")
        other = str(signer(seed=2).verifier)
        assert ringfence("audit", "verify", "log.jsonl", "--verifier-key", other).code == ExitCode.NEGATIVE

    def test_a_retired_key_signs_up_to_its_size(self, ringfence: CommandLine) -> None:
        ringfence("audit", "export", "log.jsonl")
        current = ("--verifier-key", str(signer(seed=2).verifier))
        assert ringfence("audit", "verify", "log.jsonl", *current, "--retired-key", f"{self.KEY}@5").code == 0
        ended = ringfence("audit", "verify", "log.jsonl", *current, "--retired-key", f"{self.KEY}@4")
        assert ended.code == ExitCode.NEGATIVE
        assert "retired-key" in ended.out
        assert ringfence("audit", "verify", "x", *current, "--retired-key", self.KEY).code == ExitCode.USAGE

    def test_a_checkpoint_printed_earlier_can_be_held_against_it(
        self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path
    ) -> None:
        (nowhere / "kept.txt").write_text(ringfence("audit", "checkpoint").out)
        mesh.telemetry.log = AuditLog([b"something else"] * 9)
        ringfence("audit", "export", "log.jsonl")
        judged = ("audit", "verify", "log.jsonl", "--verifier-key", self.KEY)
        assert ringfence(*judged).code == 0
        ended = ringfence(*judged, "--checkpoint", "kept.txt")
        assert ended.code == ExitCode.NEGATIVE
        assert "forked" in ended.out

    @pytest.mark.parametrize("content", [b"", b"nonsense\n", b"\xff\xfe", b"[" * 3_000_000])
    def test_a_file_that_is_no_export_does_not_hold(
        self, ringfence: CommandLine, nowhere: Path, content: bytes
    ) -> None:
        (nowhere / "x").write_bytes(content)
        assert ringfence("audit", "verify", "x", "--verifier-key", self.KEY).code == ExitCode.NEGATIVE

    @pytest.mark.parametrize("form", ["table", "json"])
    def test_a_place_no_log_has_is_judged(self, ringfence: CommandLine, nowhere: Path, form: str) -> None:
        (nowhere / "x").write_text('{"index":' + "9" * 4_300 + ',"leaf_hash":"' + "00" * 32 + '","body":""}\n')
        ended = ringfence("audit", "verify", "x", "--verifier-key", self.KEY, "-o", form)
        assert ended.code == ExitCode.NEGATIVE, ended.err

    def test_a_key_retired_at_a_size_that_no_log_has(self, ringfence: CommandLine) -> None:
        judged = ("audit", "verify", "x", "--verifier-key", self.KEY)
        assert ringfence(*judged, "--retired-key", f"{self.KEY}@{'9' * 5_000}").code == ExitCode.USAGE

    def test_a_file_that_is_not_there_says_so(self, ringfence: CommandLine) -> None:
        assert ringfence("audit", "verify", "absent", "--verifier-key", self.KEY).code == ExitCode.CONFIGURATION

    def test_a_server_that_leaves_something_out_is_noticed_at_once(
        self, ringfence: CommandLine, mesh: FakeMesh
    ) -> None:
        mesh.telemetry.lies["ListEntries"] = lambda answer: answer.entries.pop()
        ended = ringfence("audit", "export", "log.jsonl")
        assert ended.code == ExitCode.NEGATIVE
        assert "does not verify" in ended.err
        assert "truncated" in ended.err


W1, W2 = witness("registry.witness", 11), witness("identity.witness", 12)


def witnessed_log(size: int) -> AuditLog:
    """Return a log that one witness stands behind whole, and another half."""
    log = numbered_log(size)
    log.witnesses = [W1, W2]
    log.cosigned = {size: [W1], size // 2: [W1, W2]}
    return log


class TestEntry:
    def test_it_prints_what_was_hashed(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        ended = ringfence("audit", "entry", "3")
        assert ended.code == 0, ended.err
        assert ended.out.rstrip("\n").encode() == mesh.telemetry.log.bodies[3]
        assert "verified here" in ended.err

    def test_what_is_not_proven_is_not_printed(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.telemetry.lies["GetEntry"] = lambda answer: setattr(answer.entry, "body", b"{}")
        ended = ringfence("audit", "entry", "3")
        assert ended.code == ExitCode.NEGATIVE
        assert ended.out == ""


class TestExportsOfAWitnessedLog:
    KEY = str(signer().verifier)
    JUDGED = ("audit", "verify", "log.jsonl", "--verifier-key", KEY)

    @pytest.fixture
    def exported(self, ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> Path:
        mesh.telemetry.log = witnessed_log(300)
        assert ringfence("audit", "export", "log.jsonl").code == 0
        return nowhere / "log.jsonl"

    @pytest.mark.usefixtures("exported")
    def test_who_stands_behind_it_is_told(self, ringfence: CommandLine) -> None:
        ended = ringfence(*self.JUDGED, "--witness", str(W1.witness), "--witness", str(W2.witness))
        assert ended.code == 0
        assert "all 300 entries, since 2023-11-14 22:13:20 UTC" in ended.out
        assert "the first 150 entries" in ended.out
        shown = ringfence(*self.JUDGED, "--witness", str(W2.witness), "-o", "json").json
        assert shown["witnesses"] == [
            {
                "name": "identity.witness",
                "verifierKey": str(W2.witness),
                "entries": 150,
                "cosignedAt": 1_700_000_000,
            }
        ]

    @pytest.mark.usefixtures("exported")
    def test_too_few_do_not_hold(self, ringfence: CommandLine) -> None:
        both = ("--witness", str(W1.witness), "--witness", str(W2.witness), "--least-witnesses")
        assert ringfence(*self.JUDGED, *both, "1").code == 0
        ended = ringfence(*self.JUDGED, *both, "2")
        assert ended.code == ExitCode.NEGATIVE
        assert "unwitnessed" in ended.out

    @pytest.mark.usefixtures("exported")
    def test_keys_lie_in_files_and_in_the_data_directory(self, ringfence: CommandLine, nowhere: Path) -> None:
        (nowhere / "w1.key").write_text(f"{W1.witness}\n")
        assert "all 300 entries" in ringfence(*self.JUDGED, "--witness", "w1.key").out
        folder = nowhere / ".ringfence" / "witnesses"
        folder.mkdir(parents=True)
        (folder / "registry.key").write_text(f"{W1.witness}\n")
        (folder / "spoilt.key").write_text("nonsense")
        assert "all 300 entries" in ringfence(*self.JUDGED).out
        assert ringfence(*self.JUDGED, "--witness", "nonsense+a+b").code == ExitCode.CONFIGURATION

    def test_heads_of_the_past_say_where_it_was_changed(self, ringfence: CommandLine, exported: Path) -> None:
        lines = [json.loads(line) for line in exported.read_text().splitlines()]
        body = b'{"decision_id":"201","effect":"ALLOW"}'
        lines[202] |= {"body": base64.b64encode(body).decode(), "leaf_hash": leaf_hash(body).hex()}
        exported.write_text("".join(json.dumps(line) + "\n" for line in lines))
        ended = ringfence(*self.JUDGED, "-o", "json")
        assert ended.code == ExitCode.NEGATIVE
        (rewritten,) = [each for each in ended.json["findings"] if each["problem"] == "rewritten"]
        assert rewritten["firstIndex"] <= 201 < rewritten["endIndex"]
        assert rewritten["endIndex"] - rewritten["firstIndex"] <= 5


class TestWitnesses:
    def test_they_are_shown_with_how_far_they_have_come(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.telemetry.log = witnessed_log(10)
        mesh.telemetry.log.witnesses.append(witness("pdp.witness", 13))
        ended = ringfence("audit", "witnesses", "--witness", str(W1.witness))
        assert ended.code == 0, ended.err
        registry, identity, pdp = ended.out.splitlines()[1:]
        assert "all 10 entries" in registry
        assert "known here" in registry
        assert "the first 5 of 10 entries" in identity
        assert "as telemetry says" in identity
        assert "nothing yet" in pdp

    def test_a_log_without_any_says_so(self, ringfence: CommandLine) -> None:
        ended = ringfence("audit", "witnesses")
        assert ended.code == 0
        assert "telemetry.witnesses" in ended.out

    @pytest.mark.parametrize("lie", [5, 9])
    def test_a_witness_that_did_not_sign_is_found_out(self, ringfence: CommandLine, mesh: FakeMesh, lie: int) -> None:
        mesh.telemetry.log = witnessed_log(10)
        mesh.telemetry.log.cosigned[5] = [W2]

        def claim(answer: Any) -> None:
            answer.witnesses[0].tree_size = lie

        mesh.telemetry.lies["ListWitnesses"] = claim
        ended = ringfence("audit", "witnesses")
        assert ended.code == ExitCode.NEGATIVE
        assert "did not sign" in ended.out


class TestWatch:
    def test_heads_are_printed_as_they_are_signed(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.telemetry.histories = [numbered_log(7), numbered_log(9)]
        ended = ringfence("audit", "watch", "--count", "3")
        assert ended.code == 0, ended.err
        assert [line.split()[0] for line in ended.out.splitlines()] == ["5", "7", "9"]
        assert "extends 7" in ended.out

    def test_programs_read_them_line_by_line(self, ringfence: CommandLine, mesh: FakeMesh) -> None:
        mesh.telemetry.histories = [numbered_log(7)]
        ended = ringfence("audit", "watch", "--count", "2", "-o", "json")
        assert [json.loads(line)["treeSize"] for line in ended.out.splitlines()] == [5, 7]

    @pytest.mark.parametrize("other", [AuditLog([b"something else"] * 9), AuditLog([b"x"] * 5), numbered_log(3)])
    def test_a_second_history_ends_it(self, ringfence: CommandLine, mesh: FakeMesh, other: AuditLog) -> None:
        mesh.telemetry.histories = [other]
        ended = ringfence("audit", "watch", "--count", "5")
        assert ended.code == ExitCode.NEGATIVE
        assert "does not verify" in ended.err
        assert "shown now" in ended.err
