"""The three gateway configurations let in the same agents: the same issuer, one audience, keys from the same place."""

from pathlib import Path
from typing import Any

import yaml
from ringfence_identity.config import IdentityConfig
from ringfence_identity.issuer_keys.schedule import LONGEST_JWKS_CACHE, USUAL_SCHEDULE
from ringfence_kit.clock import SECOND

GATEWAYS = Path(__file__).parents[3] / "deploy/gateways"
AUDIENCE = "https://orders.example.com"
PROD = IdentityConfig().hosted().get("prod")
KEYS_PATH = "/prod/.well-known/jwks.json"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((GATEWAYS / name).read_text()))


def envoy_provider() -> dict[str, Any]:
    (config,) = documents("envoy/envoy.yaml")
    (listener,) = config["static_resources"]["listeners"]
    (chain,) = listener["filter_chains"]
    (manager,) = chain["filters"]
    jwt_authn = manager["typed_config"]["http_filters"][0]["typed_config"]
    assert jwt_authn["rules"] == [{"match": {"prefix": "/"}, "requires": {"provider_name": "ringfence_prod"}}]
    (provider,) = jwt_authn["providers"].values()
    return dict(provider)


def test_envoy_takes_one_issuer_one_audience_and_no_token_without_an_end() -> None:
    provider = envoy_provider()
    assert provider["issuer"] == PROD.issuer
    assert provider["audiences"] == [AUDIENCE]
    assert provider["require_expiration"] is True
    skew = provider["clock_skew_seconds"]
    assert PROD.token_lifetime // SECOND < provider["max_lifetime"]["seconds"] <= PROD.token_lifetime // SECOND + 60
    assert skew <= 5
    assert provider["remote_jwks"]["http_uri"]["uri"].endswith(KEYS_PATH)


def test_a_gateway_learns_of_a_new_key_before_it_signs() -> None:
    cached = envoy_provider()["remote_jwks"]["cache_duration"]["seconds"] * SECOND
    assert 2 * cached <= USUAL_SCHEDULE.lead
    assert USUAL_SCHEDULE.lead >= 2 * LONGEST_JWKS_CACHE


def test_istio_demands_a_token_of_the_same_issuer() -> None:
    authentication, policy = documents("istio/ringfence.yaml")
    (rule,) = authentication["spec"]["jwtRules"]
    assert (rule["issuer"], rule["audiences"]) == (PROD.issuer, [AUDIENCE])
    assert rule["jwksUri"].endswith(KEYS_PATH)
    assert policy["spec"]["action"] == "ALLOW"
    (allowed,) = policy["spec"]["rules"]
    assert allowed["from"] == [{"source": {"requestPrincipals": [f"{PROD.issuer}/*"]}}]
    assert allowed["when"] == [{"key": "request.auth.claims[env]", "values": ["prod"]}]
    assert authentication["spec"]["selector"] == policy["spec"]["selector"]


def test_agentgateway_demands_a_token_of_the_same_issuer() -> None:
    (config,) = documents("agentgateway/config.yaml")
    (route,) = config["binds"][0]["listeners"][0]["routes"]
    jwt_auth = route["policies"]["jwtAuth"]
    assert jwt_auth["mode"] == "strict"
    assert (jwt_auth["issuer"], jwt_auth["audiences"]) == (PROD.issuer, [AUDIENCE])
    assert jwt_auth["jwks"]["url"].endswith(KEYS_PATH)
    assert {"exp", "nbf", "aud", "iss", "sub"} == set(jwt_auth["jwtValidationOptions"]["requiredClaims"])
    assert 'jwt.env == "prod"' in route["policies"]["authorization"]["rules"][0]


def test_all_tell_the_service_behind_the_same_names() -> None:
    envoy = {entry["header_name"]: entry["claim_name"] for entry in envoy_provider()["claim_to_headers"]}
    istio = documents("istio/ringfence.yaml")[0]["spec"]["jwtRules"][0]["outputClaimToHeaders"]
    (agentgateway,) = documents("agentgateway/config.yaml")
    set_there = agentgateway["binds"][0]["listeners"][0]["routes"][0]["policies"]["transformations"]["request"]["set"]
    everywhere = {"x-agent-did": "sub", "x-agent-env": "env", "x-agent-ring": "ring", "x-agent-scope": "scope"}
    assert {entry["header"]: entry["claim"] for entry in istio} == everywhere
    assert set_there.keys() == everywhere.keys()
    assert everywhere.items() <= envoy.items()
