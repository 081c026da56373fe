"""Handing authority on with the client: what it signs is what identity takes, and it refuses to sign more."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ringfence.agent_key import AgentKey
from ringfence.delegation import Chain, Handover, begin_chain, exchange_request, extend_chain, rights_of
from ringfence.identity.v1.identity_pb2 import AgentIdentity, ApprovedTool, BirthCertificateContent
from ringfence.proofs.canonical_json import JsonObject, parse_object
from ringfence.proofs.compact_jws import from_base64url
from ringfence.proofs.delegation_chain import DelegationError, Rule
from ringfence.proofs.delegation_grant import Budget, Grant, read_grant
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Millis
from support.identity.delegation_chains import LEDGER, NOW, ORDERS, SCHEMA, World, certificate, did_of
from support.identity.keys import seeded_key


def key_of(number: int) -> AgentKey:
    private = Ed25519PrivateKey.from_private_bytes((number + 1).to_bytes(32, "big"))
    return AgentKey(private_key=private, did=did_of(number), environment="prod")


def to(number: int, **parts: Any) -> Handover:
    return Handover(to=did_of(number), **{"scopes": ("orders:read",), "audiences": (ORDERS,), **parts})


def begun(handover: Handover) -> Chain:
    return begin_chain(key_of(0), certificate(0), handover, wall_clock=lambda: NOW / SECOND, new_id=lambda: "id-1")


def extended(chain: Chain, handover: Handover, by: int = 1) -> Chain:
    return extend_chain(key_of(by), chain, handover, wall_clock=lambda: NOW / SECOND, new_id=lambda: "id-2")


def last(chain: Chain) -> Grant:
    return read_grant(chain[-1]).grant


def rule_of(*arguments: Any, **parts: Any) -> Rule:
    with pytest.raises(DelegationError) as refused:
        extended(*arguments, **parts)
    return refused.value.rule


def test_what_is_signed_holds() -> None:
    first = begun(to(1, scopes=("orders:*",), audiences=(ORDERS, LEDGER), tools={"ledger.propose": SCHEMA}, further=2))
    second = extended(first, to(2, scopes=("orders:read:*",), tools={"ledger.propose": SCHEMA}, further=1))
    third = extended(second, to(3, scopes=("orders:read:late",)), by=2)
    rights = World().rights(third)
    assert (rights.scopes, rights.audiences, rights.tools) == (("orders:read:late",), (ORDERS,), {})
    assert rights.path == tuple(did_of(number) for number in range(4))
    assert World().rights(second).tools == {"ledger.propose": SCHEMA}


def test_what_is_not_said_is_not_granted() -> None:
    grant = last(begun(to(1)))
    assert (grant.tools, grant.max_depth, grant.budget, grant.holder) == ({}, 1, Budget(), None)
    assert (grant.not_before, grant.expires_at, grant.issued_at) == (NOW - MINUTE, NOW + HOUR, NOW)
    assert (grant.chain, grant.grant_id) == ("id-1", "id-1")


def test_limits_are_inherited() -> None:
    first = begun(to(1, budget=Budget(calls=10, cost_micros=500), lifetime=Millis(10 * MINUTE), further=1))
    below = last(extended(first, to(2, budget=Budget(calls=4), lifetime=DAY)))
    assert below.budget == Budget(calls=4, cost_micros=500)
    assert below.expires_at == NOW + 10 * MINUTE
    assert below.not_before == NOW - MINUTE


def test_a_lifetime_counts_whole_seconds() -> None:
    assert last(begun(to(1, lifetime=Millis(90_999)))).expires_at == NOW + 90 * SECOND


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        (Rule.SCOPE, {"scopes": ("admin:*",)}),
        (Rule.SCOPE, {"scopes": ("orders:*", "ledger:*")}),
        (Rule.TOOLS, {"tools": {"warehouse.export": SCHEMA}}),
        (Rule.DEPTH, {"further": 5}),
        (Rule.WINDOW, {"lifetime": Millis(-HOUR)}),
        (Rule.FORM, {"scopes": ()}),
        (Rule.FORM, {"audiences": ("a b",)}),
        (Rule.FORM, {"to": "bob"}),
        (Rule.SIZE, {"audiences": tuple(f"https://{number}.example.com" for number in range(17))}),
    ],
)
def test_nothing_is_signed_that_the_birth_certificate_does_not_cover(rule: Rule, parts: dict[str, Any]) -> None:
    with pytest.raises(DelegationError) as refused:
        begun(replace(to(1), **parts))
    assert (refused.value.rule, refused.value.link) == (rule, 1)


def test_an_agent_that_may_not_delegate_does_not() -> None:
    for allowed in range(3):
        rights = certificate(0, max_delegation_depth=allowed)
        for further in range(3):
            handover = to(1, further=further)
            if further < allowed:
                assert begin_chain(key_of(0), rights, handover, wall_clock=lambda: NOW / SECOND)
                continue
            with pytest.raises(DelegationError) as refused:
                begin_chain(key_of(0), rights, handover, wall_clock=lambda: NOW / SECOND)
            assert refused.value.rule is Rule.DEPTH


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        (Rule.SCOPE, {"scopes": ("orders:*",)}),
        (Rule.AUDIENCE, {"audiences": (ORDERS, LEDGER)}),
        (Rule.TOOLS, {"tools": {"ledger.propose": SCHEMA}}),
        (Rule.BUDGET, {"budget": Budget(calls=11)}),
        (Rule.DEPTH, {"further": 2}),
    ],
)
def test_nothing_is_signed_that_the_grant_above_does_not_cover(rule: Rule, parts: dict[str, Any]) -> None:
    first = begun(to(1, budget=Budget(calls=10), further=2))
    assert extended(first, to(2, further=1))
    assert rule_of(first, replace(to(2), **parts)) is rule


def test_nobody_signs_for_another() -> None:
    first = begun(to(1, further=2))
    assert rule_of(first, to(3), by=2) is Rule.ISSUER
    bound = begun(to(1, further=2, holder=public_key_of(seeded_key(50)).thumbprint))
    assert rule_of(bound, to(2)) is Rule.HOLDER_KEY
    bound = begun(to(1, further=2, holder=public_key_of(seeded_key(2)).thumbprint))
    assert World().rights(extended(bound, to(2))).depth == 2


def test_a_chain_that_cannot_be_read_is_not_handed_on() -> None:
    with pytest.raises(DelegationError):
        extended(("not a grant",), to(2))
    with pytest.raises(DelegationError):
        extended((), to(2))


def test_rights_are_read_off_an_identity() -> None:
    identity = AgentIdentity(
        birth_certificate_hash="H" * 43,
        birth_certificate=BirthCertificateContent(
            permissions=["orders:*"],
            approved_tools=[ApprovedTool(name="ledger.propose", schema_hash=SCHEMA), ApprovedTool(name="any.schema")],
            max_delegation_depth=2,
        ),
    )
    rights = rights_of(identity)
    assert (rights.hash, rights.permissions, rights.max_delegation_depth) == ("H" * 43, ("orders:*",), 2)
    assert rights.approves("ledger.propose", SCHEMA)
    assert not rights.approves("ledger.propose", SCHEMA.replace("ab", "cd"))
    assert rights.approves("any.schema", SCHEMA)
    assert not rights.approves("other", SCHEMA)


def test_an_exchange_carries_a_fresh_assertion_and_what_may_be_spent() -> None:
    chain = begun(to(1))
    request = exchange_request(
        key_of(1),
        chain,
        issuer="https://prod.id.ringfence.internal",
        audience=ORDERS,
        scopes=("orders:read",),
        budget=Budget(calls=2, cost_micros=3),
        wall_clock=lambda: NOW / SECOND,
        new_id=lambda: "once",
    )
    claims: JsonObject = parse_object(from_base64url(request.assertion.split(".")[1]))
    assert claims == {
        "iss": did_of(1),
        "sub": did_of(1),
        "aud": "https://prod.id.ringfence.internal",
        "iat": NOW // SECOND,
        "exp": NOW // SECOND + 60,
        "jti": "once",
    }
    assert (list(request.grants), request.audience, list(request.scopes)) == (list(chain), ORDERS, ["orders:read"])
    assert (request.budget.calls, request.budget.cost_micros) == (2, 3)
    again = exchange_request(key_of(1), chain, issuer="https://i.example", audience=ORDERS)
    assert again.assertion != exchange_request(key_of(1), chain, issuer="https://i.example", audience=ORDERS).assertion
