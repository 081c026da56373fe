"""The audit log and outcomes over the wire: answers an outsider can check, and every refusal with its reason."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from ringfence.proofs.log_export import write_checkpoint, write_entry, write_header
from ringfence.proofs.log_export_check import verify_export
from ringfence.proofs.log_export_report import TrustedKey
from ringfence.proofs.merkle import Digest, leaf_hash, verify_consistency, verify_inclusion
from ringfence.proofs.signed_note import VerifierKey, parse_checkpoint, parse_note, verify_note
from ringfence.telemetry.v1 import audit_pb2 as pb
from ringfence.telemetry.v1 import telemetry_pb2 as tpb
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import DAY, ManualClock, Millis
from support.serving import OPERATOR, SERVICE
from support.telemetry.decisions import DID, body, decision_id, denied
from support.telemetry.mesh import AGENT, AUDITOR, GATEWAY, KINDS, OWNER, PEER, TelemetryMesh, telemetry_mesh
from support.wire import read_refusal, refusal

assert AGENT.principal == DID

SIZE = 130


@pytest.fixture(params=KINDS)
async def telemetry(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, clock=ManualClock(), port=request.param) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TelemetryMesh]:
    """One server for all questions that change nothing, with a log of 130 entries."""
    async with telemetry_mesh(tmp_path_factory.mktemp("telemetry"), clock=ManualClock()) as running:
        await running.append(*[body(n) for n in range(1, SIZE + 1)])
        yield running


def head_of(checkpoint: pb.Checkpoint) -> Digest:
    """Return the root of a checkpoint that verifies under the key it came with."""
    note = parse_note(checkpoint.signed_note)
    verify_note(note, VerifierKey.parse(checkpoint.verifier_key))
    head = parse_checkpoint(note.text)
    assert (head.size, head.root) == (checkpoint.tree_size, checkpoint.root_hash)
    return head.root


async def test_an_outsider_can_prove_an_entry(telemetry: TelemetryMesh) -> None:
    appended = await telemetry.append(*[body(n) for n in range(1, 40)])
    assert list(appended.indexes) == list(range(39))
    proof = await telemetry.audit(AUDITOR).GetInclusionProof(pb.GetInclusionProofRequest(decision_id=decision_id(17)))
    root = head_of(proof.checkpoint)
    assert (proof.index, proof.leaf_hash, proof.tree_size) == (16, leaf_hash(body(17)), 39)
    verify_inclusion(Digest(proof.leaf_hash), 16, 39, [Digest(each) for each in proof.hashes], root)


async def test_a_witness_can_see_that_history_only_grew(telemetry: TelemetryMesh) -> None:
    before = (await telemetry.append(*[body(n) for n in range(1, 8)])).checkpoint
    await telemetry.append(*[body(n) for n in range(8, 30)], first=8)
    proof = await telemetry.audit(PEER).GetConsistencyProof(pb.GetConsistencyProofRequest(first_tree_size=7))
    assert proof.second_tree_size == 29
    verify_consistency(7, head_of(before), 29, head_of(proof.checkpoint), [Digest(each) for each in proof.hashes])


async def test_what_a_listing_gives_verifies_offline_and_survives_a_restart(tmp_path: Path) -> None:
    async with telemetry_mesh(tmp_path) as telemetry:
        appended = await telemetry.append(*[body(n) for n in range(1, SIZE + 1)])
        key = appended.checkpoint.verifier_key
    async with telemetry_mesh(tmp_path) as telemetry:
        checkpoint = (await telemetry.audit().GetCheckpoint(pb.GetCheckpointRequest())).checkpoint
        assert checkpoint == appended.checkpoint
        lines, token = [write_header("ringfence.internal/audit")], ""
        while True:
            page = await telemetry.audit().ListEntries(pb.ListEntriesRequest(page_size=60, page_token=token))
            lines += [write_entry(entry.index, entry.body) for entry in page.entries]
            token = page.next_page_token
            if not token:
                break
    report = verify_export([*lines, write_checkpoint(checkpoint.signed_note)], [TrustedKey(VerifierKey.parse(key))])
    assert report.ok
    assert report.proven == SIZE


async def test_appending_again_gives_the_same_places(telemetry: TelemetryMesh) -> None:
    first = await telemetry.append(body(1), body(2))
    again = await telemetry.append(body(1), body(2))
    assert list(first.indexes) == list(again.indexes) == [0, 1]
    assert again.checkpoint.tree_size == 2


class TestPages:
    pytestmark = pytest.mark.asyncio(loop_scope="module")

    async def page(self, filled: TelemetryMesh, caller: Caller = OPERATOR, **query: Any) -> pb.ListEntriesResponse:
        return await filled.audit(caller).ListEntries(pb.ListEntriesRequest(**query))

    async def test_pages_join_without_gap_or_repeat(self, filled: TelemetryMesh) -> None:
        found, token = list[int](), ""
        for size in (0, 7, 60, 1_000):
            answer = await self.page(filled, page_size=size, page_token=token)
            found += [entry.index for entry in answer.entries]
            token = answer.next_page_token
        assert found == list(range(SIZE))
        assert token == ""

    async def test_sizes_are_brought_into_range(self, filled: TelemetryMesh) -> None:
        assert len((await self.page(filled)).entries) == 50
        assert len((await self.page(filled, page_size=100_000)).entries) == SIZE
        assert [e.index for e in (await self.page(filled, start_index=128)).entries] == [128, 129]
        assert list((await self.page(filled, start_index=2**62)).entries) == []

    async def test_an_entry_is_whole(self, filled: TelemetryMesh) -> None:
        (entry,) = (await self.page(filled, start_index=3, page_size=1)).entries
        assert (entry.body, entry.leaf_hash) == (body(4), leaf_hash(body(4)))
        assert entry.append_time.ToMilliseconds() == filled.clock.now()

    async def test_a_token_is_for_one_caller_and_one_question(self, filled: TelemetryMesh) -> None:
        token = (await self.page(filled, page_size=5)).next_page_token
        for changes in ({"start_index": 1}, {"page_token": token[:-2]}, {"page_token": "garbage"}):
            query: dict[str, Any] = {"page_token": token, **changes}
            refused = await refusal(self.page(filled, **query))
            assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
        refused = await refusal(self.page(filled, AUDITOR, page_token=token))
        assert refused.reason == "PAGE_TOKEN_INVALID"

    async def test_bad_questions(self, filled: TelemetryMesh) -> None:
        refused = await refusal(self.page(filled, page_size=-1, start_index=-1))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert set(refused.violations) == {"page_size", "start_index"}


async def test_a_page_of_large_entries_ends_before_clients_refuse_it(telemetry: TelemetryMesh) -> None:
    bodies = [body(n, note="x" * 60_000) for n in range(1, 101)]
    await telemetry.append(*bodies)
    found, token = list[bytes](), ""
    while True:
        page = await telemetry.audit().ListEntries(pb.ListEntriesRequest(page_size=1_000, page_token=token))
        assert page.ByteSize() < 3 * 2**20
        found += [entry.body for entry in page.entries]
        token = page.next_page_token
        if not token:
            break
    assert found == bodies


async def test_a_page_token_expires(tmp_path: Path) -> None:
    clock = ManualClock()
    async with telemetry_mesh(tmp_path, clock=clock) as telemetry:
        await telemetry.append(body(1), body(2))
        token = (await telemetry.audit().ListEntries(pb.ListEntriesRequest(page_size=1))).next_page_token
        clock.advance(Millis(3 * DAY))
        refused = await refusal(telemetry.audit().ListEntries(pb.ListEntriesRequest(page_token=token)))
        assert refused.reason == "PAGE_TOKEN_INVALID"


class TestBadQuestions:
    pytestmark = pytest.mark.asyncio(loop_scope="module")

    @pytest.mark.parametrize(
        ("query", "code", "reason", "fields"),
        [
            ({}, "INVALID_ARGUMENT", "INVALID_REQUEST", {"key"}),
            ({"index": -1}, "INVALID_ARGUMENT", "INVALID_REQUEST", {"index"}),
            ({"decision_id": "x"}, "INVALID_ARGUMENT", "INVALID_REQUEST", {"decision_id"}),
            ({"decision_id": ""}, "INVALID_ARGUMENT", "INVALID_REQUEST", {"decision_id"}),
            ({"index": SIZE}, "NOT_FOUND", "ENTRY_NOT_FOUND", set()),
            ({"index": 2**63 - 1}, "NOT_FOUND", "ENTRY_NOT_FOUND", set()),
            ({"decision_id": str(uuid.UUID(int=(1 << 100) | 5))}, "NOT_FOUND", "ENTRY_NOT_FOUND", set()),
        ],
        ids=range(7),
    )
    async def test_of_an_entry(
        self, filled: TelemetryMesh, query: dict[str, Any], code: str, reason: str, fields: set[str]
    ) -> None:
        for call in (
            filled.audit().GetEntry(pb.GetEntryRequest(**query)),
            filled.audit().GetInclusionProof(pb.GetInclusionProofRequest(**query)),
        ):
            refused = await refusal(call)
            assert (refused.code, refused.reason, set(refused.violations)) == (code, reason, fields)

    @pytest.mark.parametrize(("index", "size"), [(5, 5), (5, 1), (0, SIZE + 1), (0, 2**63 - 1)])
    async def test_of_an_inclusion_proof(self, filled: TelemetryMesh, index: int, size: int) -> None:
        request = pb.GetInclusionProofRequest(index=index, tree_size=size)
        refused = await refusal(filled.audit().GetInclusionProof(request))
        assert (refused.code, refused.reason) == ("OUT_OF_RANGE", "TREE_SIZE_OUT_OF_RANGE")
        assert refused.metadata["most"] == str(SIZE)

    async def test_of_a_negative_size(self, filled: TelemetryMesh) -> None:
        refused = await refusal(filled.audit().GetInclusionProof(pb.GetInclusionProofRequest(index=0, tree_size=-1)))
        assert set(refused.violations) == {"tree_size"}

    @pytest.mark.parametrize(
        ("first", "second", "reason"),
        [
            (-1, 0, "INVALID_REQUEST"),
            (0, -1, "INVALID_REQUEST"),
            (5, 4, "INVALID_REQUEST"),
            (SIZE + 1, 0, "TREE_SIZE_OUT_OF_RANGE"),
            (1, SIZE + 1, "TREE_SIZE_OUT_OF_RANGE"),
        ],
    )
    async def test_of_a_consistency_proof(self, filled: TelemetryMesh, first: int, second: int, reason: str) -> None:
        request = pb.GetConsistencyProofRequest(first_tree_size=first, second_tree_size=second)
        assert (await refusal(filled.audit().GetConsistencyProof(request))).reason == reason

    async def test_the_empty_log_is_a_prefix_of_every_log(self, filled: TelemetryMesh) -> None:
        proof = await filled.audit().GetConsistencyProof(pb.GetConsistencyProofRequest(first_tree_size=0))
        assert list(proof.hashes) == []


class TestBadEntries:
    async def append(self, telemetry: TelemetryMesh, *entries: pb.DecisionEntry) -> pb.AppendDecisionsResponse:
        return await telemetry.audit(SERVICE).AppendDecisions(pb.AppendDecisionsRequest(entries=entries))

    async def size(self, telemetry: TelemetryMesh) -> int:
        return (await telemetry.audit().GetCheckpoint(pb.GetCheckpointRequest())).checkpoint.tree_size

    async def test_no_entries_and_too_many(self, telemetry: TelemetryMesh) -> None:
        assert (await refusal(self.append(telemetry))).violations.keys() == {"entries"}
        many = [pb.DecisionEntry(decision_id=decision_id(n), body=body(n)) for n in range(1, 1_002)]
        refused = await refusal(self.append(telemetry, *many))
        assert (refused.reason, set(refused.violations)) == ("INVALID_REQUEST", {"entries"})
        assert (await self.append(telemetry, *many[:1_000])).checkpoint.tree_size == 1_000

    async def test_ids_that_are_none(self, telemetry: TelemetryMesh) -> None:
        refused = await refusal(
            self.append(
                telemetry,
                pb.DecisionEntry(decision_id="", body=body(1)),
                pb.DecisionEntry(decision_id=str(uuid.UUID(int=0)), body=body(1)),
                pb.DecisionEntry(decision_id="DECISION", body=body(1)),
            )
        )
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert set(refused.violations) == {f"entries[{n}].decision_id" for n in range(3)}

    async def test_documents_that_are_none_refuse_the_whole_call(self, telemetry: TelemetryMesh) -> None:
        refused = await refusal(
            self.append(
                telemetry,
                pb.DecisionEntry(decision_id=decision_id(1), body=body(1)),
                pb.DecisionEntry(decision_id=decision_id(2), body=b"\xff\x00"),
                pb.DecisionEntry(decision_id=decision_id(3), body=body(4)),
                pb.DecisionEntry(decision_id=decision_id(5), body=body(5, effect="MAYBE", reason="no")),
            )
        )
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "DECISION_ENTRY_INVALID")
        assert set(refused.violations) == {
            "entries[1].body",
            "entries[2].body.decision_id",
            "entries[3].body.effect",
            "entries[3].body.reason",
        }
        assert await self.size(telemetry) == 0

    async def test_an_oversized_document(self, telemetry: TelemetryMesh) -> None:
        entry = pb.DecisionEntry(decision_id=decision_id(1), body=body(1, note="x" * 65_536))
        refused = await refusal(self.append(telemetry, entry))
        assert (refused.reason, set(refused.violations)) == ("DECISION_ENTRY_INVALID", {"entries[0].body"})

    async def test_a_thousand_bad_documents_answer_within_bounds(self, telemetry: TelemetryMesh) -> None:
        bad = [pb.DecisionEntry(decision_id=decision_id(n), body=b"{}") for n in range(1, 1_001)]
        refused = await refusal(self.append(telemetry, *bad))
        assert refused.reason == "DECISION_ENTRY_INVALID"

    async def test_another_document_for_a_decision(self, telemetry: TelemetryMesh) -> None:
        await telemetry.append(body(1))
        refused = await refusal(telemetry.append(denied(1)))
        assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "DECISION_CONFLICT")
        assert refused.metadata == {"decision_id": decision_id(1), "index": "0"}
        assert await self.size(telemetry) == 1

    async def test_ids_are_the_same_in_any_case(self, telemetry: TelemetryMesh) -> None:
        upper = pb.DecisionEntry(decision_id=decision_id(10).upper(), body=body(10))
        await self.append(telemetry, upper)
        entry = await telemetry.audit().GetEntry(pb.GetEntryRequest(decision_id=decision_id(10).upper()))
        assert entry.entry.index == 0


EVERYBODY = {
    "admin": OPERATOR,
    "service": SERVICE,
    "auditor": AUDITOR,
    "gateway": GATEWAY,
    "agent": PEER,
    "owner": OWNER,
    "approver": Caller(principal="test:ann", roles=frozenset({Role.APPROVER})),
}
MAY: dict[str, set[str]] = {
    "AppendDecisions": {"admin", "service"},
    "GetEntry": {"admin", "service", "auditor"},
    "ListEntries": {"admin", "service", "auditor"},
    "GetCheckpoint": set(EVERYBODY),
    "GetInclusionProof": set(EVERYBODY),
    "GetConsistencyProof": set(EVERYBODY),
    "ReportOutcome": {"admin", "service", "gateway", "agent"},
}


class TestDoors:
    pytestmark = pytest.mark.asyncio(loop_scope="module")

    async def call(self, telemetry: TelemetryMesh, method: str, caller: Caller) -> str:
        """Call with an empty request; return the reason of the refusal."""
        if method == "ReportOutcome":
            return (await refusal(telemetry.workflow(caller).ReportOutcome(tpb.ReportOutcomeRequest()))).reason
        request = getattr(pb, f"{method}Request")()
        try:
            await getattr(telemetry.audit(caller), method)(request)
        except grpc.aio.AioRpcError as error:
            return read_refusal(error).reason
        return "OK"

    @pytest.mark.parametrize("method", MAY)
    async def test_roles(self, filled: TelemetryMesh, method: str) -> None:
        for name, caller in EVERYBODY.items():
            reason = await self.call(filled, method, caller)
            assert (reason != "NOT_PERMITTED") == (name in MAY[method]), name
        assert await self.call(filled, method, ANONYMOUS) == "UNAUTHENTICATED"


class TestOutcomes:
    def request(self, **changes: Any) -> tpb.ReportOutcomeRequest:
        fields: dict[str, Any] = {
            "did": DID,
            "environment": "prod",
            "outcome": tpb.OUTCOME_ACCEPTED,
            "work_id": "task-1",
        }
        return tpb.ReportOutcomeRequest(**(fields | changes))

    async def test_a_verdict_is_an_entry_anyone_can_prove(self, telemetry: TelemetryMesh) -> None:
        await telemetry.append(body(1))
        report = await telemetry.workflow(PEER).ReportOutcome(self.request(trace_id=b"t" * 16))
        assert report.audit_index == 1
        entry = (await telemetry.audit().GetEntry(pb.GetEntryRequest(index=1))).entry
        assert b'"type":"outcome"' in entry.body
        assert (await telemetry.workflow(PEER).ReportOutcome(self.request())).audit_index == 1

    async def test_refusals(self, telemetry: TelemetryMesh) -> None:
        unknown = await refusal(telemetry.workflow(PEER).ReportOutcome(self.request()))
        assert (unknown.code, unknown.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")
        itself = await refusal(telemetry.workflow(AGENT).ReportOutcome(self.request()))
        assert (itself.code, itself.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        await telemetry.append(body(1))
        await telemetry.workflow(PEER).ReportOutcome(self.request())
        rejected = self.request(outcome=tpb.OUTCOME_REJECTED)
        conflict = await refusal(telemetry.workflow(PEER).ReportOutcome(rejected))
        assert (conflict.code, conflict.reason) == ("ALREADY_EXISTS", "OUTCOME_CONFLICT")
        assert conflict.metadata == {"work_id": "task-1", "index": "1"}

    async def test_a_request_id_is_for_one_request(self, telemetry: TelemetryMesh) -> None:
        await telemetry.append(body(1))
        request_id = str(uuid.UUID(int=(4 << 76) | (8 << 60) | 9))
        for _ in range(2):
            report = await telemetry.workflow(PEER).ReportOutcome(self.request(request_id=request_id))
            assert report.audit_index == 1
        other = self.request(request_id=request_id, work_id="task-2")
        refused = await refusal(telemetry.workflow(PEER).ReportOutcome(other))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
        foreign = await refusal(telemetry.workflow(SERVICE).ReportOutcome(self.request(request_id=request_id)))
        assert foreign.reason == "REQUEST_ID_REUSED"

    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"did": ""}, {"did"}),
            ({"did": "agents/a"}, {"did"}),
            ({"did": "did:web:" + "a" * 1_024}, {"did"}),
            ({"environment": ""}, {"environment"}),
            ({"environment": "Prod"}, {"environment"}),
            ({"outcome": 0}, {"outcome"}),
            ({"outcome": 9}, {"outcome"}),
            ({"work_id": ""}, {"work_id"}),
            ({"work_id": "w" * 257}, {"work_id"}),
            ({"work_id": "a\nb"}, {"work_id"}),
            ({"on_behalf_of": "p" * 513}, {"on_behalf_of"}),
            ({"trace_id": b"short"}, {"trace_id"}),
            ({"request_id": "again"}, {"request_id"}),
            ({"did": "", "environment": "", "outcome": 0, "work_id": ""}, {"did", "environment", "outcome", "work_id"}),
        ],
        ids=range(14),
    )
    async def test_bad_reports_name_their_fields(
        self, telemetry: TelemetryMesh, changes: dict[str, Any], fields: set[str]
    ) -> None:
        refused = await refusal(telemetry.workflow(PEER).ReportOutcome(self.request(**changes)))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert set(refused.violations) == fields
