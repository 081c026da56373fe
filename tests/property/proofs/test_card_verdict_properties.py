"""Whatever stands in a card and its signatures: a verdict for each, no crash, and nothing verified that was changed."""

import copy
import json
from typing import Any

from a2a.client.card_resolver import parse_agent_card
from google.protobuf.json_format import MessageToDict, ParseError
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.proofs.card_forms import CardForm, CardFormError, CardForms
from ringfence.proofs.card_verdict import (
    MAX_SIGNATURES,
    Coverage,
    KeyAnswer,
    KnownKey,
    SignatureStatus,
    SignedCard,
    UnknownKey,
)
from support.registry.card_shapes import mutated_documents
from support.registry.generated_cards import cards
from support.registry.signed_cards import CARD, b64, signer

ONE = signer("EdDSA")
KEYS: dict[str, KeyAnswer] = {ONE.key_id: KnownKey(key=ONE.key, signer="pinned")}

_HEADERS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "jku", "crit", "b64", "x5c", "jwk"]),
    st.sampled_from(["EdDSA", "none", "HS256", ONE.key_id, ["exp"], False, None, 7, {}, "https://evil.example.com"]),
)
_PROTECTED = (
    st.text(max_size=8) | st.binary(max_size=8).map(b64) | _HEADERS.map(lambda made: b64(json.dumps(made).encode()))
)
_ENTRIES = st.fixed_dictionaries(
    {}, optional={"protected": _PROTECTED, "signature": st.text(max_size=8) | st.binary().map(b64), "header": _HEADERS}
)
_ANYTHING = (
    st.none() | st.integers() | st.text(max_size=4) | st.lists(st.none() | st.text(max_size=4) | _ENTRIES, max_size=12)
)


@given(_ANYTHING)
def test_every_entry_has_one_verdict_and_none_is_verified_by_chance(signatures: Any) -> None:
    verdicts = SignedCard({**CARD, "signatures": signatures}).judge(KEYS)
    listed = signatures if isinstance(signatures, list) else [] if signatures is None else [signatures]
    assert [verdict.index for verdict in verdicts] == list(range(min(len(listed), MAX_SIGNATURES + 1)))
    assert all(verdict.status is not SignatureStatus.VERIFIED and verdict.problem for verdict in verdicts)


@given(mutated_documents())
def test_no_card_makes_judging_raise(document: dict[str, Any]) -> None:
    entry = ONE.entry(b"{}")
    several: list[Any] = [[entry], document.get("signatures")]
    for signatures in several:
        SignedCard({**document, "signatures": signatures}).judge(KEYS)


@given(cards(), st.sampled_from(CardForm))
def test_a_card_is_verified_in_the_form_it_was_signed_in_or_one_of_the_same_bytes(
    card: dict[str, Any], form: CardForm
) -> None:
    try:
        payload = CardForms(card).form(form).payload
    except CardFormError:
        return
    (verdict,) = SignedCard({**card, "signatures": [ONE.entry(payload)]}).judge(KEYS)
    assert verdict.status is SignatureStatus.VERIFIED
    assert verdict.form is not None
    assert CardForms(card).form(verdict.form).payload == payload
    assert (verdict.coverage is Coverage.FULL) == (not verdict.uncovered)
    if form is CardForm.RAW:
        assert verdict.coverage is Coverage.FULL


@settings(max_examples=200)
@given(cards(), cards(), st.sampled_from(CardForm), st.integers(0, 3))
def test_a_signature_that_covers_all_holds_for_no_card_that_reads_differently(
    card: dict[str, Any], other: dict[str, Any], form: CardForm, taken: int
) -> None:
    """`taken` members of another card are put in place of the signed one's."""
    try:
        entry = ONE.entry(CardForms(card).form(form).payload)
    except CardFormError:
        return
    changed = {**card, **dict(list(other.items())[:taken])}
    (verdict,) = SignedCard({**changed, "signatures": [entry]}).judge(KEYS)
    if verdict.status is SignatureStatus.VERIFIED and verdict.coverage is Coverage.FULL:
        assert reading(changed) == reading(card)


def reading(card: dict[str, Any]) -> Any:
    """What an A2A client reads; the card itself where it reads nothing."""
    try:
        return MessageToDict(parse_agent_card(copy.deepcopy(card)))
    except ParseError:
        return card


@given(cards())
def test_a_stranger_is_a_stranger_whatever_the_card(card: dict[str, Any]) -> None:
    entry = ONE.entry(b"{}")
    (verdict,) = SignedCard({**card, "signatures": [entry]}).judge({ONE.key_id: UnknownKey("nobody's")})
    assert verdict.status is SignatureStatus.UNTRUSTED_KEY
