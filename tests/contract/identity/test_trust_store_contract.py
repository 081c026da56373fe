"""The contract of trust's part of identity's store, over memory, SQLite and PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

import pytest
from ringfence_identity.model import Elevation, RecordedSignal
from ringfence_identity.store import IdentityTx
from ringfence_identity.trust.evidence import Outcome, SignalKind
from ringfence_kit.clock import HOUR, Instant
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.opened import OpenedIdentity, opened_identity

T = TypeVar("T")

NOW = Instant(1_767_225_600_000)
BY_ADA = Mutation(principal="ada", at=NOW)
DID = "did:webvh:Qm1:prod.example:agents:Qm1"

SIGNAL = RecordedSignal(
    environment="prod",
    signal_id="s-1",
    did=DID,
    kind=SignalKind.PROBING,
    rater="",
    source="dev:service",
    evidence="audit/1",
    evidence_hash=bytes(32),
    occurred_at=NOW,
    recorded_at=NOW,
    outcome=Outcome.APPLIED,
)

ELEVATION = Elevation(
    name="elevations/1",
    origin=DID,
    environment="prod",
    action="transfer",
    resource="ledger.post",
    ring=1,
    approvals=2,
    reason="month's end",
    granted_by="ada",
    granted_at=NOW,
    expires_at=Instant(NOW + HOUR),
)


async def do(service: OpenedIdentity, work: Callable[[IdentityTx], T | None], result: type[T]) -> T | None:
    return await service.writer.write(work, mutation=BY_ADA, result=cast("type[T | None]", result))


async def add(service: OpenedIdentity, *signals: RecordedSignal) -> None:
    def work(tx: IdentityTx) -> None:
        for signal in signals:
            tx.add_signal(signal)

    await do(service, work, type(None))


async def test_a_signal_is_found_by_its_id_in_its_environment(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await add(service, SIGNAL)
    async with opened_identity(backend) as service:
        assert await do(service, lambda tx: tx.recorded_signal("prod", "s-1"), RecordedSignal) == SIGNAL
        assert await do(service, lambda tx: tx.recorded_signal("prod", "s-2") is None, bool)
        assert await do(service, lambda tx: tx.recorded_signal("dev", "s-1") is None, bool)


async def test_the_newest_signals_about_one_agent_come_first(backend: Backend) -> None:
    hours = [replace(SIGNAL, signal_id=f"s-{n}", recorded_at=Instant(NOW + n * HOUR)) for n in (3, 1, 2)]
    same = replace(SIGNAL, signal_id="s-22", recorded_at=Instant(NOW + 2 * HOUR))
    other = replace(SIGNAL, signal_id="x", did=DID.replace("Qm1", "Qm2"), recorded_at=Instant(NOW + 9 * HOUR))
    async with opened_identity(backend) as service:
        await add(service, *hours, same, other)
        newest = await service.store.newest_signals(DID, limit=10)
        assert [signal.signal_id for signal in newest] == ["s-3", "s-22", "s-2", "s-1"]
        assert newest[0] == hours[0]
        assert [signal.signal_id for signal in await service.store.newest_signals(DID, limit=1)] == ["s-3"]
        assert list(await service.store.newest_signals("did:webvh:none", limit=10)) == []


async def test_an_elevation_comes_back_as_it_was_put_and_put_again(backend: Backend) -> None:
    revoked = replace(ELEVATION, revoked_at=NOW, revoked_by="grace", revocation_reason="done")
    async with opened_identity(backend) as service:
        assert await do(service, lambda tx: tx.elevation(ELEVATION.name) is None, bool)
        await do(service, lambda tx: tx.put_elevation(ELEVATION), type(None))
        assert await do(service, lambda tx: tx.elevation(ELEVATION.name), Elevation) == ELEVATION
        await do(service, lambda tx: tx.put_elevation(revoked), type(None))
        assert await do(service, lambda tx: tx.elevation(ELEVATION.name), Elevation) == revoked
        assert await do(service, lambda tx: tx.elevation("elevations/2") is None, bool)


async def test_a_work_that_fails_leaves_no_signal_and_no_elevation(backend: Backend) -> None:
    async with opened_identity(backend) as service:

        def fail(tx: IdentityTx) -> None:
            tx.add_signal(SIGNAL)
            tx.put_elevation(ELEVATION)
            raise LookupError

        with pytest.raises(LookupError):
            await do(service, fail, type(None))
        assert list(await service.store.newest_signals(DID, limit=1)) == []
