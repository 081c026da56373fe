"""The contract of identity's store, over memory, SQLite and PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import pytest
import sqlalchemy as sa
from ringfence_identity.model import IDENTITY, AgentIdentity, IdentityStatus, RecordedSignal, Sponsor
from ringfence_identity.store import IdentityTx, Purpose
from ringfence_identity.store_sql import MIGRATIONS
from ringfence_identity.tables import metadata
from ringfence_identity.trust.evidence import Evidence, Outcome, SignalKind
from ringfence_identity.trust.ledger import apply_evidence, newborn
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change
from ringfence_kit.migrate import schema_differences
from ringfence_kit.sql import Database
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.births import COMPLETE
from support.identity.opened import OpenedIdentity, opened_identity
from support.postgres import empty_database

NOW = Instant(1_767_225_600_000)
BY_ADA = Mutation(principal="ada", at=NOW)

T = TypeVar("T")

ADA = Sponsor(
    name="sponsors/ada",
    display_name="Ada",
    contact="ada@example.com",
    oidc_issuer="https://idp.example.com",
    oidc_subject="00u1",
    verified_by="dev:operator",
    created_at=NOW,
    revision=1,
)


def agent(number: int, *, environment: str = "prod", debt: int = 0) -> AgentIdentity:
    ledger = newborn(ring_ceiling=1, debt=debt, now=NOW)
    return AgentIdentity(
        uid=f"uid-{number}",
        agent=f"namespaces/billing/agents/a{number}",
        environment=environment,
        did=f"did:webvh:Qm{number:03}:{environment}.example:agents:Qm{number:03}",
        key=f"z6Mk{number}",
        did_version_id="1-Qm",
        content=COMPLETE,
        certificate_serial=1,
        certificate_hash="hash",
        trust=apply_evidence(ledger, Evidence(points=2), now=NOW).ledger,
        created_at=NOW,
        updated_at=NOW,
        revision=1,
    )


async def do(service: OpenedIdentity, work: Callable[[IdentityTx], T | None], result: type[T]) -> T | None:
    return await service.writer.write(work, mutation=BY_ADA, result=cast("type[T | None]", result))


async def put(service: OpenedIdentity, *identities: AgentIdentity) -> None:
    def work(tx: IdentityTx) -> None:
        for identity in identities:
            if tx.identity(identity.did) is None:
                tx.add_identity(identity)
            else:
                tx.put_identity(identity)
            tx.record(Change.ADDED, IDENTITY, identity.did, records.encode(identity))

    await do(service, work, type(None))


async def test_an_identity_comes_back_as_it_was_put(backend: Backend) -> None:
    identity = agent(1)
    async with opened_identity(backend) as service:
        await put(service, identity)
        assert await do(service, lambda tx: tx.identity(identity.did), AgentIdentity) == identity
        assert await do(service, lambda tx: tx.identity_of_agent(identity.agent, "prod"), AgentIdentity) == identity
        assert await do(service, lambda tx: tx.identity_of_agent(identity.agent, "dev") is None, bool)
        assert await do(service, lambda tx: tx.identity("did:key:z") is None, bool)


async def test_everything_is_there_after_a_restart(backend: Backend) -> None:
    one, two = agent(1), agent(2, environment="dev")
    async with opened_identity(backend) as service:
        await put(service, one, two)
        await do(service, lambda tx: tx.add_sponsor(ADA), type(None))
    async with opened_identity(backend) as service:
        revision, loaded = await service.store.load()
        assert revision == 2
        assert loaded.identities == (one, two)
        assert loaded.sponsors == (ADA,)
        assert service.snapshot.identity(one.did) == one
        assert service.snapshot.identity_of_agent(two.agent, "dev") == two


async def test_the_newest_version_replaces_the_one_before(backend: Backend) -> None:
    identity = agent(1)
    changed = replace(identity, status=IdentityStatus.REVOKED, revoked_at=NOW, revocation_reason="left")
    async with opened_identity(backend) as service:
        await put(service, identity)
        await put(service, changed)
        _, loaded = await service.store.load()
        assert loaded.identities == (changed,)
        assert service.snapshot.identity(identity.did) == changed


@pytest.mark.parametrize("clash", ["did", "key", "agent"])
async def test_an_identity_is_never_added_over_another(backend: Backend, clash: str) -> None:
    one, two = agent(1), agent(2)
    async with opened_identity(backend) as service:
        await put(service, one)
        values = {clash: getattr(one, clash)}
        with pytest.raises((KeyError, sa.exc.IntegrityError)):
            await do(service, lambda tx: tx.add_identity(replace(two, **values)), type(None))
        await put(service, two)
        _, loaded = await service.store.load()
        assert loaded.identities == (one, two)


async def test_a_sponsor_is_found_by_name_and_by_account(backend: Backend) -> None:
    vouched = replace(ADA, name="sponsors/grace", oidc_issuer="", oidc_subject="")
    also = replace(vouched, name="sponsors/edsger")
    async with opened_identity(backend) as service:

        def add_all(tx: IdentityTx) -> None:
            for sponsor in (ADA, vouched, also):
                tx.add_sponsor(sponsor)

        await do(service, add_all, type(None))
        assert await do(service, lambda tx: tx.sponsor("sponsors/ada"), Sponsor) == ADA
        assert await do(service, lambda tx: tx.sponsor_of_account("https://idp.example.com\n00u1"), Sponsor) == ADA
        assert await do(service, lambda tx: tx.sponsor_of_account("https://idp.example.com\n00u2") is None, bool)
        assert await do(service, lambda tx: tx.sponsor("sponsors/nobody") is None, bool)


async def test_the_log_of_a_did_keeps_its_order_and_its_own(backend: Backend) -> None:
    async with opened_identity(backend) as service:

        def add_lines(tx: IdentityTx) -> None:
            for number in range(1, 12):
                tx.add_log_line("did:a", number, f"line {number}")

        await do(service, add_lines, type(None))
        await do(service, lambda tx: tx.add_log_line("did:b", 1, "other"), type(None))
        assert await do(service, lambda tx: tx.last_log_line("did:a"), str) == "line 11"
        assert await do(service, lambda tx: tx.last_log_line("did:c") is None, bool)
        assert await service.store.log_lines("did:a") == tuple(f"line {number}" for number in range(1, 12))
        assert await service.store.log_lines("did:c") == ()


async def test_the_newest_certificate_is_served(backend: Backend) -> None:
    identity = agent(1)
    async with opened_identity(backend) as service:
        await do(service, lambda tx: tx.add_certificate(identity, "first"), type(None))
        assert await service.store.certificate(identity.did) == "first"
        await do(service, lambda tx: tx.add_certificate(replace(identity, certificate_serial=2), "second"), type(None))
        assert await service.store.certificate(identity.did) == "second"
        assert await service.store.certificate("did:key:z") is None


async def test_a_host_has_one_registrar(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        assert await do(service, lambda tx: tx.registrar("a.example") is None, bool)
        await do(service, lambda tx: tx.add_registrar("a.example", "did:webvh:Qm:a.example"), type(None))
        assert await do(service, lambda tx: tx.registrar("a.example"), str) == "did:webvh:Qm:a.example"


async def test_what_is_spent_is_spent_until_it_is_forgotten(backend: Backend) -> None:
    def spend(tx: IdentityTx) -> bool:
        return tx.spend(Purpose.ASSERTION, "one", until=Instant(NOW + 10))

    async with opened_identity(backend) as service:
        assert await do(service, spend, bool)
        assert not await do(service, spend, bool)
        assert await do(service, lambda tx: tx.spend(Purpose.CHALLENGE, "one", until=NOW), bool)
    async with opened_identity(backend) as service:
        assert not await do(service, spend, bool)
        assert await do(service, lambda tx: tx.forget_spent(before=Instant(NOW + 10), limit=10), int) == 1
        assert not await do(service, spend, bool)
        assert await do(service, lambda tx: tx.forget_spent(before=Instant(NOW + 11), limit=10), int) == 1
        assert await do(service, spend, bool)


async def test_no_more_is_forgotten_than_asked_the_oldest_first(backend: Backend) -> None:
    async with opened_identity(backend) as service:

        def spend(tx: IdentityTx) -> None:
            for number in range(5):
                tx.spend(Purpose.ASSERTION, f"key-{number}", until=Instant(NOW + number))

        await do(service, spend, type(None))
        assert await do(service, lambda tx: tx.forget_spent(before=Instant(NOW + 99), limit=2), int) == 2
        assert await do(service, lambda tx: tx.spend(Purpose.ASSERTION, "key-1", until=NOW), bool)
        assert not await do(service, lambda tx: tx.spend(Purpose.ASSERTION, "key-2", until=NOW), bool)


async def test_a_signal_is_kept_by_its_id_within_its_environment(backend: Backend) -> None:
    signal = RecordedSignal(
        environment="prod",
        signal_id="s-1",
        did="did:a",
        kind=SignalKind.TASK_ACCEPTED,
        rater="person:ada",
        source="dev:service",
        evidence="audit/1",
        evidence_hash=b"\0" * 32,
        occurred_at=NOW,
        recorded_at=NOW,
        outcome=Outcome.APPLIED,
    )
    async with opened_identity(backend) as service:
        await do(service, lambda tx: tx.add_signal(signal), type(None))
        assert await do(service, lambda tx: tx.recorded_signal("prod", "s-1"), RecordedSignal) == signal
        assert await do(service, lambda tx: tx.recorded_signal("dev", "s-1") is None, bool)
        await do(service, lambda tx: tx.add_signal(replace(signal, environment="dev")), type(None))


async def test_a_work_that_fails_leaves_nothing(backend: Backend) -> None:
    class Stop(Exception):  # noqa: N818 - a signal of this test
        pass

    def work(tx: IdentityTx) -> None:
        tx.add_identity(agent(1))
        tx.add_log_line("did:a", 1, "line")
        tx.spend(Purpose.CHALLENGE, "nonce", until=NOW)
        raise Stop

    async with opened_identity(backend) as service:
        with pytest.raises(Stop):
            await do(service, work, type(None))
        assert await do(service, lambda tx: tx.identity(agent(1).did) is None, bool)
        assert await service.store.log_lines("did:a") == ()
        assert await do(service, lambda tx: tx.spend(Purpose.CHALLENGE, "nonce", until=NOW), bool)


async def schema_of(url: str) -> list[str]:
    async with Database(url, service="identity", migrations=MIGRATIONS) as database:
        return await database.read(lambda connection: schema_differences(connection, metadata))


async def test_the_migrations_make_the_tables_the_code_declares(tmp_path: Path, postgres_url: str) -> None:
    assert await schema_of(f"sqlite:///{tmp_path}/identity.db") == []
    with empty_database(postgres_url) as url:
        assert await schema_of(url) == []
