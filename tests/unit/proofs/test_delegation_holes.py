"""Holes that chains of delegation have had elsewhere, each shown closed here."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from ringfence.proofs.canonical_json import base64url
from ringfence.proofs.delegation_chain import DelegationError
from ringfence.proofs.delegation_grant import read_grant, sign_grant
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import DAY, HOUR, SECOND, Instant
from support.identity.delegation_chains import NOW, World, did_of, first_grant, next_grant, sound_chain, spoiled
from support.identity.keys import seeded_key

L = 2**252 + 27742317777372353535851937790883648493
"""The order of the group of Ed25519."""


def rule_of(world: World, *grants: str) -> str:
    with pytest.raises(DelegationError) as refused:
        world.rights(grants)
    return refused.value.rule.value


def test_a_wildcard_hands_on_what_it_covers() -> None:
    """Literal subsets are too narrow: whoever holds orders:* may hand on orders:read, and keeps the rest."""
    first = sign_grant(first_grant(scopes=("orders:*",)), seeded_key(1))
    second = sign_grant(next_grant(first, to=2, scopes=("orders:read",)), seeded_key(2))
    assert World().rights((first, second)).scopes == ("orders:read",)


def test_everything_is_not_a_scope() -> None:
    for scope in ("*", "*:*", ":*", "orders:**", "orders:*:*"):
        assert rule_of(World(), spoiled(first_grant(), seeded_key(1), scope=[scope])) == "form"


def test_a_link_without_a_signature_is_no_link() -> None:
    """The first one as little as the others."""
    head, body, _ = sound_chain(1)[0].split(".")
    for signature in ("", "AA", base64url(bytes(64)), base64url(b"\xff" * 64)):
        assert rule_of(World(), f"{head}.{body}.{signature}") in ("form", "signature")


def test_a_junk_signature_is_no_signature_in_any_link() -> None:
    grants = sound_chain(3)
    for link, compact in enumerate(grants):
        head, body, _ = compact.split(".")
        junk = f"{head}.{body}.{base64url(hashlib.sha512(body.encode()).digest())}"
        assert rule_of(World(), *grants[:link], junk, *grants[link + 1 :]) in ("parent", "signature")


def test_a_chain_whose_parent_nobody_knows_is_worth_nothing() -> None:
    """Not what its last link says for itself."""
    grants = sound_chain(3)
    assert rule_of(World(), grants[2]) in ("certificate", "depth")
    assert rule_of(World(), *grants[1:]) in ("certificate", "depth")
    world = World()
    del world.parties[did_of(1)]
    assert rule_of(world, *grants) == "agent"


def test_an_expired_link_does_not_verify() -> None:
    first = sign_grant(first_grant(expires_at=NOW, not_before=Instant(NOW - DAY)), seeded_key(1))
    assert World(now=Instant(NOW - 1)).rights((first,)).depth == 1
    assert rule_of(World(), first) == "time"
    fresh = sign_grant(next_grant(first, to=2, expires_at=Instant(NOW + HOUR)), seeded_key(2))
    assert rule_of(World(), first, fresh) == "window"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW // SECOND + 999_999},
        {"scope": ["orders:*", "ledger:propose"], "max_depth": 4},
        {"budget": {"calls": 10**9}},
        {"aud": ["https://evil.example.com"]},
        {"prf": "Z" * 43},
        {"depth": 1, "max_depth": 1},
    ],
)
def test_every_claim_is_under_the_signature_and_the_hash(claims: dict[str, Any]) -> None:
    """Changing one without the key voids that link; with the key, every link below it."""
    grants = sound_chain(3)
    _, _, signature = grants[1].split(".")
    head, body, _ = spoiled(read_grant(grants[1]).grant, seeded_key(2), **claims).split(".")
    World().rights(grants)
    assert rule_of(World(), grants[0], f"{head}.{body}.{signature}", grants[2])
    assert rule_of(World(), grants[0], spoiled(read_grant(grants[1]).grant, seeded_key(2), **claims), grants[2])


def test_no_chain_raises_anyones_trust() -> None:
    """A deputy in ring 0 acts in the ring of whom it acts for; and whoever delegates to it gains nothing."""
    for rings in ((3, 0, 0), (0, 3, 0), (0, 0, 3)):
        world = World()
        for number, ring in enumerate(rings):
            world.change(number, ring=ring)
        assert world.rights(sound_chain(2)).ring == 3


def test_a_signature_is_not_malleable() -> None:
    """S + L verifies in lax libraries: the grant would have a second name, and with it a second budget."""
    head, body, signature = sound_chain(1)[0].split(".")
    raw = read_grant(sound_chain(1)[0]).jws.signature
    scalar = int.from_bytes(raw[32:], "little")
    if scalar + L < 2**256:
        twin = raw[:32] + (scalar + L).to_bytes(32, "little")
        assert rule_of(World(), f"{head}.{body}.{base64url(twin)}") == "signature"
    assert signature


def test_a_signature_for_something_else_makes_no_grant() -> None:
    """An assertion, a registration or a rotation is signed by the same key; none reads as a grant."""
    agent_key = seeded_key(1)
    assertion = spoiled(first_grant(), agent_key, header={"typ": "client-authentication+jwt"})
    assert rule_of(World(), assertion) == "form"
    head, body, _ = sound_chain(1)[0].split(".")
    other = base64url(agent_key.sign(b"ringfence.dev/identity/v1/rotation\0"))
    assert rule_of(World(), f"{head}.{body}.{other}") == "signature"


def test_one_grant_stands_for_nobody_else() -> None:
    """Copied onto another delegator, delegatee or environment it is not the same grant."""
    sound = first_grant()
    for changed in (
        replace(sound, delegatee=did_of(3)),
        replace(sound, delegator=did_of(3)),
        replace(sound, environment="dev"),
    ):
        assert rule_of(World(), sign_grant(changed, seeded_key(2))) in ("key", "certificate", "environment")


def test_a_retired_key_hands_on_nothing_that_came_after_it() -> None:
    """Even when it says it did so before: a grant is not older than what it narrows."""
    world = World()
    (period,) = world.parties[did_of(1)].keys
    world.change(1, keys=(replace(period, until=Instant(NOW - HOUR)),))
    above = sign_grant(first_grant(not_before=Instant(NOW - 3 * HOUR)), seeded_key(1))
    backdated = sign_grant(next_grant(above, to=2, issued_at=Instant(NOW - 2 * HOUR)), seeded_key(2))
    assert rule_of(world, above, backdated) == "issued-at"
    honest = sign_grant(next_grant(above, to=2), seeded_key(2))
    assert rule_of(world, above, honest) == "key"
    assert public_key_of(seeded_key(2)) == period.key
