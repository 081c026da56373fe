"""An export says what was logged, and no change of a single character goes unnoticed."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.log_export import (
    ExportedCheckpoint,
    ExportedEntry,
    Header,
    read_export,
    write_checkpoint,
    write_entry,
    write_header,
)
from ringfence.proofs.log_export_check import verify_export
from ringfence.proofs.log_export_report import TrustedKey
from ringfence.proofs.merkle import Frontier, leaf_hash
from ringfence.proofs.signed_note import Checkpoint
from support.telemetry.heads import note_signer

SIGNER = note_signer("log.example")
KEYS = (TrustedKey(SIGNER.verifier),)


def export(bodies: list[bytes], sizes: list[int]) -> list[str]:
    lines = [write_header("log.example"), *(write_entry(index, body) for index, body in enumerate(bodies))]
    for size in sizes:
        frontier, _ = Frontier().grow([leaf_hash(body) for body in bodies[:size]])
        lines.append(write_checkpoint(SIGNER.sign(Checkpoint("log.example", size, frontier.root()).text())))
    return lines


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_what_is_written_is_read(bodies: list[bytes]) -> None:
    header, *rest = read_export(export(bodies, [len(bodies)]))
    assert header == Header("log.example")
    assert isinstance(rest.pop(), ExportedCheckpoint)
    assert rest == [ExportedEntry(index, leaf_hash(body), body) for index, body in enumerate(bodies)]


@given(st.lists(st.binary(max_size=40), max_size=12), st.data())
def test_an_honest_export_passes_with_heads_anywhere(bodies: list[bytes], data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, len(bodies)), max_size=4))
    assert verify_export(export(bodies, [*sizes, len(bodies)]), KEYS).ok


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6), st.data())
def test_no_changed_character_goes_unnoticed(bodies: list[bytes], data: st.DataObject) -> None:
    lines = export(bodies, [len(bodies)])
    text = "".join(lines)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda c: c != text[place]))
    changed = (text[:place] + other + text[place + 1 :]).splitlines(keepends=True)
    # A different spelling of the same statement is no change: spare bits of base64, hex digits in upper case.
    assert not verify_export(changed, KEYS).ok or list(read_export(changed)) == list(read_export(lines))
