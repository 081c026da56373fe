"""Replacing an agent's key: prepared on disk, proven with both keys, concluded once it is known which is in force.

    key = rotate(AgentKeyStore(file), mesh.identity)              # in a thread
    key = await rotate_aio(AgentKeyStore(file), mesh.identity)    # asyncio

The first thing asked is which key is in force, so the same call begins a rotation, repeats one whose answer was lost,
and concludes one that a crash interrupted. An agent that finds `store.successor()` when it starts calls it at once.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from ringfence.agent_key import AgentKey
from ringfence.agent_key_store import AgentKeyStore
from ringfence.errors import typed_errors
from ringfence.identity.v1.identity_pb2 import (
    ResolveDidRequest,
    ResolveDidResponse,
    RotateKeyRequest,
    RotateKeyResponse,
)
from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.document_keys import AUTHENTICATION, DocumentKeysError, document_keys
from ringfence.proofs.rotation import rotation_input

NONCE_BYTES = 32


class KeyRotationError(Exception):
    """A rotation that cannot go on by itself; both keys are kept. The message says what to do."""


class RotatingIdentity(Protocol):
    """What is used of an IdentityServiceStub made on a channel for threads."""

    @property
    def ResolveDid(self) -> Callable[[ResolveDidRequest], ResolveDidResponse]:  # noqa: N802 - the proto's
        """Say which key is in force."""
        ...

    @property
    def RotateKey(self) -> Callable[[RotateKeyRequest], RotateKeyResponse]:  # noqa: N802 - the proto's
        """Replace the key."""
        ...


class AioRotatingIdentity(Protocol):
    """What is used of an IdentityServiceStub made on an asyncio channel."""

    @property
    def ResolveDid(self) -> Callable[[ResolveDidRequest], Awaitable[ResolveDidResponse]]:  # noqa: N802 - the proto's
        """Say which key is in force."""
        ...

    @property
    def RotateKey(self) -> Callable[[RotateKeyRequest], Awaitable[RotateKeyResponse]]:  # noqa: N802 - the proto's
        """Replace the key."""
        ...


@dataclass(frozen=True, slots=True)
class _InForce:
    """What identity says of an agent's key now."""

    keys: frozenset[bytes]
    version_id: str


def rotate(store: AgentKeyStore, identity: RotatingIdentity) -> AgentKey:
    """Return the agent's new key once it is in force. Raises RingfenceError, KeyFileError, KeyRotationError."""
    key, successor = store.key(), store.prepare()
    with typed_errors():
        now = _in_force(key, identity.ResolveDid(ResolveDidRequest(did=key.did)))
        if not _is_done(key, successor, now):
            now = _rotated(key, successor, identity.RotateKey(_request(key, successor, now.version_id)))
    return _concluded(store, key, successor, now)


async def rotate_aio(store: AgentKeyStore, identity: AioRotatingIdentity) -> AgentKey:
    """As `rotate`, on the event loop."""
    key, successor = store.key(), store.prepare()
    with typed_errors():
        now = _in_force(key, await identity.ResolveDid(ResolveDidRequest(did=key.did)))
        if not _is_done(key, successor, now):
            now = _rotated(key, successor, await identity.RotateKey(_request(key, successor, now.version_id)))
    return _concluded(store, key, successor, now)


def _in_force(key: AgentKey, resolved: ResolveDidResponse) -> _InForce:
    try:
        document = parse_object(resolved.did_document or b"{}")
        keys = document_keys(document, did=key.did, relationship=AUTHENTICATION).values()
    except (DocumentKeysError, ValueError) as refused:
        raise KeyRotationError(f"{key.did} has no key that could be replaced: {refused}") from refused
    return _InForce(frozenset(one.raw for one in keys), resolved.metadata.version_id)


def _is_done(key: AgentKey, successor: AgentKey, now: _InForce) -> bool:
    """Say whether the successor is in force already; one of the two must be."""
    if successor.public_key in now.keys:
        return True
    if key.public_key in now.keys:
        return False
    raise KeyRotationError(
        f"neither the key of {key.did} nor the one that should follow is in force: it was replaced from elsewhere; "
        "report the compromise if that was not you"
    )


def _request(key: AgentKey, successor: AgentKey, version_id: str) -> RotateKeyRequest:
    nonce = secrets.token_bytes(NONCE_BYTES)
    message = rotation_input(
        did=key.did,
        environment=key.environment,
        version_id=version_id,
        old_key=key.public_key,
        new_key=successor.public_key,
        nonce=nonce,
    )
    return RotateKeyRequest(
        did=key.did,
        did_version_id=version_id,
        new_public_key=successor.public_key,
        nonce=nonce,
        old_key_proof=key.private_key.sign(message),
        new_key_proof=successor.private_key.sign(message),
    )


def _rotated(key: AgentKey, successor: AgentKey, done: RotateKeyResponse) -> _InForce:
    if done.identity.did != key.did:
        raise KeyRotationError(f"the answer is about {done.identity.did or 'nobody'}, not about {key.did}")
    return _InForce(frozenset({successor.public_key}), done.identity.did_version_id)


def _concluded(store: AgentKeyStore, key: AgentKey, successor: AgentKey, now: _InForce) -> AgentKey:
    in_force = replace(key, private_key=successor.private_key, did_version_id=now.version_id)
    store.conclude(in_force)
    return in_force
