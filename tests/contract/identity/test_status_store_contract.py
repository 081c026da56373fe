"""The contract of birth certificates and their places in status lists, over memory, SQLite and PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar, cast

import pytest
from ringfence_identity.model import AgentIdentity
from ringfence_identity.status.bits import SupersededPlace
from ringfence_identity.status.places import StatusPlace
from ringfence_identity.store import IdentityTx
from ringfence_identity.trust.ledger import newborn
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.births import COMPLETE
from support.identity.did_logs import NOW
from support.identity.opened import OpenedIdentity, opened_identity

BY_ADA = Mutation(principal="ada", at=NOW)

T = TypeVar("T")


def agent(name: str, *, serial: int = 1, place: StatusPlace | None = None, environment: str = "prod") -> AgentIdentity:
    return AgentIdentity(
        uid=f"uid-{name}",
        agent=f"namespaces/billing/agents/{name}",
        environment=environment,
        did=f"did:webvh:{name}:{environment}.example:agents:{name}",
        key=f"z6Mk{name}",
        did_version_id="1-Qm",
        content=COMPLETE,
        certificate_serial=serial,
        certificate_hash="hash",
        status_place=place,
        trust=newborn(ring_ceiling=1, debt=0, now=NOW),
        created_at=NOW,
        updated_at=NOW,
        revision=1,
    )


def at(number: int, *, pair: int = 1, index: int | None = None) -> StatusPlace:
    return StatusPlace(number=number, pair=pair, index=number * 10 if index is None else index)


async def do(service: OpenedIdentity, work: Callable[[IdentityTx], T | None], result: type[T]) -> T | None:
    return await service.writer.write(work, mutation=BY_ADA, result=cast("type[T | None]", result))


async def add(service: OpenedIdentity, identity: AgentIdentity, credential: str = "{}") -> None:
    await do(service, lambda tx: tx.add_certificate(identity, credential), type(None))


def certificate(did: str, serial: int, tx: IdentityTx) -> str | None:
    return tx.certificate(did, serial)


async def superseded(service: OpenedIdentity) -> tuple[SupersededPlace, ...]:
    _, loaded = await service.store.load()
    return loaded.superseded


async def test_a_certificate_is_found_by_its_serial_inside_and_outside_a_transaction(backend: Backend) -> None:
    one = agent("one")
    async with opened_identity(backend) as service:
        await add(service, one, "first")
        await add(service, replace(one, certificate_serial=2), "second")
        await add(service, agent("two"), "other")
        for serial, text in ((1, "first"), (2, "second")):
            assert await do(service, partial(certificate, one.did, serial), str) == text
            assert await service.store.certificate(one.did, serial) == text
        assert await service.store.certificate(one.did) == "second"
        assert await service.store.certificate(one.did, 3) is None
        assert await service.store.certificate("did:key:z", 1) is None
        assert await do(service, lambda tx: tx.certificate(one.did, 3) is None, bool)
        assert await do(service, lambda tx: tx.certificate("did:key:z", 1) is None, bool)


async def test_numbers_go_up_by_one_in_each_environment(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        assert await do(service, lambda tx: tx.next_status_number("prod"), int) == 0
        await add(service, agent("one", place=at(0)))
        await add(service, agent("two", place=at(1)))
        await add(service, agent("one", place=at(0), environment="dev"))
        assert await do(service, lambda tx: tx.next_status_number("prod"), int) == 2
        assert await do(service, lambda tx: tx.next_status_number("dev"), int) == 1
    async with opened_identity(backend) as service:
        assert await do(service, lambda tx: tx.next_status_number("prod"), int) == 2


async def test_a_number_is_seen_by_the_rest_of_its_transaction_and_lost_with_it(backend: Backend) -> None:
    class Stop(Exception):  # noqa: N818 - a signal of this test
        pass

    def work(tx: IdentityTx) -> None:
        tx.add_certificate(agent("one", place=at(0)), "{}")
        assert tx.next_status_number("prod") == 1
        raise Stop

    async with opened_identity(backend) as service:
        with pytest.raises(Stop):
            await do(service, work, type(None))
        assert await do(service, lambda tx: tx.next_status_number("prod"), int) == 0


async def test_the_places_of_superseded_certificates_are_loaded_in_order(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, agent("one", place=at(0, index=900)))
        await add(service, agent("two", place=at(1, index=5)))
        assert await superseded(service) == ()
        await add(service, agent("one", serial=2, place=at(2, index=7)))
        await add(service, agent("one", serial=3, place=at(3, pair=2, index=1)))
        await add(service, agent("dev", place=at(0, index=3), environment="dev"))
        await add(service, agent("dev", serial=2, place=at(1, index=2), environment="dev"))
        expected = (
            SupersededPlace(environment="dev", pair=1, index=3),
            SupersededPlace(environment="prod", pair=1, index=7),
            SupersededPlace(environment="prod", pair=1, index=900),
        )
        assert await superseded(service) == expected
    async with opened_identity(backend) as service:
        assert await superseded(service) == expected


async def test_a_certificate_without_a_place_supersedes_nothing_and_takes_no_number(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, agent("old"))
        await add(service, agent("old", serial=2, place=at(0)))
        assert await superseded(service) == ()
        assert await do(service, lambda tx: tx.next_status_number("prod"), int) == 1
