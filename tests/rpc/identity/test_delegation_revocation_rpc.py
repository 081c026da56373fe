"""Revoking and listing grants over the wire: who may, what ends with what, and who sees it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ringfence.identity.v1 import delegation_pb2 as pb
from ringfence.identity.v1 import revocation_pb2 as rpb
from ringfence.proofs.delegation_grant import NAME_PREFIX, grant_hash, read_grant, sign_grant
from ringfence_kit.callers import Caller
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant, Millis
from support.identity.delegating import Delegating, Deputy
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, STRANGER, identity_mesh
from support.serving import OPERATOR, SERVICE
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


async def test_revoking_a_grant_takes_exactly_what_is_below_it(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    dave = await at_work.enrol(4)
    first = at_work.begin(ada, bob, further=2)
    second = at_work.extend(bob, first, carol, further=1)
    third = at_work.extend(carol, second, dave)
    aside = at_work.extend(bob, first, dave)
    for by, chain in ((dave, third), (dave, aside)):
        await at_work.exchange(by, chain)
    revoked = await at_work.revoke(name_of(second[1]), caller=bob.caller)
    assert revoked.descendants_revoked == 1
    assert revoked.delegation.revocation_reason == "no longer needed"
    refused = await refused_to(at_work, dave, third)
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "DELEGATION_REVOKED")
    assert refused.metadata == {"delegation": name_of(second[1])}
    assert (await at_work.exchange(dave, aside)).access_token
    assert (await at_work.exchange(bob, first)).access_token
    told = await at_work.mesh.standing_revocations("prod")
    (about,) = [one for one in told if one.kind == rpb.REVOCATION_KIND_DELEGATION]
    assert (about.subject, about.reason) == (name_of(second[1]), "no longer needed")
    assert about.forget_time == revoked.delegation.expire_time


async def test_revoking_what_is_revoked_changes_nothing(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    chain = at_work.begin(ada, bob)
    await at_work.exchange(bob, chain)
    first = await at_work.revoke(name_of(chain[0]), caller=ada.caller, reason="first")
    at_work.mesh.clock.advance(MINUTE)
    second = await at_work.revoke(name_of(chain[0]), caller=ada.caller, reason="second")
    assert second.delegation == first.delegation
    assert second.descendants_revoked == 0


async def test_a_grant_that_was_never_exchanged_is_revoked_with_its_chain(
    at_work: Delegating, deputies: list[Deputy]
) -> None:
    carol = deputies[2]
    chain = await chain_of_two(at_work, deputies)
    await at_work.revoke(name_of(chain[0]), caller=deputies[0].caller, grants=chain[:1])
    refused = await refused_to(at_work, carol, chain)
    assert (refused.reason, refused.metadata["delegation"]) == ("DELEGATION_REVOKED", name_of(chain[0]))


async def test_a_grant_that_is_not_good_yet_is_revoked_before_it_is(
    at_work: Delegating, deputies: list[Deputy]
) -> None:
    ada, bob, _ = deputies
    sound = read_grant(at_work.begin(ada, bob)[0]).grant
    later = replace(sound, not_before=sound.expires_at, expires_at=Instant(sound.expires_at + HOUR))
    coming = sign_grant(later, ada.signing)
    assert (await refused_to(at_work, bob, (coming,))).metadata["rule"] == "time"
    await at_work.revoke(name_of(coming), caller=ada.caller, grants=[coming])
    at_work.mesh.clock.advance(Millis(HOUR + MINUTE))
    assert (await refused_to(at_work, bob, (coming,))).reason == "DELEGATION_REVOKED"


async def test_who_may_revoke(at_work: Delegating, deputies: list[Deputy]) -> None:
    """Those above: the delegator, whoever is above it, their owners, the platform. Not the holder, not a stranger."""
    ada, bob, carol = deputies
    dave = await at_work.enrol(4)
    for caller, may in (
        (ada.caller, True),
        (bob.caller, True),
        (carol.caller, False),
        (dave.caller, False),
        (OWNER, True),
        (STRANGER, False),
        (OPERATOR, True),
        (replace(ada.caller, environment="dev"), False),
    ):
        chain = await chain_of_two(at_work, deputies)
        await at_work.exchange(carol, chain)
        if may:
            assert (await at_work.revoke(name_of(chain[1]), caller=caller)).delegation.HasField("revoke_time")
            continue
        refused = await refusal(at_work.revoke(name_of(chain[1]), caller=caller))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


@pytest.mark.parametrize("caller", [AUDITOR, GATEWAY, SERVICE])
async def test_other_roles_revoke_nothing(at_work: Delegating, caller: Caller) -> None:
    refused = await refusal(at_work.revoke("delegations/" + "A" * 43, caller=caller))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_whether_a_grant_is_known_is_told_to_those_who_may_revoke_it(
    at_work: Delegating, deputies: list[Deputy]
) -> None:
    name = "delegations/" + "A" * 43
    for caller in (deputies[0].caller, OWNER, STRANGER):
        assert (await refusal(at_work.revoke(name, caller=caller))).reason == "NOT_PERMITTED"
    refused = await refusal(at_work.revoke(name))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "DELEGATION_NOT_FOUND")


async def test_what_cannot_hold_cannot_be_revoked_either(at_work: Delegating, deputies: list[Deputy]) -> None:
    """Or anybody could fill the list with grants nobody made."""
    ada, bob, _ = deputies
    forged = sign_grant(read_grant(at_work.begin(ada, bob)[0]).grant, seeded_key(99))
    refused = await refusal(at_work.revoke(name_of(forged), caller=ada.caller, grants=[forged]))
    assert (refused.reason, refused.metadata["rule"]) == ("DELEGATION_INVALID", "key")
    other = at_work.begin(ada, bob)
    refused = await refusal(at_work.revoke(name_of(forged), caller=ada.caller, grants=other))
    assert (refused.reason, list(refused.violations)) == ("INVALID_REQUEST", ["grants"])
    assert await at_work.listed(show_ended=True) == []


async def test_a_revocation_that_is_sent_again_is_answered_again(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    chain = at_work.begin(ada, bob)
    request = pb.RevokeDelegationRequest(
        name=name_of(chain[0]), grants=chain, reason="no", request_id="8c4f0a52-8a1a-4f6e-9d43-0d9a3a6b1c11"
    )
    first = await at_work.stub(ada.caller).RevokeDelegation(request)
    assert await at_work.stub(ada.caller).RevokeDelegation(request) == first
    request.reason = "yes"
    assert (await refusal(at_work.stub(ada.caller).RevokeDelegation(request))).reason == "REQUEST_ID_REUSED"


async def test_everyone_sees_the_grants_they_are_part_of(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    dave = await at_work.enrol(4)
    chain = await chain_of_two(at_work, deputies)
    await at_work.exchange(carol, chain)
    at_work.mesh.clock.advance(SECOND)
    aside = at_work.begin(dave, ada)
    await at_work.exchange(ada, aside)
    first, second, third = (name_of(grant) for grant in (*chain, *aside))
    for caller, sees in (
        (OPERATOR, [first, second, third]),
        (AUDITOR, [first, second, third]),
        (SERVICE, [first, second, third]),
        (OWNER, [first, second, third]),
        (STRANGER, []),
        (ada.caller, [first, second, third]),
        (bob.caller, [first, second]),
        (carol.caller, [second]),
        (dave.caller, [third]),
    ):
        assert [one.name for one in await at_work.listed(caller)] == sees


async def test_a_list_is_narrowed_and_continued(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, carol = deputies
    made = []
    for to in (bob, carol, bob, carol, bob):
        chain = at_work.begin(ada, to)
        await at_work.exchange(to, chain)
        made.append(name_of(chain[0]))
        at_work.mesh.clock.advance(SECOND)
    assert [one.name for one in await at_work.listed(delegatee=bob.did)] == made[::2]
    assert await at_work.listed(delegator=carol.did) == []
    request = pb.ListDelegationsRequest(environment="prod", delegatee=bob.did, page_size=2)
    page = await at_work.stub(OPERATOR).ListDelegations(request)
    assert [one.name for one in page.delegations] == made[:4:2]
    request.page_token = page.next_page_token
    last = await at_work.stub(OPERATOR).ListDelegations(request)
    assert [one.name for one in last.delegations] == made[4:]
    assert last.next_page_token == ""
    request.delegatee = carol.did
    assert (await refusal(at_work.stub(OPERATOR).ListDelegations(request))).reason == "PAGE_TOKEN_INVALID"


async def test_what_has_ended_is_listed_when_asked_for(at_work: Delegating, deputies: list[Deputy]) -> None:
    ada, bob, _ = deputies
    revoked, expiring = at_work.begin(ada, bob, lifetime=DAY), at_work.begin(ada, bob, lifetime=MINUTE)
    for chain in (revoked, expiring):
        await at_work.exchange(bob, chain)
    await at_work.revoke(name_of(revoked[0]))
    assert [one.name for one in await at_work.listed()] == [name_of(expiring[0])]
    at_work.mesh.clock.advance(MINUTE)
    assert await at_work.listed() == []
    assert len(await at_work.listed(show_ended=True)) == 2


async def test_an_agent_lists_its_own_environment_only(at_work: Delegating, deputies: list[Deputy]) -> None:
    refused = await refusal(at_work.listed(deputies[0].caller, environment="dev"))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    refused = await refusal(at_work.listed(environment="moon"))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "ENVIRONMENT_UNKNOWN")


BAD_REVOCATIONS: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": ""}),
    ("name", {"name": "delegations/short"}),
    ("name", {"name": "delegations/" + "A" * 44}),
    ("name", {"name": "A" * 43}),
    ("grants", {"grants": ["a"] * 6}),
    ("reason", {"reason": ""}),
    ("reason", {"reason": "a" * 501}),
    ("request_id", {"request_id": "one"}),
]


@pytest.mark.parametrize(("field", "bad"), BAD_REVOCATIONS)
async def test_what_no_revocation_looks_like(at_work: Delegating, field: str, bad: dict[str, Any]) -> None:
    sound: dict[str, Any] = {"name": "delegations/" + "A" * 43, "reason": "no"}
    request = pb.RevokeDelegationRequest(**{**sound, **bad})
    refused = await refusal(at_work.stub(OPERATOR).RevokeDelegation(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert field in refused.violations


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("environment", {"environment": ""}),
        ("delegator", {"delegator": "d" * 1_025}),
        ("delegatee", {"delegatee": "a\x00b"}),
        ("page_size", {"page_size": -1}),
    ],
)
async def test_what_no_list_looks_like(at_work: Delegating, field: str, bad: dict[str, Any]) -> None:
    refused = await refusal(at_work.listed(**bad))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert field in refused.violations
