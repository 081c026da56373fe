"""A card with a signature spliced in is the same card, byte for byte, with one entry more."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ringfence_registry.cards.signatures.splicing import with_signature
from support.registry.card_shapes import REAL_LOOKING
from support.registry.generated_cards import cards

ENTRY = {"protected": "cHJvdGVjdGVk", "signature": "c2lnbmF0dXJl"}
WRITTEN = json.dumps(ENTRY, separators=(",", ":"))
SIGNATURES = st.none() | st.lists(st.just({"protected": "e30", "signature": "AA"}), max_size=3)


@st.composite
def written_cards(draw: st.DrawFn) -> bytes:
    """A card as somebody wrote it: any spacing, any order, escaped or not, signed or not."""
    card: dict[str, Any] = draw(cards() | st.sampled_from(REAL_LOOKING).map(json.loads))
    card.pop("signatures", None)
    if draw(st.booleans()):
        card["signatures"] = draw(SIGNATURES)
    names = draw(st.permutations(sorted(card)))
    indent = draw(st.none() | st.integers(0, 3) | st.just("\t"))
    separators = None if indent is not None else draw(st.sampled_from([(",", ":"), (" , ", " : "), (",\r\n", ":\t")]))
    ascii_only = draw(st.booleans())
    text = json.dumps(
        {name: card[name] for name in names}, indent=indent, separators=separators, ensure_ascii=ascii_only
    )
    edge = st.text(alphabet=" \t\r\n", max_size=2)
    return (draw(edge) + text + draw(edge)).encode()


@given(written_cards())
def test_taking_the_entry_out_again_leaves_the_bytes_as_they_were(card: bytes) -> None:
    spliced = with_signature(card, {**ENTRY})
    before, after = spliced.split(WRITTEN.encode())
    removed = [before + after, before.removesuffix(b",") + after]
    without_member = before.removesuffix(b'"signatures":[')
    removed.append(without_member.removesuffix(b",") + after.removeprefix(b"]"))
    removed.append(before.removesuffix(b"[") + b"null" + after.removeprefix(b"]"))
    assert card in removed


@given(written_cards())
def test_a_reader_sees_the_same_card_with_one_signature_more(card: bytes) -> None:
    said, spliced = json.loads(card), json.loads(with_signature(card, {**ENTRY}))
    assert spliced.pop("signatures") == [*(said.pop("signatures", None) or []), ENTRY]
    assert spliced == said


@given(written_cards())
def test_splicing_twice_adds_two(card: bytes) -> None:
    twice = json.loads(with_signature(with_signature(card, {**ENTRY}), {**ENTRY}))
    assert twice["signatures"][-2:] == [ENTRY, ENTRY]
