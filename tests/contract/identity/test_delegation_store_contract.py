"""The contract of delegation grants in identity's store, over memory, SQLite and PostgreSQL."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

import pytest
from ringfence.proofs.delegation_grant import Budget
from ringfence_identity.delegation.model import Delegation, DelegationQuery, Onlooker, Position, SeenGrant
from ringfence_identity.store import IdentityTx
from ringfence_kit.clock import DAY, HOUR, Instant
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.opened import OpenedIdentity, opened_identity

NOW = Instant(1_767_225_600_000)
LATER = Instant(NOW + HOUR)
BY_ADA = Mutation(principal="ada", at=NOW)
EVERYTHING = Onlooker(everything=True)

T = TypeVar("T")


def grant(*hashes: str, agents: Sequence[str] = (), environment: str = "prod", at: Instant = NOW) -> SeenGrant:
    """Return a grant at the end of a chain whose grants are named by single letters."""
    dids = tuple(agents) or tuple(f"did:{number}" for number in range(len(hashes) + 1))
    return SeenGrant(
        environment=environment,
        hashes=tuple(letter * 43 for letter in hashes),
        agents=dids,
        namespaces=tuple(sorted({f"of-{did[-1]}" for did in dids})),
        audiences=("https://orders.example.com",),
        scopes=("orders:read", "orders:*"),
        tools={"ledger.propose": "sha256-" + "ab" * 32},
        limit=Budget(calls=10),
        issued_at=at,
        not_before=at,
        expires_at=Instant(at + DAY),
        seen_at=at,
    )


def name_of(letter: str) -> str:
    return f"delegations/{letter * 43}"


# a ── b ── c        and, apart from it,  e ── f
#      └─── d
A, B, C, D = grant("a"), grant("a", "b"), grant("a", "b", "c"), grant("a", "d", agents=("did:0", "did:1", "did:7"))
E, F = grant("e", agents=("did:8", "did:9")), grant("e", "f", agents=("did:8", "did:9", "did:1"))
FOREST = (A, B, C, D, E, F)


async def do(service: OpenedIdentity, work: Callable[[IdentityTx], T], result: type[T]) -> T:
    return await service.writer.write(work, mutation=BY_ADA, result=result)


async def add(service: OpenedIdentity, *grants: SeenGrant) -> None:
    def work(tx: IdentityTx) -> None:
        for one in grants:
            tx.add_delegation(one)

    await do(service, work, type(None))


def _revoke(tx: IdentityTx, *, name: str) -> int:
    return tx.revoke_delegations(name, reason="left", at=NOW)


async def known(service: OpenedIdentity, name: str) -> Delegation | None:
    return await service.writer.write(
        lambda tx: tx.delegation(name), mutation=BY_ADA, result=cast("type[Delegation | None]", Delegation | None)
    )


async def going_through(service: OpenedIdentity, did: str, *, since: Instant | None = None) -> list[str]:
    """Return the last letter of each grant that goes through `did`."""
    found = await do(service, lambda tx: list(tx.grants_of(did, since=since)), list[Delegation])
    return [one.grant.hashes[-1][0] for one in found]


async def listed(service: OpenedIdentity, **wanted: Any) -> list[str]:
    """Return the last letter of each grant that is listed."""
    query = replace(DelegationQuery(environment="prod", onlooker=EVERYTHING, limit=100), **wanted)
    return [one.grant.hashes[-1][0] for one in await service.store.delegations(query)]


async def revoked(service: OpenedIdentity) -> set[str]:
    """Return the last letter of each grant that has ended."""
    query = DelegationQuery(environment="prod", onlooker=EVERYTHING, limit=100)
    found = await service.store.delegations(query)
    return {one.grant.hashes[-1][0] for one in found if one.revoked_at is not None}


async def test_a_grant_comes_back_as_it_was_added(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, A, B)
    async with opened_identity(backend) as service:
        assert await known(service, B.name) == Delegation(grant=B)
        assert await known(service, name_of("z")) is None


async def test_a_grant_is_added_once(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, A)
        with pytest.raises(Exception, match=r"(?i)unique|a{43}"):
            await add(service, A)


async def test_what_is_spent_adds_up(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, A, B)
        for _ in range(3):
            await do(service, lambda tx: tx.spend_budget(A.name, Budget(calls=2, cost_micros=10**15)), type(None))
        spent = Budget(calls=6, cost_micros=3 * 10**15)
        assert await known(service, A.name) == Delegation(grant=A, spent=spent)
        assert await known(service, B.name) == Delegation(grant=B)


@pytest.mark.parametrize(("cut", "gone"), [("a", "abcd"), ("b", "bc"), ("c", "c"), ("d", "d"), ("e", "ef")])
async def test_a_revoked_grant_takes_exactly_those_below_it(backend: Backend, cut: str, gone: str) -> None:
    async with opened_identity(backend) as service:
        await add(service, *FOREST)
        count = await do(service, lambda tx: tx.revoke_delegations(name_of(cut), reason="left", at=LATER), int)
        assert count == len(gone)
        assert await revoked(service) == set(gone)


async def test_what_ended_before_keeps_its_reason(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, *FOREST)
        assert await do(service, lambda tx: tx.revoke_delegations(C.name, reason="first", at=NOW), int) == 1
        assert await do(service, lambda tx: tx.revoke_delegations(A.name, reason="second", at=LATER), int) == 3
        assert await do(service, lambda tx: tx.revoke_delegations(A.name, reason="third", at=LATER), int) == 0
        ended = Delegation(grant=C, revoked_at=NOW, revocation_reason="first")
        assert await known(service, C.name) == ended


async def test_neighbours_in_spelling_are_no_descendants(backend: Backend) -> None:
    """Hashes hold - and _, which stand before and after the / and the digits of a path."""
    around = [replace(grant("x"), hashes=(text * 43,), agents=("did:1", "did:2")) for text in "-09AZ_az"]
    async with opened_identity(backend) as service:
        await add(service, *around)
        for one in around:
            cut = partial(_revoke, name=one.name)
            assert await do(service, cut, int) == 1


async def test_what_goes_through_an_agent_is_what_it_gave_and_was_given(backend: Backend) -> None:
    """did:1 received a and f, and handed b and d on; c is made by another from what it handed on, e is another's."""
    async with opened_identity(backend) as service:
        await add(service, *reversed(FOREST))
        assert await going_through(service, "did:1") == ["a", "b", "d", "f"]
        await do(service, lambda tx: tx.revoke_delegations(A.name, reason="gone", at=NOW), int)
        assert await going_through(service, "did:1") == ["f"]


async def test_what_a_key_in_other_hands_may_have_signed(backend: Backend) -> None:
    """Not what was seen before; but what says it was made before and was only shown later may be a lie."""
    old = grant("o", agents=("did:1", "did:2"))
    young = replace(grant("y", agents=("did:1", "did:2")), issued_at=LATER, seen_at=Instant(LATER + HOUR))
    dated_back = replace(grant("z", agents=("did:1", "did:2")), issued_at=NOW, seen_at=LATER)
    below = replace(grant("y", "w", agents=("did:1", "did:2", "did:3")), seen_at=LATER)
    received = grant("r", agents=("did:4", "did:1"), at=LATER)
    async with opened_identity(backend) as service:
        await add(service, old, young, dated_back, below, received)
        assert await going_through(service, "did:1", since=LATER) == ["y", "z"]


async def test_grants_are_listed_oldest_first_and_page_by_page(backend: Backend) -> None:
    younger = replace(E, seen_at=Instant(NOW - HOUR))
    async with opened_identity(backend) as service:
        await add(service, A, B, C, D, younger)
        assert await listed(service) == ["e", "a", "b", "c", "d"]
        assert await listed(service, limit=2) == ["e", "a"]
        assert await listed(service, after=Position(seen_at=A.seen_at, path=A.path), limit=2) == ["b", "c"]


async def test_a_list_is_narrowed_by_what_is_asked(backend: Backend) -> None:
    elsewhere = grant("x", environment="dev")
    async with opened_identity(backend) as service:
        await add(service, *FOREST, elsewhere)
        await do(service, lambda tx: tx.revoke_delegations(B.name, reason="left", at=NOW), int)
        assert await listed(service, environment="dev") == ["x"]
        assert await listed(service, delegator="did:1") == ["b", "d"]
        assert await listed(service, delegatee="did:1") == ["a", "f"]
        assert await listed(service, delegator="did:1", delegatee="did:7") == ["d"]
        assert await listed(service, holding_at=NOW) == ["a", "d", "e", "f"]
        assert await listed(service, holding_at=A.expires_at) == []


async def test_everyone_sees_what_they_are_part_of(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, *FOREST)
        assert await listed(service, onlooker=Onlooker(did="did:2")) == ["b", "c"]
        assert await listed(service, onlooker=Onlooker(did="did:1")) == ["a", "b", "c", "d", "f"]
        assert await listed(service, onlooker=Onlooker(namespaces=frozenset({"of-7", "of-8"}))) == ["d", "e", "f"]
        assert await listed(service, onlooker=Onlooker(did="did:3", namespaces=frozenset({"of-9"}))) == ["c", "e", "f"]
        assert await listed(service, onlooker=Onlooker()) == []


async def test_what_expired_long_ago_is_forgotten(backend: Backend) -> None:
    old = [grant(letter, at=Instant(NOW - number * DAY)) for number, letter in enumerate("uvw", start=2)]
    async with opened_identity(backend) as service:
        await add(service, A, *old)
        assert await do(service, lambda tx: tx.forget_delegations(before=NOW, limit=2), int) == 2
        assert await listed(service) == ["u", "a"]
        assert await do(service, lambda tx: tx.forget_delegations(before=NOW, limit=2), int) == 1
        assert await do(service, lambda tx: tx.forget_delegations(before=NOW, limit=2), int) == 0
        assert await listed(service, onlooker=Onlooker(did="did:0", namespaces=frozenset({"of-0"}))) == ["a"]
