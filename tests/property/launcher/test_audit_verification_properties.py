"""Whatever is done to an export, it does not verify; and whatever is not done to it, it does."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from ringfence_launcher.audit.export_file import Export, ExportedEntry, read_export
from ringfence_launcher.audit.verification import verify_export
from ringfence_telemetry.merkle import leaf_hash
from support.launcher.audit_logs import AuditLog

BODIES = st.lists(st.binary(max_size=40), min_size=1, max_size=40, unique=True)


def exported(log: AuditLog) -> Export:
    with tempfile.TemporaryDirectory() as folder:
        return read_export(log.export(Path(folder) / "log.jsonl"))


@given(BODIES)
def test_every_log_verifies_as_it_was_written(bodies: list[bytes]) -> None:
    log = AuditLog(bodies)
    assert verify_export(exported(log), trusted=log.key.verifier, kept=[log.checkpoint(len(bodies) // 2)]).holds


@given(BODIES, st.data())
def test_changing_any_entry_names_exactly_that_entry(bodies: list[bytes], data: st.DataObject) -> None:
    log = AuditLog(bodies)
    export = exported(log)
    index = data.draw(st.integers(0, len(bodies) - 1))
    forged = data.draw(st.binary(max_size=40).filter(lambda body: body not in bodies))
    export.entries[index] = replace(export.entries[index], body=forged)
    verdict = verify_export(export, trusted=log.key.verifier)
    assert [finding.where for finding in verdict.findings] == [f"entry {index}"]


@given(BODIES, st.data())
def test_no_subset_of_the_entries_verifies(bodies: list[bytes], data: st.DataObject) -> None:
    log = AuditLog(bodies)
    export = exported(log)
    dropped = data.draw(st.sets(st.integers(0, len(bodies) - 1), min_size=1))
    export.entries = [entry for entry in export.entries if entry.index not in dropped]
    verdict = verify_export(export, trusted=log.key.verifier)
    assert {finding.where for finding in verdict.findings} == {f"entry {index}" for index in dropped}


@given(BODIES, st.data())
def test_no_other_order_verifies(bodies: list[bytes], data: st.DataObject) -> None:
    log = AuditLog(bodies)
    export = exported(log)
    order = data.draw(st.permutations(range(len(bodies))))
    export.entries = [ExportedEntry(index=place, body=bodies[source]) for place, source in enumerate(order)]
    verdict = verify_export(export, trusted=log.key.verifier)
    moved = {f"entry {place}" for place, source in enumerate(order) if place != source}
    assert {finding.where for finding in verdict.findings} == moved


@given(BODIES, st.data())
def test_recomputing_every_hash_after_a_change_does_not_help(bodies: list[bytes], data: st.DataObject) -> None:
    log = AuditLog(bodies)
    export = exported(log)
    index = data.draw(st.integers(0, len(bodies) - 1))
    forged = data.draw(st.binary(max_size=40).filter(lambda body: body not in bodies))
    export.entries[index] = replace(export.entries[index], body=forged)
    export.leaves[index] = leaf_hash(forged)
    assert not verify_export(export, trusted=log.key.verifier).holds
