"""What others published about logs: Merkle proofs, signed notes and logs of DIDs. Our answers must be theirs."""

from typing import Any

import pytest
from ringfence.instants import Instant
from ringfence.proofs.cosignature import WitnessKey
from ringfence.proofs.did import AgentDid, DidError, RegistrarDid, parse_did
from ringfence.proofs.did_log_check import DidLogError, check_log
from ringfence.proofs.merkle import Digest, ProofInvalid, verify_consistency, verify_inclusion
from ringfence.proofs.signed_note import NoteInvalid, VerifierKey, parse_checkpoint, parse_note, verify_note
from support.vectors import vectors

MERKLE = vectors("rfc6962_merkle_proofs")
NOTES = vectors("c2sp_signed_notes")
DID_LOGS = vectors("did_webvh_logs")

NOW = Instant(1_780_272_000_000)


def named(case: Any) -> str:
    return str(case["name"])


def digest(text: str) -> Digest:
    return Digest(bytes.fromhex(text))


def check_inclusion(case: dict[str, Any]) -> None:
    path = [digest(each) for each in case["proof"]]
    verify_inclusion(digest(case["leaf"]), case["index"], case["size"], path, digest(case["root"]))


def check_consistency(case: dict[str, Any]) -> None:
    path = [digest(each) for each in case["proof"]]
    first_root, second_root = digest(case["first_root"]), digest(case["second_root"])
    verify_consistency(case["first"], first_root, case["second"], second_root, path)


@pytest.mark.parametrize("case", MERKLE["inclusion"]["held"], ids=named)
def test_a_published_inclusion_proof_holds(case: dict[str, Any]) -> None:
    check_inclusion(case)


@pytest.mark.parametrize("case", MERKLE["inclusion"]["refused"], ids=named)
def test_a_published_inclusion_proof_that_is_wrong_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProofInvalid):
        check_inclusion(case)


@pytest.mark.parametrize("case", MERKLE["consistency"]["held"], ids=named)
def test_a_published_consistency_proof_holds(case: dict[str, Any]) -> None:
    check_consistency(case)


@pytest.mark.parametrize("case", MERKLE["consistency"]["refused"], ids=named)
def test_a_published_consistency_proof_that_is_wrong_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProofInvalid):
        check_consistency(case)


def test_the_published_note_is_by_the_published_key() -> None:
    verify_note(parse_note(NOTES["note"]), VerifierKey.parse(NOTES["verifier_key"]))


def test_published_keys_are_read_and_written_alike() -> None:
    assert [str(VerifierKey.parse(text)) for text in NOTES["keys"]] == NOTES["keys"]
    assert [str(WitnessKey.parse(text)) for text in NOTES["witness_keys"]] == NOTES["witness_keys"]


def test_a_published_cosigned_checkpoint_is_read() -> None:
    expected = NOTES["cosigned"]
    note = parse_note(expected["note"])
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == (expected["origin"], expected["size"])
    assert checkpoint.root.hex() == expected["root"]
    assert [signature.name for signature in note.signatures] == expected["signers"]


@pytest.mark.parametrize("text", NOTES["checkpoints"]["read"])
def test_a_checkpoint_may_go_on_after_its_root(text: str) -> None:
    assert parse_checkpoint(text).size == 9944


@pytest.mark.parametrize("text", NOTES["checkpoints"]["refused"])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_checkpoint(text)


@pytest.mark.parametrize("case", DID_LOGS["held"], ids=named)
def test_a_log_of_another_implementation_holds(case: dict[str, Any]) -> None:
    assert len(check_did_log(case)) == len(case["lines"])


@pytest.mark.parametrize("case", DID_LOGS["refused"], ids=named)
def test_a_log_that_is_wrong_or_does_not_commit_to_its_keys_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DidLogError, match=case["problem"]):
        check_did_log(case)


@pytest.mark.parametrize("did", DID_LOGS["refused_dids"])
def test_a_did_that_leads_elsewhere_is_refused(did: str) -> None:
    with pytest.raises(DidError):
        parse_did(did)


def check_did_log(case: dict[str, Any]) -> tuple[object, ...]:
    did = parse_did(case["did"])
    assert isinstance(did, AgentDid | RegistrarDid)
    return check_log("\n".join(case["lines"]), did=did, now=NOW)
