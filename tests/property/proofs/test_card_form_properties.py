"""The canonical forms of generated cards: the SDK's is byte for byte its own, and each covers what it says."""

import copy
import json
from typing import Any

import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.utils._jcs import CanonicalizationError
from a2a.utils.signing import _canonicalize_agent_card
from google.protobuf.json_format import MessageToDict, ParseError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ringfence.proofs.card_forms import CardForm, CardFormError, CardForms
from support.registry.generated_cards import UNKNOWN, cards


def sdk_bytes(card: dict[str, Any]) -> bytes | None:
    """What the SDK signs, or None when it cannot read the card or write the form."""
    try:
        return _canonicalize_agent_card(parse_agent_card(copy.deepcopy(card))).encode()
    except (ParseError, CanonicalizationError):
        return None


def payload(card: dict[str, Any], form: CardForm) -> bytes | None:
    try:
        return CardForms(card).form(form).payload
    except CardFormError:
        return None


def without_empty(reading: Any) -> Any:
    """What is read, with an empty text as good as none: `test_card_forms.py` says which need no cover."""
    if isinstance(reading, dict):
        return {name: without_empty(held) for name, held in reading.items() if held != ""}
    return [without_empty(held) for held in reading] if isinstance(reading, list) else reading


@settings(max_examples=400)
@given(cards())
def test_the_sdk_form_is_the_sdks_own(card: dict[str, Any]) -> None:
    assert payload(card, CardForm.SDK) == sdk_bytes(card)


@given(cards())
def test_spelling_and_order_change_no_form_of_known_members(card: dict[str, Any]) -> None:
    try:
        message = parse_agent_card(copy.deepcopy(card))
    except ParseError:
        return
    camel = MessageToDict(message)
    snake = dict(reversed(MessageToDict(message, preserving_proto_field_name=True).items()))
    for form in (CardForm.SPEC, CardForm.SDK, CardForm.STRIPPED):
        assert payload(snake, form) == payload(camel, form)


@given(cards())
def test_null_is_the_same_as_absent(card: dict[str, Any]) -> None:
    absent = {name: held for name, held in card.items() if name not in {"iconUrl", "icon_url"}}
    for form in (CardForm.SPEC, CardForm.SDK, CardForm.STRIPPED):
        assert payload({**absent, "iconUrl": None}, form) == payload(absent, form)


@given(cards(), st.permutations(list(CardForm)))
def test_forms_are_the_same_in_whatever_order_they_are_asked_for(card: dict[str, Any], order: list[CardForm]) -> None:
    forms = CardForms(card)
    for form in order:
        try:
            formed = forms.form(form)
        except CardFormError:
            assert payload(card, form) is None
        else:
            assert formed == CardForms(card).form(form)


@given(cards())
def test_signatures_are_in_no_form(card: dict[str, Any]) -> None:
    signed = {**card, "signatures": [{"protected": "e30", "signature": "AA"}]}
    for form in CardForm:
        assert payload(signed, form) == payload(card, form)


@given(cards(unknown=False), st.sampled_from(UNKNOWN), st.sampled_from([1, "x", {"a": "b"}, False, ["y"]]))
def test_a_member_a2a_does_not_know_changes_no_form_but_the_raw_one_and_is_always_reported(
    card: dict[str, Any], name: str, value: Any
) -> None:
    injected = {**card, name: value}
    assert payload(injected, CardForm.RAW) != payload(card, CardForm.RAW)
    for form in (CardForm.SPEC, CardForm.SDK, CardForm.STRIPPED):
        if (before := payload(card, form)) is not None:
            after = CardForms(injected).form(form)
            assert after.payload == before
            assert after.uncovered


@example({"name": "Example"}, {"icon_url": "", "x-evil": None, "name": "Example"})
@given(cards(), cards())
def test_cards_that_read_differently_never_share_a_form_that_claims_to_cover_both(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Also of one card changed: half of the other's members are put in place of its own."""
    mixed = {**one, **dict(list(other.items())[::2])}
    for form in (CardForm.SPEC, CardForm.SDK, CardForm.STRIPPED):
        seen: dict[bytes, str] = {}
        for card in (one, other, mixed):
            try:
                formed = CardForms(card).form(form)
                message = MessageToDict(parse_agent_card(copy.deepcopy(card)))
            except (CardFormError, ParseError):
                continue
            if not formed.uncovered:
                reading = json.dumps(without_empty(message), sort_keys=True)
                assert seen.setdefault(formed.payload, reading) == reading


@given(cards())
def test_bytes_on_which_all_agree_are_those_of_every_form(card: dict[str, Any]) -> None:
    forms = CardForms(card)
    try:
        agreed = forms.agreed()
    except CardFormError:
        return
    assert {forms.form(form).payload for form in (CardForm.SPEC, CardForm.SDK, CardForm.RAW)} == {agreed}
    assert sdk_bytes(card) == agreed
    assert not forms.form(CardForm.SPEC).uncovered
    assert not forms.form(CardForm.SDK).uncovered


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize("form", CardForm)
@given(card=ANY_JSON)
def test_no_json_object_is_more_than_a_card_without_that_form(form: CardForm, card: Any) -> None:
    payload(card if isinstance(card, dict) else {"skills": card}, form)
