"""Cosignatures: the published example, and every way in which a line is none."""

import base64
import struct

import pytest
from ringfence.proofs.cosignature import (
    CosignatureAbsent,
    WitnessKey,
    verify_cosignature,
    verify_signature,
    with_signatures,
)
from ringfence.proofs.merkle import EMPTY_ROOT
from ringfence.proofs.signed_note import (
    Checkpoint,
    NoteInvalid,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    parse_signature,
    verify_note,
)
from support.telemetry.heads import note_signer
from support.telemetry.witnessing import cosigner, line_under

EXAMPLE = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
    "zyWE+xeMcTOAYQ8=\n"
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0"
    "xUe+mbIUBkBIfZ+qnA==\n"
)
"""The checkpoint with a cosignature that C2SP tlog-cosignature shows."""

NOTE = note_signer("log.example/audit", 1).sign(Checkpoint("log.example/audit", 0, EMPTY_ROOT).text())


def test_the_published_example_reads_as_it_says() -> None:
    note = parse_note(EXAMPLE)
    assert parse_checkpoint(note.text).size == 20_852_163
    _, witness = note.signatures
    assert (witness.name, len(witness.value)) == ("witness.example.com/w1", 72)
    assert struct.unpack(">Q", witness.value[:8]) == (1_679_315_147,)


def test_what_a_witness_signed_verifies_beside_the_logs_own_signature() -> None:
    note = parse_note(with_signatures(NOTE, [line_under(NOTE, seconds=1_679_315_147)]))
    verify_note(note, note_signer("log.example/audit", 1).verifier)
    assert verify_cosignature(note, cosigner().witness) == 1_679_315_147


def test_a_key_survives_the_form_operators_exchange() -> None:
    key = cosigner().witness
    assert WitnessKey.parse(f"{key}\n") == key
    assert str(key).startswith("witness.example/w1+")


def test_a_key_of_a_log_is_no_key_of_a_witness_nor_the_reverse() -> None:
    with pytest.raises(NoteInvalid, match="not a witness' Ed25519 key"):
        WitnessKey.parse(str(note_signer("log.example/audit", 1).verifier))
    with pytest.raises(NoteInvalid, match="not an Ed25519 key"):
        VerifierKey.parse(str(cosigner().witness))


def test_a_key_with_another_id_is_refused() -> None:
    name, _, encoded = str(cosigner().witness).split("+", 2)
    with pytest.raises(NoteInvalid, match="id does not belong"):
        WitnessKey.parse(f"{name}+00000000+{encoded}")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n"])
def test_a_name_that_cannot_stand_before_a_signature(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a witness"):
        cosigner(name)


def test_who_did_not_sign_is_absent() -> None:
    with pytest.raises(CosignatureAbsent):
        verify_cosignature(parse_note(NOTE), cosigner().witness)


def test_the_same_key_under_another_name_is_another_witness() -> None:
    note = parse_note(with_signatures(NOTE, [line_under(NOTE, by=cosigner("witness.example/other"))]))
    with pytest.raises(CosignatureAbsent):
        verify_cosignature(note, cosigner().witness)


class TestLinesThatDoNotVerify:
    def verify(self, line: str, *, note: str = NOTE) -> int:
        return verify_signature(parse_note(note).text, parse_signature(line), cosigner().witness)

    def remade(self, value: bytes) -> str:
        key = cosigner().witness
        return f"\u2014 {key.name} {base64.b64encode(key.key_id + value).decode()}"

    def test_of_another_checkpoint(self) -> None:
        other = note_signer("log.example/audit", 1).sign(Checkpoint("log.example/audit", 1, EMPTY_ROOT).text())
        with pytest.raises(NoteInvalid, match="does not verify"):
            self.verify(line_under(NOTE), note=other)

    def test_with_another_time(self) -> None:
        value = parse_signature(line_under(NOTE, seconds=7)).value
        with pytest.raises(NoteInvalid, match="does not verify"):
            self.verify(self.remade(struct.pack(">Q", 8) + value[8:]))

    def test_with_a_time_beyond_63_bits(self) -> None:
        with pytest.raises(NoteInvalid, match="63 bits"):
            self.verify(self.remade(b"\xff" * 8 + bytes(64)))

    @pytest.mark.parametrize("size", [1, 8, 64, 71, 73, 1_000])
    def test_of_another_length(self, size: int) -> None:
        with pytest.raises(NoteInvalid, match="72 bytes"):
            self.verify(self.remade(bytes(size)))

    def test_by_another(self) -> None:
        with pytest.raises(NoteInvalid, match="not by"):
            self.verify(line_under(NOTE, by=cosigner(seed=3)))

    def test_a_log_signature_is_no_cosignature(self) -> None:
        signature = parse_note(NOTE).signatures[0]
        with pytest.raises(NoteInvalid, match="not by"):
            verify_signature(parse_note(NOTE).text, signature, cosigner().witness)

    def test_the_first_line_of_a_witness_decides(self) -> None:
        wrong = self.remade(struct.pack(">Q", 8) + bytes(64))
        note = parse_note(with_signatures(NOTE, [wrong, line_under(NOTE)]))
        with pytest.raises(NoteInvalid, match="does not verify"):
            verify_cosignature(note, cosigner().witness)


def test_a_line_is_not_added_twice() -> None:
    line = line_under(NOTE)
    once = with_signatures(NOTE, [line])
    assert with_signatures(once, [line]) == once
