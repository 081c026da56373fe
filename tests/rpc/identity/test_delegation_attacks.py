"""Attacks on delegation, each named after itself and each refused over the wire."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ringfence.identity.v1 import delegation_pb2 as pb
from ringfence.identity.v1 import identity_pb2 as ipb
from ringfence.proofs.canonical_json import base64url
from ringfence.proofs.delegation_grant import (
    NAME_PREFIX,
    Budget,
    Grant,
    grant_hash,
    read_grant,
    sign_grant,
)
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.config import IdentityConfig
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import HOUR, MINUTE, SECOND, Instant, Millis
from ringfence_kit.config import Secret
from support.identity.delegating import DELEGATING, LEDGER, ORDERS, Delegating, Deputy, claims_of
from support.identity.delegation_chains import spoiled
from support.identity.keys import seeded_key
from support.identity.mesh import identity_mesh
from support.identity.rotations import replacement
from support.postgres import empty_database
from support.wire import Refusal, refusal


@pytest.fixture
async def at_work(tmp_path: Path) -> AsyncIterator[Delegating]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield Delegating(mesh=running)


@pytest.fixture
async def deputies(at_work: Delegating) -> list[Deputy]:
    return [await at_work.enrol(number) for number in (1, 2, 3)]


async def refused_to(at_work: Delegating, by: Deputy, chain: tuple[str, ...], **wanted: Any) -> Refusal:
    return await refusal(at_work.exchange(by, chain, **wanted))


async def breaks(at_work: Delegating, by: Deputy, *chain: str) -> tuple[str, str]:
    """Return the rule and the link that a chain is refused for."""
    refused = await refused_to(at_work, by, chain)
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "DELEGATION_INVALID"), refused
    assert refused.metadata["problem"]
    return refused.metadata["rule"], refused.metadata["link"]


def child(above: str, by: Deputy, to: Deputy, **changes: Any) -> Grant:
    """Return a grant that hands on all that the one above gives, with some claims changed."""
    parent = read_grant(above).grant
    sound = replace(
        parent,
        delegator=by.did,
        delegatee=to.did,
        grant_id="child",
        depth=parent.depth + 1,
        parent=grant_hash(above),
    )
    return replace(sound, **changes)


async def test_a_replayed_exchange(at_work: Delegating, deputies: list[Deputy]) -> None:
    """Somebody saw the request on its way and sends it again: no second token, nothing spent."""
    ada, bob, _ = deputies
    request = at_work.request(bob, at_work.begin(ada, bob, budget=Budget(calls=1)), budget=Budget(calls=1))
    await at_work.stub().ExchangeDelegation(request)
    for caller in (ANONYMOUS, ada.caller):
        refused = await refusal(at_work.stub(caller).ExchangeDelegation(request))
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "ASSERTION_REPLAYED")
    (shown,) = await at_work.listed()
    assert shown.spent.calls == 1


async def test_an_assertion_used_for_a_token_of_ones_own(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    request = at_work.request(bob, at_work.begin(ada, bob))
    own = ipb.IssueTokenRequest(assertion=request.assertion, audience=ORDERS)
    await at_work.mesh.credentials().IssueToken(own)
    assert (await refusal(at_work.stub().ExchangeDelegation(request))).reason == "ASSERTION_REPLAYED"


async def test_a_stolen_chain(at_work: Delegating, deputies: list[Deputy]) -> None:
    """Chains are no secret. Without the key of the last delegatee, one is of no use."""
    ada, bob, carol = deputies
    chain = at_work.begin(ada, bob)
    assert await breaks(at_work, carol, *chain) == ("holder", "1")
    assert await breaks(at_work, ada, *chain) == ("holder", "1")
    stolen = at_work.request(bob, chain)
    stolen.assertion = at_work.mesh.assertion(bob.identity, carol.signing)
    refused = await refusal(at_work.stub().ExchangeDelegation(stolen))
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "ASSERTION_INVALID")


async def test_a_confused_deputy(at_work: Delegating, deputies: list[Deputy]) -> None:
    """What bob does for ada, bob does as bob, for one audience, in the ring and with the rights of both."""
    ada, bob, _ = deputies
    rich = await at_work.enrol(7, content=replace(DELEGATING, permissions=("payroll:*", "invoices:read")))
    chain = at_work.begin(ada, rich, audiences=(ORDERS,))
    claims = claims_of((await at_work.exchange(rich, chain)).access_token)
    assert (claims["sub"], claims["scope"]) == (rich.did, "invoices:read")
    assert "act" not in claims
    refused = await refused_to(at_work, rich, chain, scopes=("payroll:run",))
    assert refused.reason == "SCOPE_NOT_GRANTED"
    refused = await refused_to(at_work, rich, chain, audience=LEDGER)
    assert (refused.reason, refused.metadata["rule"]) == ("DELEGATION_INVALID", "audience")
    assert bob.did


async def test_a_grant_to_oneself(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    assert await breaks(at_work, ada, sign_grant(replace(sound, delegatee=ada.did), ada.signing)) == ("loop", "1")


async def test_a_delegation_loop(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    first = at_work.begin(ada, bob, further=4)
    back = sign_grant(child(first[0], bob, ada), bob.signing)
    assert await breaks(at_work, ada, *first, back) == ("loop", "2")
    second = at_work.extend(bob, first, carol, further=3)
    round_about = sign_grant(child(second[1], carol, bob), carol.signing)
    assert await breaks(at_work, bob, *second, round_about) == ("loop", "3")


async def test_a_depth_bomb(at_work: Delegating) -> None:
    deputies = [await at_work.enrol(number) for number in range(1, 8)]
    chain = at_work.begin(deputies[0], deputies[1], further=4)
    for number in range(1, 5):
        chain = at_work.extend(deputies[number], chain, deputies[number + 1], further=4 - number)
    assert claims_of((await at_work.exchange(deputies[5], chain)).access_token)["delegation"]["depth"] == 5
    for depth in (5, 6):
        sixth = spoiled(child(chain[-1], deputies[5], deputies[6], depth=5), deputies[5].signing, depth=depth)
        refused = await refused_to(at_work, deputies[6], (*chain, sixth))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert list(refused.violations) == ["grants"]
        assert await breaks(at_work, deputies[6], *chain[1:], sixth) in (("certificate", "1"), ("form", "5"))
    refused = await refused_to(at_work, deputies[6], tuple(chain[:1]) * 2_000)
    assert refused.reason == "INVALID_REQUEST"


async def test_a_chain_deeper_than_its_origin_may_delegate(at_work: Delegating, deputies: list[Deputy]) -> None:
    _, bob, carol = deputies
    shallow = await at_work.enrol(8, content=replace(DELEGATING, max_delegation_depth=1))
    first = at_work.begin(shallow, bob)
    deeper = sign_grant(replace(read_grant(first[0]).grant, max_depth=2), shallow.signing)
    assert await breaks(at_work, bob, deeper) == ("depth", "1")
    further = sign_grant(child(first[0], bob, carol, max_depth=2), bob.signing)
    assert await breaks(at_work, carol, *first, further) == ("depth", "2")
    barred = await at_work.enrol(9, content=replace(DELEGATING, max_delegation_depth=0))
    onwards = replace(read_grant(at_work.begin(bob, carol)[0]).grant, delegator=barred.did)
    by_barred = replace(onwards, parent=barred.identity.birth_certificate_hash)
    assert await breaks(at_work, carol, sign_grant(by_barred, barred.signing)) == ("depth", "1")


async def test_giant_grants(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    refused = await refused_to(at_work, bob, ("A" * 8_193,))
    assert (refused.reason, list(refused.violations)) == ("INVALID_REQUEST", ["grants[0]"])
    many = spoiled(sound, ada.signing, scope=[f"warehouse:{number}" for number in range(65)])
    assert await breaks(at_work, bob, many) == ("size", "1")
    wide = spoiled(sound, ada.signing, scope=["warehouse:" + "a" * 250])
    assert await breaks(at_work, bob, wide) == ("form", "1")


async def test_a_token_too_large_for_a_header_is_not_made(at_work: Delegating, deputies: list[Deputy]) -> None:
    """Nor is anything spent on it: a gateway would refuse what identity sold."""
    _, bob, _ = deputies
    long = tuple(f"warehouse:{'a' * 230}:{number:02}" for number in range(40))
    rich = [await at_work.enrol(n, content=replace(DELEGATING, permissions=long)) for n in (8, 9)]
    chain = at_work.begin(rich[0], rich[1], scopes=long[:20])
    assert (await at_work.exchange(rich[1], chain)).access_token
    wild = await at_work.enrol(10, content=replace(DELEGATING, permissions=("warehouse:*",)))
    chain = at_work.begin(wild, rich[1], scopes=("warehouse:*",), budget=Budget(calls=1))
    refused = await refused_to(at_work, rich[1], chain, budget=Budget(calls=1))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert list(refused.violations) == ["scopes"]
    done = await at_work.exchange(rich[1], chain, budget=Budget(calls=1), scopes=long[:2])
    assert list(done.scopes) == list(long[:2])
    assert bob.did


@pytest.mark.parametrize("deep", ["[" * 4_000, "[" * 2_000 + "]" * 2_000, '{"a":' * 1_000])
async def test_a_bomb_of_nested_json(at_work: Delegating, deputies: list[Deputy], deep: str) -> None:
    ada, bob, _ = deputies
    head, _, _ = at_work.begin(ada, bob)[0].split(".")
    signed = f"{head}.{base64url(deep.encode())}"
    bomb = f"{signed}.{base64url(ada.signing.sign(signed.encode()))}"
    assert await breaks(at_work, bob, bomb) == ("form", "1")


async def test_a_stale_parent(at_work: Delegating, deputies: list[Deputy]) -> None:
    """A fresh leaf revives nothing: not an expired parent, not a revoked one, not one that is left out."""
    ada, bob, carol = deputies
    short = at_work.begin(ada, bob, further=1, lifetime=MINUTE)
    long = sign_grant(
        child(short[0], bob, carol, expires_at=Instant(read_grant(short[0]).grant.expires_at + HOUR)), bob.signing
    )
    assert await breaks(at_work, carol, *short, long) == ("window", "2")
    fresh = at_work.extend(bob, short, carol)
    at_work.mesh.clock.advance(MINUTE)
    assert await breaks(at_work, carol, *fresh) == ("time", "2")
    again = at_work.begin(ada, bob, further=1)
    await at_work.revoke(NAME_PREFIX + grant_hash(again[0]), caller=ada.caller, grants=again)
    refused = await refused_to(at_work, carol, at_work.extend(bob, again, carol))
    assert (refused.reason, refused.metadata["delegation"]) == (
        "DELEGATION_REVOKED",
        NAME_PREFIX + grant_hash(again[0]),
    )
    assert (await breaks(at_work, carol, at_work.extend(bob, again, carol)[1]))[0] == "certificate"


async def test_a_grant_across_the_wall_between_environments(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    insider = await at_work.enrol(8, environment="dev")
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    for environment in ("prod", "dev", "staging"):
        outwards = replace(sound, delegatee=insider.did, environment=environment)
        assert (await breaks(at_work, insider, sign_grant(outwards, ada.signing)))[0] == "environment"
        inwards = replace(
            sound,
            delegator=insider.did,
            environment=environment,
            parent=insider.identity.birth_certificate_hash,
        )
        assert (await breaks(at_work, bob, sign_grant(inwards, insider.signing)))[0] == "environment"
    lying = replace(sound, environment="dev")
    assert await breaks(at_work, bob, sign_grant(lying, ada.signing)) == ("environment", "1")


async def test_an_assertion_to_another_environment(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    request = at_work.request(bob, at_work.begin(ada, bob))
    request.assertion = at_work.mesh.assertion(bob.identity, bob.signing, aud="https://dev.id.ringfence.internal")
    assert (await refusal(at_work.stub().ExchangeDelegation(request))).reason == "ASSERTION_INVALID"


HEADERS: list[dict[str, Any]] = [
    {"alg": "none"},
    {"alg": "HS256"},
    {"typ": "at+jwt"},
    {"typ": "client-authentication+jwt"},
    {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}},
    {"crit": ["exp"]},
]


@pytest.mark.parametrize("header", HEADERS, ids=json.dumps)
async def test_a_downgraded_header(at_work: Delegating, deputies: list[Deputy], header: dict[str, Any]) -> None:
    ada, bob, _ = deputies
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    assert await breaks(at_work, bob, spoiled(sound, ada.signing, header=header)) == ("form", "1")


async def test_a_kid_that_names_another_key(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    kid = public_key_of(ada.signing).thumbprint
    assert await breaks(at_work, bob, spoiled(sound, carol.signing, header={"kid": kid})) == ("signature", "1")
    assert await breaks(at_work, bob, sign_grant(sound, carol.signing)) == ("key", "1")


async def test_one_kind_of_token_for_another(at_work: Delegating, deputies: list[Deputy]) -> None:
    """A grant is no assertion and no access token; neither of these is a grant."""
    ada, bob, _ = deputies
    chain = at_work.begin(ada, bob)
    request = at_work.request(bob, chain)
    for stranger in (request.assertion, (await at_work.exchange(bob, chain)).access_token):
        assert await breaks(at_work, bob, stranger) == ("form", "1")
    request.assertion = chain[0]
    assert (await refusal(at_work.stub().ExchangeDelegation(request))).reason == "ASSERTION_INVALID"
    metadata = (("authorization", f"Bearer {chain[0]}"),)
    listing = at_work.stub().ListDelegations(pb.ListDelegationsRequest(environment="prod"), metadata=metadata)
    assert (await refusal(listing)).code == "UNAUTHENTICATED"


async def test_a_backdated_grant_by_a_stolen_key(at_work: Delegating, deputies: list[Deputy]) -> None:
    """The thief writes an `iat` from before the theft; identity believes only what it saw before."""
    ada, bob, _ = deputies
    at_work.mesh.clock.advance(HOUR)
    lost_at = at_work.mesh.clock.now()
    at_work.mesh.clock.advance(MINUTE)
    report = ipb.ReportCompromiseRequest(
        did=ada.did, reason="stolen", replacement=replacement(ada.identity, seeded_key(1), seeded_key(41))
    )
    report.compromised_since.FromMilliseconds(lost_at)
    await at_work.mesh.identity().ReportCompromise(report)
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    backdated = replace(sound, issued_at=Instant(lost_at - MINUTE), not_before=Instant(lost_at - MINUTE))
    assert await breaks(at_work, bob, sign_grant(backdated, ada.signing)) == ("compromised", "1")


async def test_nobody_learns_how_an_agent_stands_from_a_forgery(at_work: Delegating, deputies: list[Deputy]) -> None:
    """A chain that names a suspended agent and is not by it is refused like any forgery."""
    ada, bob, carol = deputies
    forged = sign_grant(read_grant(at_work.begin(ada, carol)[0]).grant, bob.signing)
    before = await breaks(at_work, carol, forged)
    await at_work.mesh.identity().Suspend(ipb.SuspendRequest(did=ada.did, reason="looking into it"))
    assert await breaks(at_work, carol, forged) == before == ("key", "1")


async def test_somebody_nobody_enrolled(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    nobody = f"did:key:{public_key_of(seeded_key(77)).multibase}"
    assert await breaks(at_work, bob, sign_grant(replace(sound, delegator=nobody), seeded_key(77))) == ("agent", "1")
    assert await breaks(at_work, bob, sign_grant(replace(sound, delegatee=nobody), ada.signing)) == ("agent", "1")


Widening = Callable[[Grant, Deputy], Grant]

WIDENINGS: dict[str, Widening] = {
    "scope": lambda grant, _: replace(grant, scopes=("invoices:*",)),
    "audience": lambda grant, _: replace(grant, audiences=(ORDERS, LEDGER)),
    "tools": lambda grant, _: replace(grant, tools={"warehouse.export": "sha256-" + "00" * 32}),
    "budget": lambda grant, _: replace(grant, budget=Budget(calls=11)),
    "window": lambda grant, _: replace(grant, expires_at=Instant(grant.expires_at + SECOND)),
    "depth": lambda grant, _: replace(grant, max_depth=5),
    "parent": lambda grant, _: replace(grant, parent="A" * 43),
    "chain": lambda grant, _: replace(grant, chain="another"),
    "issued-at": lambda grant, _: replace(grant, issued_at=Instant(grant.issued_at - HOUR)),
    "issuer": lambda grant, ada: replace(grant, delegator=ada.did),
}


@pytest.mark.parametrize("rule", WIDENINGS)
async def test_a_deputy_that_takes_more_than_it_was_given(
    at_work: Delegating, deputies: list[Deputy], rule: str
) -> None:
    ada, bob, carol = deputies
    chain = at_work.begin(ada, bob, budget=Budget(calls=10), further=1)
    narrow = child(chain[0], bob, carol, max_depth=2)
    assert (await at_work.exchange(carol, (*chain, sign_grant(narrow, bob.signing)), budget=Budget(calls=1))).ring == 3
    wide = sign_grant(WIDENINGS[rule](narrow, ada), bob.signing)
    assert await breaks(at_work, carol, *chain, wide) == (rule, "2")


async def test_a_grant_until_the_end_of_time(at_work: Delegating, deputies: list[Deputy]) -> None:
    """What no timestamp can say is refused; what one can is shown, and its token ends as soon as any."""
    ada, bob, _ = deputies
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    end = 253_402_300_799
    done = await at_work.exchange(bob, (spoiled(sound, ada.signing, exp=end),))
    assert done.delegation.expire_time.ToJsonString() == "9999-12-31T23:59:59Z"
    assert claims_of(done.access_token)["exp"] == at_work.mesh.clock.now() // SECOND + 300
    assert await breaks(at_work, bob, spoiled(sound, ada.signing, exp=end + 1)) == ("form", "1")


async def test_a_new_name_for_the_same_grant(at_work: Delegating, deputies: list[Deputy]) -> None:
    """No text but the one that was signed is the grant: a second spelling would have a second budget."""
    ada, bob, _ = deputies
    (sound,) = at_work.begin(ada, bob, budget=Budget(calls=1))
    await at_work.exchange(bob, (sound,), budget=Budget(calls=1))
    head, body, signature = sound.split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = letters[letters.index(signature[-1]) ^ 1]
    for text in (f"{head}.{body}.{signature[:-1]}{twin}", f"{sound}=", f"{head}=.{body}.{signature}"):
        assert await breaks(at_work, bob, text) == ("form", "1")


async def budget_under_attack(at_work: Delegating, *, at_once: int, limit: int) -> None:
    """Many holders exchange at once under one budget; what they get together is what there was, and no more."""
    ada, bob = await at_work.enrol(1), await at_work.enrol(2)
    first = at_work.begin(ada, bob, budget=Budget(calls=limit), further=1)
    below: list[tuple[Deputy, tuple[str, ...]]] = [(bob, first)]
    for number in (3, 4):
        deputy = await at_work.enrol(number)
        below.append((deputy, at_work.extend(bob, first, deputy, budget=Budget(calls=limit // 2))))
    requests = [at_work.request(*below[number % 3], budget=Budget(calls=1 + number % 3)) for number in range(at_once)]
    answers = await asyncio.gather(
        *(at_work.stub().ExchangeDelegation(request) for request in requests), return_exceptions=True
    )
    taken = [
        request.budget.calls
        for request, answer in zip(requests, answers, strict=True)
        if isinstance(answer, pb.ExchangeDelegationResponse)
    ]
    shown = {one.name: one for one in await at_work.listed()}
    root = shown[NAME_PREFIX + grant_hash(first[0])]
    assert root.spent.calls == sum(taken)
    assert limit - 3 < root.spent.calls <= limit
    for one in shown.values():
        assert 0 <= one.spent.calls <= one.budget.calls
    by_child = Counter[str]()
    for (_, chain), request, answer in zip((below * at_once)[:at_once], requests, answers, strict=True):
        if isinstance(answer, pb.ExchangeDelegationResponse) and len(chain) == 2:
            by_child[NAME_PREFIX + grant_hash(chain[1])] += request.budget.calls
    assert {name: shown[name].spent.calls for name in by_child} == dict(by_child)


async def test_a_budget_is_not_overdrawn_by_many_at_once(at_work: Delegating) -> None:
    await budget_under_attack(at_work, at_once=40, limit=30)


async def test_a_budget_is_not_overdrawn_by_many_at_once_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    with empty_database(postgres_url) as url:
        async with identity_mesh(tmp_path, config=IdentityConfig(database=Secret(url))) as running:
            await running.with_sponsors()
            await budget_under_attack(Delegating(mesh=running), at_once=40, limit=30)


async def test_two_revocations_at_once_end_a_grant_once(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    chain = at_work.extend(bob, at_work.begin(ada, bob, further=1), carol)
    await at_work.exchange(carol, chain)
    name = NAME_PREFIX + grant_hash(chain[0])
    answers = await asyncio.gather(*(at_work.revoke(name, reason=f"reason {number}") for number in range(4)))
    assert sorted(answer.descendants_revoked for answer in answers) == [0, 0, 0, 1]
    assert len({answer.delegation.revocation_reason for answer in answers}) == 1


async def test_an_exchange_and_a_revocation_at_once(at_work: Delegating, deputies: list[Deputy]) -> None:
    """Whichever comes first: after the revocation is answered there is no new token."""
    ada, bob, _ = deputies
    chain = at_work.begin(ada, bob)
    await at_work.exchange(bob, chain)
    name = NAME_PREFIX + grant_hash(chain[0])
    await asyncio.gather(at_work.exchange(bob, chain), at_work.revoke(name), return_exceptions=True)
    assert (await refused_to(at_work, bob, chain)).reason == "DELEGATION_REVOKED"


async def test_the_clock_of_a_delegator_that_runs_ahead(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    ahead = replace(sound, issued_at=Instant(sound.issued_at + 5 * SECOND))
    assert (await at_work.exchange(bob, (sign_grant(ahead, ada.signing),))).access_token
    far_ahead = replace(sound, issued_at=Instant(sound.issued_at + 7 * SECOND))
    assert await breaks(at_work, bob, sign_grant(far_ahead, ada.signing)) == ("issued-at", "1")
    at_work.mesh.clock.advance(Millis(2 * SECOND))
    assert (await at_work.exchange(bob, (sign_grant(far_ahead, ada.signing),))).access_token
