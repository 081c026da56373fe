"""How callers show who they are, in the words of every generation and of nobody's."""

import json
from typing import Any

import pytest
from ringfence_registry.cards.model import (
    CardContent,
    CardVerdict,
    FlowKind,
    OAuthFlow,
    SchemeKind,
    SecurityScheme,
)
from ringfence_registry.cards.reading import WholeCard, read_whole_card

SHARED: dict[str, Any] = {
    "name": "Ledger",
    "description": "Keeps the ledger.",
    "version": "1.0.0",
    "capabilities": {},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "read", "name": "Read", "description": "Reads.", "tags": ["sql"]}],
}
URL = "https://ledger.example.com"
NEW = {**SHARED, "supportedInterfaces": [{"url": URL, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]}
OLD = {**SHARED, "url": URL, "protocolVersion": "0.3.0"}
TOKENS = "https://id.example.com/token"


def whole(card: dict[str, Any], **changed: Any) -> WholeCard:
    return read_whole_card(json.dumps({**card, **changed}).encode())


def content(card: dict[str, Any], **changed: Any) -> CardContent:
    return whole(card, **changed).content


def scheme(card: dict[str, Any], said: object) -> SecurityScheme:
    (found,) = content(card, securitySchemes={"s": said}).security_schemes
    return found


def problems(card: dict[str, Any], verdict: CardVerdict = CardVerdict.NONCONFORMANT, **changed: Any) -> dict[str, str]:
    reasons = whole(card, **changed).card.facts.reasons
    return {each.pointer: each.problem for each in reasons if each.verdict is verdict}


def asked(card: dict[str, Any], **changed: Any) -> list[dict[str, tuple[str, ...]]]:
    said: dict[str, Any] = {"mtlsSecurityScheme": {}} if card is NEW else {"type": "mutualTLS"}
    found = content(card, **{"securitySchemes": {"a": said, "b": said}, **changed})
    return [dict(each.schemes) for each in found.security_requirements]


FLOW = OAuthFlow(kind=FlowKind.CLIENT_CREDENTIALS, token_url=TOKENS, scopes={"read": "Read"})
SAID_FLOW = {"clientCredentials": {"tokenUrl": TOKENS, "scopes": {"read": "Read"}}}


@pytest.mark.parametrize(
    ("new", "old", "read"),
    [
        (
            {"apiKeySecurityScheme": {"location": "query", "name": "key", "description": "Ask us."}},
            {"type": "apiKey", "in": "query", "name": "key", "description": "Ask us."},
            SecurityScheme(name="s", kind=SchemeKind.API_KEY, location="query", parameter="key", description="Ask us."),
        ),
        (
            {"httpAuthSecurityScheme": {"scheme": "Bearer", "bearerFormat": "JWT"}},
            {"type": "http", "scheme": "Bearer", "bearerFormat": "JWT"},
            SecurityScheme(name="s", kind=SchemeKind.HTTP, http_scheme="Bearer", bearer_format="JWT"),
        ),
        (
            {"oauth2SecurityScheme": {"flows": SAID_FLOW, "oauth2MetadataUrl": "https://id.example.com"}},
            {"type": "oauth2", "flows": SAID_FLOW, "oauth2MetadataUrl": "https://id.example.com"},
            SecurityScheme(
                name="s", kind=SchemeKind.OAUTH2, flows=(FLOW,), oauth2_metadata_url="https://id.example.com"
            ),
        ),
        (
            {"openIdConnectSecurityScheme": {"openIdConnectUrl": "https://id.example.com"}},
            {"type": "openIdConnect", "openIdConnectUrl": "https://id.example.com"},
            SecurityScheme(name="s", kind=SchemeKind.OPEN_ID_CONNECT, open_id_connect_url="https://id.example.com"),
        ),
        (
            {"mtlsSecurityScheme": {}},
            {"type": "mutualTLS"},
            SecurityScheme(name="s", kind=SchemeKind.MUTUAL_TLS),
        ),
    ],
    ids=["apiKey", "http", "oauth2", "openIdConnect", "mutualTLS"],
)
def test_a_scheme_is_the_same_in_either_generation_and_in_both_at_once(
    new: dict[str, Any], old: dict[str, Any], read: SecurityScheme
) -> None:
    assert scheme(NEW, new) == scheme(OLD, old) == scheme(NEW, {**old, **new}) == scheme(NEW, old) == read
    assert whole(NEW, securitySchemes={"s": new}).card.facts.verdict is CardVerdict.VALID
    for late in ({**old}, {**old, **new}):
        assert problems(NEW, securitySchemes={"s": late}) == {}
    assert problems(OLD, securitySchemes={"s": old}) == {}


@pytest.mark.parametrize("kind", FlowKind)
def test_every_flow_is_read_and_asked_for_what_it_needs(kind: FlowKind) -> None:
    (flow,) = scheme(OLD, {"type": "oauth2", "flows": {kind.value: {}}}).flows
    assert flow == OAuthFlow(kind=kind)
    missing = problems(OLD, securitySchemes={"s": {"type": "oauth2", "flows": {kind.value: {}}}})
    assert f"/securitySchemes/s/flows/{kind.value}/scopes" in missing
    assert 2 <= len(missing) <= 3


def test_all_flows_of_a_scheme_are_kept_the_preferred_first() -> None:
    flows = {kind.value: {"scopes": {kind.value: ""}} for kind in reversed(FlowKind)}
    found = whole(OLD, securitySchemes={"s": {"type": "oauth2", "flows": flows}})
    assert [flow.kind for flow in found.content.security_schemes[0].flows] == list(FlowKind)
    (facts,) = found.card.facts.security_schemes
    assert facts.flows == tuple(FlowKind)
    assert set(facts.scopes) == {kind.value for kind in FlowKind}


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({}, ""),
        ("bearer", ""),
        ({"type": "none"}, "/type"),
        ({"type": "Bearer"}, "/type"),
        ({"type": 7}, "/type"),
        ({"type": "apiKey", "in": "body", "name": "k"}, "/in"),
        ({"type": "apiKey", "in": "header"}, "/name"),
        ({"type": "http"}, "/scheme"),
        ({"type": "oauth2"}, "/flows"),
        ({"type": "oauth2", "flows": {"magic": {}}}, "/flows"),
        (
            {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": URL, "scopes": {"a": 1}}}},
            "/flows/implicit/scopes/a",
        ),
        ({"type": "openIdConnect"}, "/openIdConnectUrl"),
    ],
)
def test_what_makes_no_scheme_is_told_where(said: object, pointer: str) -> None:
    found = problems(OLD, securitySchemes={"s": said})
    assert f"/securitySchemes/s{pointer}" in found


@pytest.mark.parametrize(("kind", "http"), [("bearer", "bearer"), ("Basic", "basic")])
def test_types_of_the_wild_are_understood_all_the_same(kind: str, http: str) -> None:
    found = scheme(OLD, {"type": kind})
    assert (found.kind, found.http_scheme) == (SchemeKind.HTTP, http)


def test_a_scheme_that_is_two_things_is_read_as_1_0_has_it() -> None:
    twice = {"mtlsSecurityScheme": {}, "type": "apiKey", "in": "query", "name": "key"}
    assert scheme(NEW, twice).kind is SchemeKind.MUTUAL_TLS
    assert "/securitySchemes/s/type" in problems(NEW, securitySchemes={"s": twice})


@pytest.mark.parametrize(
    ("card", "changed"),
    [
        (
            NEW,
            {"securityRequirements": [{"schemes": {"a": {"list": ["x"]}, "b": {}}}, {"schemes": {"b": {"list": []}}}]},
        ),
        (NEW, {"security": [{"a": ["x"], "b": []}, {"b": []}]}),
        (NEW, {"securityRequirements": [{"a": ["x"], "b": []}, {"b": []}]}),
        (OLD, {"security": [{"a": ["x"], "b": None}, {"b": []}]}),
    ],
    ids=["1.0", "1.0 with security", "1.0 without schemes", "0.3"],
)
def test_requirements_are_the_same_in_every_form(card: dict[str, Any], changed: dict[str, Any]) -> None:
    assert asked(card, **changed) == [{"a": ("x",), "b": ()}, {"b": ()}]


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (["a"], [{"a": ()}]),
        ({"a": ["x"]}, [{"a": ("x",)}]),
        ([{"a": "x"}], [{"a": ("x",)}]),
        ([{"a": [1, "x"]}], [{"a": ("x",)}]),
        ([7], [{}]),
    ],
)
def test_requirements_in_no_form_are_read_as_far_as_they_go(said: object, read: list[dict[str, Any]]) -> None:
    assert asked(OLD, security=said) == read
    assert problems(OLD, security=said)


def test_a_requirement_names_schemes_that_are_there() -> None:
    found = problems(NEW, securityRequirements=[{"schemes": {"ghost": {}}}])
    assert found == {"/securityRequirements/0/schemes/ghost": "is not the name of a security scheme of the card"}
    skill = {**SHARED["skills"][0], "security": [{"ghost": []}]}
    assert list(problems(OLD, skills=[skill])) == ["/skills/0/security/0/ghost"]


def test_what_a_skill_asks_for_is_its_own() -> None:
    skill = {**SHARED["skills"][0], "securityRequirements": [{"schemes": {"a": {}}}]}
    (found,) = content(NEW, securitySchemes={"a": {"mtlsSecurityScheme": {}}}, skills=[skill]).skills
    assert [dict(each.schemes) for each in found.security_requirements] == [{"a": ()}]


def test_the_authentication_of_the_first_drafts_is_read_as_schemes() -> None:
    draft = {**SHARED, "url": URL, "authentication": {"schemes": ["Bearer", "OAuth2", "none", "Custom"]}}
    found = content(draft)
    kinds = {each.name: each.kind for each in found.security_schemes}
    assert kinds == {"Bearer": SchemeKind.HTTP, "OAuth2": SchemeKind.OAUTH2, "Custom": SchemeKind.UNKNOWN}
    assert [dict(each.schemes) for each in found.security_requirements] == [
        {"Bearer": ()},
        {"OAuth2": ()},
        {"Custom": ()},
    ]
