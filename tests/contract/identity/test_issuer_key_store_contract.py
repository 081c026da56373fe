"""Issuer keys in memory, SQLite and PostgreSQL."""

from dataclasses import replace

from ringfence_identity.issuer_keys.schedule import ISSUER_KEY, IssuerKey
from ringfence_identity.store import IdentityTx
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.opened import OpenedIdentity, opened_identity

KEY = IssuerKey(
    environment="prod",
    key_id="a-Key",
    algorithm="EdDSA",
    jwk={"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    created_at=Instant(1),
    activates_at=Instant(2),
)
UPPER = replace(KEY, key_id="B-key", algorithm="ES256")
ELSEWHERE = replace(KEY, environment="dev")
REVOKED = replace(KEY, revoked_at=Instant(3), revocation_reason="it leaked")
MUTATION = Mutation(principal="test", at=Instant(3_000))


async def put(service: OpenedIdentity, *keys: IssuerKey) -> None:
    def work(tx: IdentityTx) -> None:
        for key in keys:
            tx.put_issuer_key(key)
            tx.record(Change.MODIFIED, ISSUER_KEY, key.key_id, records.encode(key))

    await service.writer.write(work, mutation=MUTATION, result=type(None))


async def issuer_keys(service: OpenedIdentity, environment: str) -> list[IssuerKey]:
    def work(tx: IdentityTx) -> list[IssuerKey]:
        return list(tx.issuer_keys(environment))

    return await service.writer.write(work, mutation=MUTATION, result=list[IssuerKey])


async def test_keys_come_by_thumbprint_and_from_their_environment_alone(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await put(service, KEY, UPPER, ELSEWHERE)
        assert await issuer_keys(service, "prod") == [UPPER, KEY]
        assert await issuer_keys(service, "dev") == [ELSEWHERE]
        assert await issuer_keys(service, "staging") == []


async def test_the_later_one_takes_the_place_of_the_one_before(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await put(service, KEY, ELSEWHERE)
        await put(service, REVOKED)
        assert await issuer_keys(service, "prod") == [REVOKED]
        assert await issuer_keys(service, "dev") == [ELSEWHERE]


async def test_the_snapshot_follows_and_is_the_same_after_a_restart(backend: Backend) -> None:
    async with opened_identity(backend) as service:
        await put(service, KEY, UPPER, ELSEWHERE)
        await put(service, REVOKED)
        followed = service.snapshot.issuer_keys("prod")
        assert set_of(followed) == set_of((UPPER, REVOKED))
    async with opened_identity(backend) as service:
        assert set_of(service.snapshot.issuer_keys("prod")) == set_of(followed)
        assert service.snapshot.issuer_keys("dev") == (ELSEWHERE,)
        assert service.snapshot.issuer_keys("staging") == ()


def set_of(keys: tuple[IssuerKey, ...]) -> set[bytes]:
    return {records.encode(key) for key in keys}
