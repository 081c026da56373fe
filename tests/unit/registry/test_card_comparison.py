"""What a caller of one card has to expect of another, rule by rule."""

import base64
import json
from typing import Any

import pytest
from ringfence_registry.cards.comparison.comparing import compare_cards
from ringfence_registry.cards.comparison.model import CardComparison, Compatibility, DifferenceKind
from ringfence_registry.cards.reading import read_whole_card

IDENTICAL, COMPATIBLE, BREAKING = Compatibility
K = DifferenceKind


def signed_by(*key_ids: str | None) -> list[dict[str, str]]:
    headers = [{"alg": "EdDSA"} if key_id is None else {"alg": "EdDSA", "kid": key_id} for key_id in key_ids]
    return [
        {"protected": base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("="), "signature": "AA"}
        for each in headers
    ]


def oauth(**flow: Any) -> dict[str, Any]:
    known = {
        "authorizationUrl": "https://a.example.com/authorize",
        "tokenUrl": "https://a.example.com/token",
        "scopes": {"read": "Read"},
        **flow,
    }
    return {"oauth2SecurityScheme": {"flows": {"authorizationCode": known}}}


INTERFACE = {"url": "https://a.example.com/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
GRPC = {"url": "a.example.com:443", "protocolBinding": "GRPC", "protocolVersion": "1.0", "tenant": "acme"}
SKILL = {"id": "plan", "name": "Plan", "description": "Plans.", "tags": ["maps"]}
OTHER = {"id": "draw", "name": "Draw", "description": "Draws.", "tags": ["maps"]}
KEY = {"apiKeySecurityScheme": {"location": "header", "name": "X-Key"}}
EXTENSION = {"uri": "https://example.com/ext/geo", "params": {"unit": "km"}}
CARD: dict[str, Any] = {
    "name": "Planner",
    "description": "Plans.",
    "version": "1.0.0",
    "supportedInterfaces": [INTERFACE, GRPC],
    "provider": {"organization": "Example", "url": "https://example.com"},
    "capabilities": {"streaming": True, "extendedAgentCard": True, "extensions": [EXTENSION]},
    "securitySchemes": {"oauth": oauth(), "key": KEY},
    "securityRequirements": [{"schemes": {"oauth": {"list": ["read"]}}}, {"schemes": {"key": {}}}],
    "defaultInputModes": ["text/plain", "application/json"],
    "defaultOutputModes": ["text/plain"],
    "skills": [SKILL, OTHER],
    "signatures": signed_by("did:example:1#a"),
}


def compared(before: dict[str, Any], after: dict[str, Any]) -> CardComparison:
    old, new = (read_whole_card(json.dumps(card).encode()).content for card in (before, after))
    return compare_cards(old, new)


def kinds(comparison: CardComparison, compatibility: Compatibility) -> set[DifferenceKind]:
    return {each.kind for each in comparison.differences if each.compatibility is compatibility}


def requirements(*asked: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [{"schemes": {name: {"list": scopes} for name, scopes in each.items()}} for each in asked]


BREAKS: dict[str, tuple[dict[str, Any], DifferenceKind, str]] = {
    "a skill is removed": ({"skills": [SKILL]}, K.SKILL_REMOVED, "/skills/1"),
    "an interface is removed": ({"supportedInterfaces": [INTERFACE]}, K.INTERFACE_REMOVED, "/supportedInterfaces/1"),
    "an interface moves": (
        {"supportedInterfaces": [{**INTERFACE, "url": "https://b.example.com"}, GRPC]},
        K.INTERFACE_REMOVED,
        "/supportedInterfaces/0",
    ),
    "an interface speaks another version": (
        {"supportedInterfaces": [{**INTERFACE, "protocolVersion": "1.1"}, GRPC]},
        K.PROTOCOL_VERSION_REMOVED,
        "/supportedInterfaces/0/protocolVersion",
    ),
    "a tenant changes": (
        {"supportedInterfaces": [INTERFACE, {**GRPC, "tenant": "other"}]},
        K.TENANT_CHANGED,
        "/supportedInterfaces/1/tenant",
    ),
    "a capability is denied": (
        {"capabilities": {**CARD["capabilities"], "streaming": False}},
        K.CAPABILITY_REMOVED,
        "/capabilities/streaming",
    ),
    "a capability is not mentioned any more": (
        {"capabilities": {"extendedAgentCard": True, "extensions": [EXTENSION]}},
        K.CAPABILITY_REMOVED,
        "/capabilities/streaming",
    ),
    "the extended card is gone": (
        {"capabilities": {**CARD["capabilities"], "extendedAgentCard": False}},
        K.CAPABILITY_REMOVED,
        "/capabilities/extendedAgentCard",
    ),
    "an extension is removed": (
        {"capabilities": {"streaming": True, "extendedAgentCard": True}},
        K.EXTENSION_REMOVED,
        "/capabilities/extensions/0",
    ),
    "a new extension is required": (
        {"capabilities": {**CARD["capabilities"], "extensions": [EXTENSION, {"uri": "x:new", "required": True}]}},
        K.REQUIRED_EXTENSION_ADDED,
        "/capabilities/extensions/1",
    ),
    "a known extension is required now": (
        {"capabilities": {**CARD["capabilities"], "extensions": [{**EXTENSION, "required": True}]}},
        K.REQUIRED_EXTENSION_ADDED,
        "/capabilities/extensions/0",
    ),
    "a scheme is removed": (
        {"securitySchemes": {"oauth": oauth()}, "securityRequirements": requirements({"oauth": ["read"]})},
        K.SCHEME_REMOVED,
        "/securitySchemes/key",
    ),
    "a scheme is of another kind": (
        {"securitySchemes": {"oauth": oauth(), "key": {"mtlsSecurityScheme": {}}}},
        K.SCHEME_CHANGED,
        "/securitySchemes/key",
    ),
    "a key goes elsewhere": (
        {
            "securitySchemes": {
                "oauth": oauth(),
                "key": {"apiKeySecurityScheme": {"location": "query", "name": "X-Key"}},
            }
        },
        K.SCHEME_CHANGED,
        "/securitySchemes/key",
    ),
    "a key has another name": (
        {"securitySchemes": {"oauth": oauth(), "key": {"apiKeySecurityScheme": {"location": "header", "name": "Y"}}}},
        K.SCHEME_CHANGED,
        "/securitySchemes/key",
    ),
    "the token address changes": (
        {"securitySchemes": {"oauth": oauth(tokenUrl="https://b.example.com/token"), "key": KEY}},
        K.FLOW_ADDRESS_CHANGED,
        "/securitySchemes/oauth/flows/authorizationCode/tokenUrl",
    ),
    "PKCE is required": (
        {"securitySchemes": {"oauth": oauth(pkceRequired=True), "key": KEY}},
        K.PKCE_REQUIRED,
        "/securitySchemes/oauth/flows/authorizationCode/pkceRequired",
    ),
    "a scope is not given out": (
        {"securitySchemes": {"oauth": oauth(scopes={"other": ""}), "key": KEY}},
        K.SCOPE_REMOVED,
        "/securitySchemes/oauth/flows/authorizationCode/scopes",
    ),
    "a flow is another": (
        {
            "securitySchemes": {
                "oauth": {"oauth2SecurityScheme": {"flows": {"clientCredentials": {"tokenUrl": "x:y", "scopes": {}}}}},
                "key": KEY,
            }
        },
        K.FLOW_REMOVED,
        "/securitySchemes/oauth/flows/authorizationCode",
    ),
    "a scope is asked for": (
        {"securityRequirements": requirements({"oauth": ["read", "write"]}, {"key": []})},
        K.SECURITY_TIGHTENED,
        "/securityRequirements",
    ),
    "two schemes are needed together": (
        {"securityRequirements": requirements({"oauth": ["read"]}, {"key": [], "oauth": []})},
        K.SECURITY_TIGHTENED,
        "/securityRequirements",
    ),
    "one way to authenticate is gone": (
        {"securityRequirements": requirements({"oauth": ["read"]})},
        K.SECURITY_TIGHTENED,
        "/securityRequirements",
    ),
    "a skill asks for more": (
        {"skills": [{**SKILL, "securityRequirements": requirements({"oauth": ["write"]})}, OTHER]},
        K.SECURITY_TIGHTENED,
        "/skills/0/securityRequirements",
    ),
    "a default input mode is gone": (
        {"defaultInputModes": ["text/plain"]},
        K.INPUT_MODE_REMOVED,
        "/defaultInputModes",
    ),
    "a default output mode is another": (
        {"defaultOutputModes": ["text/html"]},
        K.OUTPUT_MODE_REMOVED,
        "/defaultOutputModes",
    ),
    "a skill takes less than the card": (
        {"skills": [{**SKILL, "inputModes": ["text/plain"]}, OTHER]},
        K.INPUT_MODE_REMOVED,
        "/skills/0/inputModes",
    ),
    "a skill gives something else than the card": (
        {"skills": [SKILL, {**OTHER, "outputModes": ["image/png"]}]},
        K.OUTPUT_MODE_REMOVED,
        "/skills/1/outputModes",
    ),
    "the signature is gone": ({"signatures": []}, K.SIGNATURE_REMOVED, "/signatures"),
    "the key is another": ({"signatures": signed_by("did:example:2#b")}, K.SIGNING_KEY_CHANGED, "/signatures"),
}


@pytest.mark.parametrize("case", BREAKS)
def test_what_breaks_callers(case: str) -> None:
    changed, kind, pointer = BREAKS[case]
    comparison = compared(CARD, {**CARD, **changed})
    assert comparison.compatibility is BREAKING
    assert (kind, pointer) in {
        (each.kind, each.pointer) for each in comparison.differences if each.compatibility is BREAKING
    }
    assert all(each.problem for each in comparison.differences)


KEEPS: dict[str, tuple[dict[str, Any], DifferenceKind]] = {
    "a skill is added": ({"skills": [SKILL, OTHER, {**OTHER, "id": "new"}]}, K.SKILL_ADDED),
    "a skill is worded anew": ({"skills": [{**SKILL, "description": "Plans well."}, OTHER]}, K.SKILL_CHANGED),
    "a skill keeps its id alone": (
        {"skills": [{"id": "plan", "name": "Pay", "description": "Pays.", "tags": ["money"]}, OTHER]},
        K.SKILL_REPLACED,
    ),
    "an interface is added": ({"supportedInterfaces": [INTERFACE, GRPC, {**GRPC, "url": "b:1"}]}, K.INTERFACE_ADDED),
    "another interface is preferred": ({"supportedInterfaces": [GRPC, INTERFACE]}, K.PREFERRED_INTERFACE_CHANGED),
    "an older version is spoken too": (
        {"supportedInterfaces": [INTERFACE, GRPC, {**INTERFACE, "protocolVersion": "0.3"}]},
        K.PROTOCOL_VERSION_ADDED,
    ),
    "a capability is added": (
        {"capabilities": {**CARD["capabilities"], "pushNotifications": True}},
        K.CAPABILITY_ADDED,
    ),
    "an extension is offered": (
        {"capabilities": {**CARD["capabilities"], "extensions": [EXTENSION, {"uri": "x:new"}]}},
        K.EXTENSION_ADDED,
    ),
    "an extension has other parameters": (
        {"capabilities": {**CARD["capabilities"], "extensions": [{**EXTENSION, "params": {"unit": "mi"}}]}},
        K.EXTENSION_PARAMS_CHANGED,
    ),
    "a scheme is added": (
        {"securitySchemes": {**CARD["securitySchemes"], "mesh": {"mtlsSecurityScheme": {}}}},
        K.SCHEME_ADDED,
    ),
    "a scheme is described": (
        {
            "securitySchemes": {
                **CARD["securitySchemes"],
                "key": {"apiKeySecurityScheme": {"location": "header", "name": "X-Key", "description": "New"}},
            }
        },
        K.SCHEME_DESCRIBED_ANEW,
    ),
    "a scope is given out": (
        {"securitySchemes": {"oauth": oauth(scopes={"read": "", "write": ""}), "key": KEY}},
        K.SCOPE_ADDED,
    ),
    "less is asked for": (
        {"securityRequirements": requirements({"oauth": []}, {"key": []})},
        K.SECURITY_LOOSENED,
    ),
    "nothing is asked for": ({"securityRequirements": []}, K.SECURITY_LOOSENED),
    "an input mode is added": ({"defaultInputModes": [*CARD["defaultInputModes"], "image/png"]}, K.INPUT_MODE_ADDED),
    "an output mode is a range": ({"defaultOutputModes": ["text/*"]}, K.OUTPUT_MODE_ADDED),
    "a second key signs": ({"signatures": signed_by("did:example:1#a", "did:example:1#b")}, K.SIGNATURE_ADDED),
    "the name is another": ({"name": "Route Planner"}, K.NAME_CHANGED),
    "the version is another": ({"version": "2.0.0"}, K.VERSION_CHANGED),
    "the provider is another": (
        {"provider": {"organization": "Other", "url": "https://o.example.com"}},
        K.PROVIDER_CHANGED,
    ),
    "an icon is there": ({"iconUrl": "https://a.example.com/icon.png"}, K.LINKS_CHANGED),
}


@pytest.mark.parametrize("case", KEEPS)
def test_what_breaks_nobody_is_said_all_the_same(case: str) -> None:
    changed, kind = KEEPS[case]
    comparison = compared(CARD, {**CARD, **changed})
    assert comparison.compatibility is COMPATIBLE
    assert kind in kinds(comparison, COMPATIBLE)


def test_the_same_card_is_identical_whatever_its_spelling() -> None:
    reordered = dict(reversed(CARD.items()))
    slash = [{**INTERFACE, "url": "HTTPS://A.example.com:443/a2a"}, GRPC]
    assert compared(CARD, reordered).compatibility is IDENTICAL
    assert compared(CARD, {**CARD, "x-unknown": 1, "supportedInterfaces": slash}).compatibility is IDENTICAL


def test_a_required_extension_may_become_a_free_one() -> None:
    required = {**CARD, "capabilities": {**CARD["capabilities"], "extensions": [{**EXTENSION, "required": True}]}}
    assert kinds(compared(required, CARD), COMPATIBLE) == {K.EXTENSION_NO_LONGER_REQUIRED}


def test_a_new_signature_on_an_unsigned_card_breaks_nobody() -> None:
    unsigned = {**CARD, "signatures": []}
    assert kinds(compared(unsigned, CARD), COMPATIBLE) == {K.SIGNATURE_ADDED}


@pytest.mark.parametrize("protected", ["", "%%%", "bm90IGpzb24", "WzFd", "ü", "e30"])
def test_signatures_that_name_no_key_are_told_by_their_header(protected: str) -> None:
    nonsense = {**CARD, "signatures": [{"protected": protected, "signature": "AA"}]}
    assert compared(nonsense, nonsense).compatibility is IDENTICAL
    assert compared(CARD, nonsense).compatibility is BREAKING


def test_a_card_in_0_3_and_the_same_card_in_1_0_break_nobody() -> None:
    shared = {
        each: CARD[each] for each in ("name", "description", "version", "defaultInputModes", "defaultOutputModes")
    }
    skill = {"id": "plan", "name": "Plan", "description": "Plans.", "tags": ["maps"]}
    flow = {"tokenUrl": "https://a.example.com/token", "scopes": {"read": "Read"}}
    old = {
        **shared,
        "protocolVersion": "0.3.0",
        "url": "https://a.example.com/a2a/",
        "preferredTransport": "JSONRPC",
        "additionalInterfaces": [{"url": "a.example.com:443", "transport": "grpc"}],
        "capabilities": {"streaming": True},
        "supportsAuthenticatedExtendedCard": True,
        "securitySchemes": {"oauth": {"type": "oauth2", "flows": {"clientCredentials": flow}}},
        "security": [{"oauth": ["read"]}],
        "skills": [{**skill, "security": [{"oauth": ["read"]}]}],
    }
    new = {
        **shared,
        "supportedInterfaces": [
            {"url": "https://a.example.com/a2a/", "protocolBinding": "JSONRPC", "protocolVersion": "0.3"},
            {"url": "a.example.com:443", "protocolBinding": "GRPC", "protocolVersion": "0.3"},
        ],
        "capabilities": {"streaming": True, "extendedAgentCard": True},
        "securitySchemes": {"oauth": {"oauth2SecurityScheme": {"flows": {"clientCredentials": flow}}}},
        "securityRequirements": requirements({"oauth": ["read"]}),
        "skills": [{**skill, "securityRequirements": requirements({"oauth": ["read"]})}],
    }
    assert [each.kind for each in compared(old, new).differences] == [K.GENERATION_CHANGED]
    upgraded = [{**each, "protocolVersion": "1.0"} for each in new["supportedInterfaces"]]
    assert kinds(compared(old, {**new, "supportedInterfaces": upgraded}), BREAKING) == {K.PROTOCOL_VERSION_REMOVED}
    both = [*upgraded, *new["supportedInterfaces"]]
    assert compared(old, {**new, "supportedInterfaces": both}).compatibility is COMPATIBLE


def test_breaking_differences_come_first() -> None:
    comparison = compared(CARD, {**CARD, "name": "Other", "skills": [SKILL]})
    assert [each.compatibility for each in comparison.differences] == [BREAKING, COMPATIBLE]


def test_thousands_of_requirements_are_compared_in_time() -> None:
    many = {**CARD, "securitySchemes": {}, "security": [{str(number): []} for number in range(900)]}
    other = {**CARD, "securitySchemes": {}, "security": [{f"x{number}": []} for number in range(900)]}
    old, new = ({**card, "securityRequirements": None} for card in (many, other))
    assert len(compared(old, new).differences) >= 1_800
    assert compared(old, old).compatibility is IDENTICAL
