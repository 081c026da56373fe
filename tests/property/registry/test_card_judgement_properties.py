"""What holds of verdicts, findings, comparisons and look-alikes, whatever the card."""

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from ringfence_kit.names import AgentName
from ringfence_registry.cards.admission import objections
from ringfence_registry.cards.comparison.comparing import compare_cards
from ringfence_registry.cards.comparison.model import Compatibility
from ringfence_registry.cards.display_name import default_display_name
from ringfence_registry.cards.look_alikes import plain_reading, skeleton
from ringfence_registry.cards.model import CardVerdict, FindingKind
from ringfence_registry.cards.reading import WholeCard, read_whole_card
from ringfence_registry.cards.strict_json import MAX_FAULTS
from ringfence_registry.cards.unicode_text import HIDDEN
from ringfence_registry.convert.cards import card_view
from ringfence_registry.errors import CardInvalid
from ringfence_registry.namespaces.policy import Admission
from support.registry.card_shapes import REAL_LOOKING, mostly_readable, mutated_documents

BREAKING, IDENTICAL = Compatibility.BREAKING, Compatibility.IDENTICAL
VERDICTS = st.sampled_from([each for each in CardVerdict if each is not CardVerdict.UNREADABLE])


def read(card: Any) -> WholeCard:
    """Return the card, or give the example up when it is none."""
    try:
        return read_whole_card(card if isinstance(card, bytes) else json.dumps(card).encode())
    except CardInvalid:
        assume(False)
        raise


def members(card: Any, member: str) -> list[Any]:
    value = card.get(member) if isinstance(card, dict) else None
    return value if isinstance(value, list) else []


@given(mostly_readable(), VERDICTS, st.frozensets(st.sampled_from(FindingKind)))
def test_a_card_is_let_in_exactly_when_its_verdict_is_good_enough_and_no_finding_is_refused(
    body: bytes, least: CardVerdict, refused: frozenset[FindingKind]
) -> None:
    facts = read(body).card.facts
    against = objections(facts, Admission(least_verdict=least, refused_findings=tuple(refused)))
    let_in = not facts.verdict.is_worse_than(least) and refused.isdisjoint(each.kind for each in facts.findings)
    assert (not against) is let_in
    assert len(against) <= MAX_FAULTS


@given(mostly_readable())
def test_whatever_was_read_can_be_said_in_messages(body: bytes) -> None:
    facts = read(body).card.facts
    view = card_view(facts)
    assert type(view).FromString(view.SerializeToString()) == view
    assert default_display_name(AgentName("finance", "ledger"), facts)


@given(mostly_readable())
def test_reading_a_card_twice_says_the_same(body: bytes) -> None:
    assert read(body) == read(body)


@given(mutated_documents())
def test_a_card_compares_with_itself_as_identical(document: Any) -> None:
    content = read(document).content
    assert compare_cards(content, content).compatibility is IDENTICAL


@given(mutated_documents(), mutated_documents())
def test_any_two_cards_compare_and_every_difference_has_a_place_and_a_sentence(one: Any, other: Any) -> None:
    before, after = read(one).content, read(other).content
    comparison = compare_cards(before, after)
    effects = [each.compatibility for each in comparison.differences]
    assert comparison.compatibility is (effects[0] if effects else IDENTICAL)
    assert effects == sorted(effects, key=lambda effect: effect is not BREAKING)
    assert all(each.problem and len(each.problem) < 1_000 for each in comparison.differences)
    assert all(each.pointer == "" or each.pointer.startswith("/") for each in comparison.differences)


@given(st.sampled_from(REAL_LOOKING), st.data())
def test_what_is_added_breaks_nobody_and_what_is_taken_back_does(body: bytes, data: st.DataObject) -> None:
    card = json.loads(body)
    member = data.draw(st.sampled_from(["skills", "defaultInputModes", "defaultOutputModes"]))
    assume(read(card).card.facts.verdict is not CardVerdict.NONCONFORMANT and "*/*" not in members(card, member))
    new = {"id": "brand-new", "name": "New", "description": "New.", "tags": ["new"]} if member == "skills" else "x/new"
    more = {**card, member: [*members(card, member), new]}
    before, after = read(card).content, read(more).content
    assert compare_cards(before, after).compatibility is Compatibility.COMPATIBLE
    assert compare_cards(after, before).compatibility is BREAKING


@given(st.text(max_size=40))
def test_the_key_of_a_name_is_its_own_key(name: str) -> None:
    assert skeleton(skeleton(name)) == skeleton(name)


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.", min_size=1, max_size=30))
def test_case_and_separators_never_tell_two_ascii_names_apart(name: str) -> None:
    assume(any(map(str.isalnum, name)))
    assert skeleton(name) == skeleton(name.upper()) == skeleton(name.lower()) == skeleton(name.replace("-", " "))


@given(st.text(max_size=40), st.sampled_from("\u200b\u202e\u00ad\ufeff\u2066"), st.integers(0, 40))
def test_hidden_characters_never_make_another_name(name: str, hidden: str, at: int) -> None:
    assume(any(map(str.isalnum, name)))
    assert skeleton(name[:at] + hidden + name[at:]) == skeleton(name)
    assert HIDDEN.search(plain_reading(name[:at] + hidden + name[at:])) is None
