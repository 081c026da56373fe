"""Grants as a tree: what is cut takes exactly what hangs from it, and no budget on it is ever overdrawn."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.delegation_chain import read_chain
from ringfence.proofs.delegation_grant import Budget, sign_grant
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.delegation.cascade import end_chains_of, end_grants_of
from ringfence_identity.delegation.model import DelegationQuery, Onlooker, SeenGrant
from ringfence_identity.delegation.spending import spend
from ringfence_identity.errors import DelegationBudgetExhausted
from ringfence_identity.model import REVOCATION, AgentIdentity
from ringfence_identity.store import IdentityTx
from ringfence_identity.store_memory import MemoryIdentityTx
from ringfence_identity.store_sql import SqlIdentityTx
from ringfence_identity.tables import metadata
from ringfence_identity.trust.ledger import newborn
from ringfence_kit.clock import DAY, Instant
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.events import Change, Revision
from ringfence_kit.memory import MemoryRows
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.delegation_chains import NOW, did_of, first_grant, next_grant
from support.identity.keys import seeded_key
from support.identity.opened import opened_identity

EVERYONE = tuple(f"did:{number}" for number in range(7))
LETTERS = "-09AZ_az"
"""Letters of base64url on both sides of the / that separates hashes in a path."""


@dataclass(slots=True)
class Told:
    """What was recorded, kept as it came."""

    events: list[tuple[str, str]] = field(default_factory=list)

    @property
    def next_revision(self) -> Revision:
        return Revision(len(self.events) + 1)

    def record(self, change: Change, kind: str, name: str, record: bytes) -> Revision:
        self.events.append((kind, name))
        return Revision(len(self.events))

    @property
    def revoked(self) -> list[str]:
        return [name for kind, name in self.events if kind == REVOCATION]


@contextmanager
def memory(told: Told) -> Iterator[IdentityTx]:
    yield MemoryIdentityTx(MemoryRows({}), told)


@contextmanager
def sqlite(told: Told) -> Iterator[IdentityTx]:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        yield SqlIdentityTx(connection, told)
    engine.dispose()


Store: TypeAlias = Callable[[Told], AbstractContextManager[IdentityTx]]
STORES = pytest.mark.parametrize("store", [memory, sqlite])


@st.composite
def forests(draw: st.DrawFn) -> tuple[SeenGrant, ...]:
    """Draw up to a dozen grants: each begins a chain, or goes on from one drawn before."""
    grants: list[SeenGrant] = []
    for number in range(draw(st.integers(1, 12))):
        above = draw(st.sampled_from([None, *(one for one in grants if len(one.hashes) < 5)]))
        before, agents = (above.hashes, above.agents) if above else ((), (draw(st.sampled_from(EVERYONE)),))
        to = draw(st.sampled_from([did for did in EVERYONE if did not in agents]))
        grants.append(
            SeenGrant(
                environment="prod",
                hashes=(*before, draw(st.sampled_from(LETTERS)) * 42 + chr(ord("a") + number)),
                agents=(*agents, to),
                namespaces=("billing",),
                audiences=("a",),
                scopes=("b",),
                tools={},
                limit=Budget(),
                issued_at=Instant(NOW + draw(st.integers(0, 9))),
                not_before=NOW,
                expires_at=Instant(NOW + DAY),
                seen_at=Instant(NOW + draw(st.integers(0, 9))),
            )
        )
    return tuple(grants)


def below(grant: SeenGrant, forest: tuple[SeenGrant, ...]) -> set[str]:
    """Return the names of a grant and of all that goes on from it."""
    return {one.name for one in forest if one.hashes[: len(grant.hashes)] == grant.hashes}


def ended(tx: IdentityTx, forest: tuple[SeenGrant, ...]) -> set[str]:
    """Return the names of the grants that are revoked."""
    found = [tx.delegation(grant.name) for grant in forest]
    return {known.grant.name for known in found if known is not None and known.revoked_at is not None}


@STORES
@given(forests(), st.data())
def test_a_cut_takes_exactly_what_hangs_from_it(
    store: Store, forest: tuple[SeenGrant, ...], data: st.DataObject
) -> None:
    """Property 10, again and again in any order."""
    with store(Told()) as tx:
        for grant in forest:
            tx.add_delegation(grant)
        gone: set[str] = set()
        for cut in data.draw(st.lists(st.sampled_from(forest), max_size=4)):
            falls = below(cut, forest) - gone
            assert tx.revoke_delegations(cut.name, reason="cut", at=NOW) == len(falls)
            gone |= falls
            assert ended(tx, forest) == gone


@STORES
@given(forests(), st.sampled_from(EVERYONE), st.none() | st.integers(0, 9))
def test_an_agent_takes_exactly_what_went_through_it(
    store: Store, forest: tuple[SeenGrant, ...], did: str, late: int | None
) -> None:
    """And the watchers are told of the topmost of these, of each once, and of nothing else."""
    since = None if late is None else Instant(NOW + late)
    through = [
        grant
        for grant in forest
        if (
            did in grant.agents[-2:]
            if since is None
            else grant.delegator == did and max(grant.issued_at, grant.seen_at) >= since
        )
    ]
    falls = {name for grant in through for name in below(grant, forest)}
    topmost = {grant.name for grant in through if not any(above in falls for above in grant.ancestors)}
    told = Told()
    with store(told) as tx:
        for grant in forest:
            tx.add_delegation(grant)
        assert end_grants_of(tx, did, since=since, reason="gone", at=NOW) == len(falls)
        assert ended(tx, forest) == falls
        assert sorted(told.revoked) == sorted(topmost)
        assert end_grants_of(tx, did, since=since, reason="gone", at=NOW) == 0


@STORES
@given(forests(), st.sampled_from(EVERYONE))
def test_a_new_certificate_takes_exactly_the_chains_that_begin_with_its_agent(
    store: Store, forest: tuple[SeenGrant, ...], did: str
) -> None:
    with store(Told()) as tx:
        for grant in forest:
            tx.add_delegation(grant)
        end_chains_of(tx, did, reason="new certificate", at=NOW)
        assert ended(tx, forest) == {grant.name for grant in forest if grant.agents[0] == did}


LIMITS = (Budget(calls=12, cost_micros=40), Budget(calls=7, cost_micros=20), Budget(calls=9, cost_micros=9))
ROOT = sign_grant(first_grant(budget=LIMITS[0]), seeded_key(1))
CHAINS = (
    (ROOT,),
    (ROOT, sign_grant(next_grant(ROOT, to=2, budget=LIMITS[1]), seeded_key(2))),
    (ROOT, sign_grant(next_grant(ROOT, to=3, budget=LIMITS[2]), seeded_key(2))),
)
EVERYTHING = DelegationQuery(environment="prod", onlooker=Onlooker(everything=True), limit=9)
amounts = st.builds(Budget, calls=st.integers(0, 6), cost_micros=st.integers(0, 15))


def agent(number: int) -> AgentIdentity:
    return AgentIdentity(
        uid=f"uid-{number}",
        agent=f"namespaces/billing/agents/a{number}",
        environment="prod",
        did=did_of(number),
        key=f"z6Mk{number}",
        did_version_id="1-Qm",
        content=BirthContent(),
        certificate_serial=1,
        certificate_hash="hash",
        trust=newborn(ring_ceiling=1, debt=0, now=NOW),
        created_at=NOW,
        updated_at=NOW,
        revision=1,
    )


@given(st.lists(st.tuples(st.integers(0, 2), amounts), max_size=20))
def test_a_budget_is_never_overdrawn_at_any_link(wishes: list[tuple[int, Budget]]) -> None:
    """Property 12, one at a time; many at once stands in test_delegation_attacks.py. What is refused costs nothing."""

    async def story() -> None:
        taken = [Budget(), Budget(), Budget()]
        async with opened_identity(Backend(kind="memory")) as service:
            for which, amount in wishes:
                agents = [agent(number) for number in ((0, 1), (0, 1, 2), (0, 1, 3))[which]]

                work = partial(_spend, which=which, agents=agents, amount=amount)

                fits = all(
                    0 < wanted <= limit - spent
                    for link in {0, which}
                    for wanted, limit, spent in zip(_pair(amount), _pair(LIMITS[link]), _pair(taken[link]), strict=True)
                )
                try:
                    await service.writer.write(work, mutation=Mutation(principal="p", at=NOW), result=type(None))
                except (DelegationBudgetExhausted, InvalidRequest):
                    assert not fits
                    continue
                assert fits
                for link in {0, which}:
                    taken[link] = Budget(
                        calls=taken[link].calls + amount.calls, cost_micros=taken[link].cost_micros + amount.cost_micros
                    )
            found = await service.store.delegations(EVERYTHING)
        spent = {known.grant.name: known.spent for known in found}
        for chain, limit, sum_taken in zip(CHAINS, LIMITS, taken, strict=True):
            assert spent.get(read_chain(chain)[-1].name, Budget()) == sum_taken
            assert all(used <= most for used, most in zip(_pair(sum_taken), _pair(limit), strict=True))

    asyncio.run(story())


def _spend(tx: IdentityTx, *, which: int, agents: list[AgentIdentity], amount: Budget) -> None:
    spend(tx, read_chain(CHAINS[which]), agents, amount, now=NOW)


def _pair(budget: Budget) -> tuple[int, int]:
    return budget.calls, budget.cost_micros


def test_what_nothing_limits_is_counted_and_never_overflows() -> None:
    told = Told()
    free = (sign_grant(first_grant(), seeded_key(1)),)
    with sqlite(told) as tx:
        for _ in range(3):
            most = Budget(calls=10**18, cost_micros=10**18)
            after = spend(tx, read_chain(free), [agent(0), agent(1)], most, now=NOW)
            assert after.spent == most
