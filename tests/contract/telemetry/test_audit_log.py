"""The audit log at work: indexes, groups, signed heads, proofs, and the signals that follow from what was appended."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.proofs.log_export import write_checkpoint, write_entry, write_header
from ringfence.proofs.log_export_check import verify_export
from ringfence.proofs.log_export_report import TrustedKey
from ringfence.proofs.merkle import EMPTY_ROOT, Digest, Frontier, leaf_hash, verify_consistency, verify_inclusion
from ringfence.proofs.signed_note import Checkpoint, VerifierKey, parse_checkpoint, parse_note, verify_note
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import MINUTE
from ringfence_kit.errors import NotPermitted, RequestIdReused, Unavailable
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.refusals import StartRefused
from ringfence_kit.store import Mutation
from ringfence_telemetry.audit_keys import audit_keys
from ringfence_telemetry.audit_reading import EntryKey
from ringfence_telemetry.errors import (
    AgentNotFound,
    DecisionConflict,
    EntryNotFound,
    OutcomeConflict,
    TreeSizeOutOfRange,
)
from ringfence_telemetry.outcomes import OutcomeReport
from ringfence_telemetry.signals import CLEAN_RUN, SignalKind
from ringfence_telemetry.usage import Counts, UsageKey
from support.backends import Backend
from support.telemetry.auditing import ORIGIN, Auditing, auditing, draft, open_keys
from support.telemetry.decisions import DID, body, decision_id, denied
from support.telemetry.heads import note_signer
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import NOW

PEER = "did:web:agents.example:b"


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


@pytest.fixture
async def audit(opened: OpenedStore, tmp_path: Path) -> AsyncIterator[Auditing]:
    async with auditing(opened, tmp_path) as at_work:
        yield at_work


def signed(checkpoint: StoredCheckpoint, keys: LogKeys) -> Checkpoint:
    """Return what a checkpoint says, once its signature has been verified."""
    note = parse_note(checkpoint.note)
    verify_note(note, VerifierKey.parse(keys.verifier_key))
    head = parse_checkpoint(note.text)
    assert (head.size, head.root) == (checkpoint.frontier.size, checkpoint.frontier.root())
    return head


class TestAppending:
    async def test_an_empty_log_has_a_signed_head(self, audit: Auditing) -> None:
        head = signed(await audit.reader.checkpoint(), audit.keys)
        assert head == Checkpoint(ORIGIN, 0, EMPTY_ROOT)

    async def test_entries_get_their_places_in_order(self, audit: Auditing) -> None:
        indexes, checkpoint = await audit.log.append([draft(n, body(n)) for n in (5, 3, 9)])
        assert list(indexes) == [0, 1, 2]
        assert signed(checkpoint, audit.keys).size == 3
        entry = await audit.reader.entry(EntryKey(decision_id=decision_id(3)))
        assert (entry.index, entry.body, entry.leaf_hash) == (1, body(3), leaf_hash(body(3)))
        assert entry.appended_at == NOW

    async def test_the_same_again_has_the_place_it_has(self, audit: Auditing) -> None:
        await audit.log.append([draft(n, body(n)) for n in (1, 2)])
        indexes, checkpoint = await audit.log.append([draft(n, body(n)) for n in (3, 2, 3, 1)])
        assert list(indexes) == [2, 1, 2, 0]
        assert checkpoint.frontier.size == 3
        again, unchanged = await audit.log.append([draft(2, body(2))])
        assert (list(again), unchanged) == ([1], checkpoint)

    async def test_another_entry_about_the_same_decision_refuses_its_call_only(self, audit: Auditing) -> None:
        await audit.log.append([draft(1, body(1))])
        results = await asyncio.gather(
            audit.log.append([draft(2, body(2))]),
            audit.log.append([draft(3, body(3)), draft(1, denied(1))]),
            audit.log.append([draft(4, body(4)), draft(4, denied(4))]),
            audit.log.append([draft(5, body(5))]),
            return_exceptions=True,
        )
        assert isinstance(results[1], DecisionConflict)
        assert results[1].metadata == {"decision_id": decision_id(1), "index": "0"}
        assert isinstance(results[2], DecisionConflict)
        assert [r[0] for r in results if isinstance(r, tuple)] == [(1,), (2,)]
        assert (await audit.reader.checkpoint()).frontier.size == 3
        assert [entry.body for entry in (await audit.reader.page(start=0, size=9))[0]] == [body(1), body(2), body(5)]

    async def test_calls_that_wait_together_share_a_head(self, audit: Auditing) -> None:
        results = await asyncio.gather(*[audit.log.append([draft(n, body(n))]) for n in range(1, 200)])
        assert sorted(indexes[0] for indexes, _ in results) == list(range(199))
        assert len({checkpoint.frontier.size for _, checkpoint in results}) < 20
        assert all(checkpoint.frontier.size > indexes[0] for indexes, checkpoint in results)

    async def test_a_store_that_fails_refuses_and_the_next_append_goes_on(self, audit: Auditing) -> None:
        audit.writer.away = True
        with pytest.raises(Unavailable):
            await audit.log.append([draft(1, body(1))])
        audit.writer.away = False
        audit.writer.mute = 1
        with pytest.raises(Unavailable):
            await audit.log.append([draft(1, body(1))])
        indexes, _ = await audit.log.append([draft(1, body(1)), draft(2, body(2))])
        assert list(indexes) == [0, 1]

    async def test_a_caller_that_leaves_takes_nothing_back(self, audit: Auditing) -> None:
        leaving = asyncio.ensure_future(audit.log.append([draft(1, body(1))]))
        await asyncio.sleep(0)
        leaving.cancel()
        indexes, _ = await audit.log.append([draft(2, body(2))])
        assert list(indexes) == [1]

    async def test_the_log_goes_on_after_a_restart_and_signs_with_the_newest_key(
        self, opened: OpenedStore, tmp_path: Path
    ) -> None:
        async with auditing(opened, tmp_path) as before:
            await before.log.append([draft(n, body(n)) for n in range(1, 301)])
            old = await before.reader.checkpoint()
        async with auditing(opened, tmp_path) as same:
            assert await same.reader.checkpoint() == old
        async with auditing(opened, tmp_path, rotate=True) as after:
            renewed = await after.reader.checkpoint()
            assert signed(renewed, after.keys).size == 300
            assert renewed.note != old.note
            indexes, checkpoint = await after.log.append([draft(999, body(999))])
            assert list(indexes) == [300]
            proof = await after.reader.prove_consistency(300, 301)
            verify_consistency(300, old.frontier.root(), 301, checkpoint.frontier.root(), list(proof.hashes))


class TestAlteredHeads:
    """Who can write to the database, and has no key, cannot have another history signed."""

    async def alter(self, opened: OpenedStore, stored: StoredCheckpoint) -> None:
        await opened.writer.write(
            lambda tx: tx.append_entries((), {}, stored), mutation=BY_TELEMETRY, result=type(None)
        )

    async def forged(self, audit: Auditing) -> list[StoredCheckpoint]:
        """Return heads of five entries that look like the log's own."""
        true = await audit.reader.checkpoint()
        other = Frontier().grow(leaf_hash(b"forged %d" % number) for number in range(5))[0]
        stranger = note_signer(ORIGIN, 9).sign(Checkpoint(ORIGIN, 5, other.root()).text())
        return [
            StoredCheckpoint(frontier=other, note=true.note, at=true.at),
            StoredCheckpoint(frontier=other, note=stranger, at=true.at),
            StoredCheckpoint(frontier=other, note="nonsense", at=true.at),
        ]

    async def test_nothing_is_appended_to_them(self, audit: Auditing) -> None:
        await audit.log.append([draft(n, body(n)) for n in range(1, 6)])
        true = await audit.reader.checkpoint()
        for stored in await self.forged(audit):
            await self.alter(audit.opened, stored)
            with pytest.raises(Unavailable, match="altered"):
                await audit.log.append([draft(6, body(6))])
        await self.alter(audit.opened, true)
        indexes, _ = await audit.log.append([draft(6, body(6))])
        assert list(indexes) == [5]

    async def test_nothing_is_started_on_them(self, opened: OpenedStore, tmp_path: Path) -> None:
        async with auditing(opened, tmp_path) as before:
            await before.log.append([draft(n, body(n)) for n in range(1, 6)])
            forged = await self.forged(before)
        for stored in forged:
            await self.alter(opened, stored)
            with pytest.raises(StartRefused, match="not what this service signed"):
                async with auditing(opened, tmp_path):
                    pass

    async def test_another_key_file_is_noticed(self, opened: OpenedStore, tmp_path: Path) -> None:
        async with auditing(opened, tmp_path):
            pass
        (tmp_path / "other").mkdir()
        with pytest.raises(StartRefused, match="not in the key file"):
            async with auditing(opened, tmp_path / "other"):
                pass


class TestProofs:
    async def test_every_entry_is_proven_in_every_tree_that_holds_it(self, audit: Auditing) -> None:
        roots: dict[int, Digest] = {}
        for number in range(1, 12):
            _, checkpoint = await audit.log.append([draft(number, body(number))])
            roots[checkpoint.frontier.size] = checkpoint.frontier.root()
        for size in range(1, 12):
            for index in range(size):
                proof = await audit.reader.prove_inclusion(EntryKey(index=index), tree_size=size)
                assert (proof.index, proof.tree_size, proof.leaf_hash) == (index, size, leaf_hash(body(index + 1)))
                verify_inclusion(proof.leaf_hash, index, size, list(proof.hashes), roots[size])
        for first in range(1, 12):
            consistency = await audit.reader.prove_consistency(first, 0)
            assert consistency.second_tree_size == 11
            verify_consistency(first, roots[first], 11, roots[11], list(consistency.hashes))

    async def test_a_proof_for_the_newest_tree_comes_with_its_head(self, audit: Auditing) -> None:
        await audit.log.append([draft(n, body(n)) for n in range(1, 600)])
        proof = await audit.reader.prove_inclusion(EntryKey(decision_id=decision_id(300)), tree_size=0)
        head = signed(proof.checkpoint, audit.keys)
        assert proof.tree_size == head.size == 599
        verify_inclusion(leaf_hash(body(300)), proof.index, head.size, list(proof.hashes), head.root)

    async def test_what_is_not_there(self, audit: Auditing) -> None:
        await audit.log.append([draft(n, body(n)) for n in (1, 2, 3)])
        with pytest.raises(EntryNotFound) as missing:
            await audit.reader.entry(EntryKey(index=3))
        assert missing.value.metadata == {"entry": "3", "tree_size": "3"}
        with pytest.raises(EntryNotFound, match="of decision"):
            await audit.reader.prove_inclusion(EntryKey(decision_id=decision_id(9)), tree_size=0)
        for size in (1, 4):
            with pytest.raises(TreeSizeOutOfRange) as out:
                await audit.reader.prove_inclusion(EntryKey(index=1), tree_size=size)
            assert out.value.metadata == {"field": "tree_size", "asked": str(size), "least": "2", "most": "3"}
        with pytest.raises(TreeSizeOutOfRange, match="second_tree_size"):
            await audit.reader.prove_consistency(1, 4)
        with pytest.raises(TreeSizeOutOfRange, match="first_tree_size"):
            await audit.reader.prove_consistency(4, 0)

    async def test_an_export_of_the_log_verifies_offline(self, audit: Auditing) -> None:
        heads = []
        for number in range(1, 20):
            _, checkpoint = await audit.log.append([draft(number, body(number))])
            heads.append(checkpoint.note)
        entries = (await audit.reader.page(start=0, size=100))[0]
        lines = [
            write_header(ORIGIN),
            *(write_entry(entry.index, entry.body) for entry in entries),
            *(write_checkpoint(note) for note in heads),
        ]
        report = verify_export(lines, [TrustedKey(VerifierKey.parse(audit.keys.verifier_key))], heads[:3])
        assert report.ok
        assert report.proven == 19


class TestSignals:
    async def test_denials_become_signals_with_their_entries(self, audit: Auditing) -> None:
        await audit.log.append([draft(1, body(1)), draft(2, denied(2)), draft(3, denied(3, "KILLED"))])
        (signal,) = await audit.signals()
        assert (signal.kind, signal.did, signal.environment) == (SignalKind.ACTION_DENIED, DID, "prod")
        assert (signal.evidence, signal.evidence_hash) == ("audit/1", leaf_hash(denied(2)))
        assert audit.wakes

    async def test_a_decision_logged_again_says_nothing_again(self, audit: Auditing) -> None:
        for _ in range(3):
            await audit.log.append([draft(1, denied(1)), draft(1, denied(1))])
        assert len(await audit.signals()) == 1

    async def test_conduct_is_remembered_across_groups_and_restarts(self, opened: OpenedStore, tmp_path: Path) -> None:
        async with auditing(opened, tmp_path) as audit:
            await audit.log.append([draft(n, body(n)) for n in range(1, CLEAN_RUN)])
            assert await audit.signals() == []
        async with auditing(opened, tmp_path) as audit:
            await audit.log.append([draft(n, body(n)) for n in (CLEAN_RUN, CLEAN_RUN + 1)])
            (signal,) = await audit.signals()
            assert (signal.kind, signal.evidence) == (SignalKind.CLEAN_DECISIONS, "audit/49")

    async def test_agents_and_environments_are_judged_apart(self, audit: Auditing) -> None:
        drafts = [draft(n, denied(n, did=f"did:web:agents.example:{n}")) for n in range(1, 6)]
        drafts += [draft(n, denied(n, environment=f"env{n}")) for n in range(6, 11)]
        await audit.log.append(drafts)
        kinds = [signal.kind for signal in await audit.signals()]
        assert kinds == [SignalKind.ACTION_DENIED] * 10

    async def test_probing_is_noticed_over_calls(self, audit: Auditing) -> None:
        for number in range(1, 6):
            await audit.log.append([draft(number, denied(number, decide_time_ms=NOW - number * MINUTE))])
        assert [signal.kind for signal in await audit.signals()].count(SignalKind.PROBING) == 1

    async def test_a_decision_from_the_future_happened_now(self, audit: Auditing) -> None:
        await audit.log.append([draft(1, denied(1, decide_time_ms=NOW + 10**9))])
        (signal,) = await audit.signals()
        assert signal.at == NOW

    async def test_decisions_about_nobody_say_nothing(self, audit: Auditing) -> None:
        await audit.log.append(
            [draft(1, denied(1, did="")), draft(2, denied(2, did="?")), draft(3, denied(3, environment=""))]
        )
        assert await audit.signals() == []
        assert (await audit.reader.checkpoint()).frontier.size == 3


def by(*roles: Role, principal: str = PEER, agents: frozenset[str] = frozenset()) -> Caller:
    return Caller(principal=principal, roles=frozenset(roles), agents=agents)


AGENT = by(Role.AGENT)


class TestOutcomes:
    async def report(
        self,
        audit: Auditing,
        caller: Caller = AGENT,
        *,
        did: str = DID,
        accepted: bool = True,
        work_id: str = "task-1",
        on_behalf_of: str = "",
        request_id: str = "",
    ) -> int:
        report = OutcomeReport(
            did=did,
            environment="prod",
            accepted=accepted,
            work_id=work_id,
            on_behalf_of=on_behalf_of,
            trace_id=b"t" * 16,
        )
        mutation = Mutation(
            principal=caller.principal,
            at=NOW,
            request_id=request_id,
            method="ReportOutcome",
            fingerprint=f"{report}".encode(),
        )
        return await audit.outcomes.report(report, caller=caller, mutation=mutation)

    async def known(self, audit: Auditing) -> None:
        """Let a decision about the agent be logged, so that it has left a trace."""
        await audit.log.append([draft(1, body(1))])

    async def test_an_accepted_piece_of_work_is_an_entry_and_a_signal(self, audit: Auditing) -> None:
        await self.known(audit)
        index = await self.report(audit)
        entry = await audit.reader.entry(EntryKey(index=index))
        assert b'"outcome":"ACCEPTED"' in entry.body
        assert b'"rater":"did:web:agents.example:b"' in entry.body
        (signal,) = await audit.signals()
        assert (signal.kind, signal.rater, signal.evidence) == (SignalKind.TASK_ACCEPTED, PEER, f"audit/{index}")
        assert signal.evidence_hash == entry.leaf_hash
        signed(await audit.reader.checkpoint(), audit.keys)

    async def test_a_rejected_one_too(self, audit: Auditing) -> None:
        await self.known(audit)
        await self.report(audit, accepted=False)
        assert [signal.kind for signal in await audit.signals()] == [SignalKind.TASK_REJECTED]

    async def test_the_same_verdict_again_changes_nothing(self, audit: Auditing) -> None:
        await self.known(audit)
        first = await self.report(audit)
        assert await self.report(audit) == first
        assert len(await audit.signals()) == 1

    async def test_another_verdict_is_refused(self, audit: Auditing) -> None:
        await self.known(audit)
        first = await self.report(audit)
        with pytest.raises(OutcomeConflict) as refused:
            await self.report(audit, accepted=False)
        assert refused.value.metadata == {"work_id": "task-1", "index": str(first)}

    async def test_every_judge_has_a_verdict_of_its_own(self, audit: Auditing) -> None:
        await self.known(audit)
        other = by(Role.AGENT, principal="did:web:agents.example:c")
        assert await self.report(audit) != await self.report(audit, other, accepted=False)
        assert len(await audit.signals()) == 2

    async def test_usage_is_a_trace_as_well_as_a_decision(self, audit: Auditing) -> None:
        key = UsageKey(1, DID, "", "", "chat", untrusted=False)
        await audit.opened.writer.write(
            lambda tx: tx.add_usage({key: Counts(spans=1)}), mutation=BY_TELEMETRY, result=type(None)
        )
        await self.report(audit)

    async def test_an_agent_that_left_no_trace_gets_no_credit(self, audit: Auditing) -> None:
        key = UsageKey(1, DID, "", "", "chat", untrusted=True)
        await audit.opened.writer.write(
            lambda tx: tx.add_usage({key: Counts(spans=1)}), mutation=BY_TELEMETRY, result=type(None)
        )
        with pytest.raises(AgentNotFound):
            await self.report(audit)
        assert await audit.signals() == []

    @pytest.mark.parametrize(
        ("caller", "on_behalf_of"),
        [
            (by(Role.AGENT, principal=DID), ""),
            (by(Role.AGENT, principal=DID), PEER),
            (by(Role.AGENT, Role.GATEWAY, principal=DID, agents=frozenset({PEER})), PEER),
            (by(Role.GATEWAY, principal="gw", agents=frozenset({DID})), DID),
            (by(Role.GATEWAY, principal="gw", agents=frozenset({DID})), ""),
            (by(Role.SERVICE, principal="dev:service"), DID),
            (by(Role.AGENT), "https://login.example#ana"),
            (by(Role.GATEWAY, principal="gw"), PEER),
            (by(Role.AUDITOR, principal="x"), "ana"),
        ],
    )
    async def test_who_may_not_judge(self, audit: Auditing, caller: Caller, on_behalf_of: str) -> None:
        # Before anything is looked up: the agent is not even known here.
        with pytest.raises(NotPermitted):
            await self.report(audit, caller, on_behalf_of=on_behalf_of)

    @pytest.mark.parametrize(
        ("caller", "on_behalf_of", "rater"),
        [
            (by(Role.GATEWAY, principal="gw", agents=frozenset({PEER})), PEER, PEER),
            (by(Role.GATEWAY, principal="spiffe://mesh/gw"), "", "spiffe://mesh/gw"),
            (by(Role.SERVICE, principal="dev:service"), PEER, PEER),
        ],
    )
    async def test_who_may_judge_and_as_whom(
        self, audit: Auditing, caller: Caller, on_behalf_of: str, rater: str
    ) -> None:
        await self.known(audit)
        await self.report(audit, caller, on_behalf_of=on_behalf_of)
        assert [signal.rater for signal in await audit.signals()] == [rater]

    async def test_people_stand_in_the_log_as_digests(self, audit: Auditing, tmp_path: Path) -> None:
        await self.known(audit)
        gateway = by(Role.GATEWAY, principal="spiffe://mesh/gw")
        index = await self.report(audit, gateway, on_behalf_of="https://login.example#ana@example.com")
        entry = await audit.reader.entry(EntryKey(index=index))
        assert b"ana" not in entry.body
        (signal,) = await audit.signals()
        assert signal.rater.startswith("person:")
        assert signal.rater.encode() in entry.body
        # The same person is the same rater tomorrow; under another salt nobody can tell.
        assert open_keys(tmp_path).in_the_log("https://login.example#ana@example.com") == signal.rater
        other = open_keys(tmp_path / "elsewhere")
        assert other.in_the_log("https://login.example#ana@example.com") != signal.rater

    async def test_a_request_id_is_for_one_report(self, audit: Auditing) -> None:
        await self.known(audit)
        request_id = "0b9ad6b4-6d0f-4c4e-9a74-0a6a2f7c9a11"
        first = await self.report(audit, request_id=request_id)
        assert await self.report(audit, request_id=request_id) == first
        with pytest.raises(RequestIdReused):
            await self.report(audit, request_id=request_id, work_id="task-2")

    async def test_outcomes_and_decisions_share_one_log(self, audit: Auditing) -> None:
        await self.known(audit)
        reporting = asyncio.gather(*[self.report(audit, work_id=f"task-{n}") for n in range(10)])
        appended = await asyncio.gather(*[audit.log.append([draft(n, body(n))]) for n in range(2, 12)])
        assert sorted([*await reporting, *(indexes[0] for indexes, _ in appended)]) == list(range(1, 21))
        entries = (await audit.reader.page(start=0, size=100))[0]
        checkpoint = signed(await audit.reader.checkpoint(), audit.keys)
        for entry in entries:
            proof = await audit.reader.prove_inclusion(EntryKey(index=entry.index), tree_size=0)
            verify_inclusion(entry.leaf_hash, entry.index, checkpoint.size, list(proof.hashes), checkpoint.root)


def test_keys_are_opened_before_they_are_used() -> None:
    with pytest.raises(RuntimeError, match="before its keys"):
        audit_keys(ORIGIN).in_the_log("somebody")
