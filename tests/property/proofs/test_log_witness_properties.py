"""A witness believes exactly what goes on from what it believed, for any two histories and any damaged proof."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.log_witness import Believed, Doubt, HeadDoubted, believe, look_at
from ringfence.proofs.merkle import Digest
from ringfence.proofs.signed_note import Checkpoint
from support.telemetry.heads import note_signer
from support.witnessed_log import ORIGIN, History

LOG = note_signer(ORIGIN, 1)
KEY = str(LOG.verifier)
HISTORIES = st.lists(st.binary(max_size=6), max_size=40)


def note(entries: list[bytes]) -> str:
    return LOG.sign(Checkpoint(ORIGIN, len(entries), History(entries).root(len(entries))).text())


def witness_of(entries: list[bytes]) -> Believed:
    return believe(look_at(note(entries), said_key=KEY, believed=None), (), believed=None)


def step(before: list[bytes], after: list[bytes], proof: list[Digest] | None = None) -> Believed:
    """Return what a witness of `before` believes once it is shown `after`."""
    believed = witness_of(before)
    shown = look_at(note(after), said_key="never asked", believed=believed)
    if not shown.is_news:
        return believed
    if proof is None:
        proof = History(after).proof(len(before), len(after)) if shown.needs_proof else []
    return believe(shown, proof, believed=believed)


@given(HISTORIES, HISTORIES)
def test_what_goes_on_is_believed(before: list[bytes], more: list[bytes]) -> None:
    believed = step(before, before + more)
    assert (believed.checkpoint.size, believed.key) == (len(before) + len(more), KEY)


@given(HISTORIES, HISTORIES)
def test_what_does_not_go_on_is_doubted_by_its_name(before: list[bytes], after: list[bytes]) -> None:
    if after[: len(before)] == before:
        assert step(before, after).checkpoint.size == len(after)
        return
    with pytest.raises(HeadDoubted) as doubted:
        step(before, after)
    expected = Doubt.WENT_BACK if len(after) < len(before) else Doubt.FORKED
    assert doubted.value.doubt is (expected if len(after) <= len(before) else Doubt.REWRITTEN)
    assert doubted.value.doubt.is_split
    assert doubted.value.believed == note(before)
    assert doubted.value.shown == note(after)


@given(HISTORIES.filter(bool), HISTORIES.filter(bool), st.data())
def test_no_damaged_proof_is_good_enough(before: list[bytes], more: list[bytes], data: st.DataObject) -> None:
    proof = History(before + more).proof(len(before), len(before) + len(more))
    damaged = list(proof)
    match data.draw(st.sampled_from(["drop", "add", "change"])):
        case "drop" if damaged:
            del damaged[data.draw(st.integers(0, len(damaged) - 1))]
        case "change" if damaged:
            place = data.draw(st.integers(0, len(damaged) - 1))
            damaged[place] = Digest(bytes([damaged[place][0] ^ 1]) + damaged[place][1:])
        case _:
            damaged.insert(data.draw(st.integers(0, len(damaged))), Digest(bytes(32)))
    with pytest.raises(HeadDoubted) as doubted:
        step(before, before + more, damaged)
    assert doubted.value.doubt is Doubt.REWRITTEN


@given(HISTORIES, st.data())
def test_a_spoilt_head_is_never_believed(entries: list[bytes], data: st.DataObject) -> None:
    text = note(entries)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda c: c != text[place]))
    with pytest.raises(HeadDoubted) as doubted:
        look_at(text[:place] + other + text[place + 1 :], said_key=KEY, believed=None)
    assert not doubted.value.doubt.is_split
