"""Requests that put one key in the place of another, signed as an agent signs them; every part open to spoiling."""

from typing import Any

from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.rotation import rotation_input
from ringfence_kit.sealed_keys import Ed25519Signer

NONCE = b"sixteen bytes or"


def message(identity: pb.AgentIdentity, old: Ed25519Signer, new: Ed25519Signer, **parts: Any) -> bytes:
    """Return what both keys sign; `parts` replace those that belong there."""
    sound: dict[str, Any] = {
        "did": identity.did,
        "environment": identity.environment,
        "version_id": identity.did_version_id,
        "old_key": old.public_key,
        "new_key": new.public_key,
        "nonce": NONCE,
    }
    return rotation_input(**{**sound, **parts})


def rotation(identity: pb.AgentIdentity, old: Ed25519Signer, new: Ed25519Signer, **fields: Any) -> pb.RotateKeyRequest:
    """Return a RotateKey that would succeed; `fields` replace its own."""
    signed = message(identity, old, new)
    sound: dict[str, Any] = {
        "did": identity.did,
        "did_version_id": identity.did_version_id,
        "new_public_key": new.public_key,
        "nonce": NONCE,
        "old_key_proof": old.sign(signed),
        "new_key_proof": new.sign(signed),
    }
    return pb.RotateKeyRequest(**{**sound, **fields})


def replacement(identity: pb.AgentIdentity, old: Ed25519Signer, new: Ed25519Signer, **fields: Any) -> pb.ReplacementKey:
    """Return a replacement key that would be taken; `fields` replace its own."""
    sound: dict[str, Any] = {
        "public_key": new.public_key,
        "nonce": NONCE,
        "did_version_id": identity.did_version_id,
        "proof": new.sign(message(identity, old, new)),
    }
    return pb.ReplacementKey(**{**sound, **fields})
