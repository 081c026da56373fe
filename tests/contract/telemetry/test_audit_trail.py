"""Who changed what, and what was noted, in the audit log: over every store, in the transaction of the change."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence_kit.clock import EPOCH
from ringfence_kit.events import Change
from ringfence_kit.log_keys import LogKeys
from ringfence_kit.store import Mutation
from ringfence_telemetry.audit_trail import AuditNotes, Note
from ringfence_telemetry.store import PRINCIPAL, StoredEntry, TelemetryTx
from support.backends import Backend
from support.telemetry.auditing import Auditing, auditing, draft, open_keys
from support.telemetry.decisions import body
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import NOW

BY_OLGA = Mutation(principal="olga@example.com", at=NOW)
BY_GATE = Mutation(principal="spiffe://mesh/gate", at=NOW)


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    return open_keys(tmp_path)


@pytest.fixture
async def opened(backend: Backend, keys: LogKeys) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend, audited=keys) as store:
        yield store


@pytest.fixture
async def audit(opened: OpenedStore, tmp_path: Path) -> AsyncIterator[Auditing]:
    async with auditing(opened, tmp_path) as at_work:
        yield at_work


async def change(opened: OpenedStore, mutation: Mutation, name: str = "budgets/b", record: bytes = b"{}") -> None:
    def work(tx: TelemetryTx) -> int:
        return tx.record(Change.ADDED, "budget", name, record)

    await opened.writer.write(work, mutation=mutation, result=int)


async def documents(audit: Auditing) -> list[dict[str, Any]]:
    return [json.loads(entry.body) for entry in (await audit.reader.page(start=0, size=100))[0]]


class TestChanges:
    async def test_what_somebody_changes_is_an_entry(self, audit: Auditing, keys: LogKeys) -> None:
        await change(audit.opened, BY_GATE, record=b'{"limit":5}')
        assert await documents(audit) == [
            {
                "type": "change",
                "version": 1,
                "change": "added",
                "kind": "budget",
                "name": "budgets/b",
                "principal": "spiffe://mesh/gate",
                "revision": 1,
                "record_digest": keys.salted_digest(b'{"limit":5}'),
                "change_time_ms": NOW,
            }
        ]
        assert (await audit.reader.checkpoint()).frontier.size == 1

    async def test_what_telemetry_does_by_itself_is_none(self, audit: Auditing) -> None:
        await change(audit.opened, BY_TELEMETRY)
        assert await documents(audit) == []

    async def test_people_and_records_are_digests_nobody_can_guess(self, audit: Auditing) -> None:
        await change(audit.opened, BY_OLGA, record=b'{"owner":"olga@example.com"}')
        (entry,) = await documents(audit)
        assert entry["principal"].startswith("person:")
        assert "olga" not in json.dumps(entry)
        plain = hashlib.sha256(b'{"owner":"olga@example.com"}').hexdigest()
        assert plain not in entry["record_digest"]

    async def test_a_change_that_fails_leaves_no_entry(self, audit: Auditing) -> None:
        def work(tx: TelemetryTx) -> int:
            tx.record(Change.ADDED, "budget", "budgets/b", b"{}")
            raise LookupError

        with pytest.raises(LookupError):
            await audit.opened.writer.write(work, mutation=BY_GATE, result=int)
        assert await documents(audit) == []

    async def test_a_change_that_is_only_tried_leaves_no_entry(self, audit: Auditing) -> None:
        def work(tx: TelemetryTx) -> int:
            return tx.record(Change.ADDED, "budget", "budgets/b", b"{}")

        await audit.opened.writer.write(work, mutation=BY_GATE, result=int, validate_only=True)
        assert await documents(audit) == []

    async def test_changes_and_decisions_share_one_log(self, audit: Auditing) -> None:
        await audit.log.append([draft(1, body(1))])
        await change(audit.opened, BY_GATE)
        indexes, checkpoint = await audit.log.append([draft(2, body(2))])
        assert list(indexes) == [2]
        assert [each["type"] for each in await documents(audit)] == ["decision", "change", "decision"]
        proof = await audit.reader.prove_consistency(1, 3)
        assert proof.checkpoint == checkpoint


class TestNotes:
    NOTE = Note(kind="slo-budget-exhausted", id="slos/a/7", subject="did:web:a", facts={"window": 7, "used": "1/1"})

    async def note(self, audit: Auditing, keys: LogKeys, note: Note = NOTE) -> StoredEntry:
        notes = AuditNotes(keys)
        return await audit.opened.writer.write(
            lambda tx: notes.note(tx, note, at=NOW), mutation=BY_TELEMETRY, result=StoredEntry
        )

    async def test_a_note_can_be_linked_and_proven(self, audit: Auditing, keys: LogKeys) -> None:
        entry = await self.note(audit, keys)
        assert json.loads(entry.body) == {
            "type": "note",
            "version": 1,
            "kind": "slo-budget-exhausted",
            "id": "slos/a/7",
            "subject": "did:web:a",
            "principal": PRINCIPAL,
            "facts": {"window": 7, "used": "1/1"},
            "note_time_ms": NOW,
        }
        stored = (await audit.reader.page(start=0, size=9))[0]
        assert list(stored) == [entry]

    async def test_the_same_noted_twice_is_one_entry(self, audit: Auditing, keys: LogKeys) -> None:
        first = await self.note(audit, keys)
        later = Note(kind="slo-budget-exhausted", id="slos/a/7", subject="did:web:a", facts={"window": 8})
        assert await self.note(audit, keys, later) == first
        assert (await audit.reader.checkpoint()).frontier.size == 1

    async def test_several_notes_of_one_transaction_follow_each_other(self, audit: Auditing, keys: LogKeys) -> None:
        notes = AuditNotes(keys)

        def work(tx: TelemetryTx) -> list[int]:
            return [notes.note(tx, Note(kind="k", id=str(n), subject="s"), at=EPOCH).index for n in range(5)]

        assert await audit.opened.writer.write(work, mutation=BY_TELEMETRY, result=list[int]) == [0, 1, 2, 3, 4]

    async def test_a_person_that_is_noted_is_a_digest(self, audit: Auditing, keys: LogKeys) -> None:
        entry = await self.note(audit, keys, Note(kind="k", id="1", subject="s", principal="olga@example.com"))
        assert b"olga" not in entry.body
