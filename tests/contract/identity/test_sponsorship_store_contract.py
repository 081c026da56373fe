"""Sponsors and whom they answer for, over memory, SQLite and PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

from ringfence_identity.model import AgentIdentity, IdentityStatus, Revocation, RevocationKind, Sponsor
from ringfence_identity.store import IdentityTx
from ringfence_identity.store.sponsorships import Sponsored
from ringfence_identity.trust.ledger import newborn
from ringfence_kit.clock import DAY, HOUR, Instant
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.births import COMPLETE
from support.identity.opened import OpenedIdentity, opened_identity

NOW = Instant(1_767_225_600_000)
BY_ADA = Mutation(principal="ada", at=NOW)
ADA, GRACE, EVE = "sponsors/ada", "sponsors/grace", "sponsors/eve"

T = TypeVar("T")


def agent(
    number: int,
    *,
    environment: str = "prod",
    sponsor: str = ADA,
    backup: str = GRACE,
    debt: int = 0,
    at: Instant = NOW,
    expires_at: Instant | None = None,
) -> AgentIdentity:
    return AgentIdentity(
        uid=f"uid-{number}",
        agent=f"namespaces/billing/agents/a{number}",
        environment=environment,
        did=f"did:webvh:Qm{number:03}:{environment}.example:agents:Qm{number:03}",
        key=f"z6Mk{number}",
        did_version_id="1-Qm",
        content=replace(COMPLETE, sponsor=sponsor, backup_sponsor=backup),
        certificate_serial=1,
        certificate_hash="hash",
        trust=newborn(ring_ceiling=1, debt=debt, now=at),
        expires_at=expires_at,
        created_at=at,
        updated_at=at,
        revision=1,
    )


def revoked(identity: AgentIdentity, at: Instant) -> AgentIdentity:
    return replace(identity, status=IdentityStatus.REVOKED, revoked_at=at)


async def do(service: OpenedIdentity, work: Callable[[IdentityTx], T | None], result: type[T]) -> T | None:
    return await service.writer.write(work, mutation=BY_ADA, result=cast("type[T | None]", result))


async def put(service: OpenedIdentity, *identities: AgentIdentity) -> None:
    def work(tx: IdentityTx) -> None:
        for identity in identities:
            if tx.identity(identity.did) is None:
                tx.add_identity(identity)
            else:
                tx.put_identity(identity)

    await do(service, work, type(None))


async def test_a_sponsor_is_replaced_and_still_found_by_name_and_account(backend: Backend) -> None:
    ada = Sponsor(
        name=ADA,
        display_name="Ada",
        contact="ada@example.com",
        oidc_issuer="https://idp.example.com",
        oidc_subject="00u1",
        verified_by="dev:operator",
        created_at=NOW,
        revision=1,
    )
    gone = replace(ada, offboarded_at=NOW, revision=2)
    async with opened_identity(backend) as service:
        await do(service, lambda tx: tx.add_sponsor(ada), type(None))
        await do(service, lambda tx: tx.put_sponsor(gone), type(None))
        assert await do(service, lambda tx: tx.sponsor(ADA), Sponsor) == gone
        assert await do(service, lambda tx: tx.sponsor_of_account(str(ada.account)), Sponsor) == gone
    async with opened_identity(backend) as service:
        assert service.snapshot.sponsor(ADA) == gone


async def test_agents_of_a_sponsor_are_those_it_answers_for_or_backs_up_in_any_environment(backend: Backend) -> None:
    own, backed, elsewhere = agent(1), agent(2, sponsor=EVE, backup=ADA), agent(3, environment="dev")
    others = agent(4, sponsor=EVE, backup=GRACE)
    suspended = replace(agent(5), status=IdentityStatus.SUSPENDED)
    async with opened_identity(backend) as service:
        await put(service, own, backed, elsewhere, others, suspended, revoked(agent(6), NOW))
        found = await do(service, lambda tx: list(tx.agents_of(ADA)), list[AgentIdentity])
    assert found == sorted((own, backed, elsewhere, suspended), key=lambda identity: identity.did)


async def test_whom_a_sponsor_answers_for_follows_the_newest_version(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await put(service, agent(1))
        moved = agent(1, sponsor=GRACE, backup=EVE)
        await put(service, moved)
        assert await do(service, lambda tx: list(tx.agents_of(ADA)), list[AgentIdentity]) == []
        assert await do(service, lambda tx: list(tx.agents_of(EVE)), list[AgentIdentity]) == [moved]


async def test_a_sponsor_is_counted_by_environment(backend: Backend) -> None:
    hour_ago = Instant(NOW - HOUR)
    async with opened_identity(backend) as service:
        await put(
            service,
            agent(1, at=Instant(NOW - DAY)),
            agent(2, at=hour_ago),
            revoked(agent(3, at=Instant(NOW - 1)), NOW),
            replace(agent(4), status=IdentityStatus.SUSPENDED),
            agent(5, environment="dev"),
            agent(6, sponsor=EVE, backup=ADA),
            agent(7, at=Instant(NOW - DAY), expires_at=NOW),
            agent(8, expires_at=Instant(NOW + 1)),
        )
        counted = await do(service, lambda tx: tx.sponsored("prod", ADA, since=hour_ago, now=NOW), Sponsored)
        nobody = await do(service, lambda tx: tx.sponsored("prod", "sponsors/x", since=hour_ago, now=NOW), Sponsored)
    assert counted == Sponsored(standing=4, enrolled=4, first_enrolled_at=hour_ago)
    assert nobody == Sponsored(standing=0, enrolled=0, first_enrolled_at=None)


async def test_the_worst_debt_is_of_one_sponsor_in_one_environment_without_the_long_revoked(backend: Backend) -> None:
    since = Instant(NOW - 90 * DAY)
    async with opened_identity(backend) as service:
        await put(
            service,
            agent(1, debt=10),
            agent(2, debt=20, environment="dev"),
            agent(3, debt=30, sponsor=EVE),
            revoked(agent(4, debt=40), Instant(since - 1)),
            revoked(agent(5, debt=15), since),
        )
        assert await do(service, lambda tx: tx.worst_debt("prod", ADA, since=since), int) == 15
        assert await do(service, lambda tx: tx.worst_debt("prod", "sponsors/nobody", since=since), int) == 0


async def test_the_debt_of_an_agent_that_was_handed_on_stays_with_both(backend: Backend) -> None:
    since = Instant(NOW - 90 * DAY)
    async with opened_identity(backend) as service:
        await put(service, agent(1, debt=10), agent(2, debt=80))

        def hand_on(tx: IdentityTx) -> None:
            before = agent(2, debt=80)
            tx.end_sponsorship(before, at=since)
            tx.put_identity(agent(2, sponsor=EVE, backup=GRACE, debt=80))

        await do(service, hand_on, type(None))
        assert await do(service, lambda tx: tx.worst_debt("prod", ADA, since=since), int) == 80
        assert await do(service, lambda tx: tx.worst_debt("prod", EVE, since=since), int) == 80
        assert await do(service, lambda tx: tx.worst_debt("prod", ADA, since=Instant(since + 1)), int) == 10
        assert await do(service, lambda tx: tx.worst_debt("dev", ADA, since=since), int) == 0


async def test_a_debt_made_after_the_hand_over_counts_as_it_is_now_and_ends_with_the_revocation(
    backend: Backend,
) -> None:
    since = Instant(NOW - 90 * DAY)
    async with opened_identity(backend) as service:
        await put(service, agent(1))
        await do(service, lambda tx: tx.end_sponsorship(agent(1), at=NOW), type(None))
        await do(service, lambda tx: tx.end_sponsorship(agent(1), at=Instant(NOW + 1)), type(None))
        later = agent(1, sponsor=EVE, backup=GRACE, debt=50)
        await put(service, later)
        assert await do(service, lambda tx: tx.worst_debt("prod", ADA, since=Instant(NOW + 1)), int) == 50
        await put(service, revoked(later, Instant(since - 1)))
        assert await do(service, lambda tx: tx.worst_debt("prod", ADA, since=since), int) == 0


async def test_revocations_are_forgotten_oldest_first_and_no_more_than_asked(backend: Backend) -> None:
    def about(number: int, forget_at: Instant | None) -> Revocation:
        return Revocation(
            kind=RevocationKind.ELEVATION,
            subject=f"elevations/{number}",
            environment="prod",
            reason="over",
            at=NOW,
            forget_at=forget_at,
        )

    for_ever, kept = about(0, None), about(9, Instant(NOW + 50))
    async with opened_identity(backend) as service:

        def put_all(tx: IdentityTx) -> None:
            for one in (for_ever, kept, *(about(number, Instant(NOW + number)) for number in range(1, 6))):
                tx.put_revocation(one)

        await do(service, put_all, type(None))
        assert await do(service, lambda tx: tx.forget_revocations(before=Instant(NOW + 50), limit=3), int) == 3
        _, loaded = await service.store.load()
        assert {one.subject for one in loaded.revocations} == {
            "elevations/0",
            "elevations/4",
            "elevations/5",
            "elevations/9",
        }
        assert await do(service, lambda tx: tx.forget_revocations(before=Instant(NOW + 50), limit=9), int) == 2
        _, loaded = await service.store.load()
        assert set(loaded.revocations) == {for_ever, kept}
