"""Taking in cards: what is derived, what is remarked on, what is refused."""

import hashlib
import json
from typing import Any

import pytest
from ringfence_registry.cards.members import MAX_FINDINGS
from ringfence_registry.cards.model import CardDialect, CardFacts, CardInterface
from ringfence_registry.cards.reading import CARD_LIMITS, read_card
from ringfence_registry.cards.strict_json import MAX_FAULTS
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
    "name": "Ledger",
    "version": "1",
    "url": "https://ledger.example.com",
}


def facts_of(card: dict[str, Any], **changed: Any) -> CardFacts:
    return read_card(json.dumps({**card, **changed}).encode()).facts


def refusals_of(body: bytes | dict[str, Any]) -> dict[str, str]:
    with pytest.raises(CardInvalid) as caught:
        read_card(body if isinstance(body, bytes) else json.dumps(body).encode())
    return {violation.field: violation.problem for violation in caught.value.violations}


def findings_of(card: dict[str, Any], **changed: Any) -> dict[str, str]:
    return {finding.pointer: finding.problem for finding in facts_of(card, **changed).findings}


def test_the_bytes_stay_as_they_came() -> None:
    body = b'\n{ "name":"L\\u00e4dger" ,"version" : "1",\t"url":"https:\\/\\/ledger.example.com", "z":1.50}\r\n'
    card = read_card(body)
    assert card.body == body
    assert card.facts.sha256 == hashlib.sha256(body).hexdigest()
    assert card.facts.size == len(body)
    assert card.facts.name == "Lädger"


def test_a_complete_card_draws_no_remark() -> None:
    assert findings_of(LEDGER) == {}


@pytest.mark.parametrize(
    "missing", ["description", "capabilities", "skills", "defaultInputModes", "defaultOutputModes"]
)
def test_what_the_specification_asks_for_and_we_can_do_without_is_remarked_on(missing: str) -> None:
    card = {member: value for member, value in LEDGER.items() if member != missing}
    assert findings_of(card) == {f"/{missing}": "is missing; A2A requires it"}
    assert findings_of(LEDGER, **{missing: None}) == {f"/{missing}": "is missing; A2A requires it"}


@pytest.mark.parametrize("missing", ["name", "version", "supportedInterfaces"])
@pytest.mark.parametrize("nothing", [None, "", []])
def test_without_name_version_or_endpoint_there_is_nothing_to_register(missing: str, nothing: object) -> None:
    if missing == "supportedInterfaces" and nothing == "":
        nothing = {}
    if missing != "supportedInterfaces" and nothing == []:
        nothing = "  \t"
    assert list(refusals_of({**LEDGER, missing: nothing})) == [f"card#/{missing}"]


def test_every_reason_is_given_at_once() -> None:
    assert refusals_of({"name": 7, "skills": {}, "provider": "me"}) == {
        "card#/name": "must be a string, not a number",
        "card#/version": "is missing",
        "card#/supportedInterfaces": "is missing",
        "card#/skills": "must be a list, not an object",
        "card#/provider": "must be an object, not a string",
    }


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
        ({"url": "https://a.example.com", "preferredTransport": "GRPC"}, CardDialect.V0_3),
        (
            {"url": "https://a.example.com", "additionalInterfaces": [{"url": "u", "transport": "GRPC"}]},
            CardDialect.V0_3,
        ),
        ({"url": "https://a.example.com", "supportedInterfaces": [INTERFACE]}, CardDialect.HYBRID),
        ({"supportsAuthenticatedExtendedCard": False, "supportedInterfaces": [INTERFACE]}, CardDialect.HYBRID),
        ({"url": "https://a.example.com", "supportedInterfaces": []}, CardDialect.V0_2),
        ({"url": None, "supportedInterfaces": [INTERFACE]}, CardDialect.V1_0),
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
            {"url": "https://ledger.example.com", "transport": "JSONRPC"},
        ],
    )
    assert facts.interfaces == (
        CardInterface(url="https://ledger.example.com", protocol_binding="GRPC", protocol_version="0.3"),
        CardInterface(url="https://ledger.example.com", protocol_binding="JSONRPC", protocol_version="0.3"),
    )


def test_a_hybrid_is_reached_by_its_newest_interfaces_first() -> None:
    facts = facts_of(LEDGER, url="https://old.example.com", protocolVersion="0.3.0")
    assert [(each.url, each.protocol_version) for each in facts.interfaces] == [
        ("https://ledger.example.com", "1.0"),
        ("https://old.example.com", "0.3"),
    ]
    assert facts.protocol_versions == ("1.0", "0.3")


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
    ("given", "kept", "remarked"),
    [("1.0", "1.0", False), ("1.0.1", "1.0", True), ("0.3", "0.3", False), ("draft", "draft", False)],
)
def test_protocol_versions_are_major_and_minor(given: str, kept: str, remarked: bool) -> None:
    changed = {"supportedInterfaces": [{**INTERFACE, "protocolVersion": given}]}
    assert facts_of(LEDGER, **changed).protocol_versions == (kept,)
    assert (findings_of(LEDGER, **changed) != {}) is remarked


def test_a_capability_nobody_mentions_is_neither_on_nor_off() -> None:
    assert facts_of(LEDGER).capabilities.streaming is None
    assert facts_of(LEDGER, capabilities={"streaming": False}).capabilities.streaming is False
    assert facts_of(LEDGER_0_2, supportsAuthenticatedExtendedCard=True).capabilities.extended_agent_card is True


def test_both_spellings_of_a_member_are_read_and_never_both_at_once() -> None:
    snake = {"name": "A", "version": "1", "supported_interfaces": [{"url": "a:1", "protocol_binding": "GRPC"}]}
    assert facts_of(snake).interfaces[0].protocol_binding == "GRPC"
    both = {**snake, "supportedInterfaces": [{"url": "b:1"}]}
    assert refusals_of(both)["card#/supportedInterfaces"] == (
        "is given twice, as supportedInterfaces and as supported_interfaces"
    )


def test_unknown_members_are_left_alone() -> None:
    assert findings_of(LEDGER, **{"x-rank": {"url": 7}, "Name": 3}) == {}


def test_texts_that_deceive_the_eye_are_remarked_on() -> None:
    assert findings_of(LEDGER, name="Ledger\u202e") == {
        "/name": "contains control or formatting characters, which hide or reorder text"
    }
    assert findings_of(LEDGER, name="La\u0308dger") == {
        "/name": "is not in Unicode normal form C, so equal looking texts differ"
    }
    assert findings_of(LEDGER, description="Two\nlines\tof text") == {}


def test_a_skill_id_used_twice_is_remarked_on_at_each_use() -> None:
    skill = {"id": "read", "name": "Read", "tags": ["sql"]}
    assert findings_of(LEDGER, skills=[skill, {**skill, "id": "write"}, skill]) == {
        "/skills/0/id": "'read' is the id of 2 skills",
        "/skills/2/id": "'read' is the id of 2 skills",
    }


def test_skills_carry_what_they_are_found_by() -> None:
    (skill,) = facts_of(LEDGER).skills
    assert (skill.id, skill.name, skill.tags) == ("read", "Read", ("sql",))


def test_remarks_and_refusals_end_somewhere() -> None:
    findings = facts_of(LEDGER, skills=[{"id": f"s{number}", "name": "S"} for number in range(1_000)]).findings
    assert len(findings) == MAX_FINDINGS + 1
    assert findings[-1].problem == "has more to remark on than is listed here"
    assert len(refusals_of({**LEDGER, "skills": list(range(1_000))})) == MAX_FAULTS
