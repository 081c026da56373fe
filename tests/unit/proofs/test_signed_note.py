"""Signed notes and checkpoints: the reference note of the format, round trips, and every malformation refused."""

import base64

import pytest
from ringfence.proofs.cosignature import WitnessKey
from ringfence.proofs.merkle import EMPTY_ROOT, leaf_hash
from ringfence.proofs.signed_note import (
    Checkpoint,
    NoteInvalid,
    NoteUnsigned,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)
from support.telemetry.heads import note_signer
from support.vectors import vectors

# The note every implementation of the format is tried against (golang.org/x/mod/sumdb/note documents it).
REFERENCE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
REFERENCE_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
REFERENCE_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
REFERENCE_NOTE = (
    REFERENCE_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

SIGNER = note_signer("log.example", bytes(range(32)))
CHECKPOINT = Checkpoint("log.example", 7, leaf_hash(b"a root"))


def test_the_reference_note_is_reproduced_and_verified() -> None:
    signer = note_signer("PeterNeumann", REFERENCE_SEED)
    assert str(signer.verifier) == REFERENCE_KEY
    assert signer.sign(REFERENCE_TEXT) == REFERENCE_NOTE
    note = parse_note(REFERENCE_NOTE)
    assert note.text == REFERENCE_TEXT
    verify_note(note, VerifierKey.parse(REFERENCE_KEY))


def test_a_checkpoint_survives_signing_and_reading() -> None:
    note = parse_note(SIGNER.sign(CHECKPOINT.text()))
    verify_note(note, SIGNER.verifier)
    assert parse_checkpoint(note.text) == CHECKPOINT


def test_a_checkpoint_is_three_lines() -> None:
    empty = Checkpoint("log.example", 0, EMPTY_ROOT)
    assert empty.text() == "log.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


def test_extension_lines_are_covered_and_allowed() -> None:
    text = CHECKPOINT.text() + "an extension\n"
    note = parse_note(SIGNER.sign(text))
    verify_note(note, SIGNER.verifier)
    assert parse_checkpoint(note.text) == CHECKPOINT


def test_one_changed_character_is_noticed() -> None:
    note = parse_note(SIGNER.sign(CHECKPOINT.text()).replace("\n7\n", "\n8\n"))
    with pytest.raises(NoteInvalid, match="does not verify"):
        verify_note(note, SIGNER.verifier)


def test_a_note_by_another_key_is_unsigned_for_us() -> None:
    other = note_signer("log.example", bytes(32))
    with pytest.raises(NoteUnsigned, match="no signature by"):
        verify_note(parse_note(other.sign(CHECKPOINT.text())), SIGNER.verifier)


def test_cosignatures_of_strangers_are_ignored() -> None:
    signed = SIGNER.sign(CHECKPOINT.text())
    stranger = note_signer("witness.example", bytes(32))
    cosigned = signed + stranger.sign(CHECKPOINT.text()).rpartition("\n\n")[2]
    verify_note(parse_note(cosigned), SIGNER.verifier)
    verify_note(parse_note(cosigned), stranger.verifier)


def test_a_second_line_cannot_mend_a_wrong_one() -> None:
    text, _, line = SIGNER.sign(CHECKPOINT.text()).rpartition("\n\n")
    wrong = base64.b64encode(SIGNER.verifier.key_id + bytes(64)).decode()
    note = parse_note(f"{text}\n\n— log.example {wrong}\n{line}")
    with pytest.raises(NoteInvalid, match="does not verify"):
        verify_note(note, SIGNER.verifier)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text",
        "text\n",
        "text\n\n",
        "\n\n— log.example AAAAAAA=\n",
        "text\n\n— log.example AAAAAAA=",  # no newline at the end
        "text\n\n- log.example AAAAAAA=\n",  # a hyphen is no em dash
        "text\n\n— log.example\n",
        "text\n\n— log+example AAAAAAA=\n",
        "text\n\n— log.example !!!!\n",
        "text\n\n— log.example AAAAAA==\n",  # a key id and nothing else
        "text\n\n— log.example AAAAAAB=\n",  # stray bits in the last character
        "te\x07xt\n\n— log.example AAAAAAA=\n",
        "te\ud800xt\n\n— log.example AAAAAAA=\n",
        "text\n\n" + "— log.example AAAAAAA=\n" * 101,
        "text\n" * 20_000 + "\n— log.example AAAAAAA=\n",
    ],
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_note(note)


@pytest.mark.parametrize(
    "text",
    [
        "log.example\n7\n",
        "\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "log.example\n-7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "log.example\n07\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "log.example\n\N{ARABIC-INDIC DIGIT SEVEN}\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "log.example\n99999999999999999999\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "log.example\n7\nAAAA\n",
        "log.example\n7\nnot base64\n",
        "log.example\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpcCQcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AQID",
        "PeterNeumann+c74f20a3+%%%%",
    ],
)
def test_malformed_keys_are_refused(key: str) -> None:
    with pytest.raises(NoteInvalid):
        VerifierKey.parse(key)


@pytest.mark.parametrize("weak", vectors("ed25519_refused_keys")["small_order"], ids=lambda found: found["point"][:8])
def test_a_key_under_which_anybody_signs_is_refused(weak: dict[str, str]) -> None:
    raw = bytes.fromhex(weak["point"])
    for key in (VerifierKey("log.example", raw), WitnessKey("witness.example", raw)):
        with pytest.raises(NoteInvalid, match="cannot be trusted"):
            type(key).parse(str(key))


def test_a_signer_refuses_what_nobody_could_read() -> None:
    with pytest.raises(ValueError, match="cannot name a key"):
        note_signer("two words", bytes(32))
    with pytest.raises(ValueError, match="newline"):
        SIGNER.sign("no newline")
