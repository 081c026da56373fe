"""A real Envoy with the file we ship, in front of a service, reading the keys of a real identity server.

Identity's clock is the test's and stands at the present: Envoy has the machine's.
"""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ringfence.identity.v1 import credential_pb2 as cpb
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.access_token import AccessToken, check_access_token
from ringfence.proofs.canonical_json import base64url, parse_object
from ringfence.proofs.compact_jws import from_base64url
from ringfence.proofs.jwk_set import read_jwk_set
from ringfence_identity.config import EnvironmentConfig, IdentityConfig
from ringfence_identity.tokens import sign_token
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import HOUR, MINUTE, SECOND, Instant, ManualClock, Millis, SystemClock
from ringfence_kit.http import serving as serving_http
from ringfence_kit.sealed_keys import FileKeyStore, JwsSigner
from ringfence_kit.sealing import Seal
from support.identity.assertions import compact
from support.identity.envoy import LOOPBACK, ORDERS, Gateway, on_addresses, running_envoy
from support.identity.keys import seeded_key
from support.identity.mesh import AUDIENCE, IdentityMesh, identity_mesh

SHIPPED = (Path(__file__).parents[3] / "deploy/gateways/envoy/envoy.yaml").read_text()

BOTH = pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])


@dataclass(frozen=True, slots=True)
class Door:
    """Identity, Envoy, and the service behind it; the next issuer key is published and does not sign yet."""

    identity: IdentityMesh
    gateway: Gateway
    agent: pb.AgentIdentity
    algorithm: str

    async def token(self) -> str:
        """Return a token as the agent gets it."""
        return (await self.identity.token(self.agent)).access_token

    async def said(self) -> AccessToken:
        """Return what a fresh token says."""
        answer = await self.identity.credentials(ANONYMOUS).GetJwks(pb.GetJwksRequest(environment="prod"))
        return check_access_token(
            await self.token(),
            keys=read_jwk_set(parse_object(answer.jwks)),
            issuer=answer.issuer,
            audience=AUDIENCE,
            now=self.identity.clock.now(),
        ).token

    def issuer_key(self) -> JwsSigner:
        """Return the key that signs at first, from identity's own file: for tokens that identity never issues."""
        store = FileKeyStore(self.identity.mesh.data / "identity.keys", Seal.unsealed())
        if self.algorithm == "ES256":
            return store.p256_signers("prod/issuer-es256")[0]
        return store.signers("prod/issuer")[0]


def config(algorithm: str) -> IdentityConfig:
    stubborn = (AUDIENCE,) if algorithm == "ES256" else ()
    return IdentityConfig(
        environments=tuple(
            EnvironmentConfig(name=name, host=f"{name}.id.ringfence.internal", es256_audiences=stubborn)
            for name in ("dev", "prod")
        )
    )


@asynccontextmanager
async def orders() -> AsyncIterator[str]:
    """Run the service behind the gateway and yield its address."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        async with serving_http(ORDERS, listening, tls=None, grace=Millis(100)):
            yield f"{LOOPBACK}:{listening.getsockname()[1]}"


@asynccontextmanager
async def opened(folder: Path, algorithm: str) -> AsyncIterator[Door]:
    now = SystemClock().now()
    clock = ManualClock(Instant(now - HOUR - 2 * SECOND))
    async with identity_mesh(folder, config=config(algorithm), clock=clock) as identity, orders() as behind:
        await identity.with_sponsors()
        rotate = cpb.RotateIssuerKeyRequest(environment="prod", algorithm=algorithm)
        await identity.credentials().RotateIssuerKey(rotate)
        clock.set(Instant(now - 3 * SECOND))  # a second before the next key signs
        agent = (await identity.enrol()).identity
        keys_at = identity.mesh.address("identity.http_listen")
        async with running_envoy(SHIPPED, folder, identity=keys_at, orders=behind) as gateway:
            yield Door(identity, gateway, agent, algorithm)


@BOTH
async def test_only_what_identity_issued_for_this_audience_and_environment_gets_through(
    tmp_path: Path, algorithm: str
) -> None:
    async with opened(tmp_path, algorithm) as door:
        await _good_ones_pass_and_say_who_calls(door)
        await _nothing_else_passes(door)
        await _the_key_is_rotated_while_it_runs(door)


async def _good_ones_pass_and_say_who_calls(door: Door) -> None:
    token = await door.token()
    assert _header(token)["alg"] == door.algorithm
    answer = await door.gateway.get(token, **{"x-agent-did": "did:web:forged.example", "x-agent-ring": "0"})
    assert answer.status_code == 200
    arrived = answer.json()
    assert {name: arrived[name] for name in arrived if name.startswith("x-agent-")} == {
        "x-agent-did": door.agent.did,
        "x-agent-env": "prod",
        "x-agent-ring": "3",
        "x-agent-scope": "invoices:read ledger:propose warehouse:*",
        "x-agent-key": seeded_key(1).key_id,
    }
    assert arrived["authorization"] == f"Bearer {token}"


async def _nothing_else_passes(door: Door) -> None:
    said, key, sound = await door.said(), door.issuer_key(), await door.token()
    past = Instant(SystemClock().now() - 10 * MINUTE)
    whole = Instant(past - past % SECOND)
    header, payload, signature = sound.split(".")
    other = json.loads(json.dumps(parse_object(_decoded(payload)))) | {"ring": 0}
    dev = (await door.identity.enrol("elsewhere", key=seeded_key(2), environment="dev")).identity
    refused = {
        "no token": None,
        "no JWT": "let me in",
        "another audience": (
            await door.identity.token(door.agent, audience="https://billing.example.com")
        ).access_token,
        "another environment": (await door.identity.token(dev, seeded_key(2))).access_token,
        "of prod, signed by a key of dev": _resigned(door, said, "dev"),
        "expired": sign_token(replace(said, issued_at=whole, expires_at=Instant(whole + 5 * MINUTE)), key),
        "not good yet": sign_token(_moved(said, HOUR), key),
        "living longer than we issue": sign_token(replace(said, expires_at=Instant(said.issued_at + HOUR)), key),
        "without an end": compact(_header(sound), {**_claims(sound), "exp": None}, key),
        "never ending": compact(_header(sound), {k: v for k, v in _claims(sound).items() if k != "exp"}, key),
        "another issuer": sign_token(replace(said, issuer="https://dev.id.ringfence.internal"), key),
        "tampered payload": f"{header}.{base64url(json.dumps(other).encode())}.{signature}",
        "tampered signature": f"{header}.{payload}.{_flipped(signature)}",
        "alg none": f"{_part({**_header(sound), 'alg': 'none'})}.{payload}.",
        "alg none, signed": f"{_part({**_header(sound), 'alg': 'none'})}.{payload}.{signature}",
        "another alg": f"{_part({**_header(sound), 'alg': 'HS256'})}.{payload}.{signature}",
        "a stranger's key": sign_token(said, seeded_key(77)),
        "a stranger's key under our kid": compact(_header(sound), _claims(sound), seeded_key(77)),
        "no signature": f"{header}.{payload}.",
    }
    answers = {what: (await door.gateway.get(token)).status_code for what, token in refused.items()}
    # Of a token that is good elsewhere Envoy says that its holder is known, and may not come in here.
    assert answers == {**dict.fromkeys(refused, 401), "another audience": 403}
    assert (await door.gateway.get(sound)).status_code == 200


async def _the_key_is_rotated_while_it_runs(door: Door) -> None:
    before = await door.token()
    door.identity.clock.set(SystemClock().now())
    after = await door.token()
    assert _header(after)["kid"] != _header(before)["kid"]
    assert _header(after)["alg"] == door.algorithm
    for token in (after, before):
        assert (await door.gateway.get(token)).status_code == 200
    # It had learned the next key when that was published: once was enough.
    assert await door.gateway.stat("jwks_fetch_success") == 1
    assert await door.gateway.stat("jwks_fetch_failed") == 0


def test_only_addresses_are_replaced_in_the_shipped_file() -> None:
    as_shipped = {
        "admin": "127.0.0.1:9901",
        "ingress": "0.0.0.0:8080",
        "identity": "identity.ringfence.internal:7412",
        "orders": "orders:8000",
    }
    moved = on_addresses(SHIPPED, dict.fromkeys(as_shipped, "192.0.2.1:1"))
    text = json.dumps(moved).replace('"address": "192.0.2.1", "port_value": 1', "ADDRESS")
    original = json.dumps(on_addresses(SHIPPED, as_shipped))
    for address in as_shipped.values():
        host, port = address.rsplit(":", 1)
        original = original.replace(f'"address": "{host}", "port_value": {port}', "ADDRESS")
    assert text == original
    with pytest.raises(ValueError, match="addresses are needed"):
        on_addresses(SHIPPED, {"admin": "192.0.2.1:1"})


def _resigned(door: Door, said: AccessToken, environment: str) -> str:
    store = FileKeyStore(door.identity.mesh.data / "identity.keys", Seal.unsealed())
    return sign_token(said, store.signers(f"{environment}/issuer")[0])


def _moved(token: AccessToken, duration: int) -> AccessToken:
    issued_at, expires_at = Instant(token.issued_at + duration), Instant(token.expires_at + duration)
    return replace(token, issued_at=issued_at, expires_at=expires_at)


def _header(token: str) -> dict[str, Any]:
    return dict(parse_object(_decoded(token.split(".", maxsplit=1)[0])))


def _claims(token: str) -> dict[str, Any]:
    return dict(parse_object(_decoded(token.split(".")[1])))


def _part(value: dict[str, Any]) -> str:
    return base64url(json.dumps(value).encode())


def _flipped(signature: str) -> str:
    return signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:]


def _decoded(part: str) -> bytes:

    return from_base64url(part)
