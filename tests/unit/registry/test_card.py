"""Taking in cards: the verdict and its reasons, what is derived, what is refused."""

import hashlib
import json
from typing import Any

import pytest
from ringfence_registry.cards.model import CardDialect, CardFacts, CardInterface, CardVerdict
from ringfence_registry.cards.reading import CARD_LIMITS, read_card
from ringfence_registry.cards.reasons import MAX_REASONS
from ringfence_registry.errors import CardInvalid

INTERFACE = {"url": "https://ledger.example.com", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
LEDGER: dict[str, Any] = {
    "name": "Ledger",
    "description": "Keeps the ledger.",
    "version": "1.0.0",
    "supportedInterfaces": [INTERFACE],
    "capabilities": {},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "read", "name": "Read", "description": "Reads.", "tags": ["sql"]}],
}
LEDGER_0_2: dict[str, Any] = {
    **{member: value for member, value in LEDGER.items() if member != "supportedInterfaces"},
    "url": "https://ledger.example.com",
}
LEDGER_0_3: dict[str, Any] = {**LEDGER_0_2, "protocolVersion": "0.3.0"}

ERAS = pytest.mark.parametrize("era", [LEDGER, LEDGER_0_2, LEDGER_0_3], ids=["1.0", "0.2", "0.3"])


def facts_of(card: dict[str, Any], **changed: Any) -> CardFacts:
    return read_card(json.dumps({**card, **changed}).encode()).facts


def refusals_of(body: bytes | dict[str, Any]) -> dict[str, str]:
    with pytest.raises(CardInvalid) as caught:
        read_card(body if isinstance(body, bytes) else json.dumps(body).encode())
    return {violation.field: violation.problem for violation in caught.value.violations}


def reasons_of(card: dict[str, Any], verdict: CardVerdict, **changed: Any) -> dict[str, str]:
    """The reasons for one verdict; those that the card as a whole is of another generation are left out."""
    reasons = facts_of(card, **changed).reasons
    return {each.pointer: each.problem for each in reasons if each.verdict is verdict and each.pointer}


def violations_of(card: dict[str, Any], **changed: Any) -> dict[str, str]:
    return reasons_of(card, CardVerdict.NONCONFORMANT, **changed)


def warnings_of(card: dict[str, Any], **changed: Any) -> dict[str, str]:
    return reasons_of(card, CardVerdict.VALID_WITH_WARNINGS, **changed)


def without(card: dict[str, Any], member: str) -> dict[str, Any]:
    return {name: value for name, value in card.items() if name != member}


def test_the_bytes_stay_as_they_came() -> None:
    body = b'\n{ "name":"L\\u00e4dger" ,"version" : "1",\t"url":"https:\\/\\/ledger.example.com", "z":1.50}\r\n'
    card = read_card(body)
    assert card.body == body
    assert card.facts.sha256 == hashlib.sha256(body).hexdigest()
    assert card.facts.size == len(body)
    assert card.facts.name == "Lädger"


def test_a_complete_card_is_valid_and_draws_no_remark() -> None:
    facts = facts_of(LEDGER)
    assert (facts.verdict, facts.reasons, facts.findings) == (CardVerdict.VALID, (), ())


@ERAS
def test_a_complete_card_of_any_generation_is_admitted_by_default(era: dict[str, Any]) -> None:
    facts = facts_of(era)
    assert not facts.verdict.is_worse_than(CardVerdict.UPCONVERTED)
    assert violations_of(era) == warnings_of(era) == {}


def test_verdicts_are_ordered_from_the_best() -> None:
    verdicts = list(CardVerdict)
    for place, verdict in enumerate(verdicts):
        assert [verdict.is_worse_than(other) for other in verdicts] == [place > at for at in range(len(verdicts))]


@pytest.mark.parametrize("missing", ["description", "capabilities", "defaultInputModes", "defaultOutputModes"])
@pytest.mark.parametrize("era", [LEDGER, LEDGER_0_3], ids=["1.0", "0.3"])
def test_what_the_specification_requires_is_required(missing: str, era: dict[str, Any]) -> None:
    assert violations_of(without(era, missing)) == {f"/{missing}": "is missing"}
    assert violations_of(era, **{missing: None}) == {f"/{missing}": "is missing"}


@pytest.mark.parametrize("missing", ["description", "defaultInputModes", "defaultOutputModes"])
def test_what_the_first_drafts_did_without_is_a_warning_in_a_card_of_their_time(missing: str) -> None:
    assert violations_of(without(LEDGER_0_2, missing)) == {}
    assert warnings_of(without(LEDGER_0_2, missing)) == {f"/{missing}": "is missing"}


@pytest.mark.parametrize(("member", "empty"), [("defaultInputModes", []), ("description", "")])
def test_an_empty_value_is_none_since_1_0_and_was_one_before(member: str, empty: object) -> None:
    assert violations_of(LEDGER, **{member: empty}) == {f"/{member}": "is empty"}
    assert warnings_of(LEDGER_0_3, **{member: empty}) == {f"/{member}": "is empty"}


@ERAS
def test_a_card_without_skills_is_sound_with_a_warning(era: dict[str, Any]) -> None:
    assert warnings_of(era, skills=[]) == {"/skills": "is empty"}
    assert warnings_of(without(era, "skills")) == {"/skills": "is missing"}
    assert violations_of(era, skills=[]) == {}


@pytest.mark.parametrize(
    ("era", "missing"),
    [
        *((LEDGER, member) for member in ("name", "version", "supportedInterfaces")),
        *((LEDGER_0_3, member) for member in ("name", "version", "url")),
    ],
)
@pytest.mark.parametrize("nothing", [None, "", "  \t"])
def test_name_version_and_endpoint_are_vital_in_every_generation(
    era: dict[str, Any], missing: str, nothing: str | None
) -> None:
    empty: object = [] if nothing == "" and missing == "supportedInterfaces" else nothing
    assert list(violations_of(era, **{missing: empty})) == [f"/{missing}"]


def test_every_reason_is_given_at_once_with_its_rule() -> None:
    facts = facts_of({"name": 7, "skills": {"a": {}}, "provider": "me"})
    given = {reason.pointer: (reason.rule, reason.problem) for reason in facts.reasons}
    assert given["/name"] == ("A2A 1.0 4.4.1", "must be a string, not a number")
    assert given["/version"] == ("A2A 1.0 4.4.1", "is missing")
    assert given["/skills"] == ("A2A 1.0 4.4.1", "must be a list, not an object")
    assert given["/skills/a/name"] == ("A2A 1.0 4.4.5", "is missing")
    assert given["/provider"] == ("A2A 1.0 4.4.2", "must be an object, not a string")
    assert facts.verdict is CardVerdict.NONCONFORMANT


def test_an_older_card_is_judged_by_the_sections_of_its_own_specification() -> None:
    assert {reason.rule for reason in facts_of(without(LEDGER_0_3, "description")).reasons} == {"A2A 0.3 5.5"}


@pytest.mark.parametrize("body", [b"null", b"[]", b'"card"', b"3", b"true"])
def test_a_card_is_an_object(body: bytes) -> None:
    assert refusals_of(body) == {"card": "must be a JSON object"}


def test_size_and_depth_are_those_of_the_contract() -> None:
    padding = CARD_LIMITS.size - len(json.dumps({**LEDGER_0_2, "x": ""}))
    assert facts_of(LEDGER_0_2, x="x" * padding).size == 65_536
    assert refusals_of({**LEDGER_0_2, "x": "x" * (padding + 1)}) == {"card": "has 65537 bytes; at most 65536 are read"}
    deep: Any = 1
    for _ in range(63):
        deep = [deep]
    assert facts_of(LEDGER_0_2, x=deep).name == "Ledger"
    assert list(refusals_of({**LEDGER_0_2, "x": [deep]}).values()) == ["nests deeper than 64 levels"]


@pytest.mark.parametrize(
    ("members", "dialect"),
    [
        ({"supportedInterfaces": [INTERFACE]}, CardDialect.V1_0),
        ({"url": "https://a.example.com"}, CardDialect.V0_2),
        ({"url": "https://a.example.com", "protocolVersion": "0.3.0"}, CardDialect.V0_3),
        ({"url": "https://a.example.com", "protocolVersion": "0.2.6"}, CardDialect.V0_2),
        ({"url": "https://a.example.com", "protocolVersion": "0.2.6", "preferredTransport": "GRPC"}, CardDialect.V0_2),
        ({"url": "https://a.example.com", "protocolVersion": "1.0"}, CardDialect.V0_3),
        ({"url": "https://a.example.com", "preferredTransport": "GRPC"}, CardDialect.V0_3),
        (
            {"url": "https://a.example.com", "additionalInterfaces": [{"url": "u", "transport": "GRPC"}]},
            CardDialect.V0_3,
        ),
        ({"url": "https://a.example.com", "supportedInterfaces": [INTERFACE]}, CardDialect.HYBRID),
        ({"supportsAuthenticatedExtendedCard": False, "supportedInterfaces": [INTERFACE]}, CardDialect.HYBRID),
        ({"url": "https://a.example.com", "supportedInterfaces": []}, CardDialect.V0_2),
        ({"url": None, "supportedInterfaces": [INTERFACE]}, CardDialect.V1_0),
        ({"protocolVersion": "0.3.0"}, CardDialect.V0_3),
        ({}, CardDialect.V1_0),
    ],
)
def test_the_generation_is_told_from_how_the_agent_is_reached(members: dict[str, Any], dialect: CardDialect) -> None:
    assert facts_of({"name": "A", "version": "1", **members}).dialect is dialect


def test_the_interfaces_of_an_old_card_come_in_order_of_preference_and_once() -> None:
    facts = facts_of(
        LEDGER_0_2,
        protocolVersion="0.3.0",
        preferredTransport="grpc",
        additionalInterfaces=[
            {"url": "https://ledger.example.com", "transport": "GRPC"},
            {"url": "https://ledger.example.com/rest", "transport": "rest"},
        ],
    )
    assert facts.interfaces == (
        CardInterface(url="https://ledger.example.com", protocol_binding="GRPC", protocol_version="0.3"),
        CardInterface(url="https://ledger.example.com/rest", protocol_binding="HTTP+JSON", protocol_version="0.3"),
    )


def test_a_card_that_states_another_generation_than_it_has_is_warned() -> None:
    assert list(warnings_of(LEDGER_0_3, protocolVersion="1.0")) == ["/protocolVersion"]
    assert facts_of(LEDGER_0_3, protocolVersion="1.0").protocol_versions == ("1.0",)
    assert violations_of(LEDGER_0_3, protocolVersion="latest") == {"/protocolVersion": "is not a version"}


def test_interfaces_of_1_0_in_the_words_of_0_3_are_read() -> None:
    facts = facts_of(LEDGER_0_3, supportedInterfaces=[{"url": "https://ledger.example.com", "transport": "JSONRPC"}])
    assert (facts.dialect, facts.verdict) == (CardDialect.HYBRID, CardVerdict.UPCONVERTED)
    assert [(each.protocol_binding, each.protocol_version) for each in facts.interfaces] == [("JSONRPC", "0.3")]


def test_a_hybrid_is_reached_by_its_newest_interfaces_first() -> None:
    facts = facts_of(LEDGER, url="https://old.example.com", protocolVersion="0.3.0")
    assert [(each.url, each.protocol_version) for each in facts.interfaces] == [
        ("https://ledger.example.com", "1.0"),
        ("https://old.example.com", "0.3"),
    ]
    assert facts.protocol_versions == ("1.0", "0.3")
    assert facts.verdict is CardVerdict.UPCONVERTED


@pytest.mark.parametrize("shared", [{"protocolVersion": "1.0"}, {"protocolVersions": ["1.0"]}])
def test_drafts_of_1_0_say_their_version_once_for_all_interfaces(shared: dict[str, Any]) -> None:
    facts = facts_of(LEDGER, supportedInterfaces=[{**INTERFACE, "protocolVersion": None}], **shared)
    assert facts.protocol_versions == ("1.0",)
    assert facts.verdict is CardVerdict.UPCONVERTED


@pytest.mark.parametrize("shared", [{}, {"protocolVersions": ["1.0", "0.3"]}, {"protocolVersions": [1]}])
def test_no_version_is_guessed(shared: dict[str, Any]) -> None:
    faults = violations_of(LEDGER, supportedInterfaces=[{**INTERFACE, "protocolVersion": None}], **shared)
    assert faults == {"/supportedInterfaces/0/protocolVersion": "is missing"}
    entry = [{**INTERFACE, "protocolVersion": None}]
    assert violations_of(LEDGER, supportedInterfaces=entry, protocolVersion="latest") == {
        "/protocolVersion": "is not a version"
    }


@pytest.mark.parametrize(
    "authentication", ["none", ["bearer"], {"schemes": [{"type": "bearer"}]}, {"type": "bearer"}, 7]
)
def test_authentication_of_any_form_is_a_stranger_in_a_card_of_today(authentication: Any) -> None:
    for card in (LEDGER_0_3, LEDGER):
        assert not violations_of(card, authentication=authentication)
        assert list(warnings_of(card, authentication=authentication)) == ["/authentication"]
        assert facts_of(card, authentication=authentication).security_schemes == ()


def test_authentication_of_the_first_drafts_is_read_in_every_card() -> None:
    for card in (LEDGER_0_2, LEDGER_0_3, LEDGER):
        schemes = facts_of(card, authentication={"schemes": ["bearer"]}).security_schemes
        assert [scheme.name for scheme in schemes] == ["bearer"]
    assert "/authentication" in violations_of(LEDGER_0_2, authentication="none")


def test_an_address_that_is_only_repeated_for_older_clients_is_no_interface_more() -> None:
    rest = {**INTERFACE, "protocolBinding": "HTTP+JSON"}
    for stated in ({}, {"protocolVersion": "1.0"}):
        facts = facts_of(LEDGER, supportedInterfaces=[rest], url=INTERFACE["url"], **stated)
        assert [(each.protocol_binding, each.protocol_version) for each in facts.interfaces] == [("HTTP+JSON", "1.0")]
        assert facts.dialect is CardDialect.HYBRID
    for stated in ({"protocolVersion": "0.3.0"}, {"preferredTransport": "JSONRPC"}):
        facts = facts_of(LEDGER, supportedInterfaces=[rest], url=INTERFACE["url"], **stated)
        assert [each.protocol_version for each in facts.interfaces] == ["1.0", "0.3"]


def test_one_address_may_speak_several_versions() -> None:
    both = [INTERFACE, {**INTERFACE, "protocolVersion": "0.3"}, INTERFACE]
    assert [each.protocol_version for each in facts_of(LEDGER, supportedInterfaces=both).interfaces] == ["1.0", "0.3"]


@pytest.mark.parametrize(
    ("given", "normalised"),
    [
        ("JSONRPC", "JSONRPC"),
        ("json-rpc", "JSONRPC"),
        ("jsonrpc+http", "JSONRPC"),
        ("grpc", "GRPC"),
        ("HTTP+JSON", "HTTP+JSON"),
        ("REST", "HTTP+JSON"),
        ("https://bindings.example.com/nats", "https://bindings.example.com/nats"),
        ("MCP", "MCP"),
    ],
)
def test_bindings_are_normalised_for_search(given: str, normalised: str) -> None:
    facts = facts_of(LEDGER, supportedInterfaces=[{**INTERFACE, "protocolBinding": given}])
    assert facts.interfaces[0].protocol_binding == normalised


@pytest.mark.parametrize(
    ("given", "kept", "verdict"),
    [
        ("1.0", "1.0", CardVerdict.VALID),
        ("0.3", "0.3", CardVerdict.VALID),
        ("1.0.1", "1.0", CardVerdict.VALID_WITH_WARNINGS),
        ("v1.0", "1.0", CardVerdict.VALID_WITH_WARNINGS),
        ("draft", "draft", CardVerdict.NONCONFORMANT),
        ("1", "1", CardVerdict.NONCONFORMANT),
    ],
)
def test_protocol_versions_are_major_and_minor(given: str, kept: str, verdict: CardVerdict) -> None:
    facts = facts_of(LEDGER, supportedInterfaces=[{**INTERFACE, "protocolVersion": given}])
    assert (facts.protocol_versions, facts.verdict) == ((kept,), verdict)
    assert {reason.rule for reason in facts.reasons} <= {"A2A 1.0 3.6"}


@pytest.mark.parametrize(
    ("binding", "url", "verdict"),
    [
        ("JSONRPC", "https://a.example.com/a2a", CardVerdict.VALID),
        ("GRPC", "a.example.com:443", CardVerdict.VALID),
        ("GRPC", "https://a.example.com/grpc", CardVerdict.VALID),
        ("GRPC", "dns:///a.example.com:443", CardVerdict.VALID),
        ("JSONRPC", "http://a.example.com", CardVerdict.VALID_WITH_WARNINGS),
        ("JSONRPC", "a.example.com:443", CardVerdict.VALID_WITH_WARNINGS),
        ("JSONRPC", "/a2a", CardVerdict.NONCONFORMANT),
        ("JSONRPC", "agent", CardVerdict.NONCONFORMANT),
        ("JSONRPC", "https://", CardVerdict.NONCONFORMANT),
        ("JSONRPC", "https://a.example.com/a b", CardVerdict.NONCONFORMANT),
        ("JSONRPC", "https://[::1", CardVerdict.NONCONFORMANT),
        ("JSONRPC", "https://a.example.com:99999/", CardVerdict.NONCONFORMANT),
        ("JSONRPC", "javascript:alert(1)", CardVerdict.NONCONFORMANT),
        ("JSONRPC", "file:///etc/passwd", CardVerdict.NONCONFORMANT),
    ],
)
def test_an_interface_says_where_it_is(binding: str, url: str, verdict: CardVerdict) -> None:
    facts = facts_of(LEDGER, supportedInterfaces=[{**INTERFACE, "protocolBinding": binding, "url": url}])
    assert facts.verdict is verdict
    assert facts.interfaces[0].url == url


def test_a_capability_nobody_mentions_is_neither_on_nor_off() -> None:
    assert facts_of(LEDGER).capabilities.streaming is None
    assert facts_of(LEDGER, capabilities={"streaming": False}).capabilities.streaming is False
    assert facts_of(LEDGER_0_2, supportsAuthenticatedExtendedCard=True).capabilities.extended_agent_card is True


def test_both_spellings_of_a_member_are_read_and_never_two_meanings_at_once() -> None:
    snake = {**without(LEDGER, "supportedInterfaces"), "supported_interfaces": [{**INTERFACE, "tenant": "a"}]}
    assert facts_of(snake).interfaces[0].tenant == "a"
    assert facts_of(snake).verdict is CardVerdict.UPCONVERTED
    assert facts_of(snake, supportedInterfaces=snake["supported_interfaces"]).verdict is CardVerdict.VALID
    both = {**snake, "supportedInterfaces": [INTERFACE]}
    assert refusals_of(both) == {
        "card#/supported_interfaces": "says something else than supportedInterfaces, its other spelling"
    }


def test_unknown_members_are_left_alone() -> None:
    assert facts_of(LEDGER, **{"x-rank": {"url": 7}, "Name": 3}).verdict is CardVerdict.VALID


def test_a_skill_id_used_twice_is_remarked_on_at_each_use() -> None:
    skill = LEDGER["skills"][0]
    assert warnings_of(LEDGER, skills=[skill, {**skill, "id": "write"}, skill]) == {
        "/skills/0/id": "is the id of 2 skills",
        "/skills/2/id": "is the id of 2 skills",
    }


def test_skills_carry_what_they_are_found_by() -> None:
    (skill,) = facts_of(LEDGER).skills
    assert (skill.id, skill.name, skill.description, skill.tags) == ("read", "Read", "Reads.", ("sql",))


def test_skills_in_the_wrong_form_are_found_all_the_same() -> None:
    assert [skill.id for skill in facts_of(LEDGER, skills=["a", {"id": "b"}, 3]).skills] == ["a", "b"]
    assert [skill.id for skill in facts_of(LEDGER, skills={"a": {}, "b": {"id": "c"}}).skills] == ["a", "c"]


def test_reasons_end_somewhere_and_what_decides_is_among_them() -> None:
    skills = [{"id": f"s{number}", "name": "S", "description": "D"} for number in range(400)]
    reasons = facts_of(LEDGER, skills=skills).reasons
    assert len(reasons) == MAX_REASONS + 1
    assert reasons[-1].problem == "has more to remark on than is listed here"
    doubled = [{"id": "s", "name": "S", "description": "D", "tags": ["t"]}] * 100
    facts = facts_of(LEDGER, skills=doubled, signatures=[{}])
    assert facts.verdict is CardVerdict.NONCONFORMANT
    assert "/signatures/0/protected" in {reason.pointer for reason in facts.reasons}
