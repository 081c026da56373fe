import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ringfence_launcher.audit.export_file import Export, ExportedEntry, read_export, write_export
from ringfence_launcher.audit.verification import Fault, Verdict, verify_export
from ringfence_telemetry.merkle import leaf_hash
from ringfence_telemetry.signed_note import Checkpoint
from support.launcher.audit_logs import ORIGIN, AuditLog, numbered_log, signer


def verdict_on(export: Export, *, log: AuditLog, kept: tuple[str, ...] = ()) -> Verdict:
    return verify_export(export, trusted=log.key.verifier, kept=kept)


def tampered(log: AuditLog, tmp_path: Path, change: Callable[[list[dict[str, Any]]], object]) -> Verdict:
    """Export `log`, let `change` edit the documents of the file, read it back and verify it."""
    file = log.export(tmp_path / "log.jsonl")
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    change(documents)
    file.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return verdict_on(read_export(file), log=log)


def named(verdict: Verdict) -> set[tuple[str, Fault]]:
    return {(finding.where, finding.fault) for finding in verdict.findings}


def entry(index: int) -> int:
    """The line of entry `index`, after the header."""
    return index + 1


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 600])
def test_an_untouched_export_holds(tmp_path: Path, size: int) -> None:
    log = numbered_log(size)
    verdict = verdict_on(read_export(log.export(tmp_path / "log.jsonl")), log=log)
    assert verdict.holds
    assert verdict.entries == size
    assert verdict.checkpoint is not None
    assert verdict.checkpoint.size == size


def test_bodies_keep_their_bytes(tmp_path: Path) -> None:
    bodies = [b'{"a":"\xc3\xa9\\u2028"}', b"\xff\xfe not text", b"", b'{"line":"\\n"}', "\u2028\x85 \ud7ff".encode()]
    log = AuditLog(bodies)
    export = read_export(log.export(tmp_path / "log.jsonl"))
    assert [e.body for e in export.entries] == bodies
    assert verdict_on(export, log=log).holds


def test_a_changed_body_is_named(tmp_path: Path) -> None:
    def change(documents: list[dict[str, Any]]) -> None:
        documents[entry(7)]["body"] = documents[entry(7)]["body"].replace("DENY", "ALLOW")

    assert named(tampered(numbered_log(20), tmp_path, change)) == {("entry 7", Fault.CHANGED)}


def test_swapped_entries_are_named_with_where_they_belong(tmp_path: Path) -> None:
    def change(documents: list[dict[str, Any]]) -> None:
        documents[entry(3)]["body"], documents[entry(9)]["body"] = (
            documents[entry(9)]["body"],
            documents[entry(3)]["body"],
        )

    verdict = tampered(numbered_log(20), tmp_path, change)
    assert named(verdict) == {("entry 3", Fault.MOVED), ("entry 9", Fault.MOVED)}
    assert "entry 9" in verdict.findings[0].problem


def test_a_dropped_entry_is_named(tmp_path: Path) -> None:
    verdict = tampered(numbered_log(20), tmp_path, lambda documents: documents.pop(entry(4)))
    assert named(verdict) == {("entry 4", Fault.DROPPED)}


def test_a_dropped_entry_whose_successors_were_renumbered_is_still_found(tmp_path: Path) -> None:
    def change(documents: list[dict[str, Any]]) -> None:
        documents.pop(entry(1))
        for document in documents:
            if document.get("index", 0) > 1:
                document["index"] -= 1

    verdict = tampered(numbered_log(4), tmp_path, change)
    assert named(verdict) == {("entry 1", Fault.MOVED), ("entry 2", Fault.MOVED), ("entry 3", Fault.DROPPED)}


def test_an_added_entry_is_named(tmp_path: Path) -> None:
    verdict = tampered(numbered_log(5), tmp_path, lambda documents: documents.append({"index": 5, "body": "{}"}))
    assert named(verdict) == {("entry 5", Fault.ADDED)}


def test_a_repeated_entry_is_named(tmp_path: Path) -> None:
    verdict = tampered(numbered_log(5), tmp_path, lambda documents: documents.append(documents[entry(2)]))
    assert named(verdict) == {("entry 2", Fault.ADDED)}


def test_rewriting_the_leaf_too_cannot_reach_the_signed_root(tmp_path: Path) -> None:
    forged = b'{"decision_id":"2","effect":"ALLOW"}'

    def change(documents: list[dict[str, Any]]) -> None:
        documents[entry(2)]["body"] = forged.decode()
        tile = documents[-2]
        hashes = bytearray(base64.b64decode(tile["hashes"]))
        hashes[64:96] = leaf_hash(forged)
        tile["hashes"] = base64.b64encode(hashes).decode()

    assert named(tampered(numbered_log(5), tmp_path, change)) == {("leaf hashes", Fault.REWRITTEN_HASHES)}


def test_a_log_signed_by_another_key_names_both_keys(tmp_path: Path) -> None:
    log = numbered_log(5, key=signer(seed=2))
    trusted = signer(seed=1).verifier
    verdict = verify_export(read_export(log.export(tmp_path / "log.jsonl")), trusted=trusted)
    assert named(verdict) == {("checkpoint", Fault.WRONG_KEY)}
    assert trusted.key_id.hex() in verdict.findings[0].problem
    assert log.key.verifier.key_id.hex() in verdict.findings[0].problem


def test_a_checkpoint_whose_text_was_edited_is_forged(tmp_path: Path) -> None:
    def change(documents: list[dict[str, Any]]) -> None:
        documents[-1]["checkpoint"] = documents[-1]["checkpoint"].replace("\n5\n", "\n4\n")

    assert ("checkpoint", Fault.FORGED_CHECKPOINT) in named(tampered(numbered_log(5), tmp_path, change))


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    verdict = tampered(numbered_log(5), tmp_path, lambda documents: documents.pop())
    assert named(verdict) == {("checkpoint", Fault.DROPPED)}
    assert verdict.checkpoint is None


class TestKeptCheckpoints:
    def test_a_prefix_is_fine(self, tmp_path: Path) -> None:
        log = numbered_log(30)
        export = read_export(log.export(tmp_path / "log.jsonl"))
        kept = tuple(log.checkpoint(size) for size in (0, 1, 17, 30))
        assert verdict_on(export, log=log, kept=kept).holds

    def test_another_history_is_a_fork(self, tmp_path: Path) -> None:
        shown, told_before = numbered_log(30), AuditLog([b"something else"] * 3)
        export = read_export(shown.export(tmp_path / "log.jsonl"))
        verdict = verdict_on(export, log=shown, kept=(shown.checkpoint(2), told_before.checkpoint()))
        assert named(verdict) == {("kept checkpoint 2", Fault.FORKED)}

    def test_a_log_that_was_cut_off_at_the_end(self, tmp_path: Path) -> None:
        longer, shorter = numbered_log(30), numbered_log(20)
        export = read_export(shorter.export(tmp_path / "log.jsonl"))
        assert verdict_on(export, log=shorter).holds
        verdict = verdict_on(export, log=shorter, kept=(longer.checkpoint(),))
        assert named(verdict) == {("kept checkpoint 1", Fault.DROPPED)}

    def test_a_kept_checkpoint_nobody_signed(self, tmp_path: Path) -> None:
        log = numbered_log(3)
        export = read_export(log.export(tmp_path / "log.jsonl"))
        stranger = signer(seed=9).sign(Checkpoint(ORIGIN, 3, leaf_hash(b"")).text())
        assert named(verdict_on(export, log=log, kept=(stranger,))) == {("kept checkpoint 1", Fault.WRONG_KEY)}


class TestDamagedFiles:
    @pytest.mark.parametrize(
        "line",
        [
            b"not json",
            b"[]",
            b"null",
            b"{}",
            b'{"index": -1, "body": ""}',
            b'{"index": true, "body": ""}',
            b'{"index": 1.5, "body": ""}',
            b'{"index": 5}',
            b'{"index": 5, "body": 5}',
            b'{"index": 5, "body": "\\ud800"}',
            b'{"index": 5, "body": "seen", "body": "taken"}',
            b'{"index": 5, "body_base64": "!!"}',
            b'{"tile": 0, "hashes": "!!"}',
            b'{"format": "ringfence-audit-export", "version": 1, "verifier_key": "x"}',
            b'{"checkpoint": "a second one"}',
            b"[" * 100_000,
            b"\xff\xff",
            b'{"index": 5, "body": "' + b"x" * (1 << 20) + b'"}',
        ],
    )
    def test_a_bad_line_is_named_and_the_rest_is_still_checked(self, tmp_path: Path, line: bytes) -> None:
        log = numbered_log(5)
        file = log.export(tmp_path / "log.jsonl")
        file.write_bytes(file.read_bytes() + line + b"\n")
        verdict = verdict_on(read_export(file), log=log)
        assert {finding.fault for finding in verdict.findings} == {Fault.DAMAGED_FILE}
        assert verdict.findings[0].where == "line 9"
        assert verdict.checkpoint is not None

    def test_a_file_of_another_version_is_not_read_as_ours(self, tmp_path: Path) -> None:
        verdict = tampered(numbered_log(2), tmp_path, lambda documents: documents[0].update(version=2))
        assert ("line 1", Fault.DAMAGED_FILE) in named(verdict)

    def test_an_empty_file_proves_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / "log.jsonl"
        file.touch()
        assert named(verdict_on(read_export(file), log=numbered_log(1))) == {("checkpoint", Fault.DROPPED)}


def test_an_export_that_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    file = numbered_log(2).export(tmp_path / "log.jsonl")
    before = file.read_bytes()

    def entries() -> Any:
        yield ExportedEntry(index=0, body=b"{}")
        raise ConnectionError("the service went away")

    with pytest.raises(ConnectionError):
        write_export(file, verifier_key="k", entries=entries(), checkpoint="c")
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["log.jsonl"]
