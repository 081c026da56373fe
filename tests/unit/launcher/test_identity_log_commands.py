"""`ringfence audit … --log identity`: identity's own log, read by somebody who believes nothing it says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.audit_logs import AuditLog, signer
from support.launcher.command_line import CommandLine, Ended
from support.launcher.fake_services import FakeMesh


@pytest.fixture
def audit(ringfence: CommandLine) -> Callable[..., Ended]:
    return lambda *arguments: ringfence("audit", *arguments, "--log", "identity")


@pytest.fixture
def remembers(nowhere: Path) -> Path:
    (nowhere / ".ringfence").mkdir()
    return nowhere / ".ringfence"


def test_its_checkpoint_is_its_own(audit: Callable[..., Ended], ringfence: CommandLine, mesh: FakeMesh) -> None:
    assert audit("checkpoint").out == mesh.transparency.log.checkpoint()
    assert ringfence("audit", "checkpoint").out == mesh.telemetry.log.checkpoint()


@pytest.mark.usefixtures("remembers")
def test_two_logs_at_one_address_are_remembered_apart(
    audit: Callable[..., Ended], ringfence: CommandLine, remembers: Path
) -> None:
    for _ in range(2):
        assert audit("checkpoint").code == 0
        assert ringfence("audit", "checkpoint").code == 0
    assert len(json.loads((remembers / "known-logs.json").read_text())["logs"]) == 2


@pytest.mark.usefixtures("remembers")
def test_a_history_that_was_rewritten_is_found_out(audit: Callable[..., Ended], mesh: FakeMesh) -> None:
    assert audit("checkpoint").code == 0
    mesh.transparency.log = AuditLog([b"something else"] * 9, key=signer(seed=9))
    ended = audit("checkpoint")
    assert ended.code == ExitCode.NEGATIVE
    assert "does not verify" in ended.err


def test_an_entry_is_proven(audit: Callable[..., Ended]) -> None:
    ended = audit("prove", "3", "-o", "json")
    assert ended.code == 0, ended.err
    assert ended.json["entry"]["index"] == "3"
    assert audit("prove", "3").out.startswith("PROVEN  entry 3 of 6")
    assert audit("prove", "6").code == ExitCode.NOT_FOUND
    assert audit("prove", "did:webvh:x").code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("method", "lie"),
    [
        ("ListLogEntries", lambda answer: setattr(answer.entries[0], "body", b'{"revision":9}')),
        ("ListLogEntries", lambda answer: answer.ClearField("entries")),
        ("GetInclusionProof", lambda answer: answer.hashes.pop()),
        ("GetInclusionProof", lambda answer: answer.hashes.append(bytes(32))),
        ("GetInclusionProof", lambda answer: setattr(answer, "index", 2)),
        ("GetInclusionProof", lambda answer: setattr(answer, "tree_size", 5)),
        ("GetInclusionProof", lambda answer: setattr(answer.checkpoint, "signed_note", "")),
    ],
)
def test_no_lie_gets_through(
    audit: Callable[..., Ended], mesh: FakeMesh, method: str, lie: Callable[[Any], object]
) -> None:
    mesh.transparency.lies[method] = lie
    ended = audit("prove", "3")
    assert ended.code == ExitCode.NEGATIVE
    assert ended.out == ""


@pytest.mark.parametrize("limit", [1, 4, 1_000])
def test_an_export_is_whole_and_proves_itself(
    audit: Callable[..., Ended], ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, limit: int
) -> None:
    mesh.transparency.page_limit = limit
    assert audit("export", "log.jsonl").code == 0
    key = mesh.transparency.log.verifier_key
    held = ringfence("audit", "verify", "log.jsonl", "--verifier-key", key, "-o", "json")
    assert (held.code, held.json["entries"]) == (0, 6)
    (nowhere / "log.jsonl").write_text((nowhere / "log.jsonl").read_text().replace('{"index":2,', '{"index":7,'))
    assert ringfence("audit", "verify", "log.jsonl", "--verifier-key", key).code == ExitCode.NEGATIVE


@pytest.mark.usefixtures("remembers")
def test_an_export_is_held_against_the_log_it_names(audit: Callable[..., Ended], ringfence: CommandLine) -> None:
    """Both logs of the fakes have one origin, so the name decides nothing: the key is to be given."""
    assert audit("export", "log.jsonl").code == 0
    assert ringfence("audit", "verify", "log.jsonl").code == 0
    assert ringfence("audit", "checkpoint").code == 0
    assert ringfence("audit", "verify", "log.jsonl").code == ExitCode.USAGE
