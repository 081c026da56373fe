"""Whatever the bytes: a card as it came, or a refusal a caller can act on."""

import hashlib
import json

from hypothesis import example, given
from hypothesis import strategies as st
from ringfence_kit import records
from ringfence_registry.cards.findings.scanning import MAX_FINDINGS
from ringfence_registry.cards.model import Card, CardFacts, CardVerdict
from ringfence_registry.cards.reading import CARD_LIMITS, read_card
from ringfence_registry.cards.reasons import MAX_REASONS
from ringfence_registry.cards.strict_json import MAX_FAULTS, StrictJsonError, _faults_in, read_strict_json
from ringfence_registry.errors import CardInvalid
from support.registry.card_shapes import REAL_LOOKING, as_cards, mutated_documents, repeated_members, values

ORDER = list(CardVerdict)


def outcome_of(body: bytes) -> Card | CardInvalid:
    try:
        return read_card(body)
    except CardInvalid as refusal:
        return refusal


@given(as_cards())
def test_any_bytes_are_taken_as_they_are_or_refused_with_places(body: bytes) -> None:
    match outcome_of(body):
        case Card(body=kept, facts=facts):
            assert kept == body
            assert facts.sha256 == hashlib.sha256(body).hexdigest()
            assert facts.verdict is max((each.verdict for each in facts.reasons), key=ORDER.index, default=ORDER[0])
            assert facts.verdict is CardVerdict.NONCONFORMANT or (facts.name and facts.version and facts.interfaces)
            assert all(interface.url for interface in facts.interfaces)
            assert len(facts.reasons) <= MAX_REASONS + len(ORDER)
            assert len(facts.findings) <= MAX_FINDINGS + 1
        case refusal:
            assert 1 <= len(refusal.violations) <= MAX_FAULTS
            assert all(violation.field.startswith("card") and violation.problem for violation in refusal.violations)
            assert len(refusal.message.encode()) < 6_000


@given(as_cards())
def test_what_was_read_survives_being_stored(body: bytes) -> None:
    card = outcome_of(body)
    if isinstance(card, Card):
        assert records.decode(records.encode(card.facts), CardFacts) == card.facts


@given(mutated_documents(), st.booleans(), st.sampled_from([None, 1, 4]), st.booleans())
@example({**json.loads(REAL_LOOKING[0]), "skills": {"summarise": {}, "": {}}}, False, None, True)
def test_formatting_changes_the_digest_and_nothing_else(
    document: object, ascii_only: bool, indent: int | None, sort: bool
) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only, indent=indent, sort_keys=sort).encode("utf-8", "surrogatepass")
    plain, formatted = outcome_of(json.dumps(document).encode()), outcome_of(body)
    if isinstance(plain, CardInvalid) or isinstance(formatted, CardInvalid):
        assert isinstance(plain, CardInvalid) or len(body) > CARD_LIMITS.size
        return
    assert formatted.facts.sha256 == hashlib.sha256(body).hexdigest()
    assert formatted.facts.name == plain.facts.name
    assert formatted.facts.interfaces == plain.facts.interfaces
    assert formatted.facts.skills == plain.facts.skills
    assert formatted.facts.verdict is plain.facts.verdict
    assert set(formatted.facts.findings) == set(plain.facts.findings) or len(plain.facts.findings) > MAX_FINDINGS


@given(repeated_members())
def test_a_repeated_member_is_never_accepted(body: bytes) -> None:
    refusal = outcome_of(body)
    assert isinstance(refusal, CardInvalid)
    assert any("more than once" in violation.problem for violation in refusal.violations)


@given(as_cards())
def test_what_strict_json_accepts_holds_no_fault_however_it_was_looked_through(body: bytes) -> None:
    try:
        value = read_strict_json(body, CARD_LIMITS)
    except StrictJsonError:
        return
    assert tuple(_faults_in(value, CARD_LIMITS)) == ()


@given(values)
def test_strict_json_reads_what_it_accepts_like_the_standard_library(value: object) -> None:
    document = json.dumps(value).encode()
    try:
        read = read_strict_json(document, CARD_LIMITS)
    except StrictJsonError:
        return
    assert read == json.loads(document)
