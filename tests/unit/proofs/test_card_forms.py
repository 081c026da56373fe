"""The canonical forms of cards, story by story: what each keeps, what it drops, and what it then does not cover."""

import json
from typing import Any

import pytest
from ringfence.proofs.card_forms import MAX_UNCOVERED, CardForm, CardFormError, CardForms

SPEC_EXAMPLE: dict[str, Any] = {
    "name": "Example Agent",
    "description": "",
    "capabilities": {"streaming": False, "pushNotifications": False, "extensions": []},
    "skills": [],
}


def formed(card: dict[str, Any], form: CardForm) -> Any:
    return json.loads(CardForms(card).form(form).payload)


def uncovered(card: dict[str, Any], form: CardForm) -> tuple[str, ...]:
    return CardForms(card).form(form).uncovered


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (
            CardForm.SPEC,
            b'{"capabilities":{"pushNotifications":false,"streaming":false},'
            b'"description":"","name":"Example Agent","skills":[]}',
        ),
        (CardForm.SDK, b'{"capabilities":{"pushNotifications":false,"streaming":false},"name":"Example Agent"}'),
        (
            CardForm.RAW,
            b'{"capabilities":{"extensions":[],"pushNotifications":false,"streaming":false},'
            b'"description":"","name":"Example Agent","skills":[]}',
        ),
        (CardForm.STRIPPED, b'{"name":"Example Agent"}'),
    ],
)
def test_the_worked_example_of_the_specification_in_each_form(form: CardForm, expected: bytes) -> None:
    assert CardForms(SPEC_EXAMPLE).form(form).payload == expected  # A2A 1.0 8.4.1


def test_what_the_stripped_form_drops_of_the_example_is_uncovered() -> None:
    assert uncovered(SPEC_EXAMPLE, CardForm.SPEC) == ()
    assert uncovered(SPEC_EXAMPLE, CardForm.SDK) == ()
    assert uncovered(SPEC_EXAMPLE, CardForm.STRIPPED) == ("/capabilities/streaming", "/capabilities/pushNotifications")


def test_members_a2a_does_not_know_are_uncovered_at_every_level() -> None:
    card = {
        "name": "a",
        "x-evil": 1,
        "skills": [{"id": "s", "secretInstructions": "do it"}],
        "capabilities": {"extensions": [{"uri": "u", "a/b": 1}]},
        "securitySchemes": {"k": {"mtlsSecurityScheme": {"description": "d", "x": 1}, "type": "mutualTLS"}},
    }
    expected = {
        "/x-evil",
        "/skills/0/secretInstructions",
        "/capabilities/extensions/0/a~1b",
        "/securitySchemes/k/type",
        "/securitySchemes/k/mtlsSecurityScheme/x",
    }
    for form in (CardForm.SPEC, CardForm.SDK, CardForm.STRIPPED):
        assert set(uncovered(card, form)) == expected
    assert uncovered(card, CardForm.RAW) == ()


@pytest.mark.parametrize(
    ("card", "pointers"),
    [
        ({"skills": [{"id": "s", "examples": ["a", ""]}]}, {"/skills/0/examples/1"}),
        ({"skills": [{}, {"id": "s"}]}, {"/skills/0"}),
        ({"securityRequirements": [{"schemes": {"key": {"list": []}}}]}, {"/securityRequirements/0/schemes/key"}),
        ({"securitySchemes": {"tls": {"mtlsSecurityScheme": {}}}}, {"/securitySchemes/tls"}),
        (
            {"capabilities": {"extensions": [{"uri": "u", "params": {"a": "", "b": None, "c": [{}], "d": 1}}]}},
            {f"/capabilities/extensions/0/params/{name}" for name in ("a", "b", "c")},
        ),
    ],
)
def test_empty_values_a_reader_sees_are_not_covered_by_the_sdk_form(card: dict[str, Any], pointers: set[str]) -> None:
    """Among them a security requirement without scopes: the SDK's signature holds with and without it."""
    assert pointers <= set(uncovered(card, CardForm.SDK))
    assert uncovered(card, CardForm.SPEC) == ()


@pytest.mark.parametrize("name", ["provider", "documentationUrl", "iconUrl", "securitySchemes", "securityRequirements"])
def test_an_empty_member_that_reads_as_absent_needs_no_cover(name: str) -> None:
    empty: Any = {"provider": {}, "securitySchemes": {}, "securityRequirements": []}.get(name, "")
    assert uncovered({"name": "a", name: empty}, CardForm.SDK) == ()


def test_optional_members_stay_when_they_are_set_to_nothing() -> None:
    card = {"name": "a", "iconUrl": "", "provider": {"url": "", "organization": "o"}}
    assert formed(card, CardForm.SPEC) == card
    assert formed(card, CardForm.SDK) == {"name": "a", "provider": {"organization": "o"}}


def test_plain_members_go_when_they_are_empty() -> None:
    interface = {"url": "u", "protocolBinding": "", "tenant": ""}
    card = {
        "supportedInterfaces": [interface],
        "capabilities": {"extensions": [{"required": False, "uri": "", "params": {}}]},
    }
    assert formed(card, CardForm.SPEC) == {
        "supportedInterfaces": [{"url": "u", "protocolBinding": ""}],
        "capabilities": {"extensions": [{"params": {}}]},
    }


def test_the_protos_spelling_becomes_the_json_one() -> None:
    card = {"supported_interfaces": [{"url": "u", "protocol_binding": "GRPC"}], "icon_url": "i"}
    expected = {"supportedInterfaces": [{"url": "u", "protocolBinding": "GRPC"}], "iconUrl": "i"}
    for form in (CardForm.SPEC, CardForm.SDK, CardForm.STRIPPED):
        assert formed(card, form) == expected


@pytest.mark.parametrize(
    "card",
    [
        {"name": 1},
        {"name": ["a"]},
        {"skills": {}},
        {"skills": [None]},
        {"skills": ["s"]},
        {"skills": [{"tags": [1]}]},
        {"capabilities": []},
        {"capabilities": {"streaming": "true"}},
        {"capabilities": {"streaming": 0}},
        {"capabilities": {"extensions": [{"params": []}]}},
        {"securitySchemes": []},
        {"securitySchemes": {"k": None}},
        {"iconUrl": "a", "icon_url": "a"},
        {"iconUrl": None, "icon_url": "a"},
        {"securitySchemes": {"k": {"apiKeySecurityScheme": {}, "mtlsSecurityScheme": {}}}},
        {"securitySchemes": {"k": {"oauth2SecurityScheme": {"flows": {"implicit": {}, "password": {}}}}}},
    ],
)
def test_a_card_that_two_readers_could_read_differently_has_no_form_but_the_raw_one(card: dict[str, Any]) -> None:
    assert [form for form, _ in CardForms(card).available()] == [CardForm.RAW]


def test_one_of_two_flows_may_be_null() -> None:
    flows = {"implicit": None, "password": {"tokenUrl": "t"}}
    card = {"securitySchemes": {"k": {"oauth2SecurityScheme": {"flows": flows}}}}
    assert formed(card, CardForm.SDK)["securitySchemes"]["k"] == {
        "oauth2SecurityScheme": {"flows": {"password": {"tokenUrl": "t"}}}
    }


def params(value: Any) -> dict[str, Any]:
    return {"capabilities": {"extensions": [{"params": {"n": value}}]}}


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1.0, b"1"),
        (1e21, b"1e+21"),
        (-0.0, b"0"),
        (1e-7, b"1e-7"),
        (2**53 - 1, b"9007199254740991"),
        (2**60, b"1152921504606847000"),
        (333333333.33333329, b"333333333.3333333"),
    ],
)
def test_numbers_are_those_of_ecmascript(number: float, written: bytes) -> None:
    for form in (CardForm.SPEC, CardForm.SDK):
        assert b'{"n":' + written + b"}" in CardForms(params(number)).form(form).payload


def test_a_whole_number_beyond_what_a_double_holds_is_not_covered() -> None:
    card = params(2**53 + 1)
    assert uncovered(card, CardForm.SDK) == ("/capabilities/extensions/0/params/n",)
    with pytest.raises(CardFormError, match="RFC 8785"):
        CardForms(card).form(CardForm.RAW)
    with pytest.raises(CardFormError, match="no double"):
        CardForms(params(10**400)).form(CardForm.SDK)


def test_names_are_sorted_by_their_utf_16_code_units() -> None:
    """U+1F600 comes before U+FB33 there, and after it by code point."""
    names = CardForms({"\ufb33": 1, "\U0001f600": 2}).form(CardForm.RAW).payload.decode()
    assert names == '{"\U0001f600":2,"\ufb33":1}'


def test_a_lone_surrogate_has_no_form() -> None:
    assert list(CardForms({"name": "\ud800"}).available()) == []


def test_a_card_of_nothing_but_foreign_members_is_described_by_the_first() -> None:
    card = {f"x-{number}": 1 for number in range(1_000)}
    assert len(uncovered(card, CardForm.SDK)) == MAX_UNCOVERED
    assert len(uncovered({"x" * 10_000: 1}, CardForm.SDK)[0]) <= 160


def test_endless_nesting_is_no_form_and_no_crash() -> None:
    deep: Any = {}
    for _ in range(20_000):
        deep = {"a": deep}
    assert list(CardForms(params(deep)).available()) == []


def test_the_forms_agree_on_a_plain_card_and_say_which_does_not_on_another() -> None:
    plain: Any = {"name": "a", "skills": [{"id": "s", "tags": ["t"]}], "capabilities": {"streaming": True}}
    for card in (plain, {**plain, "capabilities": {"streaming": False}}):
        assert CardForms(card).agreed() == CardForms(card).form(CardForm.RAW).payload
    for card, form in (
        ({**plain, "x-evil": 1}, "SPEC"),
        ({**plain, "description": ""}, "SDK"),
        ({**plain, "supported_interfaces": []}, "SPEC"),
    ):
        with pytest.raises(CardFormError, match=form):
            CardForms(card).agreed()
