"""Exchanging a chain of grants over the wire: what comes out, and what stands in the way."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from ringfence.identity.v1 import delegation_pb2 as pb
from ringfence.identity.v1 import identity_pb2 as ipb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.delegation_grant import NAME_PREFIX, Budget, grant_hash, read_grant
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.clock import HOUR, MINUTE, SECOND, Millis
from support.identity.delegating import DELEGATING, LEDGER, ORDERS, Delegating, Deputy, claims_of
from support.identity.evidence import record, signal
from support.identity.keys import seeded_key
from support.identity.mesh import identity_mesh
from support.identity.rotations import replacement, rotation
from support.wire import Refusal, refusal


@pytest.fixture
async def at_work(tmp_path: Path) -> AsyncIterator[Delegating]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield Delegating(mesh=running)


@pytest.fixture
async def deputies(at_work: Delegating) -> list[Deputy]:
    return [await at_work.enrol(number) for number in (1, 2, 3)]


def name_of(grant: str) -> str:
    return NAME_PREFIX + grant_hash(grant)


async def chain_of_two(at_work: Delegating, deputies: list[Deputy], **handover: Any) -> tuple[str, ...]:
    """Return a chain from the first deputy over the second to the third."""
    ada, bob, carol = deputies
    chain = at_work.begin(ada, bob, **{"further": 1, **handover})
    return at_work.extend(bob, chain, carol)


async def refused_to(at_work: Delegating, by: Deputy, chain: tuple[str, ...], **wanted: Any) -> Refusal:
    """Exchange a chain in vain."""
    return await refusal(at_work.exchange(by, chain, **wanted))


async def test_a_chain_is_exchanged_for_a_token_of_its_holder(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    chain = at_work.begin(ada, bob, scopes=("invoices:read", "warehouse:*"), audiences=(ORDERS, LEDGER), further=1)
    chain = at_work.extend(bob, chain, carol, scopes=("warehouse:export",))
    done = await at_work.exchange(carol, chain)
    claims = claims_of(done.access_token)
    assert claims["sub"] == claims["client_id"] == carol.did
    assert claims["cnf"] == {"jkt": public_key_of(carol.signing).thumbprint}
    assert claims["scope"] == "warehouse:export"
    assert claims["aud"] == ORDERS
    assert (claims["env"], claims["ring"]) == ("prod", 3)
    assert claims["bc"] == carol.identity.birth_certificate_hash
    assert claims["rev"] == carol.identity.revocation_epoch
    assert claims["delegation"]["path"] == [ada.did, bob.did, carol.did]
    assert claims["delegation"]["grants"] == [grant_hash(grant) for grant in chain]
    assert claims["delegation"]["chain"] == read_grant(chain[0]).grant.grant_id
    assert (claims["delegation"]["depth"], claims["delegation"]["budget"]) == (2, {})
    assert (done.ring, list(done.scopes), done.expire_time.seconds) == (3, ["warehouse:export"], claims["exp"])


async def test_the_answer_shows_the_grant_as_it_stands(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    tools = {tool.name: tool.schema_hash for tool in ada.identity.birth_certificate.approved_tools}
    chain = at_work.begin(ada, bob, tools=tools, budget=Budget(calls=10, cost_micros=500), further=1)
    chain = at_work.extend(bob, chain, carol, tools=tools, budget=Budget(calls=5))
    done = await at_work.exchange(carol, chain, budget=Budget(calls=2, cost_micros=50))
    shown = done.delegation
    assert shown.name == name_of(chain[1])
    assert list(shown.ancestors) == [name_of(chain[0])]
    assert (shown.origin, shown.delegator, shown.delegatee) == (ada.did, bob.did, carol.did)
    assert (shown.environment, shown.depth) == ("prod", 2)
    assert (list(shown.scopes), list(shown.audiences), dict(shown.tools)) == (["invoices:read"], [ORDERS], tools)
    assert shown.budget == pb.DelegationBudget(calls=5, cost_micros=500)
    assert shown.spent == pb.DelegationBudget(calls=2, cost_micros=50)
    assert not shown.HasField("revoke_time")
    assert claims_of(done.access_token)["delegation"]["tools"] == tools
    assert claims_of(done.access_token)["delegation"]["budget"] == {"calls": 2, "cost_micros": 50}


async def test_a_token_lives_no_longer_than_the_shortest_grant(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    chain = at_work.begin(ada, bob, further=1, lifetime=HOUR)
    short = at_work.extend(bob, chain, carol, lifetime=Millis(20 * SECOND))
    claims = claims_of((await at_work.exchange(carol, short)).access_token)
    assert claims["exp"] == claims["iat"] + 20
    long = at_work.extend(bob, chain, carol)
    claims = claims_of((await at_work.exchange(carol, long)).access_token)
    assert claims["exp"] == claims["iat"] + 300


async def test_the_ring_is_that_of_the_least_trusted(at_work: Delegating, deputies: list[Deputy]) -> None:
    """Bob and carol have earned ring 2; ada is a newcomer, and whoever acts for her acts in ring 3."""
    mesh, (ada, bob, carol) = at_work.mesh, deputies
    for day in range(4):
        for hour in range(24):
            for deputy in (bob, carol):
                kind = tpb.SIGNAL_KIND_EVALUATION_PASSED
                await record(mesh, signal(mesh, deputy.identity, f"{deputy.identity.agent}-{day}-{hour}", kind))
            mesh.clock.advance(HOUR)
    own = (await mesh.token(carol.identity, carol.signing)).access_token
    assert claims_of(own)["ring"] == 2
    assert (await at_work.exchange(carol, await chain_of_two(at_work, deputies))).ring == 3
    assert (await at_work.exchange(carol, at_work.begin(bob, carol))).ring == 2
    assert ada.identity.environment == "prod"


async def test_nobody_gets_more_than_every_certificate_permits_now(at_work: Delegating, deputies: list[Deputy]) -> None:
    """The one in between loses a permission: what it hands on narrows with it, at once."""
    ada, bob, carol = deputies
    narrow = await at_work.enrol(4, content=replace(DELEGATING, permissions=("warehouse:export", "billing:*")))
    wide = ("invoices:read", "warehouse:*")
    chain = at_work.begin(ada, narrow, scopes=wide, further=1)
    chain = at_work.extend(narrow, chain, carol, scopes=wide)
    assert list((await at_work.exchange(carol, chain)).scopes) == ["warehouse:export"]
    refused = await refused_to(at_work, carol, chain, scopes=("invoices:read",))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "SCOPE_NOT_GRANTED")
    assert refused.metadata == {"did": carol.did, "scopes": "invoices:read"}
    only = at_work.begin(ada, narrow, scopes=("invoices:read",))
    assert (await refused_to(at_work, narrow, only)).reason == "SCOPE_NOT_GRANTED"
    assert bob.did


async def test_exchanging_twice_gives_the_same_rights(at_work: Delegating, deputies: list[Deputy]) -> None:
    """A second token of the same chain says what the first one says; only its own id differs."""
    carol, chain = deputies[2], await chain_of_two(at_work, deputies)
    once, twice = [claims_of((await at_work.exchange(carol, chain)).access_token) for _ in range(2)]
    assert once.pop("jti") != twice.pop("jti")
    assert once == twice


async def test_a_holder_may_ask_for_less(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    chain = at_work.begin(ada, bob, scopes=("invoices:read", "warehouse:*"))
    done = await at_work.exchange(bob, chain, scopes=("warehouse:export:daily",))
    assert list(done.scopes) == ["warehouse:export:daily"]


async def test_a_budget_is_spent_at_every_link(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    dave = await at_work.enrol(4)
    first = at_work.begin(ada, bob, budget=Budget(calls=10), further=1)
    to_carol, to_dave = at_work.extend(bob, first, carol), at_work.extend(bob, first, dave)
    await at_work.exchange(carol, to_carol, budget=Budget(calls=6))
    refused = await refused_to(at_work, dave, to_dave, budget=Budget(calls=5))
    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "DELEGATION_BUDGET_EXHAUSTED")
    assert refused.metadata == {"delegation": name_of(first[0]), "member": "calls", "left": "4"}
    done = await at_work.exchange(dave, to_dave, budget=Budget(calls=4))
    assert done.delegation.spent.calls == 4
    spent = {one.name: one.spent.calls for one in await at_work.listed()}
    assert spent == {name_of(first[0]): 10, name_of(to_carol[1]): 6, name_of(to_dave[1]): 4}


async def test_what_is_limited_must_be_asked_for(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    chain = at_work.begin(ada, bob, budget=Budget(cost_micros=10))
    refused = await refused_to(at_work, bob, chain, budget=Budget(calls=1))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert list(refused.violations) == ["budget.cost_micros"]
    free = at_work.begin(ada, bob)
    done = await at_work.exchange(bob, free, budget=Budget(calls=1_000_000_000, cost_micros=10**15))
    assert done.delegation.spent == pb.DelegationBudget(calls=1_000_000_000, cost_micros=10**15)


async def test_a_refused_exchange_uses_up_nothing(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    chain = at_work.begin(ada, bob, budget=Budget(calls=5))
    greedy = at_work.request(bob, chain, budget=Budget(calls=6))
    assert (await refusal(at_work.stub().ExchangeDelegation(greedy))).reason == "DELEGATION_BUDGET_EXHAUSTED"
    assert await at_work.listed() == []
    greedy.budget.calls = 5
    assert (await at_work.stub().ExchangeDelegation(greedy)).delegation.spent.calls == 5


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_chain_through_someone_suspended_is_of_no_use_meanwhile(
    at_work: Delegating, deputies: list[Deputy], number: int
) -> None:
    chain = await chain_of_two(at_work, deputies)
    someone = deputies[number].did
    await at_work.mesh.identity().Suspend(ipb.SuspendRequest(did=someone, reason="looking into it"))
    refused = await refused_to(at_work, deputies[2], chain)
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_SUSPENDED")
    assert refused.metadata["did"] == someone
    await at_work.mesh.identity().Reinstate(ipb.ReinstateRequest(did=someone, reason="nothing found"))
    assert (await at_work.exchange(deputies[2], chain)).access_token


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_chain_through_someone_revoked_is_of_no_use(
    at_work: Delegating, deputies: list[Deputy], number: int
) -> None:
    chain = await chain_of_two(at_work, deputies)
    await at_work.exchange(deputies[2], chain)
    someone = deputies[number].did
    await at_work.mesh.identity().Revoke(ipb.RevokeRequest(did=someone, reason="gone"))
    refused = await refused_to(at_work, deputies[2], chain)
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")
    ended = {one.name for one in await at_work.listed(show_ended=True) if one.HasField("revoke_time")}
    assert ended == {name_of(grant) for grant in (chain if number < 2 else chain[1:])}


async def test_a_sponsor_who_is_gone_takes_the_chain_along(at_work: Delegating) -> None:
    await at_work.mesh.with_sponsors("eve", "mallory")
    left_alone = replace(DELEGATING, sponsor="sponsors/eve", backup_sponsor="sponsors/mallory")
    ada, bob, carol = await at_work.enrol(1), await at_work.enrol(2, content=left_alone), await at_work.enrol(3)
    chain = await chain_of_two(at_work, [ada, bob, carol])
    gone = ipb.OffboardSponsorRequest(name="sponsors/eve", policy=ipb.OFFBOARD_POLICY_SUSPEND, reason="left")
    await at_work.mesh.identity().OffboardSponsor(gone)
    refused = await refused_to(at_work, carol, chain)
    assert refused.code == "FAILED_PRECONDITION"
    assert refused.reason == "AGENT_SUSPENDED"


async def test_a_new_birth_certificate_ends_what_began_with_the_old_one(
    at_work: Delegating, deputies: list[Deputy]
) -> None:
    ada, bob, carol = deputies
    chain = await chain_of_two(at_work, deputies)
    onwards = at_work.begin(bob, carol)
    for held in (chain, onwards):
        await at_work.exchange(carol, held)
    again = birth_content_to_proto(replace(DELEGATING, purpose="Reconcile invoices of the world."))
    request = ipb.IssueBirthCertificateRequest(did=ada.did, birth_certificate=again)
    issued = await at_work.mesh.credentials().IssueBirthCertificate(request)
    refused = await refused_to(at_work, carol, chain)
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "DELEGATION_INVALID")
    assert (refused.metadata["rule"], refused.metadata["link"]) == ("certificate", "1")
    assert [one.name for one in await at_work.listed()] == [name_of(onwards[0])]
    renewed = replace(ada, identity=issued.identity)
    chain = at_work.extend(bob, at_work.begin(renewed, bob, further=1), carol)
    assert (await at_work.exchange(carol, chain)).access_token


async def test_a_grant_outlives_the_key_that_signed_it(at_work: Delegating, deputies: list[Deputy]) -> None:
    """And the key does not sign anew: a rotated key speaks for its own time only."""
    ada, bob, _ = deputies
    chain = at_work.begin(ada, bob)
    at_work.mesh.clock.advance(MINUTE)
    new = seeded_key(41)
    await at_work.mesh.identity().RotateKey(rotation(ada.identity, seeded_key(1), new))
    at_work.mesh.clock.advance(MINUTE)
    assert (await at_work.exchange(bob, chain)).access_token
    refused = await refused_to(at_work, bob, at_work.begin(ada, bob))
    assert (refused.reason, refused.metadata["rule"]) == ("DELEGATION_INVALID", "key")


async def test_a_lost_key_takes_what_it_signed_since(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    before = at_work.begin(ada, bob, further=1)
    await at_work.exchange(bob, before)
    at_work.mesh.clock.advance(Millis(HOUR // 2))
    lost_at = at_work.mesh.clock.now()
    since = at_work.begin(ada, carol)
    await at_work.exchange(carol, since)
    at_work.mesh.clock.advance(MINUTE)
    report = ipb.ReportCompromiseRequest(
        did=ada.did, reason="found in a log", replacement=replacement(ada.identity, seeded_key(1), seeded_key(41))
    )
    report.compromised_since.FromMilliseconds(lost_at)
    assert (await at_work.mesh.identity().ReportCompromise(report)).delegations_revoked == 1
    refused = await refused_to(at_work, carol, since)
    assert (refused.reason, refused.metadata["rule"]) == ("DELEGATION_INVALID", "compromised")
    assert (await at_work.exchange(bob, before)).access_token


async def test_a_holder_whose_key_was_rotated_uses_the_new_one(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    free, bound = at_work.begin(ada, bob), at_work.begin(ada, bob, holder=bob.key.key_id)
    assert (await at_work.exchange(bob, bound)).access_token
    at_work.mesh.clock.advance(MINUTE)
    await at_work.mesh.identity().RotateKey(rotation(bob.identity, seeded_key(2), seeded_key(42)))
    renewed = bob.with_key(42)
    claims = claims_of((await at_work.exchange(renewed, free)).access_token)
    assert claims["cnf"] == {"jkt": public_key_of(seeded_key(42)).thumbprint}
    refused = await refused_to(at_work, renewed, bound)
    assert (refused.reason, refused.metadata["rule"]) == ("DELEGATION_INVALID", "holder-key")


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_no_token_outlasts_an_ephemeral_agent_of_its_chain(
    at_work: Delegating, deputies: list[Deputy], number: int
) -> None:
    """Nothing is revoked when one ends by itself."""
    brief = await at_work.enrol(8, did_method=ipb.DID_METHOD_KEY, lifetime=Duration(seconds=120))
    chain_of = [*deputies]
    chain_of[number] = brief
    chain = await chain_of_two(at_work, chain_of)
    claims = claims_of((await at_work.exchange(chain_of[2], chain)).access_token)
    assert claims["exp"] == claims["iat"] + 120
    assert brief.did in claims["delegation"]["path"]
    at_work.mesh.clock.advance(Millis(2 * MINUTE))
    refused = await refused_to(at_work, chain_of[2], chain)
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_EXPIRED")


BAD_EXCHANGES: list[tuple[str, dict[str, Any]]] = [
    ("grants", {"grants": []}),
    ("grants", {"grants": ["a"] * 6}),
    ("grants[0]", {"grants": [""]}),
    ("grants[1]", {"grants": ["a.b.c", "a" * 8_193]}),
    ("grants[0]", {"grants": ["a\n"]}),
    ("assertion", {"assertion": ""}),
    ("assertion", {"assertion": "a" * 5_000}),
    ("audience", {"audience": ""}),
    ("audience", {"audience": "two words"}),
    ("audience", {"audience": "a" * 257}),
    ("scopes[0]", {"scopes": ["*"]}),
    ("scopes[1]", {"scopes": ["a", "A"]}),
    ("scopes[1]", {"scopes": ["a", "a"]}),
    ("scopes", {"scopes": [f"a:{number}" for number in range(65)]}),
    ("budget.calls", {"budget": pb.DelegationBudget(calls=-1)}),
    ("budget.calls", {"budget": pb.DelegationBudget(calls=1_000_000_001)}),
    ("budget.cost_micros", {"budget": pb.DelegationBudget(cost_micros=10**15 + 1)}),
]


@pytest.mark.parametrize(("field", "bad"), BAD_EXCHANGES)
async def test_what_no_exchange_looks_like(at_work: Delegating, field: str, bad: dict[str, Any]) -> None:
    sound: dict[str, Any] = {"grants": ["a.b.c"], "assertion": "a.b.c", "audience": ORDERS}
    refused = await refusal(at_work.stub().ExchangeDelegation(pb.ExchangeDelegationRequest(**{**sound, **bad})))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert field in refused.violations


async def test_an_unknown_holder_is_refused_as_any_bad_assertion(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    request = at_work.request(bob, at_work.begin(ada, bob))
    for assertion in ("a.b.c", request.assertion[:-4], at_work.mesh.assertion(bob.identity, ada.signing)):
        request.assertion = assertion
        refused = await refusal(at_work.stub().ExchangeDelegation(request))
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "ASSERTION_INVALID")


async def test_grants_and_what_was_spent_outlive_a_restart(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        at_work = Delegating(mesh=running)
        ada, bob = await at_work.enrol(1), await at_work.enrol(2)
        chain = at_work.begin(ada, bob, budget=Budget(calls=3))
        await at_work.exchange(bob, chain, budget=Budget(calls=2))
        clock = running.clock
    async with identity_mesh(tmp_path, clock=clock) as running:
        at_work = Delegating(mesh=running)
        refused = await refused_to(at_work, bob, chain, budget=Budget(calls=2))
        assert (refused.reason, refused.metadata["left"]) == ("DELEGATION_BUDGET_EXHAUSTED", "1")
        await at_work.revoke(name_of(chain[0]))
        assert (await refused_to(at_work, bob, chain, budget=Budget(calls=1))).reason == "DELEGATION_REVOKED"
